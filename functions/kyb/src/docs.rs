//! How these routes are described in the API's documentation.

use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::rows::{
    AddressRow, DeclarationRow, NotificationStatus, OverviewRow, OverviewStatus, PrefillRow, ProfileRow,
    RepresentativeRow, SubmissionRow, SubmissionStatus,
};

#[derive(OpenApi)]
#[openapi(
    paths(crate::overview::overview, crate::draft::draft, crate::submit::submit),
    components(schemas(
        AddressRow,
        DeclarationRow,
        DraftRequest,
        NotificationStatus,
        OverviewRow,
        OverviewStatus,
        PrefillRow,
        ProfileRow,
        RepresentativeRow,
        SubmissionRow,
        SubmissionStatus,
        SubmitRequest,
        FullSubmitRequest,
        ShortSubmitRequest
    ))
)]
pub struct Docs;

#[derive(ToSchema)]
#[schema(as = PhoneNumberKybDraftRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct DraftRequest {
    business_profile: ProfileRow,
    authorized_representative: RepresentativeRow,
    #[schema(default = false, required = false)]
    attestation_accepted: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = PhoneNumberKybSubmitRequest)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum SubmitRequest {
    Full(FullSubmitRequest),
    Short(ShortSubmitRequest),
}

/// The full form.
#[derive(Serialize, ToSchema)]
#[schema(as = PhoneNumberKybFullSubmitRequest, rename_all = "camelCase")]
pub(crate) struct FullSubmitRequest {
    business_profile: ProfileRow,
    authorized_representative: RepresentativeRow,
    /// Must be true.
    attestation_accepted: bool,
}

/// The short form.
#[derive(Serialize, ToSchema)]
#[schema(as = PhoneNumberKybShortSubmitRequest, rename_all = "camelCase")]
pub(crate) struct ShortSubmitRequest {
    declaration: DeclarationRow,
    /// Must be true.
    attestation_accepted: bool,
    /// The wording that the caller showed; the server records its own.
    attestation_version: Option<String>,
}
