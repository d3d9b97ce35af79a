//! Settles an order whose outcome is in doubt.

use clients::telnyx::Telnyx;
use domain::audit::{Action, Actor};
use domain::carrier::{CarrierOrderId, OrderStanding};
use domain::number::PhoneNumber;
use domain::settlement::Settlement;
use domain::{Result, Timestamp};
use table::Table;

/// What became of an order in doubt.
#[derive(Debug)]
pub enum Settled {
    /// The number is ours and set up.
    Adopted,
    /// The order has failed, and the purchase was refunded.
    Refunded,
    /// There is no outcome yet.
    Open {
        /// The order that decides, where the carrier has named it.
        order: Option<CarrierOrderId>,
        standing: OrderStanding,
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
    let owned = carrier.find(&number.e164, &number.id).await?;
    let (standing, order) = match &owned {
        Some(_) => (OrderStanding::Done, None),
        None => carrier.standing(&number.id, number.placed_order()).await?,
    };
    let settlement = Settlement::decide(owned, standing, now.since(number.created_at));
    match &settlement {
        Settlement::Adopt(resource) => {
            carrier.configure(resource, &number.organization).await?;
            let id = number.id.clone();
            let activate = |number: PhoneNumber| number.activate(resource.clone(), now);
            table.transition(number, activate, Action::Activated, actor).await?;
            tracing::info!(number.id = %id, "an order in doubt was confirmed by the carrier");
            Ok(Settled::Adopted)
        }
        Settlement::GiveBack => {
            let id = number.id.clone();
            table.refund_purchase(number, actor, now).await?;
            tracing::info!(number.id = %id, "an order in doubt has failed at the carrier; the purchase was refunded");
            Ok(Settled::Refunded)
        }
        Settlement::Wait | Settlement::HandOver => {
            Ok(Settled::Open { order, standing, handed_over: settlement == Settlement::HandOver })
        }
    }
}
