//! The Slack client against the sandbox Slack, over loopback HTTP.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::{Json, Router, routing};
use clients::slack::verification::message;
use clients::slack::{SigningSecret, Slack, SlackError};
use domain::kyb::{
    Address, Attestation, BusinessProfile, Case, Country, Decision, Declaration, Delivery, Email, Filing,
    Representative, Review, Submission, SubmittedBy, Website,
};
use domain::{ApiKeyId, Clock, KybId, Name, OrganizationId, Prose, SystemClock, Timestamp};
use local::sandbox::slack::{Clicks, Failure, Options, Outcome, Slack as Sandbox};
use runtime::Secret;
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
    Sandbox::new(Options { bot_token: TOKEN.to_owned(), file: None, clicks: None }).unwrap()
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
async fn a_message_is_rewritten_in_its_place_and_only_where_there_is_one() {
    let (sandbox, url, slack) = running().await;
    let now = Timestamp::from_millis(1_784_000_000_000);
    let case = |filing| Case { submission: submitted(filing, now), earlier: None };
    let [short, full] = filings("Acme", "Reminders");
    let first = post(&slack).await.unwrap();
    let second = post(&slack).await.unwrap();
    for _ in 0..2 {
        slack.rewrite(&first, &case(short.clone())).await.unwrap();
    }
    let seen = sandbox.messages();
    assert_eq!((seen.len(), &seen[0].ts, seen[0].text.as_str()), (2, &second.ts, "hello"));
    assert_eq!((&seen[1].ts, &seen[1].blocks), (&first.ts, &message(&case(short.clone())).blocks));

    let refused = async |place: Delivery| {
        let outcome = slack.rewrite(&place, &case(full.clone())).await;
        code(outcome.map(|()| place))
    };
    assert_eq!(refused(Delivery { ts: "1.000000".to_owned(), ..first.clone() }).await, "message_not_found");
    assert_eq!(refused(Delivery { channel: "#verification".to_owned(), ..first.clone() }).await, "message_not_found");
    let stranger = client(&url, "xoxb-wrong", "C1");
    let strange = stranger.rewrite(&first, &case(full.clone())).await;
    assert_eq!(code(strange.map(|()| first.clone())), "invalid_auth");
    sandbox.fail_next(Failure::RateLimited { retry_after_secs: 3 });
    assert!(matches!(slack.rewrite(&first, &case(full.clone())).await, Err(SlackError::RateLimited { .. })));
}

#[tokio::test]
async fn one_person_is_told_and_nobody_else() {
    let (sandbox, _, slack) = running().await;
    slack.post_ephemeral("C012AB3CD", "U0SAM", "Not you").await.unwrap();
    let note = sandbox.notes().remove(0);
    assert_eq!((note.channel.as_str(), note.user.as_str(), note.text.as_str()), ("C012AB3CD", "U0SAM", "Not you"));
    assert!(sandbox.messages().is_empty());
    for (user, text, expected) in [("", "x", "user_not_in_channel"), ("U0SAM", " ", "no_text")] {
        let refused = slack.post_ephemeral("C012AB3CD", user, text).await;
        assert!(matches!(refused, Err(SlackError::Refused(code)) if code == expected), "{user} {text}");
    }
}

/// An app that opens a form at each click with this trigger, `None` being the click's own, and remembers what it was
/// sent.
async fn clickable(
    trigger: Option<&'static str>,
    answer: Value,
) -> (Sandbox, Slack, Arc<Mutex<Vec<(HeaderMap, Bytes)>>>) {
    let calls: Arc<Mutex<Vec<(HeaderMap, Bytes)>>> = Arc::default();
    let (seen, bot) = (calls.clone(), Arc::new(OnceLock::<Slack>::new()));
    let known = bot.clone();
    let app = move |headers: HeaderMap, body: Bytes| {
        let (seen, bot, answer) = (seen.clone(), known.clone(), answer.clone());
        async move {
            seen.lock().unwrap().push((headers, body.clone()));
            let payload = payload(&body);
            if payload["type"] == "view_submission" {
                return Json(answer).into_response();
            }
            let view = json!({
                "type": "modal", "callback_id": "c", "title": plain("Why?"), "submit": plain("Go"),
                "private_metadata": "kept",
                "blocks": [{"type": "input", "block_id": "why", "label": plain("Why"),
                    "element": {"type": "plain_text_input", "action_id": "why"}}],
            });
            let trigger = trigger.unwrap_or(payload["trigger_id"].as_str().unwrap());
            let opened = bot.get().unwrap().open_view(trigger, &view).await;
            // A trigger opens one view.
            let again = bot.get().unwrap().open_view(trigger, &view).await;
            assert!(again.is_err());
            if opened.is_ok() { ().into_response() } else { StatusCode::IM_A_TEAPOT.into_response() }
        }
    };
    let url = serve(Router::new().route("/slack/interactions", routing::post(app))).await;
    let clicks = Clicks { url: format!("{url}/slack/interactions"), signing_secret: "signing".to_owned() };
    let sandbox = Sandbox::new(Options { bot_token: TOKEN.to_owned(), file: None, clicks: Some(clicks) }).unwrap();
    let slack = client(&serve(sandbox.router()).await, TOKEN, "#verification");
    assert!(bot.set(slack.clone()).is_ok());
    (sandbox, slack, calls)
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text})
}

fn payload(body: &[u8]) -> Value {
    let fields: Vec<_> = url::form_urlencoded::parse(body).collect();
    assert_eq!((fields.len(), &*fields[0].0), (1, "payload"));
    serde_json::from_str(&fields[0].1).unwrap()
}

async fn click(sandbox: &Sandbox, slack: &Slack, action: &str) -> Outcome {
    let button = json!({"type": "button", "action_id": "go", "value": "ours", "text": plain("Go")});
    let actions = json!([{"type": "actions", "block_id": "b", "elements": [button]}]);
    let Delivery { channel, ts } = slack.post("hello", &actions).await.unwrap();
    sandbox.click("U0SAM", &channel, &ts, action).await
}

#[tokio::test]
async fn a_click_is_signed_and_sent_and_opens_what_the_app_opens() {
    let (sandbox, slack, calls) = clickable(None, Value::Null).await;
    let outcome = click(&sandbox, &slack, "go").await;
    let opened = outcome.view.expect("a form");
    assert_eq!((outcome.failure, &opened.view["title"]["text"]), (None, &json!("Why?")));
    let (headers, body) = calls.lock().unwrap()[0].clone();
    let secret = SigningSecret::new(Secret::given(r#"{"signingSecret":"signing"}"#));
    secret.verify(&headers, &body, SystemClock.now()).await.unwrap();
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    let sent = payload(&body);
    assert_eq!((&sent["type"], &sent["user"]["id"]), (&json!("block_actions"), &json!("U0SAM")));
    let action = &sent["actions"][0];
    assert_eq!((&action["block_id"], &action["value"]), (&json!("b"), &json!("ours")));

    let values = HashMap::from([("why".to_owned(), json!("because"))]);
    assert_eq!(sandbox.submit("U0SAM", &opened.id, &values).await, Outcome::default());
    let sent = payload(&calls.lock().unwrap()[1].1);
    assert_eq!((&sent["view"]["private_metadata"], &sent["view"]["callback_id"]), (&json!("kept"), &json!("c")));
    assert_eq!(sent["view"]["state"]["values"]["why"]["why"]["value"], "because");
    assert!(sandbox.submit("U0SAM", &opened.id, &values).await.failure.is_some(), "it is closed now");
    assert!(click(&sandbox, &slack, "other").await.failure.is_some(), "there is no such button");
}

#[tokio::test]
async fn a_form_stays_open_or_changes_as_the_app_says() {
    let notice = json!({"type": "modal", "title": plain("No"), "blocks": []});
    for (answer, title, errors, failed) in [
        (json!({"response_action": "errors", "errors": {"why": "No"}}), "Why?", 1, false),
        (json!({"response_action": "update", "view": notice}), "No", 0, false),
        (json!({"response_action": "update", "view": {"type": "home"}}), "Why?", 0, true),
        (json!({"response_action": "dance"}), "Why?", 0, true),
    ] {
        let (sandbox, slack, _) = clickable(None, answer.clone()).await;
        let opened = click(&sandbox, &slack, "go").await.view.unwrap();
        let outcome = sandbox.submit("U0SAM", &opened.id, &HashMap::new()).await;
        assert_eq!((outcome.errors.len(), outcome.failure.is_some()), (errors, failed), "{answer}");
        assert_eq!(outcome.view.unwrap().view["title"]["text"], title, "{answer}");
    }
}

#[tokio::test]
async fn a_trigger_that_slack_has_not_given_opens_nothing() {
    let (sandbox, slack, _) = clickable(Some("1.2.3"), Value::Null).await;
    let outcome = click(&sandbox, &slack, "go").await;
    assert_eq!((outcome.view, outcome.failure.as_deref()), (None, Some("The app answered with status code 418")));
}

#[tokio::test]
async fn messages_outlive_the_process_and_the_page_brings_nothing_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { bot_token: TOKEN.to_owned(), file: Some(folder.path().join("slack.json")), clicks: None };
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
        state: Some(name.clone()),
        postal_code: Some(name.clone()),
        country: country.clone(),
    };
    let business = BusinessProfile {
        legal_name: name.clone(),
        display_name: name.clone(),
        entity_type: name.clone(),
        country,
        registration_id: Some(domain::kyb::RegistrationId::parse(name.as_str()).unwrap()),
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

fn submitted(filing: Filing, now: Timestamp) -> Submission {
    let by = SubmittedBy { api_key: ApiKeyId::new(now, 1), user_id: None, email: None };
    let organization = OrganizationId::parse("org_1").unwrap();
    Submission::submit(None, &organization, KybId::new(now, 2), filing, by, Attestation::current(), now).unwrap()
}

#[tokio::test]
async fn an_announcement_of_the_longest_or_most_hostile_answers_is_taken() {
    let (sandbox, _, slack) = running().await;
    let now = Timestamp::from_millis(1_784_000_000_000);
    for (name, text) in [
        ("&".repeat(200), "&".repeat(2_000)),
        ("字".repeat(200), "😀".repeat(2_000)),
        ("\u{200b}x".to_owned(), "\u{200b}x".to_owned()),
        ("<!channel> *Acme*".to_owned(), "<https://evil.example|https://slack.com>\n\n\n@here".to_owned()),
    ] {
        for filing in filings(&name, &text) {
            let earlier = filings("Other", "Other")[1].clone();
            let decision = Decision::Reject { reason: Prose::parse(&text).unwrap(), issues: Vec::new() };
            let review = Review { at: now, reviewer_id: "U1".to_owned(), reviewer_email: None };
            let (earlier, _) = submitted(earlier, now).decide(&decision, review).unwrap();
            let message = message(&Case { submission: submitted(filing, now), earlier: Some(earlier) });
            slack.post(&message.text, &message.blocks).await.unwrap();
            assert_eq!(sandbox.messages()[0].blocks, message.blocks);
        }
    }
}
