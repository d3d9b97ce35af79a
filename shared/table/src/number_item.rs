//! A number as it is stored.

use std::time::Duration;

use domain::billing::{Arrears, Billing};
use domain::carrier::{CarrierNumberId, CarrierOrderId};
use domain::number::{
    Direction, DispatchTemplate, Order, PhoneNumber, ReleaseReason, Routing, SmsAssignment, SmsAssignmentStatus,
    Source, Trunk,
};
use domain::{AgentId, E164, Error, Label, MicroUsd, Name, OrganizationId, PhoneNumberId, Result, SipConnectionId};
use serde::{Deserialize, Serialize};

use crate::item::{Item, corrupt, from_item, optional_time, time, to_item};
use crate::keys::{Key, Work};

/// How long an order or a release may take before somebody else looks after it: longer than the request that began it.
const SETTLED_WITHIN: Duration = Duration::from_mins(1);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NumberItem {
    id: String,
    organization_id: String,
    e164: String,
    source: String,
    order_state: Option<String>,
    /// The carrier's order that decides, while it does.
    order_id: Option<String>,
    /// Since when the carrier has offered the number for sale again, while its order is in doubt.
    absent_since: Option<String>,
    resource_id: Option<String>,
    release_reason: Option<String>,
    release_refused_at: Option<String>,
    sip_connection_id: Option<String>,
    sip_trunk_id: Option<String>,
    sip_provider_name: Option<String>,
    direction: String,
    template: Option<String>,
    agent_id: Option<String>,
    label: Option<String>,
    upfront_micro_usd: i64,
    monthly_micro_usd: i64,
    /// When `next_month` begins, for numbers that are charged: the index `due` is made of it. It is never read back.
    next_charge_at: Option<String>,
    next_month: Option<u32>,
    last_charged_at: Option<String>,
    billing_suspended_at: Option<String>,
    scheduled_release_at: Option<String>,
    refused_since: Option<String>,
    refused_at: Option<String>,
    sms_profile_id: Option<String>,
    sms_campaign_id: Option<String>,
    sms_status: Option<String>,
    sms_updated_at: Option<String>,
    created_at: String,
    updated_at: String,
    version: u64,
    /// Rows of before there were events do not have it.
    #[serde(default)]
    sequence: u64,
}

pub(crate) const ORDERING: &str = "ordering";
const ACTIVE: &str = "active";
const RELEASING: &str = "releasing";

/// A number as it is stored, due in the work index while something has to be done for it.
pub(crate) fn number_item(number: &PhoneNumber) -> Result<Item> {
    let text = |value: &str| value.to_owned();
    let (order, trunk, provider_name) = match &number.source {
        Source::Managed(order) => (Some(order), None, None),
        Source::SipTrunk { trunk, provider_name } => (None, Some(trunk), provider_name.as_ref()),
    };
    let (order_state, absent_since, released) = match order {
        Some(Order::Ordering { placed: _, absent_since }) => (Some(ORDERING), *absent_since, None),
        Some(Order::Active { resource: _ }) => (Some(ACTIVE), None, None),
        Some(Order::Releasing { resource: _, reason, refused_at }) => {
            (Some(RELEASING), None, Some((reason, *refused_at)))
        }
        None => (None, None, None),
    };
    let (sip_connection_id, sip_trunk_id) = match trunk {
        None => (None, None),
        Some(Trunk::Connection(id)) => (Some(id.to_string()), None),
        Some(Trunk::Legacy(id)) => (None, Some(id.to_string())),
    };
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
        version,
        sequence,
    } = number;
    let Routing { direction, template, agent, label } = routing;
    let Billing { upfront, monthly, next_month, last_charged_at, arrears } = billing;
    let arrears = arrears.map(|Arrears { suspended_at, release_at, refused_since, refused_at }| {
        [suspended_at, release_at, refused_since, refused_at].map(|at| at.to_string())
    });
    let [billing_suspended_at, scheduled_release_at, refused_since, refused_at] =
        arrears.map_or([const { None }; 4], |times| times.map(Some));
    let renewable = number.renewable();
    let SmsAssignment { profile_id, campaign_id, status: sms_status, updated_at: sms_updated_at } = sms;
    let attributes = NumberItem {
        id: id.to_string(),
        organization_id: organization.to_string(),
        e164: e164.to_string(),
        source: text(source.as_str()),
        order_state: order_state.map(text),
        order_id: number.placed_order().map(|id| text(id.as_str())),
        absent_since: absent_since.map(|at| at.to_string()),
        resource_id: number.resource().map(|id| text(id.as_str())),
        release_reason: released.map(|(reason, _)| text(reason.as_str())),
        release_refused_at: released.and_then(|(_, at)| at).map(|at| at.to_string()),
        sip_connection_id,
        sip_trunk_id,
        sip_provider_name: provider_name.map(Name::to_string),
        direction: text(direction.as_str()),
        template: template.as_ref().map(|template| text(template.as_json())),
        agent_id: agent.as_ref().map(AgentId::to_string),
        label: label.as_ref().map(Label::to_string),
        upfront_micro_usd: upfront.micros(),
        monthly_micro_usd: monthly.micros(),
        next_charge_at: renewable.map(|number| number.due(number.next_month).to_string()),
        next_month: *next_month,
        last_charged_at: last_charged_at.map(|at| at.to_string()),
        billing_suspended_at,
        scheduled_release_at,
        refused_since,
        refused_at,
        sms_profile_id: profile_id.clone(),
        sms_campaign_id: campaign_id.clone(),
        sms_status: sms_status.map(|status| text(status.as_str())),
        sms_updated_at: sms_updated_at.map(|at| at.to_string()),
        created_at: created_at.to_string(),
        updated_at: updated_at.to_string(),
        version: *version,
        sequence: *sequence,
    };
    to_item(Key::number(organization, id), work(number), &attributes)
}

fn work(number: &PhoneNumber) -> Option<Work> {
    let id = number.id.as_str();
    match &number.source {
        Source::Managed(Order::Ordering { .. }) => Some(Work::unsettled(number.created_at.plus(SETTLED_WITHIN), id)),
        Source::Managed(Order::Releasing { .. }) => Some(Work::unsettled(number.updated_at.plus(SETTLED_WITHIN), id)),
        Source::Managed(Order::Active { .. }) | Source::SipTrunk { .. } => {
            number.renewable().map(|number| Work::charge(number.next_try_at, id))
        }
    }
}

pub(crate) fn read_number(item: Item) -> Result<PhoneNumber> {
    from_item::<NumberItem>(item)?.try_into()
}

impl TryFrom<NumberItem> for PhoneNumber {
    type Error = Error;

    fn try_from(item: NumberItem) -> Result<Self> {
        let (source, billing) = (source(&item)?, billing(&item)?);
        let template = item.template.map(DispatchTemplate::from_compact_json).transpose();
        let agent = item.agent_id.as_deref().map(AgentId::parse).transpose();
        let label = item.label.as_deref().map(Label::from_stored).transpose();
        Ok(Self {
            id: PhoneNumberId::parse(&item.id).map_err(corrupt("id"))?,
            organization: OrganizationId::parse(&item.organization_id).map_err(corrupt("organizationId"))?,
            e164: E164::from_stored(&item.e164).map_err(corrupt("e164"))?,
            source,
            routing: Routing {
                direction: Direction::parse(&item.direction).map_err(corrupt("direction"))?,
                template: template.map_err(corrupt("template"))?,
                agent: agent.map_err(corrupt("agentId"))?,
                label: label.map_err(corrupt("label"))?,
            },
            billing,
            sms: SmsAssignment {
                profile_id: item.sms_profile_id,
                campaign_id: item.sms_campaign_id,
                // A status that the carrier added since is answered as null, not as a fault.
                status: item.sms_status.as_deref().and_then(SmsAssignmentStatus::parse),
                updated_at: optional_time("smsUpdatedAt", item.sms_updated_at.as_deref())?,
            },
            created_at: time("createdAt", &item.created_at)?,
            updated_at: time("updatedAt", &item.updated_at)?,
            version: item.version,
            sequence: item.sequence,
        })
    }
}

/// More months than this, a thousand years, have not begun for any number.
const MONTHS_MOST: u32 = 12_000;

/// Rows of before numbers were charged monthly have no `nextMonth`: none of their months after the first is paid.
pub(crate) fn next_month(stored: Option<u32>) -> Result<u32> {
    match stored.unwrap_or(1) {
        month @ 1..=MONTHS_MOST => Ok(month),
        _ => Err(corrupt("nextMonth")("is out of range")),
    }
}

fn billing(item: &NumberItem) -> Result<Billing> {
    let is_charged = item.next_month.is_some() || item.next_charge_at.is_some();
    let arrears = match optional_time("billingSuspendedAt", item.billing_suspended_at.as_deref())? {
        None => None,
        Some(suspended_at) => {
            let time = |attribute, text: &Option<String>| {
                optional_time(attribute, text.as_deref())?.ok_or("is missing").map_err(corrupt(attribute))
            };
            Some(Arrears {
                suspended_at,
                release_at: time("scheduledReleaseAt", &item.scheduled_release_at)?,
                refused_since: time("refusedSince", &item.refused_since)?,
                refused_at: time("refusedAt", &item.refused_at)?,
            })
        }
    };
    Ok(Billing {
        upfront: MicroUsd::from_micros(item.upfront_micro_usd),
        monthly: MicroUsd::from_micros(item.monthly_micro_usd),
        next_month: is_charged.then(|| next_month(item.next_month)).transpose()?,
        last_charged_at: optional_time("lastChargedAt", item.last_charged_at.as_deref())?,
        arrears,
    })
}

fn source(item: &NumberItem) -> Result<Source> {
    if item.source == "sip_trunk" {
        let trunk = match (&item.sip_connection_id, &item.sip_trunk_id) {
            (Some(id), _) => Trunk::Connection(SipConnectionId::parse(id).map_err(corrupt("sipConnectionId"))?),
            (None, Some(id)) => Trunk::Legacy(Name::from_stored(id).map_err(corrupt("sipTrunkId"))?),
            (None, None) => return Err(corrupt("sipConnectionId")("is missing")),
        };
        let provider_name = item.sip_provider_name.as_deref().map(Name::from_stored).transpose();
        return Ok(Source::SipTrunk { trunk, provider_name: provider_name.map_err(corrupt("sipProviderName"))? });
    }
    let resource = || CarrierNumberId::parse(item.resource_id.as_deref().unwrap_or_default());
    let placed = item.order_id.as_deref().map(CarrierOrderId::parse);
    let order = match item.order_state.as_deref() {
        Some(ORDERING) => Order::Ordering {
            placed: placed.transpose().map_err(corrupt("orderId"))?,
            absent_since: optional_time("absentSince", item.absent_since.as_deref())?,
        },
        Some(ACTIVE) => Order::Active { resource: resource().map_err(corrupt("resourceId"))? },
        Some(RELEASING) => Order::Releasing {
            resource: resource().map_err(corrupt("resourceId"))?,
            reason: item
                .release_reason
                .as_deref()
                .and_then(ReleaseReason::parse)
                .ok_or("is unknown")
                .map_err(corrupt("releaseReason"))?,
            refused_at: optional_time("releaseRefusedAt", item.release_refused_at.as_deref())?,
        },
        _ => return Err(corrupt("orderState")("is unknown")),
    };
    Ok(Source::Managed(order))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Timestamp;
    use domain::number::Prices;

    fn number() -> PhoneNumber {
        let now = Timestamp::parse("2026-07-01T00:00:00.000Z").unwrap();
        let dollar = MicroUsd::from_micros(1_000_000);
        PhoneNumber::ordering(
            PhoneNumberId::new(now, 1),
            OrganizationId::parse("org_1").unwrap(),
            E164::parse("+12015551234").unwrap(),
            Routing {
                direction: Direction::Both,
                template: Some(DispatchTemplate::from_compact_json(r#"{"a":1e999}"#.into()).unwrap()),
                agent: Some(AgentId::parse("agent_1").unwrap()),
                label: Some(Label::parse("").unwrap()),
            },
            Prices { upfront: dollar, monthly: dollar },
            now,
        )
    }

    fn due(number: &PhoneNumber) -> Option<String> {
        let item = number_item(number).unwrap();
        item.get("workDue").map(|due| due.as_s().unwrap().split('#').next().unwrap().to_owned())
    }

    #[test]
    fn every_state_of_a_number_survives_being_stored() {
        let ordering = number();
        let resource = CarrierNumberId::parse("2718281828459045235").unwrap();
        let active = ordering.clone().activate(resource, ordering.created_at).unwrap();
        let mut suspended = active.clone();
        let at = ordering.created_at;
        let arrears = Arrears { suspended_at: at, release_at: at, refused_since: at, refused_at: at };
        suspended.billing.arrears = Some(arrears);
        suspended.sms.status = Some(SmsAssignmentStatus::Assigned);
        let mut legacy = ordering.clone();
        let trunk = Trunk::Legacy(Name::parse("trunk 1").unwrap());
        legacy.source = Source::SipTrunk { trunk, provider_name: Some(Name::parse("Trunks").unwrap()) };
        let mut connected = ordering.clone();
        let trunk = Trunk::Connection(SipConnectionId::parse("sip_1").unwrap());
        connected.source = Source::SipTrunk { trunk, provider_name: None };
        let releasing = active.clone().release(ReleaseReason::Requested, ordering.created_at).unwrap();
        let mut placed = ordering.clone();
        let order = CarrierOrderId::parse("o-1").ok();
        placed.source = Source::Managed(Order::Ordering { placed: order, absent_since: Some(placed.created_at) });
        let refused = releasing.clone().release_refused(ordering.created_at).unwrap();
        for number in [ordering, placed, active, suspended, legacy, connected, releasing, refused] {
            assert_eq!(read_number(number_item(&number).unwrap()).unwrap(), number);
        }
    }

    #[test]
    fn a_number_that_was_registered_under_older_rules_is_read_by_its_form() {
        let mut old = number();
        for text in ["+4402071838750", "+114155550143", "+12345678"] {
            old.e164 = E164::from_stored(text).unwrap();
            assert_eq!(read_number(number_item(&old).unwrap()).unwrap(), old);
        }
        let mut item = number_item(&old).unwrap();
        item.insert("e164".into(), aws_sdk_dynamodb::types::AttributeValue::S("4155550143".into()));
        assert!(matches!(read_number(item), Err(Error::Internal(_))));
    }

    #[test]
    fn a_number_is_due_when_something_has_to_be_done_for_it() {
        let ordering = number();
        assert_eq!(due(&ordering).as_deref(), Some("2026-07-01T00:01:00.000Z"));
        let resource = CarrierNumberId::parse("1").unwrap();
        let active = ordering.clone().activate(resource, ordering.created_at).unwrap();
        assert_eq!(due(&active).as_deref(), Some("2026-08-01T00:00:00.000Z"));
        let mut free = ordering;
        free.source = Source::SipTrunk { trunk: Trunk::Legacy(Name::parse("t").unwrap()), provider_name: None };
        free.billing.next_month = None;
        assert_eq!(due(&free), None);
    }

    #[test]
    fn bad_stored_data_is_a_fault_of_ours_not_a_panic() {
        for (attribute, value) in [("e164", "12"), ("orderState", "lost"), ("createdAt", "then"), ("direction", "up")] {
            let mut item = number_item(&number()).unwrap();
            item.insert(attribute.into(), aws_sdk_dynamodb::types::AttributeValue::S(value.into()));
            assert!(matches!(read_number(item), Err(Error::Internal(_))), "{attribute}");
        }
        let mut item = number_item(&number()).unwrap();
        item.remove("version");
        assert!(matches!(read_number(item), Err(Error::Internal(_))));
    }
}
