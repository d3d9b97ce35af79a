//! What a command prints: a table, a thing or a sentence, or all of them as JSON.

use std::iter::repeat_n;

use serde_json::{Map, Value, json};

use crate::failure::Failure;

/// What a command has to say: JSON, and how it is shown as text.
pub(crate) struct Output {
    json: Value,
    form: Form,
    /// Why the command counts as failed, although it has something to show.
    failure: Option<Failure>,
}

enum Form {
    /// The fields of each row that a table shows, and what is said of an empty one.
    Table(&'static [&'static str], &'static str),
    /// One field a line.
    Fields,
    /// The text of `message`, then the other fields.
    Message,
}

impl Output {
    fn of(json: Value, form: Form) -> Self {
        Self { json, form, failure: None }
    }

    /// What was found, which is not as it should be.
    pub(crate) fn but(self, sentence: impl Into<String>) -> Self {
        Self { failure: Some(Failure::new(sentence)), ..self }
    }

    pub(crate) fn into_failure(self) -> Option<Failure> {
        self.failure
    }

    /// Rows of a table; JSON shows all their fields, text those in `columns`.
    pub(crate) fn table(columns: &'static [&'static str], empty: &'static str, rows: Vec<Value>) -> Self {
        Self::of(Value::Array(rows), Form::Table(columns, empty))
    }

    /// One thing.
    pub(crate) fn thing(fields: Value) -> Self {
        Self::of(fields, Form::Fields)
    }

    /// A change, or that there was nothing to change, in one sentence, with what came of it.
    pub(crate) fn changed(changed: bool, message: impl Into<String>, fields: Value) -> Self {
        Self::of(said(changed, false, message.into(), fields), Form::Message)
    }

    /// What would be changed.
    pub(crate) fn would(deed: &str) -> Self {
        let message = format!("Dry run: this would {deed}.");
        Self::of(said(false, true, message, json!({})), Form::Message)
    }

    pub(crate) fn show(&self, json: bool) -> String {
        if json {
            return format!("{:#}\n", self.json);
        }
        match &self.form {
            Form::Table(columns, empty) => match self.json.as_array().map(Vec::as_slice) {
                None | Some([]) => format!("{empty}\n"),
                Some(rows) => aligned(columns, rows),
            },
            Form::Fields => fields(&self.json, &[]),
            Form::Message => {
                let message = plain(&self.json["message"]);
                format!("{message}\n{}", fields(&self.json, &["message", "changed", "dryRun"]))
            }
        }
    }
}

fn said(changed: bool, dry_run: bool, message: String, fields: Value) -> Value {
    let mut said = Map::from_iter([
        ("message".to_owned(), message.into()),
        ("changed".to_owned(), changed.into()),
        ("dryRun".to_owned(), dry_run.into()),
    ]);
    if let Value::Object(fields) = fields {
        said.extend(fields);
    }
    said.into()
}

fn aligned(columns: &[&str], rows: &[Value]) -> String {
    let head = columns.iter().map(|column| spaced(column).to_uppercase()).collect();
    let body = rows.iter().map(|row| columns.iter().map(|column| plain(&row[*column])).collect());
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(body).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |cells: &Vec<String>| {
        let cells: String = cells.iter().zip(&widths).map(|(cell, width)| padded(cell, width + 2)).collect();
        format!("{}\n", cells.trim_end())
    };
    lines.iter().map(line).collect()
}

/// What is shown first of one thing; all else follows in the order of its names.
const FIRST: [&str; 7] = ["organizationId", "id", "name", "e164", "businessName", "status", "apiKey"];

fn fields(value: &Value, but: &[&str]) -> String {
    let Value::Object(fields) = value else { return String::new() };
    let mut shown: Vec<_> = fields.iter().filter(|(name, _)| !but.contains(&name.as_str())).collect();
    shown.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    let width = shown.iter().map(|(name, _)| spaced(name).chars().count()).max().unwrap_or_default();
    let line = |(name, value): &(&String, &Value)| format!("{}{}\n", padded(&spaced(name), width + 2), plain(value));
    shown.iter().map(line).collect()
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.chars().count());
    text.chars().chain(repeat_n(' ', missing)).collect()
}

/// `balanceUsd` as `balance usd`; dotted paths stay as they are.
fn spaced(name: &str) -> String {
    if name.contains('.') {
        return name.to_owned();
    }
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            text.push(' ');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// A value in one line. Customers' text could hold what a terminal would obey, so of control characters nothing is left.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_widest_cell() {
        let rows =
            vec![json!({ "id": "a", "balanceUsd": "1.00", "more": 1 }), json!({ "id": "äbcd", "balanceUsd": null })];
        let table = Output::table(&["id", "balanceUsd"], "None.", rows);
        assert_eq!(table.show(false), "ID    BALANCE USD\na     1.00\näbcd  -\n");
        assert!(table.show(true).contains("\"more\": 1"));
        assert_eq!(Output::table(&["id"], "None.", Vec::new()).show(false), "None.\n");
        assert_eq!(Output::table(&["id"], "None.", Vec::new()).show(true), "[]\n");
    }

    #[test]
    fn text_of_customers_cannot_command_a_terminal() {
        let thing = Output::thing(json!({ "name": "Acme\u{1b}[2J\nInc", "a.b": ["x", null] }));
        assert_eq!(thing.show(false), "name  Acme [2J Inc\na.b   x, -\n");
    }

    #[test]
    fn a_dry_run_says_that_nothing_changed() {
        let would = Output::would("end key key_1");
        assert_eq!(would.show(false), "Dry run: this would end key key_1.\n");
        assert!(would.show(true).contains("\"changed\": false"));
    }
}
