//! The gates that a number passes before it is registered, judged in the order in which callers are told of them.

use crate::credits::Credits;
use crate::number::Prices;
use crate::organization::{Organization, PurchasePolicy};
use crate::sip_connection::SipConnection;
use crate::{Error, Issue, OrganizationId, PhoneNumberId, Result};

/// Who holds a phone number, across all organizations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub organization: OrganizationId,
    pub number: PhoneNumberId,
}

/// How the agent that was asked for stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentStanding {
    NotAsked,
    Unknown,
    Free,
    Linked(PhoneNumberId),
}

const UNKNOWN_AGENT: &str = "must be one of your agents";
const UNKNOWN_CONNECTION: &str = "must be one of your installed SIP connections";

impl AgentStanding {
    /// # Errors
    /// An issue on `agentId` when it is not one of the organization's; [`Error::AgentAlreadyLinked`].
    pub fn judge(&self) -> Result<()> {
        match self {
            Self::NotAsked | Self::Free => Ok(()),
            Self::Unknown => Err(Error::field("agentId", UNKNOWN_AGENT)),
            Self::Linked(_) => Err(Error::AgentAlreadyLinked),
        }
    }
}

fn judge_claim(claim: Option<&Claim>, caller: &OrganizationId) -> Result<()> {
    match claim {
        None => Ok(()),
        Some(claim) => {
            let own = (claim.organization == *caller).then(|| claim.number.clone());
            Err(Error::AlreadyRegistered { own })
        }
    }
}

/// All that decides whether a purchase may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchaseGates {
    pub organization: Organization,
    pub claim: Option<Claim>,
    pub agent: AgentStanding,
    pub credits: Credits,
}

impl PurchaseGates {
    /// # Errors
    /// The first gate that is shut.
    pub fn judge(&self, prices: Prices, deployment: PurchasePolicy) -> Result<()> {
        self.organization.may_buy(deployment)?;
        judge_claim(self.claim.as_ref(), &self.organization.id)?;
        self.agent.judge()?;
        let required = prices.purchase();
        let balance = self.credits.balance;
        if balance < required {
            return Err(Error::InsufficientCredits { required, balance });
        }
        Ok(())
    }
}

/// The SIP connection that an import names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionStanding {
    /// A legacy trunk id was given instead.
    NotAsked,
    Unknown,
    Installed(SipConnection),
}

/// All that decides whether an import may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportGates {
    pub caller: OrganizationId,
    pub connection: ConnectionStanding,
    pub claim: Option<Claim>,
    pub agent: AgentStanding,
    /// How many numbers the organization has imported so far.
    pub imported: u32,
}

impl ImportGates {
    /// # Errors
    /// Every unknown field at once, else the first gate that is shut.
    pub fn judge(&self, limit: u32) -> Result<()> {
        let unknown = [
            (self.connection == ConnectionStanding::Unknown)
                .then_some(("sipConnectionInstallationId", UNKNOWN_CONNECTION)),
            (self.agent == AgentStanding::Unknown).then_some(("agentId", UNKNOWN_AGENT)),
        ];
        let issues: Vec<_> = unknown
            .into_iter()
            .flatten()
            .map(|(path, message)| Issue { path: path.to_owned(), message: message.to_owned() })
            .collect();
        if !issues.is_empty() {
            return Err(Error::Invalid(issues));
        }
        judge_claim(self.claim.as_ref(), &self.caller)?;
        self.agent.judge()?;
        if self.imported >= limit {
            return Err(Error::ImportLimitReached(limit));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::kyb::Status;
    use crate::organization::{Hold, HoldReason};

    const DOLLAR: crate::MicroUsd = crate::MicroUsd::from_micros(1_000_000);
    const PRICES: Prices = Prices { upfront: DOLLAR, monthly: DOLLAR };

    fn org(id: &str) -> OrganizationId {
        OrganizationId::parse(id).unwrap()
    }

    fn number() -> PhoneNumberId {
        PhoneNumberId::new(Timestamp::from_millis(1), 1)
    }

    /// Every gate shut.
    fn shut() -> PurchaseGates {
        PurchaseGates {
            organization: Organization {
                id: org("org_1"),
                name: "Acme".into(),
                buying_enabled: false,
                purchase_policy: None,
                hold: Some(Hold { at: Timestamp::from_millis(0), reason: HoldReason::Revoked }),
                verification: None,
                created_at: Timestamp::from_millis(0),
                cursor_key: [0; 32],
            },
            claim: Some(Claim { organization: org("org_2"), number: number() }),
            agent: AgentStanding::Unknown,
            credits: Credits { balance: crate::MicroUsd::from_micros(1_999_999), ..Credits::default() },
        }
    }

    #[test]
    fn purchase_gates_are_judged_in_their_order() {
        let mut gates = shut();
        let judge = |gates: &PurchaseGates| gates.judge(PRICES, PurchasePolicy::Approved);
        assert!(matches!(judge(&gates), Err(Error::BuyingDisabled)));
        gates.organization.buying_enabled = true;
        assert!(matches!(judge(&gates), Err(Error::KybSuspended)));
        gates.organization.hold = None;
        assert!(matches!(judge(&gates), Err(Error::KybRequired)));
        gates.organization.verification = Some(Status::Approved);
        assert!(matches!(judge(&gates), Err(Error::AlreadyRegistered { own: None })));
        gates.claim = Some(Claim { organization: org("org_1"), number: number() });
        assert!(matches!(judge(&gates), Err(Error::AlreadyRegistered { own: Some(_) })));
        gates.claim = None;
        assert!(matches!(judge(&gates), Err(Error::Invalid(issues)) if issues[0].path == "agentId"));
        gates.agent = AgentStanding::Linked(number());
        assert!(matches!(judge(&gates), Err(Error::AgentAlreadyLinked)));
        gates.agent = AgentStanding::Free;
        assert!(matches!(judge(&gates), Err(Error::InsufficientCredits { .. })));
        gates.credits.balance = PRICES.purchase();
        assert!(judge(&gates).is_ok());
    }

    #[test]
    fn an_import_names_every_unknown_field_and_then_the_first_shut_gate() {
        let mut gates = ImportGates {
            caller: org("org_1"),
            connection: ConnectionStanding::Unknown,
            claim: Some(Claim { organization: org("org_2"), number: number() }),
            agent: AgentStanding::Unknown,
            imported: 3,
        };
        assert!(matches!(gates.judge(3), Err(Error::Invalid(issues)) if issues.len() == 2));
        gates.connection = ConnectionStanding::NotAsked;
        gates.agent = AgentStanding::Linked(number());
        assert!(matches!(gates.judge(3), Err(Error::AlreadyRegistered { own: None })));
        gates.claim = None;
        assert!(matches!(gates.judge(3), Err(Error::AgentAlreadyLinked)));
        gates.agent = AgentStanding::NotAsked;
        assert!(matches!(gates.judge(3), Err(Error::ImportLimitReached(3))));
        assert!(gates.judge(4).is_ok());
    }
}
