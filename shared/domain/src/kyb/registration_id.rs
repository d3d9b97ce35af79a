//! A business's registration number, which is shown masked.

use std::fmt;

use crate::Name;

/// What a register knows a business by, such as an EIN. It is shown whole to whoever filed it, and masked to everybody else.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrationId(Name);

impl RegistrationId {
    /// # Errors
    /// As [`Name::parse`].
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Name::parse(text).map(Self)
    }

    /// What was accepted once, perhaps under older rules.
    ///
    /// # Errors
    /// As [`Name::from_stored`].
    pub fn from_stored(text: &str) -> Result<Self, &'static str> {
        Name::from_stored(text).map(Self)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The last four characters of a long id, two of a short one, none of a very short one: enough to compare with a
    /// document, too little to misuse.
    #[must_use]
    pub fn masked(&self) -> String {
        Self::mask(self.as_str())
    }

    /// The same for the text of one.
    #[must_use]
    pub fn mask(text: &str) -> String {
        let characters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
        let shown = match characters.len() {
            0..4 => 0,
            4..8 => 2,
            _ => 4,
        };
        let end: String = characters[characters.len() - shown..].iter().collect();
        format!("••••{end}")
    }
}

/// Masked, because logs never hold a whole one.
impl fmt::Debug for RegistrationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RegistrationId({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_shown() {
        for (id, shown) in [
            ("12-3456789", "••••6789"),
            ("HRB 123456 B", "••••456B"),
            ("12345678", "••••5678"),
            ("1234567", "••••67"),
            ("1234", "••••34"),
            ("123", "••••"),
            ("---", "••••"),
        ] {
            let id = RegistrationId::parse(id).unwrap();
            assert_eq!(id.masked(), shown);
            assert_eq!(format!("{id:?}"), format!("RegistrationId({shown})"));
        }
    }
}
