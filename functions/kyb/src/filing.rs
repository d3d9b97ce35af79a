//! Reading what a customer files.

use std::collections::BTreeSet;

use domain::kyb::{
    Address, BusinessProfile, Country, Declaration, Email, Field, Filing, Partial, RegistrationId, Representative,
    Website, parse_street,
};
use domain::{E164, Name, Prose};
use web::Fields;

pub(crate) const LONG_FORM: [&str; 2] = ["businessProfile", "authorizedRepresentative"];

/// The full form, or the short one; never both, never neither.
pub(crate) fn either_form(fields: &mut Fields) -> Option<Filing> {
    let long = LONG_FORM.into_iter().any(|name| fields.has(name));
    match (long, fields.has("declaration")) {
        (true, false) => full_form(fields),
        (false, true) => fields.object("declaration", declaration).map(Filing::Short),
        (true, true) => {
            fields.issue("declaration", "must be left out where businessProfile or authorizedRepresentative is sent");
            None
        }
        (false, false) => {
            for name in LONG_FORM {
                fields.issue(name, "is required (or send declaration, the short form)");
            }
            None
        }
    }
}

/// The full form as far as it is filled in: what is there is checked, what is missing is not.
pub(crate) fn partial_form(fields: &mut Fields) -> Partial {
    let mut partial = Partial::default();
    fill(fields, "", &mut partial);
    partial
}

/// Reads the fields of one object, whose path ends in a dot, and then the objects within it.
fn fill(fields: &mut Fields, object: &str, partial: &mut Partial) {
    let mut parts = BTreeSet::new();
    for field in Field::FULL {
        let Some(rest) = field.path().strip_prefix(object) else { continue };
        if let Some((part, _)) = rest.split_once('.') {
            parts.insert(part);
        } else if let Some(text) = fields.filled(rest, |text| field.normalized(text)) {
            partial.answer(*field, text);
        }
    }
    for part in parts {
        fields.part(part, |inner| {
            fill(inner, &format!("{object}{part}."), partial);
            Some(())
        });
    }
}

fn full_form(fields: &mut Fields) -> Option<Filing> {
    let profile = fields.object("businessProfile", profile);
    let representative = fields.object("authorizedRepresentative", representative);
    Some(Filing::Full(Box::new((profile?, representative?))))
}

/// Each field is read before any is missed, so that all issues are found.
fn profile(fields: &mut Fields) -> Option<BusinessProfile> {
    let legal_name = fields.required(Field::LegalName.name(), Name::parse);
    let display_name = fields.required(Field::DisplayName.name(), Name::parse);
    let entity_type = fields.required(Field::EntityType.name(), Name::parse);
    let country = fields.required(Field::Country.name(), Country::parse);
    let registration_id = fields.filled(Field::RegistrationId.name(), RegistrationId::parse);
    let website = fields.required(Field::Website.name(), Website::parse);
    let address = fields.object("address", address);
    let use_case = fields.required(Field::UseCase.name(), Prose::parse);
    let expected_usage = fields.required(Field::ExpectedUsage.name(), Prose::parse);
    Some(BusinessProfile {
        legal_name: legal_name?,
        display_name: display_name?,
        entity_type: entity_type?,
        country: country?,
        registration_id,
        website: website?,
        address: address?,
        use_case: use_case?,
        expected_usage: expected_usage?,
    })
}

fn address(fields: &mut Fields) -> Option<Address> {
    let street = fields.required(Field::Street.name(), parse_street);
    let city = fields.required(Field::City.name(), Name::parse);
    let state = fields.filled(Field::State.name(), Name::parse);
    let postal_code = fields.filled(Field::PostalCode.name(), Name::parse);
    let country = fields.required(Field::AddressCountry.name(), Country::parse)?;
    for missing in Address::missing(&country, state.as_ref(), postal_code.as_ref()) {
        fields.issue(missing.name(), format!("is required in addresses of {}", country.as_str()));
    }
    Some(Address { street: street?, city: city?, state, postal_code, country })
}

fn representative(fields: &mut Fields) -> Option<Representative> {
    let name = fields.required(Field::Representative.name(), Name::parse);
    let title = fields.required(Field::Title.name(), Name::parse);
    let email = fields.required(Field::Email.name(), Email::parse);
    let phone = fields.filled(Field::Phone.name(), E164::parse);
    Some(Representative { name: name?, title: title?, email: email?, phone })
}

fn declaration(fields: &mut Fields) -> Option<Declaration> {
    let business_name = fields.required(Field::BusinessName.name(), Name::parse);
    let use_case = fields.required(Field::DeclaredUseCase.name(), Prose::parse);
    Some(Declaration { business_name: business_name?, use_case: use_case? })
}
