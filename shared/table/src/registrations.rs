//! How a number comes into the table, and how a purchase that came to nothing leaves it again.

use domain::audit::{Action, Actor};
use domain::credits::{Credits, LedgerEntry};
use domain::idempotency::Made;
use domain::kyb::Status;
use domain::number::{Order, PhoneNumber, Source};
use domain::organization::{Organization, PurchasePolicy};
use domain::registration::{ImportGates, PurchaseGates};
use domain::settlement::LateOrder;
use domain::{
    AgentId, E164, Error, OrganizationId, PhoneNumberId, Recorded, Result, SipConnectionId, Timestamp, chain,
};
use serde::{Deserialize, Serialize};

use crate::Table;
use crate::agents::{read_standing, standing_keys};
use crate::audit::EventPage;
use crate::claims::{claim_item, is_own, read_claim};
use crate::credits::read_credits;
use crate::idempotency::{Lease, still_held};
use crate::keys::Key;
use crate::number_item::number_item;
use crate::optimistic::Rounds;
use crate::organizations::read_organization;
use crate::sip_connections::read_connection_standing;
use crate::transaction::{Condition, Outcome, Transaction};

#[derive(Serialize, Deserialize)]
struct ImportsItem {
    imported: u32,
}

impl Table {
    /// All that decides whether a purchase may begin, read in one round trip.
    pub async fn purchase_gates(
        &self,
        organization: &OrganizationId,
        e164: &E164,
        agent: Option<&AgentId>,
    ) -> Result<PurchaseGates> {
        let claim = Key::claim(e164);
        let (own, credits) = (Key::organization(organization), Key::credits(organization));
        let keys = [claim.clone(), own.clone(), credits.clone()];
        let mut found = self.fetch_together(keys.into_iter().chain(standing_keys(organization, agent))).await?;
        Ok(PurchaseGates {
            organization: read_organization(found.take(&own))?,
            claim: found.take(&claim).map(read_claim).transpose()?,
            agent: read_standing(&mut found, organization, agent)?,
            credits: read_credits(found.take(&credits))?,
        })
    }

    /// All that decides whether an import may happen, read in one round trip.
    pub async fn import_gates(
        &self,
        organization: &OrganizationId,
        e164: &E164,
        agent: Option<&AgentId>,
        connection: Option<&SipConnectionId>,
    ) -> Result<ImportGates> {
        let (claim, imports) = (Key::claim(e164), Key::imports(organization));
        let named = connection.map(|id| Key::sip_connection(organization, id));
        let keys = [claim.clone(), imports.clone()].into_iter().chain(named);
        let mut found = self.fetch_together(keys.chain(standing_keys(organization, agent))).await?;
        Ok(ImportGates {
            caller: organization.clone(),
            connection: read_connection_standing(&mut found, organization, connection)?,
            claim: found.take(&claim).map(read_claim).transpose()?,
            agent: read_standing(&mut found, organization, agent)?,
            imported: found.read::<ImportsItem>(&imports)?.map_or(0, |item| item.imported),
        })
    }

    /// Begins a purchase: claims the number, writes its row, links its agent and takes the money, all under the
    /// gates, or nothing. `deployment` is the policy of those who have none of their own; `lease` is that of a request
    /// which carries an Idempotency-Key.
    ///
    /// # Errors
    /// The gate that is shut, judged in the order in which callers are told of them.
    pub async fn begin_purchase(
        &self,
        organization: &Organization,
        number: &PhoneNumber,
        deployment: PurchasePolicy,
        lease: Option<&Lease>,
        actor: &Actor,
    ) -> Result<()> {
        let registration = Recorded::registered(number, Action::Purchased, actor);
        let (mut organization, mut credits) = (organization.clone(), Credits::default());
        let purchase = LedgerEntry::purchase(&number.id, number.purchase_price(), number.first_month());
        let mut rounds = Rounds::of("the gates of a purchase keep changing");
        loop {
            let transaction = Transaction::on(self)
                .under(lease, &Made::Number(number.id.clone()))?
                .check("organization", Key::organization(&organization.id), &may_buy(&organization, deployment))?
                .register(&registration)?
                .book(&organization.id, credits.next_booking(self.clock.now()), &purchase)?;
            if self.committed(transaction, number).await? {
                return Ok(());
            }
            // Callers are told of the first shut gate in the contract's order; a cancelled transaction does not keep it.
            let prices = domain::number::Prices { upfront: number.billing.upfront, monthly: number.billing.monthly };
            let agent = number.routing.agent.as_ref();
            let gates = self.purchase_gates(&organization.id, &number.e164, agent).await?;
            if is_own(gates.claim.as_ref(), &number.id) {
                return Ok(());
            }
            gates.judge(prices, deployment)?;
            // What stood in the way is gone again.
            (organization, credits) = (gates.organization, gates.credits);
            rounds.raced().await?;
        }
    }

    /// Takes a purchase back that the carrier has certainly refused: row, claim and link go, the money returns.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] when the order is not waiting any more.
    pub async fn refund_purchase(&self, known: PhoneNumber, actor: &Actor, now: Timestamp) -> Result<()> {
        self.refund(known, false, actor, now).await
    }

    /// Takes a purchase back whose order the carrier never got, as far as anybody can tell. Should the order arrive all the
    /// same, what is remembered here finds it.
    ///
    /// # Errors
    /// [`Error::NumberBusy`] when the order is not waiting any more.
    pub async fn refund_absent(&self, known: PhoneNumber, actor: &Actor, now: Timestamp) -> Result<()> {
        self.refund(known, true, actor, now).await
    }

    async fn refund(&self, known: PhoneNumber, may_arrive: bool, actor: &Actor, now: Timestamp) -> Result<()> {
        let mut rounds = Rounds::of("a number keeps changing while its purchase is refunded");
        let (mut number, mut credits) = (known, Credits::default());
        loop {
            if !matches!(number.source, Source::Managed(Order::Ordering { .. })) {
                return Err(Error::NumberBusy);
            }
            let refund = LedgerEntry::purchase_refund(&number.id, number.purchase_price(), number.first_month());
            let at = credits.next_booking(self.clock.now());
            let removal = Recorded::removed(&number, Action::PurchaseRefunded, actor, now);
            let mut transaction = Transaction::on(self).remove(&removal)?.book(&number.organization, at, &refund)?;
            if may_arrive {
                let PhoneNumber { organization, id, e164, .. } = &number;
                let (organization, reference, e164) = (organization.clone(), id.clone(), e164.clone());
                let late = LateOrder { organization, reference, e164, refunded_at: now, looks: 0 };
                transaction = transaction.expect_late_order(&late)?;
            }
            if rounds.wrote(transaction.commit().await).await? {
                return Ok(());
            }
            let found = self.find_number(&number.organization, &number.id).await?;
            // The row of a waiting order goes only together with its refund, whoever wrote them.
            if rounds.landed(found.is_none())? {
                return Ok(());
            }
            number = found.ok_or(Error::NotFound)?;
            credits = self.credits(&number.organization).await?;
        }
    }

    /// Registers a number of the customer's own.
    ///
    /// # Errors
    /// The gate that is shut, judged in the order in which callers are told of them.
    pub async fn import_number(
        &self,
        number: &PhoneNumber,
        limit: u32,
        lease: Option<&Lease>,
        actor: &Actor,
    ) -> Result<()> {
        let registration = Recorded::registered(number, Action::Imported, actor);
        let connection = match &number.source {
            Source::SipTrunk { trunk: domain::number::Trunk::Connection(id), .. } => Some(id),
            Source::SipTrunk { .. } | Source::Managed(_) => None,
        };
        let mut rounds = Rounds::of("the gates of an import keep changing");
        loop {
            let room = Condition::new("attribute_not_exists(imported) OR imported < :limit")
                .number(":limit", limit)
                .number(":one", 1);
            let mut transaction = Transaction::on(self)
                .under(lease, &Made::Number(number.id.clone()))?
                .register(&registration)?
                .update("imports", Key::imports(&number.organization), "ADD imported :one", &room)?;
            if let Some(id) = connection {
                let key = Key::sip_connection(&number.organization, id);
                transaction = transaction.check("connection", key, &Condition::present())?;
            }
            if self.committed(transaction, number).await? {
                return Ok(());
            }
            let agent = number.routing.agent.as_ref();
            let gates = self.import_gates(&number.organization, &number.e164, agent, connection).await?;
            if is_own(gates.claim.as_ref(), &number.id) {
                return Ok(());
            }
            gates.judge(limit)?;
            rounds.raced().await?;
        }
    }

    /// Whether a registration has happened. A transaction without an answer may have: then the claim tells, at once, since
    /// the rounds of a registration read their gates after the write and not before it.
    ///
    /// # Errors
    /// [`Error::IdempotencyInProgress`] when the request's lease was taken over.
    async fn committed(&self, transaction: Transaction<'_>, number: &PhoneNumber) -> Result<bool> {
        match transaction.commit().await {
            Ok(Outcome::Committed) => Ok(true),
            Ok(Outcome::Refused(failed)) => still_held(&failed).map(|()| false),
            Err(error) if is_own(self.claim(&number.e164).await?.as_ref(), &number.id) => {
                tracing::warn!(number.id = %number.id, error.cause = %chain(&error), "a registration's answer was lost");
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a number that is gone left because its purchase was refunded, as its events tell.
    pub async fn was_refunded(&self, organization: &OrganizationId, id: &PhoneNumberId) -> Result<bool> {
        // The newest, and a few before it: the clocks of those who wrote them differ.
        let page = EventPage { after: None, limit: 25 };
        Ok(self
            .events(organization, id.as_str(), &page)
            .await?
            .iter()
            .any(|event| event.action == Action::PurchaseRefunded.as_str()))
    }
}

/// The flag is on, no hold stands, the policy is still the one that was read, and the verification meets it.
fn may_buy(organization: &Organization, deployment: PurchasePolicy) -> Condition {
    let gate = Condition::new("buyingEnabled = :true AND attribute_not_exists(holdAt)").flag(":true", true);
    let same_policy = match organization.purchase_policy {
        None => gate.and("attribute_not_exists(purchasePolicy)"),
        Some(policy) => gate.and("purchasePolicy = :policy").text(":policy", policy.as_str()),
    };
    match organization.policy(deployment) {
        PurchasePolicy::Approved => same_policy.and("verification = :approved"),
        PurchasePolicy::Submitted => same_policy
            .and("(verification = :approved OR verification = :submitted)")
            .text(":submitted", Status::Submitted.as_str()),
    }
    .text(":approved", Status::Approved.as_str())
}

impl Transaction<'_> {
    /// Claims a number, writes its row, links its agent, and records it.
    fn register(self, registration: &Recorded<PhoneNumber>) -> Result<Self> {
        let number = &registration.row;
        let transaction = self
            .put("claim", claim_item(number)?, &Condition::absent())?
            .put("number", number_item(number)?, &Condition::absent())?
            .record(registration)?;
        match &number.routing.agent {
            None => Ok(transaction),
            Some(agent) => transaction.link(&number.organization, agent, &number.id),
        }
    }
}
