//! Queries. DynamoDB answers them in pages, of a megabyte or of the query's own limit.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{OrganizationId, Result};

use crate::Table;
use crate::item::Item;
use crate::keys::{SK, partition};
use crate::trouble::{busy_or_fault, retrying};

/// A filtered answer reads no more than so many pages, of a megabyte each, whatever it finds there.
const PAGES_LIMIT: usize = 25;

/// A query and how far it has been read. A page is read when it is asked for, so whoever has enough just stops.
pub(crate) struct Pages {
    query: QueryFluentBuilder,
    /// The key of the last item that was read.
    after: Option<Item>,
    over: bool,
}

impl Pages {
    /// Begins after the item with this key, which has the attributes of the index where the query reads one; at the
    /// beginning when it is `None`.
    pub(crate) const fn of(query: QueryFluentBuilder, after: Option<Item>) -> Self {
        Self { query, after, over: false }
    }

    /// The next page; `None` after the last one. A page may be empty and not the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Item>>> {
        self.read(self.query.clone()).await
    }

    /// The sort key of the last item that was read, whether or not a filter has left it; `None` after the last page.
    pub(crate) fn position(&self) -> Option<String> {
        self.after.as_ref()?.get(SK)?.as_s().ok().cloned()
    }

    /// True once the last page was read. A page is the last one when DynamoDB says so, not when it is short.
    pub(crate) const fn is_over(&self) -> bool {
        self.over
    }

    /// At most `limit` items, and whether more of them were read. Reading stops after 25 MB, which a filter may have passed over:
    /// then [`position`](Self::position) tells where to go on.
    pub(crate) async fn up_to(&mut self, limit: usize) -> Result<(Vec<Item>, bool)> {
        let (mut items, mut read) = (Vec::new(), 0);
        while items.len() <= limit
            && read < PAGES_LIMIT
            && let Some(page) = self.next().await?
        {
            items.extend(page);
            read += 1;
        }
        let more = items.len() > limit;
        items.truncate(limit);
        Ok((items, more))
    }

    /// The rest.
    pub(crate) async fn all(mut self) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        while let Some(page) = self.next().await? {
            items.extend(page);
        }
        Ok(items)
    }

    /// The rest, at most `limit` items. DynamoDB is told the limit and reads no more than that.
    pub(crate) async fn at_most(mut self, limit: usize) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        while items.len() < limit {
            let wanted = i32::try_from(limit - items.len()).unwrap_or(i32::MAX);
            let Some(page) = self.read(self.query.clone().limit(wanted)).await? else { break };
            items.extend(page);
        }
        Ok(items)
    }

    async fn read(&mut self, query: QueryFluentBuilder) -> Result<Option<Vec<Item>>> {
        if self.over {
            return Ok(None);
        }
        let query = query.set_exclusive_start_key(self.after.take());
        let page = retrying(|| query.clone().send()).await.map_err(busy_or_fault)?;
        self.over = page.last_evaluated_key.is_none();
        self.after = page.last_evaluated_key;
        Ok(Some(page.items.unwrap_or_default()))
    }
}

impl Table {
    /// A query for a partition's items whose sort keys start with `prefix`, as they stand now.
    pub(crate) fn prefixed(&self, partition: String, prefix: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(partition))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
    }

    /// Every item of an organization whose sort key starts with `prefix`, in the order of their keys.
    pub(crate) async fn query_all(&self, organization: &OrganizationId, prefix: &str) -> Result<Vec<Item>> {
        Pages::of(self.prefixed(partition(organization), prefix), None).all().await
    }
}
