//! A secret in Secrets Manager, read once and again when it was refused.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_secretsmanager::Client;
use domain::Cause;

/// A secret, read when it is first needed and kept until the other side refuses it.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

enum Inner {
    Given(Arc<str>),
    Stored { client: Client, id: String, cached: Mutex<Option<Arc<str>>> },
}

impl Secret {
    /// A secret that is known already: the local run, tests, `sam local invoke`.
    #[must_use]
    pub fn given(value: &str) -> Self {
        Self(Arc::new(Inner::Given(value.into())))
    }

    /// A secret in Secrets Manager, by name or ARN.
    #[must_use]
    pub fn stored(client: Client, id: String) -> Self {
        Self(Arc::new(Inner::Stored { client, id, cached: Mutex::new(None) }))
    }

    /// The secret's text.
    ///
    /// # Errors
    /// Secrets Manager does not answer, or the secret has no text.
    pub async fn read(&self) -> Result<Arc<str>, Cause> {
        let (client, id, cached) = match &*self.0 {
            Inner::Given(value) => return Ok(value.clone()),
            Inner::Stored { client, id, cached } => (client, id, cached),
        };
        if let Some(value) = cached.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            return Ok(value);
        }
        let answer =
            client.get_secret_value().secret_id(id).send().await.map_err(aws_sdk_secretsmanager::Error::from)?;
        let value: Arc<str> = answer.secret_string().ok_or("the secret has no text")?.into();
        *cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(value.clone());
        Ok(value)
    }

    /// Forgets `value`, which the other side has just refused, so that the next read asks Secrets Manager again.
    /// A newer value that somebody else has read meanwhile stays.
    pub fn refused(&self, value: &str) {
        if let Inner::Stored { cached, .. } = &*self.0 {
            let mut cached = cached.lock().unwrap_or_else(PoisonError::into_inner);
            if cached.as_deref() == Some(value) {
                *cached = None;
            }
        }
    }
}
