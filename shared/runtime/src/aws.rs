//! How every AWS client is built: credentials, region, time-outs.

use std::sync::Arc;
use std::time::Duration;

use crate::aws_http::http_client;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{behavior_version::BehaviorVersion, http::SharedHttpClient};
use aws_smithy_types::retry::{ReconnectMode, RetryConfig};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::{SdkConfig, region::Region};

use crate::http::Network;
use crate::settings::{Settings, SettingsError};

/// The HTTP client for configurations that find their credentials by other means than [`Account`].
#[must_use]
pub fn over_http() -> SharedHttpClient {
    http_client("", None)
}

/// Where AWS is and who we are there. Lambda gives all of it in the environment, for as long as the process lives,
/// so the chain of credential providers (and the three SDKs it brings) is not needed.
#[derive(Clone)]
pub struct Account {
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
    /// How long one try of a call may take.
    pub try_time_out: Duration,
    /// Another endpoint for every service, such as a local engine.
    pub endpoint_url: Option<String>,
    /// Says which services have another endpoint than all the others.
    pub service_endpoints: Option<Settings>,
    /// What carries requests in the network's place.
    pub network: Option<Arc<dyn Network>>,
}

impl Account {
    /// The function's own account. `try_time_out` is how long one try of a call may take.
    ///
    /// # Errors
    /// A variable that Lambda always sets is missing.
    pub fn from_settings(settings: &Settings, try_time_out: Duration) -> Result<Self, SettingsError> {
        Ok(Self {
            region: settings.required("AWS_REGION")?,
            access_key_id: settings.required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: settings.required("AWS_SECRET_ACCESS_KEY")?,
            session_token: settings.optional("AWS_SESSION_TOKEN"),
            try_time_out,
            endpoint_url: settings.optional("AWS_ENDPOINT_URL"),
            service_endpoints: Some(settings.clone()),
            network: None,
        })
    }

    /// The account of an engine on this machine, which does not check who asks.
    #[must_use]
    pub fn local(endpoint_url: String) -> Self {
        Self {
            region: "us-east-1".to_owned(),
            access_key_id: "local".to_owned(),
            secret_access_key: "local".to_owned(),
            session_token: None,
            // Nobody waits behind a gateway here, and the machine may be busy with something else.
            try_time_out: Duration::from_secs(30),
            endpoint_url: Some(endpoint_url),
            service_endpoints: None,
            network: None,
        }
    }

    /// Short time-outs: a caller waits behind every one of these calls, and API Gateway gives up after 30 s.
    #[must_use]
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            self.session_token.clone(),
            None,
            "environment",
        );
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(self.try_time_out)
            .operation_timeout(self.try_time_out * 3)
            .build();
        // Our HTTP client does not tell connections apart, and being asked to close one is logged as an error each time.
        let retries = RetryConfig::standard().with_max_attempts(3);
        let retries = retries.with_reconnect_mode(ReconnectMode::ReuseAllConnections);
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client(self.endpoint_url.as_deref().unwrap_or_default(), self.network.clone()))
            .timeout_config(timeouts)
            .retry_config(retries);
        if let Some(endpoint_url) = &self.endpoint_url {
            config = config.endpoint_url(endpoint_url);
        }
        if let Some(service_endpoints) = &self.service_endpoints {
            config = config.service_config(service_endpoints.clone());
        }
        config.build()
    }
}

#[cfg(test)]
mod tests {
    use aws_types::service_config::ServiceConfigKey;

    use super::*;

    #[test]
    fn a_service_may_have_an_endpoint_of_its_own() {
        let settings = Settings::from_reader(|name| match name {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some("http://localhost:1".to_owned()),
            "AWS_ENDPOINT_URL_SQS" => Some(String::new()),
            other => Some(other.to_owned()),
        });
        let config = Account::from_settings(&settings, Duration::from_secs(2)).unwrap().sdk_config();
        assert_eq!(config.endpoint_url(), Some("AWS_ENDPOINT_URL"));
        let own = |service| {
            let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
            config.service_config().unwrap().load_config(key.build().unwrap())
        };
        assert_eq!(own("Secrets Manager").as_deref(), Some("http://localhost:1"));
        assert_eq!(own("SQS"), None);
    }
}
