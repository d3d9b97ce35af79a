//! The DynamoDB single table: keys, items, conditions and transactions. One file for each entity.
//!
//! What it promises, it keeps by conditions and transactions, never by reading first: one owner for each phone
//! number, one number for each agent, credits that never go below zero, one ledger entry for each payment, and a
//! number whose row, claim, link and debit appear together or not at all.

mod agents;
mod api_keys;
mod audit;
mod batches;
mod books;
mod claims;
mod credits;
mod feed;
mod idempotency;
mod index;
mod item;
mod keys;
mod kyb;
mod kyb_decision;
mod kyb_erasure;
mod kyb_item;
mod kyb_notification;
mod late_orders;
mod number_item;
mod numbers;
mod optimistic;
mod orders;
mod organizations;
mod pages;
mod rates;
mod registrations;
mod renewals;
mod reviews;
mod schema;
mod sip_connections;
mod sweep;
mod transaction;
mod trouble;

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::config::retry::{ReconnectMode, RetryConfig};
use aws_sdk_dynamodb::operation::{put_item::PutItemError, update_item::UpdateItemError};
use aws_sdk_dynamodb::{Client, config};
use aws_types::SdkConfig;
use domain::{Clock, Error, Randomness, Result, SystemRandomness};
use item::{Item, key_attributes};
use keys::Key;
use runtime::Start;
use runtime::settings::SettingsError;
use serde::de::DeserializeOwned;
use transaction::Condition;
use trouble::{busy_or_fault, retrying};

pub use audit::{EventPage, FeedLink, RecordedEvent};
pub use books::{Books, Gap};
pub use credits::{Booked, Booking, LedgerLine, LedgerPage, LedgerPlace};
pub use feed::{FeedEvent, FeedFilter, FeedNumber, FeedPage, FeedSubject};
pub use idempotency::{Begun, Lease, RecordedAnswer};
pub use index::Due;
pub use kyb::Verification;
pub use numbers::{Filter, Page, View};
pub use rates::Rate;
pub use renewals::{DueOrganization, Heartbeat, RenewalOutcome, Renewed, RowChange, Rows};
pub use sweep::{Holder, Place};

/// The table, reachable. Cheap to clone.
#[derive(Clone)]
pub struct Table {
    client: Client,
    name: String,
    randomness: Arc<dyn Randomness>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Table({})", self.name)
    }
}

impl Table {
    /// The table of the deployment in which a function starts.
    ///
    /// # Errors
    /// A setting is missing or malformed.
    pub fn from_start(start: &Start) -> std::result::Result<Self, SettingsError> {
        let table = Self::new(&start.aws()?, start.settings.table_name()?, start.clock.clone());
        Ok(Self { randomness: start.randomness.clone(), ..table })
    }

    /// `clock` gives the time of customer events.
    #[must_use]
    pub fn new(config: &SdkConfig, name: String, clock: Arc<dyn Clock>) -> Self {
        let retries = RetryConfig::disabled().with_reconnect_mode(ReconnectMode::ReuseAllConnections);
        let config = config::Builder::from(config).retry_config(retries).build();
        Self { client: Client::from_conf(config), name, randomness: Arc::new(SystemRandomness), clock }
    }

    /// Opens a connection, so that the first caller does not wait for it. Made while a function starts, where an
    /// answer is not needed: whatever is wrong will show in the first real call.
    pub fn connect(&self) -> impl Future<Output = ()> + Send + 'static {
        let table = self.clone();
        async move {
            if let Err(error) = table.fetch(Key::nothing()).await {
                tracing::warn!(error.cause = %domain::chain(&error), "the table could not be reached while starting");
            }
        }
    }

    /// A token that nothing else has: 32 hexadecimal digits.
    fn token(&self) -> String {
        format!("{:032x}", self.randomness.draw())
    }

    /// One item, as it stands now.
    async fn fetch(&self, key: Key) -> Result<Option<Item>> {
        let call = self.client.get_item().table_name(&self.name).set_key(Some(key_attributes(key).into()));
        let call = call.consistent_read(true);
        Ok(retrying(|| call.clone().send()).await.map_err(busy_or_fault)?.item)
    }

    async fn get<T: DeserializeOwned>(&self, key: Key) -> Result<Option<T>> {
        self.fetch(key).await?.map(item::from_item).transpose()
    }

    async fn put(&self, item: Item) -> Result<()> {
        let call = self.client.put_item().table_name(&self.name).set_item(Some(item));
        retrying(|| call.clone().send()).await.map(drop).map_err(busy_or_fault)
    }

    /// True when written, false when the condition did not hold.
    async fn put_if(&self, item: Item, condition: &Condition) -> Result<bool> {
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(condition.expression())
            .set_expression_attribute_values(condition.values());
        match retrying(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(false)
            }
            Err(error) => Err(busy_or_fault(error)),
        }
    }

    /// Changes an item; `absent` is the error for a condition that does not hold.
    async fn update(
        &self,
        key: Key,
        expression: &str,
        condition: Condition,
        absent: impl FnOnce() -> Error,
    ) -> Result<()> {
        if self.update_if(key, expression, condition).await? { Ok(()) } else { Err(absent()) }
    }

    /// True when written, false when the condition did not hold.
    async fn update_if(&self, key: Key, expression: &str, condition: Condition) -> Result<bool> {
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key_attributes(key).into()))
            .update_expression(expression)
            .condition_expression(condition.expression())
            .set_expression_attribute_values(condition.values());
        match retrying(|| call.clone().send()).await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(busy_or_fault(error)),
        }
    }
}
