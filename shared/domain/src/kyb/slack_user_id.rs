//! A member of staff, as Slack knows them.

use std::fmt;

/// The id of a Slack user: `U` or `W`, then upper-case letters and digits.
///
/// Source: Slack, types of ids, <https://docs.slack.dev/reference/objects/user-object>.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlackUserId(String);

impl SlackUserId {
    /// # Errors
    /// A sentence when the text is no such id.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let known = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if (2..=50).contains(&text.len()) && text.starts_with(['U', 'W']) && text.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the id of a Slack user such as U012AB3CD")
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SlackUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_slack_would_show_as_a_user_and_nothing_else() {
        for good in ["U1", "W012AB3CD", "U012AB3CD"] {
            assert_eq!(SlackUserId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "U", "u012", "C012AB3CD", "U012ab", "U1>", "ada", "UÄ", &format!("U{}", "1".repeat(50))] {
            assert!(SlackUserId::parse(bad).is_err(), "{bad}");
        }
    }
}
