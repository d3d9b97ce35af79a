use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::Value;

/// A request in the making.
pub struct Call {
    request: reqwest::RequestBuilder,
    key: Option<String>,
}

impl Call {
    pub(crate) const fn new(request: reqwest::RequestBuilder) -> Self {
        Self { request, key: None }
    }

    /// Calls with another key.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(format!("Bearer {key}"));
        self
    }

    /// Calls with any `Authorization` header, or none.
    #[must_use]
    pub fn authorization(mut self, value: Option<&str>) -> Self {
        self.key = value.map(str::to_owned);
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.text(body.to_string())
    }

    /// Sends any bytes as the body.
    #[must_use]
    pub fn text(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.request = self.request.header(CONTENT_TYPE, "application/json").body(body);
        self
    }

    /// # Panics
    /// There is no answer, or its body is not JSON.
    pub async fn send(self) -> Answer {
        let (status, headers, text) = self.fetch().await;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("a JSON body") };
        Answer { status, headers, text, body }
    }

    /// The body as it stands, for JSON that this test's own reader would change or refuse.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn send_text(self) -> String {
        self.fetch().await.2
    }

    /// The answer, where the other side lives to give one. A body that is not JSON reads as null.
    ///
    /// # Errors
    /// Nobody listens there, or the connection broke.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        let (status, headers, text) = self.try_fetch().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { status, headers, text, body })
    }

    async fn fetch(self) -> (u16, HeaderMap, String) {
        self.try_fetch().await.expect("an answer")
    }

    async fn try_fetch(self) -> reqwest::Result<(u16, HeaderMap, String)> {
        let request = match self.key {
            Some(key) => self.request.header(AUTHORIZATION, key),
            None => self.request,
        };
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok((status, headers, response.text().await?))
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub body: Value,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Panics
    /// It is not one.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.body
    }

    /// Checks that this is an error in the contract's form, and returns its body.
    ///
    /// # Panics
    /// It is another answer.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert!(self.body["error"].is_string() && self.body["retryable"].is_boolean(), "{}", self.text);
        assert!(self.headers.contains_key("x-request-id"), "every answer names its request");
        if matches!(status, 429 | 503) {
            let wait: u32 = self.header("retry-after").parse().expect("whole seconds");
            assert!(wait >= 1);
        }
        self.body
    }

    /// Checks that this is a validation error on just these fields.
    ///
    /// # Panics
    /// It is another answer.
    #[track_caller]
    pub fn invalid(self, paths: &[&str]) {
        let body = self.refused(400, "VALIDATION_ERROR");
        let issues = body["issues"].as_array().expect("issues");
        let mut named: Vec<_> = issues.iter().map(|issue| issue["path"].as_str().unwrap_or_default()).collect();
        let mut expected = paths.to_vec();
        named.sort_unstable();
        expected.sort_unstable();
        assert_eq!(named, expected, "{body}");
        assert!(issues.iter().all(|issue| issue["message"].as_str().is_some_and(|message| !message.is_empty())));
    }

    /// A header's text; empty without it.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
