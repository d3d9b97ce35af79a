//! Settles an order whose outcome is in doubt.

use clients::telnyx::Telnyx;
use domain::audit::{Action, Actor};
use domain::carrier::{CarrierOrderId, Found, OrderStanding};
use domain::number::{Order, PhoneNumber, Source};
use domain::settlement::{Doubt, Look, Settlement, may_be_absent};
use domain::{Error, Result, Timestamp};
use table::Table;

/// What became of an order in doubt.
#[derive(Debug)]
pub enum Settled {
    /// The number is ours and set up.
    Adopted,
    /// The order has failed, or was never taken, and the purchase was refunded.
    Refunded,
    /// There is no outcome yet.
    Open {
        /// The order that decides, where the carrier has named it.
        order: Option<CarrierOrderId>,
        look: Look,
        /// Since when every look has found the number offered again.
        absent_since: Option<Timestamp>,
        /// Whether a person has to decide.
        handed_over: bool,
    },
}

/// Asks the carrier about a number whose order is in doubt, and records the outcome if there is one.
///
/// # Errors
/// [`CarrierThrottled`](domain::Error::CarrierThrottled), [`CarrierUnavailable`](domain::Error::CarrierUnavailable) when
/// the carrier gives no usable answer; [`NumberBusy`](domain::Error::NumberBusy),
/// [`NotFound`](domain::Error::NotFound) when somebody else has settled it; [`Busy`](domain::Error::Busy).
pub async fn settle_order(
    table: &Table,
    carrier: &Telnyx,
    number: PhoneNumber,
    actor: &Actor,
    now: Timestamp,
) -> Result<Settled> {
    let Source::Managed(Order::Ordering { placed: _, absent_since }) = number.source else {
        return Err(Error::NumberBusy);
    };
    let doubt = Doubt { ordered_at: number.created_at, absent_since };
    let (look, order) = look(carrier, &number, now).await?;
    let id = number.id.clone();
    let (absent_since, handed_over) = match Settlement::decide(look.clone(), doubt, now) {
        Settlement::Adopt(resource) => {
            carrier.configure(&resource, &number.organization).await?;
            let activate = |number: PhoneNumber| number.activate(resource.clone(), now);
            table.transition(number, activate, Action::Activated, actor).await?;
            tracing::info!(number.id = %id, "an order in doubt was confirmed by the carrier");
            return Ok(Settled::Adopted);
        }
        Settlement::Refund => {
            table.refund_purchase(number, actor, now).await?;
            tracing::info!(number.id = %id, "an order in doubt has failed at the carrier; the purchase was refunded");
            return Ok(Settled::Refunded);
        }
        Settlement::RefundAbsent => {
            table.refund_absent(number, actor, now).await?;
            tracing::info!(
                number.id = %id,
                "the carrier never got an order and offers the number again; the purchase was refunded"
            );
            return Ok(Settled::Refunded);
        }
        Settlement::Wait { absent_since } => (absent_since, false),
        Settlement::HandOver => (None, true),
    };
    Ok(Settled::Open { order, look, absent_since, handed_over })
}

/// Asks the carrier: for the number, then for its order, and then, where there is none, whether the number is for sale again.
async fn look(carrier: &Telnyx, number: &PhoneNumber, now: Timestamp) -> Result<(Look, Option<CarrierOrderId>)> {
    match carrier.find(&number.e164, &number.id).await? {
        Found::Ready(resource) => return Ok((Look::Owned(resource), None)),
        Found::Preparing(_) => return Ok((Look::Preparing, None)),
        Found::Absent => {}
    }
    let (standing, order) = carrier.standing(&number.id, number.placed_order()).await?;
    let is_unlisted = standing == OrderStanding::Unlisted && may_be_absent(now.since(number.created_at));
    if is_unlisted && carrier.still_offers(&number.e164).await? {
        return Ok((Look::OfferedAgain, None));
    }
    Ok((Look::Order(standing), order))
}
