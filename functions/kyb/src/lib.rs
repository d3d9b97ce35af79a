//! Business verification: `/v1/phone-numbers/kyb`, `/v1/phone-numbers/kyb/draft`, `/v1/phone-numbers/kyb/submit`.

mod app;
mod draft;
mod filing;
mod overview;
mod rows;
mod submit;

use axum::routing;
use runtime::settings::SettingsError;
use runtime::{Function, Start};
use utoipa::OpenApi;
use web::Http;

use crate::app::{App, DRAFT, OVERVIEW, SUBMIT};
use crate::rows::{
    AddressRow, AttestationRow, AttestorKind, AttestorRow, ComplianceAccess, DeclarationRow, HoldReason,
    NotificationStatus, OverviewRow, OverviewStatus, PrefillRow, ProfileRow, RejectionIssueRow, RepresentativeRow,
    SubmissionRow, SubmissionStatus,
};

/// # Errors
/// A setting is missing or malformed.
pub fn start(start: &Start) -> Result<Function, SettingsError> {
    let app = App::from_start(start)?;
    Ok(Function::new(app.table.connect()).entrance("http", routes(app)))
}

fn routes(app: App) -> Http {
    Http::new()
        .at(OVERVIEW, routing::get(overview::overview))
        .at(DRAFT, routing::put(draft::draft))
        .at(SUBMIT, routing::post(submit::submit))
        .for_customers(app)
}

/// How these routes are described in the API's documentation.
#[derive(OpenApi)]
#[openapi(
    paths(overview::overview, draft::draft, submit::submit),
    components(schemas(
        AddressRow,
        AttestationRow,
        AttestorKind,
        AttestorRow,
        ComplianceAccess,
        DeclarationRow,
        draft::DraftRequest,
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
        submit::SubmitRequest,
        submit::FullSubmitRequest,
        submit::ShortSubmitRequest
    ))
)]
pub struct Docs;
