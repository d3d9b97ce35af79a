//! Area codes of the North American Numbering Plan (country code 1) that are not of the United States.
//!
//! The list is of what is *not* US, because lists are always behind: an area code that opens next year is nowhere in it,
//! and its numbers can be searched and bought at once. Whether they exist, the carrier knows.

use std::fmt;

/// Why the numbers of an area code are not local numbers of the United States. As text it follows "area code 416".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    /// It belongs to another country, named as after "belongs to".
    Country(&'static str),
    /// It belongs to a territory of the United States, which is none of its states.
    Territory(&'static str),
    TollFree,
    PremiumRate,
    /// Numbers that follow a person or a machine instead of belonging to a place (`5XX-NXX`).
    Personal,
    /// Some other service without a place.
    Service(&'static str),
    /// Kept free until the plan's numbers grow longer.
    Unassignable,
}

use Elsewhere::{Country, Personal, PremiumRate, Service, Territory, TollFree};

/// What is known not to be of the United States; compiled in November 2026.
///
/// Sources: the metadata 9.0.42 of Google's libphonenumber, which a test compares, and for what it does not have
/// - toll-free codes that are reserved (822, 880 to 887, 889), and 700 and 710: the North American Numbering Plan
///   Administrator, as repeated at <https://lincmad.com/nongeographic.html>;
/// - Canadian codes without a place that are reserved (644, 655, 677, 688): Telecom Decision CRTC 2015-4;
/// - 387, reserved for Toronto: public lists of Canadian area codes.
const ELSEWHERE: &[(Elsewhere, &[&str])] = &[
    (
        Country("Canada"),
        &[
            "204", "226", "236", "249", "250", "257", "263", "273", "289", "306", "343", "354", "365", "367", "368",
            "382", "387", "403", "416", "418", "428", "431", "437", "438", "450", "468", "474", "506", "514", "519",
            "548", "579", "581", "584", "587", "604", "613", "639", "647", "672", "683", "705", "709", "742", "753",
            "778", "780", "782", "807", "819", "825", "867", "873", "879", "902", "905", "942",
        ],
    ),
    (Country("the Bahamas"), &["242"]),
    (Country("Barbados"), &["246"]),
    (Country("Anguilla"), &["264"]),
    (Country("Antigua and Barbuda"), &["268"]),
    (Country("the British Virgin Islands"), &["284"]),
    (Country("the Cayman Islands"), &["345"]),
    (Country("Bermuda"), &["441"]),
    (Country("Grenada"), &["473"]),
    (Country("the Turks and Caicos Islands"), &["649"]),
    (Country("Jamaica"), &["658", "876"]),
    (Country("Montserrat"), &["664"]),
    (Country("Sint Maarten"), &["721"]),
    (Country("Saint Lucia"), &["758"]),
    (Country("Dominica"), &["767"]),
    (Country("Saint Vincent and the Grenadines"), &["784"]),
    (Country("the Dominican Republic"), &["809", "829", "849"]),
    (Country("Trinidad and Tobago"), &["868"]),
    (Country("Saint Kitts and Nevis"), &["869"]),
    (Territory("the US Virgin Islands"), &["340"]),
    (Territory("the Northern Mariana Islands"), &["670"]),
    (Territory("Guam"), &["671"]),
    (Territory("American Samoa"), &["684"]),
    (Territory("Puerto Rico"), &["787", "939"]),
    (
        TollFree,
        &[
            "800", "822", "833", "844", "855", "866", "877", "880", "881", "882", "883", "884", "885", "886", "887",
            "888", "889",
        ],
    ),
    (PremiumRate, &["900"]),
    (
        Personal,
        &[
            "500", "521", "522", "523", "524", "525", "526", "527", "528", "529", "532", "533", "544", "566", "577",
            "588",
        ],
    ),
    (Service("Canadian services without a place"), &["600", "622", "633", "644", "655", "677", "688"]),
    (Service("services of long-distance carriers"), &["700"]),
    (Service("the government of the United States"), &["710"]),
];

/// What is known of an area code of three digits; `None` when nothing says that it is not of the United States.
pub(crate) fn elsewhere(area_code: &str) -> Option<Elsewhere> {
    if area_code.as_bytes().get(1) == Some(&b'9') {
        return Some(Elsewhere::Unassignable);
    }
    ELSEWHERE.iter().find(|(_, codes)| codes.contains(&area_code)).map(|(elsewhere, _)| *elsewhere)
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Country(name) => write!(f, "belongs to {name}"),
            Territory(name) => write!(f, "belongs to {name}, and numbers of US territories are not sold"),
            TollFree => f.write_str("is toll-free"),
            PremiumRate => f.write_str("is premium rate"),
            Personal => f.write_str("is for personal numbers, which belong to no place"),
            Service(whose) => write!(f, "is for {whose}"),
            Self::Unassignable => f.write_str("is not in use: area codes with a 9 in the middle are not assigned"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rlibphonenumber::PHONE_NUMBER_UTIL;
    use rlibphonenumber::enums::{PhoneNumberType, Region};

    use super::*;

    /// What libphonenumber knows of an area code, from numbers all over its exchanges.
    fn known(area_code: &str) -> HashSet<(Region, PhoneNumberType)> {
        let exchanges = (200..=999).step_by(7).map(|exchange| format!("+1{area_code}{exchange}0123"));
        let numbers = exchanges.map(|text| PHONE_NUMBER_UTIL.parse(&text, None).unwrap());
        numbers.filter_map(|number| Some((number.get_region_code()?, number.get_type()))).collect()
    }

    fn name(region: Region) -> Elsewhere {
        match region {
            Region::BS => Country("the Bahamas"),
            Region::BB => Country("Barbados"),
            Region::AI => Country("Anguilla"),
            Region::AG => Country("Antigua and Barbuda"),
            Region::VG => Country("the British Virgin Islands"),
            Region::KY => Country("the Cayman Islands"),
            Region::BM => Country("Bermuda"),
            Region::GD => Country("Grenada"),
            Region::TC => Country("the Turks and Caicos Islands"),
            Region::JM => Country("Jamaica"),
            Region::MS => Country("Montserrat"),
            Region::SX => Country("Sint Maarten"),
            Region::LC => Country("Saint Lucia"),
            Region::DM => Country("Dominica"),
            Region::VC => Country("Saint Vincent and the Grenadines"),
            Region::DO => Country("the Dominican Republic"),
            Region::TT => Country("Trinidad and Tobago"),
            Region::KN => Country("Saint Kitts and Nevis"),
            Region::VI => Territory("the US Virgin Islands"),
            Region::MP => Territory("the Northern Mariana Islands"),
            Region::GU => Territory("Guam"),
            Region::AS => Territory("American Samoa"),
            Region::PR => Territory("Puerto Rico"),
            other => panic!("{other:?} is new in the plan"),
        }
    }

    #[test]
    fn every_area_code_is_where_libphonenumber_knows_it_to_be() {
        let mut sold = 0;
        for code in (200..=999).map(|code| code.to_string()) {
            let listed = elsewhere(&code);
            for (region, kind) in known(&code) {
                let expected = match (region, kind) {
                    (Region::US, PhoneNumberType::FixedLineOrMobile) => {
                        sold += 1;
                        None
                    }
                    (Region::US, PhoneNumberType::TollFree) => Some(TollFree),
                    (Region::US, PhoneNumberType::PremiumRate) => Some(PremiumRate),
                    (Region::US, PhoneNumberType::PersonalNumber) => Some(Personal),
                    (Region::US, _) => Some(Service("the government of the United States")),
                    (Region::CA, PhoneNumberType::FixedLineOrMobile) => Some(Country("Canada")),
                    (Region::CA, _) => Some(Service("Canadian services without a place")),
                    (other, _) => Some(name(other)),
                };
                assert_eq!(listed, expected, "{code}: {region:?} {kind:?}");
            }
        }
        assert!(sold > 330, "libphonenumber knows {sold} area codes of the United States");
    }

    #[test]
    fn area_codes_that_opened_after_the_built_in_numbering_data_are_in_no_list() {
        for code in ["924", "624", "436"] {
            assert_eq!((known(code), elsewhere(code)), (HashSet::new(), None), "{code}");
        }
    }

    #[test]
    fn the_list_names_each_area_code_once_and_only_what_may_be_one() {
        let codes: Vec<&str> = ELSEWHERE.iter().flat_map(|(_, codes)| *codes).copied().collect();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len());
        for code in codes {
            let digits = code.as_bytes();
            assert!(code.len() == 3 && (b'2'..=b'9').contains(&digits[0]), "{code}");
            assert!(digits[1] != b'9' && !code.ends_with("11"), "{code}");
        }
    }
}
