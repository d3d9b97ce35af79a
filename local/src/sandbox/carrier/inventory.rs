//! What the carrier has for sale: every number of every area code that the product takes for one of the United States, the
//! newest included. Lists show `+1 NPA 555 xxxx`; any other number is found when exactly it is searched for.

use domain::E164;

use super::magic::Magic;
use super::query::Filters;

/// Cities that searches by name find: name, state, area codes.
const CITIES: &[(&str, &str, &[&str])] = &[
    ("Anchorage", "AK", &["907"]),
    ("Atlanta", "GA", &["404", "470", "678"]),
    ("Austin", "TX", &["512", "737"]),
    ("Baltimore", "MD", &["410", "443"]),
    ("Boston", "MA", &["617", "857"]),
    ("Brooklyn", "NY", &["718", "347", "929"]),
    ("Charlotte", "NC", &["704", "980"]),
    ("Chicago", "IL", &["312", "773", "872"]),
    ("Cincinnati", "OH", &["513"]),
    ("Cleveland", "OH", &["216"]),
    ("Columbus", "OH", &["614", "380"]),
    ("Dallas", "TX", &["214", "469", "972"]),
    ("Denver", "CO", &["303", "720"]),
    ("Detroit", "MI", &["313"]),
    ("Honolulu", "HI", &["808"]),
    ("Houston", "TX", &["713", "281", "832"]),
    ("Indianapolis", "IN", &["317"]),
    ("Jacksonville", "FL", &["904"]),
    ("Jersey City", "NJ", &["201", "551"]),
    ("Kansas City", "MO", &["816"]),
    ("Las Vegas", "NV", &["702", "725"]),
    ("Los Angeles", "CA", &["213", "310", "323"]),
    ("Memphis", "TN", &["901"]),
    ("Miami", "FL", &["305", "786"]),
    ("Milwaukee", "WI", &["414"]),
    ("Minneapolis", "MN", &["612"]),
    ("Nashville", "TN", &["615", "629"]),
    ("New Orleans", "LA", &["504"]),
    ("New York", "NY", &["212", "646", "917"]),
    ("Oakland", "CA", &["510"]),
    ("Omaha", "NE", &["402"]),
    ("Orlando", "FL", &["407"]),
    ("Philadelphia", "PA", &["215", "267"]),
    ("Phoenix", "AZ", &["602", "480"]),
    ("Pittsburgh", "PA", &["412"]),
    ("Portland", "OR", &["503", "971"]),
    ("Raleigh", "NC", &["919"]),
    ("Sacramento", "CA", &["916"]),
    ("Salt Lake City", "UT", &["801"]),
    ("San Antonio", "TX", &["210"]),
    ("San Diego", "CA", &["619", "858"]),
    ("San Francisco", "CA", &["415", "628"]),
    ("San Jose", "CA", &["408", "669"]),
    ("Seattle", "WA", &["206"]),
    ("St. Louis", "MO", &["314"]),
    ("Tampa", "FL", &["813"]),
    ("Washington", "DC", &["202"]),
];

/// Where a search without a place looks.
const EVERYWHERE: &[&str] = &["212", "310", "312", "415", "512", "206", "305", "404", "617", "303"];

/// What every number can do.
pub(super) const FEATURES: &[&str] = &["sms", "mms", "voice", "fax", "emergency", "local_calling"];

/// The exchange of the numbers that lists show.
const EXCHANGE: &str = "555";

/// The city and state of an area code, where it is one of a large city.
pub(super) fn place(area_code: &str) -> Option<(&'static str, &'static str)> {
    CITIES.iter().find(|(_, _, codes)| codes.contains(&area_code)).map(|(city, state, _)| (*city, *state))
}

/// Whether the number could be for sale here at all.
pub(super) fn stocks(number: &str) -> bool {
    E164::parse_us(number).is_ok()
}

/// The numbers that a search finds, in a fixed order and without the ones that `sold` knows; none when there is no
/// coverage.
pub(super) fn search(filters: &Filters, sold: impl Fn(&str) -> bool) -> Vec<String> {
    let other = |name, served: &str| filters.one(name).is_some_and(|asked| !asked.eq_ignore_ascii_case(served));
    if other("country_code", "US")
        || other("phone_number_type", "local")
        || filters.all("features").any(|feature| !FEATURES.contains(&feature))
    {
        return Vec::new();
    }
    let limit = filters.one("limit").and_then(|limit| limit.parse().ok()).unwrap_or(100).clamp(1, 100);
    let area_code = filters.one("national_destination_code");
    let pattern = Pattern::read(filters, area_code.is_some());
    let exact = pattern.exact();
    let for_sale = |number: &String| {
        let magic = Magic::of(number);
        let shown = magic.is_none() || (exact.is_some() && magic != Some(Magic::Gone));
        shown && pattern.matches(number) && !sold(number)
    };
    let mut codes = match (area_code, filters.one("locality")) {
        (Some(code), None) => vec![code],
        (None, Some(locality)) => area_codes(locality).to_vec(),
        (Some(code), Some(locality)) => area_codes(locality).iter().copied().filter(|served| *served == code).collect(),
        (None, None) => exact.and_then(|digits| digits.get(..3)).map_or(EVERYWHERE.to_vec(), |code| vec![code]),
    };
    codes.retain(|code| {
        let state = place(code).map(|(_, state)| state);
        covered(code) && filters.one("administrative_area").is_none_or(|asked| state == Some(asked))
    });
    if let Some(digits) = exact {
        let digits = if area_code.is_some() { digits } else { &digits[3..] };
        let numbers = codes.iter().map(|code| format!("+1{code}{digits}"));
        return numbers.filter(|number| stocks(number) && for_sale(number)).take(limit).collect();
    }
    // One of each area code in turn, so that a short list shows several. The first hundred lines are left out because
    // people expect numbers such as 555-0100.
    let lines = (100..10_000).flat_map(|line| codes.iter().map(move |code| format!("+1{code}{EXCHANGE}{line:04}")));
    lines.filter(for_sale).take(limit).collect()
}

fn area_codes(locality: &str) -> &'static [&'static str] {
    let city = CITIES.iter().find(|(city, _, _)| city.eq_ignore_ascii_case(locality.trim()));
    city.map_or(&[], |(_, _, codes)| codes)
}

fn covered(area_code: &str) -> bool {
    area_code.len() == 3 && is_digits(area_code) && stocks(&format!("+1{area_code}{EXCHANGE}0100"))
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What the digits must look like. Beside an area code patterns cover the seven digits after it, otherwise all ten.
struct Pattern<'a> {
    parts: [Option<&'a str>; 3],
    beside_area_code: bool,
}

impl<'a> Pattern<'a> {
    fn read(filters: &'a Filters, beside_area_code: bool) -> Self {
        let part = |name: &str| {
            let digits = filters.one(&format!("phone_number][{name}"))?;
            let digits = digits.strip_prefix('+').unwrap_or(digits);
            // A whole number with its country code means the same as one without.
            Some(digits.strip_prefix('1').filter(|national| national.len() == 10).unwrap_or(digits))
        };
        Self { parts: [part("starts_with"), part("ends_with"), part("contains")], beside_area_code }
    }

    fn covers(&self) -> usize {
        if self.beside_area_code { 7 } else { 10 }
    }

    /// All digits, when one part of the pattern leaves none open.
    fn exact(&self) -> Option<&'a str> {
        self.parts.into_iter().flatten().find(|digits| digits.len() == self.covers() && is_digits(digits))
    }

    fn matches(&self, number: &str) -> bool {
        let digits = &number[number.len() - self.covers()..];
        let [start, end, middle] = self.parts;
        start.is_none_or(|start| digits.starts_with(start))
            && end.is_none_or(|end| digits.ends_with(end))
            && middle.is_none_or(|middle| digits.contains(middle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(pairs: &[(&str, &str)]) -> Vec<String> {
        let pairs = pairs.iter().map(|(name, value)| (format!("filter[{name}]"), (*value).to_owned()));
        search(&Filters::new(pairs.collect()), |number| number == "+14155550101")
    }

    #[test]
    fn numbers_are_offered_by_area_code_city_or_everywhere_but_not_the_sold_ones() {
        let three = ("limit", "3");
        for (pairs, expected) in [
            (vec![("national_destination_code", "415"), three], vec!["+14155550100", "+14155550102", "+14155550103"]),
            (vec![("locality", "san francisco"), three], vec!["+14155550100", "+16285550100", "+16285550101"]),
            (vec![("locality", "Boston"), ("national_destination_code", "857"), ("limit", "1")], vec!["+18575550100"]),
            (vec![three], vec!["+12125550100", "+13105550100", "+13125550100"]),
            (vec![("administrative_area", "CA"), three], vec!["+13105550100", "+14155550100", "+13105550101"]),
            (vec![("phone_number][ends_with", "0777"), ("limit", "1")], vec!["+12125550777"]),
            (vec![("phone_number][contains", "5550777"), ("national_destination_code", "206")], vec!["+12065550777"]),
            (vec![("phone_number][starts_with", "+12065550777")], vec!["+12065550777"]),
            (vec![("something_new", "?"), ("limit", "1")], vec!["+12125550100"]),
            (vec![("national_destination_code", "924"), ("limit", "1")], vec!["+19245550100"]),
            (vec![("phone_number][starts_with", "+16245550143")], vec!["+16245550143"]),
            (vec![("national_destination_code", "924"), ("phone_number][ends_with", "3051111")], vec!["+19243051111"]),
        ] {
            assert_eq!(find(&pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn there_is_no_coverage_elsewhere() {
        for pairs in [
            [("national_destination_code", "416"), ("limit", "1")], // Toronto
            [("national_destination_code", "876"), ("limit", "1")], // Jamaica
            [("national_destination_code", "787"), ("limit", "1")], // Puerto Rico
            [("national_destination_code", "800"), ("limit", "1")], // toll-free
            [("national_destination_code", "911"), ("limit", "1")],
            [("national_destination_code", "000"), ("limit", "1")],
            [("national_destination_code", "4155"), ("limit", "1")],
            [("national_destination_code", "４１５"), ("limit", "1")],
            [("locality", "Atlantis"), ("limit", "1")],
            [("locality", "Boston"), ("national_destination_code", "415")],
            [("country_code", "CA"), ("limit", "1")],
            [("phone_number_type", "toll_free"), ("limit", "1")],
            [("features", "international_sms"), ("limit", "1")],
            [("phone_number][ends_with", "+14155550101"), ("limit", "1")],
            [("phone_number][contains", "４１５"), ("limit", "1")],
            [("phone_number][ends_with", "12345678901234"), ("limit", "1")],
        ] {
            assert_eq!(find(&pairs), Vec::<String>::new(), "{pairs:?}");
        }
    }

    #[test]
    fn magic_numbers_are_offered_only_when_exactly_they_are_searched_for() {
        let all = find(&[("national_destination_code", "415"), ("limit", "100")]);
        assert_eq!(all.len(), 100);
        for digits in Magic::ALL.iter().map(|magic| magic.digits()) {
            let vague = find(&[("national_destination_code", "415"), ("phone_number][ends_with", digits)]);
            assert_eq!(vague, Vec::<String>::new(), "{digits}");
            let subscriber = format!("555{digits}");
            let exact = find(&[("national_destination_code", "415"), ("phone_number][ends_with", &subscriber)]);
            let expected = if digits == "0410" { vec![] } else { vec![format!("+1415555{digits}")] };
            assert_eq!(exact, expected);
        }
    }

    #[test]
    fn every_city_is_in_a_covered_area_code_and_everywhere_is_known() {
        for code in CITIES.iter().flat_map(|(_, _, codes)| *codes).chain(EVERYWHERE) {
            assert!(covered(code) && place(code).is_some(), "{code}");
        }
        assert!(stocks("+14155550404") && stocks("+19243051111"));
        for unknown in ["+14165550123", "+1415555012", "+442071838750", "4155550123"] {
            assert!(!stocks(unknown), "{unknown}");
        }
    }
}
