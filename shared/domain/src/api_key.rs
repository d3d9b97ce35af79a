//! API keys: `sk_live_`, 256 random bits and a checksum, all in lower-case hexadecimal.
//!
//! The checksum tells a mistyped key from an unknown one without asking the table. Only a SHA-256 is ever stored.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::{ApiKeyId, Name, OrganizationId, Timestamp};

const PREFIX: &str = "sk_live_";

/// A key as its owner holds it. `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Makes a key from 256 bits of cryptographic randomness.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        let body = hex::encode(random);
        let checksum = crc32fast::hash(body.as_bytes());
        Self(format!("{PREFIX}{body}{checksum:08x}"))
    }

    /// `None` unless form and checksum are right.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX)?;
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if rest.len() != 72 || !rest.bytes().all(hexadecimal) {
            return None;
        }
        let (body, checksum) = rest.split_at(64);
        let expected = format!("{:08x}", crc32fast::hash(body.as_bytes()));
        (expected == checksum).then(|| Self(text.to_owned()))
    }

    /// The only form in which a key is stored or looked up.
    #[must_use]
    pub fn hash(&self) -> ApiKeyHash {
        ApiKeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The key itself, to be shown once to its owner.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// SHA-256 of a whole key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ApiKeyHash([u8; 32]);

impl ApiKeyHash {
    /// Reads what [`fmt::Display`] writes.
    ///
    /// # Errors
    /// A sentence that names the accepted form.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(|_| "must be 64 hexadecimal digits")?;
        Ok(Self(hash))
    }
}

impl fmt::Display for ApiKeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every GET.
    Read,
    /// Buying, importing, changing and releasing numbers.
    Write,
    /// Business verification: drafts and submissions.
    Compliance,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Compliance];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Compliance => "compliance",
        }
    }

    /// `None` for a word that names no scope.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// What is known of a key once it has been looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: ApiKeyId,
    pub organization: OrganizationId,
    /// What the operator calls it.
    pub name: Option<Name>,
    pub scopes: Vec<Scope>,
    pub created_at: Timestamp,
    /// From then on it stops working.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

impl Grant {
    /// Whether the key works at this time.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_parses_back_and_a_single_wrong_character_is_noticed() {
        let key = ApiKey::new([7; 32]);
        assert_eq!(ApiKey::parse(key.reveal()).as_ref(), Some(&key));
        assert_eq!(key.reveal().len(), 80);
        assert!(ApiKeyHash::parse(&key.hash().to_string()) == Ok(key.hash()));
        for position in 8..80 {
            let mut wrong = key.reveal().as_bytes().to_vec();
            wrong[position] = if wrong[position] == b'0' { b'1' } else { b'0' };
            assert_eq!(ApiKey::parse(std::str::from_utf8(&wrong).unwrap()), None, "position {position}");
        }
    }

    #[test]
    fn other_forms_are_no_keys() {
        let upper = ApiKey::new([0xab; 32]).reveal().replace("ab", "AB");
        for bad in ["", "sk_live_", "sk_test_00", upper.as_str(), "sk_live_é"] {
            assert_eq!(ApiKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", ApiKey::new([1; 32])), "ApiKey(…)");
    }
}
