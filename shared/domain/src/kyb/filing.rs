//! What a verification says: the full form or the short one, and the brand that prefills it.

use std::collections::BTreeMap;

use email_address::EmailAddress;

use super::{Address, Country, Field, RegistrationId, Website};
use crate::{E164, Name, Prose};

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

/// What is filed: the full form or the short one, never both. Drafts may be partial; nothing partial is submitted. What was
/// decided may be erased later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filing {
    Full(Box<(BusinessProfile, Representative)>),
    Short(Declaration),
    Partial(Partial),
    Erased,
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
            Self::Erased => Vec::new(),
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

    /// The name that the business goes by in law, as far as the form asks for one; empty in a draft that lacks it, and once
    /// it is erased.
    #[must_use]
    pub fn business_name(&self) -> &str {
        match self {
            Self::Full(_) | Self::Partial(_) => self.answer(Field::LegalName),
            Self::Short(_) => self.answer(Field::BusinessName),
            Self::Erased => "",
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
