//! The feed of customer events agrees with the audit trail and with the rows.

use std::collections::HashMap;

use serde_json::json;

use super::{Books, Item};

/// A number or a verification of one organization.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Subject<'a> {
    organization: &'a str,
    id: &'a str,
}

/// What is written of one subject.
#[derive(Default)]
struct Story<'a> {
    changes: Vec<&'a Item>,
    /// In the order of their sequence.
    events: Vec<&'a Item>,
}

impl Story<'_> {
    fn times(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| event.text("eventType") == kind).count()
    }

    fn last(&self) -> &str {
        self.events.last().map_or("", |event| event.text("eventType"))
    }
}

/// The customer events of a change, as the contract has them.
fn expected(change: &Item) -> Vec<&'static str> {
    let charged =
        change.0["changed"]["L"].as_array().is_some_and(|changed| changed.contains(&json!({ "S": "nextChargeAt" })));
    let paid = charged.then_some("phone_number.charged");
    let then: &[&str] = match change.text("action") {
        "charged" => &[],
        "suspended" => &["phone_number.suspended", "phone_number.release_scheduled"],
        "unsuspended" => &["phone_number.unsuspended"],
        "release_scheduled" => &["phone_number.release_scheduled"],
        _ => return expected_one(change).into_iter().collect(),
    };
    paid.into_iter().chain(then.iter().copied()).collect()
}

fn expected_one(change: &Item) -> Option<&'static str> {
    match (change.text("action"), change.text("actorKind")) {
        ("activated", _) => Some("phone_number.purchased"),
        ("purchase_refunded", "api_key") => None,
        ("purchase_refunded", _) => Some("phone_number.purchase_failed"),
        ("imported", _) => Some("phone_number.imported"),
        ("updated", _) => Some("phone_number.updated"),
        ("released" | "removed", _) => Some("phone_number.released"),
        ("submitted", _) => Some("kyb.submitted"),
        ("approved", _) => Some("kyb.approved"),
        ("rejected", _) => Some("kyb.rejected"),
        ("revoked", _) if change.text("SK").starts_with("kyb_") => Some("kyb.revoked"),
        _ => None,
    }
}

impl Books {
    /// No event without its change, no change without its event, each subject's sequence without gaps, and what the last
    /// event shows is so.
    pub(super) fn check_feed(&self, wrong: &mut Vec<String>) {
        let stories = self.stories();
        for (subject, story) in &stories {
            check_sequence(*subject, story, wrong);
            if subject.id == "credits" {
                let credits = self.item(&format!("ORG#{}", subject.organization), "CREDITS");
                if credits.map(|credits| credits.number("eventSequence")) != Some(as_number(story.events.len())) {
                    wrong.push("the credits count other events than there are".to_owned());
                }
                continue;
            }
            self.check_changes(*subject, story, wrong);
            if subject.id.starts_with("pn_") {
                self.check_number(*subject, story, wrong);
            }
        }
        let submissions = self.in_partitions("KYB#");
        for submission in submissions {
            let subject = submission.subject();
            if submission.text("SK") == "CURRENT" {
                self.check_standing(submission, wrong);
            }
            let last = match submission.text("kybStatus") {
                "draft" => String::new(),
                status => format!("kyb.{status}"),
            };
            let story = stories.get(&subject);
            if story.map_or("", Story::last) != last {
                wrong.push(format!("{} has another last event than {last:?}", subject.id));
            }
            let count = story.map_or(0, |story| story.events.len());
            if submission.number("sequence") != as_number(count) {
                wrong.push(format!("{} has {count} events, and its row counts others", subject.id));
            }
        }
        let silent = self.rows().filter(|row| !stories.contains_key(&row.subject()));
        wrong.extend(silent.map(|row| format!("{} came without an event", row.text("id"))));
    }

    /// What a purchase reads of a verification is so.
    fn check_standing(&self, current: &Item, wrong: &mut Vec<String>) {
        let organization = current.organization();
        let standing = self.item(&format!("ORG#{organization}"), "ORG").map_or("", |item| item.text("verification"));
        let status = Some(current.text("kybStatus")).filter(|status| *status != "draft").unwrap_or_default();
        if standing != status {
            wrong.push(format!("{organization} is verified as '{standing}', and its verification is '{status}'"));
        }
    }

    fn stories(&self) -> HashMap<Subject<'_>, Story<'_>> {
        let mut stories: HashMap<Subject<'_>, Story<'_>> = HashMap::new();
        for change in self.changes() {
            let id = change.text("SK").split('#').next().unwrap_or_default();
            stories.entry(Subject { organization: change.organization(), id }).or_default().changes.push(change);
        }
        for event in self.in_partitions("FEED#") {
            let subject = Subject { organization: event.organization(), id: event.text("subject") };
            stories.entry(subject).or_default().events.push(event);
        }
        for story in stories.values_mut() {
            story.events.sort_by_key(|event| event.number("sequence"));
        }
        stories
    }

    /// Each change names its event, and each event is named by one change.
    fn check_changes(&self, subject: Subject<'_>, story: &Story<'_>, wrong: &mut Vec<String>) {
        let feed = format!("FEED#{}", subject.organization);
        let mut named = 0;
        for change in &story.changes {
            let links = change.0["customerEvents"]["L"].as_array().map(Vec::as_slice).unwrap_or_default();
            let links: Vec<Item> = links.iter().map(|link| Item(link["M"].clone())).collect();
            let kinds: Vec<&str> = links.iter().map(|link| link.text("type")).collect();
            if kinds != expected(change) {
                wrong.push(format!("{} was {}, and its events are {kinds:?}", subject.id, change.text("action")));
            }
            for link in &links {
                let event = self.item(&feed, link.text("id"));
                let found =
                    event.map(|event| (event.text("eventType"), event.number("sequence"), event.text("subject")));
                if found != Some((link.text("type"), link.number("sequence"), subject.id)) {
                    wrong.push(format!("{} was {}, and its event is {found:?}", subject.id, change.text("action")));
                }
                named += usize::from(event.is_some());
            }
        }
        if named != story.events.len() {
            wrong.push(format!(
                "{} changes of {} name an event, and there are {}",
                named,
                subject.id,
                story.events.len()
            ));
        }
    }

    /// The number is what its events say, or has left as they say.
    fn check_number(&self, subject: Subject<'_>, story: &Story<'_>, wrong: &mut Vec<String>) {
        let (came, bought) = (story.times("phone_number.imported"), story.times("phone_number.purchased"));
        let (left, failed) = (story.times("phone_number.released"), story.times("phone_number.purchase_failed"));
        let Some(row) = self.row(subject.id) else {
            let whole = match story.last() {
                // The request that ordered it was refused, and has said so.
                "" | "phone_number.updated" => came + bought == 0,
                "phone_number.released" => came + bought == 1 && left == 1,
                "phone_number.purchase_failed" => came + bought + left == 0 && failed == 1,
                _ => false,
            };
            if !whole {
                wrong.push(format!("{} is gone, and its last event is {}", subject.id, story.last()));
            }
            return;
        };
        let should = match (row.text("source"), row.text("orderState")) {
            ("sip_trunk", _) => (1, 0),
            (_, "ordering") => (0, 0),
            _ => (0, 1),
        };
        if (came, bought) != should || left + failed > 0 || row.number("sequence") != as_number(story.events.len()) {
            wrong.push(format!(
                "{} is here, with {came} imports, {bought} purchases, {failed} failures, {left} releases in its events, and counts {}",
                subject.id,
                row.number("sequence")
            ));
        }
        if let Some(last) = story.events.last() {
            for shown in ["e164", "source", "direction", "agentId", "label"] {
                if last.text(shown) != row.text(shown) {
                    wrong.push(format!("the {shown} of {} is not the one of its last event", subject.id));
                }
            }
        }
    }
}

fn check_sequence(subject: Subject<'_>, story: &Story<'_>, wrong: &mut Vec<String>) {
    let sequence: Vec<i64> = story.events.iter().map(|event| event.number("sequence")).collect();
    let counted: Vec<i64> = (1..=as_number(sequence.len())).collect();
    if sequence != counted {
        wrong.push(format!("the events of {} count {sequence:?}", subject.id));
    }
}

impl Item {
    /// The number or the verification that it is the row of.
    fn subject(&self) -> Subject<'_> {
        Subject { organization: self.organization(), id: self.text("id") }
    }

    /// The organization that its partition belongs to.
    pub(super) fn organization(&self) -> &str {
        self.text("PK").split_once('#').map_or("", |(_, organization)| organization)
    }
}

fn as_number(count: usize) -> i64 {
    i64::try_from(count).expect("a sensible count")
}
