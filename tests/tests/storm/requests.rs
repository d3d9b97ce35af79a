//! What clients ask for.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

/// What a request does, whatever it does it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Deed {
    Buy,
    Import,
    Patch,
    Release,
    Get,
    List,
}

impl Deed {
    /// Method and path, as the API's description has them.
    pub(crate) const fn route(self) -> (&'static str, &'static str) {
        match self {
            Self::Buy => ("post", "/v1/phone-numbers"),
            Self::Import => ("post", "/v1/phone-numbers/import"),
            Self::Patch => ("patch", "/v1/phone-numbers/{id}"),
            Self::Release => ("delete", "/v1/phone-numbers/{id}"),
            Self::Get => ("get", "/v1/phone-numbers/{id}"),
            Self::List => ("get", "/v1/phone-numbers"),
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Buy | Self::Import => Method::POST,
            Self::Patch => Method::PATCH,
            Self::Release => Method::DELETE,
            Self::Get | Self::List => Method::GET,
        }
    }
}

/// One request, which can be sent again just as it is.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) deed: Deed,
    /// The id of the number that it is about, where it names one.
    pub(crate) id: Option<String>,
    pub(crate) body: Option<Value>,
    pub(crate) key: Option<String>,
}

impl Request {
    pub(crate) fn list() -> Self {
        Self { deed: Deed::List, id: None, body: None, key: None }
    }

    pub(crate) fn about(deed: Deed, id: &str) -> Self {
        Self { deed, id: Some(id.to_owned()), body: None, key: None }
    }

    pub(crate) fn path(&self) -> String {
        match (self.deed, &self.id) {
            (Deed::List, _) => "/v1/phone-numbers?limit=50".to_owned(),
            (_, Some(id)) => self.deed.route().1.replace("{id}", id),
            (_, None) => self.deed.route().1.to_owned(),
        }
    }
}

/// The agents of each organization: few, so that clients fight over them.
pub(crate) const AGENTS: [&str; 6] = ["agent_1", "agent_2", "agent_3", "agent_4", "agent_5", "agent_6"];

/// What the carrier does something special with, each with its weight among all numbers: the module of the sandbox
/// carrier says what. Those that wait out a time-out are rare, because a storm is short.
const MAGIC: [(&str, u32); 10] = [
    ("0202", 1),
    ("0402", 1),
    ("0404", 2),
    ("0408", 4),
    ("0409", 4),
    ("0429", 1),
    ("0500", 3),
    ("0504", 1),
    ("0505", 1),
    ("0523", 4),
];
/// The weight of the numbers that it simply sells.
const PLAIN: u32 = 30;
/// How many of these there are in an area code.
const PLAIN_LINES: usize = 6;

/// Area codes that clients go through. A number that waits for a person is out of everybody's reach, so that a small
/// pool would be used up; one after another they are small pools without an end.
const AREA_CODES: [u16; 60] = [
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229, 231, 234,
    239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 276, 281, 301, 302, 303, 304, 305, 307, 308, 309,
    310, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 325, 330,
];
/// A client goes on to the next area code after as many requests.
const STEPS_IN_AREA: usize = 3;

fn line(rng: &mut StdRng, lap: usize) -> String {
    let mut left = rng.random_range(0..PLAIN + MAGIC.iter().map(|(_, weight)| weight).sum::<u32>());
    for (line, weight) in MAGIC {
        if left < weight {
            return line.to_owned();
        }
        left -= weight;
    }
    format!("{:04}", 1_000 + lap * PLAIN_LINES + rng.random_range(0..PLAIN_LINES))
}

/// A number in an area; whoever has been in all of them comes by again for other numbers.
fn number(rng: &mut StdRng, area: usize) -> String {
    let (lap, code) = (area / AREA_CODES.len(), AREA_CODES[area % AREA_CODES.len()]);
    format!("+1{code}555{}", line(rng, lap))
}

fn routing(rng: &mut StdRng, body: &mut Value) {
    if rng.random_bool(0.2) {
        body["agentId"] = AGENTS[rng.random_range(0..AGENTS.len())].into();
    }
    if rng.random_bool(0.3) {
        body["direction"] = ["inbound", "outbound", "both"][rng.random_range(0..3)].into();
    }
}

/// Where a client buys at its so-manieth step.
pub(crate) const fn area(step: usize) -> usize {
    step / STEPS_IN_AREA
}

pub(crate) fn purchase(rng: &mut StdRng, area: usize, key: Option<String>) -> Request {
    let mut body = json!({ "e164": number(rng, area) });
    routing(rng, &mut body);
    Request { deed: Deed::Buy, id: None, body: Some(body), key }
}

/// A purchase that several clients of one organization send under the same key, each with the same body.
pub(crate) fn shared_purchase(seed: u64, organization: usize, area: usize, slot: usize) -> Request {
    let key = format!("shared-{organization}-{area}-{slot}");
    let salt = key.bytes().fold(seed, |salt, byte| salt.wrapping_mul(31).wrapping_add(u64::from(byte)));
    purchase(&mut StdRng::seed_from_u64(salt), area, Some(key))
}

pub(crate) fn import(rng: &mut StdRng, area: usize, key: Option<String>) -> Request {
    // Half of them are numbers that others want to buy.
    let e164 = if rng.random_bool(0.5) {
        number(rng, area)
    } else {
        format!("+1{}555200{}", AREA_CODES[area % AREA_CODES.len()], rng.random_range(0..6))
    };
    let mut body = json!({ "e164": e164, "sipConnectionInstallationId": "sip_up" });
    routing(rng, &mut body);
    Request { deed: Deed::Import, id: None, body: Some(body), key }
}

pub(crate) fn patch(rng: &mut StdRng, id: &str) -> Request {
    let mut body = json!({});
    routing(rng, &mut body);
    if rng.random_bool(0.4) {
        body["label"] = format!("label {}", rng.random_range(0..4)).into();
    }
    if rng.random_bool(0.3) {
        body["agentId"] = Value::Null;
    }
    Request { body: Some(body), ..Request::about(Deed::Patch, id) }
}
