//! A request's JSON body, within its size limit.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use domain::Error;
use http_body_util::LengthLimitError;
use sha2::{Digest, Sha256};

use crate::fields::{Fields, RawFields};
use crate::{ApiError, ApiResult};

/// The largest body accepted, in bytes.
const BODY_LIMIT_BYTES: usize = 64 * 1024;
/// Some clients write it before JSON, and a reader may skip it (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A request body that is a JSON object.
pub struct JsonBody {
    pub fields: Fields,
    /// SHA-256 of the raw bytes, in hexadecimal.
    pub digest: String,
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> ApiResult<Self> {
        refuse_compressed(request.headers())?;
        let bytes = whole_body(request.into_body(), BODY_LIMIT_BYTES).await?;
        let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
        let fields: RawFields = serde_json::from_slice(text).map_err(|error| {
            if error.is_data() {
                whole("must be a JSON object")
            } else {
                whole(&format!("must be a JSON object, but is not valid JSON: {error}"))
            }
        })?;
        Ok(Self { fields: Fields::new(fields), digest: hex::encode(Sha256::digest(&bytes)) })
    }
}

/// The raw bytes of a body.
///
/// # Errors
/// [`ApiError::PayloadTooLarge`] above `limit` bytes, whether or not the request says how many it has; an issue when the body
/// breaks off.
pub async fn whole_body(body: Body, limit: usize) -> ApiResult<Bytes> {
    to_bytes(body, limit).await.map_err(|error| {
        let cause = std::error::Error::source(&error);
        let too_large = cause.is_some_and(<dyn std::error::Error>::is::<LengthLimitError>);
        if too_large { ApiError::PayloadTooLarge(limit) } else { whole("could not be read to its end").into() }
    })
}

/// # Errors
/// The body has a coding (RFC 9110, section 8.4) other than none.
fn refuse_compressed(headers: &HeaderMap) -> ApiResult<()> {
    let plain = |coding: &HeaderValue| {
        let text = coding.to_str().unwrap_or("unreadable");
        text.split(',').map(str::trim).all(|coding| coding.is_empty() || coding.eq_ignore_ascii_case("identity"))
    };
    if headers.get_all(header::CONTENT_ENCODING).iter().all(plain) { Ok(()) } else { Err(ApiError::CompressedBody) }
}

fn whole(message: &str) -> Error {
    Error::field("", message)
}
