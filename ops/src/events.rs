//! `ops events`: the audit events of one subject, each with the customer events of the same change.

use clap::Args;
use domain::{ApiKeyId, KybId, OrganizationId, PhoneNumberId};
use serde_json::{Value, json};
use table::{EventPage, FeedLink};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(value_parser = OrganizationId::parse)]
    organization: OrganizationId,
    /// The id of a number (pn_…), a verification (kyb_…) or an API key (key_…); it may be gone
    #[arg(value_name = "ID", value_parser = subject)]
    subject: String,
    /// At most this many, newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Only those before this one: the last position of the page before
    #[arg(long, value_name = "POSITION")]
    after: Option<String>,
}

pub(crate) async fn run(arguments: Arguments, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    let Arguments { organization, subject, limit, after } = arguments;
    let page = EventPage { after, limit: usize::from(limit) };
    let events = session.table.events(&organization, &subject, &page).await?.into_iter().map(|event| {
        let customer = |part: fn(&FeedLink) -> Value| event.customer_events.iter().map(part).collect::<Vec<_>>();
        json!({
            "at": event.at.to_string(),
            "action": event.action,
            "actorKind": event.actor_kind,
            "actorId": event.actor_id,
            "actorEmail": event.actor_email,
            "changed": event.changed,
            "customerEvents": customer(|event| event.kind.as_str().into()),
            "sequences": customer(|event| event.sequence.into()),
            "customerEventIds": customer(|event| event.id.as_str().into()),
            "position": event.position,
        })
    });
    Ok(Output::table(
        &["at", "action", "actorKind", "actorId", "changed", "customerEvents", "sequences", "customerEventIds"],
        "Nothing is known to have happened to it.",
        events.collect(),
    ))
}

fn subject(text: &str) -> Result<String, &'static str> {
    let known = PhoneNumberId::parse(text).is_ok() || KybId::parse(text).is_ok() || ApiKeyId::parse(text).is_ok();
    if known { Ok(text.to_owned()) } else { Err("must be an id that starts with pn_, kyb_ or key_") }
}
