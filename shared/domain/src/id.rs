//! Ids: those that this service makes, which sort by time, and those that others give.

use std::fmt;

use ulid::Ulid;

use crate::Timestamp;

/// An id that this service makes: a prefix, then a ULID in lower case, so ids sort by the time they were made.
macro_rules! made_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Makes an id from the time in milliseconds and at least 80 random bits.
            #[must_use]
            pub fn new(now: Timestamp, random: u128) -> Self {
                let ulid = Ulid::from_parts(now.millis().unsigned_abs(), random);
                Self(format!(concat!($prefix, "{}"), ulid.to_string().to_ascii_lowercase()))
            }

            /// # Errors
            /// A sentence for the caller when the text has another form.
            pub fn parse(text: &str) -> Result<Self, &'static str> {
                let reason = concat!("must be an id that starts with ", $prefix);
                let ulid = text.strip_prefix($prefix).ok_or(reason)?;
                let lower = ulid.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
                match Ulid::from_string(ulid) {
                    // A second spelling of one id would be a second key in the table.
                    Ok(parsed) if lower && parsed.to_string().eq_ignore_ascii_case(ulid) => Ok(Self(text.to_owned())),
                    _ => Err(reason),
                }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// When it was made, by the clock of whoever made it.
            #[must_use]
            pub fn made_at(&self) -> Timestamp {
                // `parse` and `new` let nothing else in than a ULID, whose time has 48 bits.
                let millis = Ulid::from_string(&self.0[$prefix.len()..]).map_or(0, |ulid| ulid.timestamp_ms());
                Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// An id that the operator's own platform made: 1 to 128 letters, digits, `_`, `-`, `.` or `:`.
macro_rules! given_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// # Errors
            /// A sentence for the caller when the text is empty, too long, or has other characters.
            pub fn parse(text: &str) -> Result<Self, &'static str> {
                let known = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
                if (1..=128).contains(&text.len()) && text.bytes().all(known) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err("must be an id of 1 to 128 letters, digits, '_', '-', '.' or ':'")
                }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

made_id! {
    /// `pn_…`: one registration of a phone number.
    PhoneNumberId, "pn_"
}
made_id! {
    /// `kyb_…`: one submission of a business verification.
    KybId, "kyb_"
}
made_id! {
    /// `key_…`: names an API key without revealing it.
    ApiKeyId, "key_"
}
made_id! {
    /// `evt_…`: one customer event.
    EventId, "evt_"
}
given_id! {
    /// The tenant: every resource belongs to exactly one.
    OrganizationId
}
given_id! {
    /// A voice agent of the organization's.
    AgentId
}
given_id! {
    /// An installed SIP connection of the organization's.
    SipConnectionId
}
given_id! {
    /// The operator's own name for a payment, such as an invoice's number. What is booked under it is booked once.
    BookingReference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_sort_by_time_and_parse_back() {
        let early = PhoneNumberId::new(Timestamp::from_millis(1_000), u128::MAX);
        let late = PhoneNumberId::new(Timestamp::from_millis(1_001), 0);
        assert!(early < late);
        assert_eq!(late.made_at(), Timestamp::from_millis(1_001));
        assert_eq!(PhoneNumberId::parse(early.as_str()), Ok(early));
    }

    #[test]
    fn ids_have_one_spelling_and_nothing_that_could_break_a_key() {
        let id = PhoneNumberId::new(Timestamp::from_millis(1_784_000_000_000), 42);
        let upper = id.as_str().to_ascii_uppercase().replace("PN_", "pn_");
        for bad in [upper.as_str(), "", "pn_", "kyb_01jh2v0000000000000000000", "pn_01jh2v#000000000000000000"] {
            assert!(PhoneNumberId::parse(bad).is_err(), "{bad}");
        }
        for bad in ["", "a#b", "a b", "a/b", "é", &"a".repeat(129)] {
            assert!(AgentId::parse(bad).is_err(), "{bad}");
        }
        assert!(AgentId::parse("agent_1.a:b-c").is_ok());
    }
}
