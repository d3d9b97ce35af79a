//! Telnyx, the carrier: searching, ordering, finding and releasing numbers.
//!
//! Source: Telnyx API v2, number search, number orders, number configurations and API errors.

mod answers;
mod brand;
mod deployment;
mod listing;
mod offers;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use domain::carrier::{
    CarrierNumberId, CarrierOrderId, Found, Offer, OrderStanding, Ordered, PriceLimits, Refusal, Release, Search,
};
use domain::{E164, Error, OrganizationId, PhoneNumberId, Result};
use serde_json::json;
use tokio::time::{Instant, sleep};

pub use self::brand::BrandId;

use self::answers::{Placed, Progress, Setup};
use self::deployment::Deployment;
use self::offers::Offered;
use self::wire::{Answer, Failure, Link};
use runtime::http::Network;
use runtime::settings::SettingsError;
use runtime::{Secret, Start};

/// How long each call may take.
///
/// A purchase waits for `search`, `order` and `follow` one after another. Together they stay below 25 s, because API
/// Gateway and the callers give up at 30 s.
#[derive(Clone, Copy)]
struct Limits {
    search: Duration,
    order: Duration,
    /// For following a pending order, finding its number and setting that up, together.
    follow: Duration,
    /// For one question on the way, so that a single silent connection cannot use up all of `follow`.
    question: Duration,
    release: Duration,
    /// The first pause between two questions; it doubles up to `longest_pause`.
    pause: Duration,
    longest_pause: Duration,
}

impl Limits {
    const USUAL: Self = Self {
        search: Duration::from_secs(4),
        order: Duration::from_secs(9),
        follow: Duration::from_secs(8),
        question: Duration::from_secs(4),
        release: Duration::from_secs(10),
        pause: Duration::from_millis(250),
        longest_pause: Duration::from_secs(1),
    };
}

/// The carrier.
#[derive(Clone)]
pub struct Telnyx {
    link: Link,
    limits: Limits,
    deployment: Deployment,
}

impl Telnyx {
    /// The carrier that the settings name.
    ///
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_start(start: &Start) -> std::result::Result<Self, SettingsError> {
        let (settings, network) = (&start.settings, start.network.clone());
        Ok(Self::through(network, &settings.telnyx_url(), start.telnyx_secret()?, &settings.table_name()?))
    }

    /// Talks to the carrier at `base_url`, such as `https://api.telnyx.com/v2`.
    ///
    /// The secret's text is JSON: `{"apiKey": "…", "connectionId": "…"}`. With a connection, ordered numbers are routed
    /// to it. `table` is the name of this deployment's table; numbers are tagged with it.
    #[must_use]
    pub fn new(base_url: &str, secret: Secret, table: &str) -> Self {
        Self::through(None, base_url, secret, table)
    }

    fn through(network: Option<Arc<dyn Network>>, base_url: &str, secret: Secret, table: &str) -> Self {
        let link = Link::new(base_url, secret, network);
        Self { link, limits: Limits::USUAL, deployment: Deployment::of(table) }
    }

    /// Looks for local numbers of the United States that can carry calls and be ordered now. At most 4 s.
    ///
    /// The carrier ignores filters that it does not know and answers something else, so its answer is filtered again
    /// here: what is masked, of another country or kind, or above the limits is not offered, and the operator hears of it.
    /// Where the carrier has no coverage the list is empty.
    ///
    /// # Errors
    /// [`Error::CarrierUnavailable`] when the carrier gives no usable answer.
    pub async fn search(&self, search: &Search, limits: PriceLimits) -> Result<Vec<Offer>> {
        let mut filters = vec![("filter[limit]", search.limit.to_string())];
        filters.extend(search.area_code.clone().map(|code| ("filter[national_destination_code]", code)));
        filters.extend(search.locality.clone().map(|locality| ("filter[locality]", locality)));
        let offered = self.offered(&filters).await?;
        let mut offers: Vec<Offer> = Vec::with_capacity(usize::from(search.limit));
        for offer in offers::suitable(offered, limits) {
            let fits = search.area_code.is_none() || search.area_code.as_deref() == offer.e164.area_code();
            if fits && offers.len() < usize::from(search.limit) && offers.iter().all(|known| known.e164 != offer.e164) {
                offers.push(offer);
            }
        }
        Ok(offers)
    }

    /// Whether the carrier would sell exactly this number now, as one that a search would show. At most 4 s.
    ///
    /// The carrier takes orders only for numbers that a recent search has returned, so this comes right before
    /// [`order`](Self::order).
    ///
    /// # Errors
    /// [`Error::CarrierUnavailable`] when the carrier gives no usable answer.
    pub async fn still_sells(&self, number: &E164, limits: PriceLimits) -> Result<bool> {
        let offers = offers::suitable(self.offered_exactly(number).await?, limits);
        Ok(offers.iter().any(|offer| offer.e164 == *number))
    }

    /// Whether the carrier offers exactly this number, whatever it costs: then nobody has it. At most 4 s.
    ///
    /// # Errors
    /// [`Error::CarrierThrottled`], [`Error::CarrierUnavailable`] when the carrier gives no usable answer.
    pub async fn still_offers(&self, number: &E164) -> Result<bool> {
        Ok(self.offered_exactly(number).await?.iter().any(|offered| offered.e164 == number.as_str()))
    }

    async fn offered_exactly(&self, number: &E164) -> Result<Vec<Offered>> {
        let Some(area_code) = number.area_code() else {
            return Ok(Vec::new());
        };
        // Beside an area code the pattern covers only the seven digits after it. `ends_with` means the same either way.
        let subscriber = number.digits()[4..].to_owned();
        let filters = [
            ("filter[limit]", "10".to_owned()),
            ("filter[national_destination_code]", area_code.to_owned()),
            ("filter[phone_number][ends_with]", subscriber),
        ];
        self.offered(&filters).await
    }

    async fn offered(&self, filters: &[(&'static str, String)]) -> Result<Vec<Offered>> {
        let common =
            [("filter[country_code]", "US"), ("filter[phone_number_type]", "local"), ("filter[features][]", "voice")];
        let answer =
            self.link.call(self.limits.search, |to| to.get("available_phone_numbers").query(&common).query(filters));
        offers::offered(answer.await).map_err(unavailable)
    }

    /// Orders the number and waits for it, at most 17 s: 9 s for the order, 8 s until the number is there and set up.
    ///
    /// The order is sent once. The carrier has no idempotency key for orders, so sending again could buy twice; whoever
    /// settles an order in doubt asks with [`find`](Self::find). The reference is how the number is found again; `owner`
    /// is what it is tagged with, as [`configure`](Self::configure) says.
    pub async fn order(&self, number: &E164, reference: &PhoneNumberId, owner: &OrganizationId) -> Ordered {
        let answer = self.link.call(self.limits.order, |to| {
            let mut order = json!({
                "phone_numbers": [{ "phone_number": number.as_str() }],
                "customer_reference": reference.as_str(),
            });
            if let Some(connection) = to.connection() {
                order["connection_id"] = connection.into();
            }
            to.post(ORDERS).json(&order)
        });
        let answer = answer.await;
        let was_answered = answer.is_ok();
        match answers::placed(answer, reference) {
            Placed::No(refusal) if was_answered => self.refused(refusal, reference).await,
            Placed::No(refusal) => Ordered::No(refusal),
            Placed::InDoubt(source) => Ordered::InDoubt { order: None, source },
            Placed::Accepted { order, standing } => {
                let deadline = Instant::now() + self.limits.follow;
                match self.follow(&order, standing, number, reference, deadline).await {
                    Ordered::Yes(resource) => match self.set_up_by(deadline, &resource, owner).await {
                        Ok(()) => Ordered::Yes(resource),
                        // Ours, but not usable: whoever settles the order sets it up first.
                        Err(failure) => Ordered::InDoubt { order: Some(order), source: failure.into() },
                    },
                    other => other,
                }
            }
        }
    }

    /// An order that was doubled on its way is taken once and refused once, and only the refusal may reach us. So a
    /// refusal counts when the carrier lists no order under our reference. Where it refuses our account at both calls, it
    /// has taken nothing.
    async fn refused(&self, refusal: Refusal, reference: &PhoneNumberId) -> Ordered {
        let deadline = Instant::now() + self.limits.follow;
        let mut pauses = self.pauses(deadline);
        loop {
            let filter = by_reference(reference);
            let listed = self.link.call_quietly(self.question(deadline), |to| to.get(ORDERS).query(&filter)).await;
            match answers::orders(listed, reference) {
                Ok(orders) if orders.is_empty() => return Ordered::No(refusal),
                Ok(_) => {
                    let source = "the order was refused, and the carrier lists it".into();
                    return Ordered::InDoubt { order: None, source };
                }
                Err(failure) if failure.is_about_account() && !matches!(refusal, Refusal::Taken) => {
                    return Ordered::No(refusal);
                }
                Err(failure) if pauses.outlast(&failure) => pauses.next().await,
                Err(failure) => return Ordered::InDoubt { order: None, source: failure.into() },
            }
        }
    }

    /// Waits for an accepted order. A question that fails is asked again: it changes nothing at the carrier.
    async fn follow(
        &self,
        order: &CarrierOrderId,
        mut standing: Progress,
        number: &E164,
        reference: &PhoneNumberId,
        deadline: Instant,
    ) -> Ordered {
        let mut pauses = self.pauses(deadline);
        let mut obstacle: Option<domain::Cause> = None;
        loop {
            // A pending order was answered a moment ago, and a number that is not listed yet is not listed at once.
            if standing == Progress::Open || obstacle.is_some() {
                pauses.next().await;
            }
            let left = self.question(deadline);
            if left.is_zero() {
                let source = obstacle.unwrap_or_else(|| "the order is still pending".into());
                return Ordered::InDoubt { order: Some(order.clone()), source };
            }
            if standing == Progress::Open {
                match self.order_standing(order, left).await {
                    Ok(Some(Progress::Open)) => obstacle = None,
                    Ok(Some(news)) => (standing, obstacle) = (news, None),
                    Ok(None) => obstacle = Some("the carrier does not know the order yet".into()),
                    Err(failure) => obstacle = Some(failure.into()),
                }
            }
            match standing {
                Progress::Open => {}
                Progress::Failed => match self.orders(reference, self.question(deadline)).await {
                    // A list that lacks an order that we know of is behind, and may lack another one, too.
                    Ok(orders) if !orders.contains(order) => obstacle = Some("the order is not listed yet".into()),
                    Ok(orders) if orders.len() == 1 => return Ordered::No(Refusal::Taken),
                    // On its way the one that we sent became several. This one has failed; another may still deliver.
                    Ok(_) => {
                        return Ordered::InDoubt {
                            order: None,
                            source: "there are several orders for one number".into(),
                        };
                    }
                    Err(failure) => obstacle = Some(failure.into()),
                },
                Progress::Done => match self.owned(number, reference, self.question(deadline)).await {
                    Ok(Found::Ready(resource)) => return Ordered::Yes(resource),
                    Ok(Found::Preparing(_)) => obstacle = Some("the carrier is still preparing the number".into()),
                    Ok(Found::Absent) => obstacle = Some("the ordered number is not listed yet".into()),
                    Err(failure) => obstacle = Some(failure.into()),
                },
            }
        }
    }

    /// The orders that the carrier lists under our reference.
    async fn orders(&self, reference: &PhoneNumberId, limit: Duration) -> Result<Vec<CarrierOrderId>, Failure> {
        let filter = by_reference(reference);
        answers::orders(self.link.call(limit, |to| to.get(ORDERS).query(&filter)).await, reference)
    }

    async fn order_standing(&self, order: &CarrierOrderId, limit: Duration) -> Result<Option<Progress>, Failure> {
        let path = format!("{ORDERS}/{}", order.as_str());
        answers::standing(self.link.call(limit, |to| to.get(&path)).await, order)
    }

    /// How long one question may take where all of them end at `deadline`.
    fn question(&self, deadline: Instant) -> Duration {
        deadline.saturating_duration_since(Instant::now()).min(self.limits.question)
    }

    fn pauses(&self, deadline: Instant) -> Pauses {
        Pauses { next: self.limits.pause, longest: self.limits.longest_pause, deadline }
    }

    /// Sets an owned number up: routes it to the connection that the secret names, and tags it with the organization
    /// that it belongs to, so that the carrier's invoices can be told apart, and with this deployment, so that no other
    /// one takes it for an orphan of its own. Idempotent. At most 4 s.
    ///
    /// # Errors
    /// [`Error::CarrierUnavailable`] when the carrier has not confirmed it.
    pub async fn configure(&self, resource: &CarrierNumberId, owner: &OrganizationId) -> Result<()> {
        let done = self.set_up(resource, owner, self.limits.question).await;
        if let Err(failure) = &done
            && failure.is_unknown_number()
        {
            // Not what a purchase hears, which asks so soon that the carrier may not know its own number yet.
            tracing::error!(carrier.id = resource.as_str(), "the carrier lists a number that it cannot set up");
        }
        done.map_err(unavailable)
    }

    /// Sets up a number that was ordered a moment ago. What passes is tried again until `deadline`: the carrier may lag
    /// behind its own order, and a number that is not set up is not there for the customer.
    async fn set_up_by(
        &self,
        deadline: Instant,
        resource: &CarrierNumberId,
        owner: &OrganizationId,
    ) -> Result<(), Failure> {
        let mut pauses = self.pauses(deadline);
        loop {
            match self.set_up(resource, owner, self.question(deadline)).await {
                Err(failure) if failure.may_pass() && pauses.outlast(&failure) => pauses.next().await,
                outcome => return outcome,
            }
        }
    }

    async fn set_up(&self, resource: &CarrierNumberId, owner: &OrganizationId, limit: Duration) -> Result<(), Failure> {
        let path = format!("phone_numbers/{}", resource.as_str());
        let mut setup = Setup { resource, owner, here: &self.deployment, connection: None };
        let connection = &mut setup.connection;
        let answer = self.link.call(limit, |to| {
            let mut settings = json!({ "tags": [owner.as_str(), self.deployment.tag()] });
            if let Some(id) = to.connection() {
                settings["connection_id"] = id.into();
                *connection = Some(id.to_owned());
            }
            to.patch(&path).json(&settings)
        });
        let answer = answer.await;
        answers::configured(answer, &setup)
    }

    /// How the order that was sent under `reference` stands, and which order that is. `placed` is the order that is known
    /// to be ours. At most 4 s for each of two questions: the list of orders, and then the one order, because the list
    /// does not say how an order's numbers stand.
    ///
    /// # Errors
    /// [`Error::CarrierUnavailable`] when the carrier gives no usable answer.
    pub async fn standing(
        &self,
        reference: &PhoneNumberId,
        placed: Option<&CarrierOrderId>,
    ) -> Result<(OrderStanding, Option<CarrierOrderId>)> {
        let mut orders = self.orders(reference, self.limits.question).await.map_err(unavailable)?;
        // The list is behind at times, so an order that is known counts whether or not it is listed.
        let behind = placed.filter(|placed| !orders.contains(placed));
        orders.extend(behind.cloned());
        match <[CarrierOrderId; 1]>::try_from(orders) {
            Ok([order]) => {
                let standing = self.order_standing(&order, self.limits.question).await.map_err(unavailable)?;
                let standing = match standing {
                    // Neither in the list nor by its id: an answer has named an order that there is not.
                    None => OrderStanding::Unlisted,
                    Some(Progress::Done) => OrderStanding::Done,
                    // A list that lacks one order may lack another one, too, which delivers.
                    Some(Progress::Failed) if behind.is_some() => OrderStanding::Open,
                    Some(Progress::Failed) => OrderStanding::Failed,
                    Some(Progress::Open) => OrderStanding::Open,
                };
                Ok((standing, Some(order)))
            }
            Err(orders) if orders.is_empty() => Ok((OrderStanding::Unlisted, None)),
            Err(_) => Ok((OrderStanding::Several, None)),
        }
    }

    /// What the carrier lists of a number that was ordered under `reference`. At most 4 s.
    ///
    /// # Errors
    /// [`Error::CarrierUnavailable`] when the carrier gives no usable answer, or lists the number more than once.
    pub async fn find(&self, number: &E164, reference: &PhoneNumberId) -> Result<Found> {
        self.owned(number, reference, self.limits.question).await.map_err(unavailable)
    }

    /// What the carrier lists of a number whose order was refunded as never taken. Unlike [`find`](Self::find) it takes no
    /// number without a reference, which may be somebody else's purchase. At most 4 s.
    ///
    /// # Errors
    /// [`Error::CarrierUnavailable`] when the carrier gives no usable answer, or lists the number more than once.
    pub async fn find_late(&self, number: &E164, reference: &PhoneNumberId) -> Result<Found> {
        let answer = self.listed(number, reference, self.limits.question).await;
        answers::arrived_late(answer, number, reference).map_err(unavailable)
    }

    async fn owned(&self, number: &E164, reference: &PhoneNumberId, limit: Duration) -> Result<Found, Failure> {
        answers::owned(self.listed(number, reference, limit).await, number, reference)
    }

    async fn listed(&self, number: &E164, reference: &PhoneNumberId, limit: Duration) -> Result<Answer, Failure> {
        // The carrier matches digits anywhere in a number, and finds nothing when the filter has a plus sign.
        let filters = [("filter[phone_number]", number.digits()), ("filter[customer_reference]", reference.as_str())];
        self.link.call(limit, |to| to.get("phone_numbers").query(&filters)).await
    }

    /// Releases a number. At most 10 s.
    ///
    /// # Errors
    /// [`Error::CarrierUnavailable`] when the carrier has not said that the number is deleted; releasing again is safe.
    pub async fn release(&self, resource: &CarrierNumberId) -> Result<Release> {
        let path = format!("phone_numbers/{}", resource.as_str());
        let answer = self.link.call_quietly(self.limits.release, |to| to.delete(&path));
        answers::released(answer.await, resource).map_err(unavailable)
    }
}

/// Where orders are placed and listed.
const ORDERS: &str = "number_orders";

fn by_reference(reference: &PhoneNumberId) -> [(&'static str, &str); 1] {
    [("filter[customer_reference]", reference.as_str())]
}

/// Pauses between questions: each twice as long as the one before, and none goes beyond the deadline.
struct Pauses {
    next: Duration,
    longest: Duration,
    deadline: Instant,
}

impl Pauses {
    async fn next(&mut self) {
        sleep(self.next.min(self.left())).await;
        self.next = (self.next * 2).min(self.longest);
    }

    /// Whether there is time for another question, after as long a pause as the carrier has asked for.
    fn outlast(&mut self, failure: &Failure) -> bool {
        self.next = self.next.max(failure.retry_after().unwrap_or_default());
        self.next < self.left()
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

fn unavailable(failure: Failure) -> Error {
    match failure {
        Failure::Refused { retry_after: Some(retry_after), .. } => {
            Error::CarrierThrottled { retry_after, source: failure.into() }
        }
        failure => Error::CarrierUnavailable(failure.into()),
    }
}
