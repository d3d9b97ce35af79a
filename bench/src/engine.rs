//! The local run as a process of its own: table, carrier, and an organization with 100 numbers.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::runtime_api::Environment;

const NUMBERS: usize = 100;

pub(crate) struct Engine {
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) number: String,
    table: String,
    organization: String,
    variables: Environment,
    http: Client,
    process: Child,
    _data: TempDir,
}

impl Engine {
    pub(crate) async fn start(local: &str) -> io::Result<Self> {
        let data = TempDir::new()?;
        let process = Command::new(local)
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot start {local}: {error}")))?;
        let ready = wait_for(&data.path().join("ready.json")).await?;
        let variables: Value = serde_json::from_slice(&std::fs::read(data.path().join("env.json"))?)?;
        let organizations = ready["organizations"].as_array().cloned().unwrap_or_default();
        let verified = organizations.iter().find(|one| one["name"] == "verified").cloned().unwrap_or_default();
        let http = Client::builder().no_proxy().tls_certs_only([]).build().map_err(io::Error::other)?;
        let mut engine = Self {
            url: text(&ready["dynamoDbUrl"]),
            key: text(&verified["apiKey"]),
            number: String::new(),
            table: text(&ready["tableName"]),
            organization: text(&verified["id"]),
            variables: read_variables(&variables),
            http,
            process,
            _data: data,
        };
        engine.plant(&text(&ready["baseUrl"])).await?;
        Ok(engine)
    }

    /// The variables of a function; `bare` names the bare function's kind.
    pub(crate) fn environment(&self, bare: &str) -> Environment {
        let mut environment = self.variables.clone();
        let (partition, number) = (format!("ORG#{}", self.organization), format!("NUMBER#{}", self.number));
        let given = [
            ("AWS_REGION", "us-east-1"),
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
        let mut row = self.ask("GetItem", json!({ "Key": key })).await?["Item"].take();
        if row.is_null() {
            return Err(io::Error::other(format!("no row of what was bought: {bought}")));
        }
        let copies = (0..NUMBERS).map(|copy| format!("{}{copy:02}", &self.number[..self.number.len() - 2]));
        for id in copies.filter(|id| *id != self.number).take(NUMBERS - 1) {
            row["id"] = json!({ "S": id });
            row["SK"] = json!({ "S": format!("NUMBER#{id}") });
            self.ask("PutItem", json!({ "Item": row })).await?;
        }
        Ok(())
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

impl Drop for Engine {
    fn drop(&mut self) {
        // Both fail only where the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn json_of(request: reqwest::RequestBuilder) -> io::Result<Value> {
    let answer = request.send().await.map_err(io::Error::other)?;
    let status = answer.status();
    let text = answer.text().await.map_err(io::Error::other)?;
    if !status.is_success() {
        return Err(io::Error::other(format!("{status}: {text}")));
    }
    Ok(serde_json::from_str(&text)?)
}

async fn wait_for(file: &std::path::Path) -> io::Result<Value> {
    for _ in 0..300 {
        if let Ok(text) = std::fs::read(file) {
            return Ok(serde_json::from_slice(&text)?);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(io::Error::other("the local run does not start"))
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
