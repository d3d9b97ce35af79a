//! What is due: numbers whose order or release is not settled, submissions that staff have not been told of.

use domain::carrier::CarrierOrderId;
use domain::number::PhoneNumber;
use domain::{Result, Timestamp};

use crate::Table;
use crate::keys::{Key, Work};
use crate::number_item::ORDERING;
use crate::transaction::Condition;

impl Table {
    /// Looks at a number again after a while, and remembers which order of the carrier's decides about it, where that is
    /// known by now. Nothing else of it changes; a number that has moved on stays as it is.
    pub async fn postpone_number(
        &self,
        known: &PhoneNumber,
        order: Option<&CarrierOrderId>,
        until: Timestamp,
    ) -> Result<()> {
        let due = Work::unsettled(until, known.id.as_str()).due;
        let unchanged = Condition::new("version = :version AND attribute_exists(workDue)")
            .number(":version", known.version)
            .text(":due", &due);
        let (expression, condition) = match order {
            None => ("SET workDue = :due", unchanged),
            Some(order) => ("SET workDue = :due, orderId = :order", unchanged.text(":order", order.as_str())),
        };
        self.update_if(Key::number(&known.organization, &known.id), expression, condition).await.map(drop)
    }

    /// Remembers which order of the carrier's decides about a number that waits for one. This is no change that anybody
    /// sees, so the version stays. Whoever settles the number learns the order again, should another write lose it.
    pub async fn record_order(&self, known: &PhoneNumber, order: &CarrierOrderId) -> Result<()> {
        let waiting =
            Condition::new("orderState = :ordering").text(":ordering", ORDERING).text(":order", order.as_str());
        let key = Key::number(&known.organization, &known.id);
        self.update_if(key, "SET orderId = :order", waiting).await.map(drop)
    }

    /// Looks at a submission again after a while, unless staff have been told meanwhile.
    pub async fn postpone_submission(&self, known: &domain::kyb::Submission, until: Timestamp) -> Result<()> {
        let due = Work::unsettled(until, known.id.as_str()).due;
        let condition = Condition::new("id = :id AND attribute_exists(workDue) AND attribute_not_exists(slackTs)")
            .text(":id", known.id.as_str())
            .text(":due", &due);
        self.update_if(Key::current_kyb(&known.organization), "SET workDue = :due", condition).await.map(drop)
    }
}
