//! `ops orders`: orders whose outcome is in doubt.

use std::time::Duration;

use clap::{Args, Subcommand};
use domain::audit::Action;
use domain::carrier::{CarrierNumberId, Found, OrderStanding};
use domain::number::{Order, PhoneNumber, Source};
use domain::settlement::HANDED_OVER_AFTER;
use domain::{Error, OrganizationId, PhoneNumberId};
use serde_json::json;

use crate::failure::Failure;
use crate::numbers::row;
use crate::output::Output;
use crate::session::{Session, Undo};

/// Before this, the request that bought the number may still be about to send its order.
const IN_FLIGHT: Duration = Duration::from_mins(5);

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List orders whose outcome nobody has recorded, across organizations
    List,
    /// Record that a number is ours, as the carrier confirms
    Adopt {
        #[command(flatten)]
        which: Which,
        /// Take the carrier's id on your word, when the carrier lists the number under another reference or not at all
        #[arg(long, requires = "carrier_id")]
        force: bool,
        /// The carrier's id of the number, seen in the carrier's portal
        #[arg(long, value_name = "ID", value_parser = CarrierNumberId::parse, requires = "force")]
        carrier_id: Option<CarrierNumberId>,
    },
    /// Give a purchase back: the row, the claim and the agent's link go, the money returns
    Refund {
        #[command(flatten)]
        which: Which,
        /// Also when the carrier has not refused the order, but you know that it will not deliver
        #[arg(long)]
        force: bool,
    },
}

/// One order.
#[derive(Args)]
pub(crate) struct Which {
    #[arg(value_parser = OrganizationId::parse)]
    organization: OrganizationId,
    /// The number's id, under which it was ordered
    #[arg(value_name = "ID", value_parser = PhoneNumberId::parse)]
    id: PhoneNumberId,
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::List => {
            let now = session.now();
            let orders = session.table.orders_in_doubt().await?;
            let rows = orders.iter().map(|number| {
                let mut shown = row(number);
                shown["ageMinutes"] = (now.since(number.created_at).as_secs() / 60).into();
                shown["needsPerson"] = (now.since(number.created_at) >= HANDED_OVER_AFTER).into();
                shown
            });
            let columns = &["organizationId", "id", "e164", "createdAt", "ageMinutes", "needsPerson"];
            Ok(Output::table(columns, "No order is in doubt.", rows.collect()))
        }
        Command::Adopt { which, carrier_id, .. } => adopt(session, &which, carrier_id).await,
        Command::Refund { which, force } => refund(session, &which, force).await,
    }
}

async fn adopt(
    session: &mut Session<'_, '_>,
    which: &Which,
    forced: Option<CarrierNumberId>,
) -> Result<Output, Failure> {
    let number = in_doubt(session, which).await?;
    let carrier = session.connection.carrier()?;
    let owned = carrier.find(&number.e164, &number.id).await?;
    let owned = match owned {
        Found::Ready(owned) => Some(owned),
        Found::Preparing(_) => {
            return Err(Failure::new(
                "The carrier lists this number and is still preparing it: wait until it is active.",
            ));
        }
        Found::Absent => None,
    };
    let (resource, undo) = match (owned, forced) {
        (Some(owned), Some(forced)) if owned != forced => {
            return Err(Failure::new(format!(
                "The carrier lists this number under the id {}, not {}.",
                owned.as_str(),
                forced.as_str()
            )));
        }
        (Some(owned), _) => (owned, Undo::Possible),
        (None, Some(forced)) => (forced, Undo::Impossible),
        (None, None) => {
            return Err(Failure::new(
                "The carrier lists no such number under this order. If you see it in the carrier's portal, say --force \
                 --carrier-id ID; if it will never come, `orders refund`.",
            ));
        }
    };
    let deed = format!("record that {} is ours, as {}", number.e164.as_str(), resource.as_str());
    if let Some(would) = session.before(&deed, undo)? {
        return Ok(would);
    }
    let (actor, now) = (session.actor().await?, session.now());
    carrier.configure(&resource, &number.organization).await?;
    let activate = |number: PhoneNumber| number.activate(resource.clone(), now);
    let adopted = session.table.transition(number, activate, Action::Activated, &actor).await.map_err(settled)?;
    Ok(Output::changed(true, format!("Number {} is active.", adopted.id), row(&adopted)))
}

async fn refund(session: &mut Session<'_, '_>, which: &Which, force: bool) -> Result<Output, Failure> {
    let number = in_doubt(session, which).await?;
    let carrier = session.connection.carrier()?;
    if carrier.find(&number.e164, &number.id).await? != Found::Absent {
        return Err(Failure::new("The carrier has this number for us: adopt it; its owner can release it then."));
    }
    let age = session.now().since(number.created_at);
    let (standing, _) = carrier.standing(&number.id, number.placed_order()).await?;
    refusal(standing, age, force).map_or(Ok(()), |reason| Err(Failure::new(reason)))?;
    let price = number.purchase_price();
    let deed =
        format!("refund {price} USD to '{}' and forget the order of {}", which.organization, number.e164.as_str());
    if let Some(would) = session.before(&deed, Undo::Impossible)? {
        return Ok(would);
    }
    let id = number.id.clone();
    let (actor, now) = (session.actor().await?, session.now());
    let refunded = match standing {
        OrderStanding::Failed => session.table.refund_purchase(number, &actor, now).await,
        // It may still arrive.
        _ => session.table.refund_absent(number, &actor, now).await,
    };
    refunded.map_err(settled)?;
    let balance = session.table.balance(&which.organization).await?;
    let fields = json!({ "id": id.as_str(), "refundedUsd": price.to_string(), "balanceUsd": balance.to_string() });
    Ok(Output::changed(true, format!("The purchase {id} was refunded."), fields))
}

/// Why a purchase is not to be refunded yet. What is refunded and delivered all the same is a number that nobody
/// pays for.
fn refusal(standing: OrderStanding, age: Duration, force: bool) -> Option<&'static str> {
    match standing {
        _ if age < IN_FLIGHT => Some("This order is being placed right now: wait five minutes."),
        OrderStanding::Failed => None,
        _ if force => None,
        OrderStanding::Open => Some("The carrier is still working on this order: wait, or say --force."),
        OrderStanding::Several => Some(
            "The carrier lists several orders for this number: look there which of them delivers, then say --force.",
        ),
        OrderStanding::Done => Some("The carrier says that it has delivered this order: look there, then say --force."),
        OrderStanding::Unlisted if age < HANDED_OVER_AFTER => {
            Some("The carrier does not list this order yet, and may for a day: wait, or say --force.")
        }
        OrderStanding::Unlisted => None,
    }
}

async fn in_doubt(session: &Session<'_, '_>, which: &Which) -> Result<PhoneNumber, Failure> {
    let Which { organization, id } = which;
    let number = crate::numbers::number(session, organization, id).await?;
    match number.source {
        Source::Managed(Order::Ordering { .. }) => Ok(number),
        Source::Managed(_) | Source::SipTrunk { .. } => Err(settled(Error::NumberBusy)),
    }
}

fn settled(error: Error) -> Failure {
    match error {
        Error::NumberBusy | Error::NotFound => Failure::new("This number's order is not in doubt (any more)."),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_definite_no_or_a_day_of_silence_is_given_back_unforced() {
        use OrderStanding::{Done, Failed, Open, Several, Unlisted};
        let (young, hour, day) = (Duration::from_mins(4), Duration::from_hours(1), HANDED_OVER_AFTER);
        for (standing, age, force, refused) in [
            (Failed, young, true, true),
            (Unlisted, young, true, true),
            (Failed, hour, false, false),
            (Unlisted, hour, false, true),
            (Unlisted, hour, true, false),
            (Unlisted, day, false, false),
            (Open, day, false, true),
            (Open, day, true, false),
            (Several, day, false, true),
            (Several, day, true, false),
            (Done, day, false, true),
            (Done, day, true, false),
        ] {
            assert_eq!(refusal(standing, age, force).is_some(), refused, "{standing:?} {age:?} {force}");
        }
    }
}
