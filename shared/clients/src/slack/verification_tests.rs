use domain::kyb::{
    Address, Attestation, Country, Decision, Email, RegistrationId, RejectionIssue, Review, SubmittedBy, Website,
};
use domain::{ApiKeyId, E164, KybId, Name, OrganizationId, Prose, Timestamp};

use super::*;
use crate::slack::text::units;

/// The path of every field that a form can have.
fn paths() -> Vec<&'static str> {
    Field::ALL.iter().map(|field| field.path()).collect()
}

const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);

fn submission(filing: Filing) -> Submission {
    let organization = OrganizationId::parse("org_1").unwrap();
    let by = SubmittedBy { api_key: ApiKeyId::new(NOW, 1), user_id: None, email: None };
    Submission::submit(None, &organization, KybId::new(NOW, 2), filing, by, Attestation::current(), NOW).unwrap()
}

/// A full form with `name` in every name and `text` in every longer answer.
fn full(name: &str, text: &str, website: &str) -> Submission {
    let (name, text) = (Name::parse(name).unwrap(), Prose::parse(text).unwrap());
    let address = Address {
        street: name.clone(),
        city: name.clone(),
        state: Some(name.clone()),
        postal_code: Some(name.clone()),
        country: Country::parse("US").unwrap(),
    };
    let business = BusinessProfile {
        legal_name: name.clone(),
        display_name: name.clone(),
        entity_type: name.clone(),
        country: Country::parse("US").unwrap(),
        registration_id: Some(RegistrationId::parse(name.as_str()).unwrap()),
        website: Website::parse(website).unwrap(),
        address,
        use_case: text.clone(),
        expected_usage: text,
    };
    let representative = Representative {
        name: name.clone(),
        title: name,
        email: Email::parse("ada@example.com").unwrap(),
        phone: Some(E164::parse("+14155550123").unwrap()),
    };
    submission(Filing::Full(Box::new((business, representative))))
}

fn short(name: &str, text: &str) -> Submission {
    submission(Filing::Short(Declaration {
        business_name: Name::parse(name).unwrap(),
        use_case: Prose::parse(text).unwrap(),
    }))
}

fn review(reviewer: &str) -> Review {
    Review { at: NOW, reviewer_id: reviewer.to_owned(), reviewer_email: None }
}

fn rejected(submission: &Submission, reason: &str, fields: &[&str]) -> Submission {
    let issues = fields.iter().map(|path| RejectionIssue::parse(path, reason).unwrap()).collect();
    let decision = Decision::Reject { reason: Prose::parse(reason).unwrap(), issues };
    submission.clone().decide(&decision, review("U012AB3CD")).unwrap().0
}

/// What staff read of a submission that answers no other.
fn announcement(submission: &Submission) -> Message {
    message(&Case { submission: submission.clone(), earlier: None })
}

/// Every text object of a message.
fn texts(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(object) if object.get("text").is_some_and(Value::is_string) => vec![value],
        Value::Object(object) => object.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn written(message: &Message) -> Vec<&str> {
    texts(&message.blocks).iter().map(|text| text["text"].as_str().unwrap()).collect()
}

/// The value beside a label.
fn value<'a>(message: &'a Message, label: &str) -> &'a Value {
    let fields = message.blocks.as_array().unwrap().iter().filter_map(|block| block["fields"].as_array());
    let fields: Vec<&Value> = fields.flatten().collect();
    let at = fields.iter().position(|field| field["text"] == format!("*{label}*")).unwrap();
    fields[at + 1]
}

fn assert_within_limits(message: &Message) {
    let blocks = message.blocks.as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    assert!((1..=4_000).contains(&units(&message.text)));
    for block in blocks {
        let most = if block["type"] == "header" { 150 } else { 3_000 };
        if let Some(text) = block.get("text") {
            assert!((1..=most).contains(&units(text["text"].as_str().unwrap())), "{block}");
        }
        if block["type"] == "actions" {
            let values = block["elements"].as_array().unwrap().iter().map(|button| button["value"].as_str().unwrap());
            assert!(values.map(units).all(|length| (1..=2_000).contains(&length)), "{block}");
        } else if let Some(fields) = block.get("fields").or(block.get("elements")).and_then(Value::as_array) {
            assert!((1..=10).contains(&fields.len()));
            assert!(fields.iter().all(|text| (1..=2_000).contains(&units(text["text"].as_str().unwrap()))), "{block}");
        }
    }
    let together: usize = written(message).into_iter().map(units).sum();
    assert!(together <= 10_000, "{together} units of text in all blocks");
}

#[test]
fn staff_read_who_it_is_what_for_and_which_submission() {
    let submission = full("Acme Robotics", "Reminders for patients", "https://acme.example");
    let message = announcement(&submission);
    assert_eq!(message.text, "Business verification to review: Acme Robotics");
    assert_eq!(message.blocks[0]["type"], "header");
    assert_eq!(message.blocks[0]["text"]["text"], "Business verification: Acme Robotics");
    for (label, expected) in [
        ("Legal name", "Acme Robotics"),
        ("Display name", "Acme Robotics"),
        ("Entity type", "Acme Robotics"),
        ("Country", "US"),
        ("Registration id", "••••tics"),
        ("Website", "https://acme.example"),
        ("Address", "Acme Robotics, Acme Robotics, US"),
        ("Representative", "Acme Robotics"),
        ("Title", "Acme Robotics"),
        ("E-mail", "ada@example.com"),
        ("Phone", "+1 (415) 555-0123"),
        ("Organization", "org_1"),
        ("Submission", submission.id.as_str()),
        ("Submitted by", ApiKeyId::new(NOW, 1).as_str()),
    ] {
        assert_eq!(*value(&message, label), json!({"type": "plain_text", "text": expected, "emoji": false}), "{label}");
    }
    let at = format!("<!date^1784000000^{{date_short_pretty}} at {{time}}|{NOW}>");
    assert_eq!(*value(&message, "Submitted"), json!({"type": "mrkdwn", "text": at}));
    assert_eq!(written(&message).iter().filter(|text| **text == "Reminders for patients").count(), 2);
    assert_within_limits(&message);
}

#[test]
fn the_short_form_says_that_it_is_short() {
    let message = announcement(&short("Acme", "Reminders"));
    assert_eq!(value(&message, "Business name")["text"], "Acme");
    assert_eq!(value(&message, "Form")["text"], "Short declaration: no profile, no representative");
    assert!(written(&message).contains(&"Reminders"));
    assert!(!written(&message).contains(&"*Legal name*"));
    assert_within_limits(&message);
}

#[test]
fn longest_answers_stay_within_slacks_limits_also_when_escaping_makes_them_longer() {
    for character in ["a", "&", "<", "é", "字", "😀", "👩\u{200d}"] {
        let repeat = |most: usize| character.repeat(most / character.chars().count());
        let website = format!("https://example.com/{}", "&".repeat(1_980));
        let (long, brief) = (full(&repeat(200), &repeat(2_000), &website), short(&repeat(200), &repeat(2_000)));
        // Everything is said anew, every field is marked, and the reasons are as long as they may be.
        let other = rejected(&full("x", "x", "https://example.org"), &repeat(2_000), &paths());
        let again = rejected(&long, &repeat(2_000), &paths());
        for message in [
            announcement(&long),
            announcement(&brief),
            message(&Case { submission: long, earlier: Some(other.clone()) }),
            message(&Case { submission: brief, earlier: Some(other) }),
            announcement(&again),
        ] {
            assert_within_limits(&message);
            for text in written(&message) {
                let entities = text.matches('&').count();
                let whole: usize = ["&amp;", "&lt;", "&gt;"].iter().map(|entity| text.matches(entity).count()).sum();
                assert_eq!(entities, whole, "an entity is cut in half: {text}");
            }
        }
    }
}

#[test]
fn an_ordinary_answer_of_full_length_is_shown_whole() {
    let text = "word ".repeat(400);
    assert!(written(&announcement(&short("Acme", &text))).contains(&text.trim()));
}

#[test]
fn nothing_that_a_customer_writes_is_read_as_mark_up_or_as_another_line() {
    for hostile in [
        "<!channel>",
        "<!here|here> & <!everyone>",
        "<@U012AB3CD> <#C012AB3CD> <!subteam^S1>",
        "<https://evil.example|https://slack.com>",
        "*Status*\u{2028}Approved :white_check_mark:",
        "&lt;!channel&gt;",
        "@here @channel @everyone",
        "```\u{202e}code` _it_ ~no~ > quote",
        "\u{200b}\u{a0}x",
        "\"},{\"type\":\"actions\"",
    ] {
        for message in [
            announcement(&full(hostile, hostile, "https://evil.example/?<!channel>")),
            announcement(&short(hostile, hostile)),
        ] {
            assert_within_limits(&message);
            assert!(!message.text.contains(['<', '>', '\n', '\u{2028}']), "{}", message.text);
            assert!(["@here", "@channel", "@everyone"].iter().all(|mention| !message.text.contains(mention)));
            let own = |text: &str| text.starts_with("<!date^") || (text.starts_with('*') && text.ends_with('*'));
            for text in texts(&message.blocks) {
                let words = text["text"].as_str().unwrap();
                if text["type"] == "mrkdwn" {
                    assert!(own(words) && !words.contains("evil") && !words.contains("Approved"), "{text}");
                } else {
                    assert_eq!(text["emoji"], false);
                    assert!(!words.contains(['<', '>', '\u{2028}', '\u{202e}', '\u{200b}']), "{text}");
                }
            }
            let actions = message.blocks.as_array().unwrap().iter().filter(|block| block["type"] == "actions");
            assert_eq!(actions.count(), 1, "only our own buttons");
        }
    }
}

#[test]
fn registration_ids_show_their_end_only() {
    let message = announcement(&full("DE-123456789", "text", "https://acme.example"));
    assert_eq!(value(&message, "Registration id")["text"], "••••6789");
}

#[test]
fn the_buttons_name_the_submission_until_it_is_decided() {
    let submission = short("Acme", "Reminders");
    let undecided = announcement(&submission);
    let buttons = undecided.blocks.as_array().unwrap().last().unwrap();
    assert_eq!((&buttons["type"], &buttons["block_id"]), (&json!("actions"), &json!(BUTTONS)));
    for (button, action, text) in [(0, APPROVE, "Approve"), (1, REJECT, "Reject…")] {
        let button = &buttons["elements"][button];
        assert_eq!((&button["action_id"], &button["text"]["text"]), (&json!(action), &json!(text)));
        let handle: SubmissionHandle = serde_json::from_str(button["value"].as_str().unwrap()).unwrap();
        assert_eq!(handle, SubmissionHandle::of(&submission));
    }
    let approved = submission.decide(&Decision::Approve, review("U012AB3CD")).unwrap().0;
    let decided = announcement(&approved);
    assert!(decided.blocks.as_array().unwrap().iter().all(|block| block["type"] != "actions"));
    let at = format!("<!date^1784000000^{{date_short_pretty}} at {{time}}|{NOW}>");
    assert_eq!(decided.blocks[1]["text"]["text"], format!("*Approved* by <@U012AB3CD>, {at}"));
    assert_eq!(decided.text, "Business verification approved: Acme");
    assert_within_limits(&decided);
    let revocation = Decision::Revoke { reason: Prose::parse("Fraud").unwrap() };
    let revoked = announcement(&approved.decide(&revocation, review("operator *ada* <!here>")).unwrap().0);
    let verdict = format!("*Approval revoked* by operator *ada* &lt;!here&gt;, {at}");
    assert_eq!(written(&revoked)[1..4], [verdict.as_str(), "*Reason*", "Fraud"]);
}

#[test]
fn a_rejection_shows_its_reason_and_the_fields_that_are_to_blame() {
    let fields = ["businessProfile.website", "businessProfile.address.postalCode"];
    let submission = rejected(&full("Acme", "text", "https://acme.example"), "Shows another <b>business</b>", &fields);
    let message = announcement(&submission);
    assert_eq!(message.text, "Business verification rejected: Acme");
    assert!(written(&message)[1].starts_with("*Rejected* by <@U012AB3CD>, "));
    let said = "Shows another &lt;b&gt;business&lt;/b&gt;";
    assert_eq!(written(&message)[2..8], ["*Reason*", said, "*Website*", said, "*Postal code*", said]);
}

#[test]
fn a_new_submission_says_what_has_changed_since_it_was_turned_down() {
    let old = rejected(&full("Acme 1234", "text", "https://acme.example"), "No such website", &[]);
    let case = |submission: Submission| Case { submission, earlier: Some(old.clone()) };
    let news = message(&case(full("Beta 98765432", "text", "https://acme.example")));
    let words = written(&news);
    let from = words.iter().position(|text| *text == "*The earlier submission was rejected*").unwrap();
    let expected =
        ["No such website", "*What has changed since then*", "*Legal name*", "Beta 98765432", "*Display name*"];
    assert_eq!(words[from + 1..from + 6], expected);
    let to = words.iter().position(|text| *text == "*Organization*").unwrap();
    let section = &words[from..to];
    assert!(section.contains(&"••••5432"), "the registration id is masked here as well: {section:?}");
    assert!(!section.contains(&"*Website*") && !section.contains(&"*Use case*"), "{section:?}");
    assert_within_limits(&news);

    let same = message(&case(full("Acme 1234", "text", "https://acme.example")));
    assert!(written(&same).contains(&"*Nothing has changed since then*"));
    let form = message(&case(short("Acme 1234", "text")));
    assert!(written(&form).contains(&"*Business name*"));
}
