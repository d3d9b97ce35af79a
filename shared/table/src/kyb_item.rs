//! A verification as it is stored.

use std::collections::BTreeMap;

use domain::kyb::{
    Address, Attestation, BusinessProfile, Country, Declaration, Delivery, Email, Field, Filed, Filing, Notification,
    Partial, RegistrationId, RejectionIssue, Representative, Review, State, Status, Submission, SubmittedBy, Website,
};
use domain::{ApiKeyId, E164, Error, KybId, Name, OrganizationId, Prose, Result, Timestamp};
use serde::{Deserialize, Serialize};

use crate::item::{Item, corrupt, from_item, time, to_item};
use crate::keys::{Key, Work};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubmissionItem {
    id: String,
    organization_id: String,
    previous_id: Option<String>,
    kyb_status: String,
    profile: Option<ProfileItem>,
    representative: Option<RepresentativeItem>,
    declaration: Option<DeclarationItem>,
    /// The answers of a form that is not filled in yet, by the paths of their fields.
    partial: Option<BTreeMap<String, String>>,
    attestation_accepted: bool,
    filed: Option<FiledItem>,
    review: Option<ReviewItem>,
    reason: Option<String>,
    /// Items of before there were any do not have it.
    #[serde(default)]
    issues: Vec<IssueItem>,
    notification_state: String,
    notification_job: Option<String>,
    notification_error: Option<String>,
    slack_channel: Option<String>,
    slack_ts: Option<String>,
    created_at: String,
    updated_at: String,
    version: u64,
    /// Items of before there were events do not have it.
    #[serde(default)]
    sequence: u64,
    /// Seconds since 1970, for a draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProfileItem {
    legal_name: String,
    display_name: String,
    entity_type: String,
    country: String,
    registration_id: Option<String>,
    website: String,
    street: String,
    city: String,
    state: Option<String>,
    postal_code: Option<String>,
    address_country: String,
    use_case: String,
    expected_usage: String,
}

#[derive(Serialize, Deserialize)]
struct RepresentativeItem {
    name: String,
    title: String,
    email: String,
    phone: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeclarationItem {
    business_name: String,
    use_case: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FiledItem {
    at: String,
    api_key_id: String,
    user_id: Option<String>,
    email: Option<String>,
    attestation_version: String,
    attestation_text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReviewItem {
    at: String,
    reviewer_id: String,
    reviewer_email: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct IssueItem {
    path: String,
    message: String,
}

/// As it is stored while nothing is known of a queue message.
pub(crate) const NOT_QUEUED: &str = "not_queued";

pub(crate) fn submission_item(key: Key, work: Option<Work>, submission: &Submission) -> Result<Item> {
    // Whole, so that a new field is not forgotten here.
    let Submission {
        id,
        organization,
        previous,
        filing,
        state,
        notification,
        delivery,
        created_at,
        updated_at,
        version,
        sequence,
    } = submission;
    let (filed, review, reason, issues) = match state {
        State::Draft { attestation_accepted: _ } => (None, None, None, &[][..]),
        State::Submitted(filed) => (Some(filed), None, None, &[][..]),
        State::Approved(filed, review) => (Some(filed), Some(review), None, &[][..]),
        State::Rejected(filed, review, reason, issues) => (Some(filed), Some(review), Some(reason), issues.as_slice()),
        State::Revoked(filed, review, reason) => (Some(filed), Some(review), Some(reason), &[][..]),
    };
    let (profile, representative, declaration, partial) = match filing {
        Filing::Full(full) => (Some(profile_item(&full.0)), Some(representative_item(&full.1)), None, None),
        Filing::Short(Declaration { business_name, use_case }) => {
            let declaration =
                DeclarationItem { business_name: business_name.to_string(), use_case: use_case.to_string() };
            (None, None, Some(declaration), None)
        }
        Filing::Partial(_) => {
            let said = filing.answers().into_iter().filter(|(_, text)| !text.is_empty());
            let partial = said.map(|(field, text)| (field.path().to_owned(), text.to_owned())).collect();
            (None, None, None, Some(partial))
        }
        Filing::Erased => (None, None, None, None),
    };
    let (notification_state, notification_job, notification_error) = match notification {
        Notification::NotQueued => (NOT_QUEUED, None, None),
        Notification::Queued { job } => ("queued", Some(job.clone()), None),
        Notification::EnqueueFailed { error } => ("enqueue_failed", None, Some(error.clone())),
    };
    let attributes = SubmissionItem {
        id: id.to_string(),
        organization_id: organization.to_string(),
        previous_id: previous.as_ref().map(KybId::to_string),
        kyb_status: submission.status().as_str().to_owned(),
        profile,
        representative,
        declaration,
        partial,
        attestation_accepted: submission.attestation_accepted(),
        filed: filed.map(filed_item),
        review: review.map(review_item),
        reason: reason.map(Prose::to_string),
        issues: issues.iter().map(issue_item).collect(),
        notification_state: notification_state.to_owned(),
        notification_job,
        notification_error,
        slack_channel: delivery.as_ref().map(|delivery| delivery.channel.clone()),
        slack_ts: delivery.as_ref().map(|delivery| delivery.ts.clone()),
        created_at: created_at.to_string(),
        updated_at: updated_at.to_string(),
        version: *version,
        sequence: *sequence,
        expires_at: submission.expires_at().map(Timestamp::seconds),
    };
    to_item(key, work, &attributes)
}

fn profile_item(profile: &BusinessProfile) -> ProfileItem {
    let BusinessProfile {
        legal_name,
        display_name,
        entity_type,
        country,
        registration_id,
        website,
        address: Address { street, city, state, postal_code, country: address_country },
        use_case,
        expected_usage,
    } = profile;
    ProfileItem {
        legal_name: legal_name.to_string(),
        display_name: display_name.to_string(),
        entity_type: entity_type.to_string(),
        country: country.as_str().to_owned(),
        registration_id: registration_id.as_ref().map(|id| id.as_str().to_owned()),
        website: website.as_str().to_owned(),
        street: street.to_string(),
        city: city.to_string(),
        state: state.as_ref().map(Name::to_string),
        postal_code: postal_code.as_ref().map(Name::to_string),
        address_country: address_country.as_str().to_owned(),
        use_case: use_case.to_string(),
        expected_usage: expected_usage.to_string(),
    }
}

fn representative_item(representative: &Representative) -> RepresentativeItem {
    let Representative { name, title, email, phone } = representative;
    RepresentativeItem {
        name: name.to_string(),
        title: title.to_string(),
        email: email.as_str().to_owned(),
        phone: phone.as_ref().map(E164::to_string),
    }
}

fn filed_item(filed: &Filed) -> FiledItem {
    let Filed { at, by: SubmittedBy { api_key, user_id, email }, attestation: Attestation { version, text } } = filed;
    FiledItem {
        at: at.to_string(),
        api_key_id: api_key.to_string(),
        user_id: user_id.clone(),
        email: email.clone(),
        attestation_version: version.clone(),
        attestation_text: text.clone(),
    }
}

fn review_item(review: &Review) -> ReviewItem {
    let Review { at, reviewer_id, reviewer_email } = review;
    ReviewItem { at: at.to_string(), reviewer_id: reviewer_id.clone(), reviewer_email: reviewer_email.clone() }
}

fn issue_item(issue: &RejectionIssue) -> IssueItem {
    let RejectionIssue { path, message } = issue;
    IssueItem { path: path.clone(), message: message.to_string() }
}

pub(crate) fn read_submission(item: Item) -> Result<Submission> {
    from_item::<SubmissionItem>(item)?.try_into()
}

impl TryFrom<SubmissionItem> for Submission {
    type Error = Error;

    fn try_from(item: SubmissionItem) -> Result<Self> {
        let filing = match (item.profile, item.representative, item.declaration, item.partial) {
            (Some(profile), Some(representative), None, None) => {
                Filing::Full(Box::new((profile.try_into()?, representative.try_into()?)))
            }
            (None, None, Some(declaration), None) => Filing::Short(declaration.try_into()?),
            (None, None, None, Some(answers)) => Filing::Partial(read_partial(answers)),
            (None, None, None, None) => Filing::Erased,
            _ => return Err(corrupt("profile")("is not the only form that is stored")),
        };
        let status = Status::parse(&item.kyb_status).ok_or("is unknown").map_err(corrupt("kybStatus"))?;
        let filed = || item.filed.ok_or("is missing").map_err(corrupt("filed")).and_then(Filed::try_from);
        let review = || item.review.ok_or("is missing").map_err(corrupt("review")).and_then(Review::try_from);
        let reason = || Prose::from_stored(item.reason.as_deref().unwrap_or_default()).map_err(corrupt("reason"));
        let state = match status {
            Status::Draft => State::Draft { attestation_accepted: item.attestation_accepted },
            Status::Submitted => State::Submitted(filed()?),
            Status::Approved => State::Approved(filed()?, review()?),
            Status::Rejected => {
                let issues = item.issues.into_iter().map(RejectionIssue::try_from).collect::<Result<_>>()?;
                State::Rejected(filed()?, review()?, reason()?, issues)
            }
            Status::Revoked => State::Revoked(filed()?, review()?, reason()?),
        };
        let notification = match item.notification_state.as_str() {
            "queued" => Notification::Queued { job: item.notification_job.unwrap_or_default() },
            "enqueue_failed" => Notification::EnqueueFailed { error: item.notification_error.unwrap_or_default() },
            _ => Notification::NotQueued,
        };
        let delivery = item.slack_channel.zip(item.slack_ts).map(|(channel, ts)| Delivery { channel, ts });
        Ok(Self {
            id: KybId::parse(&item.id).map_err(corrupt("id"))?,
            organization: OrganizationId::parse(&item.organization_id).map_err(corrupt("organizationId"))?,
            previous: item.previous_id.map(|id| KybId::parse(&id)).transpose().map_err(corrupt("previousId"))?,
            filing,
            state,
            notification,
            delivery,
            created_at: time("createdAt", &item.created_at)?,
            updated_at: time("updatedAt", &item.updated_at)?,
            version: item.version,
            sequence: item.sequence,
        })
    }
}

/// The answers as they stand: each was checked when it was written, and rules may have grown stricter. A field that no form
/// has any more is left out.
fn read_partial(answers: BTreeMap<String, String>) -> Partial {
    let mut partial = Partial::default();
    for (path, text) in answers {
        if let Some(field) = Field::parse(&path) {
            partial.answer(field, text);
        }
    }
    partial
}

impl TryFrom<ProfileItem> for BusinessProfile {
    type Error = Error;

    fn try_from(item: ProfileItem) -> Result<Self> {
        let name = |attribute, text: &str| Name::from_stored(text).map_err(corrupt(attribute));
        Ok(Self {
            legal_name: name("legalName", &item.legal_name)?,
            display_name: name("displayName", &item.display_name)?,
            entity_type: name("entityType", &item.entity_type)?,
            country: Country::parse(&item.country).map_err(corrupt("country"))?,
            registration_id: item
                .registration_id
                .map(|id| RegistrationId::from_stored(&id).map_err(corrupt("registrationId")))
                .transpose()?,
            website: Website::from_stored(&item.website).map_err(corrupt("website"))?,
            address: Address {
                street: name("street", &item.street)?,
                city: name("city", &item.city)?,
                state: item.state.map(|state| name("state", &state)).transpose()?,
                postal_code: item.postal_code.map(|code| name("postalCode", &code)).transpose()?,
                country: Country::parse(&item.address_country).map_err(corrupt("addressCountry"))?,
            },
            use_case: Prose::from_stored(&item.use_case).map_err(corrupt("useCase"))?,
            expected_usage: Prose::from_stored(&item.expected_usage).map_err(corrupt("expectedUsage"))?,
        })
    }
}

impl TryFrom<RepresentativeItem> for Representative {
    type Error = Error;

    fn try_from(item: RepresentativeItem) -> Result<Self> {
        Ok(Self {
            name: Name::from_stored(&item.name).map_err(corrupt("name"))?,
            title: Name::from_stored(&item.title).map_err(corrupt("title"))?,
            email: Email::parse(&item.email).map_err(corrupt("email"))?,
            phone: item.phone.map(|phone| E164::from_stored(&phone)).transpose().map_err(corrupt("phone"))?,
        })
    }
}

impl TryFrom<DeclarationItem> for Declaration {
    type Error = Error;

    fn try_from(item: DeclarationItem) -> Result<Self> {
        Ok(Self {
            business_name: Name::from_stored(&item.business_name).map_err(corrupt("businessName"))?,
            use_case: Prose::from_stored(&item.use_case).map_err(corrupt("useCase"))?,
        })
    }
}

impl TryFrom<FiledItem> for Filed {
    type Error = Error;

    fn try_from(item: FiledItem) -> Result<Self> {
        let api_key = ApiKeyId::parse(&item.api_key_id).map_err(corrupt("apiKeyId"))?;
        Ok(Self {
            at: time("filed.at", &item.at)?,
            by: SubmittedBy { api_key, user_id: item.user_id, email: item.email },
            attestation: Attestation { version: item.attestation_version, text: item.attestation_text },
        })
    }
}

impl TryFrom<ReviewItem> for Review {
    type Error = Error;

    fn try_from(item: ReviewItem) -> Result<Self> {
        let at = time("review.at", &item.at)?;
        Ok(Self { at, reviewer_id: item.reviewer_id, reviewer_email: item.reviewer_email })
    }
}

impl TryFrom<IssueItem> for RejectionIssue {
    type Error = Error;

    /// The path is taken as it stands: forms may lose fields that were once marked.
    fn try_from(item: IssueItem) -> Result<Self> {
        Ok(Self { path: item.path, message: Prose::from_stored(&item.message).map_err(corrupt("issues.message"))? })
    }
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use domain::kyb::Decision;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);

    fn rejected() -> Submission {
        let organization = OrganizationId::parse("org_1").unwrap();
        let filing = Filing::Short(Declaration {
            business_name: Name::parse("Acme").unwrap(),
            use_case: Prose::parse("Reminders").unwrap(),
        });
        let by = SubmittedBy { api_key: ApiKeyId::new(NOW, 1), user_id: None, email: None };
        let submit = |current: Option<&Submission>, id| {
            Submission::submit(
                current,
                &organization,
                KybId::new(NOW, id),
                filing.clone(),
                by.clone(),
                Attestation::current(),
                NOW,
            )
            .unwrap()
        };
        let decision = Decision::Reject {
            reason: Prose::parse("No").unwrap(),
            issues: vec![RejectionIssue::parse("declaration.useCase", "Which?").unwrap()],
        };
        let review = Review { at: NOW, reviewer_id: "U1".to_owned(), reviewer_email: None };
        let (first, _) = submit(None, 2).decide(&decision, review.clone()).unwrap();
        submit(Some(&first), 3).decide(&decision, review).unwrap().0
    }

    fn item(submission: &Submission) -> Item {
        submission_item(Key::current_kyb(&submission.organization), None, submission).unwrap()
    }

    #[test]
    fn a_partial_draft_is_read_as_it_was_written() {
        let mut partial = Partial::default();
        for field in [Field::LegalName, Field::Website, Field::PostalCode, Field::Phone] {
            partial.answer(field, field.path().to_owned());
        }
        let organization = OrganizationId::parse("org_1").unwrap();
        for filing in [Filing::Partial(partial), Filing::Partial(Partial::default())] {
            let draft = Submission::save_draft(None, &organization, KybId::new(NOW, 1), filing, false, NOW).unwrap();
            let read = read_submission(item(&draft)).unwrap();
            assert_eq!((read.filing.answers(), read.state), (draft.filing.answers(), draft.state));
        }
    }

    #[test]
    fn a_submission_is_read_as_it_was_written() {
        let submission = rejected();
        assert!(submission.previous.is_some() && submission.rejection_issues().len() == 1);
        assert_eq!(read_submission(item(&submission)).unwrap(), submission);
    }

    #[test]
    fn what_was_filed_under_older_rules_is_read_by_its_form() {
        for phone in ["+4402071838750", "+12345678"] {
            let item = RepresentativeItem {
                name: "\u{200b}".to_owned(),
                title: "CEO".to_owned(),
                email: "ada@acme.example.com".to_owned(),
                phone: Some(phone.to_owned()),
            };
            let read = Representative::try_from(item).unwrap();
            assert_eq!(read.phone.as_ref().map(E164::as_str), Some(phone));
        }
    }

    #[test]
    fn an_item_of_before_there_were_issues_and_predecessors_is_read() {
        let submission = rejected();
        let mut old = item(&submission);
        for new in ["previousId", "issues"] {
            assert!(old.remove(new).is_some(), "{new}");
        }
        let read = read_submission(old).unwrap();
        assert_eq!((&read.previous, read.reason()), (&None, submission.reason()));
        assert_eq!(read.state, {
            let State::Rejected(filed, review, reason, _) = submission.state else { panic!("it was rejected") };
            State::Rejected(filed, review, reason, Vec::new())
        });
    }
}
