//! One organization that calls the API: what it has, and what it asks for next.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};

use crate::organizations::{Organization, SIP_CONNECTION};
use crate::profile::{Allowance, Call};
use crate::tally::Outcome;

/// Numbers that an organization keeps through the whole run.
const KEPT_NUMBERS: usize = 8;

/// One for each organization, so that no two of them want the same number.
pub(crate) const AREA_CODES: [&str; 32] = [
    "202", "203", "205", "206", "207", "208", "209", "210", "212", "213", "214", "215", "216", "217", "218", "219",
    "240", "248", "251", "253", "256", "260", "262", "267", "269", "301", "302", "303", "304", "305", "307", "308",
];

/// An organization that calls the API.
#[derive(Debug)]
pub(crate) struct Customer {
    http: Client,
    url: String,
    key: String,
    area_code: &'static str,
    has_carrier: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    turn: usize,
    /// Ids that are read and changed, and never released.
    kept: VecDeque<String>,
    /// Ids that came during the run and are to be released.
    spare: Vec<String>,
    /// Phone numbers that the last search has found.
    offers: Vec<String>,
    imported: usize,
    searches: Allowance,
    changes: Allowance,
}

/// A call with what it is about: an id or a phone number.
#[derive(Debug)]
struct Step {
    call: Call,
    about: String,
}

impl Customer {
    /// `place` is the organization's among all of them: it decides on the area code and on the first call.
    pub(crate) fn new(http: Client, url: &str, owner: &Organization, place: usize, has_carrier: bool) -> Self {
        let now = Instant::now();
        let state = State {
            turn: place * 3,
            kept: VecDeque::new(),
            spare: Vec::new(),
            offers: Vec::new(),
            imported: 0,
            searches: Allowance::of_searches(now),
            changes: Allowance::of_changes(now),
        };
        let (url, key) = (format!("{url}/v1"), owner.key.clone());
        let area_code = AREA_CODES[place % AREA_CODES.len()];
        Self { http, url, key, area_code, has_carrier, state: Mutex::new(state) }
    }

    /// Imports the numbers that the organization keeps.
    pub(crate) async fn furnish(&self) -> io::Result<()> {
        for _ in 0..KEPT_NUMBERS {
            let about = self.state().unused_number(self.area_code);
            let (outcome, body) = self.send(&Step { call: Call::Import, about }).await;
            if let Outcome::Unexpected(what) = outcome {
                return Err(io::Error::other(format!("cannot import a number: {what}")));
            }
            self.state().kept.push_back(text(&body["id"]));
        }
        Ok(())
    }

    /// Makes the next call.
    pub(crate) async fn call(&self) -> (Call, Outcome) {
        let step = self.next();
        let call = step.call;
        let (outcome, body) = self.send(&step).await;
        self.state().learn(step, &outcome, &body);
        (call, outcome)
    }

    /// What the profile says, or a GET where that is not possible now.
    fn next(&self) -> Step {
        let mut state = self.state();
        let call = Call::of_turn(state.turn);
        state.turn += 1;
        let carrier = matches!(call, Call::Search | Call::Buy);
        let step = if carrier && !self.has_carrier { None } else { state.step(call, self.area_code, Instant::now()) };
        step.unwrap_or_else(|| Step { call: Call::Get, about: state.kept.front().cloned().unwrap_or_default() })
    }

    async fn send(&self, step: &Step) -> (Outcome, Value) {
        let answer = match self.request(step).bearer_auth(&self.key).send().await {
            Ok(answer) => answer,
            Err(error) => return (Outcome::Unexpected(in_words(&error)), Value::Null),
        };
        let status = answer.status().as_u16();
        match answer.text().await {
            Ok(body) if status == 200 => (Outcome::Expected, serde_json::from_str(&body).unwrap_or_default()),
            Ok(_) if status == 429 => (Outcome::Limited, Value::Null),
            Ok(body) => (Outcome::Unexpected(format!("{status} {body:.300}")), Value::Null),
            Err(error) => (Outcome::Unexpected(in_words(&error)), Value::Null),
        }
    }

    fn request(&self, Step { call, about }: &Step) -> RequestBuilder {
        let get = |path: &str| self.http.get(format!("{}/{path}", self.url));
        let one = |method| self.http.request(method, format!("{}/phone-numbers/{about}", self.url));
        let post = |path: &str, body: &Value| self.http.post(format!("{}/{path}", self.url)).json(body);
        match call {
            Call::Get => one(Method::GET),
            Call::List => get("phone-numbers?limit=20"),
            Call::Patch => one(Method::PATCH).json(&json!({ "label": format!("Line {}", self.state().turn) })),
            Call::Search => get(&format!("phone-numbers/available?areaCode={}&limit=10", self.area_code)),
            Call::Balance => get("credits/balance"),
            Call::Ledger => get("credits/ledger?limit=20"),
            Call::Forecast => get("credits/forecast"),
            Call::Events => get("phone-numbers/events?limit=20"),
            Call::Verification => get("phone-numbers/kyb"),
            Call::Buy => post("phone-numbers", &json!({ "e164": about, "direction": "both" })),
            Call::Import => post("phone-numbers/import", &import(about)),
            Call::Release => one(Method::DELETE),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn import(e164: &str) -> Value {
    json!({ "e164": e164, "sipConnectionInstallationId": SIP_CONNECTION, "direction": "inbound" })
}

impl State {
    fn unused_number(&mut self, area_code: &str) -> String {
        let line = self.imported % 10_000;
        self.imported += 1;
        format!("+1{area_code}556{line:04}")
    }

    /// The call with what it is about; `None` where nothing is there for it or a limit is near.
    fn step(&mut self, call: Call, area_code: &str, now: Instant) -> Option<Step> {
        let about = match call {
            Call::Get => self.kept.front().cloned()?,
            // Whoever changes a number has it alone.
            Call::Patch => self.changes.take(now).then(|| self.kept.pop_front())??,
            Call::Search => self.searches.take(now).then(String::new)?,
            Call::Buy if self.offers.is_empty() => return self.step(Call::Search, area_code, now),
            Call::Buy => self.searches.take(now).then(|| self.offers.pop())??,
            Call::Import => self.unused_number(area_code),
            Call::Release => self.spare.pop()?,
            Call::List | Call::Balance | Call::Ledger | Call::Forecast | Call::Events | Call::Verification => {
                String::new()
            }
        };
        Some(Step { call, about })
    }

    fn learn(&mut self, step: Step, outcome: &Outcome, body: &Value) {
        let worked = matches!(outcome, Outcome::Expected);
        match step.call {
            Call::Patch => self.kept.push_back(step.about),
            Call::Search if worked => {
                self.offers = body.as_array().into_iter().flatten().map(|offer| text(&offer["e164"])).collect();
            }
            Call::Buy | Call::Import if worked => self.spare.push(text(&body["id"])),
            _ => {}
        }
    }
}

/// An error with its causes: the first words of reqwest's only say which address was asked.
fn in_words(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
