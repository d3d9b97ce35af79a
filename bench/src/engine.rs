//! The local run as a process of its own: table, carrier, and an organization with 100 numbers.

use std::io;
use std::ops::Range;
use std::time::Duration;

use bench::local_run::{self, LocalRun, json_of};
use reqwest::Client;
use serde_json::{Value, json};

use crate::runtime_api::Environment;

const NUMBERS: u32 = 100;

/// An organization and a key of its own.
pub(crate) struct Tenant {
    pub(crate) id: String,
    pub(crate) key: String,
}

pub(crate) struct Engine {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) number: String,
    /// An organization without numbers, for those that are planted later.
    pub(crate) second: Tenant,
    /// The row that all planted numbers are copies of.
    row: Value,
    table: String,
    organization: String,
    variables: Environment,
    http: Client,
    _run: LocalRun,
}

impl Engine {
    pub(crate) async fn start(local: &str) -> io::Result<Self> {
        let run = LocalRun::start(local).await?;
        let ready = &run.ready;
        let variables: Value = serde_json::from_slice(&std::fs::read(run.file("env.json"))?)?;
        let (verified, second) = (tenant(ready, "verified"), tenant(ready, "broke"));
        let base_url = text(&ready["baseUrl"]);
        let mut engine = Self {
            url: text(&ready["dynamoDbUrl"]),
            key: verified.key,
            number: String::new(),
            second,
            row: Value::Null,
            table: text(&ready["tableName"]),
            organization: verified.id,
            variables: read_variables(&variables),
            http: local_run::client()?,
            _run: run,
        };
        engine.plant(&base_url).await?;
        Ok(engine)
    }

    /// The variables of a function; `bare` names the bare function's kind.
    pub(crate) fn environment(&self, bare: &str) -> Environment {
        let mut environment = self.variables.clone();
        let (partition, number) = (format!("ORG#{}", self.organization), format!("NUMBER#{}", self.number));
        let given = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("TABLE_NAME", self.table.as_str()),
            ("LOG_LEVEL", "info"),
            ("BARE", bare),
            ("PARTITION", partition.as_str()),
            ("NUMBER", number.as_str()),
        ];
        environment.extend(given.map(|(name, value)| (name.to_owned(), value.to_owned())));
        environment
    }

    /// Buys one number through the API, and copies its row until there are a hundred.
    async fn plant(&mut self, base_url: &str) -> io::Result<()> {
        let url = format!("{base_url}/v1/phone-numbers");
        let search = self.http.get(format!("{url}/available?areaCode=415&limit=1")).bearer_auth(&self.key);
        let found = json_of(search).await?.to_string();
        let begin = found.find("+1").ok_or_else(|| io::Error::other(format!("nothing to buy: {found}")))?;
        let order = self.http.post(&url).bearer_auth(&self.key).json(&json!({ "e164": &found[begin..begin + 12] }));
        let bought = json_of(order).await?;
        self.number = text(&bought["id"]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let key = json!({
            "PK": { "S": format!("ORG#{}", self.organization) }, "SK": { "S": format!("NUMBER#{}", self.number) },
        });
        self.row = self.ask("GetItem", json!({ "Key": key })).await?["Item"].take();
        if self.row.is_null() {
            return Err(io::Error::other(format!("no row of what was bought: {bought}")));
        }
        let ids = (0..NUMBERS).map(|copy| self.copy_id(copy)).filter(|id| *id != self.number);
        for id in ids.take(NUMBERS as usize - 1) {
            self.plant_copy(&self.organization, &id).await?;
        }
        Ok(())
    }

    /// Gives the second organization these of its numbers.
    pub(crate) async fn plant_more(&self, copies: Range<u32>) -> io::Result<()> {
        for copy in copies {
            self.plant_copy(&self.second.id, &self.copy_id(copy)).await?;
        }
        Ok(())
    }

    /// The id of a planted number: digits are letters of such ids, too.
    pub(crate) fn copy_id(&self, copy: u32) -> String {
        format!("{}{copy:04}", &self.number[..self.number.len() - 4])
    }

    async fn plant_copy(&self, organization: &str, id: &str) -> io::Result<()> {
        let mut row = self.row.clone();
        row["PK"] = json!({ "S": format!("ORG#{organization}") });
        row["SK"] = json!({ "S": format!("NUMBER#{id}") });
        row["id"] = json!({ "S": id });
        row["organizationId"] = json!({ "S": organization });
        self.ask("PutItem", json!({ "Item": row })).await.map(drop)
    }

    /// Gives the organization credits for any number of purchases.
    pub(crate) async fn fund(&self) -> io::Result<()> {
        let key = json!({ "PK": { "S": format!("ORG#{}", self.organization) }, "SK": { "S": "CREDITS" } });
        let more = json!({ ":more": { "N": "10000000000" } });
        let update = json!({
            "Key": key, "UpdateExpression": "ADD balanceMicroUsd :more", "ExpressionAttributeValues": more,
        });
        self.ask("UpdateItem", update).await.map(drop)
    }

    /// Forgets how much the organization has done this minute, so that its limits do not stop the run.
    pub(crate) async fn forget_rates(&self) -> io::Result<()> {
        let partition = json!({ ":p": { "S": format!("RATE#{}", self.organization) } });
        let query = json!({ "KeyConditionExpression": "PK = :p", "ExpressionAttributeValues": partition });
        let found = self.ask("Query", query).await?;
        for item in found["Items"].as_array().into_iter().flatten() {
            self.ask("DeleteItem", json!({ "Key": { "PK": item["PK"], "SK": item["SK"] } })).await?;
        }
        Ok(())
    }

    async fn ask(&self, operation: &str, mut body: Value) -> io::Result<Value> {
        body["TableName"] = self.table.clone().into();
        let call = self.http.post(&self.url).header("content-type", "application/x-amz-json-1.0");
        let call = call.header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
        let call = call.header("x-amz-date", "20260101T000000Z").header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, \
             Signature=none",
        );
        json_of(call.body(body.to_string())).await
    }
}

fn tenant(ready: &Value, name: &str) -> Tenant {
    let organizations = ready["organizations"].as_array().cloned().unwrap_or_default();
    let found = organizations.iter().find(|one| one["name"] == name).cloned().unwrap_or_default();
    Tenant { id: text(&found["id"]), key: text(&found["apiKey"]) }
}

/// The variables of all functions together: each reads only its own.
fn read_variables(variables: &Value) -> Environment {
    let functions = variables.as_object().into_iter().flat_map(|functions| functions.values());
    let all = functions.filter_map(Value::as_object).flatten().filter(|(name, _)| *name != "ENTRANCE");
    all.map(|(name, value)| (name.clone(), text(value))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
