//! Texts with a length limit, as customers write them.

use std::fmt;
use std::ops::RangeInclusive;

/// Text with a bound, counted in characters (Unicode scalar values).
macro_rules! bounded_text {
    ($(#[$doc:meta])* $name:ident, $most:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The longest text accepted, in characters.
            pub const LIMIT_CHARS: usize = $most;

            /// # Errors
            /// A sentence that names the rule which the text breaks.
            pub fn parse(text: &str) -> Result<Self, &'static str> {
                let fits = Self::from_stored(text)?;
                let check: fn(&str) -> Result<&str, &'static str> = $check;
                check(fits.as_str()).map(|text| Self(text.to_owned()))
            }

            /// What was accepted once, perhaps under older rules: only its length counts.
            ///
            /// # Errors
            /// A sentence when it is longer than was ever accepted.
            pub fn from_stored(text: &str) -> Result<Self, &'static str> {
                if text.chars().count() > $most {
                    return Err(concat!("must be at most ", $most, " characters"));
                }
                Ok(Self(text.to_owned()))
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

bounded_text! {
    /// What a customer calls a number: one line, at most 120 characters, may be empty.
    Label, 120, one_line
}
bounded_text! {
    /// A name or other short fact: one line, 1 to 200 characters, not blank, kept without the space around it.
    Name, 200, |text| one_line(text).and_then(not_blank)
}
bounded_text! {
    /// Free text: 1 to 2,000 characters, not blank, kept without the space around it.
    Prose, 2000, |text| {
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
        if text.contains(control) { Err(CONTROL) } else { not_blank(text) }
    }
}

const CONTROL: &str = "must not contain control characters";

fn one_line(text: &str) -> Result<&str, &'static str> {
    if text.contains(char::is_control) { Err(CONTROL) } else { Ok(text) }
}

fn not_blank(text: &str) -> Result<&str, &'static str> {
    if is_blank(text) { Err("must not be blank") } else { Ok(text.trim()) }
}

/// Characters that show nothing beside white space: `Default_Ignorable_Code_Point` of Unicode 16.0
/// (DerivedCoreProperties.txt), interlinear annotation anchors, and the blank Braille pattern.
const INVISIBLE: [RangeInclusive<char>; 18] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Whether nobody sees anything of this text.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|letter| letter.is_whitespace() || INVISIBLE.iter().any(|range| range.contains(&letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_count_characters_not_bytes() {
        assert!(Label::parse(&"é".repeat(120)).is_ok());
        assert_eq!(Label::parse(&"é".repeat(121)), Err("must be at most 120 characters"));
        assert!(Prose::parse(&"字".repeat(2000)).is_ok());
    }

    #[test]
    fn names_and_prose_are_never_blank_and_lose_their_outer_space() {
        assert_eq!(Name::parse("  Acme \u{a0}").unwrap().as_str(), "Acme");
        let invisible =
            ["\u{200b}", " \u{200d}\u{feff} ", "\u{2060}\u{ad}", "\u{3164}", "\u{2800}", "\u{e0001}\u{202e}"];
        for blank in ["", "   ", "\u{2003}"].into_iter().chain(invisible) {
            assert_eq!(Name::parse(blank), Err("must not be blank"));
            assert_eq!(Prose::parse(blank), Err("must not be blank"));
        }
        assert!(Label::parse("").is_ok());
        for text in ["क्\u{200d}ष", "❤\u{fe0f}", "\u{200b}Acme"] {
            assert!(Name::parse(text).is_ok(), "something is seen of {text:?}");
        }
    }

    #[test]
    fn control_characters_are_refused_but_prose_may_have_lines() {
        assert!(Name::parse("Acme\nApproved").is_err());
        assert!(Label::parse("a\u{0}").is_err());
        assert!(Prose::parse("one\ntwo\ttabs").is_ok());
        assert!(Prose::parse("bell\u{7}").is_err());
    }
}
