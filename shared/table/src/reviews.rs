//! What staff look for across organizations: verifications to be decided, orders in doubt, and the pages of the index in
//! which they stand.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::kyb::{State, Status, Submission};
use domain::number::{Order, PhoneNumber, Source};
use domain::{Error, KybId, OrganizationId, Result, Timestamp};
use serde::Deserialize;

use crate::Table;
use crate::item::{Item, from_item, key_attributes};
use crate::keys::{Key, Named, WORK_DUE, WORK_INDEX, WORK_SHARD, WORK_SHARDS, Work};
use crate::transaction::Condition;
use crate::trouble::{retrying, unavailable};

/// How long the queue has to deliver a notification that was asked for again, before it is queued once more.
const DELIVERY: std::time::Duration = std::time::Duration::from_mins(2);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryItem {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    work_due: String,
}

/// One entry of the index: which item, and its place.
pub(crate) struct Entry {
    pub(crate) key: Key,
    due: String,
}

impl Table {
    /// Entries of one partition of the index in their order, at most `limit` of them after `start`.
    pub(crate) async fn indexed(&self, shard: &str, start: Option<(Key, Work)>, limit: usize) -> Result<Vec<Entry>> {
        let mut start: Option<Item> = start.map(|(key, work)| {
            let place = [(WORK_SHARD, work.shard), (WORK_DUE, work.due)];
            let place = place.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
            key_attributes(key).into_iter().chain(place).collect()
        });
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(WORK_INDEX)
            .key_condition_expression(format!("{WORK_SHARD} = :shard"))
            .expression_attribute_values(":shard", AttributeValue::S(shard.to_owned()));
        let mut entries = Vec::new();
        while entries.len() < limit {
            let wanted = i32::try_from(limit - entries.len()).unwrap_or(i32::MAX);
            let call = call.clone().limit(wanted).set_exclusive_start_key(start);
            let answer = retrying(|| call.clone().send()).await.map_err(unavailable)?;
            for item in answer.items.unwrap_or_default() {
                let EntryItem { pk, sk, work_due } = from_item(item)?;
                entries.push(Entry { key: Key { pk, sk }, due: work_due });
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(entries)
    }

    /// Everything unsettled of one kind, the longest waiting first, due or not.
    async fn unsettled<T>(&self, wanted: impl Fn(Named) -> Option<T>) -> Result<Vec<T>> {
        let mut found = Vec::new();
        for shard in 0..WORK_SHARDS {
            for Entry { key, due } in self.indexed(&Work::shard_name(shard), None, usize::MAX).await? {
                found.extend(key.named(&due).and_then(&wanted).map(|wanted| (due, wanted)));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found.into_iter().map(|(_, wanted)| wanted).collect())
    }

    /// Verifications that wait for a decision, across organizations: those that staff have been told of, then those that
    /// they are still to be told of, each the longest waiting first; at most `limit`.
    pub async fn review_queue(&self, limit: usize) -> Result<Vec<Submission>> {
        let submission = |named| match named {
            Named::Submission(organization, id) => Some((organization, id)),
            Named::Number(..) => None,
        };
        let told = self.indexed(&Work::reviews(), None, limit).await?;
        let told = told.into_iter().filter_map(|Entry { key, due }| key.named(&due).and_then(submission));
        let untold = self.unsettled(submission).await?;
        let mut waiting: Vec<Submission> = Vec::new();
        for (organization, id) in told.chain(untold) {
            if waiting.len() == limit {
                break;
            }
            // An index is stale by nature: what was decided or told a moment ago may stand there still, or twice.
            let current = self.submission(&organization, &id).await?;
            let current = current.filter(|submission| submission.status() == Status::Submitted);
            waiting.extend(current.filter(|new| waiting.iter().all(|known| known.id != new.id)));
        }
        Ok(waiting)
    }

    /// Numbers whose order nobody has settled, across organizations, the soonest to be asked about again first.
    pub async fn orders_in_doubt(&self) -> Result<Vec<PhoneNumber>> {
        let number = |named| match named {
            Named::Number(organization, id) => Some((organization, id)),
            Named::Submission(..) => None,
        };
        let mut orders = Vec::new();
        for (organization, id) in self.unsettled(number).await? {
            let current = self.find_number(&organization, &id).await?;
            orders.extend(current.filter(|number| matches!(number.source, Source::Managed(Order::Ordering { .. }))));
        }
        Ok(orders)
    }

    /// Finds the number that holds an id's claim, whatever organization it belongs to.
    pub async fn number_by_claim(&self, e164: &domain::E164) -> Result<Option<PhoneNumber>> {
        let Some(claim) = self.claim(e164).await? else { return Ok(None) };
        self.find_number(&claim.organization, &claim.number).await
    }

    /// Forgets that staff have been told of a submission that waits for their decision, so that they are told again: it
    /// is due for announcing, and whoever sends the queue's message is only faster than the reconciler.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::KybNotUnderReview`] when there is nothing to decide (any more).
    pub async fn announce_again(&self, organization: &OrganizationId, id: &KybId, now: Timestamp) -> Result<()> {
        let Work { shard, due } = Work::unsettled(now.plus(DELIVERY), id.as_str());
        let condition = Condition::new("id = :id AND kybStatus = :submitted")
            .text(":id", id.as_str())
            .text(":submitted", Status::Submitted.as_str())
            .text(":shard", &shard)
            .text(":due", &due)
            .number(":one", 1);
        let expression = "SET workShard = :shard, workDue = :due REMOVE slackChannel, slackTs ADD version :one";
        if self.update_if(Key::current_kyb(organization), expression, condition).await? {
            return Ok(());
        }
        let submission = self.submission(organization, id).await?.ok_or(Error::NotFound)?;
        Err(Error::KybNotUnderReview(submission.status().as_str()))
    }
}

/// Where a submission stands in the index once staff have been told of it; nowhere when there is nothing to decide.
pub(crate) fn awaiting_decision(submission: &Submission) -> Option<Work> {
    match &submission.state {
        State::Submitted(filed) => Some(Work::review(filed.at, &submission.id)),
        State::Draft { .. } | State::Approved(..) | State::Rejected(..) | State::Revoked(..) => None,
    }
}
