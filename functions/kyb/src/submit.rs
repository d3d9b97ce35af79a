//! `POST /v1/phone-numbers/kyb/submit`: submits a verification and queues its message to staff.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::idempotency::Made;
use domain::kyb::{Attestation, Field, Filing, Notification, Status, Submission, SubmittedBy};
use domain::organization::Hold;
use domain::{Error, Result, Timestamp, chain};
use runtime::message::SubmissionHandle;
use serde::Serialize;
use serde::de::IgnoredAny;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoResponses, ToSchema};
use web::{ApiResult, Attempt, Caller, Compliance, Fields, Keyed};

use crate::app::{App, SUBMIT};
use crate::filing::either_form;
use crate::rows::{DeclarationRow, ProfileRow, RepresentativeRow, SubmissionRow};

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
    /// The wording that the caller showed: `requiredAttestation.version`, or one that was replaced in the last 30 days.
    attestation_version: Option<String>,
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
    Conflict(web::ErrorBody),
}

/// Submit phone-number business verification
///
/// Takes the full form, or the short one (`declaration`). Staff are told and decide; `GET /v1/phone-numbers/kyb` shows
/// the outcome.
#[utoipa::path(
    post, path = SUBMIT, operation_id = "submitPhoneNumberKyb", tag = "Telephony",
    security(("bearerAuth" = ["compliance"])),
    request_body = SubmitRequest,
    params(web::answers::IdempotencyHeader),
    responses(
        (status = 200, description = "Submitted verification", body = SubmissionRow),
        web::answers::Invalid, web::answers::Failures, web::answers::Unread, web::answers::KeyReused, SubmitRefusals,
    ),
)]
pub(crate) async fn submit(State(app): State<App>, request: Keyed<Compliance>) -> ApiResult<Response> {
    let now = app.clock.now();
    let run = async |caller: Caller, form, attempt: Attempt| {
        let (submitted, hold) = submit_filing(&app, &caller, form, &attempt).await?;
        Ok(Json(SubmissionRow::new(&submitted, hold.as_ref(), &caller)))
    };
    let restore = async |caller: Caller, made, body| restored(&app, &caller, made, body).await;
    request.once_keeping(without_registration_id, |fields| parse(fields, now), run, restore).await
}

const REGISTRATION_ID: &str = "\"registrationId\":";

/// An answer as it is kept for a replay: a registration id stands with its verification and nowhere else, where it can be
/// erased. The answer is our own compact JSON: texts in it have their quotes escaped, so the quoted name is found once at most.
fn without_registration_id(answer: String) -> String {
    let Some((before, rest)) = answer.split_once(REGISTRATION_ID) else { return answer };
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
    let _ = values.next();
    let after = rest.get(values.byte_offset()..).unwrap_or_default();
    format!("{before}{REGISTRATION_ID}null{after}")
}

/// A kept answer with the registration id as it was filed; without one once it is erased.
async fn restored(app: &App, caller: &Caller, made: Option<Made>, answer: String) -> Result<String> {
    let without = format!("{REGISTRATION_ID}null");
    let Some(Made::Submission(id)) = made.filter(|_| answer.contains(&without)) else { return Ok(answer) };
    let submission = app.table.submission(&caller.organization, &id).await?;
    let filed = submission.map(|submission| submission.filing.answer(Field::RegistrationId).to_owned());
    let Some(filed) = filed.filter(|filed| !filed.is_empty()) else { return Ok(answer) };
    let value = serde_json::to_string(&filed).map_err(Error::internal)?;
    Ok(answer.replacen(&without, &format!("{REGISTRATION_ID}{value}"), 1))
}

async fn submit_filing(
    app: &App,
    caller: &Caller,
    (filing, attestation): (Filing, Attestation),
    attempt: &Attempt,
) -> Result<(Submission, Option<Hold>)> {
    let (organization, id, now) = (&caller.organization, attempt.seed.submission(), app.clock.now());
    if let Some(id) = attempt.earlier_submission() {
        let (earlier, owner) =
            tokio::try_join!(app.table.submission(organization, id), app.table.organization(organization))?;
        let mut earlier = earlier.ok_or_else(|| Error::internal("a submission that was filed is gone"))?;
        if earlier.status() == Status::Submitted && earlier.notification == Notification::NotQueued {
            earlier.notification = announce(app, &earlier).await;
        }
        return Ok((earlier, owner.hold));
    }
    let by = SubmittedBy { api_key: caller.key.clone(), user_id: None, email: None };
    let file = |current: Option<&Submission>| {
        let (id, filing, by) = (id.clone(), filing.clone(), by.clone());
        Submission::submit(current, organization, id, filing, by, attestation.clone(), now)
    };
    let (mut submitted, holder) =
        app.table.file_submission(organization, file, attempt.lease.as_ref(), &caller.actor()).await?;
    submitted.notification = announce(app, &submitted).await;
    Ok((submitted, holder.hold))
}

/// What is filed, and the wording that is agreed to: today's, unless the caller names one that was shown a while ago.
fn parse(mut fields: Fields, now: Timestamp) -> Result<(Filing, Attestation)> {
    let filing = either_form(&mut fields);
    let named = fields.optional("attestationVersion", |version| Attestation::agreed_to(version, now));
    let attestation = named.unwrap_or_else(Attestation::current);
    if fields.flag("attestationAccepted") != Some(true) {
        fields.issue("attestationAccepted", "must be true");
    }
    fields.finish(filing.map(|filing| (filing, attestation)))
}

/// Queues the submission for staff. It is stored already and due in the work index, so nothing that fails here can
/// lose it, and nothing here fails the submission.
async fn announce(app: &App, submission: &Submission) -> Notification {
    let notification = match app.queue.send(&SubmissionHandle::of(submission)).await {
        Ok(job) => Notification::Queued { job },
        Err(cause) => {
            tracing::warn!(
                kyb.submission.id = %submission.id, error.cause = %chain(cause.as_ref()),
                "a submission could not be queued for staff"
            );
            let error = "The notification queue could not be reached; staff will be told later.".to_owned();
            Notification::EnqueueFailed { error }
        }
    };
    if let Err(cause) = app.table.record_notification(submission, &notification).await {
        tracing::warn!(
            kyb.submission.id = %submission.id, error.cause = %chain(&cause),
            "the job id of a queued notification could not be recorded"
        );
    }
    notification
}
