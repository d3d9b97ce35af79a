//! The real `cargo run`: what it prints works, and it starts again on what it has kept.
#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A run that has greeted, and what it has printed.
struct Run {
    process: Child,
    greeting: Vec<String>,
}

impl Run {
    fn start(data: &Path, log: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_local"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let mut greeting = Vec::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            greeting.push(line.unwrap());
            if greeting.last().unwrap().contains("/kyb/submit") {
                break;
            }
        }
        Self { process, greeting }
    }
}

impl Drop for Run {
    /// As a crash ends it.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What stands between two marks.
fn between<'a>(line: &'a str, before: &str, after: &str) -> &'a str {
    line.split_once(before).and_then(|(_, rest)| rest.split_once(after)).unwrap_or_else(|| panic!("{line}")).0
}

#[tokio::test]
async fn the_lines_that_a_run_prints_are_answered_and_the_next_run_on_its_data_warns_of_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    {
        let run = Run::start(&data, &log);
        let key = run.greeting.iter().find_map(|line| line.trim().strip_prefix("export KEY=")).unwrap();
        let with_bodies: Vec<_> = run.greeting.iter().filter(|line| line.contains("-d '")).collect();
        assert_eq!(with_bodies.len(), 2, "{:?}", run.greeting);
        for line in with_bodies {
            let bearer = between(line, "Bearer ", "\"").replace("$KEY", key);
            let (url, body) = (between(line, "curl -s ", " "), between(line, "-d '", "'"));
            let answer = http.post(url).bearer_auth(bearer).body(body.to_owned()).send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert_eq!(status, 200, "{line}\n{text}");
        }
        let api = run.greeting.iter().find_map(|line| line.trim().strip_prefix("API ")).unwrap().trim();
        let clock = api.replace("/v1/phone-numbers", "/sandbox/clock");
        let moved = http.post(clock).json(&serde_json::json!({ "advance": "6h" })).send().await.unwrap();
        assert_eq!(moved.status(), 200);
    }
    drop(Run::start(&data, &log));
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(!logged.contains("WARN") && !logged.contains("ERROR"), "{logged}");
}
