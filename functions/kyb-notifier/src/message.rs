//! What staff read about a submission, as Slack's Block Kit.
//!
//! Labels are ours and stand in `mrkdwn` objects, where they can be bold. Whatever a customer wrote stands alone in
//! `plain_text` objects with `emoji` off: there Slack reads no mentions, links or formatting at all, so a value can
//! imitate neither a label nor a link, however it is spelt. It is escaped all the same, because Slack decodes
//! `&amp;`, `&lt;` and `&gt;` in every kind of text and would otherwise show another text than the one that was filed.
//! The escaping comes first and the cutting second, so the limits hold for what is really sent.

use domain::kyb::{BusinessProfile, Declaration, Filing, Representative, Submission};
use serde_json::{Value, json};

use crate::text::Escaped;

// Limits of https://docs.slack.dev/reference/block-kit/blocks: header-block, section-block. Ours are lower where a
// customer's text could crowd out the rest: Slack also limits the text of all blocks together, at an undocumented
// number. Messages of 11,300 characters are known to have been refused with `msg_blocks_too_long`.
const MOST_HEADER: usize = 150;
const MOST_VALUE: usize = 300;
const MOST_PROSE: usize = 2_200;
const MOST_FALLBACK: usize = 300;
/// A label and its value are two of the ten fields that a section may have.
const ROWS_PER_SECTION: usize = 5;

/// A message for `chat.postMessage`.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// For notifications and screen readers, which do not show blocks.
    pub text: String,
    /// An array of Block Kit blocks.
    pub blocks: Value,
}

/// Tells staff of a submission: who they are, what they will use numbers for, and which submission it is.
#[must_use]
pub fn announcement(submission: &Submission) -> Message {
    let name = name(&submission.filing);
    let mut blocks = vec![header(name)];
    match &submission.filing {
        Filing::Full(full) => {
            let (business, representative) = &**full;
            blocks.extend(full_form(business, representative));
        }
        Filing::Short(declaration) => blocks.extend(short_form(declaration)),
    }
    blocks.push(divider());
    blocks.extend(rows(&origin(submission)));
    blocks.push(footnote(submission));
    let text = Escaped::line(&format!("Business verification to review: {name}")).clip(MOST_FALLBACK);
    Message { text: text.without_mentions().as_str().to_owned(), blocks: Value::Array(blocks) }
}

fn name(filing: &Filing) -> &str {
    match filing {
        Filing::Full(full) => full.0.legal_name.as_str(),
        Filing::Short(declaration) => declaration.business_name.as_str(),
    }
}

fn full_form(business: &BusinessProfile, representative: &Representative) -> Vec<Value> {
    let address = &business.address;
    let place = format!("{}, {}, {}", address.city, address.state, address.country.as_str());
    let registration = business.registration_id.as_ref().map_or("none given".to_owned(), |id| masked(id.as_str()));
    let phone = representative.phone.as_ref().map_or("none given".to_owned(), domain::E164::friendly);
    let mut blocks = rows(&[
        ("Legal name", line(business.legal_name.as_str())),
        ("Display name", line(business.display_name.as_str())),
        ("Entity type", line(business.entity_type.as_str())),
        ("Country", line(business.country.as_str())),
        ("Registration id", line(&registration)),
        ("Website", line(business.website.as_str())),
        ("Address", line(&place)),
    ]);
    blocks.push(divider());
    blocks.extend(rows(&[
        ("Representative", line(representative.name.as_str())),
        ("Title", line(representative.title.as_str())),
        ("E-mail", line(representative.email.as_str())),
        ("Phone", line(&phone)),
    ]));
    blocks.push(divider());
    blocks.extend(prose("What they will use numbers for", business.use_case.as_str()));
    blocks.extend(prose("Expected usage", business.expected_usage.as_str()));
    blocks
}

fn short_form(declaration: &Declaration) -> Vec<Value> {
    let mut blocks = rows(&[
        ("Business name", line(declaration.business_name.as_str())),
        ("Form", line("Short declaration: no profile, no representative")),
    ]);
    blocks.push(divider());
    blocks.extend(prose("What they will use numbers for", declaration.use_case.as_str()));
    blocks
}

/// Which submission this is, and how it came.
fn origin(submission: &Submission) -> Vec<(&'static str, Value)> {
    let mut origin =
        vec![("Organization", line(submission.organization.as_str())), ("Submission", line(submission.id.as_str()))];
    if let Some(filed) = submission.filed() {
        // Slack shows each reader this moment in the reader's own time zone; what follows the bar is for programs
        // that cannot. See https://docs.slack.dev/messaging/formatting-message-text#date-formatting.
        let (at, seconds) = (filed.at, filed.at.seconds());
        origin.push(("Submitted", mrkdwn(&format!("<!date^{seconds}^{{date_short_pretty}} at {{time}}|{at}>"))));
        let by = filed.by.email.as_deref().unwrap_or(filed.by.api_key.as_str());
        origin.push(("Submitted by", line(by)));
    }
    origin
}

fn footnote(submission: &Submission) -> Value {
    let attested = submission.filed().map(|filed| format!("Attestation {} accepted. ", filed.attestation.version));
    let text = format!(
        "{}Long answers are cut short and registration ids masked here; the filing itself is kept whole.",
        attested.unwrap_or_default()
    );
    json!({"type": "context", "elements": [line(&text)]})
}

/// The last four characters of a long id, two of a short one, none of a very short one: enough to compare with a
/// document, too little to misuse.
fn masked(id: &str) -> String {
    let characters: Vec<char> = id.chars().filter(|c| c.is_alphanumeric()).collect();
    let shown = match characters.len() {
        0..4 => 0,
        4..8 => 2,
        _ => 4,
    };
    let end: String = characters[characters.len() - shown..].iter().collect();
    format!("••••{end}")
}

fn header(name: &str) -> Value {
    let title = Escaped::line(&format!("Business verification: {name}"));
    json!({"type": "header", "text": plain(&title.clip(MOST_HEADER))})
}

fn divider() -> Value {
    json!({"type": "divider"})
}

/// A label above a text of its own, which may run over several lines.
fn prose(label: &str, text: &str) -> [Value; 2] {
    let text = plain(&Escaped::prose(text).clip(MOST_PROSE));
    [json!({"type": "section", "text": bold(label)}), json!({"type": "section", "text": text})]
}

/// Label and value side by side, in as many sections as that takes.
fn rows(rows: &[(&str, Value)]) -> Vec<Value> {
    let section = |rows: &[(&str, Value)]| {
        let fields: Vec<Value> = rows.iter().flat_map(|(label, value)| [bold(label), value.clone()]).collect();
        json!({"type": "section", "fields": fields})
    };
    rows.chunks(ROWS_PER_SECTION).map(section).collect()
}

fn line(text: &str) -> Value {
    plain(&Escaped::line(text).clip(MOST_VALUE))
}

/// Slack refuses a whole message for one empty text, and a text of nothing but hidden characters is empty by now.
fn plain(text: &Escaped) -> Value {
    let text = if text.as_str().is_empty() { "(nothing visible)" } else { text.as_str() };
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// Only for labels of our own: Slack reads mark-up in it.
fn bold(label: &str) -> Value {
    mrkdwn(&format!("*{label}*"))
}

/// Only for text of our own: Slack reads mark-up in it.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text})
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
