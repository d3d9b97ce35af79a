//! The fields of the verification forms: their path for callers, and their label for staff.

/// Makes [`Field`] and its two texts from one table.
macro_rules! fields {
    ($($field:ident: $path:literal, $label:literal;)+) => {
        /// A field of a verification form.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    }
}
