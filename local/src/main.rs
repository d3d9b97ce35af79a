//! `cargo run`: the whole bundle in one process.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use domain::Clock;
use local::seed::{Seed, seed};
use local::{Bundle, Options, openapi};
use serde::Serialize;
use serde_json::json;

/// Runs the whole phone-number service on this machine: the API, a DynamoDB engine, a sandbox carrier and a sandbox
/// Slack. Nothing leaves the machine, nothing has to be installed.
#[derive(Parser)]
#[command(version, name = "phone-numbers", after_help = "Example: cargo run -- --listen 127.0.0.1:9000 --fresh")]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    listen: String,
    /// The folder that keeps numbers, keys and messages between runs
    #[arg(long, value_name = "DIR", default_value = ".local")]
    data: PathBuf,
    /// Forget what earlier runs have kept
    #[arg(long)]
    fresh: bool,
    /// Write addresses, ids and keys into this file too, as JSON, once everything answers; they always stand in
    /// ready.json of the data folder
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Ask another carrier than the sandbox, such as `http://127.0.0.1:9999/v2`
    #[arg(long, value_name = "URL")]
    carrier_url: Option<String>,
    /// Send clicks on the sandbox Slack's page to another deployment, such as
    /// `http://127.0.0.1:3000/slack/interactions`; its Slack secret is the one in ready.json
    #[arg(long, value_name = "URL")]
    interactions_url: Option<String>,
    /// Print the API's description (openapi.json) and stop
    #[arg(long)]
    openapi: bool,
}

/// Where the operator's command line finds the run, within its folder.
const READY: &str = "ready.json";

/// The functions' variables, for whoever runs one of them with `sam local invoke --env-vars`.
const VARIABLES: &str = "env.json";

/// What a run keeps; `--fresh` removes just these.
const KEPT: [&str; 7] =
    ["table.db", "table.db-wal", "table.db-shm", "carrier.json", "slack.json", "clock.json", "organizations.json"];

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt().compact().with_writer(io::stderr).with_target(false).init();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> io::Result<()> {
    if arguments.openapi {
        return io::stdout().write_all(openapi::text()?.as_bytes());
    }
    let _lock = prepare(&arguments.data, arguments.fresh)?;
    let bundle = Bundle::start(Options {
        listen: arguments.listen,
        data: Some(arguments.data.clone()),
        carrier_url: arguments.carrier_url,
        interactions_url: arguments.interactions_url,
        ..Options::default()
    })
    .await?;
    let seeds = seed(&bundle.table, &arguments.data.join("organizations.json"), bundle.clock.now()).await?;
    io::stdout().write_all(greeting(&bundle, &seeds).as_bytes())?;
    bundle.follow_schedules();
    write_whole(&arguments.data.join(VARIABLES), &bundle.variables)?;
    let ready = arguments.data.join(READY);
    for file in [Some(&ready), arguments.ready_file.as_ref()].into_iter().flatten() {
        write_ready_file(file, &bundle, &seeds)?;
    }
    stop_requested().await?;
    writeln!(io::stdout(), "\nStopping.")?;
    // Nobody is to find a run there that is gone.
    let _ = std::fs::remove_file(ready);
    bundle.stop().await
}

/// Makes the folder and takes it for this process alone, so that two runs never write the same files.
fn prepare(folder: &Path, fresh: bool) -> io::Result<File> {
    let explain = |error: io::Error| io::Error::new(error.kind(), format!("cannot use {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(explain)?;
    let lock = File::create(folder.join("lock")).map_err(explain)?;
    if lock.try_lock().is_err() {
        let message = format!("another run uses {}: stop it, or name another folder with --data", folder.display());
        return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
    }
    if fresh {
        for name in KEPT {
            match std::fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(explain(error)),
                _ => {}
            }
        }
    }
    Ok(lock)
}

fn write_ready_file(file: &Path, bundle: &Bundle, seeds: &[Seed]) -> io::Result<()> {
    let ready = json!({
        "baseUrl": bundle.base_url,
        "docsUrl": bundle.docs_url,
        "clockUrl": bundle.clock_url,
        "carrierUrl": bundle.carrier_url,
        "slackMessagesUrl": bundle.slack_messages_url,
        "slackApiUrl": format!("{}/api", bundle.slack_url),
        "slackSecret": bundle.slack_secret,
        "carrierSecret": bundle.carrier_secret,
        "queueUrl": bundle.notifications_url(),
        "dynamoDbUrl": bundle.dynamo_db_url,
        "tableName": bundle.table_name,
        "organizations": seeds,
    });
    write_whole(file, &ready)
}

/// Writes a file whole or not at all: somebody is waiting for it.
fn write_whole(file: &Path, content: &impl Serialize) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut new, content)?;
    new.persist(file).map_err(io::Error::other).map(drop)
}

async fn stop_requested() -> io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminated.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

fn greeting(bundle: &Bundle, seeds: &[Seed]) -> String {
    let about = |name: &str| match name {
        "new" => "has done nothing yet: submit its verification",
        "verified" => "is approved, has 100.00 USD, two agents, two SIP connections: buy, import, route",
        _ => "is approved, but has no credits",
    };
    let line = |seed: &Seed| format!("  {:<9} {}\n            {}\n", seed.name, about(&seed.name), seed.api_key);
    let organizations = seeds.iter().map(line).collect::<Vec<_>>().concat();
    let key = |name: &str| seeds.iter().find(|seed| seed.name == name).map_or("", |seed| &seed.api_key);
    let (base, verified, new) = (&bundle.base_url, key("verified"), key("new"));
    let Bundle { docs_url, slack_url, carrier_url, dynamo_db_url, table_name, .. } = bundle;
    format!(
        r#"
The phone-number service is running. Ctrl-C stops it; what it keeps is there again next time.

  API       {base}/v1/phone-numbers
  Docs      {docs_url}
  Slack     {slack_url}/ (what staff see)
  Carrier   {carrier_url}
  DynamoDB  {dynamo_db_url} (table {table_name})
  Operator  cargo run -p ops -- --local verifications queue

Organizations and their API keys
{organizations}
Search, buy, look, release (the second line buys the first number found)
  export KEY={verified}
  NUMBER=$(curl -s "{base}/v1/phone-numbers/available?areaCode=415&limit=1" -H "Authorization: Bearer $KEY" | grep -o '+1[0-9]*' | head -1)
  curl -s {base}/v1/phone-numbers -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" -d "{{\"e164\":\"$NUMBER\",\"direction\":\"both\",\"agentId\":\"agent_reception\"}}"
  curl -s {base}/v1/phone-numbers -H "Authorization: Bearer $KEY"

Import a number of your own
  curl -s {base}/v1/phone-numbers/import -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" -d '{{"e164":"+12125550142","sipConnectionInstallationId":"sip_connected"}}'

Follow what happens (half a minute later)
  curl -s {base}/v1/phone-numbers/events -H "Authorization: Bearer $KEY"

Let forty days pass, and see what is charged (20 seconds)
  cargo run -p ops -- --local clock advance 40d

Submit a business verification, then look at the Slack page
  curl -s {base}/v1/phone-numbers/kyb/submit -H "Authorization: Bearer {new}" -H "Content-Type: application/json" -d '{{"declaration":{{"businessName":"Fresh Start","useCase":"Appointment reminders"}},"attestationAccepted":true}}'

"#
    )
}
