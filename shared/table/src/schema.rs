//! The table itself, for engines without a template: the local run and the tests.

use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use domain::{Error, Result};

use crate::Table;
use crate::keys::{
    DUE_INDEX, DUE_PROJECTION, EXPIRES_AT, NEXT_CHARGE_AT, ORGANIZATION_ID, PK, SK, WORK_DUE, WORK_INDEX, WORK_SHARD,
};
use crate::trouble::busy_or_fault;

impl Table {
    /// Creates the table, unless it is there already, and the indexes that a table of an earlier version lacks. In AWS the
    /// template does this.
    ///
    /// # Errors
    /// The engine refuses or does not answer.
    pub async fn create_if_absent(&self) -> Result<()> {
        // Asked first, because the engine warns of a table that is made twice.
        let tables = self.client.list_tables().send().await.map_err(busy_or_fault)?;
        if tables.table_names().contains(&self.name) {
            return self.add_missing_index().await;
        }
        let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        let work = index(WORK_INDEX, [WORK_SHARD, WORK_DUE], keys_only)?;
        let due = due_index()?;
        let created = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(
                [PK, SK, WORK_SHARD, WORK_DUE, ORGANIZATION_ID, NEXT_CHARGE_AT]
                    .map(text)
                    .into_iter()
                    .collect::<Result<_>>()?,
            ))
            .key_schema(element(PK, KeyType::Hash)?)
            .key_schema(element(SK, KeyType::Range)?)
            .global_secondary_indexes(work)
            .global_secondary_indexes(due)
            .send()
            .await;
        match created {
            Ok(_) => self.expire_items().await,
            Err(error) if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => {
                Ok(())
            }
            Err(error) => Err(busy_or_fault(error)),
        }
    }

    /// Tables of before there were renewals have no index `due`.
    async fn add_missing_index(&self) -> Result<()> {
        let described = self.client.describe_table().table_name(&self.name).send().await.map_err(busy_or_fault)?;
        let indexes = described.table.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
        if indexes.iter().any(|index| index.index_name() == Some(DUE_INDEX)) {
            return Ok(());
        }
        let due = due_index()?;
        let create = CreateGlobalSecondaryIndexAction::builder()
            .index_name(DUE_INDEX)
            .set_key_schema(Some(due.key_schema))
            .set_projection(due.projection)
            .build()
            .map_err(Error::internal)?;
        let call = self
            .client
            .update_table()
            .table_name(&self.name)
            .set_attribute_definitions(Some(
                [ORGANIZATION_ID, NEXT_CHARGE_AT].map(text).into_iter().collect::<Result<_>>()?,
            ))
            .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(create).build());
        call.send().await.map(drop).map_err(busy_or_fault)
    }

    async fn expire_items(&self) -> Result<()> {
        let expiry = TimeToLiveSpecification::builder()
            .attribute_name(EXPIRES_AT)
            .enabled(true)
            .build()
            .map_err(Error::internal)?;
        let call = self.client.update_time_to_live().table_name(&self.name).time_to_live_specification(expiry);
        call.send().await.map(drop).map_err(busy_or_fault)
    }
}

fn due_index() -> Result<GlobalSecondaryIndex> {
    let some = Projection::builder()
        .projection_type(ProjectionType::Include)
        .set_non_key_attributes(Some(DUE_PROJECTION.map(str::to_owned).into()))
        .build();
    index(DUE_INDEX, [ORGANIZATION_ID, NEXT_CHARGE_AT], some)
}

/// An attribute of keys, all of which are texts.
fn text(name: &str) -> Result<AttributeDefinition> {
    let text = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    text.build().map_err(Error::internal)
}

fn index(name: &str, [hash, range]: [&str; 2], projection: Projection) -> Result<GlobalSecondaryIndex> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(element(hash, KeyType::Hash)?)
        .key_schema(element(range, KeyType::Range)?)
        .projection(projection)
        .build()
        .map_err(Error::internal)
}

fn element(name: &str, kind: KeyType) -> Result<KeySchemaElement> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(Error::internal)
}
