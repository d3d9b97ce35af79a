//! What a verification says: the full form or the short one, and the brand that prefills it.

use std::str::FromStr;

use email_address::EmailAddress;
use url::Url;

use super::{Field, RegistrationId};
use crate::{E164, Name, Prose};

/// The officially assigned alpha-2 codes of ISO 3166-1, each two letters, without separators.
const COUNTRIES: &str = "ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCACCCDCFCGCHCICKCLCMCN\
COCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISIT\
JEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOM\
PAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUAUGUMUSUY\
UZVAVCVEVGVIVNVUWFWSYEYTZAZMZW";

/// A country: an ISO 3166-1 alpha-2 code in upper case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Country(String);

impl Country {
    /// Lower case is accepted and normalised.
    ///
    /// # Errors
    /// A sentence for the caller when no country has this code.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let code = text.to_ascii_uppercase();
        let known = COUNTRIES.as_bytes().chunks_exact(2).any(|country| country == code.as_bytes());
        if known { Ok(Self(code)) } else { Err("must be a two-letter ISO 3166-1 country code such as US") }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
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

/// An absolute `http` or `https` URL, at most 2,000 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Website(String);

impl Website {
    /// # Errors
    /// A sentence for the caller when it is something else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be an http or https URL such as https://example.com, at most 2000 characters";
        let trimmed = text.trim();
        let slashes = trimmed.get(..8).is_some_and(|start| start.contains("://"));
        let url = Url::from_str(trimmed).map_err(|_| FORM)?;
        let web = matches!(url.scheme(), "http" | "https") && url.has_host() && slashes;
        if web && trimmed.len() <= 2000 && !trimmed.contains(char::is_whitespace) {
            Ok(Self(trimmed.to_owned()))
        } else {
            Err(FORM)
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub street: Name,
    pub city: Name,
    pub state: Name,
    pub postal_code: Name,
    pub country: Country,
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

/// What is filed: the full form or the short one, never both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filing {
    Full(Box<(BusinessProfile, Representative)>),
    Short(Declaration),
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
        }
    }

    /// The fields of this form that `earlier` lacks or answers otherwise, with what they say now.
    #[must_use]
    pub fn changes_since(&self, earlier: &Self) -> Vec<(Field, &str)> {
        let before = earlier.answers();
        self.answers().into_iter().filter(|answer| !before.contains(answer)).collect()
    }

    /// The name that the business goes by in law, as far as the form asks for one.
    #[must_use]
    pub fn business_name(&self) -> &Name {
        match self {
            Self::Full(full) => &full.0.legal_name,
            Self::Short(declaration) => &declaration.business_name,
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
            (Field::State, state.as_str()),
            (Field::PostalCode, postal_code.as_str()),
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
                state: name("state"),
                postal_code: name("postal"),
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
        assert!(Country::parse("DE").is_ok());
        for bad in ["", "U", "USA", "ZZ", "EU", "DA", "ÄÖ"] {
            assert!(Country::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn websites_are_absolute_web_urls() {
        for good in ["https://example.com", "http://example.com/a?b#c", "HTTPS://EXAMPLE.COM", "https://bücher.example"]
        {
            assert!(Website::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://",
            "https:example.com",
            "https://a b.com",
        ] {
            assert!(Website::parse(bad).is_err(), "{bad}");
        }
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
