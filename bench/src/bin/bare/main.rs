//! The bare function: only the calls that a route cannot avoid, with no rules and no key to check.

#![expect(clippy::disallowed_methods, reason = "these variables are the measurement's, not a function's settings")]

mod carrier;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, TransactWriteItem, Update};
use lambda_runtime::{LambdaEvent, service_fn};
use runtime::settings::Settings;
use runtime::{Error, Start};
use serde_json::{Value, json};

use carrier::Carrier;

type Key = HashMap<String, AttributeValue>;

/// What the function reads and writes, as its environment says.
struct Bare {
    client: Client,
    /// Only where numbers are bought or released.
    carrier: Option<Carrier>,
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
    let kind = std::env::var("BARE")?;
    let trades = matches!(kind.as_str(), "buy" | "release");
    let bare = Bare {
        carrier: trades.then(Carrier::from_env).transpose()?,
        kind,
        table: std::env::var("TABLE_NAME")?,
        partition: std::env::var("PARTITION")?,
        number: std::env::var("NUMBER")?,
        client: Client::new(&Start::in_lambda(settings).aws()?),
    };
    let bare = &bare;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| bare.answer(event.payload))).await
}

impl Bare {
    async fn answer(&self, event: Value) -> Result<Value, Error> {
        let mut body = json!({});
        match self.kind.as_str() {
            "one" => self.read_one().await?,
            "get" => self.read_batch().await?,
            "list" => {
                self.read_all().await?;
                self.read_batch().await?;
            }
            "patch" => {
                tokio::try_join!(self.read_batch(), self.count())?;
                self.write(&["NUMBER", "EVENT", "FEED"]).await?;
            }
            "buy" => body = json!({ "id": self.buy(&event).await? }),
            "release" => self.release(&event).await?,
            other => return Err(format!("BARE is {other}").into()),
        }
        Ok(json!({ "statusCode": 200, "headers": { "content-type": "application/json" }, "body": body.to_string() }))
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

    /// Between the two transactions, the carrier's calls.
    async fn buy(&self, event: &Value) -> Result<String, Error> {
        let body: Value = serde_json::from_str(event["body"].as_str().unwrap_or_default())?;
        let (carrier, e164) = (self.carrier()?, body["e164"].as_str().ok_or("the event names no number")?);
        tokio::try_join!(self.read_batch(), self.count())?;
        carrier.search(e164).await?;
        self.write(&["ORG", "CLAIM", "NUMBER", "EVENT", "CREDITS", "LEDGER"]).await?;
        let id = carrier.order(e164).await?;
        self.write(&["NUMBER", "EVENT", "FEED"]).await?;
        Ok(id)
    }

    async fn release(&self, event: &Value) -> Result<(), Error> {
        let id = event["pathParameters"]["id"].as_str().ok_or("the event names no number")?;
        self.read_one().await?;
        self.write(&["NUMBER", "EVENT"]).await?;
        self.carrier()?.release(id).await?;
        self.write(&["NUMBER", "CLAIM", "EVENT", "FEED"]).await
    }

    fn carrier(&self) -> Result<&Carrier, Error> {
        self.carrier.as_ref().ok_or_else(|| "there is no carrier".into())
    }

    /// One transaction, with one update for each name.
    async fn write(&self, names: &[&str]) -> Result<(), Error> {
        let writes = names.iter().map(|name| self.update(&format!("BENCH#{name}"))).collect::<Result<Vec<_>, _>>()?;
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
