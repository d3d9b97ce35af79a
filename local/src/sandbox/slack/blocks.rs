//! Slack's rules for the blocks of a message: <https://docs.slack.dev/reference/block-kit/blocks>.
//!
//! Lengths are counted in UTF-16 units. Block types that this service does not use are refused.

use std::collections::HashSet;

use serde_json::Value;

const MOST_BLOCKS: usize = 50;
const MOST_HEADER: usize = 150;
const MOST_SECTION: usize = 3_000;
const MOST_FIELDS: usize = 10;
const MOST_FIELD: usize = 2_000;
const MOST_CONTEXT: usize = 10;
const MOST_BLOCK_ID: usize = 255;

/// The most text in all blocks together. Slack limits it but does not say at how much; messages of 11,300 characters
/// are known to have been refused.
pub(super) const MOST_TOGETHER: usize = 11_000;

/// What Slack would object to, each with a JSON pointer to the place. Empty for blocks that it takes.
pub(super) fn faults(blocks: &Value) -> Vec<String> {
    let mut faults = Faults::default();
    match blocks.as_array() {
        None => faults.add("/blocks", "must be an array"),
        Some(blocks) if blocks.len() > MOST_BLOCKS => {
            faults.add("/blocks", &format!("no more than {MOST_BLOCKS} items allowed"));
        }
        Some(blocks) => {
            let mut ids = HashSet::new();
            for (index, block) in blocks.iter().enumerate() {
                let at = format!("/blocks/{index}");
                faults.block(&at, block);
                match block.get("block_id").map(Value::as_str) {
                    None => {}
                    Some(Some(id)) if units(id) > MOST_BLOCK_ID => {
                        faults.add(&at, &format!("block_id must be less than {} characters", MOST_BLOCK_ID + 1));
                    }
                    Some(Some(id)) if ids.insert(id) => {}
                    Some(_) => faults.add(&at, "block_id must be a string that no other block has"),
                }
            }
        }
    }
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

    fn block(&mut self, at: &str, block: &Value) {
        match block["type"].as_str() {
            Some("header") => self.text(&format!("{at}/text"), &block["text"], &["plain_text"], MOST_HEADER),
            Some("section") => self.section(at, block),
            Some("context") => self.texts(&format!("{at}/elements"), &block["elements"], MOST_CONTEXT, MOST_SECTION),
            Some("divider") => {}
            _ => self.add(&format!("{at}/type"), "unsupported type"),
        }
    }

    fn section(&mut self, at: &str, block: &Value) {
        if block.get("text").is_none() && block.get("fields").is_none() {
            self.add(at, "must have text or fields");
        }
        if let Some(text) = block.get("text") {
            self.text(&format!("{at}/text"), text, &["plain_text", "mrkdwn"], MOST_SECTION);
        }
        if let Some(fields) = block.get("fields") {
            self.texts(&format!("{at}/fields"), fields, MOST_FIELDS, MOST_FIELD);
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
            let found = faults(&blocks);
            assert!(
                found.iter().any(|fault| fault.ends_with(&format!("[json-pointer:{place}]"))),
                "{blocks} {found:?}"
            );
        }
    }

    #[test]
    fn text_is_counted_wherever_it_stands() {
        let blocks = json!([{"type": "header", "text": plain(5)}, {"type": "section", "fields": [mrkdwn(3), plain(2)]},
            {"type": "context", "elements": [plain(7)]}, {"type": "divider"}]);
        assert_eq!(total(&blocks), 17);
    }
}
