//! The audit trail: an event for each change, written in the change's own transaction and never touched again.

use domain::audit::Event;
use domain::{Error, EventId, OrganizationId, Recorded, Result, Timestamp, feed};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{Item, from_item, key_attributes, time, to_item};
use crate::keys::{Key, event_partition, events_of};
use crate::pages::Pages;
use crate::transaction::{Condition, Transaction};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventItem {
    at: String,
    actor_kind: String,
    actor_id: String,
    actor_email: Option<String>,
    action: String,
    changed: Vec<String>,
    /// The customer events of the same change.
    #[serde(default)]
    customer_events: Vec<FeedLink>,
    expires_at: i64,
}

impl EventItem {
    fn new(event: &Event, customer: &[(EventId, &feed::Event)]) -> Self {
        // Whole, so that a new field is not forgotten here. The key names organization and subject.
        let Event { organization: _, subject: _, at, actor, action, changed } = event;
        Self {
            at: at.to_string(),
            actor_kind: actor.kind().to_owned(),
            actor_id: actor.id().to_owned(),
            actor_email: actor.email().map(str::to_owned),
            action: action.as_str().to_owned(),
            changed: changed.iter().map(|field| (*field).to_owned()).collect(),
            customer_events: customer.iter().map(|(id, event)| FeedLink::new(id, event)).collect(),
            expires_at: event.kept_until().seconds(),
        }
    }
}

/// An event as it was remembered. Its words are those of the version that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    pub at: Timestamp,
    /// `api_key`, `reviewer`, `operator` or `system`.
    pub actor_kind: String,
    /// A key's id, a reviewer's id, a user name, or a function's name.
    pub actor_id: String,
    pub actor_email: Option<String>,
    /// In the past tense: `purchased`, `submitted`, `issued`.
    pub action: String,
    /// Names of fields, never values.
    pub changed: Vec<String>,
    /// The customer events of the same change: none for some, several for some renewals.
    pub customer_events: Vec<FeedLink>,
    /// Where the event stands among those of its subject: a page after this one starts here.
    pub position: String,
}

/// Names a customer event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedLink {
    /// `evt_…`
    pub id: String,
    /// Such as `phone_number.released`.
    #[serde(rename = "type")]
    pub kind: String,
    pub sequence: u64,
}

impl FeedLink {
    fn new(id: &EventId, event: &feed::Event) -> Self {
        Self { id: id.to_string(), kind: event.kind.as_str().to_owned(), sequence: event.sequence }
    }
}

/// Where a list of events begins and how far it goes.
#[derive(Clone, Debug, Default)]
pub struct EventPage {
    /// The last event of the page before, by its [`RecordedEvent::position`].
    pub after: Option<String>,
    /// At most this many events.
    pub limit: usize,
}

impl Transaction<'_> {
    /// Remembers a change in the change's own transaction: neither is ever there without the other. All tries of the
    /// transaction write the same event, so a lost answer does not leave two. The step is `event`.
    pub(crate) fn audit(self, event: &Event) -> Result<Self> {
        self.remember(event, &[])
    }

    /// Writes the events that record a change: the audit event and the customer events. The steps are `event` and `feed`.
    pub(crate) fn record<T>(self, change: &Recorded<T>) -> Result<Self> {
        let customer: Vec<_> = self.table.event_ids().zip(&change.events).collect();
        let recorded = self.remember(&change.audit, &customer)?;
        customer.iter().try_fold(recorded, |transaction, (id, event)| transaction.feed_event(id, event))
    }

    fn remember(self, event: &Event, customer: &[(EventId, &feed::Event)]) -> Result<Self> {
        let key = Key::event(event, self.table.randomness.draw());
        self.put("event", to_item(key, None, &EventItem::new(event, customer))?, &Condition::absent())
    }
}

impl Table {
    /// What has happened to a number, a verification or an API key, newest first: one page of it. `subject` is its id;
    /// the item itself may be gone.
    pub async fn events(
        &self,
        organization: &OrganizationId,
        subject: &str,
        page: &EventPage,
    ) -> Result<Vec<RecordedEvent>> {
        let prefix = events_of(subject);
        let newest_first = self.prefixed(event_partition(organization), &prefix).scan_index_forward(false);
        let after = page.after.as_ref().map(|position| Key::event_at(organization, subject, position));
        let after = after.map(|key| key_attributes(key).into());
        let events = Pages::of(newest_first, after).at_most(page.limit).await?;
        events.into_iter().map(|event| read_event(event, &prefix)).collect()
    }
}

fn read_event(item: Item, prefix: &str) -> Result<RecordedEvent> {
    let position = item
        .get(crate::keys::SK)
        .and_then(|key| key.as_s().ok())
        .and_then(|key| key.strip_prefix(prefix))
        .ok_or_else(|| Error::internal("an event stands under another subject's key"))?
        .to_owned();
    let EventItem { at, actor_kind, actor_id, actor_email, action, changed, customer_events, .. } = from_item(item)?;
    Ok(RecordedEvent {
        at: time("at", &at)?,
        actor_kind,
        actor_id,
        actor_email,
        action,
        changed,
        customer_events,
        position,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::AttributeValue;
    use domain::audit::{Action, Actor, Subject};
    use domain::{ApiKeyId, KybId};

    fn event(actor: Actor) -> Event {
        let at = Timestamp::parse("2026-01-01T00:00:00.000Z").unwrap();
        Event {
            organization: OrganizationId::parse("org_1").unwrap(),
            subject: Subject::Verification(KybId::new(at, 1)),
            at,
            actor,
            action: Action::Submitted,
            changed: vec!["businessProfile.website"],
        }
    }

    fn stored(event: &Event) -> Item {
        to_item(Key::event(event, 7), None, &EventItem::new(event, &[])).unwrap()
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let key = ApiKeyId::new(Timestamp::from_millis(1), 1);
        let reviewer = Actor::Reviewer { id: "U1".into(), email: Some("ada@example.com".into()) };
        for actor in [Actor::ApiKey(key), reviewer, Actor::Operator("grace".into()), Actor::System("reconciler")] {
            let event = event(actor.clone());
            let read = read_event(stored(&event), &events_of(event.subject.id())).unwrap();
            assert_eq!((read.at, read.action.as_str()), (event.at, "submitted"));
            assert_eq!((read.actor_kind.as_str(), read.actor_id.as_str()), (actor.kind(), actor.id()));
            assert_eq!(read.actor_email.as_deref(), actor.email());
            assert_eq!(read.changed, event.changed);
            assert!(read.position.starts_with("2026-01-01T00:00:00.000Z"), "{}", read.position);
        }
    }

    #[test]
    fn an_event_expires_after_four_hundred_days() {
        let item = stored(&event(Actor::System("reconciler")));
        let day = Timestamp::parse("2027-02-05T00:00:00.000Z").unwrap().seconds();
        assert_eq!(item[crate::keys::EXPIRES_AT].as_n().unwrap(), &day.to_string());
    }

    #[test]
    fn an_event_that_cannot_be_read_is_a_fault_of_ours_not_a_panic() {
        let event = event(Actor::System("reconciler"));
        assert!(matches!(read_event(stored(&event), &events_of("pn_1")), Err(Error::Internal(_))));
        let mut item = stored(&event);
        item.insert("at".into(), AttributeValue::S("then".into()));
        assert!(matches!(read_event(item, &events_of(event.subject.id())), Err(Error::Internal(_))));
    }
}
