//! Reads a JSON body field by field and names every field that breaks a rule.

use std::collections::BTreeMap;

use domain::number::Change;
use domain::{Issue, Issues, is_blank};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::compact_json::compact;

pub(crate) type RawFields = BTreeMap<String, Box<RawValue>>;

/// Reads the fields of a JSON object, and remembers every one that breaks a rule instead of stopping at the first.
///
/// Fields that nobody asks for are ignored, so a caller cannot set what we do not read.
pub struct Fields {
    raw: RawFields,
    /// What stands before a field's name in an issue: empty, or `businessProfile.`.
    prefix: String,
    issues: Issues,
}

impl Fields {
    pub(crate) const fn new(raw: RawFields) -> Self {
        Self { raw, prefix: String::new(), issues: Vec::new() }
    }

    /// Text that must be there.
    pub fn required<T, E: Into<String>>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        if self.is_absent(name) {
            self.issue(name, "is required");
            return None;
        }
        self.optional(name, parse)
    }

    /// Text that may be absent or null.
    pub fn optional<T, E: Into<String>>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text: String = self.typed(name, "must be a string")?;
        self.checked(name, parse(&text))
    }

    /// Text that may be absent, null or blank: forms send an empty text for an answer that was not given.
    pub fn filled<T, E: Into<String>>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        self.optional(name, |text| if is_blank(text) { Ok(None) } else { parse(text).map(Some) }).flatten()
    }

    /// True or false; may be absent or null.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        self.typed(name, "must be true or false")
    }

    /// JSON that is kept as it was written, in compact form; may be absent or null.
    pub fn json<T>(&mut self, name: &str, parse: impl Fn(String) -> Result<T, &'static str>) -> Option<T> {
        let parsed = compact(self.present(name)?.get()).and_then(parse);
        self.checked(name, parsed)
    }

    /// An object within the object, which must be there.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.is_absent(name) {
            self.issue(name, "is required");
        }
        self.part(name, read)
    }

    /// An object within the object, which may be absent or null.
    pub fn part<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let raw = self.typed(name, "must be an object")?;
        let mut inner = Self { raw, prefix: format!("{}{name}.", self.prefix), issues: Vec::new() };
        let value = read(&mut inner);
        self.issues.append(&mut inner.issues);
        value
    }

    /// A field of a patch: absent keeps, null clears, anything else sets what `read` makes of it.
    pub fn change<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Change<T> {
        match self.raw.get(name) {
            None => Change::Keep,
            Some(raw) if is_null(raw) => Change::Clear,
            Some(_) => read(self).map_or(Change::Keep, Change::Set),
        }
    }

    /// Whether the field was sent, as anything but null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        !self.is_absent(name)
    }

    /// Whether the field was sent as null.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.raw.get(name).is_some_and(|raw| is_null(raw))
    }

    /// Remembers that a field breaks a rule.
    pub fn issue(&mut self, name: &str, message: impl Into<String>) {
        self.issues.push(Issue { path: format!("{}{name}", self.prefix), message: message.into() });
    }

    /// What was read, unless a field broke a rule.
    ///
    /// # Errors
    /// [`domain::Error::Invalid`] with every such field.
    pub fn finish<T>(self, value: Option<T>) -> domain::Result<T> {
        match value {
            Some(value) if self.issues.is_empty() => Ok(value),
            _ => Err(domain::Error::Invalid(self.issues)),
        }
    }

    fn is_absent(&self, name: &str) -> bool {
        self.present(name).is_none()
    }

    fn present(&self, name: &str) -> Option<&RawValue> {
        self.raw.get(name).map(AsRef::as_ref).filter(|raw| !is_null(raw))
    }

    fn typed<T: DeserializeOwned>(&mut self, name: &str, mismatch: &'static str) -> Option<T> {
        let parsed = serde_json::from_str(self.present(name)?.get()).map_err(|_| mismatch);
        self.checked(name, parsed)
    }

    fn checked<T>(&mut self, name: &str, parsed: Result<T, impl Into<String>>) -> Option<T> {
        parsed.map_err(|message| self.issue(name, message)).ok()
    }
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}
