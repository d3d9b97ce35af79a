//! Phone numbers in E.164 form (ITU-T E.164).

use std::fmt;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, enums::Region};

/// A phone number in E.164 form: `+`, a country code and the subscriber number, 7 to 15 digits in all.
///
/// `Debug` shows only the last four digits, because logs never hold a whole phone number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct E164(String);

impl E164 {
    /// Accepts `+` and 7 to 15 digits that the numbering plan of their country allows
    /// (ITU-T E.164; the plans are those of Google's libphonenumber).
    ///
    /// # Errors
    /// A sentence for the caller: the form is wrong, or no such number can exist.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let well_formed = (7..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0');
        if !well_formed {
            return Err("must be an E.164 phone number such as +12015551234");
        }
        let number = Self(text.to_owned());
        match number.plan() {
            Some(plan) if PHONE_NUMBER_UTIL.is_possible_number(&plan) => Ok(number),
            _ => Err("is not a possible phone number: check the country code and the number of digits"),
        }
    }

    /// True for numbers of the United States. `+1` alone is not enough: Canada and much of the Caribbean share it.
    #[must_use]
    pub fn is_us(&self) -> bool {
        self.plan().is_some_and(|plan| PHONE_NUMBER_UTIL.get_region_for_number(&plan) == Some(Region::US))
    }

    /// As people write it: `+1 (415) 555-0123` for North America, the plain form elsewhere.
    #[must_use]
    pub fn friendly(&self) -> String {
        match (self.0.strip_prefix("+1"), self.0.len()) {
            (Some(national), 12) => format!("+1 ({}) {}-{}", &national[..3], &national[3..6], &national[6..]),
            _ => self.0.clone(),
        }
    }

    /// The three digits after `+1`, for North American numbers.
    #[must_use]
    pub fn area_code(&self) -> Option<&str> {
        (self.0.len() == 12).then(|| self.0.strip_prefix("+1")).flatten().map(|national| &national[..3])
    }

    /// The number without its `+`.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn plan(&self) -> Option<PhoneNumber> {
        PHONE_NUMBER_UTIL.parse(&self.0, None).ok()
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E164(…{})", &self.0[self.0.len() - 4..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_possible_numbers_in_e164_form_are_accepted() {
        for good in ["+12015551234", "+14155550123", "+442071838750", "+18005550199", "+4915123456789"] {
            assert!(E164::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "+",
            "12015551234",
            "+02015551234",
            "+1201555123",
            "+120155512345",
            "+1 2015551234",
            "+1201555123a",
            "+1234567890123456",
            "＋12015551234",
            "+१२०१५५५१२३४",
            "+12015551234\n",
            "+9991234567",
        ] {
            assert!(E164::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plus_one_is_not_enough_to_be_a_us_number() {
        for (number, us) in [
            ("+12015550123", true),
            ("+14155550123", true),
            ("+18005550199", true),
            ("+14165550123", false), // Toronto
            ("+18765550123", false), // Jamaica
            ("+442071838750", false),
        ] {
            assert_eq!(E164::parse(number).unwrap().is_us(), us, "{number}");
        }
    }

    #[test]
    fn debug_output_hides_all_but_four_digits() {
        assert_eq!(format!("{:?}", E164::parse("+12015551234").unwrap()), "E164(…1234)");
    }

    #[test]
    fn north_american_numbers_have_a_friendly_form_and_an_area_code() {
        let number = E164::parse("+14155550123").unwrap();
        assert_eq!((number.friendly().as_str(), number.area_code()), ("+1 (415) 555-0123", Some("415")));
        let london = E164::parse("+442071838750").unwrap();
        assert_eq!((london.friendly().as_str(), london.area_code()), ("+442071838750", None));
    }
}
