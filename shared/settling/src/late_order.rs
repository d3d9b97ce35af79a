//! Looks for an order that may arrive after its purchase was refunded.

use std::time::Duration;

use clients::telnyx::Telnyx;
use domain::audit::Actor;
use domain::carrier::{Found, OrderStanding, Release};
use domain::settlement::{HANDED_OVER_AFTER, LateOrder};
use domain::{Error, Result, Timestamp};
use runtime::alarm::Alarm;
use table::Table;

/// What a look for a late order has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateLook {
    /// Nothing. The next look comes at its time.
    Nothing,
    /// Its number, which was released at the carrier.
    Released,
    /// The order is pending; another look tells more.
    UnderWay,
}

/// Asks the carrier about an order that was refunded because it had never arrived. Where it has arrived since, its number
/// is released: nobody here pays for it, and the carrier does not take an order back.
///
/// # Errors
/// [`Error::CarrierThrottled`], [`Error::CarrierUnavailable`] when the carrier gives no usable answer or has not released
/// the number; [`Error::ReleaseRefused`]; [`Error::Busy`].
pub async fn look_for_late_order(
    table: &Table,
    carrier: &Telnyx,
    late: &LateOrder,
    actor: &Actor,
    now: Timestamp,
) -> Result<LateLook> {
    let resource = match carrier.find_late(&late.e164, &late.reference).await? {
        Found::Ready(resource) | Found::Preparing(resource) => resource,
        Found::Absent => {
            let (standing, _) = carrier.standing(&late.reference, None).await?;
            // An order that is done and has no number is one whose number was released at an earlier look.
            let since_due = late.due().map_or(Duration::ZERO, |due| now.since(due));
            if standing == OrderStanding::Open && since_due < HANDED_OVER_AFTER {
                return Ok(LateLook::UnderWay);
            }
            table.record_late_look(late, None, now).await?;
            return Ok(LateLook::Nothing);
        }
    };
    // Before the release, so that the operator hears of it whatever happens next.
    tracing::error!(
        alarm = Alarm::OrdersHandedOver.as_str(), number.id = %late.reference, organization.id = %late.organization,
        carrier.id = resource.as_str(),
        "an order has arrived at the carrier after its purchase was refunded; its number is released there"
    );
    match carrier.release(&resource).await? {
        Release::Confirmed | Release::Unknown => {
            table.record_late_look(late, Some(actor), now).await?;
            Ok(LateLook::Released)
        }
        Release::Refused(cause) => Err(Error::ReleaseRefused(cause.into())),
    }
}
