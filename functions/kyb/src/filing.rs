//! Reading what a customer files.

use domain::kyb::{
    Address, BusinessProfile, Country, Declaration, Email, Filing, RegistrationId, Representative, Website,
};
use domain::{E164, Name, Prose};
use web::Fields;

const LONG_FORM: [&str; 2] = ["businessProfile", "authorizedRepresentative"];

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

pub(crate) fn full_form(fields: &mut Fields) -> Option<Filing> {
    let profile = fields.object("businessProfile", profile);
    let representative = fields.object("authorizedRepresentative", representative);
    Some(Filing::Full(Box::new((profile?, representative?))))
}

/// Each field is read before any is missed, so that all issues are found.
fn profile(fields: &mut Fields) -> Option<BusinessProfile> {
    let legal_name = fields.required("legalName", Name::parse);
    let display_name = fields.required("displayName", Name::parse);
    let entity_type = fields.required("entityType", Name::parse);
    let country = fields.required("country", Country::parse);
    let registration_id = fields.optional("registrationId", RegistrationId::parse);
    let website = fields.required("website", Website::parse);
    let address = fields.object("address", address);
    let use_case = fields.required("useCase", Prose::parse);
    let expected_usage = fields.required("expectedUsage", Prose::parse);
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
    let street = fields.required("street", Name::parse);
    let city = fields.required("city", Name::parse);
    let state = fields.required("state", Name::parse);
    let postal_code = fields.required("postalCode", Name::parse);
    let country = fields.required("country", Country::parse);
    Some(Address { street: street?, city: city?, state: state?, postal_code: postal_code?, country: country? })
}

fn representative(fields: &mut Fields) -> Option<Representative> {
    let name = fields.required("name", Name::parse);
    let title = fields.required("title", Name::parse);
    let email = fields.required("email", Email::parse);
    let phone = fields.optional("phone", E164::parse);
    Some(Representative { name: name?, title: title?, email: email?, phone })
}

fn declaration(fields: &mut Fields) -> Option<Declaration> {
    let business_name = fields.required("businessName", Name::parse);
    let use_case = fields.required("useCase", Prose::parse);
    Some(Declaration { business_name: business_name?, use_case: use_case? })
}
