//! Several writes that happen together or not at all.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem, Update};
use domain::feed::LISTED_AFTER;
use domain::{Error, Result};
use tokio::time::Instant;

use crate::Table;
use crate::item::{Item, key_attributes};
use crate::keys::{Key, PK};
use crate::trouble::{Patience, Trouble, busy_or_fault};

/// What has to hold for one write, and the values that its text names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Condition {
    text: String,
    values: Vec<(&'static str, AttributeValue)>,
}

impl Condition {
    /// The item is not there yet.
    pub(crate) fn absent() -> Self {
        Self { text: format!("attribute_not_exists({PK})"), values: Vec::new() }
    }

    pub(crate) fn present() -> Self {
        Self { text: format!("attribute_exists({PK})"), values: Vec::new() }
    }

    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// This and something else has to hold.
    pub(crate) fn and(mut self, text: &str) -> Self {
        self.text = format!("{} AND {text}", self.text);
        self
    }

    pub(crate) fn text(mut self, name: &'static str, value: &str) -> Self {
        self.values.push((name, AttributeValue::S(value.to_owned())));
        self
    }

    pub(crate) fn number(mut self, name: &'static str, value: impl Into<i128>) -> Self {
        self.values.push((name, AttributeValue::N(value.into().to_string())));
        self
    }

    pub(crate) fn value(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }

    pub(crate) fn flag(mut self, name: &'static str, value: bool) -> Self {
        self.values.push((name, AttributeValue::Bool(value)));
        self
    }

    pub(crate) fn expression(&self) -> &str {
        &self.text
    }

    pub(crate) fn values(&self) -> Option<Item> {
        let values: Item = self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        (!values.is_empty()).then_some(values)
    }
}

/// No try of a transaction begins as late as this, and none takes longer than 10 s, so its customer event is
/// committed well before the feed lists it.
const LAST_TRY_BEGINS_WITHIN: Duration = Duration::from_secs(15);
const _: () = assert!(LAST_TRY_BEGINS_WITHIN.as_secs() + 10 < LISTED_AFTER.as_secs());

/// The most writes that DynamoDB takes in one transaction.
pub(crate) const TRANSACTION_STEPS: usize = 100;

/// How a transaction ended that was not refused as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Committed,
    /// Nothing was written: the conditions under these names did not hold.
    Refused(Vec<&'static str>),
}

/// Writes in the making, each under a name by which a failed condition is told.
pub(crate) struct Transaction<'a> {
    pub(crate) table: &'a Table,
    steps: Vec<(&'static str, TransactWriteItem)>,
}

impl<'a> Transaction<'a> {
    pub(crate) const fn on(table: &'a Table) -> Self {
        Self { table, steps: Vec::new() }
    }

    pub(crate) fn put(mut self, name: &'static str, item: Item, condition: &Condition) -> Result<Self> {
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression(&condition.text)
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(Error::internal)?;
        self.steps.push((name, TransactWriteItem::builder().put(put).build()));
        Ok(self)
    }

    /// An empty condition always holds.
    pub(crate) fn delete(mut self, name: &'static str, key: Key, condition: &Condition) -> Result<Self> {
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(key_attributes(key).into()))
            .set_condition_expression(Some(condition.text.clone()).filter(|text| !text.is_empty()))
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(Error::internal)?;
        self.steps.push((name, TransactWriteItem::builder().delete(delete).build()));
        Ok(self)
    }

    pub(crate) fn check(mut self, name: &'static str, key: Key, condition: &Condition) -> Result<Self> {
        let check = ConditionCheck::builder()
            .table_name(&self.table.name)
            .set_key(Some(key_attributes(key).into()))
            .condition_expression(&condition.text)
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(Error::internal)?;
        self.steps.push((name, TransactWriteItem::builder().condition_check(check).build()));
        Ok(self)
    }

    /// `condition` also holds the values that `expression` names; an empty condition always holds.
    pub(crate) fn update(
        mut self,
        name: &'static str,
        key: Key,
        expression: &str,
        condition: &Condition,
    ) -> Result<Self> {
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(key_attributes(key).into()))
            .update_expression(expression)
            .set_condition_expression(Some(condition.text.clone()).filter(|text| !text.is_empty()))
            .set_expression_attribute_values(condition.values())
            .build()
            .map_err(Error::internal)?;
        self.steps.push((name, TransactWriteItem::builder().update(update).build()));
        Ok(self)
    }

    /// Writes everything, or nothing.
    ///
    /// All tries carry one token, under which DynamoDB carries a transaction out once (for ten minutes), so a try
    /// whose answer was lost is not repeated. While a conflict or a throttle hides the verdict on any of the steps,
    /// the whole is tried again, because the verdict that callers are told of first may be among the hidden.
    ///
    /// # Errors
    /// [`Error::Busy`] when contention lasts or the table cannot be reached.
    pub(crate) async fn commit(self) -> Result<Outcome> {
        let (names, items): (Vec<_>, Vec<_>) = self.steps.into_iter().unzip();
        let call = self
            .table
            .client
            .transact_write_items()
            .set_transact_items(Some(items))
            .client_request_token(self.table.token());
        let (mut patience, began) = (Patience::new(), Instant::now());
        loop {
            let Err(error) = Box::pin(call.clone().send()).await else { return Ok(Outcome::Committed) };
            let (trouble, failed) = match Failure::of(&error, &names) {
                Failure::Refused(failed) => return Ok(Outcome::Refused(failed)),
                Failure::Contended(failed) => (Trouble::Contention, failed),
                Failure::Unavailable(trouble) => (trouble, Vec::new()),
            };
            if began.elapsed() >= LAST_TRY_BEGINS_WITHIN || !patience.allows(trouble).await {
                return if failed.is_empty() { Err(contended(error)) } else { Ok(Outcome::Refused(failed)) };
            }
        }
    }
}

/// A cancelled transaction has no code of its own that says why.
fn contended(error: SdkError<TransactWriteItemsError>) -> Error {
    match Failure::of(&error, &[]) {
        Failure::Contended(_) => Error::Busy("DynamoDB: transactions keep conflicting".into()),
        Failure::Refused(_) | Failure::Unavailable(_) => busy_or_fault(error),
    }
}

enum Failure {
    Refused(Vec<&'static str>),
    /// Some steps met contention; these others are known to have failed.
    Contended(Vec<&'static str>),
    Unavailable(Trouble),
}

impl Failure {
    fn of(error: &SdkError<TransactWriteItemsError>, names: &[&'static str]) -> Self {
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Self::Unavailable(Trouble::of(error));
        };
        let reasons = cancelled.cancellation_reasons();
        let codes = || reasons.iter().map(|reason| reason.code().unwrap_or("None"));
        let failed: Vec<_> = names
            .iter()
            .zip(codes())
            .filter_map(|(name, code)| (code == "ConditionalCheckFailed").then_some(*name))
            .collect();
        if codes().any(|code| code == "ValidationError") {
            Self::Unavailable(Trouble::Fault)
        } else if codes().all(|code| matches!(code, "None" | "ConditionalCheckFailed")) && !failed.is_empty() {
            Self::Refused(failed)
        } else {
            Self::Contended(failed)
        }
    }
}
