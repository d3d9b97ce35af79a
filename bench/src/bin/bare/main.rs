//! The bare function: only the calls to the table that a route cannot avoid, with no rules and no key to check.

#![expect(clippy::disallowed_methods, reason = "these variables are the measurement's, not a function's settings")]

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, TransactWriteItem, Update};
use lambda_runtime::{LambdaEvent, service_fn};
use runtime::settings::Settings;
use runtime::{Error, Start};
use serde_json::{Value, json};

type Key = HashMap<String, AttributeValue>;

/// What the function reads and writes, as its environment says.
struct Bare {
    client: Client,
    kind: String,
    table: String,
    partition: String,
    number: String,
}

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve())
}

async fn serve() -> Result<(), Error> {
    let settings = Settings::from_env();
    let bare = Bare {
        kind: std::env::var("BARE")?,
        table: std::env::var("TABLE_NAME")?,
        partition: std::env::var("PARTITION")?,
        number: std::env::var("NUMBER")?,
        client: Client::new(&Start::in_lambda(settings).aws()?),
    };
    let bare = &bare;
    lambda_runtime::run(service_fn(|_: LambdaEvent<Value>| bare.answer())).await
}

impl Bare {
    async fn answer(&self) -> Result<Value, Error> {
        match self.kind.as_str() {
            "one" => self.read_one().await?,
            "get" => self.read_batch().await?,
            "list" => {
                self.read_all().await?;
                self.read_batch().await?;
            }
            "patch" => {
                tokio::try_join!(self.read_batch(), self.count())?;
                self.write().await?;
            }
            other => return Err(format!("BARE is {other}").into()),
        }
        Ok(json!({ "statusCode": 200, "headers": { "content-type": "application/json" }, "body": "{}" }))
    }

    fn key(&self, sort: &str) -> Key {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([("PK".to_owned(), text(&self.partition)), ("SK".to_owned(), text(sort))])
    }

    async fn read_one(&self) -> Result<(), Error> {
        let key = Some(self.key(&self.number));
        self.client.get_item().table_name(&self.table).set_key(key).consistent_read(true).send().await?;
        Ok(())
    }

    async fn read_batch(&self) -> Result<(), Error> {
        let keys = [self.number.as_str(), "ORG", "CREDITS"].map(|sort| self.key(sort)).to_vec();
        let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build()?;
        self.client.batch_get_item().request_items(&self.table, keys).send().await?;
        Ok(())
    }

    async fn read_all(&self) -> Result<(), Error> {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("PK = :p AND begins_with(SK, :s)")
            .expression_attribute_values(":p", AttributeValue::S(self.partition.clone()))
            .expression_attribute_values(":s", AttributeValue::S("NUMBER#".to_owned()))
            .consistent_read(true)
            .limit(100)
            .scan_index_forward(false)
            .send()
            .await?;
        Ok(())
    }

    async fn count(&self) -> Result<(), Error> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(self.key("BENCH#COUNTER")))
            .update_expression("ADD n :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await?;
        Ok(())
    }

    async fn write(&self) -> Result<(), Error> {
        let writes = ["BENCH#NUMBER", "BENCH#EVENT", "BENCH#FEED"].map(|sort| self.update(sort));
        let writes = writes.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.client.transact_write_items().set_transact_items(Some(writes)).send().await?;
        Ok(())
    }

    fn update(&self, sort: &str) -> Result<TransactWriteItem, Error> {
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(self.key(sort)))
            .update_expression("ADD n :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .build()?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
