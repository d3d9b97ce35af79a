//! What a reviewer sees on top of the channel, as Slack's modal views:
//! <https://docs.slack.dev/reference/views/modal-views>.

use clients::slack::Escaped;
use domain::kyb::{Delivery, Field, RejectionIssue, Submission};
use domain::{Cause, Prose};
use runtime::message::SubmissionHandle;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The `callback_id` of the form that asks for a rejection's reason.
pub(crate) const FORM: &str = "rejection";
/// The form's blocks, each with one element of the same name.
pub(crate) const REASON: &str = "reason";
pub(crate) const FIELDS: &str = "fields";

/// What a rejection brings about.
const CONSEQUENCE: &str = "The customer reads this. Their numbers are out of use until a new submission is approved.";

/// How much of the business's name heads the form, in characters.
const NAME_CHARS: usize = 150;

/// What customers read about a field that staff have chosen. Slack's list has no room for a text to each.
const MARKED: &str = "To be corrected; see the reason.";

/// What the form carries with it until it comes back.
#[derive(Serialize, Deserialize)]
pub(crate) struct Ticket {
    #[serde(flatten)]
    pub(crate) handle: SubmissionHandle,
    pub(crate) channel: String,
    pub(crate) ts: String,
}

/// Asks why a submission is rejected, and which of its fields are to blame.
pub(crate) fn form(submission: &Submission, place: &Delivery) -> Result<Value, Cause> {
    let Delivery { channel, ts } = place.clone();
    let ticket = serde_json::to_string(&Ticket { handle: SubmissionHandle::of(submission), channel, ts })?;
    let name = Escaped::line(submission.filing.business_name()).clip(NAME_CHARS);
    let name = if name.as_str().is_empty() { "(nothing visible)" } else { name.as_str() };
    let option = |field: Field| json!({"text": plain(field.label()), "value": field.path()});
    let options: Vec<Value> = submission.filing.answers().into_iter().map(|(field, _)| option(field)).collect();
    Ok(json!({
        "type": "modal",
        "callback_id": FORM,
        "private_metadata": ticket,
        "title": plain("Reject verification"),
        "submit": plain("Reject"),
        "close": plain("Cancel"),
        "blocks": [
            {"type": "section", "text": plain(name)},
            {
                "type": "input",
                "block_id": REASON,
                "label": plain("Reason"),
                "hint": plain(CONSEQUENCE),
                "element": {
                    "type": "plain_text_input", "action_id": REASON, "multiline": true, "min_length": 1,
                    "max_length": Prose::LIMIT_CHARS, "focus_on_load": true,
                },
            },
            {
                "type": "input",
                "block_id": FIELDS,
                "optional": true,
                "label": plain("Fields to correct"),
                "element": {"type": "multi_static_select", "action_id": FIELDS, "options": options},
            },
        ],
    }))
}

/// Says something instead of the form. `text` is `mrkdwn`: a customer's words have no place in it.
pub(crate) fn notice(text: &str) -> Value {
    json!({
        "type": "modal",
        "title": plain("Not rejected"),
        "close": plain("Close"),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": text}}],
    })
}

/// A chosen field; `None` for one that no form has.
pub(crate) fn issue(path: &str) -> Option<RejectionIssue> {
    RejectionIssue::parse(path, MARKED).ok()
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}
