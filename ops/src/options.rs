//! What holds for every command: where it works, and how it answers.

use clap::Args;

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
    /// Your name in the audit events of the local run [default: your user name]; in AWS it is your identity there
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
