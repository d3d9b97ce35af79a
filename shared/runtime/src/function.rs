//! A function: built once from what it is started with, and entered in one way or in several.

use std::any::Any;
use std::error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_types::SdkConfig;
use domain::{Clock, Randomness, SystemClock, SystemRandomness};

#[cfg(feature = "secret")]
use crate::Secret;
use crate::aws::Account;
use crate::http::Network;
use crate::logs;
use crate::settings::{Settings, SettingsError};

/// Why a function could not start, or ended.
pub type Error = Box<dyn error::Error + Send + Sync>;

/// Something that is awaited later.
pub type Awaited<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What a function is started with.
#[derive(Clone)]
pub struct Start {
    pub settings: Settings,
    pub clock: Arc<dyn Clock>,
    pub randomness: Arc<dyn Randomness>,
    /// What carries requests in the network's place; `None` in a deployment.
    pub network: Option<Arc<dyn Network>>,
    /// How long one try of a call to AWS may take.
    pub try_time_out: Duration,
    /// How long whoever calls the function waits for its answer.
    pub call_time_out: Duration,
    /// Made once, because all clients made of it share its connections and its TLS.
    aws: Arc<OnceLock<SdkConfig>>,
}

impl Start {
    /// In Lambda. API Gateway gives up after 30 s and Lambda stops the function after 29, so one try of a call to AWS has
    /// 2 s.
    #[must_use]
    pub fn in_lambda(settings: Settings) -> Self {
        Self {
            settings,
            clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness),
            network: None,
            try_time_out: Duration::from_secs(2),
            call_time_out: Duration::from_secs(29),
            aws: Arc::default(),
        }
    }

    /// What every AWS client of the function is made of.
    ///
    /// # Errors
    /// A variable that Lambda always sets is missing.
    pub fn aws(&self) -> Result<SdkConfig, SettingsError> {
        if let Some(made) = self.aws.get() {
            return Ok(made.clone());
        }
        let account = Account::from_settings(&self.settings, self.try_time_out)?;
        let made = Account { network: self.network.clone(), ..account }.sdk_config();
        Ok(self.aws.get_or_init(|| made).clone())
    }

    /// The carrier's secret: `{"apiKey": "…", "connectionId": "…"}`; the connection is optional.
    ///
    /// # Errors
    /// Neither `TELNYX_SECRET_ARN` nor `TELNYX_SECRET` is set.
    #[cfg(feature = "secret")]
    pub fn telnyx_secret(&self) -> Result<Secret, SettingsError> {
        self.secret("TELNYX_SECRET_ARN", "TELNYX_SECRET")
    }

    /// Slack's secret: `{"botToken": "xoxb-…", "channel": "C…", "signingSecret": "…"}`.
    ///
    /// # Errors
    /// Neither `SLACK_SECRET_ARN` nor `SLACK_SECRET` is set.
    #[cfg(feature = "secret")]
    pub fn slack_secret(&self) -> Result<Secret, SettingsError> {
        self.secret("SLACK_SECRET_ARN", "SLACK_SECRET")
    }

    #[cfg(feature = "secret")]
    fn secret(&self, stored: &'static str, given: &'static str) -> Result<Secret, SettingsError> {
        if let Some(value) = self.settings.optional(given) {
            return Ok(Secret::given(&value));
        }
        let id = self.settings.required(stored)?;
        Ok(Secret::stored(aws_sdk_secretsmanager::Client::new(&self.aws()?), id))
    }
}

/// One way into a function. A Lambda serves one of them: HTTP routes, a queue's messages, or a schedule's events.
pub trait Entrance: Any + Send {
    /// Serves it under the Lambda runtime until Lambda ends the process.
    fn run(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), Error>>>>;
}

/// A function that has started.
pub struct Function {
    warm_up: Awaited<()>,
    entrances: Vec<(&'static str, Box<dyn Entrance>)>,
}

impl Function {
    /// A function without an entrance yet. `warm_up` is awaited before the first call comes, so that its caller does not
    /// wait for it.
    #[must_use]
    pub fn new(warm_up: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { warm_up: Box::pin(warm_up), entrances: Vec::new() }
    }

    /// Adds an entrance under a name that the function has not given yet.
    #[must_use]
    pub fn entrance(mut self, name: &'static str, entrance: impl Entrance) -> Self {
        self.entrances.push((name, Box::new(entrance)));
        self
    }

    /// The entrance of this name, without a name the only one, and what is awaited before its first call.
    ///
    /// # Errors
    /// There is no such entrance, or there are several and no name says which.
    pub fn enter(mut self, name: Option<&str>) -> Result<(Box<dyn Entrance>, Awaited<()>), SettingsError> {
        let only = self.entrances.len() == 1;
        let chosen = self.entrances.iter().position(|(known, _)| name.map_or(only, |name| name == *known));
        let Some(chosen) = chosen else {
            let names: Vec<_> = self.entrances.iter().map(|(name, _)| format!("'{name}'")).collect();
            return Err(SettingsError::entrance(&names.join(" or ")));
        };
        Ok((self.entrances.swap_remove(chosen).1, self.warm_up))
    }
}

/// What the `main` of every function does: starts it with the settings of its environment, and serves the entrance that the
/// variable `ENTRANCE` names until Lambda ends the process.
///
/// # Errors
/// A setting is missing or malformed, or the Lambda runtime cannot be reached.
pub fn run(start: impl FnOnce(&Start) -> Result<Function, SettingsError>) -> Result<(), Error> {
    let lambda = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    lambda.block_on(async {
        let start_with = Start::in_lambda(Settings::from_env());
        logs::start(start_with.settings.log_level()?);
        let name = start_with.settings.entrance();
        let (entrance, warm_up) = start(&start_with)?.enter(name.as_deref())?;
        warm_up.await;
        entrance.run().await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Door(&'static str);

    impl Entrance for Door {
        fn run(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), Error>>>> {
            Box::pin(async { Ok(()) })
        }
    }

    fn entered(doors: &[&'static str], name: Option<&str>) -> Result<&'static str, String> {
        let function = doors.iter().fold(Function::new(async {}), |function, name| function.entrance(name, Door(name)));
        let entrance: Box<dyn Any> = function.enter(name).map_err(|error| error.to_string())?.0;
        Ok(entrance.downcast::<Door>().unwrap().0)
    }

    #[test]
    fn the_only_entrance_needs_no_name_and_one_of_several_does() {
        assert_eq!(entered(&["due"], None).unwrap(), "due");
        assert_eq!(entered(&["due"], Some("due")).unwrap(), "due");
        for name in ["due", "charge"] {
            assert_eq!(entered(&["due", "charge"], Some(name)).unwrap(), name);
        }
        for wrong in [None, Some("pay")] {
            let said = entered(&["due", "charge"], wrong).unwrap_err();
            assert_eq!(said, "environment variable ENTRANCE must be 'due' or 'charge'");
        }
        let said = entered(&["due"], Some("pay")).unwrap_err();
        assert_eq!(said, "environment variable ENTRANCE must be 'due'");
    }
}
