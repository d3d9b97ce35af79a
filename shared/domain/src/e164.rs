//! Phone numbers in E.164 form (ITU-T E.164).

use std::fmt;

use rlibphonenumber::enums::{NumberLengthType, PhoneNumberFormat, PhoneNumberType};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber};

use crate::area_code::elsewhere;

const MALFORMED: &str = "must be an E.164 phone number such as +12015551234";
const IMPOSSIBLE: &str = "is not a possible phone number: check the country code and the number of digits";
/// Two suffice for a text that is respelled once; some prefixes are taken off one at a time.
const SPELLINGS_TRIED: u8 = 5;
const LOCAL_ONLY: &str = "is too short to be called from abroad: write the whole number, with its area code";

/// A phone number in E.164 form: `+`, a country code and the subscriber number, 7 to 15 digits in all.
///
/// `Debug` shows only the last four digits, because logs never hold a whole phone number.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct E164(String);

impl E164 {
    /// Reads a number that somebody writes down: `+` and 7 to 15 digits that the numbering plan of their country allows,
    /// spelled as that plan spells them, so that one telephone has one spelling (ITU-T E.164; the plans are those of
    /// Google's libphonenumber).
    ///
    /// Whether the number is in use is not asked: the built-in plans do not know the newest area codes.
    ///
    /// # Errors
    /// A sentence for the caller: what is wrong, and the right spelling when the text has one.
    pub fn parse(text: &str) -> Result<Self, String> {
        north_american(text)?;
        let Some((form, number)) = spelling(text) else {
            return Err(Self::from_stored(text).map_or(MALFORMED, |_| IMPOSSIBLE).to_owned());
        };
        let form = Self::from_stored(&form)?;
        north_american(&form.0)?;
        if is_local_only(&number) {
            Err(LOCAL_ONLY.to_owned())
        } else if number.is_possible_with_reason().is_err() {
            Err(IMPOSSIBLE.to_owned())
        } else if form.0 != text {
            Err(format!("must be spelled {form}: each phone number is registered under one spelling"))
        } else {
            Ok(form)
        }
    }

    /// Reads a number that is sold as one of the United States: a number with country code 1 whose area code is not known
    /// to belong elsewhere.
    ///
    /// # Errors
    /// A sentence for the caller, which says where the area code belongs, or what [`parse`](Self::parse) says.
    pub fn parse_us(text: &str) -> Result<Self, String> {
        let number = Self::parse(text)?;
        let Some(area_code) = number.area_code() else {
            return Err("must be a number of the United States, which begins with +1".to_owned());
        };
        match elsewhere(area_code) {
            None => Ok(number),
            Some(known) => Err(format!("must be a local number of the United States: area code {area_code} {known}")),
        }
    }

    /// Reads a number that was accepted once, by its form alone: `^\+[1-9][0-9]{6,14}$`. Rules for what is written down
    /// may grow stricter; what is stored, or was bought, stays readable.
    ///
    /// # Errors
    /// The form is wrong.
    pub fn from_stored(text: &str) -> Result<Self, &'static str> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let well_formed = (7..=15).contains(&digits.len())
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && !digits.starts_with('0');
        if well_formed { Ok(Self(text.to_owned())) } else { Err(MALFORMED) }
    }

    /// True for a number that [`parse_us`](Self::parse_us) accepts: `+1` alone is not enough, because Canada and much of
    /// the Caribbean share it.
    #[must_use]
    pub fn is_us(&self) -> bool {
        Self::parse_us(&self.0).is_ok()
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
}

/// How the library spells the number in a text: the form that it leaves as it is. That is nearly always the first one.
fn spelling(text: &str) -> Option<(String, PhoneNumber)> {
    let mut form = text.to_owned();
    for _ in 0..SPELLINGS_TRIED {
        let number = PHONE_NUMBER_UTIL.parse(&form, None).ok()?;
        let next = number.format_as(PhoneNumberFormat::E164).into_owned();
        if next == form {
            return Some((form, number));
        }
        form = next;
    }
    None
}

/// Checks the form of a whole number with country code 1: `[2-9]XX` and `[2-9]XXXXXX`, and no area code such as 911
/// (North American Numbering Plan Administrator). Every other text passes.
fn north_american(text: &str) -> Result<(), &'static str> {
    let Some(national) = text.strip_prefix("+1").filter(|digits| digits.len() == 10).map(str::as_bytes) else {
        return Ok(());
    };
    match (national[0], &national[1..3], national[3]) {
        (b'0' | b'1', ..) => Err("is not a possible phone number: no North American area code begins with 0 or 1"),
        (_, b"11", _) => Err("is not a possible phone number: codes such as 911 are no area codes"),
        (.., b'0' | b'1') => Err("is not a possible phone number: the digit after the area code is never 0 or 1"),
        _ => Ok(()),
    }
}

/// Whether a number can be called from near by only: its length is one that lacks the area code. Where short numbers of
/// another kind exist, such as 0800 1111 in the United Kingdom, it must not be one of them.
fn is_local_only(number: &PhoneNumber) -> bool {
    let length_as = |kind| PHONE_NUMBER_UTIL.is_possible_number_for_type_with_reason(number, kind);
    let local = Ok(NumberLengthType::IsPossibleLocalOnly);
    number.is_possible_with_reason() == local
        || (length_as(PhoneNumberType::FixedLine) == local
            && length_as(PhoneNumberType::Mobile) != Ok(NumberLengthType::IsPossible)
            && !number.is_valid())
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

    use proptest::prelude::*;

    #[test]
    fn possible_numbers_are_accepted_as_their_plan_spells_them() {
        for good in [
            "+12015551234",
            "+14155550123",
            "+442071838750",
            "+448001111", // toll-free, and no longer than that
            "+18005550199",
            "+4915123456789",
            "+390266307129", // Italian numbers keep their 0
            "+375291234567",
            "+5491123456789",
            "+19243051111", // area codes that the built-in plan does not know yet
            "+16245550143",
            "+14365550143",
        ] {
            assert_eq!(E164::parse(good).map(|number| number.0).as_deref(), Ok(good));
        }
    }

    #[test]
    fn what_is_no_possible_number_is_refused_with_the_reason() {
        for (bad, reason) in [
            ("", MALFORMED),
            ("+", MALFORMED),
            ("12015551234", MALFORMED),
            ("4402071838750", MALFORMED),
            ("+02015551234", MALFORMED),
            ("+1234567890123456", MALFORMED),
            ("+1201555123a", IMPOSSIBLE),
            ("+1201555123", IMPOSSIBLE),
            ("+120155512345", IMPOSSIBLE),
            ("+9991234567", IMPOSSIBLE),
            ("+12345678", LOCAL_ONLY),
            ("+15551234", LOCAL_ONLY),
            ("+1 555 1234", LOCAL_ONLY),
            ("+441111222", LOCAL_ONLY),
            ("+10234567890", "is not a possible phone number: no North American area code begins with 0 or 1"),
            ("+11234567890", "is not a possible phone number: no North American area code begins with 0 or 1"),
            ("+1 023 456 7890", "is not a possible phone number: no North American area code begins with 0 or 1"),
            ("+19115550123", "is not a possible phone number: codes such as 911 are no area codes"),
            ("+14151550123", "is not a possible phone number: the digit after the area code is never 0 or 1"),
        ] {
            assert_eq!(E164::parse(bad), Err(reason.to_owned()), "{bad:?}");
        }
    }

    #[test]
    fn another_spelling_is_refused_and_the_right_one_is_named() {
        for (text, form) in [
            ("+114155550143", "+14155550143"), // a country code written twice
            ("+1114155550143", "+14155550143"),
            ("+4402071838750", "+442071838750"), // a trunk 0 after the country code
            ("+44(0)2071838750", "+442071838750"),
            ("+330123456789", "+33123456789"),
            ("+610412345678", "+61412345678"),
            ("+540111523456789", "+5491123456789"), // Argentina's mobile numbers, as they are dialled there
            ("+1 201-555-1234", "+12015551234"),
            ("tel:+1-201-555-1234", "+12015551234"),
            ("＋12015551234", "+12015551234"),
            ("+१२०१५५५१२३४", "+12015551234"),
            ("+12015551234\n", "+12015551234"),
        ] {
            let named = format!("must be spelled {form}: each phone number is registered under one spelling");
            assert_eq!(E164::parse(text), Err(named), "{text:?}");
        }
    }

    #[test]
    fn a_stored_number_is_read_by_its_form_alone() {
        for old in ["+114155550143", "+4402071838750", "+12345678", "+10234567890", "+9991234567", "+999123456789012"] {
            assert!(E164::parse(old).is_err());
            let number = E164::from_stored(old).unwrap();
            assert_eq!((number.as_str(), number.is_us()), (old, false));
            assert!(!number.friendly().is_empty());
        }
        for bad in
            ["", "+", "14155550143", "+0415555014", "+123456", "+1234567890123456", "+1415555014x", " +14155550143"]
        {
            assert_eq!(E164::from_stored(bad), Err(MALFORMED), "{bad:?}");
        }
    }

    #[test]
    fn plus_one_is_not_enough_to_be_a_us_number() {
        let us = "must be a local number of the United States: area code ";
        for (number, elsewhere) in [
            ("+14165550123", "416 belongs to Canada"),
            ("+18765550123", "876 belongs to Jamaica"),
            ("+17872345678", "787 belongs to Puerto Rico, and numbers of US territories are not sold"),
            ("+18005550199", "800 is toll-free"),
            ("+19002345678", "900 is premium rate"),
            ("+15005550123", "500 is for personal numbers, which belong to no place"),
            ("+16005550123", "600 is for Canadian services without a place"),
            ("+17105550123", "710 is for the government of the United States"),
            ("+12905550123", "290 is not in use: area codes with a 9 in the middle are not assigned"),
        ] {
            assert_eq!(E164::parse_us(number), Err(format!("{us}{elsewhere}")));
            assert!(!E164::parse(number).unwrap().is_us());
        }
        let london = E164::parse_us("+442071838750");
        assert_eq!(london, Err("must be a number of the United States, which begins with +1".to_owned()));
    }

    #[test]
    fn each_of_the_800_area_codes_is_sold_or_refused_with_its_reason() {
        let mut sold = 0;
        for code in 200..=999 {
            let text = format!("+1{code}5550143");
            let service = code % 100 == 11;
            assert_eq!(E164::parse(&text).is_ok(), !service, "{text}");
            match (elsewhere(&code.to_string()), E164::parse_us(&text)) {
                (None, Ok(number)) => {
                    assert!(!service && number.is_us() && number.area_code() == Some(code.to_string().as_str()));
                    sold += 1;
                }
                (Some(known), Err(reason)) => assert!(reason.ends_with(&known.to_string()), "{text}: {reason}"),
                (None, Err(reason)) => assert!(service && reason.contains("are no area codes"), "{text}: {reason}"),
                (Some(_), Ok(_)) => panic!("{text} is sold"),
            }
        }
        assert_eq!(sold, 800 - 8 - 80 - 127, "all but N11, N9X and what the list names");
    }

    /// The library's own E.164 form of a text.
    fn form(text: &str) -> Option<String> {
        PHONE_NUMBER_UTIL.parse(text, None).ok().map(|number| number.format_as(PhoneNumberFormat::E164).into_owned())
    }

    /// Texts as people write numbers: country codes once or twice, trunk zeros, separators, and any digits.
    fn written() -> impl Strategy<Value = String> {
        let country =
            prop::sample::select(vec!["1", "44", "33", "61", "39", "49", "52", "54", "55", "7", "375", "290"]);
        let prefix = prop::sample::select(vec!["", "", "0", "(0)", "1", "00", "8", "15"]);
        let separated = "[0-9]{3}[-. /]?[0-9]{3}[-. ]?[0-9]{0,7}";
        let spelled = (country, 0..3_usize, prefix, separated)
            .prop_map(|(code, repeats, prefix, rest)| format!("+{}{prefix}{rest}", code.repeat(repeats)));
        prop_oneof![4 => spelled, 2 => "\\+[1-9][0-9]{6,14}", 1 => "\\+?[0-9 ()x;=.-]{0,24}", 1 => ".{0,20}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn an_accepted_number_is_its_own_form_and_a_refusal_names_the_form_there_is(text in written()) {
            let form = form(&text);
            match E164::parse(&text) {
                Ok(number) => {
                    prop_assert_eq!(number.as_str(), text.as_str());
                    prop_assert_eq!(form.as_deref(), Some(text.as_str()));
                    prop_assert!(E164::from_stored(&text).is_ok());
                }
                Err(reason) => {
                    let right = form.filter(|form| E164::parse(form).is_ok());
                    prop_assert!(right.as_deref() != Some(text.as_str()));
                    prop_assert!(right.is_none_or(|form| reason.contains(&form)), "{}", reason);
                }
            }
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
