//! The verification, as callers see it.

use domain::Timestamp;
use domain::kyb::{
    Attestation, Brand, Declaration, Field, Filing, Notification, RegistrationId, RejectionIssue, Status, Submission,
};
use domain::organization::{self, Hold, Organization, PurchasePolicy};
use runtime::settings::Terms;
use serde::Serialize;
use table::Verification;
use utoipa::ToSchema;
use web::Caller;

use crate::app::App;

/// Where the organization's verification stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberKybOverview)]
pub(crate) struct OverviewRow {
    status: OverviewStatus,
    /// The latest one; null while nothing has been saved.
    #[schema(required)]
    submission: Option<SubmissionRow>,
    /// What is known from the organization's SMS brand; null without one. It can be saved as a draft as it is.
    #[schema(required)]
    prefill: Option<PrefillRow>,
    /// The same for the short form.
    #[schema(required)]
    declaration_prefill: Option<DeclarationRow>,
    /// What the caller has to agree to when submitting.
    required_attestation: AttestationRow,
    /// Whether a verification is still to be submitted.
    attestation_required: bool,
    compliance_access: ComplianceAccess,
}

/// A wording to agree to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberKybAttestation)]
pub(crate) struct AttestationRow {
    /// What `attestationVersion` of a submission names.
    version: String,
    text: String,
    /// Of the operator's terms of service; empty where there are none.
    terms_version: String,
    terms_url: String,
}

/// Whether the organization may buy, as far as its verification decides.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberKybComplianceAccess)]
pub(crate) enum ComplianceAccess {
    Enabled,
    AwaitingAttestation,
    /// A rejection or revocation holds it back.
    Suspended,
}

/// Who agreed to the attestation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberKybAttestor)]
pub(crate) struct AttestorRow {
    kind: AttestorKind,
    api_key_id: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberKybAttestorKind)]
pub(crate) enum AttestorKind {
    ApiKey,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberKybOverviewStatus)]
pub(crate) enum OverviewStatus {
    Missing,
    Draft,
    Submitted,
    Approved,
    Rejected,
    Revoked,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberKybStatus)]
pub(crate) enum SubmissionStatus {
    Draft,
    Submitted,
    Approved,
    Rejected,
    Revoked,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberKybSlackNotificationStatus)]
pub(crate) enum NotificationStatus {
    NotQueued,
    Queued,
    EnqueueFailed,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberKybHoldReason)]
pub(crate) enum HoldReason {
    Rejected,
    Revoked,
}

impl From<Option<Status>> for OverviewStatus {
    fn from(status: Option<Status>) -> Self {
        match status {
            None => Self::Missing,
            Some(Status::Draft) => Self::Draft,
            Some(Status::Submitted) => Self::Submitted,
            Some(Status::Approved) => Self::Approved,
            Some(Status::Rejected) => Self::Rejected,
            Some(Status::Revoked) => Self::Revoked,
        }
    }
}

impl From<Status> for SubmissionStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Draft => Self::Draft,
            Status::Submitted => Self::Submitted,
            Status::Approved => Self::Approved,
            Status::Rejected => Self::Rejected,
            Status::Revoked => Self::Revoked,
        }
    }
}

impl From<organization::HoldReason> for HoldReason {
    fn from(reason: organization::HoldReason) -> Self {
        match reason {
            organization::HoldReason::Rejected => Self::Rejected,
            organization::HoldReason::Revoked => Self::Revoked,
        }
    }
}

/// Values for a new form. What is not known is an empty string.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberKybPrefill)]
pub(crate) struct PrefillRow {
    business_profile: ProfileRow,
    authorized_representative: RepresentativeRow,
}

/// One business verification.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberKybSubmission)]
pub(crate) struct SubmissionRow {
    #[schema(examples("kyb_01kwdfkd000000000000000001"))]
    id: String,
    #[schema(examples("org_verified"))]
    organization_id: String,
    status: SubmissionStatus,
    /// Null for the short form.
    #[schema(required)]
    business_profile: Option<ProfileRow>,
    /// Null for the short form.
    #[schema(required)]
    authorized_representative: Option<RepresentativeRow>,
    /// The short form; null for the full one.
    #[schema(required)]
    declaration: Option<DeclarationRow>,
    attestation_accepted: bool,
    /// Null for drafts, like all that follows from submitting.
    #[schema(required, format = DateTime)]
    attested_at: Option<String>,
    /// Names the wording that was agreed to.
    #[schema(required)]
    attestation_version: Option<String>,
    /// The wording itself.
    #[schema(required)]
    attestation_text: Option<String>,
    #[schema(required, format = DateTime)]
    submitted_at: Option<String>,
    #[schema(required)]
    submitted_by_user_id: Option<String>,
    #[schema(required)]
    submitted_by_email: Option<String>,
    #[schema(required)]
    submitted_by_api_key_id: Option<String>,
    /// Who agreed to the attestation; null for drafts.
    #[schema(required)]
    attestor: Option<AttestorRow>,
    #[schema(required)]
    reviewer_user_id: Option<String>,
    #[schema(required)]
    reviewer_email: Option<String>,
    #[schema(required, format = DateTime)]
    reviewed_at: Option<String>,
    /// Why staff rejected or revoked it.
    #[schema(required)]
    rejection_reason: Option<String>,
    /// What staff marked when they rejected it; `rejectionReason` says the rest. Empty unless it was rejected.
    rejection_issues: Vec<RejectionIssueRow>,
    /// Since when the organization may not buy; only an approval clears it.
    #[schema(required, format = DateTime)]
    access_hold_at: Option<String>,
    /// Which decision has set the hold; what staff said is in `rejectionReason`.
    #[schema(required)]
    access_hold_reason: Option<HoldReason>,
    /// Whether staff have been told; they are told later where queueing failed.
    slack_notification_status: NotificationStatus,
    #[schema(required)]
    slack_notification_job_id: Option<String>,
    #[schema(required)]
    slack_notification_error: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// What staff say about one field of a rejected verification.
#[derive(Serialize, ToSchema)]
#[schema(as = PhoneNumberKybRejectionIssue)]
pub(crate) struct RejectionIssueRow {
    /// Where the field stands, with dots.
    #[schema(examples("businessProfile.website"))]
    path: String,
    #[schema(max_length = 2000, examples("The website shows another business"))]
    message: String,
}

/// Who the business is and what it will use numbers for. No required text may be blank when it is submitted; in a draft, what
/// is not there yet is an empty text.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberKybBusinessProfile)]
pub(crate) struct ProfileRow {
    #[schema(max_length = 200, examples("Acme Voice Inc"))]
    legal_name: String,
    #[schema(max_length = 200, examples("Acme"))]
    display_name: String,
    #[schema(max_length = 200, examples("corporation"))]
    entity_type: String,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2, examples("US"))]
    country: String,
    /// Masked for a key without the scope `compliance`.
    #[schema(required = false, max_length = 200, examples("12-3456789"))]
    registration_id: Option<String>,
    /// An `http` or `https` URL of a public host; without a scheme it is read as `https`.
    #[schema(format = "uri", max_length = 2000, examples("https://acme.example.com"))]
    website: String,
    address: AddressRow,
    #[schema(max_length = 2000, examples("Appointment reminders"))]
    use_case: String,
    #[schema(max_length = 2000, examples("100 calls a day"))]
    expected_usage: String,
}

/// Where the business is registered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberKybAddress)]
pub(crate) struct AddressRow {
    #[schema(max_length = 200, examples("1 Main St"))]
    street: String,
    #[schema(max_length = 200, examples("Springfield"))]
    city: String,
    /// Empty where addresses of the country have none.
    #[schema(max_length = 200, examples("IL"))]
    state: String,
    /// Empty where addresses of the country have none.
    #[schema(max_length = 200, examples("62701"))]
    postal_code: String,
    /// ISO 3166-1 alpha-2.
    #[schema(max_length = 2, examples("US"))]
    country: String,
}

/// Who answers for the business. No required text may be blank when it is submitted; in a draft, what is not there yet is an
/// empty text.
#[derive(Serialize, ToSchema)]
#[schema(as = PhoneNumberKybAuthorizedRepresentative)]
pub(crate) struct RepresentativeRow {
    #[schema(max_length = 200, examples("Ada Park"))]
    name: String,
    #[schema(max_length = 200, examples("CEO"))]
    title: String,
    #[schema(format = Email, max_length = 254, examples("ada@acme.example.com"))]
    email: String,
    #[schema(value_type = Option<web::E164>, required = false)]
    phone: Option<String>,
}

/// The short form's business and purpose. No text may be blank.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberKybDeclaration)]
pub(crate) struct DeclarationRow {
    #[schema(max_length = 200, examples("Acme Voice Inc"))]
    business_name: String,
    #[schema(max_length = 2000, examples("Appointment reminders"))]
    use_case: String,
}

impl OverviewRow {
    pub(crate) fn new(verification: &Verification, caller: &Caller, app: &App) -> Self {
        let Verification { current, brand, organization } = verification;
        let status = current.as_ref().map(Submission::status);
        let Attestation { version, text } = Attestation::current();
        let Terms { version: terms_version, url: terms_url } = app.terms.clone();
        Self {
            status: status.into(),
            submission: current
                .as_ref()
                .map(|submission| SubmissionRow::new(submission, organization.hold.as_ref(), caller)),
            prefill: brand.as_ref().map(|brand| PrefillRow::new(brand, caller)),
            declaration_prefill: brand.as_ref().map(|brand| DeclarationRow {
                business_name: savable(Field::BusinessName, &brand.company_name),
                use_case: String::new(),
            }),
            required_attestation: AttestationRow { version, text, terms_version, terms_url },
            attestation_required: !matches!(status, Some(Status::Submitted | Status::Approved)),
            compliance_access: ComplianceAccess::of(organization, app.policy),
        }
    }
}

impl ComplianceAccess {
    fn of(organization: &Organization, deployment: PurchasePolicy) -> Self {
        if organization.hold.is_some() {
            Self::Suspended
        } else if organization.is_verified(deployment) {
            Self::Enabled
        } else {
            Self::AwaitingAttestation
        }
    }
}

impl SubmissionRow {
    pub(crate) fn new(submission: &Submission, hold: Option<&Hold>, caller: &Caller) -> Self {
        let (business_profile, authorized_representative, declaration) = match &submission.filing {
            Filing::Full(_) | Filing::Partial(_) => {
                let form = |field: Field| submission.filing.answer(field).to_owned();
                (Some(ProfileRow::new(form, caller)), Some(RepresentativeRow::new(form)), None)
            }
            Filing::Short(declaration) => (None, None, Some(declaration.into())),
            Filing::Erased => (None, None, None),
        };
        let (slack_notification_status, job, error) = match &submission.notification {
            Notification::NotQueued => (NotificationStatus::NotQueued, None, None),
            Notification::Queued { job } => (NotificationStatus::Queued, Some(job.clone()), None),
            Notification::EnqueueFailed { error } => (NotificationStatus::EnqueueFailed, None, Some(error.clone())),
        };
        let (filed, review) = (submission.filed(), submission.review());
        let text = |at: Timestamp| at.to_string();
        Self {
            id: submission.id.to_string(),
            organization_id: submission.organization.to_string(),
            status: submission.status().into(),
            business_profile,
            authorized_representative,
            declaration,
            attestation_accepted: submission.attestation_accepted(),
            attested_at: filed.map(|filed| text(filed.at)),
            attestation_version: filed.map(|filed| filed.attestation.version.clone()),
            attestation_text: filed.map(|filed| filed.attestation.text.clone()),
            submitted_at: filed.map(|filed| text(filed.at)),
            submitted_by_user_id: filed.and_then(|filed| filed.by.user_id.clone()),
            submitted_by_email: filed.and_then(|filed| filed.by.email.clone()),
            submitted_by_api_key_id: filed.map(|filed| filed.by.api_key.to_string()),
            attestor: filed
                .map(|filed| AttestorRow { kind: AttestorKind::ApiKey, api_key_id: filed.by.api_key.to_string() }),
            reviewer_user_id: review.map(|review| review.shown_reviewer().to_owned()),
            reviewer_email: review.and_then(|review| review.reviewer_email.clone()),
            reviewed_at: review.map(|review| text(review.at)),
            rejection_reason: submission.reason().map(ToString::to_string),
            rejection_issues: submission.rejection_issues().iter().map(RejectionIssueRow::from).collect(),
            access_hold_at: hold.map(|hold| text(hold.at)),
            access_hold_reason: hold.map(|hold| hold.reason.into()),
            slack_notification_status,
            slack_notification_job_id: job,
            slack_notification_error: error,
            created_at: text(submission.created_at),
            updated_at: text(submission.updated_at),
        }
    }
}

impl From<&RejectionIssue> for RejectionIssueRow {
    fn from(issue: &RejectionIssue) -> Self {
        let RejectionIssue { path, message } = issue;
        Self { path: path.clone(), message: message.to_string() }
    }
}

impl ProfileRow {
    /// `said` is what a form says in a field; empty where it says nothing.
    fn new(said: impl Fn(Field) -> String, caller: &Caller) -> Self {
        let registration_id = Some(said(Field::RegistrationId)).filter(|id| !id.is_empty());
        Self {
            legal_name: said(Field::LegalName),
            display_name: said(Field::DisplayName),
            entity_type: said(Field::EntityType),
            country: said(Field::Country),
            registration_id: registration_id.map(|id| shown_id(id, caller)),
            website: said(Field::Website),
            address: AddressRow {
                street: said(Field::Street),
                city: said(Field::City),
                state: said(Field::State),
                postal_code: said(Field::PostalCode),
                country: said(Field::AddressCountry),
            },
            use_case: said(Field::UseCase),
            expected_usage: said(Field::ExpectedUsage),
        }
    }
}

/// A registration id, masked for a key that has nothing to do with compliance.
fn shown_id(id: String, caller: &Caller) -> String {
    if caller.sees_compliance || id.is_empty() { id } else { RegistrationId::mask(&id) }
}

impl RepresentativeRow {
    fn new(said: impl Fn(Field) -> String) -> Self {
        Self {
            name: said(Field::Representative),
            title: said(Field::Title),
            email: said(Field::Email),
            phone: Some(said(Field::Phone)).filter(|phone| !phone.is_empty()),
        }
    }
}

/// A text of the brand as a form takes it; empty where no form would.
fn savable(field: Field, text: &str) -> String {
    field.normalized(text).unwrap_or_default()
}

impl From<&Declaration> for DeclarationRow {
    fn from(declaration: &Declaration) -> Self {
        let Declaration { business_name, use_case } = declaration;
        Self { business_name: business_name.to_string(), use_case: use_case.to_string() }
    }
}

impl PrefillRow {
    fn new(brand: &Brand, caller: &Caller) -> Self {
        let name = brand.representative_name();
        // Whole, so that a new field is not forgotten here.
        let Brand {
            company_name,
            display_name,
            entity_type,
            ein,
            website,
            street,
            city,
            state,
            postal_code,
            country,
            first_name: _, // both are in `name`
            last_name: _,
            email,
            phone,
        } = brand;
        let said = |field: Field| {
            let text = match field {
                Field::LegalName => company_name,
                Field::DisplayName => display_name,
                Field::EntityType => entity_type,
                Field::Country | Field::AddressCountry => country,
                Field::RegistrationId => ein,
                Field::Website => website,
                Field::Street => street,
                Field::City => city,
                Field::State => state,
                Field::PostalCode => postal_code,
                Field::Representative => &name,
                Field::Email => email,
                Field::Phone => phone,
                Field::UseCase | Field::ExpectedUsage | Field::Title | Field::BusinessName | Field::DeclaredUseCase => {
                    ""
                }
            };
            savable(field, text)
        };
        // What is not known is an empty text here, not null; but an empty text is no phone number.
        let mut business_profile = ProfileRow::new(said, caller);
        business_profile.registration_id.get_or_insert_default();
        Self { business_profile, authorized_representative: RepresentativeRow::new(said) }
    }
}
