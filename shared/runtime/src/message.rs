//! What goes through queues and comes back from buttons: ids only, in one form for whoever sends and whoever receives.

use domain::kyb::Submission;
use domain::{KybId, OrganizationId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a queue carries.
pub trait Message: Serialize + DeserializeOwned + Send + 'static {
    /// The variable that says where its queue is.
    const QUEUE_URL: &'static str;

    /// Whose work it is, where organizations share the queue: SQS then lets none of them keep the others waiting.
    ///
    /// See <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html>.
    fn organization(&self) -> Option<&OrganizationId>;
}

/// Names a submission: to the worker that tells staff, in the buttons with which they decide, and in dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct SubmissionHandle {
    pub organization: OrganizationId,
    pub submission: KybId,
}

impl Message for SubmissionHandle {
    const QUEUE_URL: &'static str = "NOTIFICATIONS_QUEUE_URL";

    fn organization(&self) -> Option<&OrganizationId> {
        Some(&self.organization)
    }
}

impl SubmissionHandle {
    #[must_use]
    pub fn of(submission: &Submission) -> Self {
        Self { organization: submission.organization.clone(), submission: submission.id.clone() }
    }
}

/// The handle as JSON, before its ids are known to be ids. Other fields are ignored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    organization_id: String,
    submission_id: String,
}

impl From<SubmissionHandle> for Written {
    fn from(handle: SubmissionHandle) -> Self {
        let SubmissionHandle { organization, submission } = handle;
        Self { organization_id: organization.to_string(), submission_id: submission.to_string() }
    }
}

impl TryFrom<Written> for SubmissionHandle {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        Ok(Self {
            organization: OrganizationId::parse(&written.organization_id)?,
            submission: KybId::parse(&written.submission_id)?,
        })
    }
}

/// Names an organization whose numbers are to be charged, or whose credits have changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "WrittenRenewals", try_from = "WrittenRenewals")]
pub struct RenewalsHandle {
    pub organization: OrganizationId,
}

impl Message for RenewalsHandle {
    const QUEUE_URL: &'static str = "RENEWALS_QUEUE_URL";

    fn organization(&self) -> Option<&OrganizationId> {
        Some(&self.organization)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRenewals {
    organization_id: String,
}

impl From<RenewalsHandle> for WrittenRenewals {
    fn from(RenewalsHandle { organization }: RenewalsHandle) -> Self {
        Self { organization_id: organization.to_string() }
    }
}

impl TryFrom<WrittenRenewals> for RenewalsHandle {
    type Error = &'static str;

    fn try_from(written: WrittenRenewals) -> Result<Self, Self::Error> {
        Ok(Self { organization: OrganizationId::parse(&written.organization_id)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_well_formed_ids_name_a_submission() {
        let id = KybId::new(domain::Timestamp::from_millis(1), 2);
        let handle = SubmissionHandle { organization: OrganizationId::parse("org_1").unwrap(), submission: id.clone() };
        let written = serde_json::to_string(&handle).unwrap();
        assert_eq!(written, format!(r#"{{"organizationId":"org_1","submissionId":"{id}"}}"#));
        let body = format!(r#"{{"organizationId":"org_1","submissionId":"{id}","new":[]}}"#);
        assert_eq!(serde_json::from_str::<SubmissionHandle>(&body).unwrap(), handle);
        for bad in [
            String::new(),
            "null".into(),
            "[]".into(),
            r#"{"organizationId":"org_1"}"#.into(),
            format!(r#"{{"organizationId":"org#1","submissionId":"{id}"}}"#),
            format!(r#"{{"organizationId":7,"submissionId":"{id}"}}"#),
            r#"{"organizationId":"org_1","submissionId":"kyb_1"}"#.into(),
        ] {
            assert!(serde_json::from_str::<SubmissionHandle>(&bad).is_err(), "{bad}");
        }
    }
}
