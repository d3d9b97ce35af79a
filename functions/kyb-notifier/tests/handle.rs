//! The worker against a real engine and the sandbox Slack.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::any::Any;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use domain::audit::Actor;
use domain::kyb::{Attestation, Decision, Declaration, Filing, Review, Status, Submission, SubmittedBy};
use domain::organization::Organization;
use domain::{ApiKeyId, KybId, Name, OrganizationId, Prose, Recorded, SystemClock, Timestamp};
use local::sandbox::slack::{Failure, Options, Slack as Sandbox};
use runtime::Start;
use runtime::aws::Account;
use runtime::settings::Settings;
use runtime::worker::QueueWorker;
use table::Table;
use tokio::net::TcpListener;

const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);
const TOKEN: &str = "xoxb-very-secret";

struct World {
    table: Table,
    sandbox: Sandbox,
    notifier: QueueWorker,
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

impl World {
    async fn new() -> Self {
        Self::behind(|_, router| router).await
    }

    /// A world whose Slack stands behind something.
    async fn behind(gate: impl FnOnce(Table, Router) -> Router) -> Self {
        let (listener, engine) = listen().await;
        tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
        let table = Table::new(&Account::local(engine.clone()).sdk_config(), "table".to_owned(), Arc::new(SystemClock));
        table.create_if_absent().await.unwrap();

        let sandbox = Sandbox::new(Options { bot_token: TOKEN.to_owned(), file: None, clicks: None }).unwrap();
        let (listener, url) = listen().await;
        let router = gate(table.clone(), sandbox.router());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let secret = format!(r##"{{"botToken":"{TOKEN}","channel":"#verification"}}"##);
        let variables = BTreeMap::from([
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "local".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
            ("AWS_ENDPOINT_URL", engine),
            ("TABLE_NAME", "table".to_owned()),
            ("SLACK_URL", format!("{url}/api")),
            ("SLACK_SECRET", secret),
        ]);
        let settings = Settings::from_reader(move |name| variables.get(name).cloned());
        let function = kyb_notifier::start(&Start::in_lambda(settings)).unwrap();
        let entrance: Box<dyn Any> = function.enter(None).unwrap().0;
        Self { table, sandbox, notifier: *entrance.downcast().unwrap() }
    }

    /// A stored submission of an organization of its own.
    async fn submitted(&self, organization: &str) -> Submission {
        let declaration = Declaration {
            business_name: Name::parse("Customer Text Inc").unwrap(),
            use_case: Prose::parse("customer text").unwrap(),
        };
        let by = SubmittedBy { api_key: ApiKeyId::new(NOW, 1), user_id: None, email: None };
        let organization = OrganizationId::parse(organization).unwrap();
        let holder = Organization {
            id: organization.clone(),
            name: "Customer Text Inc".to_owned(),
            buying_enabled: true,
            purchase_policy: None,
            hold: None,
            verification: None,
            created_at: Timestamp::from_millis(0),
            cursor_key: [0; 32],
        };
        assert!(self.table.create_organization(&holder).await.unwrap());
        let submission = Submission::submit(
            None,
            &organization,
            KybId::new(NOW, 2),
            Filing::Short(declaration),
            by,
            Attestation::current(),
            NOW,
        )
        .unwrap();
        let filed = Recorded::filed(None, submission, &Actor::System("tests"));
        assert!(self.table.replace_submission(None, &filed, None).await.unwrap());
        filed.row
    }

    async fn approve(table: &Table, submission: &Submission) {
        let review = Review { at: NOW, reviewer_id: "U1".to_owned(), reviewer_email: None };
        let actor = Actor::Reviewer { id: "U1".to_owned(), email: None };
        let (organization, id) = (&submission.organization, &submission.id);
        table.decide(organization, id, &Decision::Approve, &review, &actor).await.unwrap();
    }

    async fn stored(&self, submission: &Submission) -> Submission {
        self.table.submission(&submission.organization, &submission.id).await.unwrap().unwrap()
    }

    /// The numbers of the messages that have to come again.
    async fn handle(&self, bodies: &[String]) -> Vec<String> {
        let message = |(number, body): (usize, &String)| {
            let mut message = SqsMessage::default();
            message.message_id = Some(number.to_string());
            message.body = Some(body.clone());
            message
        };
        let mut event = SqsEvent::default();
        event.records = bodies.iter().enumerate().map(message).collect();
        let SqsBatchResponse { batch_item_failures, .. } = self.notifier.handle(event).await;
        batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }
}

fn body(submission: &Submission) -> String {
    format!(r#"{{"organizationId":"{}","submissionId":"{}"}}"#, submission.organization, submission.id)
}

const NONE: [&str; 0] = [];

#[tokio::test]
async fn a_submission_is_announced_once_however_often_its_message_comes() {
    let world = World::new().await;
    let submission = world.submitted("org_1").await;
    assert_eq!(world.handle(&[body(&submission), body(&submission)]).await, NONE);
    assert_eq!(world.handle(&[body(&submission)]).await, NONE);
    let seen = world.sandbox.messages();
    assert_eq!(seen.len(), 1);
    let delivery = world.stored(&submission).await.delivery.unwrap();
    assert_eq!((delivery.channel, delivery.ts), (seen[0].channel.clone(), seen[0].ts.clone()));
}

#[tokio::test]
async fn a_poison_message_fails_and_the_others_go_on() {
    let world = World::new().await;
    let submission = world.submitted("org_1").await;
    let unknown = format!(r#"{{"organizationId":"org_1","submissionId":"{}"}}"#, KybId::new(NOW, 99));
    let foreign = format!(r#"{{"organizationId":"org_2","submissionId":"{}"}}"#, submission.id);
    let bodies = ["not JSON".to_owned(), unknown, foreign, body(&submission)];
    assert_eq!(world.handle(&bodies).await, ["0", "1", "2"]);
    assert_eq!(world.sandbox.messages().len(), 1);
}

#[tokio::test]
async fn a_submission_decided_before_anyone_was_told_is_not_announced() {
    let world = World::new().await;
    let submission = world.submitted("org_1").await;
    World::approve(&world.table, &submission).await;
    assert_eq!(world.handle(&[body(&submission)]).await, NONE);
    assert!(world.sandbox.messages().is_empty());
    assert_eq!(world.stored(&submission).await.delivery, None);
}

#[tokio::test]
async fn a_submission_decided_while_its_message_is_on_its_way_is_shown_as_decided() {
    let world = World::behind(|table, slack| {
        slack.layer(from_fn(move |request: Request, next: Next| {
            let table = table.clone();
            async move {
                if request.uri().path().ends_with("/chat.postMessage") {
                    let organization = OrganizationId::parse("org_1").unwrap();
                    let current = table.verification(&organization).await.unwrap().current.unwrap();
                    World::approve(&table, &current).await;
                }
                next.run(request).await
            }
        }))
    })
    .await;
    let submission = world.submitted("org_1").await;
    assert_eq!(world.handle(&[body(&submission)]).await, NONE);
    let seen = world.sandbox.messages();
    assert_eq!((seen.len(), seen[0].text.as_str()), (1, "Business verification approved: Customer Text Inc"));
    let stored = world.stored(&submission).await;
    assert_eq!((stored.status(), stored.delivery.unwrap().ts), (Status::Approved, seen[0].ts.clone()));
}

#[tokio::test]
async fn what_slack_does_not_take_comes_again_and_is_announced_then() {
    let world = World::new().await;
    let (one, two) = (world.submitted("org_1").await, world.submitted("org_2").await);
    let bodies = [body(&one), body(&two)];
    world.sandbox.fail_next(Failure::Down);
    assert_eq!(world.handle(&bodies).await, ["0"]);
    world.sandbox.fail_next(Failure::Error("is_archived".to_owned()));
    assert_eq!(world.handle(&bodies).await, ["0"]);
    world.sandbox.fail_next(Failure::RateLimited { retry_after_secs: 60 });
    assert_eq!(world.handle(&bodies).await, ["0", "1"], "after a long wait is asked for, nothing else is tried");
    assert_eq!(world.stored(&one).await.delivery, None);
    assert_eq!(world.handle(&bodies).await, NONE);
    assert_eq!(world.sandbox.messages().len(), 2);
}

/// What is logged by all tests of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_hold_ids_and_neither_tokens_nor_what_customers_or_messages_say() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt().json().with_max_level(tracing::Level::INFO).with_writer(move || writer.clone()).init();

    let world = World::new().await;
    let submission = world.submitted("org_logged").await;
    for failure in [Failure::Down, Failure::Error("is_archived".to_owned())] {
        world.sandbox.fail_next(failure);
        world.handle(&[body(&submission)]).await;
    }
    world.handle(&["message text".to_owned(), body(&submission)]).await;

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for expected in [
        submission.id.as_str(),
        "org_logged",
        "is_archived",
        "verification posted to Slack",
        "a queue message cannot be read",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    for secret in [TOKEN, "Customer Text", "customer text", "message text", "botToken"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
