//! The phone number that a path names.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use domain::{Error, PhoneNumberId};

use crate::{ApiError, ApiResult};

/// The `{id}` of a path. A malformed one is answered like one that does not exist.
pub struct NumberPath(pub PhoneNumberId);

impl<S: Send + Sync> FromRequestParts<S> for NumberPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Error::NotFound)?;
        let id = params.iter().find(|(name, _)| *name == "id").map(|(_, id)| PhoneNumberId::parse(id));
        match id {
            Some(Ok(id)) => Ok(Self(id)),
            _ => Err(Error::NotFound.into()),
        }
    }
}
