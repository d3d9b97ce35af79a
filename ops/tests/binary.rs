//! The real binary: against the local run's ready file, and against AWS as the environment or a profile names it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use domain::number::Routing;
use domain::{Clock, PhoneNumberId, Timestamp};
use serde_json::{Value, json};
use tests::TestApp;
use tests::dynamo::passed_on;
use tests::faults::forward;
use tests::permission::{Permission, differences, granted, needs};
use tests::stack::{Stack, repository};

type Environment = BTreeMap<&'static str, String>;

thread_local! {
    /// The command lines that this test has run.
    static RAN: RefCell<Vec<String>> = RefCell::default();
}

/// The operator, as audit events name them.
const NAME_IN_AWS: &str = "assumed-role/Operators/grace@example.com";

const DEAD_LETTERS_ARN: &str = "arn:aws:sqs:us-east-1:1:NotificationsDeadLetterQueue";

/// AWS, as far as the commands call it. Remembers each call.
#[derive(Clone)]
struct Cloud(Arc<Inner>);

struct Inner {
    engine_url: String,
    queue_url: String,
    http: reqwest::Client,
    calls: Mutex<Vec<(String, Value)>>,
}

impl Cloud {
    /// The table and the queue are those of `app`.
    fn around(app: &TestApp) -> Self {
        Self(Arc::new(Inner {
            engine_url: app.dynamo.url().to_owned(),
            queue_url: format!("{}/", app.bundle.queues_url),
            http: reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap(),
            calls: Mutex::default(),
        }))
    }

    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    /// The calls of one operation, oldest first.
    fn calls(&self, operation: &str) -> Vec<Value> {
        let calls = self.0.calls.lock().unwrap();
        calls.iter().filter(|(name, _)| name == operation).map(|(_, body)| body.clone()).collect()
    }

    /// What all calls so far have to be allowed.
    fn needed(&self) -> BTreeSet<Permission> {
        self.0.calls.lock().unwrap().iter().flat_map(|(operation, body)| needs(operation, body)).collect()
    }
}

async fn answer(State(cloud): State<Cloud>, headers: HeaderMap, bytes: Bytes) -> Response {
    let Some(operation) = headers.get("x-amz-target") else { return identity(&bytes) };
    let operation = operation.to_str().unwrap().to_owned();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    let forward_to = |url: &str| forward(passed_on(&cloud.0.http, url, &headers, bytes.clone()));
    cloud.0.calls.lock().unwrap().push((operation.clone(), body.clone()));
    let before = cloud.calls(&operation).len() - 1;
    let letter = r#"{"organizationId":"org_1","submissionId":"kyb_1"}"#;
    Json(match operation.as_str() {
        operation if operation.starts_with("DynamoDB_20120810.") => {
            return forward_to(&cloud.0.engine_url).await;
        }
        "AmazonSQS.SendMessage" => return forward_to(&cloud.0.queue_url).await,
        "secretsmanager.GetSecretValue" if body["SecretId"] == "TelnyxSecret" => {
            json!({ "SecretString": r#"{"apiKey":"sandbox"}"# })
        }
        "secretsmanager.GetSecretValue" => {
            json!({ "SecretString": r#"{"botToken":"xoxb-sandbox","channel":"C0SANDBOX"}"# })
        }
        "AmazonSQS.ReceiveMessage" if before == 0 => json!({ "Messages": [{
            "MessageId": "m1", "ReceiptHandle": "handle 1", "Body": letter,
            "Attributes": { "SentTimestamp": "1784000000000", "ApproximateReceiveCount": "9" },
        }, { "MessageId": "m2", "ReceiptHandle": "handle 2", "Body": "not JSON" }] }),
        "AmazonSQS.GetQueueAttributes" => json!({ "Attributes": {
            "QueueArn": DEAD_LETTERS_ARN, "ApproximateNumberOfMessages": "2",
        } }),
        "AmazonSQS.StartMessageMoveTask" => json!({ "TaskHandle": "task" }),
        "AmazonSQS.ListMessageMoveTasks" => {
            let status = if before == 0 { "RUNNING" } else { "COMPLETED" };
            json!({ "Results": [{ "Status": status, "ApproximateNumberOfMessagesMoved": before + 1 }] })
        }
        _ => json!({}),
    })
    .into_response()
}

/// Who calls, as STS says it.
fn identity(body: &[u8]) -> Response {
    assert_eq!(std::str::from_utf8(body).unwrap(), "Action=GetCallerIdentity&Version=2011-06-15");
    let arn = format!("arn:aws:sts::123456789012:{NAME_IN_AWS}");
    let result = format!("<GetCallerIdentityResult><Arn>{arn}</Arn></GetCallerIdentityResult>");
    format!("<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>").into_response()
}

/// A deployed account with `app` in it, and what the environment of an operator's shell says of it. Resources are called
/// what the template calls them.
async fn deployed(app: &TestApp) -> (Cloud, Environment) {
    let cloud = Cloud::around(app);
    let environment = BTreeMap::from([
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_ENDPOINT_URL", cloud.start().await),
        ("TABLE_NAME", app.bundle.table_name.to_owned()),
        ("TELNYX_URL", app.bundle.carrier_url.clone()),
        ("TELNYX_SECRET_ARN", "TelnyxSecret".to_owned()),
        ("SLACK_URL", format!("{}/api", app.bundle.slack_url)),
        ("SLACK_SECRET_ARN", "SlackSecret".to_owned()),
        ("NOTIFICATIONS_QUEUE_URL", "http://sqs/1/NotificationsQueue".to_owned()),
        ("NOTIFICATIONS_DEAD_LETTER_QUEUE_URL", "http://sqs/1/NotificationsDeadLetterQueue".to_owned()),
    ]);
    (cloud, environment)
}

/// Runs the binary with these variables and none of this process's own. Somewhere else, because this thread serves what
/// it calls.
async fn ops(environment: &Environment, line: &str, input: &str) -> Output {
    RAN.with_borrow_mut(|ran| ran.push(line.to_owned()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ops"));
    command.env_clear().envs(environment).args(line.split_whitespace());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let input = input.to_owned();
    let run = move || {
        let mut process = command.spawn().unwrap();
        // A command that asks nothing has ended before it reads.
        let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
        process.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// The JSON of a command that is done.
async fn done(environment: &Environment, line: &str) -> Value {
    let ended = ops(environment, &format!("{line} --json"), "").await;
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{line}: {errors}");
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// The one sentence with which a command was refused.
async fn refused(environment: &Environment, line: &str) -> String {
    let ended = ops(environment, line, "").await;
    assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(1), [].as_slice()), "{line}");
    let errors = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(errors.trim_end().lines().count(), 1, "{line}: {errors}");
    errors
}

/// Makes a number older, for the binary has the machine's clock.
async fn a_day_ago(app: &TestApp, id: &PhoneNumberId) {
    let of_number = |item: &Value| item["SK"]["S"] == format!("NUMBER#{id}");
    let row = app.items().await.into_iter().find(of_number).unwrap();
    let day = Timestamp::from_millis(app.clock.now().millis() - 24 * 60 * 60 * 1000).to_string();
    let update = json!({
        "TableName": app.bundle.table_name, "Key": { "PK": row["PK"], "SK": row["SK"] },
        "UpdateExpression": "SET createdAt = :day", "ExpressionAttributeValues": { ":day": { "S": day } },
    });
    app.dynamo.ask("UpdateItem", &update).await;
}

/// Moves a number's purchase two months back, and takes the credits away that it would be paid from.
async fn unpaid_for_months(app: &TestApp, id: &str) {
    app.take_all("all").await;
    let created = app.clock.now().minus(std::time::Duration::from_hours(70 * 24));
    let due = created.months_later(1);
    let update = json!({
        "TableName": app.bundle.table_name,
        "Key": { "PK": { "S": format!("ORG#{}", app.organization) }, "SK": { "S": format!("NUMBER#{id}") } },
        "UpdateExpression": "SET createdAt = :created, nextChargeAt = :due, workDue = :work",
        "ExpressionAttributeValues": {
            ":created": { "S": created.to_string() }, ":due": { "S": due.to_string() },
            ":work": { "S": format!("{due}#{id}") },
        },
    });
    app.dynamo.ask("UpdateItem", &update).await;
}

#[tokio::test]
async fn every_command_works_in_a_deployed_account_with_just_what_the_operators_policy_allows() {
    let clouds = [customers_and_numbers().await, verifications().await, dead_letters().await];
    let needed = clouds.iter().flat_map(Cloud::needed).collect();
    let granted = granted(&Stack::built_in().properties("OperatorPolicy")["PolicyDocument"]);
    assert_eq!(differences("ops", &granted, &needed), Vec::<String>::new());

    let ran = RAN.with_borrow(Clone::clone);
    let mut commands = commands().await;
    assert!(commands.len() > 30, "{commands:?}");
    // A deployed account has no clock to move.
    commands
        .retain(|command| !command.starts_with("clock ") && !ran.iter().any(|line| line.starts_with(command.as_str())));
    assert_eq!(commands, Vec::<String>::new(), "commands that were not run here");
}

#[tokio::test]
async fn every_command_that_the_documentation_names_is_there() {
    let commands = commands().await;
    let nouns: BTreeSet<&str> = commands.iter().filter_map(|command| command.split(' ').next()).collect();
    let mut named = BTreeSet::new();
    for file in ["README.md", "docs/operating.md", "docs/buying-and-releasing.md"] {
        let text = std::fs::read_to_string(repository().join(file)).unwrap();
        for mention in text.split("ops ").skip(1) {
            let words: Vec<&str> = mention.split_whitespace().filter(|word| !word.starts_with('-')).take(2).collect();
            let [noun, verb] = words.as_slice() else { continue };
            if nouns.contains(noun) {
                named.insert(format!("{noun} {}", verb.trim_end_matches(|last: char| !last.is_ascii_lowercase())));
            }
        }
    }
    assert!(named.len() > 10, "{named:?}");
    let unknown = named.iter().filter(|name| !commands.iter().any(|command| name.starts_with(command.as_str())));
    assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Every command, as a noun and mostly a verb.
async fn commands() -> Vec<String> {
    let mut commands = Vec::new();
    for noun in listed("").await {
        let verbs = listed(&noun).await;
        commands.extend(verbs.iter().map(|verb| format!("{noun} {verb}")));
        commands.extend(verbs.is_empty().then_some(noun));
    }
    commands
}

/// The commands that a help text lists.
async fn listed(noun: &str) -> Vec<String> {
    let help = ops(&Environment::new(), &format!("{noun} --help"), "").await.stdout;
    let help = String::from_utf8(help).unwrap();
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

async fn customers_and_numbers() -> Cloud {
    let app = TestApp::approved().await;
    let (cloud, aws) = deployed(&app).await;
    let org = app.organization.to_string();

    assert_eq!(done(&aws, "orgs create org_acme --name Acme").await["id"], "org_acme");
    assert_eq!(done(&aws, "orgs show org_acme").await["name"], "Acme");
    assert_eq!(done(&aws, "orgs list").await.as_array().unwrap().len(), 2);
    assert_eq!(done(&aws, "orgs policy org_acme submitted").await["purchasePolicy"], "submitted");
    assert_eq!(done(&aws, "orgs buying org_acme off").await["buyingEnabled"], false);

    let key = done(&aws, "keys issue org_acme").await;
    let (secret, id) = (key["apiKey"].as_str().unwrap(), key["id"].as_str().unwrap());
    app.get("/v1/phone-numbers").key(secret).send().await.ok();
    assert_eq!(done(&aws, "keys list org_acme").await[0]["id"], id);
    assert!(done(&aws, "keys list org_acme").await[0]["lastUsedAt"].is_string());
    assert_eq!(done(&aws, &format!("keys revoke org_acme {id} --yes")).await["changed"], true);
    assert_eq!(done(&aws, &format!("events org_acme {id}")).await[1]["actorId"], NAME_IN_AWS);
    let refusal = refused(&aws, "keys issue org_acme --as grace").await;
    assert!(refusal.contains("the name by which AWS knows you: leave --as out"), "{refusal}");

    assert_eq!(done(&aws, "credits grant org_acme 5 --reference a").await["balanceUsd"], "5.00");
    assert_eq!(done(&aws, "credits adjust org_acme -1.5 --reference b").await["balanceUsd"], "3.50");
    assert_eq!(done(&aws, "credits balance org_acme").await["balanceUsd"], "3.50");
    assert_eq!(done(&aws, "credits ledger org_acme").await.as_array().unwrap().len(), 2);
    assert_eq!(done(&aws, "audit org_acme").await[0]["agrees"], true);

    assert_eq!(done(&aws, "agents register org_acme a1").await["id"], "a1");
    assert_eq!(done(&aws, "agents list org_acme").await[0]["id"], "a1");
    assert_eq!(done(&aws, "agents remove org_acme a1 --yes").await["changed"], true);
    assert_eq!(done(&aws, "sip register org_acme s1 --provider Trunks").await["id"], "s1");
    assert_eq!(done(&aws, "sip list org_acme").await[0]["connected"], true);
    assert_eq!(done(&aws, "sip remove org_acme s1 --yes").await["changed"], true);
    assert_eq!(done(&aws, "brand set org_acme --ein 1").await["ein"], "1");
    assert_eq!(done(&aws, "brand fetch org_acme BSANDBOX").await["companyName"], "Harbor Voice Inc");
    assert_eq!(done(&aws, "brand show org_acme").await["displayName"], "Harbor Voice");

    let bought = app.buy("+14155550500").send().await.ok()["id"].as_str().unwrap().to_owned();
    app.import("+12125550142").send().await.ok();
    assert_eq!(done(&aws, "orders list").await[0]["id"], *bought);
    assert_eq!(done(&aws, &format!("orders adopt {org} {bought}")).await["orderState"], "active");
    assert!(refused(&aws, &format!("orders refund {org} {bought} --yes")).await.contains("is not in doubt"));
    let lost = PhoneNumberId::new(app.clock.now(), rand::random());
    app.begin_purchase(&lost, "+14155550142", Routing::default()).await;
    a_day_ago(&app, &lost).await;
    assert_eq!(done(&aws, &format!("orders refund {org} {lost} --yes")).await["refundedUsd"], "2.00");
    let due = done(&aws, "renewals due --until 2100-01-01T00:00:00Z").await;
    assert_eq!((&due[0]["organizationId"], &due[0]["numbers"]), (&json!(org), &json!(1)));
    assert_eq!(done(&aws, "renewals suspended").await, json!([]));
    assert_eq!(done(&aws, "renewals run-now --dry-run").await["dryRun"], true);
    unpaid_for_months(&app, &bought).await;
    assert_eq!(done(&aws, "renewals run-now --yes").await["suspended"], 1);
    assert_eq!(done(&aws, &format!("renewals suspended --organization {org}")).await[0]["id"], *bought);
    app.grant("more", 1_000_000_000).await;
    assert_eq!(done(&aws, "renewals run-now --yes").await["lifted"], 1);
    assert_eq!(done(&aws, "numbers find +14155550500").await["id"], *bought);
    assert_eq!(done(&aws, &format!("numbers show {org} {bought}")).await["e164"], "+14155550500");
    assert_eq!(done(&aws, &format!("numbers list {org}")).await.as_array().unwrap().len(), 2);
    assert_eq!(done(&aws, "numbers free +12125550142 --yes").await["changed"], true);
    let sticky = app.buy("+14155550523").send().await.ok()["id"].as_str().unwrap().to_owned();
    app.delete(&format!("/v1/phone-numbers/{sticky}")).send().await.refused(503, "CARRIER_UNAVAILABLE");
    let carrier_id = app.bundle.carrier.numbers().pop().unwrap().id;
    app.reconciler.carrier.release(&domain::carrier::CarrierNumberId::parse(&carrier_id).unwrap()).await.unwrap();
    assert_eq!(done(&aws, &format!("numbers forget {org} {sticky} --yes")).await["changed"], true);
    app.check_books().await;
    let agrees = done(&aws, "audit").await.as_array().unwrap().iter().all(|row| row["agrees"] == true);
    assert!(agrees);
    cloud
}

async fn verifications() -> Cloud {
    let app = TestApp::empty().await;
    let (cloud, aws) = deployed(&app).await;
    let org = app.organization.to_string();
    let form = json!({ "declaration": { "businessName": "Acme", "useCase": "x" }, "attestationAccepted": true });
    let submit = async || {
        let filed = app.post("/v1/phone-numbers/kyb/submit", &form).send().await.ok();
        app.bundle.notifications.settled().await;
        filed["id"].as_str().unwrap().to_owned()
    };
    let first = submit().await;
    assert_eq!(done(&aws, "verifications queue").await[0]["id"], *first);
    assert_eq!(done(&aws, &format!("verifications show {org}")).await["businessName"], "Acme");
    assert_eq!(done(&aws, &format!("verifications resend {org} {first}")).await["queued"], true);
    app.bundle.notifications.settled().await;
    assert_eq!(app.bundle.slack.messages().len(), 2);
    let rejected = done(&aws, &format!("verifications reject {org} {first} --reason No --yes")).await;
    assert_eq!((&rejected["status"], &rejected["slackMessage"]), (&json!("rejected"), &json!("rewritten")));
    let second = submit().await;
    assert_eq!(done(&aws, &format!("verifications approve {org} {second}")).await["status"], "approved");
    let shown = app.get("/v1/phone-numbers/kyb").send().await.ok();
    assert_eq!(shown["submission"]["reviewerUserId"], "operator", "customers do not learn how AWS knows staff");
    let revoked = done(&aws, &format!("verifications revoke {org} {second} --reason Fraud --yes")).await;
    assert_eq!(revoked["status"], "revoked");
    assert!(refused(&aws, &format!("verifications approve {org} {second}")).await.contains("is revoked, decided by"));
    assert_eq!(done(&aws, &format!("orgs erase {org} --yes")).await["notRewrittenInSlack"], json!([]));
    app.put("/v1/phone-numbers/kyb/draft", &json!({})).send().await.ok();
    assert_eq!(done(&aws, &format!("orgs erase {org} --yes")).await["erased"], 3);
    cloud
}

/// They are looked at without being taken, and go back to their queue.
async fn dead_letters() -> Cloud {
    let app = TestApp::empty().await;
    let (cloud, aws) = deployed(&app).await;
    let letters = done(&aws, "dead-letters look").await;
    assert_eq!(letters.as_array().unwrap().len(), 2);
    assert_eq!((&letters[0]["submissionId"], &letters[0]["receives"]), (&json!("kyb_1"), &json!("9")));
    assert_eq!(letters[0]["sentAt"], "2026-07-14T03:33:20.000Z");
    assert_eq!((&letters[1]["messageId"], &letters[1]["submissionId"]), (&json!("m2"), &json!(null)));
    let back: Vec<_> = cloud.calls("AmazonSQS.ChangeMessageVisibility");
    let handles: Vec<_> = back.iter().map(|call| (&call["ReceiptHandle"], &call["VisibilityTimeout"])).collect();
    assert_eq!(handles, [(&json!("handle 1"), &json!(0)), (&json!("handle 2"), &json!(0))]);
    assert!(cloud.calls("AmazonSQS.DeleteMessage").is_empty());

    assert_eq!(done(&aws, "dead-letters redrive --dry-run").await["dryRun"], true);
    assert!(cloud.calls("AmazonSQS.StartMessageMoveTask").is_empty());
    let ended = ops(&aws, "dead-letters redrive --json", "").await;
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "1 of about 2 moved\n");
    let said: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((ended.status.code(), &said["moved"]), (Some(0), &json!(2)));
    assert_eq!(cloud.calls("AmazonSQS.StartMessageMoveTask")[0]["SourceArn"], DEAD_LETTERS_ARN);
    cloud
}

#[tokio::test]
async fn a_profile_names_region_credentials_and_address() {
    let app = TestApp::empty().await;
    let folder = tempfile::tempdir().unwrap();
    let (config, none) = (folder.path().join("config"), folder.path().join("none"));
    let profile = format!(
        "[profile staff]\nregion = eu-west-1\naws_access_key_id = key\naws_secret_access_key = secret\nendpoint_url = {}\n",
        app.dynamo.url()
    );
    std::fs::write(&config, profile).unwrap();
    let aws = BTreeMap::from([
        ("AWS_CONFIG_FILE", config.display().to_string()),
        ("AWS_SHARED_CREDENTIALS_FILE", none.display().to_string()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]);
    let listed = done(&aws, "--profile staff --table phone-numbers orgs list").await;
    assert_eq!(listed[0]["id"], app.organization.as_str());
    assert!(
        refused(&aws, "--profile staff orgs list").await.contains("Which table? Name it with --table or TABLE_NAME")
    );
    assert!(refused(&aws, "--table phone-numbers orgs list").await.contains("Which AWS region?"));
    let nobody = refused(&aws, "--table phone-numbers --region eu-west-1 orgs list").await;
    assert!(nobody.contains("credentials"), "{nobody}");
    let carrier = refused(&aws, "--profile staff --table phone-numbers brand fetch org_1 B1").await;
    assert!(carrier.contains("needs --telnyx-secret: the stack's output TelnyxSecretArn"), "{carrier}");
    let queue = refused(&aws, "--profile staff --table phone-numbers dead-letters look").await;
    assert!(queue.contains("needs --dead-letter-queue-url"), "{queue}");
}

#[tokio::test]
async fn the_local_run_is_found_by_its_file_or_its_engines_address() {
    let app = TestApp::empty().await;
    let none = Environment::new();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("ready.json");
    let there = format!("--local={} orgs list", missing.display());
    assert!(refused(&none, &there).await.contains("start one with `cargo run`"));
    std::fs::write(&missing, "{}").unwrap();
    assert!(refused(&none, &there).await.contains("is not a local run's ready file"));
    let ready = json!({
        "dynamoDbUrl": "http://127.0.0.1:9", "tableName": "t", "clockUrl": "", "queueUrl": "", "carrierUrl": "", "carrierSecret": "",
        "slackApiUrl": "", "slackSecret": "",
    });
    std::fs::write(&missing, ready.to_string()).unwrap();
    let ended = refused(&none, &there).await;
    assert!(ended.contains("has ended: start it again with `cargo run`"), "{ended}");
    let nobody = refused(&none, "--local=http://127.0.0.1:9 orgs list").await;
    assert!(nobody.contains("Nothing answers at http://127.0.0.1:9"), "{nobody}");
    let engine = format!("--local={}", app.dynamo.url());
    assert_eq!(done(&none, &format!("{engine} orgs list")).await[0]["id"], app.organization.as_str());
    assert!(refused(&none, &format!("{engine} brand fetch org_1 B1")).await.contains("says nothing of the carrier"));
}

#[tokio::test]
async fn what_cannot_be_undone_is_refused_without_yes_when_nobody_is_there_to_ask() {
    let app = TestApp::approved().await;
    let none = Environment::new();
    let remove = format!("--local={} agents remove {} agent_1", app.dynamo.url(), app.organization);
    let before = app.items().await;
    assert!(refused(&none, &remove).await.contains("say --yes to have it done unasked"));
    let piped = ops(&none, &remove, "y\n").await;
    assert_eq!(piped.status.code(), Some(1), "a pipe is nobody: it may hold something else");
    assert_eq!(app.items().await, before);
    assert_eq!(done(&none, &format!("{remove} --yes")).await["changed"], true);
}

#[tokio::test]
async fn the_exit_code_tells_wrong_usage_from_a_refusal() {
    let none = Environment::new();
    for (line, code) in [("--version", 0), ("--help", 0), ("orgs list", 1), ("orgs", 2), ("orgs lst", 2), ("", 2)] {
        let ended = ops(&none, line, "").await;
        assert_eq!(ended.status.code(), Some(code), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}
