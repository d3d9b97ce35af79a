//! How these routes are described in the API's documentation.

use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoResponses, OpenApi, ToSchema};
use web::ErrorBody;

use crate::rows::{
    AddressRow, DeclarationRow, HoldReason, NotificationStatus, OverviewRow, OverviewStatus, PrefillRow, ProfileRow,
    RejectionIssueRow, RepresentativeRow, SubmissionRow, SubmissionStatus,
};

#[derive(OpenApi)]
#[openapi(
    paths(crate::overview::overview, crate::draft::draft, crate::submit::submit),
    components(schemas(
        AddressRow,
        DeclarationRow,
        DraftRequest,
        HoldReason,
        NotificationStatus,
        OverviewRow,
        OverviewStatus,
        PrefillRow,
        ProfileRow,
        RejectionIssueRow,
        RepresentativeRow,
        SubmissionRow,
        SubmissionStatus,
        SubmitRequest,
        FullSubmitRequest,
        ShortSubmitRequest
    ))
)]
pub struct Docs;

/// A draft: the full form, of which the attestation may wait.
#[derive(ToSchema)]
#[schema(as = PhoneNumberKybDraftRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct DraftRequest {
    business_profile: ProfileRow,
    authorized_representative: RepresentativeRow,
    #[schema(default = false, required = false)]
    attestation_accepted: bool,
}

/// The full form or the short one; never both.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = PhoneNumberKybSubmitRequest)]
#[expect(dead_code, reason = "only describes the wire form")]
#[expect(clippy::large_enum_variant, reason = "it is never made")]
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
    #[schema(schema_with = accepted)]
    attestation_accepted: bool,
}

fn accepted() -> RefOr<Schema> {
    let accepted = ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true]));
    accepted.description(Some("Must be true.")).into()
}

/// The short form.
#[derive(Serialize, ToSchema)]
#[schema(as = PhoneNumberKybShortSubmitRequest, rename_all = "camelCase")]
pub(crate) struct ShortSubmitRequest {
    declaration: DeclarationRow,
    #[schema(schema_with = accepted)]
    attestation_accepted: bool,
    /// The wording that the caller showed; the server records its own.
    attestation_version: Option<String>,
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum DraftRefusals {
    /// The verification is under review (`KYB_UNDER_REVIEW`) or approved already (`KYB_ALREADY_APPROVED`).
    #[response(
        status = 409,
        example = json!({
            "error": "The business verification is under review; wait for its outcome",
            "code": "KYB_UNDER_REVIEW", "retryable": false,
        })
    )]
    Conflict(ErrorBody),
}

#[derive(IntoResponses)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum SubmitRefusals {
    /// The verification is under review (`KYB_UNDER_REVIEW`) or approved already (`KYB_ALREADY_APPROVED`).
    /// A request with the same Idempotency-Key is still running (`IDEMPOTENCY_IN_PROGRESS`).
    #[response(
        status = 409,
        headers(("Retry-After" = u32, description = "Seconds to wait, for `IDEMPOTENCY_IN_PROGRESS`")),
        example = json!({
            "error": "The business verification is under review; wait for its outcome",
            "code": "KYB_UNDER_REVIEW", "retryable": false,
        })
    )]
    Conflict(ErrorBody),
}
