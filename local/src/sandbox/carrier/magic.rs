//! Numbers whose last four digits make the sandbox carrier misbehave.

/// What the last four digits of a number bring about: the digits, and what happens.
pub const MAGIC: &[(&str, &str)] = &[
    ("0202", "the order is accepted and stays pending for a minute; then the number is there"),
    ("0402", "the order is refused because our account at the carrier has no money"),
    ("0404", "offered, but the order is refused as taken"),
    ("0408", "the first order is accepted as pending and fails later; the next one succeeds"),
    ("0409", "the order is accepted as pending and fails later"),
    ("0410", "gone between one search and the next"),
    ("0429", "the order is throttled"),
    ("0500", "the order is accepted, but the answer is a 500"),
    ("0503", "the carrier is down for every call that names the number"),
    ("0504", "the order is accepted, but the answer never comes"),
    ("0505", "the order is not accepted, and the answer never comes"),
    ("0523", "can be bought; its first release answers 503, the next one succeeds"),
];

/// A number's magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Magic {
    Slow,
    NoMoney,
    Taken,
    FailsOnce,
    FailsLater,
    Gone,
    Throttled,
    FailedAnswer,
    Down,
    LostAnswer,
    NoAnswer,
    StickyRelease,
}

impl Magic {
    /// The magic of a number, or of any text that ends as one.
    pub(super) fn of(number: &str) -> Option<Self> {
        Some(match number.get(number.len().checked_sub(4)?..)? {
            "0202" => Self::Slow,
            "0402" => Self::NoMoney,
            "0404" => Self::Taken,
            "0408" => Self::FailsOnce,
            "0409" => Self::FailsLater,
            "0410" => Self::Gone,
            "0429" => Self::Throttled,
            "0500" => Self::FailedAnswer,
            "0503" => Self::Down,
            "0504" => Self::LostAnswer,
            "0505" => Self::NoAnswer,
            "0523" => Self::StickyRelease,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_table_and_the_module_s_text_name_exactly_the_magic_there_is() {
        let listed: Vec<String> =
            (0..10_000).map(|line| format!("{line:04}")).filter(|line| Magic::of(line).is_some()).collect();
        let published: Vec<&str> = MAGIC.iter().map(|(digits, _)| *digits).collect();
        assert_eq!(listed, published);
        let text = include_str!("../carrier.rs");
        let rows: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("//! | `")).map(|row| &row[..4]).collect();
        assert_eq!(rows, published);
    }
}
