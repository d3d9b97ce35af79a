//! The one place that reads the environment.
//!
//! Each function asks, at start, for just the settings it uses; a missing or malformed one stops it with a sentence
//! that names the variable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use domain::MicroUsd;
use domain::carrier::PriceLimits;
use domain::kyb::SlackUserId;
use domain::number::Prices;
use domain::organization::PurchasePolicy;
use tracing::level_filters::LevelFilter;

/// A variable as an operator has to know it. The README's table is made of these.
#[derive(Debug)]
pub struct Variable {
    /// Its name; one that begins with `*` stands for every name that ends so.
    pub name: &'static str,
    pub meaning: &'static str,
    /// What holds without it.
    pub default: Option<&'static str>,
    pub set_by: Setter,
}

impl Variable {
    /// Whether it is the one of this name.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.strip_prefix('*').map_or(self.name == name, |ending| name.ends_with(ending))
    }
}

/// Who gives a variable its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setter {
    /// The template, for each function that reads it.
    Template,
    /// Lambda itself.
    Lambda,
    /// Nobody in a deployment. Whoever tries a function out by hand may.
    Hand,
}

const ENTRANCE: &str = "ENTRANCE";

/// Every variable that [`Settings`] reads, but for the endpoints of single services.
pub const VARIABLES: &[Variable] = &[
    Variable { name: "TABLE_NAME", meaning: "the DynamoDB table", default: None, set_by: Setter::Template },
    Variable {
        name: "LOG_LEVEL",
        meaning: "the least level that is logged: `error`, `warn`, `info` or `debug`",
        default: Some("info"),
        set_by: Setter::Template,
    },
    Variable {
        name: "UPFRONT_PRICE_USD",
        meaning: "charged once for a bought number",
        default: Some("1.00"),
        set_by: Setter::Template,
    },
    Variable {
        name: "MONTHLY_PRICE_USD",
        meaning: "charged each month for a bought number, the first one at once",
        default: Some("1.00"),
        set_by: Setter::Template,
    },
    Variable {
        name: "CARRIER_UPFRONT_LIMIT_USD",
        meaning: "the most that the carrier may ask once for a number that is offered and bought; empty: three times our price, at least 5.00",
        default: Some(""),
        set_by: Setter::Template,
    },
    Variable {
        name: "CARRIER_MONTHLY_LIMIT_USD",
        meaning: "the same for each month",
        default: Some(""),
        set_by: Setter::Template,
    },
    Variable {
        name: "PURCHASE_POLICY",
        meaning: "which verification may buy: `approved` or `submitted`",
        default: Some("approved"),
        set_by: Setter::Template,
    },
    Variable {
        name: "SIP_HOST",
        meaning: "where customers forward imported numbers' calls to",
        default: None,
        set_by: Setter::Template,
    },
    Variable {
        name: "IMPORT_MONTHLY_FEE_USD",
        meaning: "charged each month for an imported number",
        default: Some("0"),
        set_by: Setter::Template,
    },
    Variable {
        name: "GRACE_PERIOD_DAYS",
        meaning: "days from the suspension of a number that is not paid for to its release, 1 to 365",
        default: Some("30"),
        set_by: Setter::Template,
    },
    Variable {
        name: "IMPORT_LIMIT",
        meaning: "numbers that one organization may import",
        default: Some("1000"),
        set_by: Setter::Template,
    },
    Variable {
        name: "TERMS_VERSION",
        meaning: "the version of your terms of service, which clients show beside the attestation",
        default: Some(""),
        set_by: Setter::Template,
    },
    Variable { name: "TERMS_URL", meaning: "where these terms are", default: Some(""), set_by: Setter::Template },
    Variable {
        name: "CORS_ORIGINS",
        meaning: "origins whose browsers may call the API, with commas between; empty: none",
        default: Some(""),
        set_by: Setter::Template,
    },
    Variable {
        name: "TELNYX_URL",
        meaning: "the carrier's API",
        default: Some("https://api.telnyx.com/v2"),
        set_by: Setter::Template,
    },
    Variable {
        name: "TELNYX_SECRET_ARN",
        meaning: "secret `{\"apiKey\":\"…\",\"connectionId\":\"…\"}`; the connection is optional",
        default: None,
        set_by: Setter::Template,
    },
    Variable {
        name: "SLACK_URL",
        meaning: "Slack's Web API",
        default: Some("https://slack.com/api"),
        set_by: Setter::Template,
    },
    Variable {
        name: "SLACK_SECRET_ARN",
        meaning: "secret `{\"botToken\":\"xoxb-…\",\"channel\":\"C…\",\"signingSecret\":\"…\"}`; kyb-notifier does without the last",
        default: None,
        set_by: Setter::Template,
    },
    Variable {
        name: "SLACK_REVIEWERS",
        meaning: "ids of the Slack users who may decide, such as `U012AB3CD,U045EF6GH`; empty lets everybody who sees the message",
        default: Some(""),
        set_by: Setter::Template,
    },
    Variable {
        name: "*_QUEUE_URL",
        meaning: "the queue of that name, such as `NOTIFICATIONS_QUEUE_URL`, for those who send to it",
        default: None,
        set_by: Setter::Template,
    },
    Variable {
        name: ENTRANCE,
        meaning: "which of its function's entrances a Lambda serves, where the function has several",
        default: Some(""),
        set_by: Setter::Template,
    },
    Variable {
        name: "TELNYX_SECRET",
        meaning: "the carrier's secret itself, which wins over its ARN",
        default: Some(""),
        set_by: Setter::Hand,
    },
    Variable {
        name: "SLACK_SECRET",
        meaning: "Slack's secret itself, which wins over its ARN",
        default: Some(""),
        set_by: Setter::Hand,
    },
    Variable {
        name: "AWS_ENDPOINT_URL",
        meaning: "another AWS, such as a local one; `AWS_ENDPOINT_URL_SQS` and its like win over it for one service",
        default: Some(""),
        set_by: Setter::Hand,
    },
    Variable {
        name: "AWS_REGION",
        meaning: "where the table, the queue and the secrets are",
        default: None,
        set_by: Setter::Lambda,
    },
    Variable {
        name: "AWS_ACCESS_KEY_ID",
        meaning: "the function's own credentials",
        default: None,
        set_by: Setter::Lambda,
    },
    Variable { name: "AWS_SECRET_ACCESS_KEY", meaning: "the same", default: None, set_by: Setter::Lambda },
    Variable { name: "AWS_SESSION_TOKEN", meaning: "the same", default: Some(""), set_by: Setter::Lambda },
];

/// What holds without a variable; nothing where it has no default.
fn default_of(name: &str) -> &'static str {
    VARIABLES.iter().find(|variable| variable.name == name).and_then(|variable| variable.default).unwrap_or_default()
}

/// The terms of service that clients show beside the attestation. Both texts may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    pub version: String,
    pub url: String,
}

/// A variable that is missing or malformed.
#[derive(thiserror::Error)]
#[error("environment variable {name} {reason}")]
pub struct SettingsError {
    name: &'static str,
    reason: String,
}

impl SettingsError {
    /// No entrance, or one that the function does not have; `known` are those that it has.
    pub(crate) fn entrance(known: &str) -> Self {
        Self { name: ENTRANCE, reason: format!("must be {known}") }
    }
}

/// The same sentence, because this is what Rust prints of an error that ends `main`.
impl fmt::Debug for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

type Reader = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Reads variables by name. Cheap to clone.
#[derive(Clone)]
pub struct Settings {
    read: Arc<Reader>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never a value: some of them are secrets.
        formatter.write_str("Settings")
    }
}

impl Settings {
    /// The process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        Self::from_reader(|name| std::env::var(name).ok())
    }

    /// Variables from elsewhere: the local run's, or those of the template whose functions a test starts.
    #[must_use]
    pub fn from_reader(read: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { read: Arc::new(read) }
    }

    /// The least level that is logged: `error`, `warn`, `info` or `debug`. There is no `trace`, because at that level the
    /// Lambda runtime logs whole events, with callers' keys.
    ///
    /// # Errors
    /// `LOG_LEVEL` is another word.
    pub fn log_level(&self) -> Result<LevelFilter, SettingsError> {
        self.parsed("LOG_LEVEL", |text| {
            const WORDS: &str = "must be 'error', 'warn', 'info' or 'debug'";
            text.parse().ok().filter(|level| *level < LevelFilter::TRACE && *level > LevelFilter::OFF).ok_or(WORDS)
        })
    }

    /// Which of a function's entrances the Lambda serves; `None` where nothing is said.
    #[must_use]
    pub fn entrance(&self) -> Option<String> {
        self.optional(ENTRANCE)
    }

    /// Where a queue is: the value of the variable of this name.
    ///
    /// # Errors
    /// It is missing.
    pub fn queue_url(&self, name: &'static str) -> Result<String, SettingsError> {
        self.required(name)
    }

    /// # Errors
    /// `TABLE_NAME` is missing.
    pub fn table_name(&self) -> Result<String, SettingsError> {
        self.required("TABLE_NAME")
    }

    /// What a managed number costs.
    ///
    /// # Errors
    /// `UPFRONT_PRICE_USD` or `MONTHLY_PRICE_USD` is not an amount.
    pub fn prices(&self) -> Result<Prices, SettingsError> {
        let price = |name| self.parsed(name, MicroUsd::parse);
        Ok(Prices { upfront: price("UPFRONT_PRICE_USD")?, monthly: price("MONTHLY_PRICE_USD")? })
    }

    /// The most that the carrier may ask for a number that is offered and bought.
    ///
    /// # Errors
    /// `CARRIER_UPFRONT_LIMIT_USD` or `CARRIER_MONTHLY_LIMIT_USD` is not an amount, or one of our own prices is not.
    pub fn carrier_price_limits(&self) -> Result<PriceLimits, SettingsError> {
        let usual = PriceLimits::by_default(self.prices()?);
        let limit =
            |name, usual| self.parsed(name, |text| if text.is_empty() { Ok(usual) } else { MicroUsd::parse(text) });
        Ok(PriceLimits {
            upfront: limit("CARRIER_UPFRONT_LIMIT_USD", usual.upfront)?,
            monthly: limit("CARRIER_MONTHLY_LIMIT_USD", usual.monthly)?,
        })
    }

    /// The monthly fee of an imported number.
    ///
    /// # Errors
    /// `IMPORT_MONTHLY_FEE_USD` is not an amount.
    pub fn import_monthly_fee(&self) -> Result<MicroUsd, SettingsError> {
        self.parsed("IMPORT_MONTHLY_FEE_USD", MicroUsd::parse)
    }

    /// How many numbers one organization may import.
    ///
    /// # Errors
    /// `IMPORT_LIMIT` is not a whole number.
    pub fn import_limit(&self) -> Result<u32, SettingsError> {
        self.parsed("IMPORT_LIMIT", |text| text.parse().map_err(|_| "must be a whole number such as 1000"))
    }

    /// How long after its suspension a number is released that is not paid for.
    ///
    /// # Errors
    /// `GRACE_PERIOD_DAYS` is not a number of days from 1 to 365.
    pub fn grace_period(&self) -> Result<Duration, SettingsError> {
        self.parsed("GRACE_PERIOD_DAYS", |text| match text.parse() {
            Ok(days @ 1..=365) => Ok(Duration::from_hours(24 * days)),
            _ => Err("must be a whole number of days from 1 to 365"),
        })
    }

    /// # Errors
    /// `PURCHASE_POLICY` is neither `approved` nor `submitted`.
    pub fn purchase_policy(&self) -> Result<PurchasePolicy, SettingsError> {
        self.parsed("PURCHASE_POLICY", PurchasePolicy::parse)
    }

    /// The operator's terms of service; empty texts where there are none.
    ///
    /// # Errors
    /// `TERMS_URL` is no http or https URL.
    pub fn terms(&self) -> Result<Terms, SettingsError> {
        let url = self.parsed("TERMS_URL", |text| {
            let is_web = |url: reqwest::Url| matches!(url.scheme(), "http" | "https");
            let fits = text.is_empty() || reqwest::Url::parse(text).is_ok_and(is_web);
            fits.then(|| text.to_owned()).ok_or("must be a URL such as https://example.com/terms")
        })?;
        Ok(Terms { version: self.or_default("TERMS_VERSION"), url })
    }

    /// The host that customers forward their trunks' calls to.
    ///
    /// # Errors
    /// `SIP_HOST` is missing or not a host name.
    pub fn sip_host(&self) -> Result<String, SettingsError> {
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
    pub fn telnyx_url(&self) -> String {
        self.or_default("TELNYX_URL")
    }

    /// The base address of Slack's Web API.
    #[must_use]
    pub fn slack_url(&self) -> String {
        self.or_default("SLACK_URL")
    }

    /// The Slack users who may decide about verifications, by id, with commas between; empty lets everybody who sees
    /// the message.
    ///
    /// # Errors
    /// `SLACK_REVIEWERS` holds something else. A name that never fits would lock everybody out, and a list that names
    /// nobody, such as `,`, would let everybody in.
    pub fn slack_reviewers(&self) -> Result<Vec<SlackUserId>, SettingsError> {
        self.parsed("SLACK_REVIEWERS", |text| {
            let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(SlackUserId::parse);
            let ids = ids.collect::<Result<Vec<_>, _>>().ok().filter(|ids| text.is_empty() || !ids.is_empty());
            ids.ok_or("must be ids of Slack users such as U012AB3CD,U045EF6GH")
        })
    }

    /// The origins whose browsers may call the API, such as `https://console.example.com`, with commas between; none where
    /// nothing is said.
    ///
    /// # Errors
    /// `CORS_ORIGINS` holds something else than origins as browsers write them (RFC 6454, section 6.2).
    pub fn cors_origins(&self) -> Result<Vec<String>, SettingsError> {
        const FORM: &str = "must be origins such as https://console.example.com, with commas between: scheme, host in \
                            lower case and a port other than the usual one, without a path; '*' is not accepted";
        let is_origin = |text: &&str| {
            let url = reqwest::Url::parse(text).ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
            // A URL's host may hold `*`, which no browser sends.
            !text.contains('*') && url.is_some_and(|url| url.origin().ascii_serialization() == **text)
        };
        self.parsed("CORS_ORIGINS", |text| {
            let origins: Vec<_> = text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).collect();
            let known = origins.iter().all(is_origin) && (text.is_empty() || !origins.is_empty());
            if known { Ok(origins.into_iter().map(str::to_owned).collect()) } else { Err(FORM) }
        })
    }

    pub(crate) fn optional(&self, name: &str) -> Option<String> {
        (self.read)(name).filter(|value| !value.is_empty())
    }

    fn or_default(&self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| default_of(name).to_owned())
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<String, SettingsError> {
        self.optional(name).ok_or_else(|| SettingsError { name, reason: "is not set".to_owned() })
    }

    fn parsed<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Result<T, SettingsError> {
        parse(&self.or_default(name)).map_err(|reason| SettingsError { name, reason: reason.to_owned() })
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

    #[test]
    fn defaults_are_used_and_an_empty_variable_counts_as_unset() {
        let empty = Settings::from_reader(|_| Some(String::new()));
        assert_eq!(empty.prices().unwrap().upfront, MicroUsd::parse(default_of("UPFRONT_PRICE_USD")).unwrap());
        assert_eq!(empty.import_limit().unwrap().to_string(), default_of("IMPORT_LIMIT"));
        assert_eq!(empty.purchase_policy().unwrap().as_str(), default_of("PURCHASE_POLICY"));
    }

    #[test]
    fn the_carrier_may_ask_three_times_our_price_and_at_least_five_dollars_unless_it_is_said_otherwise() {
        let limits = |variables: &'static [(&str, &str)]| {
            let value =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let limits = Settings::from_reader(value).carrier_price_limits().unwrap();
            (limits.upfront.to_string(), limits.monthly.to_string())
        };
        assert_eq!(limits(&[]), ("5.00".to_owned(), "5.00".to_owned()));
        let dear = &[("UPFRONT_PRICE_USD", "3"), ("MONTHLY_PRICE_USD", "1.50")];
        assert_eq!(limits(dear), ("9.00".to_owned(), "5.00".to_owned()));
        let set = &[("CARRIER_UPFRONT_LIMIT_USD", "0"), ("CARRIER_MONTHLY_LIMIT_USD", "40")];
        assert_eq!(limits(set), ("0.00".to_owned(), "40.00".to_owned()));
    }

    #[test]
    fn origins_are_listed_as_browsers_write_them() {
        let origins = |text: &'static str| Settings::from_reader(move |_| Some(text.to_owned())).cors_origins();
        assert_eq!(origins("").unwrap(), Vec::<String>::new());
        let listed = origins("https://console.example.com, http://localhost:3000").unwrap();
        assert_eq!(listed, ["https://console.example.com", "http://localhost:3000"]);
        for bad in [
            "*",
            ",",
            "console.example.com",
            "https://console.example.com/",
            "https://console.example.com/app",
            "https://Console.example.com",
            "https://console.example.com:443",
            "https://user@console.example.com",
            "ftp://console.example.com",
            "https://*.example.com",
            "null",
        ] {
            let refused = origins(bad);
            assert!(refused.is_err_and(|error| error.to_string().contains("CORS_ORIGINS")), "{bad}");
        }
    }

    #[test]
    fn reviewers_are_listed_with_commas_between() {
        assert_eq!(Settings::from_reader(|_| None).slack_reviewers().unwrap(), []);
        let listed = Settings::from_reader(|_| Some(" U1AB, W2 ,".to_owned())).slack_reviewers().unwrap();
        assert_eq!(listed.iter().map(SlackUserId::as_str).collect::<Vec<_>>(), ["U1AB", "W2"]);
        assert!(Settings::from_reader(|_| Some("U1AB;U2".to_owned())).slack_reviewers().is_err());
    }

    #[test]
    fn the_log_level_stops_short_of_whole_events() {
        assert_eq!(Settings::from_reader(|_| Some("debug".to_owned())).log_level().unwrap(), LevelFilter::DEBUG);
        assert!(Settings::from_reader(|_| Some("trace".to_owned())).log_level().is_err());
        assert!(Settings::from_reader(|_| Some("off".to_owned())).log_level().is_err());
    }

    #[test]
    fn a_bad_value_is_refused_with_a_sentence_that_names_the_variable() {
        let bad = Settings::from_reader(|_| Some("one dollar".to_owned()));
        let limit = |named: &'static str| Settings::from_reader(move |name| (name == named).then(|| "much".to_owned()));
        for (error, name) in [
            (bad.prices().unwrap_err(), "UPFRONT_PRICE_USD"),
            (limit("CARRIER_UPFRONT_LIMIT_USD").carrier_price_limits().unwrap_err(), "CARRIER_UPFRONT_LIMIT_USD"),
            (limit("CARRIER_MONTHLY_LIMIT_USD").carrier_price_limits().unwrap_err(), "CARRIER_MONTHLY_LIMIT_USD"),
            (bad.terms().unwrap_err(), "TERMS_URL"),
            (bad.import_limit().unwrap_err(), "IMPORT_LIMIT"),
            (bad.grace_period().unwrap_err(), "GRACE_PERIOD_DAYS"),
            (bad.purchase_policy().unwrap_err(), "PURCHASE_POLICY"),
            (bad.sip_host().unwrap_err(), "SIP_HOST"),
            (bad.log_level().unwrap_err(), "LOG_LEVEL"),
            (bad.slack_reviewers().unwrap_err(), "SLACK_REVIEWERS"),
            (Settings::from_reader(|_| Some(" , ".to_owned())).slack_reviewers().unwrap_err(), "SLACK_REVIEWERS"),
            (Settings::from_reader(|_| None).table_name().unwrap_err(), "TABLE_NAME"),
        ] {
            assert!(error.to_string().starts_with(&format!("environment variable {name} ")), "{error}");
            assert_eq!(format!("{error:?}"), error.to_string());
        }
    }
}
