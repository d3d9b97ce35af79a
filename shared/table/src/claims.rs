//! Who owns an E.164 number. A claim's key has no organization, so there is one for all of them.

use domain::number::PhoneNumber;
use domain::registration::Claim;
use domain::{E164, Error, OrganizationId, PhoneNumberId, Result};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::item::{Item, corrupt, from_item, to_item};
use crate::keys::Key;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClaimItem {
    organization_id: String,
    number_id: String,
}

impl TryFrom<ClaimItem> for Claim {
    type Error = Error;

    fn try_from(item: ClaimItem) -> Result<Self> {
        Ok(Self {
            organization: OrganizationId::parse(&item.organization_id).map_err(corrupt("organizationId"))?,
            number: PhoneNumberId::parse(&item.number_id).map_err(corrupt("numberId"))?,
        })
    }
}

pub(crate) fn claim_item(number: &PhoneNumber) -> Result<Item> {
    let attributes = ClaimItem { organization_id: number.organization.to_string(), number_id: number.id.to_string() };
    to_item(Key::claim(&number.e164), None, &attributes)
}

pub(crate) fn read_claim(item: Item) -> Result<Claim> {
    from_item::<ClaimItem>(item)?.try_into()
}

impl Table {
    /// Who holds a phone number.
    pub async fn claim(&self, e164: &E164) -> Result<Option<Claim>> {
        self.fetch(Key::claim(e164)).await?.map(read_claim).transpose()
    }

    /// The number that holds a phone number's claim, whatever organization it belongs to.
    pub async fn number_by_claim(&self, e164: &E164) -> Result<Option<PhoneNumber>> {
        let Some(claim) = self.claim(e164).await? else { return Ok(None) };
        self.find_number(&claim.organization, &claim.number).await
    }
}

/// True when the claim is the one this very request has written, in a try whose answer was lost.
pub(crate) fn is_own(claim: Option<&Claim>, number: &PhoneNumberId) -> bool {
    claim.is_some_and(|claim| claim.number == *number)
}
