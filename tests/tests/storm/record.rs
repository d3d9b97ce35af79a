//! What clients were told, and what of it was wrong: at once, or once the end is known.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Clock, Timestamp};
use local::openapi;
use serde_json::Value;
use tests::books::Ends;
use tests::{Answer, TestClock};

use crate::requests::{Deed, Request};

/// What came of a request.
pub(crate) enum Heard {
    Answer(Answer),
    /// The connection broke, or the client went away.
    Nothing,
}

/// All that was answered under one key.
#[derive(Default)]
struct Keyed {
    /// Bodies of successes that were no replays.
    fresh: Vec<String>,
    replays: BTreeSet<String>,
    /// In the order in which they were first heard.
    ids: Vec<String>,
    lost: bool,
}

#[derive(Default)]
struct Inner {
    counts: BTreeMap<(Deed, String), usize>,
    lost: usize,
    /// A key counts for one route of one organization.
    keys: BTreeMap<(usize, Deed, String), Keyed>,
    /// The ids that each organization has heard of.
    known: HashMap<usize, Vec<String>>,
    /// Ids that a purchase or an import was answered with.
    promised: BTreeSet<String>,
    /// Those of them that were called ready.
    ready: BTreeSet<String>,
    /// Ids for which somebody has sent a DELETE, whatever became of it.
    dismissed: HashSet<String>,
    /// Ids whose DELETE was answered with success.
    released: BTreeSet<String>,
    wrong: Vec<String>,
    lines: Vec<(Timestamp, String)>,
}

pub(crate) struct Record {
    /// Method, path and status of every answer that the API's description knows.
    documented: HashSet<(String, String, u16)>,
    clock: Arc<TestClock>,
    inner: Mutex<Inner>,
}

impl Record {
    pub(crate) fn new(clock: Arc<TestClock>) -> Self {
        Self { documented: documented(), clock, inner: Mutex::default() }
    }

    /// A request leaves.
    pub(crate) fn sends(&self, request: &Request) {
        if let (Deed::Release, Some(id)) = (request.deed, &request.id) {
            self.inner().dismissed.insert(id.clone());
        }
    }

    /// Its answer comes, or does not.
    pub(crate) fn hears(&self, client: usize, organization: usize, request: &Request, heard: &Heard) {
        let mut inner = self.inner();
        let outcome = match heard {
            Heard::Answer(answer) => {
                let word = answer.body["code"].as_str().unwrap_or("done");
                format!("{} {word}", answer.status)
            }
            Heard::Nothing => "lost".to_owned(),
        };
        *inner.counts.entry((request.deed, outcome)).or_default() += 1;
        inner.lines.push((self.clock.now(), told(client, request, heard)));
        let name = request.key.clone().map(|key| (organization, request.deed, key));
        let Heard::Answer(answer) = heard else {
            inner.lost += 1;
            if let Some(name) = name {
                inner.keys.entry(name).or_default().lost = true;
            }
            return;
        };
        self.check_status(request, answer, &mut inner);
        if answer.status != 200 {
            return;
        }
        inner.learn(organization, request, answer);
        if let Some(name) = name {
            inner.keys.entry(name).or_default().take(answer);
        }
    }

    fn check_status(&self, request: &Request, answer: &Answer, inner: &mut Inner) {
        let (method, path) = request.deed.route();
        // The API documents 500, but a storm must not cause one.
        let known = (method.to_owned(), path.to_owned(), answer.status);
        if answer.status == 500 || !self.documented.contains(&known) {
            inner.wrong.push(format!("{method} {path} is answered {}: {}", answer.status, answer.text));
        }
        if answer.body.is_null() {
            inner.wrong.push(format!("{method} {path} is answered without JSON: {:?}", answer.text));
        }
    }

    /// One of the numbers that an organization has heard of last.
    pub(crate) fn recent(&self, organization: usize, back: usize) -> Option<String> {
        let inner = self.inner();
        let known = inner.known.get(&organization)?;
        known.iter().rev().nth(back.min(known.len().saturating_sub(1))).cloned()
    }

    pub(crate) fn operations(&self) -> usize {
        self.inner().counts.values().sum()
    }

    pub(crate) fn lost(&self) -> usize {
        self.inner().lost
    }

    pub(crate) fn counts(&self) -> BTreeMap<(Deed, String), usize> {
        self.inner().counts.clone()
    }

    /// How many keys have a replay that is not the first success their clients saw. One whose record could not be kept
    /// is made out again from the row as it stands by then.
    pub(crate) fn replayed_otherwise(&self) -> usize {
        let otherwise =
            |keyed: &&Keyed| keyed.fresh.first().is_some_and(|first| keyed.replays.iter().any(|text| text != first));
        self.inner().keys.values().filter(otherwise).count()
    }

    /// What was said of a number, and under its keys.
    pub(crate) fn lines_about(&self, id: &str, key: Option<&str>) -> Vec<String> {
        let inner = self.inner();
        let of_id = inner.keys.iter().filter(|(_, keyed)| keyed.ids.iter().any(|other| other == id));
        let mut names: Vec<String> = of_id.map(|((_, _, key), _)| format!(" {key} ")).collect();
        names.extend(key.map(|key| format!(" {key} ")));
        names.push(id.to_owned());
        let about = inner.lines.iter().filter(|(_, line)| names.iter().any(|name| line.contains(name)));
        about.map(|(at, line)| format!("{at} {line}")).collect()
    }

    /// What was wrong, now that the end is known.
    pub(crate) fn judge(&self, ends: &Ends) -> Vec<String> {
        let inner = self.inner();
        let mut wrong = inner.wrong.clone();
        for ((_, deed, key), keyed) in &inner.keys {
            keyed.judge(&format!("{deed:?} under {key}"), ends, &inner.dismissed, &mut wrong);
        }
        let gone = |id: &&String| !ends.rows.contains_key(*id) && !inner.dismissed.contains(*id);
        wrong.extend(inner.ready.iter().filter(gone).map(|id| format!("{id} was ready, and is gone")));
        let unpaid = |id: &&String| gone(id) && !ends.refunded.contains(*id) && !inner.ready.contains(*id);
        wrong.extend(inner.promised.iter().filter(unpaid).map(|id| format!("{id} was promised, and is gone")));
        let back = inner.released.iter().filter(|id| ends.rows.contains_key(*id));
        wrong.extend(back.map(|id| format!("{id} was released, and is there")));
        wrong
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn learn(&mut self, organization: usize, request: &Request, answer: &Answer) {
        let known = self.known.entry(organization).or_default();
        let listed = answer.body.as_array().map(Vec::as_slice).unwrap_or_default();
        for id in listed.iter().chain([&answer.body]).filter_map(|row| row["id"].as_str()) {
            if !known.iter().any(|other| other == id) {
                known.push(id.to_owned());
            }
        }
        match (request.deed, &request.id, answer.body["id"].as_str()) {
            (Deed::Release, Some(id), _) => {
                self.released.insert(id.clone());
            }
            (Deed::Buy | Deed::Import, _, Some(id)) => {
                self.promised.insert(id.to_owned());
                if answer.body["setupStatus"]["status"] == "ready" {
                    self.ready.insert(id.to_owned());
                }
            }
            _ => {}
        }
    }
}

impl Keyed {
    fn take(&mut self, answer: &Answer) {
        if answer.header("idempotency-replayed") == "true" {
            self.replays.insert(answer.text.clone());
        } else {
            self.fresh.push(answer.text.clone());
        }
        if let Some(id) = answer.body["id"].as_str().filter(|id| !self.ids.iter().any(|other| other == id)) {
            self.ids.push(id.to_owned());
        }
    }

    fn judge(&self, name: &str, ends: &Ends, dismissed: &HashSet<String>, wrong: &mut Vec<String>) {
        let earlier = self.ids.split_last().map_or(&[][..], |(_, earlier)| earlier);
        let standing = earlier.iter().filter(|id| !ends.refunded.contains(*id) && !dismissed.contains(*id));
        for id in standing {
            wrong.push(format!("{name} is answered with {id}, and later with another id"));
        }
        if self.replays.len() > 1 {
            wrong.push(format!("{name} has {} different replays", self.replays.len()));
        }
        // The success that was kept may be one whose answer was lost.
        let unheard = |replay: &&String| !self.lost && !self.fresh.contains(*replay);
        wrong.extend(self.replays.iter().filter(unheard).map(|_| format!("{name} replays what nobody was told")));
    }
}

fn told(client: usize, request: &Request, heard: &Heard) -> String {
    let (deed, path) = (request.deed, request.path());
    let key = request.key.as_deref().unwrap_or("no key");
    let wanted = request.body.as_ref().and_then(|body| body["e164"].as_str()).unwrap_or_default();
    let answer = match heard {
        Heard::Nothing => "lost".to_owned(),
        Heard::Answer(answer) => {
            let replayed = if answer.header("idempotency-replayed") == "true" { " replayed" } else { "" };
            let word = ["id", "code"].into_iter().find_map(|field| answer.body[field].as_str()).unwrap_or_default();
            format!("{}{replayed} {word} {}", answer.status, answer.body["setupStatus"]["status"])
        }
    };
    format!("client {client}: {deed:?} {path} {wanted} {key} : {answer}")
}

/// The answers that the API's description knows.
fn documented() -> HashSet<(String, String, u16)> {
    let text = openapi::text().expect("the description");
    let description: Value = serde_json::from_str(&text).expect("JSON");
    let mut known = HashSet::new();
    for (path, methods) in description["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let statuses = operation["responses"].as_object().into_iter().flatten();
            known.extend(statuses.map(|(status, _)| (method.clone(), path.clone(), status.parse().expect("a status"))));
        }
    }
    known
}
