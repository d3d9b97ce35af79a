//! The Slack client against the sandbox Slack, over loopback HTTP.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing;
use clients::Secret;
use clients::slack::{Slack, SlackError};
use domain::kyb::{
    Address, BusinessProfile, Country, Declaration, Delivery, Email, Filing, Representative, Submission, SubmittedBy,
    Website,
};
use domain::{ApiKeyId, KybId, Name, OrganizationId, Prose, Timestamp};
use local::sandbox::slack::{Failure, Options, Slack as Sandbox};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

const TOKEN: &str = "xoxb-sandbox-token";

/// The address of a server that lives as long as the test.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The address of a Slack that always says the same.
async fn answering(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> String {
    serve(Router::new().route("/api/chat.postMessage", routing::post(answer))).await
}

fn sandbox() -> Sandbox {
    Sandbox::new(Options { bot_token: TOKEN.to_owned(), file: None }).unwrap()
}

fn client(url: &str, token: &str, channel: &str) -> Slack {
    let secret = json!({"botToken": token, "channel": channel}).to_string();
    Slack::new(&format!("{url}/api"), Secret::given(&secret))
}

async fn running() -> (Sandbox, String, Slack) {
    let sandbox = sandbox();
    let url = serve(sandbox.router()).await;
    let slack = client(&url, TOKEN, "#verification");
    (sandbox, url, slack)
}

async fn post(slack: &Slack) -> Result<Delivery, SlackError> {
    slack.post("hello", &json!([{"type": "divider"}])).await
}

fn code(outcome: Result<Delivery, SlackError>) -> String {
    let Err(SlackError::Refused(code)) = outcome else { panic!("Slack did not refuse: {outcome:?}") };
    code
}

/// Everything that could be logged of an error.
fn said(error: &SlackError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(format!("{error} {error:?}"), |text, cause| format!("{text} {cause} {cause:?}"))
}

#[tokio::test]
async fn a_message_is_posted_once_and_staff_see_it() {
    let (_, url, slack) = running().await;
    let first = post(&slack).await.unwrap();
    let second = slack.post("second", &json!([])).await.unwrap();
    assert!(first.ts < second.ts, "{first:?} {second:?}");
    assert!(first.channel.starts_with('C') && first.channel == second.channel, "the id, not the name: {first:?}");

    let seen: Value = reqwest::get(format!("{url}/messages")).await.unwrap().json().await.unwrap();
    let expected = |delivery: &Delivery, text: &str, blocks: Value| json!({"channel": delivery.channel, "channelName": "#verification", "ts": delivery.ts, "text": text, "blocks": blocks});
    let newest_first =
        json!([expected(&second, "second", json!([])), expected(&first, "hello", json!([{"type": "divider"}]))]);
    assert_eq!(seen, newest_first);
}

#[tokio::test]
async fn a_refusal_is_a_failure_although_its_status_is_200() {
    let (sandbox, url, slack) = running().await;
    assert_eq!(code(post(&client(&url, "xoxb-wrong", "#verification")).await), "invalid_auth");
    assert_eq!(code(post(&client(&url, TOKEN, " ")).await), "channel_not_found");
    assert_eq!(code(slack.post("", &json!([])).await), "no_text");
    assert_eq!(code(slack.post("x", &json!([{"type": "header"}])).await), "invalid_blocks");
    assert_eq!(code(slack.post(&"x".repeat(40_001), &json!([])).await), "msg_too_long");
    let long = json!({"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(2_800)}});
    assert_eq!(code(slack.post("x", &json!([long, long, long, long])).await), "msg_blocks_too_long");
    sandbox.fail_next(Failure::Error("is_archived".to_owned()));
    assert_eq!(code(post(&slack).await), "is_archived");
    assert!(sandbox.messages().is_empty());
    assert!(post(&slack).await.is_ok(), "a failure is for one call");
}

#[tokio::test]
async fn slack_says_how_long_to_wait() {
    let (sandbox, _, slack) = running().await;
    sandbox.fail_next(Failure::RateLimited { retry_after_secs: 30 });
    sandbox.fail_next(Failure::Error("ratelimited".to_owned()));
    for seconds in [30, 1] {
        let error = post(&slack).await.unwrap_err();
        let SlackError::RateLimited { retry_after } = error else { panic!("{error:?}") };
        assert_eq!(retry_after, Duration::from_secs(seconds));
    }

    let vague = answering((StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "soon")], "not JSON")).await;
    let error = post(&client(&vague, TOKEN, "C1")).await.unwrap_err();
    let SlackError::RateLimited { retry_after } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Duration::from_secs(1));
}

#[tokio::test]
async fn a_slack_that_is_down_or_absent_or_beside_itself_is_a_failure_that_tells_no_secrets() {
    let (sandbox, url, slack) = running().await;
    sandbox.fail_next(Failure::Down);
    let mut errors = vec![post(&slack).await.unwrap_err()];

    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    errors.push(post(&client(&format!("http://{free}"), TOKEN, "C1")).await.unwrap_err());

    let huge = answering("x".repeat(2_000_000)).await;
    errors.push(post(&client(&huge, TOKEN, "C1")).await.unwrap_err());

    let elsewhere = format!("{url}/api/chat.postMessage");
    let moved = answering((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, elsewhere)])).await;
    errors.push(post(&client(&moved, TOKEN, "#verification")).await.unwrap_err());
    assert!(sandbox.messages().is_empty(), "a redirect must not carry the token on");

    for error in errors {
        assert!(matches!(error, SlackError::Failed(_)), "{error:?}");
        let said = said(&error);
        assert!(!said.contains(TOKEN) && !said.contains("hello") && !said.contains("http://"), "{said}");
    }
}

#[tokio::test]
async fn a_slack_that_never_answers_is_given_up_after_eight_seconds() {
    let arrived = Arc::new(Notify::new());
    let bell = arrived.clone();
    let ring = from_fn(move |request: Request, next: Next| {
        bell.notify_one();
        next.run(request)
    });
    let sandbox = sandbox();
    sandbox.fail_next(Failure::Hang);
    let slack = client(&serve(sandbox.router().layer(ring)).await, TOKEN, "C1");
    let call = tokio::spawn(async move { post(&slack).await });
    arrived.notified().await;

    // The call has been sent, so from here only time can end it.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(7)).await;
    assert!(!call.is_finished());
    tokio::time::advance(Duration::from_millis(1_100)).await;
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, SlackError::Failed(_)), "{error:?}");
    assert!(said(&error).contains("timed out"), "{}", said(&error));
}

#[tokio::test]
async fn messages_outlive_the_process_and_the_page_brings_nothing_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { bot_token: TOKEN.to_owned(), file: Some(folder.path().join("slack.json")) };
    let url = serve(Sandbox::new(options.clone()).unwrap().router()).await;
    let delivery = post(&client(&url, TOKEN, "C012AB3CD")).await.unwrap();
    assert_eq!(delivery.channel, "C012AB3CD");

    // The first server is still there and never said good-bye: as after `kill -9`, only the file counts.
    let url = serve(Router::new().nest("/slack", Sandbox::new(options).unwrap().router())).await;
    let seen: Value = reqwest::get(format!("{url}/slack/messages")).await.unwrap().json().await.unwrap();
    assert_eq!(seen[0]["ts"], delivery.ts);

    let page = reqwest::get(format!("{url}/slack")).await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; connect-src 'self';"), "{policy}");
    let html = page.text().await.unwrap();
    assert!(html.starts_with("<!doctype html>"));
    for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "src=", "@import", "url("] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
}

/// The short and the full form with the same name and the same text wherever they fit.
fn filings(name: &str, text: &str) -> [Filing; 2] {
    let (name, text) = (Name::parse(name).unwrap(), Prose::parse(text).unwrap());
    let country = Country::parse("US").unwrap();
    let address = Address {
        street: name.clone(),
        city: name.clone(),
        state: name.clone(),
        postal_code: name.clone(),
        country: country.clone(),
    };
    let business = BusinessProfile {
        legal_name: name.clone(),
        display_name: name.clone(),
        entity_type: name.clone(),
        country,
        registration_id: Some(name.clone()),
        website: Website::parse(&format!("https://example.com/{}", "&".repeat(1_980))).unwrap(),
        address,
        use_case: text.clone(),
        expected_usage: text.clone(),
    };
    let email = Email::parse("ada@example.com").unwrap();
    let representative = Representative { name: name.clone(), title: name.clone(), email, phone: None };
    let declaration = Declaration { business_name: name, use_case: text };
    [Filing::Short(declaration), Filing::Full(Box::new((business, representative)))]
}

#[tokio::test]
async fn an_announcement_of_the_longest_or_most_hostile_answers_is_taken() {
    let (sandbox, _, slack) = running().await;
    let now = Timestamp::from_millis(1_784_000_000_000);
    for (name, text) in [
        ("&".repeat(200), "&".repeat(2_000)),
        ("字".repeat(200), "😀".repeat(2_000)),
        ("\u{200b}".to_owned(), "\u{200b}".to_owned()),
        ("<!channel> *Acme*".to_owned(), "<https://evil.example|https://slack.com>\n\n\n@here".to_owned()),
    ] {
        for filing in filings(&name, &text) {
            let by = SubmittedBy { api_key: ApiKeyId::new(now, 1), user_id: None, email: None };
            let organization = OrganizationId::parse("org_1").unwrap();
            let submission = Submission::submit(None, &organization, KybId::new(now, 2), filing, by, now).unwrap();
            let message = kyb_notifier::message::announcement(&submission);
            slack.post(&message.text, &message.blocks).await.unwrap();
            assert_eq!(sandbox.messages()[0].blocks, message.blocks);
        }
    }
}
