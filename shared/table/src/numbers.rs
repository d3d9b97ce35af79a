//! Reading, changing and removing numbers.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::{Action, Actor};
use domain::credits::{Credits, LOW_WITHIN};
use domain::number::{Change, Order, Patch, PhoneNumber, Source};
use domain::organization::Organization;
use domain::registration::AgentStanding;
use domain::renewal::{Shortfall, shortfalls};
use domain::sip_connection::SipConnection;
use domain::{AgentId, Error, OrganizationId, PhoneNumberId, Recorded, Result, Timestamp};

use crate::Table;
use crate::agents::link_item;
use crate::item::key_attributes;
use crate::keys::{Key, NUMBERS, partition};
use crate::number_item::{number_item, read_number};
use crate::optimistic::Rounds;
use crate::pages::Pages;
use crate::rates::Rate;
use crate::transaction::{Condition, Outcome, Transaction};

/// What one answer about an organization's numbers needs, read in one parallel batch. It shows one number or a list.
#[derive(Clone, Debug)]
pub struct View<T> {
    pub shown: T,
    pub sip_connections: Vec<SipConnection>,
    pub organization: Organization,
    /// What is missing for the next month of numbers that the credits do not cover soon.
    pub shortfalls: BTreeMap<PhoneNumberId, Shortfall>,
}

/// Which numbers a list is to hold. Empty: all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// `managed` or `sip_trunk`.
    pub source: Option<&'static str>,
    pub direction: Option<domain::number::Direction>,
    pub agent: Option<AgentId>,
    pub e164: Option<domain::E164>,
}

impl Filter {
    /// The stored attributes that have to be equal to something.
    fn terms(&self) -> Vec<(&'static str, &str)> {
        let Self { source, direction, agent, e164 } = self;
        [
            ("source", *source),
            ("direction", direction.map(domain::number::Direction::as_str)),
            ("agentId", agent.as_ref().map(AgentId::as_str)),
            ("e164", e164.as_ref().map(domain::E164::as_str)),
        ]
        .into_iter()
        .filter_map(|(attribute, value)| Some((attribute, value?)))
        .collect()
    }
}

/// Where a list begins and how far it goes.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The last number of the page before.
    pub after: Option<PhoneNumberId>,
    /// At most this many numbers; all of them when `None`.
    pub limit: Option<usize>,
    /// Reading stops once this many bytes of numbers have been read.
    pub bytes: usize,
}

impl Table {
    /// One number with what its setup status needs; `None` when the organization has no such number.
    pub async fn number(&self, organization: &OrganizationId, id: &PhoneNumberId) -> Result<Option<View<PhoneNumber>>> {
        let (number, sip_connections, organization, credits) = tokio::try_join!(
            self.fetch(Key::number(organization, id)),
            self.sip_connections(organization),
            self.organization(organization),
            self.credits(organization),
        )?;
        let Some(shown) = number.map(read_number).transpose()? else { return Ok(None) };
        let shortfalls = self.shortfalls(&organization.id, &credits).await?;
        Ok(Some(View { shown, sip_connections, organization, shortfalls }))
    }

    /// One number alone.
    pub async fn find_number(&self, organization: &OrganizationId, id: &PhoneNumberId) -> Result<Option<PhoneNumber>> {
        self.fetch(Key::number(organization, id)).await?.map(read_number).transpose()
    }

    /// Numbers, newest first, one more than the page holds when more follow.
    pub async fn numbers(
        &self,
        organization: &OrganizationId,
        filter: &Filter,
        page: &Page,
    ) -> Result<View<Vec<PhoneNumber>>> {
        let (shown, sip_connections, organization, credits) = tokio::try_join!(
            self.number_rows(organization, filter, page),
            self.sip_connections(organization),
            self.organization(organization),
            self.credits(organization),
        )?;
        let shortfalls = self.shortfalls(&organization.id, &credits).await?;
        Ok(View { shown, sip_connections, organization, shortfalls })
    }

    /// What is missing for the next month of an organization's numbers. It is only asked where renewals have found the credits
    /// low, so it costs everybody else nothing.
    async fn shortfalls(
        &self,
        organization: &OrganizationId,
        credits: &Credits,
    ) -> Result<BTreeMap<PhoneNumberId, Shortfall>> {
        if credits.low_since.is_none() {
            return Ok(BTreeMap::new());
        }
        let now = self.clock.now();
        let until = now.plus(LOW_WITHIN);
        Ok(shortfalls(&self.renewables(organization, until).await?, credits.balance, now, until))
    }

    async fn number_rows(
        &self,
        organization: &OrganizationId,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<PhoneNumber>> {
        let wanted = page.limit.map_or(usize::MAX, |limit| limit + 1);
        let mut call = self.prefixed(partition(organization), NUMBERS).scan_index_forward(false);
        let terms = filter.terms();
        if !terms.is_empty() {
            let texts: Vec<_> = (0..terms.len()).map(|at| format!("#f{at} = :f{at}")).collect();
            call = call.filter_expression(texts.join(" AND "));
            for (at, (attribute, value)) in terms.iter().enumerate() {
                call = call
                    .expression_attribute_names(format!("#f{at}"), *attribute)
                    .expression_attribute_values(format!(":f{at}"), AttributeValue::S((*value).to_owned()));
            }
        } else if page.limit.is_some() {
            // Only without a filter: DynamoDB counts what it reads, not what a filter leaves.
            call = call.limit(i32::try_from(wanted).unwrap_or(i32::MAX));
        }
        let after = page.after.as_ref().map(|after| key_attributes(Key::number(organization, after)).into());
        let (mut pages, mut rows, mut bytes) = (Pages::of(call, after), Vec::new(), 0);
        while rows.len() < wanted
            && bytes <= page.bytes
            && let Some(items) = pages.next().await?
        {
            for item in items {
                let number = read_number(item)?;
                bytes += number.routing.template.as_ref().map_or(0, |template| template.as_json().len()) + ROW_BYTES;
                rows.push(number);
            }
        }
        rows.truncate(wanted);
        Ok(rows)
    }

    /// Changes a number's routing. `expected` is the version that the caller has seen, where it said one. A patch that
    /// says what stands there already writes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Changed`], [`Error::NumberBusy`]; an issue on `agentId`;
    /// [`Error::AgentAlreadyLinked`].
    pub async fn patch_number(
        &self,
        organization: &OrganizationId,
        id: &PhoneNumberId,
        patch: &Patch,
        expected: Option<u64>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<View<PhoneNumber>> {
        let (mut rounds, mut written) = (Rounds::of("a number keeps changing under a patch"), None);
        let counted = self.count(organization, Rate::Changes, now);
        let (mut found, ()) = tokio::try_join!(self.number(organization, id), counted)?;
        loop {
            let view = found.ok_or(Error::NotFound)?;
            let old = &view.shown;
            if rounds.landed(written.as_ref() == Some(old))? {
                return Ok(view);
            }
            old.expect(expected)?;
            let new = old.clone().patch(patch.clone(), now)?;
            if new.routing == old.routing {
                return Ok(view);
            }
            let change = Recorded::changed(old, new, Action::Updated, actor);
            let outcome = self.write_patched(old, &change).await;
            if !matches!(outcome, Ok(Outcome::Committed))
                && let Change::Set(agent) = &patch.agent
            {
                // An agent that cannot be linked is the caller's own error, whatever became of the write.
                let standing = self.agent_standing(organization, Some(agent)).await?;
                if standing != AgentStanding::Linked(id.clone()) {
                    standing.judge()?;
                }
            }
            if rounds.wrote(outcome).await? {
                return Ok(View { shown: change.row, ..view });
            }
            written = Some(change.row);
            found = self.number(organization, id).await?;
        }
    }

    async fn write_patched(&self, old: &PhoneNumber, change: &Recorded<PhoneNumber>) -> Result<Outcome> {
        let (mut transaction, new) = (Transaction::on(self).change(old, change)?, &change.row);
        let (before, after) = (&old.routing.agent, &new.routing.agent);
        if before != after {
            if let Some(agent) = before {
                transaction =
                    transaction.delete("unlink", Key::agent_link(&new.organization, agent), &links(&new.id))?;
            }
            if let Some(agent) = after {
                transaction = transaction.link(&new.organization, agent, &new.id)?;
            }
        }
        transaction.commit().await
    }

    /// Moves a number to its next state, reading it again when somebody else has changed it meanwhile.
    ///
    /// `known` spares the first read; `action` is what the event of it says. A transition that
    /// leaves the number as it is writes nothing.
    ///
    /// # Errors
    /// What `transition` says; [`Error::NotFound`] when the number is gone.
    pub async fn transition(
        &self,
        known: PhoneNumber,
        transition: impl Fn(PhoneNumber) -> Result<PhoneNumber>,
        action: Action,
        actor: &Actor,
    ) -> Result<PhoneNumber> {
        let (mut rounds, mut old) = (Rounds::of("a number keeps changing under a transition"), known);
        loop {
            let new = transition(old.clone())?;
            if new == old {
                return Ok(old);
            }
            let change = Recorded::changed(&old, new, action, actor);
            let transaction = Transaction::on(self).change(&old, &change)?;
            if rounds.wrote(transaction.commit().await).await? {
                return Ok(change.row);
            }
            old = self.find_number(&old.organization, &old.id).await?.ok_or(Error::NotFound)?;
            if rounds.landed(old == change.row)? {
                return Ok(old);
            }
        }
    }

    /// Removes an imported number, or a managed one that the carrier has taken back, with its claim and its link.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is gone already; [`Error::NumberBusy`] when it is managed and not being released;
    /// [`Error::Changed`] when it has another version than `expected`.
    pub async fn remove_number(
        &self,
        known: PhoneNumber,
        expected: Option<u64>,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<()> {
        let (mut rounds, mut number) = (Rounds::of("a number keeps changing under its removal"), known);
        loop {
            number.expect(expected)?;
            let action = match &number.source {
                Source::Managed(Order::Releasing { .. }) => Action::Released,
                Source::Managed(_) => return Err(Error::NumberBusy),
                Source::SipTrunk { .. } => Action::Removed,
            };
            let recorded = Recorded::removed(&number, action, actor, now);
            let transaction = Transaction::on(self);
            let removal = match action {
                Action::Removed => transaction.remove_imported(&recorded)?,
                _ => transaction.remove(&recorded)?,
            };
            if rounds.wrote(removal.commit().await).await? {
                return Ok(());
            }
            let found = self.find_number(&number.organization, &number.id).await?;
            // When this removal was refused, a number that is gone was removed by somebody else.
            if rounds.landed(found.is_none() && rounds.is_lost())? {
                return Ok(());
            }
            number = found.ok_or(Error::NotFound)?;
        }
    }
}

/// What a number's row takes in an answer beside its template, on the small side.
const ROW_BYTES: usize = 700;

fn links(number: &PhoneNumberId) -> Condition {
    Condition::new("numberId = :number").text(":number", number.as_str())
}

impl Transaction<'_> {
    /// Links an agent that exists and is free. The steps are `agent` and `link`.
    pub(crate) fn link(self, organization: &OrganizationId, agent: &AgentId, number: &PhoneNumberId) -> Result<Self> {
        self.check("agent", Key::agent(organization, agent), &Condition::present())?.put(
            "link",
            link_item(organization, agent, number)?,
            &Condition::absent(),
        )
    }

    /// Writes a number over just the version given, with the events that record it. The steps are `number`, `event` and
    /// `feed`.
    pub(crate) fn change(self, old: &PhoneNumber, change: &Recorded<PhoneNumber>) -> Result<Self> {
        let unchanged = Condition::new("version = :old").number(":old", old.version);
        self.put("number", number_item(&change.row)?, &unchanged)?.record(change)
    }

    /// Deletes an imported number's row, and counts it no longer.
    pub(crate) fn remove_imported(self, removal: &Recorded<PhoneNumber>) -> Result<Self> {
        let one = Condition::default().number(":one", -1);
        let imports = Key::imports(&removal.row.organization);
        self.remove(removal)?.update("imports", imports, "ADD imported :one", &one)
    }

    /// Deletes a number's row, in just the version given, with its claim and its link, and records it.
    pub(crate) fn remove(self, removal: &Recorded<PhoneNumber>) -> Result<Self> {
        let number = &removal.row;
        let unchanged = Condition::new("version = :version").number(":version", number.version);
        let transaction = self.delete("number", Key::number(&number.organization, &number.id), &unchanged)?.delete(
            "claim",
            Key::claim(&number.e164),
            &links(&number.id),
        )?;
        let transaction = transaction.record(removal)?;
        match &number.routing.agent {
            None => Ok(transaction),
            Some(agent) => {
                transaction.delete("unlink", Key::agent_link(&number.organization, agent), &links(&number.id))
            }
        }
    }
}
