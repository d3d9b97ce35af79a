//! Reading, changing and removing numbers.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::{Action, Actor};
use domain::credits::{Credits, LOW_WITHIN};
use domain::number::{Change, Order, Patch, PhoneNumber, Source};
use domain::organization::Organization;
use domain::registration::{AgentStanding, Claim};
use domain::renewal::{Shortfall, shortfalls};
use domain::sip_connection::SipConnection;
use domain::{AgentId, Error, OrganizationId, PhoneNumberId, Recorded, Result, Timestamp};

use crate::Table;
use crate::agents::link_item;
use crate::batches::Together;
use crate::credits::read_credits;
use crate::item::key_attributes;
use crate::keys::{Key, NUMBERS, partition};
use crate::number_item::{number_item, read_number};
use crate::optimistic::Rounds;
use crate::organizations::read_organization;
use crate::pages::Pages;
use crate::rates::Rate;
use crate::transaction::{Condition, Outcome, Transaction};

/// What one answer about an organization's numbers needs. It shows one number or a list.
#[derive(Clone, Debug)]
pub struct View<T> {
    pub shown: T,
    /// Those that the numbers name.
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
    /// The stored attributes that have to be equal to something, where many numbers may match.
    fn terms(&self) -> Vec<(&'static str, &str)> {
        let Self { source, direction, agent: _, e164: _ } = self;
        [("source", *source), ("direction", direction.map(domain::number::Direction::as_str))]
            .into_iter()
            .filter_map(|(attribute, value)| Some((attribute, value?)))
            .collect()
    }

    fn matches(&self, number: &PhoneNumber) -> bool {
        let Self { source, direction, agent, e164 } = self;
        source.is_none_or(|source| source == number.source.as_str())
            && direction.is_none_or(|direction| direction == number.routing.direction)
            && agent.as_ref().is_none_or(|agent| number.routing.agent.as_ref() == Some(agent))
            && e164.as_ref().is_none_or(|e164| *e164 == number.e164)
    }
}

/// One number or several.
pub(crate) trait Shown {
    fn numbers(&self) -> &[PhoneNumber];
}

impl Shown for PhoneNumber {
    fn numbers(&self) -> &[PhoneNumber] {
        std::slice::from_ref(self)
    }
}

impl Shown for Vec<PhoneNumber> {
    fn numbers(&self) -> &[PhoneNumber] {
        self
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
        let Some((shown, around)) = self.number_and_owner(organization, id).await? else { return Ok(None) };
        self.view(organization, around, shown).await.map(Some)
    }

    /// One number, with its organization and credits as they are stored.
    async fn number_and_owner(
        &self,
        organization: &OrganizationId,
        id: &PhoneNumberId,
    ) -> Result<Option<(PhoneNumber, Together)>> {
        let key = Key::number(organization, id);
        let keys = [key.clone(), Key::organization(organization), Key::credits(organization)];
        let mut found = self.fetch_together(keys).await?;
        let number = found.take(&key).map(read_number).transpose()?;
        Ok(number.map(|number| (number, found)))
    }

    /// Numbers with what their setup status needs. `around` has the organization and its credits; what else is needed is read,
    /// which is nothing for most.
    async fn view<T: Shown>(&self, organization: &OrganizationId, mut around: Together, shown: T) -> Result<View<T>> {
        let credits = read_credits(around.take(&Key::credits(organization)))?;
        let (sip_connections, shortfalls) = tokio::try_join!(
            self.connections_of(organization, shown.numbers()),
            self.shortfalls(organization, &credits)
        )?;
        let organization = read_organization(around.take(&Key::organization(organization)))?;
        Ok(View { shown, sip_connections, organization, shortfalls })
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
        let own = [Key::organization(organization), Key::credits(organization)];
        let rows = self.number_rows(organization, filter, page);
        let (shown, around) = tokio::try_join!(rows, self.fetch_together(own))?;
        self.view(organization, around, shown).await
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

    /// The one number that a filter for a phone number or an agent can leave, found by its claim or its link; the outer `None`
    /// where the filter asks for neither.
    async fn only_match(&self, organization: &OrganizationId, filter: &Filter) -> Result<Option<Option<PhoneNumber>>> {
        let id = match filter {
            Filter { e164: Some(e164), .. } => {
                // Who else has the number is nobody's business here.
                let own = |claim: &Claim| claim.organization == *organization;
                self.claim(e164).await?.filter(own).map(|claim| claim.number)
            }
            Filter { agent: Some(agent), .. } => self.linked_number(organization, agent).await?,
            Filter { .. } => return Ok(None),
        };
        let Some(id) = id else { return Ok(Some(None)) };
        self.find_number(organization, &id).await.map(Some)
    }

    async fn number_rows(
        &self,
        organization: &OrganizationId,
        filter: &Filter,
        page: &Page,
    ) -> Result<Vec<PhoneNumber>> {
        if let Some(only) = self.only_match(organization, filter).await? {
            let passed = |id: &PhoneNumberId| page.after.as_ref().is_some_and(|after| id >= after);
            return Ok(only.filter(|number| filter.matches(number) && !passed(&number.id)).into_iter().collect());
        }
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
        let (mut found, ()) = tokio::try_join!(self.number_and_owner(organization, id), counted)?;
        loop {
            let (old, around) = found.ok_or(Error::NotFound)?;
            if rounds.landed(written.as_ref() == Some(&old))? {
                return self.view(organization, around, old).await;
            }
            old.expect(expected)?;
            let new = old.clone().patch(patch.clone(), now)?;
            if new.routing == old.routing {
                return self.view(organization, around, old).await;
            }
            let change = Recorded::changed(&old, new, Action::Updated, actor);
            // What the answer needs besides is read while the change is written.
            let view = self.view(organization, around, change.row.clone());
            let (outcome, view) = tokio::join!(self.write_patched(&old, &change), view);
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
                return view;
            }
            written = Some(change.row);
            found = self.number_and_owner(organization, id).await?;
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
