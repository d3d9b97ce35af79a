//! Whether a number can be used right now, and if not, what its owner does next. Worked out on read, never stored.

use std::borrow::Cow;

use crate::Timestamp;
use crate::billing::Arrears;
use crate::number::{Order, PhoneNumber, Source, Trunk};
use crate::organization::Hold;
use crate::renewal::Shortfall;
use crate::sip_connection::SipConnection;

/// What has to be known beside the number itself.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    pub sip_connections: &'a [SipConnection],
    pub hold: Option<&'a Hold>,
    /// Where customers point their trunks, such as `sip.example.com`.
    pub sip_host: &'a str,
    /// What is missing for the number's next month, where that begins soon and is not covered.
    pub shortfall: Option<Shortfall>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ready,
    ActionRequired,
    Suspended,
}

impl Status {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::ActionRequired => "action_required",
            Self::Suspended => "suspended",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspensionReason {
    Billing,
    Compliance,
}

impl SuspensionReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Compliance => "compliance",
        }
    }
}

/// Why and since when a number is not to be used. Nothing changes at the carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspension {
    pub billing_at: Option<Timestamp>,
    pub compliance_at: Option<Timestamp>,
}

impl Suspension {
    #[must_use]
    pub fn of(number: &PhoneNumber, hold: Option<&Hold>) -> Self {
        let managed = matches!(number.source, Source::Managed(_));
        let billing_at = number.billing.arrears.map(|arrears| arrears.suspended_at);
        Self { billing_at, compliance_at: hold.filter(|_| managed).map(|hold| hold.at) }
    }

    /// The earlier of the two.
    #[must_use]
    pub fn since(self) -> Option<Timestamp> {
        [self.billing_at, self.compliance_at].into_iter().flatten().min()
    }

    /// Compliance, where both hold.
    #[must_use]
    pub const fn reason(self) -> Option<SuspensionReason> {
        match self {
            Self { compliance_at: Some(_), .. } => Some(SuspensionReason::Compliance),
            Self { billing_at: Some(_), .. } => Some(SuspensionReason::Billing),
            Self { .. } => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field that callers see")]
pub struct SetupStatus {
    pub status: Status,
    pub inbound_ready: bool,
    pub outbound_ready: bool,
    pub agent_ready: bool,
    pub sip_connection_ready: bool,
    /// The customer's trunk must send this number's calls to `forwarding_sip_uri`.
    pub forwarding_required: bool,
    pub forwarding_sip_uri: Option<String>,
    /// One sentence each, at most 200 characters, saying what to do next.
    pub issues: Vec<Cow<'static, str>>,
}

impl SetupStatus {
    #[must_use]
    pub fn of(number: &PhoneNumber, around: Surroundings<'_>) -> Self {
        let direction = number.routing.direction;
        let agent_ready =
            number.routing.agent.is_some() || number.routing.template.is_some() || !direction.takes_inbound();
        let connection_issue = connection_issue(&number.source, around.sip_connections);
        let sip_connection_ready = connection_issue.is_none();
        let suspension = Suspension::of(number, around.hold);
        let usable = sip_connection_ready && number.settled() && suspension.since().is_none();
        let forwarding_required = matches!(number.source, Source::SipTrunk { .. }) && direction.takes_inbound();

        let issues: Vec<_> = [
            suspension.compliance_at.map(|_| COMPLIANCE_ISSUE.into()),
            number.billing.arrears.map(|arrears| arrears_issue(arrears).into()),
            order_issue(&number.source).map(Cow::from),
            connection_issue.map(Cow::from),
            (!agent_ready).then_some(NO_AGENT_ISSUE.into()),
            around.shortfall.filter(|_| number.settled()).map(|shortfall| shortfall_issue(shortfall).into()),
        ]
        .into_iter()
        .flatten()
        .collect();

        Self {
            status: if suspension.since().is_some() {
                Status::Suspended
            } else if issues.is_empty() {
                Status::Ready
            } else {
                Status::ActionRequired
            },
            inbound_ready: usable && direction.takes_inbound() && agent_ready,
            outbound_ready: usable && direction.takes_outbound(),
            agent_ready,
            sip_connection_ready,
            forwarding_required,
            forwarding_sip_uri: forwarding_required.then(|| format!("sip:{}@{}", number.e164, around.sip_host)),
            issues,
        }
    }
}

const COMPLIANCE_ISSUE: &str = "Business verification was rejected or revoked: submit a new one, or wait for the one under review; approval lifts this.";
const NO_AGENT_ISSUE: &str =
    "Inbound calls have nowhere to go: set agentId to one of your agents, or set a dispatchMetadataTemplate.";

fn arrears_issue(arrears: Arrears) -> String {
    let release_at = arrears.release_at;
    format!(
        "Prepaid credits ran out: add credits, and the number resumes within minutes; it is released on {release_at} otherwise."
    )
}

fn shortfall_issue(Shortfall { amount, by }: Shortfall) -> String {
    format!("Prepaid credits do not cover this number's next month: add at least {amount} USD by {by}.")
}

fn order_issue(source: &Source) -> Option<&'static str> {
    match source {
        Source::Managed(Order::Ordering { .. }) => {
            Some("The order is being confirmed, and the carrier prepares the number: read it again in a few minutes.")
        }
        Source::Managed(Order::Releasing { refused_at: Some(_), .. }) => Some(
            "The carrier refuses to release this number, and the operator has been told; until that is cleared up, it stays out of use.",
        ),
        Source::Managed(Order::Releasing { refused_at: None, .. }) => {
            Some("The number is being released and can no longer be used: send DELETE again to finish sooner.")
        }
        Source::Managed(Order::Active { .. }) | Source::SipTrunk { .. } => None,
    }
}

fn connection_issue(source: &Source, connections: &[SipConnection]) -> Option<&'static str> {
    let Source::SipTrunk { trunk: Trunk::Connection(id), .. } = source else { return None };
    match connections.iter().find(|connection| connection.id == *id) {
        Some(connection) if connection.connected => None,
        Some(_) => Some("The SIP connection is disconnected: reconnect it, so that calls can reach this number."),
        None => Some("The SIP connection was removed: delete this number and import it through another connection."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::CarrierNumberId;
    use crate::number::tests::managed;
    use crate::number::{Direction, DispatchTemplate};
    use crate::organization::HoldReason;
    use crate::{AgentId, Name, SipConnectionId};

    const HOST: &str = "sip.example.com";

    fn active(direction: Direction) -> PhoneNumber {
        let mut number = managed();
        number.routing.direction = direction;
        number.activate(CarrierNumberId::parse("1").unwrap(), Timestamp::from_millis(5)).unwrap()
    }

    fn imported(direction: Direction, trunk: Trunk) -> PhoneNumber {
        let mut number = managed();
        number.routing.direction = direction;
        number.source = Source::SipTrunk { trunk, provider_name: None };
        number
    }

    fn connection(id: &str, connected: bool) -> SipConnection {
        SipConnection {
            id: SipConnectionId::parse(id).unwrap(),
            provider_name: Name::parse("Trunks Inc").unwrap(),
            connected,
        }
    }

    fn status(number: &PhoneNumber, sip_connections: &[SipConnection], hold: Option<&Hold>) -> SetupStatus {
        SetupStatus::of(number, Surroundings { sip_connections, hold, sip_host: HOST, shortfall: None })
    }

    #[test]
    fn an_outbound_number_needs_no_agent_and_an_inbound_one_does() {
        let outbound = status(&active(Direction::Outbound), &[], None);
        assert_eq!((outbound.status, outbound.outbound_ready, outbound.inbound_ready), (Status::Ready, true, false));
        assert!(outbound.agent_ready);

        let mut number = active(Direction::Both);
        let waiting = status(&number, &[], None);
        assert_eq!(
            (waiting.status, waiting.outbound_ready, waiting.inbound_ready),
            (Status::ActionRequired, true, false)
        );
        assert_eq!(waiting.issues.len(), 1);

        number.routing.agent = Some(AgentId::parse("a").unwrap());
        assert_eq!(status(&number, &[], None).status, Status::Ready);
        number.routing.agent = None;
        number.routing.template = Some(DispatchTemplate::from_compact_json("{}".into()).unwrap());
        assert!(status(&number, &[], None).inbound_ready);
    }

    #[test]
    fn an_order_under_way_or_a_release_keeps_a_number_out_of_use() {
        let ordering = status(&managed(), &[], None);
        assert_eq!((ordering.status, ordering.outbound_ready), (Status::ActionRequired, false));
        let releasing = active(Direction::Outbound)
            .release(crate::number::ReleaseReason::Requested, Timestamp::from_millis(9))
            .unwrap();
        let releasing = status(&releasing, &[], None);
        assert_eq!((releasing.status, releasing.outbound_ready), (Status::ActionRequired, false));
    }

    #[test]
    fn an_imported_number_follows_its_connection() {
        let id = SipConnectionId::parse("c1").unwrap();
        let number = imported(Direction::Outbound, Trunk::Connection(id));
        for (connections, ready) in [
            (vec![connection("c1", true)], true),
            (vec![connection("c1", false)], false),
            (vec![connection("c2", true)], false),
        ] {
            let status = status(&number, &connections, None);
            assert_eq!((status.sip_connection_ready, status.outbound_ready), (ready, ready));
            assert_eq!(status.issues.is_empty(), ready);
        }
        let legacy = imported(Direction::Outbound, Trunk::Legacy(Name::parse("t").unwrap()));
        assert!(status(&legacy, &[], None).sip_connection_ready);
    }

    #[test]
    fn forwarding_is_asked_of_imported_numbers_that_take_calls() {
        let legacy = Trunk::Legacy(Name::parse("t").unwrap());
        let inbound = status(&imported(Direction::Both, legacy.clone()), &[], None);
        assert!(inbound.forwarding_required);
        assert_eq!(inbound.forwarding_sip_uri.as_deref(), Some("sip:+12015551234@sip.example.com"));
        let outbound = status(&imported(Direction::Outbound, legacy), &[], None);
        assert_eq!((outbound.forwarding_required, outbound.forwarding_sip_uri), (false, None));
        assert!(!status(&active(Direction::Inbound), &[], None).forwarding_required);
    }

    #[test]
    fn a_hold_suspends_managed_numbers_only_and_outranks_billing() {
        let hold = Hold { at: Timestamp::from_millis(50), reason: HoldReason::Rejected };
        let mut number = active(Direction::Outbound);
        let suspended = status(&number, &[], Some(&hold));
        assert_eq!((suspended.status, suspended.outbound_ready, suspended.issues.len()), (Status::Suspended, false, 1));
        let (suspended_at, release_at) = (Timestamp::from_millis(20), Timestamp::from_millis(30));
        let (refused_since, refused_at) = (suspended_at, suspended_at);
        number.billing.arrears = Some(Arrears { suspended_at, release_at, refused_since, refused_at });
        let both = Suspension::of(&number, Some(&hold));
        assert_eq!(both.reason(), Some(SuspensionReason::Compliance));
        assert_eq!(both.since(), Some(Timestamp::from_millis(20)));
        assert_eq!(Suspension::of(&number, None).reason(), Some(SuspensionReason::Billing));
        let own = imported(Direction::Outbound, Trunk::Legacy(Name::parse("t").unwrap()));
        assert_eq!(status(&own, &[], Some(&hold)).status, Status::Ready);
    }

    #[test]
    fn every_issue_is_a_short_sentence() {
        let hold = Hold { at: Timestamp::from_millis(50), reason: HoldReason::Revoked };
        let numbers = [
            managed(),
            active(Direction::Inbound)
                .release(crate::number::ReleaseReason::Requested, Timestamp::from_millis(1))
                .unwrap(),
        ];
        let connections = [
            imported(Direction::Both, Trunk::Connection(SipConnectionId::parse("c1").unwrap())),
            imported(Direction::Both, Trunk::Connection(SipConnectionId::parse("c2").unwrap())),
        ];
        for number in numbers.iter().chain(&connections) {
            for issue in status(number, &[connection("c1", false)], Some(&hold)).issues {
                assert!(issue.len() <= 200 && issue.ends_with('.'), "{issue}");
            }
        }
    }
}
