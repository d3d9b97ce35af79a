//! `ops clock`: the local run's time.

use std::time::Duration;

use clap::Subcommand;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the local run's time
    Show,
    /// Move the local run's clock ahead, have everything done that falls due on the way, and list what happened
    Advance {
        /// How far, such as 40d, 36h or P40D; at most 366 days
        #[arg(value_name = "DURATION")]
        by: String,
    },
}

/// What the local run says of its clock.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    now: String,
    ahead_ms: u64,
    #[serde(default)]
    happened: Vec<Value>,
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    let url = session.connection.clock_url()?.to_owned();
    let client = reqwest::Client::new();
    match command {
        Command::Show => {
            let Told { now, .. } = told(client.get(&url)).await?;
            Ok(Output::changed(false, format!("The local run's time is {now}."), json!({ "now": now })))
        }
        Command::Advance { by } => {
            if let Some(would) = session.before(&format!("move the local run's clock ahead by {by}"), Undo::Possible)? {
                return Ok(would);
            }
            session.progress(&format!("The clock moves ahead by {by}; a month takes up to a minute."));
            let Told { now, happened, .. } = told(client.post(&url).json(&json!({ "advance": by }))).await?;
            session.progress(&format!("The local run's time is {now}."));
            let columns = &["at", "organizationId", "type", "e164", "amountUsd", "releaseAt", "reason"];
            Ok(Output::table(columns, "Nothing has happened.", happened))
        }
    }
}

/// How far the local run's clock is ahead of the machine's.
pub(crate) async fn ahead(url: &str) -> Result<Duration, Failure> {
    told(reqwest::Client::new().get(url)).await.map(|told| Duration::from_millis(told.ahead_ms))
}

async fn told(request: reqwest::RequestBuilder) -> Result<Told, Failure> {
    let unheard = |error: reqwest::Error| Failure::new(format!("The local run's clock does not answer: {error}."));
    let answer = request.send().await.map_err(unheard)?;
    if answer.status().is_success() {
        return answer.json().await.map_err(unheard);
    }
    let refusal: Value = answer.json().await.map_err(unheard)?;
    let reason = refusal["error"].as_str().unwrap_or("no reason is given");
    Err(Failure::new(format!("The clock was not moved: {reason}.")))
}
