//! `make load`: drives the API of the local run, or of a deployment, with many customers at once.

mod arguments;
mod customer;
mod drive;
mod memory;
mod organizations;
mod profile;
mod report;
mod tally;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use arguments::{Arguments, Plan};
use bench::local_run::{self, LocalRun};
use bench::{document, lambda_cost};
use customer::{AREA_CODES, Customer};
use drive::{Drive, say};
use organizations::Operator;
use reqwest::Client;
use tally::Tally;

/// What is driven: the local run that this program has started, or a deployment.
struct Target {
    url: String,
    operator: Operator,
    http: Client,
    local: Option<LocalRun>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match Arguments::parse(&words) {
        Ok(arguments) => run(arguments).await,
        Err(mistake) => Err(io::Error::other(mistake)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> io::Result<()> {
    let performance = Path::new(document::PERFORMANCE);
    match arguments {
        Arguments::Drive(plan) => load(&plan).await,
        Arguments::Cost => {
            let table = lambda_cost::table(&std::fs::read_to_string(performance)?)?;
            document::publish(performance, "cost", &table)
        }
        Arguments::Publish { name, file, document } => {
            let document = document.as_deref().map_or(performance, Path::new);
            document::publish(document, &name, &std::fs::read_to_string(file)?)
        }
    }
}

/// # Errors
/// Something could not be started or written, or a call had an unexpected answer; then the table is written first.
async fn load(plan: &Plan) -> io::Result<()> {
    let target = Target::start(plan).await?;
    say("creating the organizations")?;
    let customers = target.customers(!plan.without_carrier).await?;
    let drive = Drive { customers, rate: plan.rate, pid: target.local.as_ref().map(LocalRun::pid) };
    let warm = drive.run("warm-up", plan.warm_up()).await?;
    let result = drive.run("load", plan.length).await?;
    let table = report::table(&how(plan), &result);
    match &plan.report {
        Some(file) => std::fs::write(file, table)?,
        None => document::publish(Path::new(document::PERFORMANCE), "load", &table)?,
    }
    verdict([&warm.tally, &result.tally])
}

fn how(plan: &Plan) -> String {
    let (seconds, warm_up) = (plan.length.as_secs(), plan.warm_up().as_secs_f64());
    let how = match plan.rate {
        Some(rate) => format!("{rate} calls a second"),
        None => format!("{} connections", AREA_CODES.len()),
    };
    let customers = AREA_CODES.len();
    let here = match std::thread::available_parallelism() {
        Ok(processors) if plan.url.is_none() => format!(", everything on one machine of {processors} processors"),
        _ => String::new(),
    };
    format!("{how} of {customers} organizations, for {seconds} s after {warm_up} s of warm-up{here}.")
}

/// # Errors
/// There were errors; the first ones are named.
fn verdict(tallies: [&Tally; 2]) -> io::Result<()> {
    let errors: usize = tallies.iter().map(|tally| tally.errors()).sum();
    let told: Vec<_> = tallies.iter().flat_map(|tally| tally.told.iter().map(String::as_str)).collect();
    if errors == 0 {
        Ok(())
    } else {
        Err(io::Error::other(format!("{errors} unexpected answers:\n{}", told.join("\n"))))
    }
}

impl Target {
    async fn start(plan: &Plan) -> io::Result<Self> {
        let ops = plan.ops.clone().map_or_else(|| beside("ops"), Ok)?;
        if let Some(url) = plan.url.clone() {
            let http = Client::builder().build().map_err(io::Error::other)?;
            return Ok(Self { url, operator: Operator::new(ops, plan.ready.clone()), http, local: None });
        }
        let local = LocalRun::start(&plan.local.clone().map_or_else(|| beside("local"), Ok)?).await?;
        let url = local.ready["baseUrl"].as_str().unwrap_or_default().to_owned();
        let ready = local.file("ready.json").display().to_string();
        Ok(Self { url, operator: Operator::new(ops, Some(ready)), http: local_run::client()?, local: Some(local) })
    }

    /// Creates the organizations and what they begin with.
    async fn customers(&self, has_carrier: bool) -> io::Result<Vec<Arc<Customer>>> {
        let mut customers = Vec::new();
        for (place, organization) in self.operator.create(AREA_CODES.len()).await?.iter().enumerate() {
            if has_carrier {
                self.operator.verify(&self.http, &self.url, organization).await?;
            }
            let customer = Customer::new(self.http.clone(), &self.url, organization, place, has_carrier);
            customer.furnish().await?;
            customers.push(Arc::new(customer));
        }
        Ok(customers)
    }
}

/// A binary in the folder of this one.
fn beside(name: &str) -> io::Result<String> {
    Ok(std::env::current_exe()?.with_file_name(name).display().to_string())
}
