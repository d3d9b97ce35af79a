//! The SMS brand (10DLC) that a customer has registered, from which a verification is prefilled.
//!
//! These answers have camelCase names, with or without `data` around them: the description and the service differ. Every
//! field may be missing or null.

use domain::Result;
use domain::kyb::Brand;

use super::wire::{Answer, Failure, text};
use super::{Telnyx, unavailable};

/// What is kept of one field, in characters: more than any form takes.
const TEXT_LIMIT_CHARS: usize = 2_000;

/// The registry's name for a brand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrandId(String);

impl BrandId {
    /// The id becomes part of a path, so it may hold only what needs no escaping there.
    ///
    /// # Errors
    /// A sentence that names the accepted form.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be the carrier's id of a brand: 1 to 64 letters, digits, '-' or '_'")
        }
    }
}

impl Telnyx {
    /// A registered brand; `None` when the carrier knows none under this id. At most 4 s.
    ///
    /// # Errors
    /// [`domain::Error::CarrierUnavailable`] when the carrier gives no usable answer.
    pub async fn brand(&self, id: &BrandId) -> Result<Option<Brand>> {
        let path = format!("10dlc/brand/{}", id.0);
        let answer = self.link.call(self.limits.question, |to| to.get(&path)).await;
        answer.and_then(|answer| read(&answer, id)).map_err(unavailable)
    }
}

fn read(answer: &Answer, asked: &BrandId) -> Result<Option<Brand>, Failure> {
    // Here the carrier also says it without its error envelope.
    let says_so_plainly = answer.status.as_u16() == 404 && text(&answer.body["detail"]).is_some();
    if answer.says_unknown() || says_so_plainly {
        return Ok(None);
    }
    if !answer.status.is_success() {
        return Err(answer.refused());
    }
    let data = &answer.body["data"];
    let registered = if data.is_object() { data } else { &answer.body };
    if text(&registered["brandId"]).is_none_or(|id| id != asked.0) {
        return Err(Failure::Garbled("it is not the brand asked for"));
    }
    let field = |name: &str| -> String { text(&registered[name]).map(|text| clipped(&text)).unwrap_or_default() };
    let brand = Brand {
        company_name: field("companyName"),
        display_name: field("displayName"),
        entity_type: field("entityType"),
        ein: field("ein"),
        website: field("website"),
        street: field("street"),
        city: field("city"),
        state: field("state"),
        postal_code: field("postalCode"),
        country: field("country"),
        first_name: field("firstName"),
        last_name: field("lastName"),
        email: field("email"),
        phone: field("phone"),
    };
    if brand == Brand::default() { Err(Failure::Garbled("it says nothing of a brand")) } else { Ok(Some(brand)) }
}

fn clipped(text: &str) -> String {
    text.trim().chars().filter(|character| !character.is_control()).take(TEXT_LIMIT_CHARS).collect()
}
