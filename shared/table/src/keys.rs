//! How items are found. This is the only file that spells keys.
//!
//! A role is limited by partition (`dynamodb:LeadingKeys` in the template), so what not every function may touch has a
//! partition of its own: keys, claims, verifications, the ledger, both kinds of events, counters.
//!
//! | access pattern | key | who asks |
//! |---|---|---|
//! | a tenant: flag, policy, hold | `ORG#<org>` / `ORG` | every route |
//! | its credits | `ORG#<org>` / `CREDITS` | buying, renewals, credits, every read of a number |
//! | its SMS brand | `ORG#<org>` / `BRAND` | verification overview |
//! | how many numbers it has imported | `ORG#<org>` / `IMPORTS` | importing |
//! | its searches and purchases, its changes of numbers, of a minute | `RATE#<org>` / `SEARCHES#<minute>`, `CHANGES#<minute>` | searching, buying, updating |
//! | one number; all numbers, newest first | `ORG#<org>` / `NUMBER#<pn>`, prefix `NUMBER#` backwards | numbers |
//! | an agent; the one number it is linked to; all of them | `ORG#<org>` / `AGENT#<id>`, `AGENTLINK#<id>`, prefix | buying, importing, updating, operators |
//! | a SIP connection; all of them | `ORG#<org>` / `SIPCONNECTION#<id>`, prefix | importing, every read of a number |
//! | the current verification; an earlier one | `KYB#<org>` / `CURRENT`, `<kyb>` | verification, its notifier, reviews, reconciler |
//! | a ledger entry; the ledger in the order of booking | `LEDGER#<org>` / `<time of booking>#<reference>` | buying, refunds, renewals, credits |
//! | who changed a number, verification or key, newest first | `EVENT#<org>` / `<subject>#<time>#<random>`, prefix backwards | operators |
//! | customer events, oldest first | `FEED#<org>` / `<evt>` (ids sort by time), range | events |
//! | an order that may arrive after its refund | `ORG#<org>` / `LATEORDER#<pn>` | reconciler |
//! | what an operator has booked, by their own reference | `ORG#<org>` / `REFERENCE#<reference>` | operators |
//! | a request that carries an Idempotency-Key | `ORG#<org>` / `IDEMPOTENCY#<method>#<path>#<key>` | buying, importing, submitting |
//! | who owns a number, across organizations | `E164#<e164>` / `CLAIM` | buying, importing |
//! | an API key, by its SHA-256 | `KEY#<hash>` / `KEY` | every route |
//! | when a key was last used, to the hour | `USE#<key>` / `USE` | every route, operators |
//! | an API key's SHA-256, by its id; all of a tenant | `ORG#<org>` / `APIKEY#<id>`, prefix | operators |
//! | what is not settled (index `work`) | `WORK#<shard>` / `<due>#<id>` | reconciler |
//! | months to be paid (index `work`) | `WORK#CHARGE#<shard>` / `<due>#<id>` | renewals, the sweep |
//! | credits in which something was booked (index `work`) | `WORK#CREDITS` / `<time>#<org>` | renewals |
//! | one organization's numbers by their next month (index `due`) | `organizationId` / `nextChargeAt` | renewals, credits, reads of numbers when credits are low |
//! | since when renewals have run without a gap | `SCHEDULE` / `RENEWALS` | renewals |
//! | verifications that staff know of and have not decided (index `work`) | `WORK#REVIEW` / `<submitted>#<id>` | operators |
//! | all tenants (index `work`) | `WORK#ORGANIZATIONS` / `<org>` | operators |

use domain::api_key::ApiKeyHash;
use domain::audit::Event;
use domain::idempotency::IdempotencyKey;
use domain::{
    AgentId, ApiKeyId, BookingReference, E164, EventId, KybId, OrganizationId, PhoneNumberId, SipConnectionId,
    Timestamp,
};

use crate::rates::Rate;

pub(crate) const PK: &str = "PK";
pub(crate) const SK: &str = "SK";
pub(crate) const WORK_INDEX: &str = "work";
pub(crate) const WORK_SHARD: &str = "workShard";
pub(crate) const WORK_DUE: &str = "workDue";
pub(crate) const DUE_INDEX: &str = "due";
pub(crate) const ORGANIZATION_ID: &str = "organizationId";
pub(crate) const NEXT_CHARGE_AT: &str = "nextChargeAt";
/// What the index `due` holds of a number beside its keys.
pub(crate) const DUE_PROJECTION: [&str; 6] =
    ["e164", "createdAt", "nextMonth", "monthlyMicroUsd", "billingSuspendedAt", WORK_DUE];
/// DynamoDB deletes an item some time after this moment (whole seconds since 1970). Nothing relies on it being gone.
pub(crate) const EXPIRES_AT: &str = "expiresAt";

const CREDITS: &str = "CREDITS";
const CURRENT: &str = "CURRENT";
/// What every number's sort key starts with.
pub(crate) const NUMBERS: &str = "NUMBER#";
/// What every SIP connection's sort key starts with.
pub(crate) const SIP_CONNECTIONS: &str = "SIPCONNECTION#";
/// What every agent's sort key starts with.
pub(crate) const AGENTS: &str = "AGENT#";
/// What the sort key of every agent's link starts with.
pub(crate) const AGENT_LINKS: &str = "AGENTLINK#";
/// What the sort key of every API key's name starts with.
pub(crate) const API_KEYS: &str = "APIKEY#";
/// What the sort key of every earlier verification starts with, and the id of every verification.
pub(crate) const SUBMISSIONS: &str = "kyb_";
/// What the sort key of every keyed request's record starts with.
pub(crate) const IDEMPOTENCY: &str = "IDEMPOTENCY#";
/// What the sort key of every order starts with that may arrive after its refund.
const LATE_ORDERS: &str = "LATEORDER#";

/// Due work is spread over this many partitions of the index, so that no one of them grows hot.
pub(crate) const WORK_SHARDS: u8 = 8;

/// The whole primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn of(organization: &OrganizationId, sk: impl Into<String>) -> Self {
        Self { pk: partition(organization), sk: sk.into() }
    }

    pub(crate) fn organization(organization: &OrganizationId) -> Self {
        Self::of(organization, "ORG")
    }

    pub(crate) fn credits(organization: &OrganizationId) -> Self {
        Self::of(organization, CREDITS)
    }

    pub(crate) fn brand(organization: &OrganizationId) -> Self {
        Self::of(organization, "BRAND")
    }

    pub(crate) fn imports(organization: &OrganizationId) -> Self {
        Self::of(organization, "IMPORTS")
    }

    pub(crate) fn rate(organization: &OrganizationId, rate: Rate, minute: Timestamp) -> Self {
        Self { pk: format!("RATE#{organization}"), sk: format!("{}#{minute}", rate.as_str()) }
    }

    pub(crate) fn number(organization: &OrganizationId, number: &PhoneNumberId) -> Self {
        Self::of(organization, format!("{NUMBERS}{number}"))
    }

    pub(crate) fn late_order(organization: &OrganizationId, number: &PhoneNumberId) -> Self {
        Self::of(organization, format!("{LATE_ORDERS}{number}"))
    }

    pub(crate) fn agent(organization: &OrganizationId, agent: &AgentId) -> Self {
        Self::of(organization, format!("{AGENTS}{agent}"))
    }

    pub(crate) fn agent_link(organization: &OrganizationId, agent: &AgentId) -> Self {
        Self::of(organization, format!("{AGENT_LINKS}{agent}"))
    }

    pub(crate) fn sip_connection(organization: &OrganizationId, connection: &SipConnectionId) -> Self {
        Self::of(organization, format!("{SIP_CONNECTIONS}{connection}"))
    }

    pub(crate) fn current_kyb(organization: &OrganizationId) -> Self {
        Self { pk: kyb_partition(organization), sk: CURRENT.to_owned() }
    }

    pub(crate) fn past_kyb(organization: &OrganizationId, submission: &KybId) -> Self {
        Self { pk: kyb_partition(organization), sk: submission.to_string() }
    }

    /// `booked_at` is later than that of every entry before.
    pub(crate) fn ledger_entry(organization: &OrganizationId, booked_at: Timestamp, reference: &str) -> Self {
        Self { pk: ledger_partition(organization), sk: format!("{booked_at}#{reference}") }
    }

    pub(crate) fn renewals() -> Self {
        Self { pk: "SCHEDULE".to_owned(), sk: "RENEWALS".to_owned() }
    }

    pub(crate) fn booking(organization: &OrganizationId, reference: &BookingReference) -> Self {
        Self::of(organization, format!("REFERENCE#{reference}"))
    }

    pub(crate) fn api_key_of(organization: &OrganizationId, id: &ApiKeyId) -> Self {
        Self::of(organization, format!("{API_KEYS}{id}"))
    }

    /// `random` keeps two events of one moment apart.
    pub(crate) fn event(event: &Event, random: u128) -> Self {
        let sk = format!("{}{}#{:016x}", events_of(event.subject.id()), event.at, random >> 64);
        Self { pk: event_partition(&event.organization), sk }
    }

    /// Where the events of a subject go on: `position` is what such a key ends in.
    pub(crate) fn event_at(organization: &OrganizationId, subject: &str, position: &str) -> Self {
        Self { pk: event_partition(organization), sk: events_of(subject) + position }
    }

    pub(crate) fn feed_event(organization: &OrganizationId, id: &EventId) -> Self {
        Self { pk: feed_partition(organization), sk: id.to_string() }
    }

    /// `route` is method and path with a space between, as in `POST /v1/phone-numbers`.
    pub(crate) fn idempotency(organization: &OrganizationId, route: &str, key: &IdempotencyKey) -> Self {
        Self::of(organization, format!("{IDEMPOTENCY}{}#{}", route.replace(' ', "#"), key.as_str()))
    }

    pub(crate) fn claim(e164: &E164) -> Self {
        Self { pk: format!("E164#{e164}"), sk: "CLAIM".to_owned() }
    }

    /// A key that no item has. Reading it only warms the connection.
    pub(crate) fn nothing() -> Self {
        Self { pk: "NOTHING".to_owned(), sk: "NOTHING".to_owned() }
    }

    pub(crate) fn api_key_use(id: &ApiKeyId) -> Self {
        Self { pk: format!("USE#{id}"), sk: "USE".to_owned() }
    }

    pub(crate) fn api_key(hash: &ApiKeyHash) -> Self {
        Self { pk: format!("KEY#{hash}"), sk: "KEY".to_owned() }
    }
}

/// The partition that holds what most functions read of one organization.
pub(crate) fn partition(organization: &OrganizationId) -> String {
    format!("ORG#{organization}")
}

/// The partition of an organization's verifications, apart from `ORG#<org>` because few functions may read them.
pub(crate) fn kyb_partition(organization: &OrganizationId) -> String {
    format!("KYB#{organization}")
}

/// The partition of an organization's audit trail, apart from `ORG#<org>` because nobody may change it.
pub(crate) fn event_partition(organization: &OrganizationId) -> String {
    format!("EVENT#{organization}")
}

/// The partition of an organization's customer events, apart from `ORG#<org>` because it is written often.
pub(crate) fn feed_partition(organization: &OrganizationId) -> String {
    format!("FEED#{organization}")
}

/// The partition of an organization's ledger, apart from `ORG#<org>` because it is written often and only at its end.
pub(crate) fn ledger_partition(organization: &OrganizationId) -> String {
    format!("LEDGER#{organization}")
}

/// A place between an event and the next one: ids are equally long, and a space sorts before all their letters.
pub(crate) fn feed_after(id: &EventId) -> String {
    format!("{id} ")
}

/// What the sort key of each event of a subject starts with.
pub(crate) fn events_of(subject: &str) -> String {
    format!("{subject}#")
}

/// A row that the work index has named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Number(OrganizationId, PhoneNumberId),
    LateOrder(OrganizationId, PhoneNumberId),
    /// The current submission; its id stands in the due time's entry, because its key has none.
    Submission(OrganizationId, KybId),
    Credits(OrganizationId),
}

impl Key {
    /// Which row this is the key of, given its entry in the work index.
    pub(crate) fn named(&self, due: &str) -> Option<Named> {
        if let Some(organization) = self.pk.strip_prefix("KYB#") {
            let (_, id) = due.split_once('#').filter(|_| self.sk == CURRENT)?;
            return Some(Named::Submission(OrganizationId::parse(organization).ok()?, KybId::parse(id).ok()?));
        }
        let organization = OrganizationId::parse(self.pk.strip_prefix("ORG#")?).ok()?;
        if self.sk == CREDITS {
            return Some(Named::Credits(organization));
        }
        if let Some(id) = self.sk.strip_prefix(LATE_ORDERS) {
            return Some(Named::LateOrder(organization, PhoneNumberId::parse(id).ok()?));
        }
        let number = PhoneNumberId::parse(self.sk.strip_prefix(NUMBERS)?).ok()?;
        Some(Named::Number(organization, number))
    }
}

/// An entry in the index of due work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) shard: String,
    pub(crate) due: String,
}

impl Work {
    /// Something that is not settled and is looked at every minute.
    pub(crate) fn unsettled(due: Timestamp, id: &str) -> Self {
        Self { shard: Self::shard_name(shard_of(id)), due: format!("{due}#{id}") }
    }

    /// A month that will have to be paid. It stands apart, because a month's worth of these would bury what is urgent.
    pub(crate) fn charge(due: Timestamp, id: &str) -> Self {
        Self { shard: Self::charge_shard_name(shard_of(id)), due: format!("{due}#{id}") }
    }

    /// A verification that staff have been told of and that waits for their decision. All of them stand in one
    /// partition, the longest waiting first: people decide them, so there are never many.
    pub(crate) fn review(submitted: Timestamp, id: &KybId) -> Self {
        Self { shard: Self::reviews(), due: format!("{submitted}#{id}") }
    }

    /// A tenant's place among all of them. One partition is enough: it is written once for each, and hardly read.
    pub(crate) fn organization(id: &OrganizationId) -> Self {
        Self { shard: Self::organizations(), due: id.to_string() }
    }

    /// The partition of verifications that staff have to decide.
    pub(crate) fn reviews() -> String {
        "WORK#REVIEW".to_owned()
    }

    /// Credits in which something was booked: what it means for the organization's numbers is looked at next. One partition is
    /// enough: an entry stays for a minute or two, and each organization has one.
    pub(crate) fn credits(organization: &OrganizationId, booked_at: Timestamp) -> Self {
        Self { shard: Self::booked_credits(), due: format!("{booked_at}#{organization}") }
    }

    /// The partition of credits in which something was booked.
    pub(crate) fn booked_credits() -> String {
        "WORK#CREDITS".to_owned()
    }

    /// The partition of all tenants.
    pub(crate) fn organizations() -> String {
        "WORK#ORGANIZATIONS".to_owned()
    }

    /// A partition of the index that holds what is unsettled.
    pub(crate) fn shard_name(shard: u8) -> String {
        format!("WORK#{shard}")
    }

    /// A partition of the index that holds months to be paid.
    pub(crate) fn charge_shard_name(shard: u8) -> String {
        format!("WORK#CHARGE#{shard}")
    }
}

/// Ids end in random letters, which choose the shard.
fn shard_of(id: &str) -> u8 {
    id.bytes().last().unwrap_or_default() % WORK_SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::api_key::ApiKey;
    use domain::audit::{Action, Actor, Subject};

    #[test]
    fn every_key_is_spelled_as_documented() {
        let now = Timestamp::parse("2026-07-01T00:00:00.000Z").unwrap();
        let org = OrganizationId::parse("org_1").unwrap();
        let number = PhoneNumberId::new(now, 1);
        let submission = KybId::new(now, 1);
        let agent = AgentId::parse("agent_1").unwrap();
        let connection = SipConnectionId::parse("sip_1").unwrap();
        let hash = ApiKey::new([0; 32]).hash();
        let event = Event {
            organization: org.clone(),
            subject: Subject::Number(number.clone()),
            at: now,
            actor: Actor::System("reconciler"),
            action: Action::Activated,
            changed: Vec::new(),
        };
        for (key, pk, sk) in [
            (Key::organization(&org), "ORG#org_1", "ORG"),
            (Key::credits(&org), "ORG#org_1", "CREDITS"),
            (Key::brand(&org), "ORG#org_1", "BRAND"),
            (Key::imports(&org), "ORG#org_1", "IMPORTS"),
            (Key::rate(&org, Rate::Searches, now), "RATE#org_1", "SEARCHES#2026-07-01T00:00:00.000Z"),
            (Key::number(&org, &number), "ORG#org_1", "NUMBER#pn_01kwdfkd000000000000000001"),
            (Key::late_order(&org, &number), "ORG#org_1", "LATEORDER#pn_01kwdfkd000000000000000001"),
            (Key::agent(&org, &agent), "ORG#org_1", "AGENT#agent_1"),
            (Key::agent_link(&org, &agent), "ORG#org_1", "AGENTLINK#agent_1"),
            (Key::sip_connection(&org, &connection), "ORG#org_1", "SIPCONNECTION#sip_1"),
            (Key::current_kyb(&org), "KYB#org_1", "CURRENT"),
            (Key::past_kyb(&org, &submission), "KYB#org_1", "kyb_01kwdfkd000000000000000001"),
            (
                Key::ledger_entry(&org, now, "renewal:pn_01kwdfkd000000000000000001:3"),
                "LEDGER#org_1",
                "2026-07-01T00:00:00.000Z#renewal:pn_01kwdfkd000000000000000001:3",
            ),
            (
                Key::event(&event, 0xabc << 64),
                "EVENT#org_1",
                "pn_01kwdfkd000000000000000001#2026-07-01T00:00:00.000Z#0000000000000abc",
            ),
            (
                Key::event_at(&org, number.as_str(), "2026-07-01T00:00:00.000Z#0000000000000abc"),
                "EVENT#org_1",
                "pn_01kwdfkd000000000000000001#2026-07-01T00:00:00.000Z#0000000000000abc",
            ),
            (
                Key::idempotency(&org, "POST /v1/phone-numbers", &IdempotencyKey::parse("a:b").unwrap()),
                "ORG#org_1",
                "IDEMPOTENCY#POST#/v1/phone-numbers#a:b",
            ),
            (Key::feed_event(&org, &EventId::new(now, 1)), "FEED#org_1", "evt_01kwdfkd000000000000000001"),
            (Key::renewals(), "SCHEDULE", "RENEWALS"),
            (Key::booking(&org, &BookingReference::parse("inv:1").unwrap()), "ORG#org_1", "REFERENCE#inv:1"),
            (Key::api_key_of(&org, &ApiKeyId::new(now, 1)), "ORG#org_1", "APIKEY#key_01kwdfkd000000000000000001"),
            (Key::api_key_use(&ApiKeyId::new(now, 1)), "USE#key_01kwdfkd000000000000000001", "USE"),
            (Key::claim(&E164::parse("+12015551234").unwrap()), "E164#+12015551234", "CLAIM"),
            (Key::api_key(&hash), &format!("KEY#{hash}"), "KEY"),
        ] {
            assert_eq!((key.pk.as_str(), key.sk.as_str()), (pk, sk));
        }
        let (early, late) = (EventId::new(now, 1), EventId::new(now, 2));
        assert!(*early.as_str() < *feed_after(&early) && *feed_after(&early) < *late.as_str());
        assert_eq!(hash.to_string().len(), 64);
        let due = "2026-07-01T00:00:00.000Z#pn_01kwdfkd000000000000000001";
        for (work, shard) in
            [(Work::unsettled(now, number.as_str()), "WORK#1"), (Work::charge(now, number.as_str()), "WORK#CHARGE#1")]
        {
            assert_eq!((work.shard.as_str(), work.due.as_str()), (shard, due));
        }
        let waiting = Work::review(now, &submission);
        assert_eq!(
            (waiting.shard.as_str(), waiting.due.as_str()),
            ("WORK#REVIEW", "2026-07-01T00:00:00.000Z#kyb_01kwdfkd000000000000000001")
        );
        let tenant = Work::organization(&org);
        assert_eq!((tenant.shard.as_str(), tenant.due.as_str()), ("WORK#ORGANIZATIONS", "org_1"));
        assert_eq!(Key::number(&org, &number).named(due), Some(Named::Number(org.clone(), number.clone())));
        assert_eq!(Key::late_order(&org, &number).named(due), Some(Named::LateOrder(org.clone(), number)));
        let entry = format!("2026-07-01T00:00:00.000Z#{submission}");
        assert_eq!(Key::current_kyb(&org).named(&entry), Some(Named::Submission(org.clone(), submission)));
        assert_eq!(Key::credits(&org).named(due), Some(Named::Credits(org.clone())));
        let booked = Work::credits(&org, now);
        assert_eq!((booked.shard.as_str(), booked.due.as_str()), ("WORK#CREDITS", "2026-07-01T00:00:00.000Z#org_1"));
        assert_eq!(Key::organization(&org).named(due), None);
    }
}
