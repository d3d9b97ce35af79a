//! Reads query parameters and names every one that breaks a rule.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use domain::{Issue, Issues};

use crate::{ApiError, ApiResult};

/// Query parameters, read like [`crate::Fields`]: every one that breaks a rule is remembered.
pub struct Params {
    values: BTreeMap<String, String>,
    issues: Issues,
}

impl Params {
    /// A parameter that may be absent.
    pub fn optional<T, E: Into<String>>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let parsed = parse(self.values.get(name)?);
        parsed.map_err(|message| self.issue(name, message)).ok()
    }

    /// Remembers that a parameter breaks a rule.
    pub fn issue(&mut self, name: &str, message: impl Into<String>) {
        self.issues.push(Issue { path: name.to_owned(), message: message.into() });
    }

    /// What was read, unless a parameter broke a rule.
    ///
    /// # Errors
    /// [`ApiError::InvalidQuery`] with every such parameter.
    pub fn finish<T>(self, value: T) -> ApiResult<T> {
        if self.issues.is_empty() { Ok(value) } else { Err(ApiError::InvalidQuery(self.issues)) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> ApiResult<Self> {
        let mut params = Self { values: BTreeMap::new(), issues: Vec::new() };
        let query = parts.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if params.values.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                params.issue(&name, "must be given once");
            }
        }
        Ok(params)
    }
}
