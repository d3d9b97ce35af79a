//! `ops clock`, beside a local run of its own: moving its time moves it for every organization.

use std::sync::Arc;

use domain::{Clock, SystemClock, Timestamp};
use local::{Bundle, Options};
use serde_json::{Value, json};

/// Runs a command on the local run that has left `ready`, and returns its exit code and what it has said.
async fn ops(ready: &str, line: &str) -> (u8, String, String) {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut io = ops::Io {
        interactive: false,
        input: &mut "".as_bytes(),
        output: &mut output,
        errors: &mut errors,
        clock: Arc::new(SystemClock),
    };
    let line = format!("ops --as grace --local={ready} {line}");
    let code = Box::pin(ops::run(line.split(' ').map(Into::into), &mut io)).await;
    (code, String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap())
}

#[tokio::test]
async fn the_clock_of_the_local_run_is_shown_and_moved_and_other_commands_go_by_it() {
    let bundle = Bundle::start(Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready.json");
    let ready = json!({
        "dynamoDbUrl": bundle.dynamo_db_url, "tableName": bundle.table_name, "clockUrl": bundle.clock_url,
        "queueUrl": "", "carrierUrl": "", "carrierSecret": "", "slackApiUrl": "", "slackSecret": "",
    });
    std::fs::write(&file, ready.to_string()).unwrap();
    let ready = file.display().to_string();
    let shown = async || {
        let (code, output, _) = ops(&ready, "clock show --json").await;
        let told: Value = serde_json::from_str(&output).unwrap();
        assert_eq!(code, 0);
        Timestamp::parse(told["now"].as_str().unwrap()).unwrap()
    };

    let before = shown().await;
    assert!(SystemClock.now().since(before).as_secs() < 60);
    let (code, output, _) = ops(&ready, "clock advance 2d --dry-run").await;
    assert!(code == 0 && output.contains("this would move the local run's clock ahead by 2d"), "{output}");
    assert!(shown().await.since(before).as_secs() < 86_400, "a dry run moves nothing");
    let (code, output, errors) = ops(&ready, "clock advance 2d").await;
    assert!(code == 0 && output.contains("Nothing has happened."), "{output}{errors}");
    assert!(shown().await.since(before).as_secs() >= 2 * 86_400);

    assert_eq!(ops(&ready, "orgs create org_late --name Late").await.0, 0);
    assert_eq!(ops(&ready, "keys issue org_late").await.0, 0);
    let (_, keys, _) = ops(&ready, "keys list org_late --json").await;
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let created_at = Timestamp::parse(keys[0]["createdAt"].as_str().unwrap()).unwrap();
    assert!(created_at.since(before).as_secs() >= 2 * 86_400, "{created_at}");

    let (code, _, refusal) = ops(&ready, "clock advance 1month").await;
    assert!(code == 1 && refusal.contains("write a duration such as P40D"), "{refusal}");
    let (code, _, refusal) = ops(&bundle.dynamo_db_url, "clock show").await;
    assert!(code == 1 && refusal.contains("Only the local run has a clock to move"), "{refusal}");
}
