//! The one place that reads the environment.
//!
//! Each function asks, at start, for just the settings it uses; a missing or malformed one stops it with a sentence
//! that names the variable.

use std::fmt;

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use std::time::Duration;

use domain::MicroUsd;
use domain::number::Prices;
use domain::organization::PurchasePolicy;
use tracing::level_filters::LevelFilter;

#[cfg(feature = "secret")]
use crate::Secret;
use crate::aws::Account;

/// A variable that is missing or malformed.
#[derive(thiserror::Error)]
#[error("environment variable {name} {reason}")]
pub struct SettingsError {
    name: &'static str,
    reason: String,
}

/// The same sentence, because this is what Rust prints of an error that ends `main`.
impl fmt::Debug for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Reads variables by name.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    read: fn(&str) -> Option<String>,
}

impl Settings {
    /// The process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        Self { read: |name| std::env::var(name).ok() }
    }

    /// The least level that is logged: `error`, `warn`, `info` or `debug`. There is no `trace`, because at that level the
    /// Lambda runtime logs whole events, with callers' keys.
    ///
    /// # Errors
    /// `LOG_LEVEL` is another word.
    pub fn log_level(self) -> Result<LevelFilter, SettingsError> {
        self.parsed("LOG_LEVEL", "info", |text| {
            const WORDS: &str = "must be 'error', 'warn', 'info' or 'debug'";
            text.parse().ok().filter(|level| *level < LevelFilter::TRACE && *level > LevelFilter::OFF).ok_or(WORDS)
        })
    }

    /// # Errors
    /// A variable that Lambda always sets is missing.
    pub fn account(self) -> Result<Account, SettingsError> {
        Ok(Account {
            region: self.required("AWS_REGION")?,
            access_key_id: self.required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: self.required("AWS_SECRET_ACCESS_KEY")?,
            session_token: self.optional("AWS_SESSION_TOKEN"),
            try_time_out: Duration::from_secs(2),
            endpoint_url: self.optional("AWS_ENDPOINT_URL"),
            service_endpoints: Some(self),
        })
    }

    /// # Errors
    /// `TABLE_NAME` is missing.
    pub fn table_name(self) -> Result<String, SettingsError> {
        self.required("TABLE_NAME")
    }

    /// What a managed number costs.
    ///
    /// # Errors
    /// `UPFRONT_PRICE_USD` or `MONTHLY_PRICE_USD` is not an amount.
    pub fn prices(self) -> Result<Prices, SettingsError> {
        let price = |name| self.parsed(name, "1.00", MicroUsd::parse);
        Ok(Prices { upfront: price("UPFRONT_PRICE_USD")?, monthly: price("MONTHLY_PRICE_USD")? })
    }

    /// The monthly fee of an imported number.
    ///
    /// # Errors
    /// `IMPORT_MONTHLY_FEE_USD` is not an amount.
    pub fn import_monthly_fee(self) -> Result<MicroUsd, SettingsError> {
        self.parsed("IMPORT_MONTHLY_FEE_USD", "0", MicroUsd::parse)
    }

    /// How many numbers one organization may import.
    ///
    /// # Errors
    /// `IMPORT_LIMIT` is not a whole number.
    pub fn import_limit(self) -> Result<u32, SettingsError> {
        self.parsed("IMPORT_LIMIT", "1000", |text| text.parse().map_err(|_| "must be a whole number such as 1000"))
    }

    /// # Errors
    /// `PURCHASE_POLICY` is neither `approved` nor `submitted`.
    pub fn purchase_policy(self) -> Result<PurchasePolicy, SettingsError> {
        self.parsed("PURCHASE_POLICY", "approved", PurchasePolicy::parse)
    }

    /// The host that customers forward their trunks' calls to.
    ///
    /// # Errors
    /// `SIP_HOST` is missing or not a host name.
    pub fn sip_host(self) -> Result<String, SettingsError> {
        let host = self.required("SIP_HOST")?;
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
        if host.len() <= 100 && host.bytes().all(known) {
            Ok(host)
        } else {
            Err(SettingsError { name: "SIP_HOST", reason: "must be a host name such as sip.example.com".to_owned() })
        }
    }

    /// The carrier's base address.
    #[must_use]
    pub fn telnyx_url(self) -> String {
        self.optional("TELNYX_URL").unwrap_or_else(|| "https://api.telnyx.com/v2".to_owned())
    }

    /// The base address of Slack's Web API.
    #[must_use]
    pub fn slack_url(self) -> String {
        self.optional("SLACK_URL").unwrap_or_else(|| "https://slack.com/api".to_owned())
    }

    /// The queue of verification notifications.
    ///
    /// # Errors
    /// `NOTIFICATIONS_QUEUE_URL` is missing.
    pub fn notifications_queue_url(self) -> Result<String, SettingsError> {
        self.required("NOTIFICATIONS_QUEUE_URL")
    }

    /// The carrier's secret: `{"apiKey": "…", "connectionId": "…"}`; the connection is optional.
    ///
    /// # Errors
    /// Neither `TELNYX_SECRET_ARN` nor `TELNYX_SECRET` is set.
    #[cfg(feature = "secret")]
    pub fn telnyx_secret(self) -> Result<Secret, SettingsError> {
        self.secret("TELNYX_SECRET_ARN", "TELNYX_SECRET")
    }

    /// Slack's secret: `{"botToken": "xoxb-…", "channel": "C…"}`.
    ///
    /// # Errors
    /// Neither `SLACK_SECRET_ARN` nor `SLACK_SECRET` is set.
    #[cfg(feature = "secret")]
    pub fn slack_secret(self) -> Result<Secret, SettingsError> {
        self.secret("SLACK_SECRET_ARN", "SLACK_SECRET")
    }

    #[cfg(feature = "secret")]
    fn secret(self, stored: &'static str, given: &'static str) -> Result<Secret, SettingsError> {
        if let Some(value) = self.optional(given) {
            return Ok(Secret::given(&value));
        }
        let id = self.required(stored)?;
        Ok(Secret::stored(aws_sdk_secretsmanager::Client::new(&self.account()?.sdk_config()), id))
    }

    fn optional(self, name: &str) -> Option<String> {
        (self.read)(name).filter(|value| !value.is_empty())
    }

    fn required(self, name: &'static str) -> Result<String, SettingsError> {
        self.optional(name).ok_or_else(|| SettingsError { name, reason: "is not set".to_owned() })
    }

    fn parsed<T>(
        self,
        name: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<T, SettingsError> {
        let text = self.optional(name).unwrap_or_else(|| default.to_owned());
        parse(&text).map_err(|reason| SettingsError { name, reason: reason.to_owned() })
    }
}

/// The endpoint of one service, which wins over `AWS_ENDPOINT_URL`: `AWS_ENDPOINT_URL_SQS`, and so on as AWS names them.
impl LoadServiceConfig for Settings {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let service = key.service_id().to_uppercase().replace(' ', "_");
        self.optional(&format!("{}_{service}", key.env()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(read: fn(&str) -> Option<String>) -> Settings {
        Settings { read }
    }

    #[test]
    fn defaults_are_used_and_an_empty_variable_counts_as_unset() {
        let empty = settings(|_| Some(String::new()));
        assert_eq!(empty.prices().unwrap().purchase(), MicroUsd::from_micros(2_000_000));
        assert_eq!(empty.import_limit().unwrap(), 1000);
        assert_eq!(empty.purchase_policy().unwrap(), PurchasePolicy::Approved);
    }

    #[test]
    fn a_service_may_have_an_endpoint_of_its_own() {
        let account = settings(|name| match name {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some("http://localhost:1".to_owned()),
            "AWS_ENDPOINT_URL_SQS" => Some(String::new()),
            other => Some(other.to_owned()),
        });
        let config = account.account().unwrap().sdk_config();
        assert_eq!(config.endpoint_url(), Some("AWS_ENDPOINT_URL"));
        let own = |service| {
            let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
            config.service_config().unwrap().load_config(key.build().unwrap())
        };
        assert_eq!(own("Secrets Manager").as_deref(), Some("http://localhost:1"));
        assert_eq!(own("SQS"), None);
    }

    #[test]
    fn the_log_level_stops_short_of_whole_events() {
        assert_eq!(settings(|_| Some("debug".to_owned())).log_level().unwrap(), LevelFilter::DEBUG);
        assert!(settings(|_| Some("trace".to_owned())).log_level().is_err());
        assert!(settings(|_| Some("off".to_owned())).log_level().is_err());
    }

    #[test]
    fn a_bad_value_is_refused_with_a_sentence_that_names_the_variable() {
        let bad = settings(|_| Some("one dollar".to_owned()));
        for (error, name) in [
            (bad.prices().unwrap_err(), "UPFRONT_PRICE_USD"),
            (bad.import_limit().unwrap_err(), "IMPORT_LIMIT"),
            (bad.purchase_policy().unwrap_err(), "PURCHASE_POLICY"),
            (bad.sip_host().unwrap_err(), "SIP_HOST"),
            (bad.log_level().unwrap_err(), "LOG_LEVEL"),
            (settings(|_| None).table_name().unwrap_err(), "TABLE_NAME"),
        ] {
            assert!(error.to_string().starts_with(&format!("environment variable {name} ")), "{error}");
            assert_eq!(format!("{error:?}"), error.to_string());
        }
    }
}
