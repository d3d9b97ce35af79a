//! Races: one winner, one debit, and the books are right afterwards. Each race runs in fair weather, and again with
//! the conflicts, throttles and lost answers that real DynamoDB gives.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use local::Options;
use serde_json::{Value, json};
use tests::dynamo::Weather;
use tests::{Answer, Call, TestApp, approved};

/// The weathers in which what is asked for can be done.
const WORKABLE: [Weather; 3] = [Weather::Fair, Weather::Contended, Weather::Forgetful];

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

/// Thirty buyers of one number, of whom `bought` get it.
async fn thirty_buyers(weather: Weather, carrier_delay: Duration, bought: usize) {
    let app = Arc::new(TestApp::start(approved(), Options { carrier_delay, ..Options::default() }).await);
    app.get("/v1/phone-numbers").send().await.ok();
    app.dynamo.set(weather);
    let mut answers = race(&app, 30, |app, _| async move { app.buy("+14155550142").send().await }).await;
    app.dynamo.set(Weather::Fair);
    if winners(&answers).len() < bought {
        // A machine that is busy with thirty of them may time out for each of them; then the next caller gets it.
        answers.push(app.buy("+14155550142").send().await);
    }
    assert_eq!(winners(&answers).len(), bought, "one number is sold once");
    for answer in answers {
        match answer.status {
            200 => {}
            409 => drop(answer.refused(409, "PHONE_NUMBER_ALREADY_REGISTERED")),
            // On a machine that is busy with thirty of them, a search may take longer than its time-out.
            503 if answer.body["code"] == "CARRIER_UNAVAILABLE" => {}
            // Contention that outlasts the retries is told as such, and changes nothing.
            _ => drop(answer.refused(503, "BUSY")),
        }
    }
    let rows = app.get("/v1/phone-numbers").send().await.ok();
    assert_eq!(rows.as_array().unwrap().len(), bought, "{rows}");
    assert_eq!(app.balance().await, if bought == 1 { 98_000_000 } else { 100_000_000 });
    assert_eq!(app.bundle.carrier.order_attempts().into_values().collect::<Vec<_>>(), vec![1; bought]);
    app.check_books().await;
}

/// Slow enough for all thirty to be under way before the first has its answer.
const SLOW: Duration = Duration::from_millis(100);

#[tokio::test]
async fn thirty_buyers_of_one_number_make_one_purchase() {
    thirty_buyers(Weather::Fair, Duration::ZERO, 1).await;
}

#[tokio::test]
async fn thirty_buyers_of_one_number_make_one_purchase_under_conflicts_and_throttles() {
    thirty_buyers(Weather::Contended, Duration::ZERO, 1).await;
}

#[tokio::test]
async fn thirty_buyers_of_one_number_make_one_purchase_when_answers_are_lost() {
    thirty_buyers(Weather::Forgetful, Duration::ZERO, 1).await;
}

#[tokio::test]
async fn thirty_buyers_at_a_slow_carrier_make_one_purchase() {
    thirty_buyers(Weather::Fair, SLOW, 1).await;
}

#[tokio::test]
async fn thirty_buyers_at_a_slow_carrier_make_one_purchase_under_conflicts_and_throttles() {
    thirty_buyers(Weather::Contended, SLOW, 1).await;
}

#[tokio::test]
async fn thirty_buyers_at_a_slow_carrier_make_one_purchase_when_answers_are_lost() {
    thirty_buyers(Weather::Forgetful, SLOW, 1).await;
}

#[tokio::test]
async fn thirty_buyers_buy_nothing_while_the_table_takes_no_transactions() {
    thirty_buyers(Weather::NoTransactions, Duration::ZERO, 0).await;
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
        app.put("/v1/phone-numbers/kyb/draft", &tests::full_form()).send().await.ok();
        app.post("/v1/phone-numbers/kyb/submit", &tests::full_form()).send().await.ok();
        app.bundle.notifications.settled().await;
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
    for weather in WORKABLE {
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

/// A managed number that is being released, with an agent, and somebody who wants something of it at that moment.
struct Release<'a> {
    app: &'a TestApp,
    e164: &'a str,
    path: &'a str,
    /// The key of another organization, which may buy too.
    stranger: &'a str,
}

/// In calls to the table. The last one lets the first call end, so that each side wins somewhere.
const HEAD_STARTS: [usize; 5] = [0, 1, 2, 3, usize::MAX];

/// Sends two calls. The second one sets out once `head_start` calls have reached the table, or the first one is done:
/// with each head start it meets the first at another step.
async fn staggered(app: &TestApp, first: Call, head_start: usize, second: Call) -> (Answer, Answer) {
    let before = app.dynamo.seen().len();
    let done = Cell::new(false);
    let first = async {
        let answer = first.send().await;
        done.set(true);
        answer
    };
    let second = async {
        while !done.get() && app.dynamo.seen().len() - before < head_start {
            tokio::task::yield_now().await;
        }
        second.send().await
    };
    tokio::join!(first, second)
}

/// Races releases against a rival: in each weather the rival comes at every step of the release, and the release at
/// every step of the rival. `refusals` are what the rival may be told instead of a success. Whatever was answered, the
/// books are right, and DELETE again ends with the number gone.
async fn race_releases(rival: impl Fn(&Release<'_>) -> Call, refusals: &[(u16, &str)]) {
    for weather in WORKABLE {
        let app = TestApp::approved().await;
        let stranger = app.stranger(approved()).await;
        let (mut won, mut lost) = (0, 0);
        for round in 0..20_usize {
            let e164 = format!("+1415555{:04}", 1000 + round);
            let bought = app.post("/v1/phone-numbers", &json!({ "e164": e164, "agentId": "agent_1" })).send().await;
            let path = format!("/v1/phone-numbers/{}", bought.ok()["id"].as_str().unwrap());
            let (release, head_start) = (app.delete(&path), HEAD_STARTS[round / 2 % HEAD_STARTS.len()]);
            let rival = rival(&Release { app: &app, e164: &e164, path: &path, stranger: &stranger });
            app.dynamo.set(weather);
            let (released, rivaled) = if round.is_multiple_of(2) {
                staggered(&app, release, head_start, rival).await
            } else {
                let (rivaled, released) = staggered(&app, rival, head_start, release).await;
                (released, rivaled)
            };
            app.dynamo.set(Weather::Fair);
            app.check_books().await;
            match (rivaled.status, rivaled.body["code"].as_str()) {
                (200, _) => won += 1,
                (503, Some("BUSY")) => {}
                (status, Some(code)) if refusals.contains(&(status, code)) => lost += 1,
                _ => panic!("round {round}, {weather:?}: {}", rivaled.text),
            }
            let again = app.delete(&path).send().await;
            if released.status == 200 {
                again.refused(404, "NOT_FOUND");
            } else {
                released.refused(503, "BUSY");
                assert!(matches!(again.status, 200 | 404), "{}", again.text);
            }
            // What the rival has got instead makes room for the next round, unless it is the stranger's.
            if let Some(id) = rivaled.body["id"].as_str() {
                app.delete(&format!("/v1/phone-numbers/{id}")).send().await;
            }
        }
        assert!(won > 0 && lost > 0, "{weather:?}: the rival won {won} times and lost {lost} times");
        app.check_books().await;
    }
}

const GONE_OR_GOING: [(u16, &str); 2] = [(404, "NOT_FOUND"), (409, "PHONE_NUMBER_BUSY")];

#[tokio::test]
async fn a_release_races_an_update() {
    let label = json!({ "label": "x" });
    race_releases(|release| release.app.patch(release.path, &label), &GONE_OR_GOING).await;
}

#[tokio::test]
async fn a_release_races_a_link() {
    let link = json!({ "agentId": "agent_2" });
    race_releases(|release| release.app.patch(release.path, &link), &GONE_OR_GOING).await;
}

#[tokio::test]
async fn a_release_races_a_stranger_who_buys_the_number() {
    let buy = |release: &Release<'_>| release.app.buy(release.e164).key(release.stranger);
    race_releases(buy, &[(409, "PHONE_NUMBER_ALREADY_REGISTERED")]).await;
}

#[tokio::test]
async fn a_release_races_a_buyer_of_the_number_for_the_same_agent() {
    let buy = |release: &Release<'_>| {
        release.app.post("/v1/phone-numbers", &json!({ "e164": release.e164, "agentId": "agent_1" }))
    };
    race_releases(buy, &[(409, "PHONE_NUMBER_ALREADY_REGISTERED"), (409, "AGENT_ALREADY_LINKED")]).await;
}

#[tokio::test]
async fn a_release_races_an_import_of_the_number_for_the_same_agent() {
    let import = |release: &Release<'_>| {
        let body = json!({ "e164": release.e164, "sipConnectionInstallationId": "sip_up", "agentId": "agent_1" });
        release.app.post("/v1/phone-numbers/import", &body)
    };
    race_releases(import, &[(409, "PHONE_NUMBER_ALREADY_REGISTERED"), (409, "AGENT_ALREADY_LINKED")]).await;
}
