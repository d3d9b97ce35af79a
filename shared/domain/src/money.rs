//! Amounts of US dollars, without rounding.

use std::fmt;
use std::ops::{Add, Neg};

/// An amount of US dollars as a whole number of millionths, so that no sum is ever rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct MicroUsd(i64);

impl MicroUsd {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads a price such as `1`, `1.00` or `0.000001`: 0 to 1,000,000 dollars, at most six decimals.
    ///
    /// # Errors
    /// A sentence that names the accepted form.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be an amount in US dollars such as 1.00, from 0 to 1000000, with at most six decimals";
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit())
        };
        if !digits(whole, 7) || !digits(fraction, 6) {
            return Err(FORM);
        }
        let micros = format!("{whole}{fraction:0<6}").parse().map_err(|_| FORM)?;
        if micros > 1_000_000_000_000 { Err(FORM) } else { Ok(Self(micros)) }
    }
}

impl MicroUsd {
    /// So many times the amount, and no more than can be counted.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(count)))
    }

    /// Reads an amount that may be negative, such as `-0.50`: -1,000,000 to 1,000,000 dollars, at most six decimals.
    ///
    /// # Errors
    /// A sentence that names the accepted form.
    pub fn parse_signed(text: &str) -> Result<Self, &'static str> {
        const FORM: &str =
            "must be an amount in US dollars such as -1.00, from -1000000 to 1000000, with at most six decimals";
        match text.strip_prefix('-') {
            None => Self::parse(text),
            Some(amount) => Self::parse(amount).map(|amount| -amount),
        }
        .map_err(|_| FORM)
    }
}

impl Add for MicroUsd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Neg for MicroUsd {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl fmt::Display for MicroUsd {
    /// At least two decimals, more only where they are not zero: `1.00`, `-0.125`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let fraction = format!("{:06}", micros % 1_000_000);
        let trimmed = fraction.trim_end_matches('0');
        write!(f, "{sign}{}.{trimmed:0<2}", micros / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjustment_may_be_negative_and_keeps_all_other_bounds() {
        for (text, micros) in [("-0.5", -500_000), ("0.5", 500_000), ("-1000000", -1_000_000_000_000)] {
            assert_eq!(MicroUsd::parse_signed(text), Ok(MicroUsd::from_micros(micros)));
        }
        for bad in ["--1", "-", "", "- 1", "-1000000.01", "-0.0000001"] {
            assert!(MicroUsd::parse_signed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_are_read_exactly_and_written_back() {
        for (text, micros, shown) in [
            ("1", 1_000_000, "1.00"),
            ("1.00", 1_000_000, "1.00"),
            ("0.1", 100_000, "0.10"),
            ("0.000001", 1, "0.000001"),
            ("1000000", 1_000_000_000_000, "1000000.00"),
        ] {
            let amount = MicroUsd::parse(text).unwrap();
            assert_eq!((amount.micros(), amount.to_string().as_str()), (micros, shown), "{text}");
        }
        assert_eq!((-MicroUsd::from_micros(125_000)).to_string(), "-0.125");
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.0000001", "1000000.01", "1,00", " 1", "99999999"] {
            assert!(MicroUsd::parse(bad).is_err(), "{bad:?}");
        }
    }
}
