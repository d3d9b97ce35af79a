use clap::{Args, Parser, Subcommand};

use crate::{agents, brand, credits, dead_letters, events, keys, numbers, orders, organizations, sip, verifications};

const EXAMPLES: &str = "\
Examples, against the local run (`cargo run` in another terminal):
  ops --local orgs create org_acme --name \"Acme Inc\"
  ops --local keys issue org_acme
  ops --local credits grant org_acme 25.00 --reference INV-1001
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

/// What holds for every command.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Options {
    /// Work on the local run: its ready file, or the address of its DynamoDB engine [default: .local/ready.json]
    #[arg(
        long, global = true, value_name = "WHERE", num_args = 0..=1, require_equals = true,
        default_missing_value = ".local/ready.json", conflicts_with_all = ["profile", "region"]
    )]
    pub(crate) local: Option<String>,
    /// The DynamoDB table (the stack's output `TableName`)
    #[arg(long, global = true, value_name = "NAME", env = "TABLE_NAME")]
    pub(crate) table: Option<String>,
    /// The AWS profile
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The AWS region
    #[arg(long, global = true, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Your name in the audit events [default: your user name here]
    #[arg(long = "as", global = true, value_name = "NAME")]
    pub(crate) operator: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say what would be done, and do nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Do not ask before what cannot be undone
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) services: Services,
}

/// The services beside the table. Only the commands that call one need it; the local run brings all of them.
#[derive(Args)]
#[command(next_help_heading = "Services in AWS (the stack's outputs)")]
pub(crate) struct Services {
    /// The carrier's secret, by name or ARN
    #[arg(long, global = true, hide_short_help = true, value_name = "ARN", env = "TELNYX_SECRET_ARN")]
    pub(crate) telnyx_secret: Option<String>,
    /// The carrier's address
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "URL",
        env = "TELNYX_URL",
        default_value = "https://api.telnyx.com/v2"
    )]
    pub(crate) telnyx_url: String,
    /// Slack's secret, by name or ARN
    #[arg(long, global = true, hide_short_help = true, value_name = "ARN", env = "SLACK_SECRET_ARN")]
    pub(crate) slack_secret: Option<String>,
    /// The address of Slack's Web API
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "URL",
        env = "SLACK_URL",
        default_value = "https://slack.com/api"
    )]
    pub(crate) slack_url: String,
    /// The queue of notifications
    #[arg(long, global = true, hide_short_help = true, value_name = "URL", env = "NOTIFICATIONS_QUEUE_URL")]
    pub(crate) queue_url: Option<String>,
    /// The queue of notifications that failed again and again
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "URL",
        env = "NOTIFICATIONS_DEAD_LETTER_QUEUE_URL"
    )]
    pub(crate) dead_letter_queue_url: Option<String>,
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
    /// Who changed a number, a verification or an API key, and when
    Events(events::Arguments),
    /// Notifications that failed again and again: look, redrive
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
}
