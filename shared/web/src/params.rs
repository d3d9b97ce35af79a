//! Reads query parameters and names every one that breaks a rule.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::request::Parts;
use domain::{Issue, Issues};

use crate::{ApiError, ApiResult};

/// As many characters of a parameter's name are shown when it is not known.
const NAME_SHOWN_CHARS: usize = 64;
/// A name that differs from a known one in so many characters is taken for a misspelling of it.
const MISSPELT_CHARS: usize = 2;

/// Query parameters, read like [`crate::Fields`]: every one that breaks a rule is remembered, and every one that nobody has
/// asked for is one that breaks a rule.
pub struct Params {
    values: BTreeMap<String, String>,
    known: BTreeSet<&'static str>,
    issues: Issues,
}

impl Params {
    pub(crate) fn read(parts: &Parts) -> Self {
        let mut params = Self { values: BTreeMap::new(), known: BTreeSet::new(), issues: Vec::new() };
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if params.values.insert(name.clone().into_owned(), with_plus(&value)).is_some() {
                params.issue(&shown(&name), "must be given once");
            }
        }
        params
    }

    /// A parameter that may be absent.
    pub fn optional<T, E: Into<String>>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.known.insert(name);
        let parsed = parse(self.values.get(name)?);
        parsed.map_err(|message| self.issue(name, message)).ok()
    }

    /// Remembers that a parameter breaks a rule.
    pub fn issue(&mut self, name: &str, message: impl Into<String>) {
        self.issues.push(Issue { path: name.to_owned(), message: message.into() });
    }

    /// What was read, unless a parameter broke a rule or is not known.
    ///
    /// # Errors
    /// [`ApiError::InvalidQuery`] with every such parameter.
    pub fn finish<T>(self, value: T) -> ApiResult<T> {
        let Self { values, known, mut issues } = self;
        let unknown = values.keys().filter(|name| !known.contains(name.as_str()));
        issues.extend(unknown.map(|name| Issue { path: shown(name), message: meant(name, &known) }));
        if issues.is_empty() { Ok(value) } else { Err(ApiError::InvalidQuery(issues)) }
    }
}

/// Refuses every query parameter, for a route that reads none.
pub(crate) fn refuse_parameters(parts: &Parts) -> ApiResult<()> {
    Params::read(parts).finish(())
}

/// Forms write a space as `+`, so a phone number whose `+` was not escaped arrives with a space in front.
fn with_plus(value: &str) -> String {
    match value.strip_prefix(' ') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => format!("+{digits}"),
        _ => value.to_owned(),
    }
}

/// What a caller who wrote an unknown name meant, or may write.
fn meant(name: &str, known: &BTreeSet<&'static str>) -> String {
    let plain = |name: &str| name.replace(|letter: char| !letter.is_alphanumeric(), "").to_lowercase();
    let distance = |known: &str| strsim::osa_distance(&plain(name), &plain(known));
    let nearest = known.iter().min_by_key(|known| distance(known)).filter(|known| distance(known) <= MISSPELT_CHARS);
    let list = || known.iter().copied().collect::<Vec<_>>().join(", ");
    match nearest {
        Some(nearest) => format!("is not known; did you mean {nearest}?"),
        None if known.is_empty() => "is not known: this request takes no query parameters".to_owned(),
        None => format!("is not known; this request takes {}", list()),
    }
}

/// A caller's text, of bounded length.
fn shown(name: &str) -> String {
    match name.char_indices().nth(NAME_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn params(query: &str) -> Params {
        let request = Request::builder().uri(format!("/?{query}")).body(()).unwrap();
        Params::read(&request.into_parts().0)
    }

    fn issues(query: &str) -> Vec<(String, String)> {
        let mut params = params(query);
        for name in ["areaCode", "limit", "locality"] {
            params.optional(name, |text| Ok::<_, String>(text.to_owned()));
        }
        match params.finish(()) {
            Ok(()) => Vec::new(),
            Err(ApiError::InvalidQuery(issues)) => {
                issues.into_iter().map(|Issue { path, message }| (path, message)).collect()
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_unknown_parameter_is_refused_with_the_one_that_was_meant() {
        assert_eq!(issues("areaCode=415&limit=1"), []);
        for (name, meant) in [
            ("area_code", "areaCode"),
            ("area-code", "areaCode"),
            ("AREACODE", "areaCode"),
            ("areacode", "areaCode"),
            ("filter%5Barea_code%5D", ""),
            ("aeraCode", "areaCode"),
            ("Limit", "limit"),
            ("limits", "limit"),
            ("lmit", "limit"),
            ("locallity", "locality"),
            ("page", ""),
            ("", ""),
        ] {
            let found = issues(&format!("{name}=1"));
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            let expected = if meant.is_empty() {
                "is not known; this request takes areaCode, limit, locality".to_owned()
            } else {
                format!("is not known; did you mean {meant}?")
            };
            assert_eq!(found[0].1, expected, "{name}");
        }
    }

    #[test]
    fn every_parameter_that_breaks_a_rule_is_named_and_no_name_is_shown_at_length() {
        let found = issues(&format!("limit=1&limit=2&{}=1&x=", "ä".repeat(2_000)));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|(path, message)| path.chars().count() <= 65 && message.len() < 100), "{found:?}");
    }

    #[test]
    fn a_plus_that_arrives_as_a_space_before_digits_is_a_plus() {
        for (query, expected) in [
            ("e164=+12125550100", "+12125550100"),
            ("e164=%2B12125550100", "+12125550100"),
            ("e164=%2012125550100", "+12125550100"),
            ("e164=++1212", "  1212"),
            ("e164=+12a", " 12a"),
            ("e164=+", " "),
            ("e164=1+2", "1 2"),
        ] {
            assert_eq!(params(query).values["e164"], expected, "{query}");
        }
    }
}
