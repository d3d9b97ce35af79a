//! What is due: numbers whose order or release is not settled, submissions that staff have not been told of.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::carrier::CarrierOrderId;
use domain::number::PhoneNumber;
use domain::{KybId, OrganizationId, PhoneNumberId, Result, Timestamp};
use futures_util::future::try_join_all;
use serde::Deserialize;

use crate::Table;
use crate::item::from_item;
use crate::keys::{Key, Named, WORK_DUE, WORK_INDEX, WORK_SHARD, WORK_SHARDS, Work};
use crate::number_item::ORDERING;
use crate::transaction::Condition;
use crate::trouble::{retrying, unavailable};

/// Something that is due. The index only says which row; what is to be done is decided from the row as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Number(OrganizationId, PhoneNumberId),
    Submission(OrganizationId, KybId),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DueItem {
    #[serde(rename = "PK")]
    pub(crate) pk: String,
    #[serde(rename = "SK")]
    pub(crate) sk: String,
    pub(crate) work_due: String,
}

impl Table {
    /// Up to `most` rows that are due, the longest overdue first. Rows that cannot be understood are logged and left.
    pub async fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>> {
        let mut found: Vec<(String, Due)> = Vec::new();
        let shards = (0..WORK_SHARDS).map(|shard| self.due_in(shard, now, most));
        for item in try_join_all(shards).await?.into_iter().flatten() {
            let DueItem { pk, sk, work_due } = from_item(item)?;
            let key = Key { pk, sk };
            match key.named(&work_due) {
                Some(Named::Number(organization, number)) => {
                    found.push((work_due, Due::Number(organization, number)));
                }
                Some(Named::Submission(organization, submission)) => {
                    found.push((work_due, Due::Submission(organization, submission)));
                }
                None => tracing::error!(work.due = work_due, "a row in the work index cannot be understood"),
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found.truncate(most);
        Ok(found.into_iter().map(|(_, due)| due).collect())
    }

    async fn due_in(&self, shard: u8, now: Timestamp, most: usize) -> Result<Vec<crate::item::Item>> {
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(WORK_INDEX)
            .key_condition_expression(format!("{WORK_SHARD} = :shard AND {WORK_DUE} <= :now"))
            .expression_attribute_values(":shard", AttributeValue::S(Work::shard_name(shard)))
            // Greater than any id, so that everything due at this very moment is included.
            .expression_attribute_values(":now", AttributeValue::S(format!("{now}~")))
            .limit(i32::try_from(most).unwrap_or(i32::MAX));
        Ok(retrying(|| call.clone().send()).await.map_err(unavailable)?.items.unwrap_or_default())
    }

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
