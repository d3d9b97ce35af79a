//! The command line: its nouns, global options and examples.

use clap::{Parser, Subcommand};

use crate::options::Options;
use crate::{
    agents, audit, brand, clock, credits, dead_letters, events, keys, numbers, orders, organizations, renewals, sip,
    verifications,
};

const EXAMPLES: &str = "\
Examples, against the local run (`cargo run` in another terminal):
  ops --local orgs create org_acme --name \"Acme Inc\"
  ops --local keys issue org_acme
  ops --local credits grant org_acme 25.00 --reference INV-1001
  ops --local renewals due
  ops --local clock advance 40d
  ops --local verifications queue
  ops --local verifications approve org_acme kyb_01kwdfkd000000000000000001

Against AWS, with the usual profiles, regions and AWS_* variables:
  export TABLE_NAME=phone-numbers-Table-1ABC
  ops --profile production --region us-east-1 orgs list

Exit codes: 0 done, 1 refused or failed (one sentence on standard error), 2 wrong usage.";

/// The operator's command line: organizations, API keys, credits, agents, SIP connections, business verifications,
/// phone numbers.
#[derive(Parser)]
#[command(name = "ops", version, after_help = EXAMPLES, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) noun: Noun,
}

#[derive(Subcommand)]
pub(crate) enum Noun {
    /// Organizations: create, show, list; who may buy
    #[command(subcommand)]
    Orgs(organizations::Command),
    /// API keys: issue, list, revoke
    #[command(subcommand)]
    Keys(keys::Command),
    /// Prepaid credits: grant, adjust, balance, ledger
    #[command(subcommand)]
    Credits(credits::Command),
    /// Voice agents: register, list, remove
    #[command(subcommand)]
    Agents(agents::Command),
    /// SIP connections: register, list, remove
    #[command(subcommand)]
    Sip(sip::Command),
    /// The SMS brand (10DLC) from which a verification is prefilled: set, show, fetch
    #[command(subcommand)]
    Brand(brand::Command),
    /// Business verifications: queue, show, approve, reject, revoke, resend
    #[command(subcommand)]
    Verifications(verifications::Command),
    /// Phone numbers: find, list, show, free
    #[command(subcommand)]
    Numbers(numbers::Command),
    /// Orders in doubt: list, adopt, refund
    #[command(subcommand)]
    Orders(orders::Command),
    /// Monthly charges: what is due, what is suspended, charge now
    #[command(subcommand)]
    Renewals(renewals::Command),
    /// Who changed a number, a verification or an API key, and the customer event of each change
    Events(events::Arguments),
    /// Whether each ledger adds up to its balance, and whether there are gaps between events
    Audit(audit::Arguments),
    /// The local run's time: show it, move it ahead
    #[command(subcommand)]
    Clock(clock::Command),
    /// Notifications that failed again and again: look, redrive
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
}
