//! Numbers whose order or release at the carrier is not settled.

use domain::carrier::CarrierOrderId;
use domain::number::{Order, PhoneNumber, Source};
use domain::{Result, Timestamp};

use crate::Table;
use crate::keys::{Key, Named, Work};
use crate::number_item::ORDERING;
use crate::transaction::Condition;

impl Table {
    /// Numbers whose order nobody has settled, across organizations, the soonest to be asked about again first.
    pub async fn orders_in_doubt(&self) -> Result<Vec<PhoneNumber>> {
        let number = |named| match named {
            Named::Number(organization, id) => Some((organization, id)),
            Named::LateOrder(..) | Named::Submission(..) | Named::Credits(..) => None,
        };
        let mut orders = Vec::new();
        for (organization, id) in self.unsettled(number).await? {
            let current = self.find_number(&organization, &id).await?;
            orders.extend(current.filter(|number| matches!(number.source, Source::Managed(Order::Ordering { .. }))));
        }
        Ok(orders)
    }

    /// Looks at a number again after a while. Nothing else of it changes; a number that has moved on stays as it is.
    pub async fn postpone_number(&self, known: &PhoneNumber, until: Timestamp) -> Result<()> {
        let key = Key::number(&known.organization, &known.id);
        self.update_if(key, "SET workDue = :due", still_waits(known, until)).await.map(drop)
    }

    /// Remembers what a look at an order in doubt has found, and looks again after a while: which order of the carrier's
    /// decides, where that is known by now, and since when the number has been offered again. A number that has moved on
    /// stays as it is.
    pub async fn record_look(
        &self,
        known: &PhoneNumber,
        order: Option<&CarrierOrderId>,
        absent_since: Option<Timestamp>,
        until: Timestamp,
    ) -> Result<()> {
        let (mut expression, mut condition) = ("SET workDue = :due".to_owned(), still_waits(known, until));
        if let Some(order) = order {
            expression += ", orderId = :order";
            condition = condition.text(":order", order.as_str());
        }
        if let Some(since) = absent_since {
            expression += ", absentSince = :since";
            condition = condition.text(":since", &since.to_string());
        } else {
            expression += " REMOVE absentSince";
        }
        self.update_if(Key::number(&known.organization, &known.id), &expression, condition).await.map(drop)
    }

    /// Remembers which order of the carrier's decides about a number that waits for one. This is no change that anybody
    /// sees, so the version stays. Whoever settles the number learns the order again, should another write lose it.
    pub async fn record_order(&self, known: &PhoneNumber, order: &CarrierOrderId) -> Result<()> {
        let waiting =
            Condition::new("orderState = :ordering").text(":ordering", ORDERING).text(":order", order.as_str());
        let key = Key::number(&known.organization, &known.id);
        self.update_if(key, "SET orderId = :order", waiting).await.map(drop)
    }
}

/// The number is the one that is known, and still in the work index.
fn still_waits(known: &PhoneNumber, until: Timestamp) -> Condition {
    Condition::new("version = :version AND attribute_exists(workDue)")
        .number(":version", known.version)
        .text(":due", &Work::unsettled(until, known.id.as_str()).due)
}
