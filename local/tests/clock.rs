//! The local run's clock, moved as a newcomer moves it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::time::Duration;

use domain::api_key::ApiKey;
use domain::credits::LedgerEntry;
use domain::{BookingReference, Clock, MicroUsd, OrganizationId, SystemRandomness, Timestamp};
use local::seed::{Seed, World, plant};
use local::{Bundle, Options};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

const ORGANIZATION: &str = "org_newcomer";
const NUMBER: &str = "+14155550142";

/// A run of its own, with an organization that can pay for one number's first month.
struct Newcomer {
    bundle: Bundle,
    key: ApiKey,
    http: Client,
}

impl Newcomer {
    async fn start() -> Self {
        let bundle = Bundle::start(Options::with("GracePeriodDays", "1")).await.unwrap();
        let key = ApiKey::new(rand::random());
        let seed = Seed {
            name: "Newcomer".to_owned(),
            id: ORGANIZATION.to_owned(),
            api_key: key.reveal().to_owned(),
            agent_ids: Vec::new(),
            sip_connection_installation_ids: Vec::new(),
        };
        let world = World { approved: true, credits: MicroUsd::from_micros(2_000_000), ..World::default() };
        plant(&bundle.table, &seed, &world, bundle.clock.now(), &SystemRandomness).await.unwrap();
        Self { bundle, key, http: Client::new() }
    }

    async fn buy(&self) -> Value {
        let url = format!("{}/v1/phone-numbers", self.bundle.base_url);
        let order = json!({ "e164": NUMBER, "direction": "both" });
        let answer = self.http.post(url).bearer_auth(self.key.reveal()).json(&order).send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn grant(&self, reference: &str, micros: i64) {
        let organization = OrganizationId::parse(ORGANIZATION).unwrap();
        let reference = BookingReference::parse(reference).unwrap();
        let entry = LedgerEntry::grant(reference.as_str(), MicroUsd::from_micros(micros));
        self.bundle.table.book_once(&organization, &reference, &entry, "grace").await.unwrap();
    }

    async fn clock(&self) -> Value {
        self.http.get(&self.bundle.clock_url).send().await.unwrap().json().await.unwrap()
    }

    async fn advance(&self, by: &str) -> (StatusCode, Value) {
        let answer = self.http.post(&self.bundle.clock_url).json(&json!({ "advance": by })).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// Moves the clock ahead and returns what has happened.
    async fn wait(&self, by: &str) -> Vec<Value> {
        let (status, answer) = self.advance(by).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["happened"].as_array().unwrap().clone()
    }

    /// Moves the clock ahead to a time: months are of 28 to 31 days, whatever today is.
    async fn wait_until(&self, time: Timestamp) -> Vec<Value> {
        let seconds = time.since(self.bundle.clock.now()).as_secs();
        self.wait(&format!("PT{seconds}S")).await
    }
}

fn types(happened: &[Value]) -> Vec<&str> {
    happened.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn time(value: &Value) -> Timestamp {
    Timestamp::parse(value.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_number_is_suspended_lifted_charged_and_released_while_the_clock_moves_from_due_to_due() {
    let newcomer = Newcomer::start().await;
    let bought = newcomer.buy().await;
    let first_month_ends = time(&bought["createdAt"]).months_later(1);

    let happened = newcomer.wait_until(first_month_ends.plus(Duration::from_hours(1))).await;
    assert_eq!(types(&happened), ["credits.low", "phone_number.suspended", "phone_number.release_scheduled"]);
    let week_before = first_month_ends.since(time(&happened[0]["at"]));
    assert!(week_before.as_secs().abs_diff(7 * 86_400) <= 2 * 3_600, "{happened:?}");
    let suspended = &happened[1];
    assert!(is_charged_for(suspended, first_month_ends), "{suspended}");
    assert_eq!((suspended["organizationId"].as_str(), suspended["e164"].as_str()), (Some(ORGANIZATION), Some(NUMBER)));
    assert!(time(&suspended["releaseAt"]) > time(&suspended["at"]));

    newcomer.grant("INV-1", 1_000_000).await;
    let happened = newcomer.wait("PT1H").await;
    assert_eq!(types(&happened), ["phone_number.charged", "phone_number.unsuspended"]);
    assert_eq!(happened[0]["amountUsd"], "1.00");

    let second_month_ends = time(&bought["createdAt"]).months_later(2);
    let happened = newcomer.wait_until(second_month_ends.plus(Duration::from_hours(26))).await;
    let told = ["credits.low", "phone_number.suspended", "phone_number.release_scheduled", "phone_number.released"];
    assert_eq!(types(&happened), told);
    assert!(is_charged_for(&happened[1], second_month_ends), "the date does not drift");
    assert!(is_charged_for(&happened[3], time(&happened[2]["releaseAt"])), "not before the date that was announced");
    assert_eq!(happened[3]["reason"], "unpaid");
}

/// Whether something happened soon after the quarter of an hour in which it fell due.
fn is_charged_for(event: &Value, due: Timestamp) -> bool {
    let at = time(&event["at"]);
    at >= due && at.since(due).as_secs() <= 20 * 60
}

#[tokio::test]
async fn a_clock_that_is_asked_for_something_else_than_a_duration_stays_where_it_is() {
    let newcomer = Newcomer::start().await;
    for by in ["", "P1M", "-P1D", "P2Y"] {
        let (status, answer) = newcomer.advance(by).await;
        let reason = answer["error"].as_str().unwrap();
        assert!(
            status == StatusCode::BAD_REQUEST && reason.starts_with("advance ") && reason.contains("P40D"),
            "{reason}"
        );
    }
    let (url, http) = (&newcomer.bundle.clock_url, &newcomer.http);
    for body in ["", "{}", "{\"advance\":40}", "["] {
        let call = http.post(url).header("content-type", "application/json").body(body);
        assert!(call.send().await.unwrap().status() == StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(newcomer.clock().await["aheadMs"], 0);
}

#[tokio::test]
async fn a_run_goes_on_at_the_time_that_the_last_one_had_reached() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { data: Some(folder.path().to_owned()), ..Options::default() };
    let first = Bundle::start(options()).await.unwrap();
    let http = Client::new();
    let moved = http.post(&first.clock_url).json(&json!({ "advance": "PT1H" })).send().await.unwrap();
    let now = time(&moved.json::<Value>().await.unwrap()["now"]);
    first.stop().await.unwrap();
    let second = Bundle::start(options()).await.unwrap();
    assert!(second.clock.now() >= now, "{now}");
}
