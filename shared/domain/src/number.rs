//! A phone number that an organization has registered.

use crate::billing::Billing;
use crate::carrier::{CarrierNumberId, CarrierOrderId};
use crate::{
    AgentId, E164, Error, Label, MicroUsd, Name, OrganizationId, PhoneNumberId, Result, SipConnectionId, Timestamp,
};

/// Which calls a number is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    #[default]
    Outbound,
    Both,
}

impl Direction {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Both => "both",
        }
    }

    /// # Errors
    /// A sentence that names the accepted words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "inbound" => Ok(Self::Inbound),
            "outbound" => Ok(Self::Outbound),
            "both" => Ok(Self::Both),
            _ => Err("must be 'inbound', 'outbound' or 'both'"),
        }
    }

    #[must_use]
    pub const fn takes_inbound(self) -> bool {
        matches!(self, Self::Inbound | Self::Both)
    }

    #[must_use]
    pub const fn takes_outbound(self) -> bool {
        matches!(self, Self::Outbound | Self::Both)
    }
}

/// A JSON object in compact form, kept as text: at most 16 KiB, returned exactly as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispatchTemplate(String);

impl DispatchTemplate {
    /// The longest template, in bytes of compact JSON.
    pub const LIMIT_BYTES: usize = 16 * 1024;

    /// Takes JSON that has been parsed and compacted, and only checks that it is an object of allowed size.
    ///
    /// # Errors
    /// A sentence for the caller when it is not an object or is too large.
    pub fn from_compact_json(compact: String) -> Result<Self, &'static str> {
        if !compact.starts_with('{') {
            Err("must be a JSON object")
        } else if compact.len() > Self::LIMIT_BYTES {
            Err("must be at most 16 KiB of compact JSON")
        } else {
            Ok(Self(compact))
        }
    }

    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

/// Where a managed number stands with the carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Paid for, and ordered or about to be: the outcome is not known yet.
    Ordering {
        /// The carrier's order, once it is known: only its outcome decides, never that of another order.
        placed: Option<CarrierOrderId>,
        /// Since when every look at the carrier has found the number offered for sale again.
        absent_since: Option<Timestamp>,
    },
    /// The carrier has given us the number.
    Active { resource: CarrierNumberId },
    /// Being released at the carrier; out of use.
    Releasing {
        resource: CarrierNumberId,
        reason: ReleaseReason,
        /// When the carrier first refused for good.
        refused_at: Option<Timestamp>,
    },
}

/// Why a number leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReason {
    /// Its customer asked for it.
    Requested,
    /// Nobody paid for it.
    Unpaid,
    /// The operator took it away.
    Operator,
}

impl ReleaseReason {
    pub const ALL: [Self; 3] = [Self::Requested, Self::Unpaid, Self::Operator];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Unpaid => "unpaid",
            Self::Operator => "operator",
        }
    }

    /// `None` for a word that names no reason.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Through what an imported number is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trunk {
    Connection(SipConnectionId),
    /// An id from before SIP connections existed: nothing is known of it, and it counts as connected.
    Legacy(Name),
}

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Bought from the carrier.
    Managed(Order),
    /// The customer's own, from a SIP trunk.
    SipTrunk { trunk: Trunk, provider_name: Option<Name> },
}

impl Source {
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Managed(_) => "managed",
            Self::SipTrunk { .. } => "sip_trunk",
        }
    }
}

/// How far the number's assignment to an SMS campaign has come (10DLC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmsAssignmentStatus {
    PendingAssignment,
    Assigned,
    FailedAssignment,
    PendingUnassignment,
    FailedUnassignment,
}

impl SmsAssignmentStatus {
    pub const ALL: [Self; 5] = [
        Self::PendingAssignment,
        Self::Assigned,
        Self::FailedAssignment,
        Self::PendingUnassignment,
        Self::FailedUnassignment,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PendingAssignment => "PENDING_ASSIGNMENT",
            Self::Assigned => "ASSIGNED",
            Self::FailedAssignment => "FAILED_ASSIGNMENT",
            Self::PendingUnassignment => "PENDING_UNASSIGNMENT",
            Self::FailedUnassignment => "FAILED_UNASSIGNMENT",
        }
    }

    /// `None` for a word that the carrier may have added since.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// The number's place in SMS 10DLC registration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SmsAssignment {
    pub profile_id: Option<String>,
    pub campaign_id: Option<String>,
    pub status: Option<SmsAssignmentStatus>,
    pub updated_at: Option<Timestamp>,
}

/// What a caller says about routing when registering a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    pub direction: Direction,
    pub template: Option<DispatchTemplate>,
    pub agent: Option<AgentId>,
    pub label: Option<Label>,
}

/// A registered phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneNumber {
    pub id: PhoneNumberId,
    pub organization: OrganizationId,
    pub e164: E164,
    pub source: Source,
    pub routing: Routing,
    pub billing: Billing,
    pub sms: SmsAssignment,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Grows with every write that anybody sees.
    pub version: u64,
    /// The sequence of its last customer event ([`crate::feed`]); 0 before the first.
    pub sequence: u64,
}

impl PhoneNumber {
    /// # Errors
    /// [`Error::Changed`] when this is another version than the one that was asked for.
    pub fn expect(&self, version: Option<u64>) -> Result<()> {
        if version.is_none_or(|version| version == self.version) { Ok(()) } else { Err(Error::Changed) }
    }

    /// A managed number whose order is about to be sent: paid for one month from `now`.
    #[must_use]
    pub fn ordering(
        id: PhoneNumberId,
        organization: OrganizationId,
        e164: E164,
        routing: Routing,
        prices: Prices,
        now: Timestamp,
    ) -> Self {
        let billing = Billing {
            upfront: prices.upfront,
            monthly: prices.monthly,
            next_month: Some(1),
            last_charged_at: Some(now),
            arrears: None,
        };
        Self::registered(
            id,
            organization,
            e164,
            Source::Managed(Order::Ordering { placed: None, absent_since: None }),
            routing,
            billing,
            now,
        )
    }

    /// A number of the customer's own, free unless the operator asks a monthly fee.
    #[must_use]
    pub fn imported(
        id: PhoneNumberId,
        organization: OrganizationId,
        e164: E164,
        source: Source,
        routing: Routing,
        monthly: MicroUsd,
        now: Timestamp,
    ) -> Self {
        let billing = Billing {
            upfront: MicroUsd::ZERO,
            monthly,
            next_month: (monthly > MicroUsd::ZERO).then_some(1),
            last_charged_at: None,
            arrears: None,
        };
        Self::registered(id, organization, e164, source, routing, billing, now)
    }

    fn registered(
        id: PhoneNumberId,
        organization: OrganizationId,
        e164: E164,
        source: Source,
        routing: Routing,
        billing: Billing,
        now: Timestamp,
    ) -> Self {
        let sms = SmsAssignment::default();
        Self {
            id,
            organization,
            e164,
            source,
            routing,
            billing,
            sms,
            created_at: now,
            updated_at: now,
            version: 1,
            sequence: 0,
        }
    }

    /// The carrier's id of the number, once it is known.
    #[must_use]
    pub fn resource(&self) -> Option<&CarrierNumberId> {
        match &self.source {
            Source::Managed(Order::Active { resource } | Order::Releasing { resource, .. }) => Some(resource),
            Source::Managed(Order::Ordering { .. }) | Source::SipTrunk { .. } => None,
        }
    }

    /// The carrier's order that decides about this number; `None` when it is not known, or decided already.
    #[must_use]
    pub const fn placed_order(&self) -> Option<&CarrierOrderId> {
        match &self.source {
            Source::Managed(Order::Ordering { placed, absent_since: _ }) => placed.as_ref(),
            Source::Managed(Order::Active { .. } | Order::Releasing { .. }) | Source::SipTrunk { .. } => None,
        }
    }

    /// False while an order or a release is under way.
    #[must_use]
    pub const fn settled(&self) -> bool {
        match &self.source {
            Source::Managed(order) => matches!(order, Order::Active { .. }),
            Source::SipTrunk { .. } => true,
        }
    }

    /// The carrier has confirmed the order.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] unless an order is waiting for that.
    pub fn activate(mut self, resource: CarrierNumberId, now: Timestamp) -> Result<Self> {
        match self.source {
            Source::Managed(Order::Ordering { .. }) => {
                self.source = Source::Managed(Order::Active { resource });
                self.skip_begun_months(now);
                Ok(self.touched(now))
            }
            Source::Managed(_) | Source::SipTrunk { .. } => Err(Error::NumberBusy),
        }
    }

    /// Takes a managed number out of use, so that the carrier can be told; again for one already on its way out.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] while its order is being confirmed.
    pub fn release(mut self, reason: ReleaseReason, now: Timestamp) -> Result<Self> {
        match self.source {
            Source::Managed(Order::Active { resource }) => {
                self.source = Source::Managed(Order::Releasing { resource, reason, refused_at: None });
                Ok(self.touched(now))
            }
            Source::Managed(Order::Releasing { .. }) => Ok(self),
            Source::Managed(Order::Ordering { .. }) | Source::SipTrunk { .. } => Err(Error::NumberBusy),
        }
    }

    /// The carrier refuses to release the number until a person changes something there. The first refusal's time stays.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] unless the number is being released.
    pub fn release_refused(mut self, now: Timestamp) -> Result<Self> {
        match self.source {
            Source::Managed(Order::Releasing { resource, reason, refused_at: None }) => {
                self.source = Source::Managed(Order::Releasing { resource, reason, refused_at: Some(now) });
                Ok(self.touched(now))
            }
            Source::Managed(Order::Releasing { .. }) => Ok(self),
            Source::Managed(_) | Source::SipTrunk { .. } => Err(Error::NumberBusy),
        }
    }

    /// Changes what the patch names.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] while the number is being released.
    pub fn patch(mut self, patch: Patch, now: Timestamp) -> Result<Self> {
        if matches!(self.source, Source::Managed(Order::Releasing { .. })) {
            return Err(Error::NumberBusy);
        }
        // Whole, so that a new field is not forgotten here.
        let Patch { direction, template, agent, label } = patch;
        let routing = &mut self.routing;
        routing.direction = direction.unwrap_or(routing.direction);
        template.apply(&mut routing.template);
        agent.apply(&mut routing.agent);
        label.apply(&mut routing.label);
        Ok(self.touched(now))
    }

    /// The number after its agent has gone. Unlike a patch this also happens to a number that is being released.
    #[must_use]
    pub fn unlinked(mut self, now: Timestamp) -> Self {
        self.routing.agent = None;
        self.touched(now)
    }

    pub(crate) fn touched(mut self, now: Timestamp) -> Self {
        self.version += 1;
        self.updated_at = now;
        self
    }
}

/// What a managed number costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    pub upfront: MicroUsd,
    pub monthly: MicroUsd,
}

impl Prices {
    /// What buying one number debits at once.
    #[must_use]
    pub fn purchase(self) -> MicroUsd {
        self.upfront + self.monthly
    }
}

/// A field of a patch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T> Change<T> {
    fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }
}

/// Changes to a number's routing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    pub direction: Option<Direction>,
    pub template: Change<DispatchTemplate>,
    pub agent: Change<AgentId>,
    pub label: Change<Label>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn managed() -> PhoneNumber {
        let now = Timestamp::from_millis(1_784_000_000_000);
        let dollar = MicroUsd::from_micros(1_000_000);
        PhoneNumber::ordering(
            PhoneNumberId::new(now, 1),
            OrganizationId::parse("org_1").unwrap(),
            E164::parse("+12015551234").unwrap(),
            Routing::default(),
            Prices { upfront: dollar, monthly: dollar },
            now,
        )
    }

    fn resource() -> CarrierNumberId {
        CarrierNumberId::parse("2718281828459045235").unwrap()
    }

    #[test]
    fn an_order_is_confirmed_once_and_then_released() {
        let now = Timestamp::from_millis(1_784_000_100_000);
        let ordering = managed();
        assert!(!ordering.settled());
        assert!(matches!(ordering.clone().release(ReleaseReason::Requested, now), Err(Error::NumberBusy)));
        let active = ordering.activate(resource(), now).unwrap();
        assert!(active.settled());
        assert_eq!((active.version, active.updated_at, active.resource()), (2, now, Some(&resource())));
        assert!(matches!(active.clone().activate(resource(), now), Err(Error::NumberBusy)));
        let releasing = active.release(ReleaseReason::Requested, now).unwrap();
        assert!(!releasing.settled());
        assert_eq!(
            releasing.clone().release(ReleaseReason::Requested, now).unwrap(),
            releasing,
            "asking again changes nothing"
        );
        let refused = releasing.clone().release_refused(now).unwrap();
        assert!(matches!(refused.source, Source::Managed(Order::Releasing { refused_at: Some(at), .. }) if at == now));
        assert_eq!(refused.clone().release_refused(now.plus(std::time::Duration::from_mins(9))).unwrap(), refused);
        assert_eq!(
            refused.clone().release(ReleaseReason::Requested, now).unwrap(),
            refused,
            "DELETE again goes on with the same release"
        );
        assert!(matches!(releasing.patch(Patch::default(), now), Err(Error::NumberBusy)));
    }

    #[test]
    fn a_patch_keeps_sets_and_clears() {
        let now = Timestamp::from_millis(1_784_000_100_000);
        let mut number = managed();
        number.routing.label = Some(Label::parse("old").unwrap());
        number.routing.agent = Some(AgentId::parse("a1").unwrap());
        let patch = Patch { direction: Some(Direction::Both), label: Change::Clear, ..Patch::default() };
        let number = number.patch(patch, now).unwrap();
        assert_eq!(number.routing.direction, Direction::Both);
        assert_eq!(number.routing.label, None);
        assert_eq!(number.routing.agent, Some(AgentId::parse("a1").unwrap()));
    }

    #[test]
    fn a_purchase_pays_for_one_month_and_a_free_import_still_names_a_day() {
        let number = managed();
        assert_eq!(number.next_charge_at(number.created_at), number.created_at.months_later(1));
        assert_eq!(number.purchase_price(), MicroUsd::from_micros(2_000_000));
        let free = PhoneNumber::imported(
            number.id.clone(),
            number.organization.clone(),
            number.e164.clone(),
            Source::SipTrunk { trunk: Trunk::Legacy(Name::parse("trunk").unwrap()), provider_name: None },
            Routing::default(),
            MicroUsd::ZERO,
            number.created_at,
        );
        assert_eq!(free.billing.next_month, None);
        let later = number.created_at.months_later(5);
        assert_eq!(free.next_charge_at(later), number.created_at.months_later(6));
    }
}
