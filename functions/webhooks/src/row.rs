//! An event, as customers see it.

use domain::OrganizationId;
use domain::feed::Shortage;
use serde::Serialize;
use table::{FeedEvent, FeedNumber, FeedSubject};
use utoipa::ToSchema;
use web::{E164, usd};

/// Something that has happened to a number, to a verification, or to the credits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberEvent)]
pub(crate) struct EventRow {
    /// Starts with `evt_`. The same event always has the same id.
    #[schema(examples("evt_01kwdfkd000000000000000001"))]
    id: String,
    #[serde(rename = "type")]
    #[schema(value_type = EventType)]
    kind: String,
    /// When the change was written.
    #[schema(format = DateTime)]
    timestamp: String,
    /// Counts the events of one number, of one verification, or of the credits, from 1 and without gaps. Its order is the order of the
    /// changes.
    #[schema(minimum = 1)]
    sequence: u64,
    data: EventData,
}

/// What has happened. More types will follow: skip those that you do not know.
#[derive(ToSchema)]
#[schema(as = PhoneNumberEventType)]
#[expect(dead_code, reason = "only describes the wire form")]
pub(crate) enum EventType {
    #[serde(rename = "phone_number.purchased")]
    Purchased,
    #[serde(rename = "phone_number.purchase_failed")]
    PurchaseFailed,
    #[serde(rename = "phone_number.imported")]
    Imported,
    #[serde(rename = "phone_number.updated")]
    Updated,
    #[serde(rename = "phone_number.charged")]
    Charged,
    #[serde(rename = "phone_number.suspended")]
    Suspended,
    #[serde(rename = "phone_number.unsuspended")]
    Unsuspended,
    #[serde(rename = "phone_number.release_scheduled")]
    ReleaseScheduled,
    #[serde(rename = "phone_number.released")]
    Released,
    #[serde(rename = "kyb.submitted")]
    KybSubmitted,
    #[serde(rename = "kyb.approved")]
    KybApproved,
    #[serde(rename = "kyb.rejected")]
    KybRejected,
    #[serde(rename = "kyb.revoked")]
    KybRevoked,
    #[serde(rename = "credits.low")]
    CreditsLow,
}

/// What the event is about, as the change has left it, with what belongs to its type; fields that do not are absent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberEventData)]
pub(crate) struct EventData {
    #[schema(examples("org_verified"))]
    organization_id: String,
    /// Of events whose type starts with `phone_number.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone_number: Option<EventNumber>,
    /// Of events whose type starts with `kyb.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    kyb: Option<EventVerification>,
    /// Of events whose type starts with `credits.`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    credits: Option<EventCredits>,
    /// US dollars: what was charged (`purchased`, `charged`), or refunded (`purchase_failed`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples(2.0))]
    amount_usd: Option<f64>,
    /// The months that were charged for, from here …
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    period_start: Option<String>,
    /// … until here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    period_end: Option<String>,
    /// When a number that is not paid for is released, unless it is paid for by then (`suspended`, `release_scheduled`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    scheduled_release_at: Option<String>,
    /// Why a number was released: `requested` by a key of the organization's, `unpaid`, or by the `operator`. More words may
    /// follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("requested"))]
    reason: Option<String>,
    /// Which fields of the number an update has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    changed: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberEventNumber)]
pub(crate) struct EventNumber {
    #[schema(examples("pn_01kwdfkd000000000000000001"))]
    id: String,
    #[schema(value_type = E164)]
    e164: String,
    #[schema(value_type = web::NumberSource)]
    source: String,
    #[schema(value_type = web::Direction)]
    direction: String,
    #[schema(required)]
    agent_id: Option<String>,
    #[schema(required)]
    label: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PhoneNumberEventVerification)]
pub(crate) struct EventVerification {
    #[schema(examples("kyb_01kwdfkd000000000000000001"))]
    id: String,
    /// `submitted`, `approved`, `rejected` or `revoked`.
    #[schema(examples("approved"))]
    status: String,
}

/// How far the credits fall short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberEventCredits)]
pub(crate) struct EventCredits {
    /// US dollars that were left.
    #[schema(examples(1.0))]
    balance_usd: f64,
    /// US dollars that numbers are charged within seven days, unpaid months included.
    #[schema(examples(3.0))]
    due_usd: f64,
    /// When the first month begins that is not covered.
    #[schema(format = DateTime)]
    covered_until: String,
}

impl EventRow {
    pub(crate) fn new(organization: &OrganizationId, event: FeedEvent) -> Self {
        let FeedEvent { id, kind, sequence, about } = event;
        let data = EventData::new(organization, about);
        Self { timestamp: id.made_at().to_string(), id: id.to_string(), kind, sequence, data }
    }
}

impl EventData {
    fn new(organization: &OrganizationId, about: FeedSubject) -> Self {
        let data = Self {
            organization_id: organization.to_string(),
            phone_number: None,
            kyb: None,
            credits: None,
            amount_usd: None,
            period_start: None,
            period_end: None,
            scheduled_release_at: None,
            reason: None,
            changed: None,
        };
        match about {
            FeedSubject::Verification { id, status } => {
                Self { kyb: Some(EventVerification { id: id.to_string(), status }), ..data }
            }
            FeedSubject::Credits(Shortage { balance, due, covered_until }) => {
                let (balance_usd, due_usd) = (usd(balance), usd(due));
                Self {
                    credits: Some(EventCredits { balance_usd, due_usd, covered_until: covered_until.to_string() }),
                    ..data
                }
            }
            FeedSubject::Number(number) => {
                let FeedNumber {
                    id,
                    e164,
                    source,
                    direction,
                    agent_id,
                    label,
                    amount,
                    period,
                    release_at,
                    reason,
                    changed,
                } = *number;
                Self {
                    phone_number: Some(EventNumber { id: id.to_string(), e164, source, direction, agent_id, label }),
                    amount_usd: amount.map(usd),
                    period_start: period.map(|period| period.start.to_string()),
                    period_end: period.map(|period| period.end.to_string()),
                    scheduled_release_at: release_at.map(|at| at.to_string()),
                    reason,
                    changed,
                    ..data
                }
            }
        }
    }
}
