//! Records of keyed requests: who runs, what was made, what was answered.

use std::time::Duration;

use domain::idempotency::{KeyedRequest, LEASE, Made, REPLAYED_FOR};
use domain::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{corrupt, to_item};
use crate::keys::Key;
use crate::transaction::{Condition, Transaction};

/// A caller whose request is still running is asked to come again after this long.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordItem {
    /// SHA-256 of the request's body.
    body_hash: String,
    /// Names the process that runs the request. Whoever takes over writes its own name, and the old one can no longer
    /// commit anything.
    runner: String,
    lease_until: i64,
    /// Milliseconds since 1970. The record counts for nothing after this, whether or not it has been deleted.
    valid_until: i64,
    /// The id of what the request has made. The transaction that makes it writes this too, so neither is there without
    /// the other.
    made: Option<String>,
    answer: Option<AnswerItem>,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerItem {
    etag: Option<String>,
    body: String,
}

/// A success, to be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAnswer {
    pub etag: Option<String>,
    pub body: String,
}

/// The right to run a keyed request. It ends with the lease, or when somebody else takes over.
#[derive(Clone, Debug)]
pub struct Lease {
    request: KeyedRequest,
    runner: String,
    /// What an earlier run, which was abandoned, has made; `None` when nothing was made, and by then nothing will be.
    pub made: Option<Made>,
}

/// What to do with a keyed request.
#[derive(Clone, Debug)]
pub enum Begun {
    Run(Lease),
    /// The answer, and what the request has made.
    Replay(RecordedAnswer, Option<Made>),
}

impl Table {
    /// Begins a keyed request.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeyReused`] for another body under the same key; [`Error::IdempotencyInProgress`].
    pub async fn begin_request(&self, request: &KeyedRequest, now: Timestamp) -> Result<Begun> {
        let fresh = Lease { request: request.clone(), runner: self.token(), made: None };
        // Each round loses against another request with the same key at most once.
        for _ in 0..3 {
            let free = Condition::new("attribute_not_exists(PK) OR validUntil <= :now").number(":now", now.millis());
            if self.put_if(fresh.record(now)?, &free).await? {
                return Ok(Begun::Run(fresh));
            }
            let Some(record) = self.get::<RecordItem>(request_key(request)).await? else { continue };
            let found = Lease { made: made(&record)?, ..fresh.clone() };
            if record.runner == fresh.runner {
                // Our own write, whose answer was lost: of a fresh start, or of a takeover.
                return Ok(Begun::Run(found));
            }
            if record.body_hash != request.body {
                return Err(Error::IdempotencyKeyReused);
            }
            if let Some(AnswerItem { etag, body }) = record.answer {
                return Ok(Begun::Replay(RecordedAnswer { etag, body }, found.made));
            }
            let left = Timestamp::from_millis(record.lease_until).since(now);
            if !left.is_zero() {
                return Err(Error::IdempotencyInProgress { retry_after: left });
            }
            // From here on the old run can make nothing: had it made something since we looked, this fails.
            let made = record.made.as_ref();
            let same = if made.is_some() { "made = :made" } else { "attribute_not_exists(made)" };
            let mut abandoned = Condition::new(&format!("runner = :old AND attribute_not_exists(answer) AND {same}"))
                .text(":old", &record.runner);
            if let Some(made) = made {
                abandoned = abandoned.text(":made", made);
            }
            if self.put_if(found.record(now)?, &abandoned).await? {
                return Ok(Begun::Run(found));
            }
        }
        Err(taken_over())
    }

    /// Records a success, which is given again from now on.
    pub async fn finish_request(&self, lease: &Lease, answer: &RecordedAnswer, now: Timestamp) -> Result<()> {
        let RecordedAnswer { etag, body } = answer.clone();
        let valid_until = now.plus(REPLAYED_FOR);
        let kept = lease
            .held()
            .value(":answer", serde_dynamo::to_attribute_value(AnswerItem { etag, body }).map_err(Error::internal)?)
            .number(":validUntil", valid_until.millis())
            .number(":expiresAt", valid_until.plus(REPLAYED_FOR).seconds());
        let expression = "SET answer = :answer, validUntil = :validUntil, expiresAt = :expiresAt";
        self.update_if(request_key(&lease.request), expression, kept).await.map(drop)
    }

    /// Ends the lease of a request whose outcome is not known: the same key carries on from what was made.
    pub async fn abandon_request(&self, lease: &Lease, now: Timestamp) -> Result<()> {
        let ended = lease.held().number(":now", now.millis());
        self.update_if(request_key(&lease.request), "SET leaseUntil = :now", ended).await.map(drop)
    }

    /// Lets a request run anew, when what it had made was refunded. The run makes something else under its own id: the
    /// carrier knows the old one by an order that failed.
    ///
    /// # Errors
    /// [`Error::IdempotencyInProgress`] when somebody else has taken over.
    pub async fn renew_request(&self, lease: &Lease) -> Result<Lease> {
        let renewed = Lease { made: None, ..lease.clone() };
        let Some(gone) = &lease.made else { return Ok(renewed) };
        // Only just this: were it to arrive again, late, it must not wipe out what has been made since.
        let unchanged = Condition::new("runner = :runner AND attribute_not_exists(answer) AND made = :gone");
        let unchanged = unchanged.text(":runner", &lease.runner).text(":gone", gone.as_str());
        if self.update_if(request_key(&lease.request), "REMOVE made", unchanged).await? {
            return Ok(renewed);
        }
        let record = self.get::<RecordItem>(request_key(&lease.request)).await?;
        let own = record.is_some_and(|record| record.runner == lease.runner && record.made.is_none());
        // Our own write, whose answer was lost.
        if own { Ok(renewed) } else { Err(taken_over()) }
    }

    /// Forgets a request that was refused, so that its key can be used again at once.
    pub async fn forget_request(&self, lease: &Lease) -> Result<()> {
        Transaction::on(self).delete("record", request_key(&lease.request), &lease.held())?.commit().await.map(drop)
    }
}

impl Lease {
    fn item(&self, now: Timestamp) -> RecordItem {
        let valid_until = now.plus(REPLAYED_FOR);
        RecordItem {
            body_hash: self.request.body.clone(),
            runner: self.runner.clone(),
            lease_until: now.plus(LEASE).millis(),
            valid_until: valid_until.millis(),
            made: self.made.as_ref().map(|made| made.as_str().to_owned()),
            answer: None,
            expires_at: valid_until.plus(REPLAYED_FOR).seconds(),
        }
    }

    fn record(&self, now: Timestamp) -> Result<crate::item::Item> {
        to_item(request_key(&self.request), None, &self.item(now))
    }

    fn held(&self) -> Condition {
        Condition::new("runner = :runner AND attribute_not_exists(answer)").text(":runner", &self.runner)
    }
}

impl Transaction<'_> {
    /// Lets the transaction happen only while the lease is held, and remembers what it makes: one that lost the lease
    /// to another run writes nothing. The step is [`LEASE_STEP`].
    pub(crate) fn under(self, lease: Option<&Lease>, made: &Made) -> Result<Self> {
        match lease {
            None => Ok(self),
            Some(lease) => {
                let held = lease.held().text(":made", made.as_str());
                self.update(LEASE_STEP, request_key(&lease.request), "SET made = :made", &held)
            }
        }
    }
}

/// The step of a transaction that fails when its lease was taken over.
const LEASE_STEP: &str = "lease";

/// # Errors
/// [`Error::IdempotencyInProgress`] when a transaction was refused because its lease was taken over.
pub(crate) fn still_held(failed: &[&str]) -> Result<()> {
    if failed.contains(&LEASE_STEP) { Err(taken_over()) } else { Ok(()) }
}

const fn taken_over() -> Error {
    Error::IdempotencyInProgress { retry_after: RETRY_AFTER }
}

fn request_key(request: &KeyedRequest) -> Key {
    Key::idempotency(&request.organization, &request.route, &request.key)
}

fn made(record: &RecordItem) -> Result<Option<Made>> {
    record.made.as_deref().map(Made::parse).transpose().map_err(corrupt("made"))
}
