//! What Slack sends when somebody clicks: <https://docs.slack.dev/reference/interaction-payloads>.

use std::collections::HashMap;

use clients::slack::verification::{APPROVE, BUTTONS, REJECT};
use domain::kyb::{Delivery, RejectionIssue, SlackUserId};
use domain::{KybId, OrganizationId, Prose};
use runtime::message::SubmissionHandle;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::modal::{self, FIELDS, FORM, REASON, Ticket};

/// What staff have done.
#[derive(Debug, PartialEq)]
pub(crate) enum Interaction {
    Click(Click),
    Rejection(Rejection),
    /// Nothing that this app has asked for.
    Other,
}

/// One of the buttons under the message about a submission.
#[derive(Debug, PartialEq)]
pub(crate) struct Click {
    pub(crate) button: Button,
    pub(crate) about: About,
    /// Opens one modal, within three seconds.
    pub(crate) trigger_id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    Approve,
    Reject,
}

/// The form that asks for a rejection's reason, filled in.
#[derive(Debug, PartialEq)]
pub(crate) struct Rejection {
    pub(crate) about: About,
    /// Or what is wrong with it.
    pub(crate) reason: Result<Prose, &'static str>,
    pub(crate) issues: Vec<RejectionIssue>,
}

/// Who acts, on which submission, and the message in which they do.
#[derive(Debug, PartialEq)]
pub(crate) struct About {
    pub(crate) user: SlackUserId,
    pub(crate) organization: OrganizationId,
    pub(crate) submission: KybId,
    pub(crate) place: Delivery,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Payload {
    BlockActions(BlockActions),
    ViewSubmission(ViewSubmission),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Named {
    #[serde(deserialize_with = "user_id")]
    id: SlackUserId,
}

fn user_id<'de, D: Deserializer<'de>>(from: D) -> Result<SlackUserId, D::Error> {
    SlackUserId::parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

#[derive(Deserialize)]
struct BlockActions {
    user: Named,
    #[serde(default)]
    trigger_id: String,
    container: Container,
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct Container {
    channel_id: Option<String>,
    message_ts: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    #[serde(rename = "action_id")]
    id: String,
    block_id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct ViewSubmission {
    user: Named,
    view: View,
}

#[derive(Deserialize)]
struct View {
    callback_id: String,
    private_metadata: String,
    state: Filled,
}

/// What stands in a form, by `block_id`, then by `action_id`.
#[derive(Deserialize)]
struct Filled {
    values: HashMap<String, HashMap<String, Input>>,
}

#[derive(Deserialize)]
struct Input {
    value: Option<String>,
    selected_options: Option<Vec<Choice>>,
}

#[derive(Deserialize)]
struct Choice {
    value: String,
}

/// Reads the body of a call that Slack has signed: a form with one field, which holds JSON.
pub(crate) fn read(body: &[u8]) -> Interaction {
    let payload = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    match payload.map(|(_, text)| serde_json::from_str(&text)) {
        Some(Ok(Payload::BlockActions(actions))) => click(actions).map(Interaction::Click),
        Some(Ok(Payload::ViewSubmission(submitted))) => rejection(submitted).map(Interaction::Rejection),
        Some(Ok(Payload::Other)) => None,
        Some(Err(_)) | None => {
            tracing::warn!("an interaction from Slack cannot be read");
            None
        }
    }
    .unwrap_or(Interaction::Other)
}

fn click(actions: BlockActions) -> Option<Click> {
    let BlockActions { user, trigger_id, container, actions } = actions;
    let Action { id, value, .. } = actions.into_iter().find(|action| action.block_id == BUTTONS)?;
    let button = match id.as_str() {
        APPROVE => Button::Approve,
        REJECT => Button::Reject,
        _ => return None,
    };
    let SubmissionHandle { organization, submission } = serde_json::from_str(&value?).ok()?;
    let place = Delivery { channel: container.channel_id?, ts: container.message_ts? };
    Some(Click { button, about: About { user: user.id, organization, submission, place }, trigger_id })
}

fn rejection(submitted: ViewSubmission) -> Option<Rejection> {
    let ViewSubmission { user, view } = submitted;
    if view.callback_id != FORM {
        return None;
    }
    let Ticket { handle, channel, ts } = serde_json::from_str(&view.private_metadata).ok()?;
    let SubmissionHandle { organization, submission } = handle;
    // Each block of ours holds one element under its own name.
    let answer = |name: &str| view.state.values.get(name)?.get(name);
    let reason = answer(REASON).and_then(|answer| answer.value.as_deref()).unwrap_or_default();
    let chosen = answer(FIELDS).and_then(|answer| answer.selected_options.as_ref()).into_iter().flatten();
    Some(Rejection {
        about: About { user: user.id, organization, submission, place: Delivery { channel, ts } },
        reason: Prose::parse(reason),
        issues: chosen.filter_map(|choice| modal::issue(&choice.value)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SUBMISSION: &str = "kyb_01kwdfkd000000000000000001";

    fn body(payload: &Value) -> Vec<u8> {
        let text = payload.to_string();
        url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &text).finish().into_bytes()
    }

    fn clicked() -> Value {
        let value = json!({"organizationId": "org_1", "submissionId": SUBMISSION}).to_string();
        json!({
            "type": "block_actions", "user": {"id": "U1", "name": "robin"}, "trigger_id": "1.2.3",
            "container": {"type": "message", "channel_id": "C1", "message_ts": "1.2"},
            "actions": [{"action_id": "reject", "block_id": "verification", "value": value}],
        })
    }

    fn filled(values: &Value) -> Value {
        let ticket = json!({"organizationId": "org_1", "submissionId": SUBMISSION, "channel": "C1", "ts": "1.2"});
        let view = json!({
            "callback_id": "rejection", "private_metadata": ticket.to_string(), "state": {"values": values},
        });
        json!({"type": "view_submission", "user": {"id": "U1"}, "view": view})
    }

    fn about() -> About {
        About {
            user: SlackUserId::parse("U1").unwrap(),
            organization: OrganizationId::parse("org_1").unwrap(),
            submission: KybId::parse(SUBMISSION).unwrap(),
            place: Delivery { channel: "C1".to_owned(), ts: "1.2".to_owned() },
        }
    }

    #[test]
    fn a_click_names_who_did_what_to_which_submission_in_which_message() {
        let expected = Click { button: Button::Reject, about: about(), trigger_id: "1.2.3".to_owned() };
        assert_eq!(read(&body(&clicked())), Interaction::Click(expected));
    }

    #[test]
    fn a_user_id_that_slack_never_gives_is_no_interaction() {
        for id in ["", "robin", "C012AB3CD", "U1>"] {
            let (mut click, mut form) = (clicked(), filled(&json!({"reason": {"reason": {"value": "No"}}})));
            click["user"]["id"] = json!(id);
            form["user"]["id"] = json!(id);
            for payload in [click, form] {
                assert_eq!(read(&body(&payload)), Interaction::Other, "{id:?}");
            }
        }
    }

    #[test]
    fn a_filled_form_names_its_reason_and_only_fields_that_a_form_has() {
        let options = json!([{"value": "businessProfile.website"}, {"value": "invented"}, {"value": ""}]);
        let values = json!({
            "reason": {"reason": {"type": "plain_text_input", "value": " No such \n company "}},
            "fields": {"fields": {"type": "multi_static_select", "selected_options": options}},
        });
        let Interaction::Rejection(rejection) = read(&body(&filled(&values))) else { panic!("it is a rejection") };
        assert_eq!((rejection.about, rejection.reason.unwrap().as_str()), (about(), "No such \n company"));
        assert_eq!(rejection.issues.iter().map(|issue| &issue.path).collect::<Vec<_>>(), ["businessProfile.website"]);
    }

    #[test]
    fn a_form_without_a_reason_is_a_mistake_and_not_a_rejection() {
        for values in [
            json!({}),
            json!({"reason": {}}),
            json!({"reason": {"reason": {"value": null}}}),
            json!({"reason": {"reason": {"value": "\t"}}}),
            json!({"reason": {"reason": {"value": "x".repeat(2_001)}}}),
            json!({"reason": {"reason": {"value": "a\u{0}b"}}}),
        ] {
            let Interaction::Rejection(rejection) = read(&body(&filled(&values))) else { panic!("{values}") };
            assert!(rejection.reason.is_err() && rejection.issues.is_empty(), "{values}");
        }
    }

    #[test]
    fn whatever_a_call_is_made_of_it_is_read_or_ignored() {
        let (click, form) = (body(&clicked()), body(&filled(&json!({"reason": {"reason": {"value": "No"}}}))));
        for whole in [click, form] {
            for at in 0..whole.len() {
                read(&whole[..at]);
                for byte in [b'"', b'{', b'[', b'%', b'&', b'=', b'0', 0, 0xff] {
                    let mut broken = whole.clone();
                    broken[at] = byte;
                    let about = match read(&broken) {
                        Interaction::Click(click) => click.about,
                        Interaction::Rejection(rejection) => rejection.about,
                        Interaction::Other => continue,
                    };
                    // What is read at all is well-formed.
                    assert!(OrganizationId::parse(about.organization.as_str()).is_ok());
                }
            }
        }
    }
}
