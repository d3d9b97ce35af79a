//! A phone number, as callers see it.

use std::borrow::Cow;

use domain::Timestamp;
use domain::billing::Billing;
use domain::number::{self, PhoneNumber, Routing, SmsAssignment, SmsAssignmentStatus, Source, Trunk};
use domain::organization::Organization;
use domain::renewal::Shortfall;
use domain::setup_status::{self, SetupStatus, Surroundings, Suspension};
use domain::sip_connection::SipConnection;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A phone number, as callers see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumber)]
pub struct PhoneNumberRow {
    /// Starts with `pn_`; newer numbers have larger ids.
    #[schema(examples("pn_01kwdfkd000000000000000001"))]
    id: String,
    #[schema(examples("org_verified"))]
    organization_id: String,
    #[schema(value_type = crate::number::E164)]
    e164: String,
    source: NumberSource,
    /// The carrier's id of a managed number; null until the carrier has confirmed the order.
    #[schema(required)]
    provider_resource_id: Option<String>,
    /// The same as `providerResourceId`.
    #[schema(required)]
    #[deprecated]
    telnyx_phone_number_id: Option<String>,
    /// The legacy trunk id that an import named.
    #[schema(required)]
    #[deprecated]
    sip_trunk_id: Option<String>,
    #[schema(required)]
    sip_connection_installation_id: Option<String>,
    #[schema(required)]
    sip_provider_name: Option<String>,
    direction: Direction,
    /// Kept and returned exactly as it was sent, less the white space between its tokens.
    #[schema(value_type = Option<crate::number::JsonObject>, required)]
    dispatch_metadata_template: Option<Box<RawValue>>,
    /// The agent that inbound calls go to.
    #[schema(required)]
    agent_id: Option<String>,
    #[schema(required)]
    label: Option<String>,
    #[schema(required)]
    sms10dlc_profile_id: Option<String>,
    #[schema(required)]
    sms_campaign_id: Option<String>,
    #[schema(required)]
    sms_assignment_status: Option<&'static str>,
    #[schema(required, format = DateTime)]
    sms_assignment_updated_at: Option<String>,
    setup_status: SetupStatusRow,
    /// When the next month is due; for a free number the next monthly anniversary.
    #[schema(format = DateTime)]
    next_charge_at: String,
    #[schema(required, format = DateTime)]
    last_charged_at: Option<String>,
    /// Since when the number is out of use: the earlier of the two below.
    #[schema(required, format = DateTime)]
    suspended_at: Option<String>,
    /// Why it is out of use; `compliance` where both hold.
    #[schema(required)]
    suspension_reason: Option<SuspensionReason>,
    #[schema(required, format = DateTime)]
    billing_suspended_at: Option<String>,
    #[schema(required, format = DateTime)]
    compliance_suspended_at: Option<String>,
    /// When a number that is not paid for is released. An announced date only moves later, or goes with the payment.
    #[schema(required, format = DateTime)]
    scheduled_release_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// Whether a number can be used right now, and if not, what to do next.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PhoneNumberSetupStatus)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field that callers see")]
pub struct SetupStatusRow {
    status: SetupState,
    /// Calls to the number reach an agent.
    inbound_ready: bool,
    /// Calls can be made from the number.
    outbound_ready: bool,
    /// Inbound calls have somewhere to go: an agent, or a dispatch template.
    agent_ready: bool,
    /// The customer's trunk must forward this number's calls to `forwardingSipUri`.
    forwarding_required: bool,
    /// Such as `sip:+12015551234@sip.example.com`; null where nothing must be forwarded.
    #[schema(required)]
    forwarding_sip_uri: Option<String>,
    /// The customer's SIP connection is connected; always true for a managed number.
    sip_connection_ready: bool,
    /// One sentence each, saying what to do next.
    issues: Vec<Cow<'static, str>>,
}

/// Which calls a number is for.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberDirection)]
pub enum Direction {
    Inbound,
    Outbound,
    Both,
}

/// Any JSON object. Without `additionalProperties`, generators of clients take an object as one without fields.
pub struct JsonObject;

impl PartialSchema for JsonObject {
    fn schema() -> RefOr<Schema> {
        let any = AdditionalProperties::FreeForm(true);
        ObjectBuilder::new().description(Some("Any JSON object.")).additional_properties(Some(any)).into()
    }
}

impl ToSchema for JsonObject {}

/// A phone number in E.164 form, spelled as the numbering plan of its country spells it: each number has one spelling.
#[derive(ToSchema)]
#[schema(as = E164, value_type = String, pattern = r"^\+[1-9]\d{6,14}$", examples("+12015551234"))]
pub struct E164(#[expect(dead_code, reason = "only describes the wire form")] String);

/// Who provides a number: this service (`managed`), or the customer's own trunk.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberSource)]
pub enum NumberSource {
    Managed,
    SipTrunk,
}

/// `ready` when nothing is left to do.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberSetupState)]
pub enum SetupState {
    Ready,
    ActionRequired,
    Suspended,
}

/// Credits that do not cover the month, or a rejected or revoked verification.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PhoneNumberSuspensionReason)]
pub enum SuspensionReason {
    Billing,
    Compliance,
}

impl From<number::Direction> for Direction {
    fn from(direction: number::Direction) -> Self {
        match direction {
            number::Direction::Inbound => Self::Inbound,
            number::Direction::Outbound => Self::Outbound,
            number::Direction::Both => Self::Both,
        }
    }
}

impl From<&Source> for NumberSource {
    fn from(source: &Source) -> Self {
        match source {
            Source::Managed(_) => Self::Managed,
            Source::SipTrunk { .. } => Self::SipTrunk,
        }
    }
}

impl From<setup_status::Status> for SetupState {
    fn from(status: setup_status::Status) -> Self {
        match status {
            setup_status::Status::Ready => Self::Ready,
            setup_status::Status::ActionRequired => Self::ActionRequired,
            setup_status::Status::Suspended => Self::Suspended,
        }
    }
}

impl From<setup_status::SuspensionReason> for SuspensionReason {
    fn from(reason: setup_status::SuspensionReason) -> Self {
        match reason {
            setup_status::SuspensionReason::Billing => Self::Billing,
            setup_status::SuspensionReason::Compliance => Self::Compliance,
        }
    }
}

impl PhoneNumberRow {
    /// The row as it reads at `now`.
    #[must_use]
    #[expect(deprecated, reason = "published clients still read the deprecated fields")]
    pub fn new(
        number: &PhoneNumber,
        sip_connections: &[SipConnection],
        organization: &Organization,
        sip_host: &str,
        shortfall: Option<Shortfall>,
        now: Timestamp,
    ) -> Self {
        let hold = organization.hold.as_ref();
        let setup_status = SetupStatus::of(number, Surroundings { sip_connections, hold, sip_host, shortfall });
        let suspension = Suspension::of(number, hold);
        // Whole, so that a new field is not forgotten here.
        let PhoneNumber {
            id,
            organization,
            e164,
            source,
            routing,
            billing,
            sms,
            created_at,
            updated_at,
            version: _,
            sequence: _,
        } = number;
        let Routing { direction, template, agent, label } = routing;
        // `suspension` and `next_charge_at` tell the rest.
        let Billing { upfront: _, monthly: _, next_month: _, last_charged_at, arrears } = billing;
        let SmsAssignment { profile_id, campaign_id, status: sms_status, updated_at: sms_updated_at } = sms;
        let (trunk, provider_name) = match source {
            Source::Managed(_) => (None, None),
            Source::SipTrunk { trunk, provider_name } => (Some(trunk), provider_name.as_ref()),
        };
        let (connection, legacy) = match trunk {
            None => (None, None),
            Some(Trunk::Connection(id)) => (Some(id.to_string()), None),
            Some(Trunk::Legacy(id)) => (None, Some(id.to_string())),
        };
        let resource = number.resource().map(|id| id.as_str().to_owned());
        let text = |at: Timestamp| at.to_string();
        Self {
            id: id.to_string(),
            organization_id: organization.to_string(),
            e164: e164.to_string(),
            source: source.into(),
            provider_resource_id: resource.clone(),
            telnyx_phone_number_id: resource,
            sip_trunk_id: legacy,
            sip_connection_installation_id: connection,
            sip_provider_name: provider_name.map(ToString::to_string),
            direction: (*direction).into(),
            dispatch_metadata_template: template
                .as_ref()
                .and_then(|template| RawValue::from_string(template.as_json().to_owned()).ok()),
            agent_id: agent.as_ref().map(ToString::to_string),
            label: label.as_ref().map(ToString::to_string),
            sms10dlc_profile_id: profile_id.clone(),
            sms_campaign_id: campaign_id.clone(),
            sms_assignment_status: sms_status.map(SmsAssignmentStatus::as_str),
            sms_assignment_updated_at: sms_updated_at.map(text),
            setup_status: setup_status.into(),
            next_charge_at: text(number.next_charge_at(now)),
            last_charged_at: last_charged_at.map(text),
            suspended_at: suspension.since().map(text),
            suspension_reason: suspension.reason().map(SuspensionReason::from),
            billing_suspended_at: suspension.billing_at.map(text),
            compliance_suspended_at: suspension.compliance_at.map(text),
            scheduled_release_at: arrears.map(|arrears| text(arrears.release_at)),
            created_at: text(*created_at),
            updated_at: text(*updated_at),
        }
    }
}

impl From<SetupStatus> for SetupStatusRow {
    fn from(status: SetupStatus) -> Self {
        let SetupStatus {
            status,
            inbound_ready,
            outbound_ready,
            agent_ready,
            forwarding_required,
            forwarding_sip_uri,
            sip_connection_ready,
            issues,
        } = status;
        Self {
            status: status.into(),
            inbound_ready,
            outbound_ready,
            agent_ready,
            forwarding_required,
            forwarding_sip_uri,
            sip_connection_ready,
            issues,
        }
    }
}
