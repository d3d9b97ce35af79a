//! Page cursors: where the next page begins, sealed with the organization's own key so that nobody makes one up.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::PhoneNumberId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of the seal that a cursor carries: 128 bits are beyond guessing.
const SEAL_BYTES: usize = 16;

pub(crate) fn seal(last: &PhoneNumberId, key: &[u8; 32]) -> String {
    let mut bytes = mac(last.as_str().as_bytes(), key).finalize().into_bytes()[..SEAL_BYTES].to_vec();
    bytes.extend_from_slice(last.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A cursor that has the right form. It is not to be trusted before its seal is verified.
#[derive(Clone)]
pub(crate) struct Cursor {
    seal: [u8; SEAL_BYTES],
    last: PhoneNumberId,
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MALFORMED)?;
        let (seal, last) = bytes.split_first_chunk().ok_or(MALFORMED)?;
        let last = std::str::from_utf8(last).map_err(|_| MALFORMED)?;
        Ok(Self { seal: *seal, last: PhoneNumberId::parse(last).map_err(|_| MALFORMED)? })
    }

    pub(crate) const fn last(&self) -> &PhoneNumberId {
        &self.last
    }

    /// Compares the seal in constant time.
    pub(crate) fn is_sealed_with(&self, key: &[u8; 32]) -> bool {
        mac(self.last.as_str().as_bytes(), key).verify_truncated_left(&self.seal).is_ok()
    }
}

pub(crate) const MALFORMED: &str = "must be the X-Next-Cursor of an earlier page, unchanged";

fn mac(message: &[u8], key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC fills a shorter key up with zeros to one block (RFC 2104), which makes this infallible.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    Hmac::<Sha256>::new(&block.into()).chain_update(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;

    #[test]
    fn a_cursor_opens_only_with_the_key_that_sealed_it_and_unchanged() {
        let id = PhoneNumberId::new(Timestamp::from_millis(1_784_000_000_000), 9);
        let text = seal(&id, &[1; 32]);
        let cursor = Cursor::parse(&text).unwrap();
        assert_eq!(cursor.last(), &id);
        assert!(cursor.is_sealed_with(&[1; 32]));
        assert!(!cursor.is_sealed_with(&[2; 32]));
        for position in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            if changed != text {
                assert!(!Cursor::parse(&changed).is_ok_and(|cursor| cursor.is_sealed_with(&[1; 32])), "{changed}");
            }
        }
        for bad in ["", "abc", "!!!!", &"A".repeat(500)] {
            assert!(Cursor::parse(bad).is_err(), "{bad}");
        }
    }
}
