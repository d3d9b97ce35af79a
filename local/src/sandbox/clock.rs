//! The local run's clock: the machine's, moved ahead as far as somebody likes, and kept with the data.
//!
//! Time is moved in hops: to when something falls due, or by an hour when that is later, or by a day when nothing falls due for
//! days. After each hop every `rate(…)` schedule runs once and the queues are worked off, so what happens is what would have
//! happened.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::credits::LOW_WITHIN;
use domain::renewal::ALIVE_WITHIN;
use domain::{Clock, EventId, OrganizationId, Timestamp};
use jiff::{Span, SpanRelativeTo};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use table::{FeedEvent, FeedFilter, FeedSubject, Table};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::deployment::Recurring;
use crate::sandbox::queue::Queues;

/// The furthest that one call may move the clock.
const LIMIT: Duration = Duration::from_hours(24 * 366);
/// The longest hop while something is to fall due: renewals that have not run for an hour release nothing until they have tried
/// again for a day. A minute less, because the work at each stop takes its time, too.
const HOP: Duration = ALIVE_WITHIN.saturating_sub(Duration::from_mins(1));
/// When nothing falls due for so long, time is moved by a day at once: the week in which credits are looked at ahead, and two
/// days more.
const CALM: Duration = LOW_WITHIN.saturating_add(Duration::from_hours(48));
const CALM_HOP: Duration = Duration::from_hours(24);
/// How long a hop waits for the queues. What fails is tried again after a later hop.
const QUEUES_WITHIN: Duration = Duration::from_secs(10);
/// How much time may pass between two looks at the events: they are kept for 30 days.
const READ_EVERY: Duration = Duration::from_hours(24 * 10);
/// The feed holds the last 30 s back, because events of other processes may still come. Nothing comes here.
const SETTLED: Duration = Duration::from_mins(1);
/// How many organizations or events are read at once.
const PAGE: usize = 200;

/// A clock that runs ahead of another one. It never goes back.
pub struct SandboxClock {
    clock: Arc<dyn Clock>,
    ahead_ms: AtomicI64,
    file: Option<PathBuf>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    ahead_ms: i64,
}

impl SandboxClock {
    /// Goes on from where `file` says that it was.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn open(clock: Arc<dyn Clock>, file: Option<PathBuf>) -> io::Result<Self> {
        let kept = match file.as_ref().map(std::fs::read) {
            Some(Ok(text)) => serde_json::from_slice(&text)?,
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => Kept::default(),
        };
        Ok(Self { clock, ahead_ms: AtomicI64::new(kept.ahead_ms), file })
    }

    fn ahead_ms(&self) -> i64 {
        self.ahead_ms.load(Ordering::SeqCst)
    }

    /// Moves to a later time. The file says so first, so that a crash does not set the clock back.
    fn hop_to(&self, time: Timestamp) -> io::Result<()> {
        let ahead_ms = (time.millis() - self.clock.now().millis()).max(self.ahead_ms());
        if let Some(file) = &self.file {
            let folder = file.parent().ok_or_else(|| io::Error::other("the clock's file has no folder"))?;
            let new = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&new, &Kept { ahead_ms })?;
            new.persist(file)?;
        }
        self.ahead_ms.store(ahead_ms, Ordering::SeqCst);
        Ok(())
    }
}

impl Clock for SandboxClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().millis() + self.ahead_ms())
    }
}

/// What it takes to move the time of a whole run.
pub(crate) struct TimeMachine {
    pub(crate) clock: Arc<SandboxClock>,
    pub(crate) table: Table,
    pub(crate) schedules: Vec<Recurring>,
    pub(crate) queues: Queues,
    /// One journey at a time, and no run of the schedules beside it.
    pub(crate) one_at_a_time: Arc<Mutex<()>>,
}

/// How far to go, such as `P40D`, `PT36H` or `40d`.
#[derive(Deserialize)]
struct Journey {
    advance: String,
}

pub(crate) fn router(machine: TimeMachine) -> Router {
    Router::new().route("/", get(show).post(advance)).with_state(Arc::new(machine))
}

async fn show(State(machine): State<Arc<TimeMachine>>) -> Json<Value> {
    Json(machine.shown())
}

async fn advance(State(machine): State<Arc<TimeMachine>>, journey: Result<Json<Journey>, JsonRejection>) -> Response {
    let by = journey.map_err(|error| error.body_text()).and_then(|Json(journey)| length(&journey.advance));
    let by = match by {
        Ok(by) => by,
        Err(reason) => return refused(StatusCode::BAD_REQUEST, &reason),
    };
    // Of its own, so that a caller who hangs up does not stop time half-way.
    match tokio::spawn(async move { machine.advance(by).await }).await {
        Ok(Ok(answer)) => Json(answer).into_response(),
        Ok(Err(error)) => refused(StatusCode::INTERNAL_SERVER_ERROR, &domain::chain(&error)),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn refused(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}

fn length(text: &str) -> Result<Duration, String> {
    let reason = |why: &str| format!("advance {why}: write a duration such as P40D, PT36H or 40d, at most P366D");
    let span: Span = text.parse().map_err(|_| reason(&format!("'{text}' is no duration")))?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| reason(&format!("'{text}' has years or months, whose length varies")))?;
    match Duration::try_from(length) {
        Ok(length) if !length.is_zero() && length <= LIMIT => Ok(length),
        _ => Err(reason(&format!("'{text}' is out of range"))),
    }
}

/// What has been read of the events, by organization.
#[derive(Default)]
struct Story {
    happened: Vec<(EventId, Value)>,
    read_until: BTreeMap<OrganizationId, EventId>,
}

impl TimeMachine {
    fn shown(&self) -> Value {
        let ahead_ms = self.clock.ahead_ms();
        json!({ "now": self.clock.now().to_string(), "aheadMs": ahead_ms })
    }

    /// Moves the clock ahead, has everything done on the way, and says what has happened.
    async fn advance(&self, by: Duration) -> domain::Result<Value> {
        let _alone = self.one_at_a_time.lock().await;
        let start = self.clock.now();
        let end = start.plus(by);
        let first = EventId::new(start, 0);
        let (mut story, mut read_at, mut due) = (Story::default(), start, None);
        self.work().await;
        while self.clock.now() < end {
            let next = self.next_stop(self.clock.now(), &mut due).await?.min(end);
            self.clock.hop_to(next).map_err(domain::Error::internal)?;
            self.work().await;
            if next.since(read_at) >= READ_EVERY {
                self.read_on(&mut story, &first).await?;
                read_at = next;
                tracing::info!(now = %next, until = %end, events = story.happened.len(), "the clock is on its way");
            }
        }
        self.read_on(&mut story, &first).await?;
        story.happened.sort_by(|(one, _), (other, _)| one.cmp(other));
        let mut answer = self.shown();
        answer["before"] = json!(start.to_string());
        answer["happened"] = story.happened.into_iter().map(|(_, event)| event).collect();
        Ok(answer)
    }

    /// Where the next hop goes. `due` is when something falls due next, as far as that is known.
    async fn next_stop(&self, now: Timestamp, due: &mut Option<Timestamp>) -> domain::Result<Timestamp> {
        if due.is_none_or(|due| due <= now) {
            *due = self.table.next_due(now, now.plus(CALM)).await?;
        }
        Ok(due.map_or(now.plus(CALM_HOP), |due| due.min(now.plus(HOP))))
    }

    /// Runs the schedules once, then waits for what they have queued.
    async fn work(&self) {
        for recurring in self.schedules.iter().filter(|recurring| recurring.period().is_some()) {
            recurring.run().await;
        }
        // What does not come to an end by then is worked on while time goes on, as after a failure in AWS.
        let _ = timeout(QUEUES_WITHIN, self.queues.settled()).await;
    }

    /// Reads the events since the last look.
    async fn read_on(&self, story: &mut Story, first: &EventId) -> domain::Result<()> {
        let mut after = None;
        loop {
            let page = self.table.organizations(after.as_ref(), PAGE).await?;
            for organization in &page {
                self.read_of(&organization.id, story, first).await?;
            }
            after = page.last().map(|organization| organization.id.clone());
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn read_of(&self, organization: &OrganizationId, story: &mut Story, first: &EventId) -> domain::Result<()> {
        let mut last = story.read_until.get(organization).unwrap_or(first).clone();
        loop {
            let now = self.clock.now().plus(SETTLED);
            let page = self.table.feed(organization, &FeedFilter::default(), Some(&last), PAGE, now).await?;
            let shown = page.events.iter().map(|event| (event.id.clone(), happened(organization, event)));
            story.happened.extend(shown);
            if page.events.len() < PAGE {
                let seen = page.events.last().map_or(last, |event| event.id.clone());
                story.read_until.insert(organization.clone(), seen);
                return Ok(());
            }
            last = page.next;
        }
    }
}

/// An event in a line.
fn happened(organization: &OrganizationId, event: &FeedEvent) -> Value {
    let mut line = json!({
        "at": event.id.made_at().to_string(),
        "organizationId": organization.as_str(),
        "type": event.kind,
    });
    match &event.about {
        FeedSubject::Number(number) => {
            line["e164"] = json!(number.e164);
            let usd = number.amount.map(|amount| amount.to_string());
            let release_at = number.release_at.map(|at| at.to_string());
            for (field, value) in [("amountUsd", usd), ("releaseAt", release_at), ("reason", number.reason.clone())] {
                if let Some(value) = value {
                    line[field] = json!(value);
                }
            }
        }
        FeedSubject::Verification { id, status } => {
            line["kybId"] = json!(id.as_str());
            line["status"] = json!(status);
        }
        FeedSubject::Credits(_) => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_is_a_duration_of_days_hours_or_minutes_within_a_year() {
        for (text, hours) in [("P40D", 960), ("40d", 960), ("PT36H", 36), ("P1W", 168), ("P366D", 8_784)] {
            assert_eq!(length(text), Ok(Duration::from_hours(hours)), "{text}");
        }
        for text in ["", "40", "P1M", "P1Y", "-P1D", "PT0S", "P367D", "tomorrow"] {
            let reason = length(text).unwrap_err();
            assert!(reason.starts_with("advance '") && reason.contains("P40D"), "{reason}");
        }
    }

    #[test]
    fn the_clock_goes_on_from_where_it_was_and_never_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock.json");
        let open = || SandboxClock::open(Arc::new(domain::SystemClock), Some(file.clone())).unwrap();
        let clock = open();
        assert_eq!(clock.ahead_ms(), 0);
        let later = clock.now().plus(Duration::from_hours(48));
        clock.hop_to(later).unwrap();
        assert!(clock.now() >= later && open().now() >= later);
        clock.hop_to(later.minus(Duration::from_hours(24))).unwrap();
        assert!(clock.now() >= later);
        std::fs::write(&file, "{").unwrap();
        assert!(SandboxClock::open(Arc::new(domain::SystemClock), Some(file)).is_err());
    }
}
