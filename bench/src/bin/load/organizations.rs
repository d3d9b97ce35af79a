//! Creates the organizations that are driven, with the operator's command line, as a person would.

use std::io;
use std::process::{Command, Stdio};

use bench::local_run::json_of;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// The name of each organization's SIP connection.
pub(crate) const SIP_CONNECTION: &str = "sip_load";

/// The operator's command line: its binary, and where it works.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    binary: String,
    /// The ready.json of a local run; without it, the environment names the table in AWS.
    ready: Option<String>,
}

/// An organization with its key.
#[derive(Debug)]
pub(crate) struct Organization {
    pub(crate) key: String,
}

impl Operator {
    pub(crate) fn new(binary: String, ready: Option<String>) -> Self {
        Self { binary, ready }
    }

    /// Creates `count` organizations; a run of its own gives them names of their own.
    pub(crate) async fn create(&self, count: usize) -> io::Result<Vec<Organization>> {
        let run = std::process::id();
        let mut tasks = JoinSet::new();
        for place in 0..count {
            let operator = self.clone();
            tasks.spawn_blocking(move || operator.create_one(&format!("org_load_{run}_{place}")));
        }
        tasks.join_all().await.into_iter().collect()
    }

    fn create_one(&self, id: &str) -> io::Result<Organization> {
        self.run(&["orgs", "create", id, "--name", "Load"])?;
        self.run(&["credits", "grant", id, "100000.00", "--reference", "load"])?;
        self.run(&["sip", "register", id, SIP_CONNECTION, "--provider", "Example Trunks"])?;
        let issued = self.run(&["keys", "issue", id])?;
        let key = issued["apiKey"].as_str().ok_or_else(|| io::Error::other(format!("no key of {id}")))?;
        Ok(Organization { key: key.to_owned() })
    }

    /// Submits a verification as the customer, and approves it as the operator: without it nobody may buy.
    pub(crate) async fn verify(&self, http: &Client, url: &str, organization: &Organization) -> io::Result<()> {
        let form = json!({
            "declaration": { "businessName": "Load", "useCase": "Appointment reminders" }, "attestationAccepted": true,
        });
        let submit = http.post(format!("{url}/v1/phone-numbers/kyb/submit")).bearer_auth(&organization.key);
        let submitted = json_of(submit.json(&form)).await?;
        let word = |name: &str| submitted[name].as_str().unwrap_or_default().to_owned();
        let (operator, owner, id) = (self.clone(), word("organizationId"), word("id"));
        let approving = move || operator.run(&["verifications", "approve", &owner, &id]);
        tokio::task::spawn_blocking(approving).await.map_err(io::Error::other)?.map(drop)
    }

    fn run(&self, words: &[&str]) -> io::Result<Value> {
        let mut command = Command::new(&self.binary);
        command.stdin(Stdio::null()).arg("--json").args(self.ready.iter().map(|file| format!("--local={file}")));
        let output = command
            .args(words)
            .output()
            .map_err(|error| io::Error::new(error.kind(), format!("cannot run {}: {error}", self.binary)))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("ops {}: {}", words.join(" "), said.trim())));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
