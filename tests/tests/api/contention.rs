//! Races: one winner, one debit, and the books are right afterwards. Each race runs in fair weather, and again with
//! the conflicts, throttles and lost answers that real DynamoDB gives.

use std::sync::Arc;

use serde_json::{Value, json};
use tests::dynamo::Weather;
use tests::{Answer, TestApp};

/// Runs `many` calls at once and returns their answers.
async fn race<F>(app: &Arc<TestApp>, many: usize, call: impl Fn(Arc<TestApp>, usize) -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let calls: Vec<_> = (0..many).map(|at| tokio::spawn(call(app.clone(), at))).collect();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

fn winners(answers: &[Answer]) -> Vec<&Value> {
    answers.iter().filter(|answer| answer.status == 200).map(|answer| &answer.body).collect()
}

async fn fifty_buyers(weather: Weather) {
    let app = Arc::new(TestApp::approved().await);
    app.get("/v1/phone-numbers").send().await.ok();
    app.dynamo.set(weather);
    let answers = race(&app, 50, |app, _| async move { app.buy("+14155550142").send().await }).await;
    app.dynamo.set(Weather::Fair);
    assert_eq!(winners(&answers).len(), 1, "one number is sold once");
    for answer in answers {
        match answer.status {
            200 => {}
            409 => drop(answer.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED")),
            // Contention that outlasts the retries is told as such, and changes nothing.
            _ => drop(answer.refused(503, "BUSY")),
        }
    }
    let rows = app.get("/v1/phone-numbers").send().await.ok();
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    assert_eq!(app.balance().await, 98_000_000, "one debit");
    assert_eq!(app.bundle.carrier.orders().len(), 1, "one order");
    app.check_books().await;
}

#[tokio::test]
async fn fifty_buyers_of_one_number_make_one_purchase() {
    fifty_buyers(Weather::Fair).await;
}

#[tokio::test]
async fn fifty_buyers_of_one_number_make_one_purchase_under_conflicts_and_throttles() {
    fifty_buyers(Weather::Contended).await;
}

#[tokio::test]
async fn fifty_buyers_of_one_number_make_one_purchase_when_answers_are_lost() {
    fifty_buyers(Weather::Forgetful).await;
}

async fn fifty_links(weather: Weather) {
    let app = Arc::new(TestApp::approved().await);
    let mut paths = Vec::new();
    for at in 0..50 {
        let row = app.import(&format!("+1212555{:04}", 1000 + at)).send().await.ok();
        paths.push(format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap()));
    }
    let paths = Arc::new(paths);
    app.dynamo.set(weather);
    let answers = race(&app, 50, |app, at| {
        let paths = paths.clone();
        async move { app.patch(&paths[at], &json!({ "agentId": "agent_1" })).send().await }
    })
    .await;
    app.dynamo.set(Weather::Fair);
    assert_eq!(winners(&answers).len(), 1);
    for answer in answers {
        match answer.status {
            200 => {}
            409 => drop(answer.refused(409, "AGENT_ALREADY_LINKED")),
            _ => drop(answer.refused(503, "BUSY")),
        }
    }
    let linked = app.get("/v1/phone-numbers?agentId=agent_1").send().await.ok();
    assert_eq!(linked.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn fifty_links_of_one_agent_make_one_link() {
    fifty_links(Weather::Fair).await;
}

#[tokio::test]
async fn fifty_links_of_one_agent_make_one_link_under_conflicts_and_throttles() {
    fifty_links(Weather::Contended).await;
}

#[tokio::test]
async fn fifty_links_of_one_agent_make_one_link_when_answers_are_lost() {
    fifty_links(Weather::Forgetful).await;
}

#[tokio::test]
async fn a_number_lives_its_whole_life_while_answers_are_lost() {
    let app = TestApp::approved().await;
    app.dynamo.set(Weather::Forgetful);
    for at in 0..10 {
        let body = json!({ "e164": format!("+1415555{:04}", 1000 + at), "agentId": "agent_1" });
        let row = app.post("/v1/phone-numbers", &body).send().await.ok();
        assert_eq!(row["setupStatus"]["status"], "ready", "{row}");
        let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
        let patched = app.patch(&path, &json!({ "agentId": "agent_2", "label": "x" })).header("if-match", "\"2\"");
        assert_eq!(patched.send().await.ok()["agentId"], "agent_2");
        app.delete(&path).send().await.ok();
        let taken = app.buy("+14155550404").send().await;
        taken.refused(409, "PHONE_NUMBER_UNAVAILABLE");
        let imported = app.import(&format!("+1212555{:04}", 1000 + at)).send().await.ok();
        app.delete(&format!("/v1/phone-numbers/{}", imported["id"].as_str().unwrap())).send().await.ok();
    }
    app.dynamo.set(Weather::Fair);
    assert_eq!(app.balance().await, 80_000_000);
    app.check_books().await;
}

#[tokio::test]
async fn a_verification_is_filed_once_while_answers_are_lost() {
    for _ in 0..5 {
        let app = TestApp::empty().await;
        app.dynamo.set(Weather::Forgetful);
        app.put("/v1/phone-numbers/kyb/draft", &super::kyb::full_form()).send().await.ok();
        app.post("/v1/phone-numbers/kyb/submit", &super::kyb::full_form()).send().await.ok();
        app.bundle.queue.settled().await;
        app.dynamo.set(Weather::Fair);
        assert_eq!(app.get("/v1/phone-numbers/kyb").send().await.ok()["status"], "submitted");
    }
}

#[tokio::test]
async fn credits_for_three_numbers_buy_three_of_ten() {
    for weather in [Weather::Fair, Weather::Contended] {
        let app = Arc::new(TestApp::with(tests::with_credit_for(3)).await);
        app.dynamo.set(weather);
        let answers =
            race(&app, 10, |app, at| async move { app.buy(&format!("+1415555{:04}", 1000 + at)).send().await }).await;
        app.dynamo.set(Weather::Fair);
        assert!((1..=3).contains(&winners(&answers).len()));
        let rows = app.get("/v1/phone-numbers").send().await.ok();
        let bought = i64::try_from(rows.as_array().unwrap().len()).unwrap();
        assert_eq!(app.balance().await, (3 - bought) * 2_000_000);
        if weather == Weather::Fair {
            assert_eq!(bought, 3);
        }
        app.check_books().await;
    }
}

#[tokio::test]
async fn patches_of_one_number_at_once_are_all_kept() {
    let app = Arc::new(TestApp::approved().await);
    let row = app.import("+12125550142").send().await.ok();
    let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
    let bodies = [json!({ "label": "kept" }), json!({ "direction": "both" }), json!({ "agentId": "agent_1" })];
    let bodies = Arc::new(bodies);
    let answers = race(&app, 3, |app, at| {
        let (path, bodies) = (path.clone(), bodies.clone());
        async move { app.patch(&path, &bodies[at]).send().await }
    })
    .await;
    assert_eq!(winners(&answers).len(), 3);
    let row = app.get(&path).send().await.ok();
    assert_eq!(
        (&row["label"], &row["direction"], &row["agentId"]),
        (&json!("kept"), &json!("both"), &json!("agent_1"))
    );
}

#[tokio::test]
async fn one_version_is_changed_once() {
    let app = Arc::new(TestApp::approved().await);
    let row = app.import("+12125550142").send().await.ok();
    let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
    let answers = race(&app, 10, |app, at| {
        let path = path.clone();
        async move { app.patch(&path, &json!({ "label": at.to_string() })).header("if-match", "\"1\"").send().await }
    })
    .await;
    assert_eq!(winners(&answers).len(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 412).count(), 9);
}

#[tokio::test]
async fn releases_of_one_number_at_once_release_it_once() {
    for weather in [Weather::Fair, Weather::Contended] {
        let app = Arc::new(TestApp::approved().await);
        let row = app.buy("+14155550142").send().await.ok();
        let path = format!("/v1/phone-numbers/{}", row["id"].as_str().unwrap());
        app.dynamo.set(weather);
        let answers = race(&app, 10, |app, _| {
            let path = path.clone();
            async move { app.delete(&path).send().await }
        })
        .await;
        app.dynamo.set(Weather::Fair);
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 404 | 503)));
        app.delete(&path).send().await;
        assert_eq!(app.get("/v1/phone-numbers").send().await.ok(), json!([]));
        app.check_books().await;
    }
}
