//! The operator's command line as a library: `run` with the arguments, and with the terminal that a test may play.
//!
//! Each command is one call of what the rest of the product uses too, mostly of `table`, where the conditions stand
//! that make it safe beside everybody else. What a command says is made once, as JSON, and shown as text or as it is.

mod agents;
mod audit;
mod brand;
mod cli;
mod clock;
mod connect;
mod credits;
mod dead_letters;
mod events;
mod failure;
mod keys;
mod numbers;
mod options;
mod orders;
mod organizations;
mod output;
mod renewals;
mod session;
mod sip;
mod verifications;

use std::ffi::OsString;
use std::io::{BufRead, Write};
use std::sync::Arc;

use clap::Parser;
use domain::Clock;

use crate::cli::{Cli, Noun};
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Everything is done, or was done before.
const DONE: u8 = 0;
/// Refused or failed, with one sentence that says why.
const FAILED: u8 = 1;
/// The command line itself is wrong.
const USAGE: u8 = 2;

/// Where a command reads and writes.
pub struct Io<'a> {
    /// Whether somebody can answer a question.
    pub interactive: bool,
    pub input: &'a mut dyn BufRead,
    pub output: &'a mut dyn Write,
    pub errors: &'a mut dyn Write,
    pub clock: Arc<dyn Clock>,
}

/// Runs one command and returns its exit code: 0 done, 1 refused or failed, 2 wrong usage.
pub async fn run(arguments: impl IntoIterator<Item = OsString>, io: &mut Io<'_>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return explain(&error, io),
    };
    let json = cli.options.json;
    let done = match Session::new(cli.options, io).await {
        Ok(mut session) => Box::pin(act(cli.noun, &mut session)).await,
        Err(failure) => Err(failure),
    };
    // A reader that has gone, such as `head`, is no failure.
    match done {
        Ok(output) => {
            let _ = io.output.write_all(output.show(json).as_bytes());
            output.into_failure().map_or(DONE, |failure| fail(&failure, io))
        }
        Err(failure) => fail(&failure, io),
    }
}

fn fail(failure: &Failure, io: &mut Io<'_>) -> u8 {
    // Some causes come in several lines; a refusal is one.
    let sentence = failure.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(io.errors, "error: {sentence}");
    FAILED
}

/// Help and version are asked for; everything else is wrong usage.
fn explain(error: &clap::Error, io: &mut Io<'_>) -> u8 {
    if error.use_stderr() {
        let _ = write!(io.errors, "{error}");
        USAGE
    } else {
        let _ = write!(io.output, "{error}");
        DONE
    }
}

async fn act(noun: Noun, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match noun {
        Noun::Orgs(command) => organizations::run(command, session).await,
        Noun::Keys(command) => keys::run(command, session).await,
        Noun::Credits(command) => credits::run(command, session).await,
        Noun::Agents(command) => agents::run(command, session).await,
        Noun::Sip(command) => sip::run(command, session).await,
        Noun::Brand(command) => brand::run(command, session).await,
        Noun::Verifications(command) => verifications::run(command, session).await,
        Noun::Numbers(command) => numbers::run(command, session).await,
        Noun::Orders(command) => orders::run(command, session).await,
        Noun::Renewals(command) => renewals::run(command, session).await,
        Noun::Clock(command) => clock::run(command, session).await,
        Noun::Events(arguments) => events::run(arguments, session).await,
        Noun::Audit(arguments) => audit::run(arguments, session).await,
        Noun::DeadLetters(command) => dead_letters::run(command, session).await,
    }
}
