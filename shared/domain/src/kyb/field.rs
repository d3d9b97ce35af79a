//! The fields of the verification forms: their path for callers, their label for staff, and what an answer may be.

use super::{Country, Email, RegistrationId, Website, parse_street};
use crate::{E164, Name, Prose};

/// Makes [`Field`] and its two texts from one table.
macro_rules! fields {
    ($($field:ident: $path:literal, $label:literal;)+) => {
        /// A field of a verification form.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Field {
            $(#[doc = concat!("`", $path, "`")] $field,)+
        }

        impl Field {
            /// Every field: first those of the full form, then those of the short one, each in the order of its form.
            pub const ALL: &'static [Self] = &[$(Self::$field),+];

            /// The field as callers spell it, with dots between the objects around it: `businessProfile.website`.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self {
                    $(Self::$field => $path,)+
                }
            }

            /// What staff call the field.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$field => $label,)+
                }
            }
        }
    };
}

fields! {
    LegalName: "businessProfile.legalName", "Legal name";
    DisplayName: "businessProfile.displayName", "Display name";
    EntityType: "businessProfile.entityType", "Entity type";
    Country: "businessProfile.country", "Country";
    RegistrationId: "businessProfile.registrationId", "Registration id";
    Website: "businessProfile.website", "Website";
    Street: "businessProfile.address.street", "Street";
    City: "businessProfile.address.city", "City";
    State: "businessProfile.address.state", "State";
    PostalCode: "businessProfile.address.postalCode", "Postal code";
    AddressCountry: "businessProfile.address.country", "Country of the address";
    UseCase: "businessProfile.useCase", "Use case";
    ExpectedUsage: "businessProfile.expectedUsage", "Expected usage";
    Representative: "authorizedRepresentative.name", "Representative";
    Title: "authorizedRepresentative.title", "Title";
    Email: "authorizedRepresentative.email", "E-mail";
    Phone: "authorizedRepresentative.phone", "Phone";
    BusinessName: "declaration.businessName", "Business name";
    DeclaredUseCase: "declaration.useCase", "Use case";
}

impl Field {
    /// The fields of the full form.
    pub const FULL: &'static [Self] = Self::ALL.split_at(17).0;

    /// An answer to this field as it is kept.
    ///
    /// # Errors
    /// A sentence for the caller when the text breaks the field's rule.
    pub fn normalized(self, text: &str) -> Result<String, String> {
        let kept = match self {
            Self::LegalName
            | Self::DisplayName
            | Self::EntityType
            | Self::City
            | Self::State
            | Self::PostalCode
            | Self::Representative
            | Self::Title
            | Self::BusinessName => Name::parse(text).map(|name| name.to_string()),
            Self::Street => parse_street(text).map(|street| street.to_string()),
            Self::Country | Self::AddressCountry => Country::parse(text).map(|country| country.as_str().to_owned()),
            Self::RegistrationId => RegistrationId::parse(text).map(|id| id.as_str().to_owned()),
            Self::Website => Website::parse(text).map(|website| website.as_str().to_owned()),
            Self::UseCase | Self::ExpectedUsage | Self::DeclaredUseCase => {
                Prose::parse(text).map(|prose| prose.to_string())
            }
            Self::Email => Email::parse(text).map(|email| email.as_str().to_owned()),
            Self::Phone => return E164::parse(text).map(|phone| phone.to_string()),
        };
        kept.map_err(str::to_owned)
    }

    /// The field with this path; `None` when no form has one.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|field| field.path() == path)
    }

    /// The field's own name in the JSON object that holds it: `website`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.path().rsplit('.').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_path_of_its_own_and_is_found_by_it() {
        for field in Field::ALL {
            assert_eq!(Field::parse(field.path()), Some(*field));
        }
        for unknown in ["", "businessProfile", "website", "BusinessProfile.website"] {
            assert_eq!(Field::parse(unknown), None, "{unknown}");
        }
        assert_eq!(Field::PostalCode.name(), "postalCode");
        assert!(Field::FULL.iter().all(|field| !field.path().starts_with("declaration.")));
        assert_eq!(Field::FULL.len() + 2, Field::ALL.len(), "the short form has two fields");
    }
}
