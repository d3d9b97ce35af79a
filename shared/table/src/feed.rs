//! Customer events: one item for each, written in the change's own transaction. A reader's cursor follows their ids, which
//! sort by the time at which each transaction was built.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::feed::{About, Event, KEPT_FOR, Kind, LISTED_AFTER, Payment, Shortage};
use domain::number::{PhoneNumber, Routing};
use domain::renewal::Period;
use domain::{AgentId, EventId, KybId, Label, MicroUsd, OrganizationId, PhoneNumberId, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{Item, corrupt, from_item, optional_time, to_item};
use crate::keys::{Key, feed_after, feed_partition};
use crate::pages::Pages;
use crate::transaction::{Condition, Transaction};

/// The subject of events about an organization's credits.
const CREDITS: &str = "credits";

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeedItem {
    /// The sort key is the event's id, because ids sort by time.
    #[serde(rename = "SK")]
    id: String,
    event_type: String,
    sequence: u64,
    /// The id of the number or the verification; `credits` for an organization's credits.
    subject: String,
    e164: Option<String>,
    source: Option<String>,
    direction: Option<String>,
    agent_id: Option<String>,
    label: Option<String>,
    kyb_status: Option<String>,
    amount_micro_usd: Option<i64>,
    period_start: Option<String>,
    period_end: Option<String>,
    scheduled_release_at: Option<String>,
    release_reason: Option<String>,
    changed: Option<Vec<String>>,
    balance_micro_usd: Option<i64>,
    due_micro_usd: Option<i64>,
    covered_until: Option<String>,
    expires_at: i64,
}

/// An event as it was written. Its words are those of the version that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEvent {
    pub id: EventId,
    /// Such as `phone_number.purchased`.
    pub kind: String,
    pub sequence: u64,
    pub about: FeedSubject,
}

/// What an event is about, as it was when the event was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedSubject {
    Number(Box<FeedNumber>),
    Verification { id: KybId, status: String },
    Credits(Shortage),
}

/// A number as an event shows it, and what belongs to the event's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedNumber {
    pub id: PhoneNumberId,
    pub e164: String,
    pub source: String,
    pub direction: String,
    pub agent_id: Option<String>,
    pub label: Option<String>,
    pub amount: Option<MicroUsd>,
    pub period: Option<Period>,
    pub release_at: Option<Timestamp>,
    pub reason: Option<String>,
    pub changed: Option<Vec<String>>,
}

/// Which events a page of the feed is to hold. Empty: all.
#[derive(Clone, Debug, Default)]
pub struct FeedFilter {
    pub kind: Option<Kind>,
    pub number: Option<PhoneNumberId>,
}

/// Events, oldest first, and where the feed goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    pub events: Vec<FeedEvent>,
    /// The feed goes on after this place; no event will be written before it.
    pub next: EventId,
}

impl FeedSubject {
    /// The id of a number or a verification; `credits` for an organization's credits.
    pub(crate) fn subject(&self) -> String {
        match self {
            Self::Number(number) => number.id.to_string(),
            Self::Verification { id, .. } => id.to_string(),
            Self::Credits(_) => CREDITS.to_owned(),
        }
    }
}

impl FeedItem {
    fn new(id: &EventId, event: &Event) -> Self {
        // Whole, so that a new field is not forgotten here. The key names the organization.
        let Event { organization: _, kind, sequence, about } = event;
        let item = Self {
            id: id.to_string(),
            event_type: kind.as_str().to_owned(),
            sequence: *sequence,
            expires_at: id.made_at().plus(KEPT_FOR).seconds(),
            ..Self::default()
        };
        match about {
            About::Verification(subject, status) => {
                Self { subject: subject.to_string(), kyb_status: Some(status.as_str().to_owned()), ..item }
            }
            About::Credits(Shortage { balance, due, covered_until }) => Self {
                subject: CREDITS.to_owned(),
                balance_micro_usd: Some(balance.micros()),
                due_micro_usd: Some(due.micros()),
                covered_until: Some(covered_until.to_string()),
                ..item
            },
            About::Number { number, payment, release_at, reason, changed } => {
                let PhoneNumber { id, e164, source, routing, .. } = &**number;
                let Routing { direction, agent, label, template: _ } = routing;
                let period = payment.and_then(|Payment { period, .. }| period);
                Self {
                    subject: id.to_string(),
                    e164: Some(e164.to_string()),
                    source: Some(source.as_str().to_owned()),
                    direction: Some(direction.as_str().to_owned()),
                    agent_id: agent.as_ref().map(AgentId::to_string),
                    label: label.as_ref().map(Label::to_string),
                    amount_micro_usd: payment.map(|Payment { amount, .. }| amount.micros()),
                    period_start: period.map(|period| period.start.to_string()),
                    period_end: period.map(|period| period.end.to_string()),
                    scheduled_release_at: release_at.map(|at| at.to_string()),
                    release_reason: reason.map(|reason| reason.as_str().to_owned()),
                    changed: (*kind == Kind::Updated).then(|| changed.iter().map(ToString::to_string).collect()),
                    ..item
                }
            }
        }
    }
}

impl TryFrom<FeedItem> for FeedEvent {
    type Error = domain::Error;

    fn try_from(item: FeedItem) -> Result<Self> {
        let start = optional_time("periodStart", item.period_start.as_deref())?;
        let end = optional_time("periodEnd", item.period_end.as_deref())?;
        let covered_until = optional_time("coveredUntil", item.covered_until.as_deref())?;
        let micros = |attribute, value: Option<i64>| {
            value.map(MicroUsd::from_micros).ok_or("is missing").map_err(corrupt(attribute))
        };
        let about = match item.kyb_status {
            None if item.subject == CREDITS => FeedSubject::Credits(Shortage {
                balance: micros("balanceMicroUsd", item.balance_micro_usd)?,
                due: micros("dueMicroUsd", item.due_micro_usd)?,
                covered_until: covered_until.ok_or("is missing").map_err(corrupt("coveredUntil"))?,
            }),
            Some(status) => {
                FeedSubject::Verification { id: KybId::parse(&item.subject).map_err(corrupt("subject"))?, status }
            }
            None => FeedSubject::Number(Box::new(FeedNumber {
                id: PhoneNumberId::parse(&item.subject).map_err(corrupt("subject"))?,
                e164: item.e164.ok_or("is missing").map_err(corrupt("e164"))?,
                source: item.source.ok_or("is missing").map_err(corrupt("source"))?,
                direction: item.direction.ok_or("is missing").map_err(corrupt("direction"))?,
                agent_id: item.agent_id,
                label: item.label,
                amount: item.amount_micro_usd.map(MicroUsd::from_micros),
                period: start.zip(end).map(|(start, end)| Period { start, end }),
                release_at: optional_time("scheduledReleaseAt", item.scheduled_release_at.as_deref())?,
                reason: item.release_reason,
                changed: item.changed,
            })),
        };
        Ok(Self {
            id: EventId::parse(&item.id).map_err(corrupt("SK"))?,
            kind: item.event_type,
            sequence: item.sequence,
            about,
        })
    }
}

impl Transaction<'_> {
    /// Writes the customer event of a change in the change's own transaction, so neither exists without the other. All tries
    /// of the transaction write the same event. The step is `feed`.
    pub(crate) fn feed_event(self, id: &EventId, event: &Event) -> Result<Self> {
        let item = to_item(Key::feed_event(&event.organization, id), None, &FeedItem::new(id, event))?;
        self.put("feed", item, &Condition::absent())
    }
}

impl Table {
    /// Ids for the events of a change whose transaction is being built, in their order. They hold the current time, not the
    /// start of the request or run, which may be long ago.
    pub(crate) fn event_ids(&self) -> impl Iterator<Item = EventId> {
        let (now, random) = (self.clock.now(), self.randomness.draw());
        (0..).map(move |place| EventId::new(now, random.wrapping_add(place)))
    }

    /// The events of the last 30 days up to 30 s ago, oldest first: at most `limit` of them, after `after`.
    ///
    /// A page is shorter than `limit` when no more events follow, or when a filter has passed over 25 MB of them.
    pub async fn feed(
        &self,
        organization: &OrganizationId,
        filter: &FeedFilter,
        after: Option<&EventId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<FeedPage> {
        let until = listed_until(now);
        let oldest = EventId::new(now.minus(KEPT_FOR), 0);
        let last = after.map_or(&oldest, |after| after.max(&oldest));
        if *last >= until {
            return Ok(FeedPage { events: Vec::new(), next: last.clone() });
        }
        let query = self.feed_query(organization, filter, last, &until, limit);
        let mut pages = Pages::of(query, None);
        let (items, more) = pages.up_to(limit).await?;
        let events = items.into_iter().map(read_event).collect::<Result<Vec<_>>>()?;
        let next = match (more, pages.position()) {
            (true, _) => events.last().map(|event| event.id.clone()),
            (false, Some(position)) => Some(EventId::parse(&position).map_err(corrupt("SK"))?),
            (false, None) => Some(until),
        };
        Ok(FeedPage { next: next.unwrap_or_else(|| last.clone()), events })
    }

    /// A query for the events after `last`, up to `until`.
    fn feed_query(
        &self,
        organization: &OrganizationId,
        FeedFilter { kind, number }: &FeedFilter,
        last: &EventId,
        until: &EventId,
        limit: usize,
    ) -> QueryFluentBuilder {
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND SK BETWEEN :after AND :until")
            .expression_attribute_values(":pk", AttributeValue::S(feed_partition(organization)))
            .expression_attribute_values(":after", AttributeValue::S(feed_after(last)))
            .expression_attribute_values(":until", AttributeValue::S(until.to_string()));
        let (kind, number) = (kind.map(Kind::as_str), number.as_ref().map(PhoneNumberId::as_str));
        let mut terms = Vec::new();
        for (term, name, value) in [("eventType = :type", ":type", kind), ("subject = :subject", ":subject", number)] {
            if let Some(value) = value {
                terms.push(term);
                query = query.expression_attribute_values(name, AttributeValue::S(value.to_owned()));
            }
        }
        match terms.as_slice() {
            // One more than is shown tells whether more follow. DynamoDB counts what it reads, not what a filter leaves.
            [] => query.limit(i32::try_from(limit + 1).unwrap_or(i32::MAX)),
            terms => query.filter_expression(terms.join(" AND ")),
        }
    }
}

/// The last place that may be read: every event that is written from now on sorts after it.
fn listed_until(now: Timestamp) -> EventId {
    EventId::new(now.minus(LISTED_AFTER), 0)
}

fn read_event(item: Item) -> Result<FeedEvent> {
    from_item::<FeedItem>(item)?.try_into()
}
