//! Where a business is registered, as its country writes addresses.

use super::{Country, Field};
use crate::Name;

/// A street as one line: several lines, as forms take them, are joined with commas.
///
/// # Errors
/// As [`Name::parse`].
pub fn parse_street(text: &str) -> Result<Name, &'static str> {
    let lines = text.lines().flat_map(|line| line.split(['\r', '\u{2028}', '\u{2029}']));
    let lines = lines.map(|line| line.trim().trim_end_matches(',').trim_end()).filter(|line| !line.is_empty());
    Name::parse(&lines.collect::<Vec<_>>().join(", "))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub street: Name,
    pub city: Name,
    /// `None` only where addresses of the country need none, as for the postal code.
    pub state: Option<Name>,
    pub postal_code: Option<Name>,
    pub country: Country,
}

impl Address {
    /// The parts that addresses of this country need and this one lacks.
    #[must_use]
    pub fn missing(country: &Country, state: Option<&Name>, postal_code: Option<&Name>) -> Vec<Field> {
        let state = (country.has_states() && state.is_none()).then_some(Field::State);
        let postal_code = (country.has_postal_codes() && postal_code.is_none()).then_some(Field::PostalCode);
        state.into_iter().chain(postal_code).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_needs_a_state_and_a_postal_code_where_its_country_has_them() {
        for (code, missing) in [
            ("US", vec![Field::State, Field::PostalCode]),
            ("CA", vec![Field::State, Field::PostalCode]),
            ("DE", vec![Field::PostalCode]),
            ("GB", vec![Field::PostalCode]),
            ("SG", vec![Field::PostalCode]),
            ("HK", vec![]),
            ("AE", vec![]),
            ("IE", vec![]),
            ("PA", vec![]),
            ("CO", vec![Field::State]),
        ] {
            assert_eq!(Address::missing(&Country::parse(code).unwrap(), None, None), missing, "{code}");
        }
    }

    #[test]
    fn the_lines_of_a_street_are_joined_with_commas() {
        for (text, street) in [
            ("1 Main St", "1 Main St"),
            ("1 Main St\nSuite 5", "1 Main St, Suite 5"),
            ("1 Main St,\r\n\r\n  Suite 5 \r\n", "1 Main St, Suite 5"),
            ("A\rB\u{2028}C", "A, B, C"),
        ] {
            assert_eq!(parse_street(text).unwrap().as_str(), street);
        }
        assert_eq!(parse_street(" \n "), Err("must not be blank"));
        assert!(parse_street("a\u{0}b").is_err());
    }
}
