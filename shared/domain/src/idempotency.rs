//! Requests that a caller may send again without their effect happening twice.

use std::time::Duration;

use ulid::Ulid;

use crate::{KybId, OrganizationId, PhoneNumberId, Timestamp};

/// How long the answer to a request is given again.
pub const REPLAYED_FOR: Duration = Duration::from_hours(24);
/// How long a request may run before its key counts as abandoned: longer than API Gateway lets any request run.
pub const LEASE: Duration = Duration::from_secs(35);

/// What a caller sends as `Idempotency-Key`: 1 to 255 letters, digits or characters of `._:+/=-`.
///
/// Double quotes around the key are not part of it. The IETF draft of this header writes them; most clients do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// # Errors
    /// A sentence for the caller when the text has another form.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._:+/=-".contains(&byte);
        if (1..=255).contains(&key.len()) && key.bytes().all(known) {
            Ok(Self(key.to_owned()))
        } else {
            Err("must be 1 to 255 letters, digits or characters of '._:+/=-'")
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A request that carries a key. The same key on another route, or of another organization, is another request.
#[derive(Clone, Debug)]
pub struct KeyedRequest {
    pub organization: OrganizationId,
    /// Method and path, such as `POST /v1/phone-numbers`.
    pub route: String,
    pub key: IdempotencyKey,
    /// SHA-256 of the body's raw bytes, in hexadecimal.
    pub body: String,
}

/// What a request is about to make gets its id here, before anything is written. An id is used for one thing, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(Ulid);

impl Seed {
    #[must_use]
    pub fn new(now: Timestamp, random: u128) -> Self {
        Self(Ulid::from_parts(now.millis().unsigned_abs(), random))
    }

    #[must_use]
    pub fn number(self) -> PhoneNumberId {
        PhoneNumberId::new(self.time(), self.0.random())
    }

    #[must_use]
    pub fn submission(self) -> KybId {
        KybId::new(self.time(), self.0.random())
    }

    /// When the run was begun.
    #[must_use]
    pub fn time(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX))
    }
}

/// What a keyed request has made. It is written into the request's record by the transaction that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    Number(PhoneNumberId),
    Submission(KybId),
}

impl Made {
    /// Reads the id that `as_str` gave; its prefix tells which it is.
    ///
    /// # Errors
    /// A sentence when it is neither.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let number = PhoneNumberId::parse(text).map(Self::Number);
        number.or_else(|_| KybId::parse(text).map(Self::Submission)).map_err(|_| "must be the id of what was made")
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(id) => id.as_str(),
            Self::Submission(id) => id.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_nothing_that_could_break_a_table_key() {
        for good in ["a", "A-b_c:9", "order/4711.2+a==", &"k".repeat(255)] {
            assert_eq!(IdempotencyKey::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a#b", "é", "a\n", "a,b", &"k".repeat(256)] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_in_double_quotes_is_the_key_within_them() {
        let quoted = format!("\"{}\"", "k".repeat(255));
        for (text, key) in [("\"a-1\"", "a-1"), (quoted.as_str(), &quoted[1..256])] {
            assert_eq!(IdempotencyKey::parse(text).unwrap().as_str(), key);
        }
        for bad in ["\"", "\"\"", "\"a", "a\"", "\"\"a\"\"", "\"a\"b\""] {
            assert!(IdempotencyKey::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_made_is_known_again_by_its_id() {
        let seed = Seed::new(Timestamp::from_millis(1_784_000_000_000), u128::MAX - 5);
        for made in [Made::Number(seed.number()), Made::Submission(seed.submission())] {
            assert_eq!(Made::parse(made.as_str()), Ok(made.clone()));
        }
        assert!(Made::parse("key_01kwdfkd000000000000000001").is_err());
    }
}
