//! `PUT /v1/phone-numbers/kyb/draft`: saves a verification that is not submitted yet.

use axum::Json;
use axum::extract::State;
use domain::KybId;
use domain::kyb::{Filing, Submission};
use utoipa::{IntoResponses, ToSchema};
use web::{ApiResult, Compliance, Fields, JsonBody};

use crate::app::{App, DRAFT};
use crate::filing::{LONG_FORM, partial_form};
use crate::rows::{ProfileRow, RepresentativeRow, SubmissionRow};

/// A draft: the full form, of which everything may wait. What is there is checked; an empty text counts as absent.
#[derive(ToSchema)]
#[schema(as = PhoneNumberKybDraftRequest, rename_all = "camelCase")]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) struct DraftRequest {
    business_profile: ProfileRow,
    authorized_representative: RepresentativeRow,
    #[schema(default = false, required = false)]
    attestation_accepted: bool,
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
    Conflict(web::ErrorBody),
}

/// Save phone-number business verification draft
///
/// Replaces the draft that there is; it may be incomplete. After a rejection or revocation it begins a new submission.
#[utoipa::path(
    put, path = DRAFT, operation_id = "savePhoneNumberKybDraft", tag = "Telephony",
    security(("bearerAuth" = ["compliance"])),
    request_body = DraftRequest,
    responses(
        (status = 200, description = "Saved draft", body = SubmissionRow),
        web::answers::Invalid, web::answers::Failures, web::answers::Unread, DraftRefusals,
    ),
)]
pub(crate) async fn draft(
    State(app): State<App>,
    Compliance(caller): Compliance,
    JsonBody { fields, .. }: JsonBody,
) -> ApiResult<Json<SubmissionRow>> {
    let (filing, accepted) = parse(fields)?;
    let (organization, now) = (&caller.organization, app.clock.now());
    let id = KybId::new(now, app.randomness.draw());
    let file = |current: Option<&Submission>| {
        Submission::save_draft(current, organization, id.clone(), filing.clone(), accepted, now)
    };
    let (saved, holder) = app.table.file_submission(organization, file, None, &caller.actor()).await?;
    Ok(Json(SubmissionRow::new(&saved, holder.hold.as_ref(), &caller)))
}

fn parse(mut fields: Fields) -> domain::Result<(Filing, bool)> {
    if fields.has("declaration") && !LONG_FORM.into_iter().any(|name| fields.has(name)) {
        for name in LONG_FORM {
            fields.issue(
                name,
                "is required: a draft is of the full form; declaration, the short one, is submitted at once",
            );
        }
    }
    let filing = Filing::Partial(partial_form(&mut fields));
    let accepted = fields.flag("attestationAccepted").unwrap_or(false);
    fields.finish(Some((filing, accepted)))
}
