//! Orders whose purchase was refunded because the carrier had never got them, and that may still arrive.

use domain::audit::{Actor, Event};
use domain::settlement::LateOrder;
use domain::{E164, Error, OrganizationId, PhoneNumberId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{Item, corrupt, from_item, time, to_item};
use crate::keys::{Key, Work};
use crate::transaction::{Condition, Transaction};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LateOrderItem {
    organization_id: String,
    number_id: String,
    e164: String,
    refunded_at: String,
    looks: usize,
}

/// The item of a late order, due at its next look.
fn late_order_item(late: &LateOrder, due: Timestamp) -> Result<Item> {
    let LateOrder { organization, reference, e164, refunded_at, looks } = late;
    let attributes = LateOrderItem {
        organization_id: organization.to_string(),
        number_id: reference.to_string(),
        e164: e164.to_string(),
        refunded_at: refunded_at.to_string(),
        looks: *looks,
    };
    let work = Work::unsettled(due, reference.as_str());
    to_item(Key::late_order(organization, reference), Some(work), &attributes)
}

impl TryFrom<LateOrderItem> for LateOrder {
    type Error = Error;

    fn try_from(item: LateOrderItem) -> Result<Self> {
        Ok(Self {
            organization: OrganizationId::parse(&item.organization_id).map_err(corrupt("organizationId"))?,
            reference: PhoneNumberId::parse(&item.number_id).map_err(corrupt("numberId"))?,
            e164: E164::from_stored(&item.e164).map_err(corrupt("e164"))?,
            refunded_at: time("refundedAt", &item.refunded_at)?,
            looks: item.looks,
        })
    }
}

impl Table {
    /// An order that may still arrive; `None` once nobody waits for it any more.
    pub async fn late_order(
        &self,
        organization: &OrganizationId,
        reference: &PhoneNumberId,
    ) -> Result<Option<LateOrder>> {
        let item = self.fetch(Key::late_order(organization, reference)).await?;
        item.map(|item| from_item::<LateOrderItem>(item)?.try_into()).transpose()
    }

    /// Remembers that a look is over: the next one is due at its time, and after the last one the order is forgotten. With
    /// `released_by`, the event that its number was released at the carrier is written, too. What another run has
    /// recorded meanwhile stays.
    pub async fn record_late_look(&self, known: &LateOrder, released_by: Option<&Actor>, now: Timestamp) -> Result<()> {
        let same = Condition::new("looks = :looks").number(":looks", known.looks as i128);
        let next = known.clone().looked();
        let mut transaction = Transaction::on(self);
        transaction = match next.due() {
            Some(due) => transaction.put("lateOrder", late_order_item(&next, due)?, &same)?,
            None => transaction.delete("lateOrder", Key::late_order(&known.organization, &known.reference), &same)?,
        };
        if let Some(actor) = released_by {
            transaction = transaction.audit(&Event::late_order_released(known, actor, now))?;
        }
        transaction.commit().await.map(drop)
    }

    /// Asks about a late order again after a while.
    pub async fn postpone_late_order(&self, known: &LateOrder, until: Timestamp) -> Result<()> {
        let condition = Condition::new("looks = :looks")
            .number(":looks", known.looks as i128)
            .text(":due", &Work::unsettled(until, known.reference.as_str()).due);
        let key = Key::late_order(&known.organization, &known.reference);
        self.update_if(key, "SET workDue = :due", condition).await.map(drop)
    }
}

impl Transaction<'_> {
    /// Remembers that an order may arrive after its refund. The step is `lateOrder`.
    pub(crate) fn expect_late_order(self, late: &LateOrder) -> Result<Self> {
        match late.due() {
            Some(due) => self.put("lateOrder", late_order_item(late, due)?, &Condition::absent()),
            None => Ok(self),
        }
    }
}
