//! What staff read about a business verification, as Slack's Block Kit.
//!
//! Labels are ours and stand in `mrkdwn` objects, where they can be bold. Whatever a customer wrote stands alone in
//! `plain_text` objects with `emoji` off: there Slack reads no mentions, links or formatting at all, so a value can
//! imitate neither a label nor a link, however it is spelt. It is escaped all the same, because Slack decodes
//! `&amp;`, `&lt;` and `&gt;` in every kind of text and would otherwise show another text than the one that was filed.
//! The escaping comes first and the cutting second, so the limits hold for what is really sent.

use domain::Timestamp;
use domain::kyb::{
    Address, BusinessProfile, Case, Declaration, Field, Filing, RegistrationId, Representative, SlackUserId, Status,
    Submission,
};
use runtime::message::SubmissionHandle;
use serde_json::{Value, json};

use super::text::Escaped;

// Limits of https://docs.slack.dev/reference/block-kit/blocks: header-block, section-block. Ours are lower where a
// customer's text could crowd out the rest: Slack also limits the text of all blocks together, at an undocumented
// number. Messages of 11,300 characters are known to have been refused with `msg_blocks_too_long`.
const HEADER_CHARS: usize = 150;
const VALUE_CHARS: usize = 300;
const PROSE_CHARS: usize = 2_200;
const FALLBACK_CHARS: usize = 300;
const REASON_CHARS: usize = 600;
const EARLIER_REASON_CHARS: usize = 300;
const BRIEF_CHARS: usize = 50;
const ISSUE_ROWS: usize = 20;
/// A label and its value are two of the ten fields that a section may have.
const ROWS_PER_SECTION: usize = 5;

/// The heading of the use case, in either form.
const PURPOSE: &str = "What they will use numbers for";

/// A message for `chat.postMessage`.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// For notifications and screen readers, which do not show blocks.
    pub text: String,
    /// An array of Block Kit blocks.
    pub blocks: Value,
}

/// The `block_id` of the buttons.
pub const BUTTONS: &str = "verification";
/// The `action_id` of the button that approves; its value is a [`SubmissionHandle`].
pub const APPROVE: &str = "approve";
/// The `action_id` of the button that asks for a rejection's reason; its value is a [`SubmissionHandle`].
pub const REJECT: &str = "reject";

/// What staff read about a submission as it stands: the decision, if there is one; who they are, what they will use
/// numbers for, what they have changed since they were turned down; and the buttons, if there is something to decide.
#[must_use]
pub fn message(case: &Case) -> Message {
    let ending = (case.submission.status() == Status::Submitted).then(|| buttons(&case.submission));
    ending_in(case, ending)
}

/// The same without its buttons, for a message that a newer one replaces: of two messages with buttons nobody knows which
/// one counts.
#[must_use]
pub fn replaced(case: &Case) -> Message {
    let note = line("This was announced again: a newer message has the buttons.");
    ending_in(case, Some(json!({"type": "context", "elements": [note]})))
}

fn ending_in(case: &Case, ending: Option<Value>) -> Message {
    let submission = &case.submission;
    let name = submission.filing.business_name();
    let mut blocks = vec![header(name)];
    blocks.extend(outcome(submission));
    match &submission.filing {
        Filing::Full(full) => {
            let (business, representative) = &**full;
            blocks.extend(full_form(business, representative));
        }
        Filing::Short(declaration) => blocks.extend(short_form(declaration)),
        // A draft, which staff are never shown, or nothing that is left to show.
        Filing::Partial(_) | Filing::Erased => {}
    }
    if let Some(earlier) = &case.earlier {
        blocks.push(divider());
        blocks.extend(changes(submission, earlier));
    }
    blocks.push(divider());
    blocks.extend(rows(&origin(submission)));
    blocks.push(footnote(submission));
    blocks.extend(ending);
    let about = match submission.status() {
        Status::Draft | Status::Submitted => "to review",
        decided => decided.as_str(),
    };
    let text = Escaped::line(&format!("Business verification {about}: {name}")).clip(FALLBACK_CHARS);
    Message { text: text.without_mentions().as_str().to_owned(), blocks: Value::Array(blocks) }
}

/// Who decided what, and when, as `mrkdwn`; `None` until there is a decision.
#[must_use]
pub fn verdict(submission: &Submission) -> Option<String> {
    let review = submission.review()?;
    let decided = match submission.status() {
        Status::Draft | Status::Submitted => return None,
        Status::Approved => "Approved",
        Status::Rejected => "Rejected",
        Status::Revoked => "Approval revoked",
    };
    Some(format!("*{decided}* by {}, {}", person(&review.reviewer_id), moment(review.at)))
}

/// What staff decided, with their reasons; nothing until there is a decision.
fn outcome(submission: &Submission) -> Vec<Value> {
    let Some(verdict) = verdict(submission) else { return Vec::new() };
    let mut blocks = vec![json!({"type": "section", "text": mrkdwn(&verdict)})];
    if let Some(reason) = submission.reason() {
        blocks.extend(prose("Reason", reason.as_str(), REASON_CHARS));
    }
    let issues = submission.rejection_issues().iter().take(ISSUE_ROWS).map(|issue| {
        let label = Field::parse(&issue.path).map_or("Another field", Field::label);
        (label, brief(issue.message.as_str()))
    });
    let issues: Vec<_> = issues.collect();
    blocks.extend(rows(&issues));
    blocks.push(divider());
    blocks
}

/// What has become of the earlier submission, and what this one says differently.
fn changes(submission: &Submission, earlier: &Submission) -> Vec<Value> {
    let was = if earlier.status() == Status::Revoked { "revoked" } else { "rejected" };
    let mut blocks = Vec::new();
    if let Some(reason) = earlier.reason() {
        blocks.extend(prose(&format!("The earlier submission was {was}"), reason.as_str(), EARLIER_REASON_CHARS));
    }
    let changes = submission.filing.changes_since(&earlier.filing);
    let title = if changes.is_empty() { "Nothing has changed since then" } else { "What has changed since then" };
    blocks.push(json!({"type": "section", "text": bold(title)}));
    let changes = changes.into_iter().map(|(field, value)| {
        let value = match field {
            _ if value.is_empty() => brief("(left out)"),
            Field::RegistrationId => brief(&RegistrationId::mask(value)),
            _ => brief(value),
        };
        (field.label(), value)
    });
    blocks.extend(rows(&changes.collect::<Vec<_>>()));
    blocks
}

fn buttons(submission: &Submission) -> Value {
    let handle = json!(SubmissionHandle::of(submission)).to_string();
    let button = |action: &str, style: &str, text: &str| {
        json!({
            "type": "button", "action_id": action, "style": style, "value": handle,
            "text": {"type": "plain_text", "text": text, "emoji": false},
        })
    };
    let elements = [button(APPROVE, "primary", "Approve"), button(REJECT, "danger", "Reject…")];
    json!({"type": "actions", "block_id": BUTTONS, "elements": elements})
}

/// A reviewer: Slack shows its own users by name; others, such as operators at their command line, are named as they
/// are.
fn person(id: &str) -> String {
    if let Ok(user) = SlackUserId::parse(id) {
        return format!("<@{user}>");
    }
    Escaped::line(id).clip(BRIEF_CHARS).without_mentions().as_str().to_owned()
}

/// Slack shows each reader this moment in the reader's own time zone; what follows the bar is for programs that cannot.
/// See <https://docs.slack.dev/messaging/formatting-message-text#date-formatting>.
fn moment(at: Timestamp) -> String {
    format!("<!date^{}^{{date_short_pretty}} at {{time}}|{at}>", at.seconds())
}

fn full_form(business: &BusinessProfile, representative: &Representative) -> Vec<Value> {
    let BusinessProfile {
        legal_name,
        display_name,
        entity_type,
        country,
        registration_id,
        website,
        // Street and postal code decide nothing; the filing keeps them.
        address: Address { street: _, city, state, postal_code: _, country: address_country },
        use_case,
        expected_usage,
    } = business;
    let Representative { name, title, email, phone } = representative;
    let state = state.as_ref().map(|state| format!(", {state}")).unwrap_or_default();
    let place = format!("{city}{state}, {}", address_country.as_str());
    let registration = registration_id.as_ref().map_or("none given".to_owned(), RegistrationId::masked);
    let phone = phone.as_ref().map_or("none given".to_owned(), domain::E164::friendly);
    let mut blocks = rows(&[
        (Field::LegalName.label(), line(legal_name.as_str())),
        (Field::DisplayName.label(), line(display_name.as_str())),
        (Field::EntityType.label(), line(entity_type.as_str())),
        (Field::Country.label(), line(country.as_str())),
        (Field::RegistrationId.label(), line(&registration)),
        (Field::Website.label(), line(website.as_str())),
        ("Address", line(&place)),
    ]);
    blocks.push(divider());
    blocks.extend(rows(&[
        (Field::Representative.label(), line(name.as_str())),
        (Field::Title.label(), line(title.as_str())),
        (Field::Email.label(), line(email.as_str())),
        (Field::Phone.label(), line(&phone)),
    ]));
    blocks.push(divider());
    blocks.extend(prose(PURPOSE, use_case.as_str(), PROSE_CHARS));
    blocks.extend(prose(Field::ExpectedUsage.label(), expected_usage.as_str(), PROSE_CHARS));
    blocks
}

fn short_form(declaration: &Declaration) -> Vec<Value> {
    let Declaration { business_name, use_case } = declaration;
    let mut blocks = rows(&[
        (Field::BusinessName.label(), line(business_name.as_str())),
        ("Form", line("Short declaration: no profile, no representative")),
    ]);
    blocks.push(divider());
    blocks.extend(prose(PURPOSE, use_case.as_str(), PROSE_CHARS));
    blocks
}

/// Which submission this is, and how it came.
fn origin(submission: &Submission) -> Vec<(&'static str, Value)> {
    let mut origin =
        vec![("Organization", line(submission.organization.as_str())), ("Submission", line(submission.id.as_str()))];
    if let Some(filed) = submission.filed() {
        origin.push(("Submitted", mrkdwn(&moment(filed.at))));
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

fn header(name: &str) -> Value {
    let title = Escaped::line(&format!("Business verification: {name}"));
    json!({"type": "header", "text": plain(&title.clip(HEADER_CHARS))})
}

fn divider() -> Value {
    json!({"type": "divider"})
}

/// A label above a text of its own, which may run over several lines.
fn prose(label: &str, text: &str, most: usize) -> [Value; 2] {
    let text = plain(&Escaped::prose(text).clip(most));
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

/// One line of what stands in full elsewhere.
fn brief(text: &str) -> Value {
    plain(&Escaped::line(text).clip(BRIEF_CHARS))
}

fn line(text: &str) -> Value {
    plain(&Escaped::line(text).clip(VALUE_CHARS))
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
#[path = "verification_tests.rs"]
mod tests;
