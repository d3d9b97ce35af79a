//! Slack's rules for the blocks of a message: <https://docs.slack.dev/reference/block-kit/blocks>.
//!
//! Lengths are counted in UTF-16 units. Block types that this service does not use are refused.

use std::collections::HashSet;

use serde_json::Value;

const MESSAGE_BLOCKS_LIMIT: usize = 50;
const HEADER_LIMIT_CHARS: usize = 150;
const SECTION_LIMIT_CHARS: usize = 3_000;
const SECTION_FIELDS_LIMIT: usize = 10;
const FIELD_LIMIT_CHARS: usize = 2_000;
const CONTEXT_ELEMENTS_LIMIT: usize = 10;
const BUTTONS_LIMIT: usize = 25;
const BUTTON_LIMIT_CHARS: usize = 75;
const BUTTON_VALUE_LIMIT_CHARS: usize = 2_000;
/// Of what names a block, an action or a view.
const ID_LIMIT_CHARS: usize = 255;
const VIEW_BLOCKS_LIMIT: usize = 100;
const TITLE_LIMIT_CHARS: usize = 24;
const METADATA_LIMIT_CHARS: usize = 3_000;
const LABEL_LIMIT_CHARS: usize = 2_000;
const INPUT_LIMIT_CHARS: u64 = 3_000;
const OPTIONS_LIMIT: usize = 100;
const OPTION_LIMIT_CHARS: usize = 75;
const OPTION_VALUE_LIMIT_CHARS: usize = 150;

const MESSAGE_BLOCKS: [&str; 5] = ["header", "section", "context", "divider", "actions"];
const VIEW_BLOCKS: [&str; 5] = ["header", "section", "context", "divider", "input"];

/// The most text in all blocks together. Slack limits it but does not say at how much; messages of 11,300 characters
/// are known to have been refused.
pub(super) const ALL_TEXT_LIMIT_CHARS: usize = 11_000;

/// What Slack would object to in a message, each with a JSON pointer to the place. Empty for blocks that it takes.
pub(super) fn faults(blocks: &Value) -> Vec<String> {
    let mut faults = Faults::default();
    faults.blocks("/blocks", blocks, MESSAGE_BLOCKS_LIMIT, &MESSAGE_BLOCKS);
    faults.0
}

/// What Slack would object to in a modal: <https://docs.slack.dev/reference/views/modal-views>.
pub(super) fn view_faults(view: &Value) -> Vec<String> {
    let mut faults = Faults::default();
    if view["type"] != "modal" {
        faults.add("/view/type", "must be modal");
    }
    faults.text("/view/title", &view["title"], &["plain_text"], TITLE_LIMIT_CHARS);
    let blocks = view["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let asks = blocks.iter().any(|block| block["type"] == "input");
    for name in ["submit", "close"] {
        if view.get(name).is_some() || (asks && name == "submit") {
            faults.text(&format!("/view/{name}"), &view[name], &["plain_text"], TITLE_LIMIT_CHARS);
        }
    }
    for (name, most) in [("private_metadata", METADATA_LIMIT_CHARS), ("callback_id", ID_LIMIT_CHARS)] {
        faults.optional_string(&format!("/view/{name}"), view.get(name), most);
    }
    faults.blocks("/view/blocks", &view["blocks"], VIEW_BLOCKS_LIMIT, &VIEW_BLOCKS);
    faults.0
}

/// How much text all blocks hold together.
pub(super) fn total(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(total).sum(),
        Value::Object(object) => match object.get("text") {
            Some(Value::String(text)) => units(text),
            _ => object.values().map(total).sum(),
        },
        _ => 0,
    }
}

pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, at: &str, what: &str) {
        self.0.push(format!("{what} [json-pointer:{at}]"));
    }

    fn blocks(&mut self, at: &str, blocks: &Value, most: usize, known: &[&str]) {
        let Some(blocks) = blocks.as_array() else { return self.add(at, "must be an array") };
        if blocks.len() > most {
            return self.add(at, &format!("no more than {most} items allowed"));
        }
        let mut ids = HashSet::new();
        for (index, block) in blocks.iter().enumerate() {
            let at = format!("{at}/{index}");
            self.block(&at, block, known);
            match block.get("block_id").map(Value::as_str) {
                None => {}
                Some(Some(id)) if units(id) > ID_LIMIT_CHARS => {
                    self.add(&at, &format!("block_id must be less than {} characters", ID_LIMIT_CHARS + 1));
                }
                Some(Some(id)) if ids.insert(id) => {}
                Some(_) => self.add(&at, "block_id must be a string that no other block has"),
            }
        }
    }

    fn block(&mut self, at: &str, block: &Value, known: &[&str]) {
        match block["type"].as_str().filter(|kind| known.contains(kind)) {
            Some("actions") => self.actions(at, block),
            Some("input") => self.input(at, block),
            Some("header") => self.text(&format!("{at}/text"), &block["text"], &["plain_text"], HEADER_LIMIT_CHARS),
            Some("section") => self.section(at, block),
            Some("context") => {
                self.texts(&format!("{at}/elements"), &block["elements"], CONTEXT_ELEMENTS_LIMIT, SECTION_LIMIT_CHARS);
            }
            Some("divider") => {}
            _ => self.add(&format!("{at}/type"), "unsupported type"),
        }
    }

    fn actions(&mut self, at: &str, block: &Value) {
        let elements = block["elements"].as_array().map(Vec::as_slice).unwrap_or_default();
        if elements.is_empty() || elements.len() > BUTTONS_LIMIT {
            self.add(&format!("{at}/elements"), &format!("must be an array of 1 to {BUTTONS_LIMIT} items"));
        }
        let mut ids = HashSet::new();
        for (index, button) in elements.iter().enumerate() {
            let at = format!("{at}/elements/{index}");
            if button["type"] != "button" {
                self.add(&format!("{at}/type"), "unsupported type");
            }
            self.text(&format!("{at}/text"), &button["text"], &["plain_text"], BUTTON_LIMIT_CHARS);
            self.string(&format!("{at}/action_id"), &button["action_id"], ID_LIMIT_CHARS);
            if !ids.insert(button["action_id"].as_str()) {
                self.add(&format!("{at}/action_id"), "must be a string that no other action of the block has");
            }
            self.optional_string(&format!("{at}/value"), button.get("value"), BUTTON_VALUE_LIMIT_CHARS);
            if button.get("style").is_some_and(|style| style != "primary" && style != "danger") {
                self.add(&format!("{at}/style"), "must be primary or danger");
            }
        }
    }

    fn input(&mut self, at: &str, block: &Value) {
        self.text(&format!("{at}/label"), &block["label"], &["plain_text"], LABEL_LIMIT_CHARS);
        if let Some(hint) = block.get("hint") {
            self.text(&format!("{at}/hint"), hint, &["plain_text"], LABEL_LIMIT_CHARS);
        }
        if block.get("optional").is_some_and(|optional| !optional.is_boolean()) {
            self.add(&format!("{at}/optional"), "must be true or false");
        }
        let (at, element) = (format!("{at}/element"), &block["element"]);
        self.string(&format!("{at}/action_id"), &element["action_id"], ID_LIMIT_CHARS);
        match element["type"].as_str() {
            Some("plain_text_input") => {
                for name in ["min_length", "max_length"] {
                    let length = element.get(name);
                    if length.is_some_and(|length| length.as_u64().is_none_or(|length| length > INPUT_LIMIT_CHARS)) {
                        self.add(&format!("{at}/{name}"), &format!("must be a number up to {INPUT_LIMIT_CHARS}"));
                    }
                }
            }
            Some("multi_static_select") => self.options(&format!("{at}/options"), &element["options"]),
            _ => self.add(&format!("{at}/type"), "unsupported type"),
        }
    }

    fn options(&mut self, at: &str, options: &Value) {
        let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
        if options.is_empty() || options.len() > OPTIONS_LIMIT {
            self.add(at, &format!("must be an array of 1 to {OPTIONS_LIMIT} items"));
        }
        for (index, option) in options.iter().enumerate() {
            self.text(&format!("{at}/{index}/text"), &option["text"], &["plain_text"], OPTION_LIMIT_CHARS);
            self.string(&format!("{at}/{index}/value"), &option["value"], OPTION_VALUE_LIMIT_CHARS);
        }
    }

    fn optional_string(&mut self, at: &str, value: Option<&Value>, most: usize) {
        if let Some(value) = value {
            self.string(at, value, most);
        }
    }

    fn string(&mut self, at: &str, value: &Value, most: usize) {
        if value.as_str().is_none_or(|text| text.is_empty() || units(text) > most) {
            self.add(at, &format!("must be a string of 1 to {most} characters"));
        }
    }

    fn section(&mut self, at: &str, block: &Value) {
        if block.get("text").is_none() && block.get("fields").is_none() {
            self.add(at, "must have text or fields");
        }
        if let Some(text) = block.get("text") {
            self.text(&format!("{at}/text"), text, &["plain_text", "mrkdwn"], SECTION_LIMIT_CHARS);
        }
        if let Some(fields) = block.get("fields") {
            self.texts(&format!("{at}/fields"), fields, SECTION_FIELDS_LIMIT, FIELD_LIMIT_CHARS);
        }
    }

    fn texts(&mut self, at: &str, texts: &Value, most: usize, most_each: usize) {
        let texts = texts.as_array().map(Vec::as_slice).unwrap_or_default();
        if texts.is_empty() || texts.len() > most {
            self.add(at, &format!("must be an array of 1 to {most} items"));
        }
        for (index, text) in texts.iter().enumerate() {
            self.text(&format!("{at}/{index}"), text, &["plain_text", "mrkdwn"], most_each);
        }
    }

    fn text(&mut self, at: &str, text: &Value, types: &[&str], most: usize) {
        let kind = text["type"].as_str().unwrap_or_default();
        if !types.contains(&kind) {
            self.add(&format!("{at}/type"), &format!("must be one of {}", types.join(", ")));
        }
        if text.get("emoji").is_some_and(|emoji| kind != "plain_text" || !emoji.is_boolean()) {
            self.add(&format!("{at}/emoji"), "must be true or false, and only in plain_text");
        }
        match text["text"].as_str().map(units) {
            None => self.add(&format!("{at}/text"), "must be a string"),
            Some(0) => self.add(&format!("{at}/text"), "must be more than 0 characters"),
            Some(length) if length > most => {
                self.add(&format!("{at}/text"), &format!("must be less than {} characters", most + 1));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(length: usize) -> Value {
        json!({"type": "plain_text", "text": "x".repeat(length), "emoji": false})
    }

    fn mrkdwn(length: usize) -> Value {
        json!({"type": "mrkdwn", "text": "x".repeat(length)})
    }

    fn many(value: &Value, count: usize) -> Value {
        Value::Array(vec![value.clone(); count])
    }

    #[test]
    fn messages_at_the_limits_are_taken() {
        for blocks in [
            json!([]),
            many(&json!({"type": "divider"}), 50),
            json!([{"type": "header", "text": plain(150)}]),
            json!([{"type": "section", "text": plain(3_000), "block_id": "a"},
                {"type": "section", "fields": many(&mrkdwn(2_000), 10), "block_id": "b"}]),
            json!([{"type": "context", "elements": [mrkdwn(1), plain(1)]}]),
            json!([{"type": "header", "text": {"type": "plain_text", "text": "😀".repeat(75)}}]),
        ] {
            assert_eq!(faults(&blocks), Vec::<String>::new());
        }
    }

    #[test]
    fn messages_beyond_a_limit_are_refused_with_the_place() {
        for (blocks, place) in [
            (json!("text"), "/blocks"),
            (json!({}), "/blocks"),
            (many(&json!({"type": "divider"}), 51), "/blocks"),
            (json!([1]), "/blocks/0/type"),
            (json!([{"type": "divider"}, {"type": "marquee"}]), "/blocks/1/type"),
            (json!([{"type": "header", "text": plain(151)}]), "/blocks/0/text/text"),
            (json!([{"type": "header", "text": plain(0)}]), "/blocks/0/text/text"),
            (json!([{"type": "header", "text": mrkdwn(1)}]), "/blocks/0/text/type"),
            (json!([{"type": "header"}]), "/blocks/0/text/text"),
            (json!([{"type": "section"}]), "/blocks/0"),
            (json!([{"type": "section", "text": "bare"}]), "/blocks/0/text/text"),
            (json!([{"type": "section", "text": plain(3_001)}]), "/blocks/0/text/text"),
            (json!([{"type": "section", "fields": []}]), "/blocks/0/fields"),
            (json!([{"type": "section", "fields": many(&plain(1), 11)}]), "/blocks/0/fields"),
            (json!([{"type": "section", "fields": [plain(1), plain(2_001)]}]), "/blocks/0/fields/1/text"),
            (json!([{"type": "context", "elements": many(&plain(1), 11)}]), "/blocks/0/elements"),
            (
                json!([{"type": "section", "text": {"type": "mrkdwn", "text": "x", "emoji": true}}]),
                "/blocks/0/text/emoji",
            ),
            (json!([{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}]), "/blocks/1"),
            (json!([{"type": "divider", "block_id": "x".repeat(256)}]), "/blocks/0"),
        ] {
            assert_fault(&faults(&blocks), place);
        }
    }

    #[test]
    fn buttons_are_taken_or_refused_with_the_place() {
        let actions = |buttons: Value| json!([{"type": "actions", "elements": buttons}]);
        let button = |change: &dyn Fn(&mut Value)| {
            let mut button =
                json!({"type": "button", "text": plain(75), "action_id": "a", "value": "x", "style": "danger"});
            change(&mut button);
            actions(json!([button]))
        };
        assert_eq!(faults(&button(&|_| {})), Vec::<String>::new());
        for (blocks, place) in [
            (actions(json!([])), "/blocks/0/elements"),
            (actions(many(&plain(1), 26)), "/blocks/0/elements"),
            (button(&|button| button["type"] = "image".into()), "/blocks/0/elements/0/type"),
            (button(&|button| button["text"] = plain(76)), "/blocks/0/elements/0/text/text"),
            (button(&|button| button["text"] = mrkdwn(1)), "/blocks/0/elements/0/text/type"),
            (button(&|button| button["action_id"] = Value::Null), "/blocks/0/elements/0/action_id"),
            (button(&|button| button["value"] = "x".repeat(2_001).into()), "/blocks/0/elements/0/value"),
            (button(&|button| button["style"] = "loud".into()), "/blocks/0/elements/0/style"),
            (json!([{"type": "input"}]), "/blocks/0/type"),
        ] {
            assert_fault(&faults(&blocks), place);
        }
    }

    #[test]
    fn modals_are_taken_or_refused_with_the_place() {
        let option = json!({"text": plain(75), "value": "x".repeat(150)});
        let view = |change: &dyn Fn(&mut Value)| {
            let text = json!({"type": "plain_text_input", "action_id": "a", "multiline": true, "max_length": 3_000});
            let choice = json!({"type": "multi_static_select", "action_id": "b", "options": many(&option, 100)});
            let mut view = json!({
                "type": "modal", "title": plain(24), "submit": plain(24), "close": plain(24),
                "private_metadata": "x".repeat(3_000), "callback_id": "x".repeat(255),
                "blocks": [{"type": "input", "label": plain(1), "hint": plain(1), "element": text},
                    {"type": "input", "label": plain(1), "optional": true, "element": choice}],
            });
            change(&mut view);
            view_faults(&view)
        };
        assert_eq!(view(&|_| {}), Vec::<String>::new());
        assert_fault(&view(&|view| view["type"] = "home".into()), "/view/type");
        assert_fault(&view(&|view| view["title"] = plain(25)), "/view/title/text");
        assert_fault(&view(&|view| view["submit"] = Value::Null), "/view/submit/text");
        assert_fault(&view(&|view| view["close"] = mrkdwn(1)), "/view/close/type");
        assert_fault(&view(&|view| view["private_metadata"] = "x".repeat(3_001).into()), "/view/private_metadata");
        assert_fault(&view(&|view| view["callback_id"] = "x".repeat(256).into()), "/view/callback_id");
        assert_fault(&view(&|view| view["blocks"] = many(&json!({"type": "divider"}), 101)), "/view/blocks");
        assert_fault(&view(&|view| view["blocks"][0]["label"] = mrkdwn(1)), "/view/blocks/0/label/type");
        assert_fault(&view(&|view| view["blocks"][0]["hint"] = plain(2_001)), "/view/blocks/0/hint/text");
        assert_fault(&view(&|view| view["blocks"][1]["optional"] = 1.into()), "/view/blocks/1/optional");
        let element = |at: usize, change: &dyn Fn(&mut Value)| view(&|view| change(&mut view["blocks"][at]["element"]));
        assert_fault(&element(0, &|input| input["type"] = "button".into()), "/view/blocks/0/element/type");
        assert_fault(&element(0, &|input| input["action_id"] = "".into()), "/view/blocks/0/element/action_id");
        assert_fault(&element(0, &|input| input["max_length"] = 3_001.into()), "/view/blocks/0/element/max_length");
        assert_fault(&element(1, &|input| input["options"] = json!([])), "/view/blocks/1/element/options");
        let text = "/view/blocks/1/element/options/0/text/text";
        assert_fault(&element(1, &|input| input["options"][0]["text"] = plain(76)), text);
        let value = "/view/blocks/1/element/options/0/value";
        assert_fault(&element(1, &|input| input["options"][0]["value"] = "x".repeat(151).into()), value);
    }

    fn assert_fault(found: &[String], place: &str) {
        assert!(found.iter().any(|fault| fault.ends_with(&format!("[json-pointer:{place}]"))), "{place} {found:?}");
    }

    #[test]
    fn text_is_counted_wherever_it_stands() {
        let blocks = json!([{"type": "header", "text": plain(5)}, {"type": "section", "fields": [mrkdwn(3), plain(2)]},
            {"type": "context", "elements": [plain(7)]}, {"type": "divider"}]);
        assert_eq!(total(&blocks), 17);
    }
}
