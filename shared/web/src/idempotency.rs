use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::{HeaderName, HeaderValue, header, request::Parts};
use axum::response::{IntoResponse, Response};
use domain::idempotency::{IdempotencyKey, KeyedRequest, Made, Seed};

use domain::number::PhoneNumber;
use domain::{Clock, Error, Issue, KybId, OrganizationId, Randomness, chain};
use table::{Begun, Lease, RecordedAnswer, Table, View};

use crate::{ApiError, ApiResult};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const HEADER: &str = "Idempotency-Key";

/// What a request carries as `Idempotency-Key`; `None` without the header.
#[derive(Clone, Debug)]
pub struct RequestKey(Option<IdempotencyKey>);

impl<S: Send + Sync> FromRequestParts<S> for RequestKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> ApiResult<Self> {
        let mut values = parts.headers.get_all(HEADER).iter();
        let parsed = match (values.next(), values.next()) {
            (None, _) => return Ok(Self(None)),
            (Some(value), None) => IdempotencyKey::parse(value.to_str().unwrap_or_default()),
            (Some(_), Some(_)) => Err("must be given once"),
        };
        let issue = |message: &str| Issue { path: HEADER.to_owned(), message: message.to_owned() };
        parsed.map(|key| Self(Some(key))).map_err(|message| Error::InvalidHeader(vec![issue(message)]).into())
    }
}

/// One try at a request: the id that what it makes will have, and, for a request with a key, the right to make it.
#[derive(Debug)]
pub struct Attempt {
    /// The id of what this try makes. Each try has its own, so only one try can have made what the table holds under an id.
    pub seed: Seed,
    pub lease: Option<Lease>,
}

impl Attempt {
    /// The number that an earlier try with the same key has made. Where its purchase was given back, this try makes
    /// another one.
    ///
    /// # Errors
    /// [`Error::IdempotencyKeySpent`] when the number has left in another way: it is not bought or imported again.
    pub async fn earlier_number(
        &mut self,
        table: &Table,
        organization: &OrganizationId,
    ) -> domain::Result<Option<View<PhoneNumber>>> {
        let Some(lease) = &self.lease else { return Ok(None) };
        let Some(Made::Number(id)) = &lease.made else { return Ok(None) };
        if let Some(number) = table.number(organization, id).await? {
            return Ok(Some(number));
        }
        if !table.was_given_back(organization, id).await? {
            return Err(Error::IdempotencyKeySpent { made: id.clone() });
        }
        self.lease = Some(table.renew_request(lease).await?);
        Ok(None)
    }

    /// The submission that an earlier try with the same key has made.
    #[must_use]
    pub fn earlier_submission(&self) -> Option<&KybId> {
        match &self.lease.as_ref()?.made {
            Some(Made::Submission(id)) => Some(id),
            Some(Made::Number(_)) | None => None,
        }
    }
}

/// A request whose effect must not happen twice.
pub struct Once<'a> {
    pub table: &'a Table,
    pub clock: &'a dyn Clock,
    pub randomness: &'a dyn Randomness,
    pub organization: &'a OrganizationId,
    /// Method and path, such as `POST /v1/phone-numbers`.
    pub route: &'static str,
    pub key: RequestKey,
    /// SHA-256 of the body's raw bytes, in hexadecimal.
    pub body: String,
}

impl Once<'_> {
    /// Runs the request, or gives the answer of an earlier run again, byte for byte. Only successes are kept.
    ///
    /// # Errors
    /// What `run` says; [`Error::IdempotencyKeyReused`]; [`Error::IdempotencyInProgress`].
    pub async fn run<F, T>(self, run: impl FnOnce(Attempt) -> F) -> ApiResult<Response>
    where
        F: Future<Output = domain::Result<T>>,
        T: IntoResponse,
    {
        let now = self.clock.now();
        let seed = Seed::new(now, self.randomness.draw());
        let RequestKey(Some(key)) = self.key else {
            return Ok(run(Attempt { seed, lease: None }).await?.into_response());
        };
        let organization = self.organization.clone();
        let request = KeyedRequest { organization, route: self.route, key, body: self.body };
        let lease = match self.table.begin_request(&request, now).await? {
            Begun::Replay(answer) => return replay(answer),
            Begun::Run(lease) => lease,
        };
        match run(Attempt { seed, lease: Some(lease.clone()) }).await {
            Ok(answer) => keep(self.table, &lease, answer.into_response(), self.clock).await,
            Err(error) => {
                let freed = match &error {
                    // A fault may have come after the deed was done, and what a key has made once it never makes again.
                    Error::Busy(_) | Error::Internal(_) | Error::IdempotencyKeySpent { .. } => {
                        self.table.abandon_request(&lease, self.clock.now()).await
                    }
                    _ => self.table.forget_request(&lease).await,
                };
                if let Err(cause) = freed {
                    // The key can be used again once its lease has ended.
                    tracing::warn!(error.cause = %chain(&cause), "a failed request's key could not be freed");
                }
                Err(error.into())
            }
        }
    }
}

async fn keep(table: &Table, lease: &Lease, response: Response, clock: &dyn Clock) -> ApiResult<Response> {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    let etag = parts.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let body = String::from_utf8(bytes.to_vec()).map_err(Error::internal)?;
    let answer = RecordedAnswer { etag, body };
    if let Err(cause) = table.finish_request(lease, &answer, clock.now()).await {
        // It has happened; the same key finds what was made once the lease has ended.
        tracing::warn!(error.cause = %chain(&cause), "an answer could not be kept for its key");
    }
    Ok(Response::from_parts(parts, Body::from(answer.body)))
}

fn replay(answer: RecordedAnswer) -> ApiResult<Response> {
    let mut response = Response::new(Body::from(answer.body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(etag) = answer.etag {
        headers.insert(header::ETAG, HeaderValue::from_str(&etag).map_err(Error::internal)?);
    }
    Ok(response)
}
