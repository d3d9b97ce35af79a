//! `If-Match`: the version that a caller has read.

use axum::extract::FromRequestParts;
use axum::http::{header, request::Parts};
use domain::Issue;

use crate::{ApiError, ApiResult};

/// The version that a caller has seen, from `If-Match: "<version>"`; `None` without the header and for `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> ApiResult<Self> {
        let mut values = parts.headers.get_all(header::IF_MATCH).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(Self(None)),
            (Some(value), None) => Ok(Self(parse(value.to_str().unwrap_or_default())?)),
            (Some(_), Some(_)) => Err(malformed()),
        }
    }
}

fn parse(tag: &str) -> ApiResult<Option<u64>> {
    let tag = tag.trim();
    if tag == "*" {
        return Ok(None);
    }
    let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(malformed)?;
    let spelled = |version: &u64| version.to_string() == tag[1..tag.len() - 1];
    // A well-formed tag that is no version of ours matches nothing.
    if version.is_empty() || version.contains('"') {
        return Err(malformed());
    }
    Ok(Some(version.parse().ok().filter(spelled).unwrap_or(u64::MAX)))
}

fn malformed() -> ApiError {
    let message = "must be one strong entity tag, as the ETag header of GET gives it, such as \"3\"";
    ApiError::InvalidHeader(vec![Issue { path: "If-Match".to_owned(), message: message.to_owned() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_strong_tag_is_understood() {
        assert_eq!(parse("\"3\"").unwrap(), Some(3));
        assert_eq!(parse("*").unwrap(), None);
        for foreign in ["\"abc\"", "\"03\"", "\"-1\""] {
            assert_eq!(parse(foreign).unwrap(), Some(u64::MAX), "{foreign}");
        }
        for bad in ["", "3", "W/\"3\"", "\"3", "\"", "\"\"", "\"1\", \"2\""] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
