use axum::Json;
use axum::extract::State;
use domain::KybId;
use domain::kyb::{Filing, Notification, Submission, SubmittedBy};
use web::{ApiResult, Compliance, Fields, JsonBody};

use crate::App;
use crate::filing::either_form;
use crate::rows::SubmissionRow;

/// Submit phone-number business verification
///
/// Takes the full form, or the short one (`declaration`).
#[utoipa::path(
    post, path = "/v1/phone-numbers/kyb/submit", operation_id = "submitPhoneNumberKyb", tag = "Telephony",
    request_body = crate::docs::SubmitRequest,
    responses(
        (status = 200, description = "Submitted verification", body = SubmissionRow),
        web::answers::Invalid, web::answers::Failures, web::answers::Conflict, web::answers::TooLarge,
    ),
)]
pub(crate) async fn submit(
    State(app): State<App>,
    Compliance(caller): Compliance,
    JsonBody(fields): JsonBody,
) -> ApiResult<Json<SubmissionRow>> {
    let filing = parse(fields)?;
    let (organization, now) = (&caller.organization, app.clock.now());
    let id = KybId::new(now, rand::random());
    let by = SubmittedBy { api_key: caller.key, user_id: None, email: None };
    let file = |current: Option<&Submission>| {
        Submission::submit(current, organization, id.clone(), filing.clone(), by.clone(), now)
    };
    let (mut submitted, holder) = app.table.file_submission(organization, file).await?;
    submitted.notification = announce(&app, &submitted).await;
    Ok(Json(SubmissionRow::new(&submitted, holder.hold.as_ref())))
}

fn parse(mut fields: Fields) -> domain::Result<Filing> {
    let filing = either_form(&mut fields);
    if fields.flag("attestationAccepted") != Some(true) {
        fields.issue("attestationAccepted", "must be true");
    }
    fields.finish(filing)
}

/// Queues the submission for staff. It is stored already and due in the work index, so nothing that fails here can
/// lose it, and nothing here fails the submission.
async fn announce(app: &App, submission: &Submission) -> Notification {
    let notification = match app.queue.send(&submission.organization, &submission.id).await {
        Ok(job) => Notification::Queued { job },
        Err(cause) => {
            tracing::warn!(
                kyb.submission.id = %submission.id, error.cause = %cause, "a submission could not be queued for staff"
            );
            let error = "The notification queue could not be reached; staff will be told later.".to_owned();
            Notification::EnqueueFailed { error }
        }
    };
    if let Err(cause) = app.table.record_notification(submission, &notification).await {
        tracing::warn!(
            kyb.submission.id = %submission.id, error.cause = ?cause, "a queued notification could not be recorded"
        );
    }
    notification
}
