//! `Idempotency-Key`: a request with a key has its effect once.

use std::marker::PhantomData;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRef, FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header, request::Parts};
use axum::response::{IntoResponse, Response};
use domain::idempotency::{IdempotencyKey, KeyedRequest, Made, Seed};

use domain::number::PhoneNumber;
use domain::{Clock, Error, Issue, KybId, OrganizationId, chain};
use table::{Begun, Lease, RecordedAnswer, Table, View};

use crate::{ApiError, ApiResult, Caller, Fields, JsonBody, Reception};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const HEADER: &str = "Idempotency-Key";

/// What a request carries as `Idempotency-Key`; `None` without the header.
fn key_of(parts: &Parts) -> ApiResult<Option<IdempotencyKey>> {
    let mut values = parts.headers.get_all(HEADER).iter();
    let parsed = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => IdempotencyKey::parse(value.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Err("must be given once"),
    };
    let issue = |message: &str| Issue { path: HEADER.to_owned(), message: message.to_owned() };
    parsed.map(Some).map_err(|message| ApiError::InvalidHeader(vec![issue(message)]))
}

/// One try at a request: the id that what it makes will have, and, for a request with a key, the right to make it.
#[derive(Debug)]
pub struct Attempt {
    /// The id of what this try makes. Each try has its own, so only one try can have made what the table holds under an id.
    pub seed: Seed,
    pub lease: Option<Lease>,
}

impl Attempt {
    /// The number that an earlier try with the same key has made. Where its purchase was refunded, this try makes
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
        if !table.was_refunded(organization, id).await? {
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

/// A request with a body, whose effect happens once where it carries an `Idempotency-Key`. `C` says what its caller must be
/// allowed to do.
pub struct Keyed<C> {
    reception: Reception,
    caller: Caller,
    /// Method and path, such as `POST /v1/phone-numbers`.
    route: String,
    key: Option<IdempotencyKey>,
    body: JsonBody,
    allowed: PhantomData<fn(C)>,
}

impl<S, C> FromRequest<S> for Keyed<C>
where
    S: Send + Sync,
    C: FromRequestParts<S, Rejection = ApiError> + Into<Caller> + Send,
    Reception: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let (mut parts, body) = request.into_parts();
        let caller = C::from_request_parts(&mut parts, state).await?.into();
        let key = key_of(&parts)?;
        let path = parts.extensions.get::<MatchedPath>().map_or_else(|| parts.uri.path(), MatchedPath::as_str);
        let route = format!("{} {path}", parts.method);
        let body = JsonBody::from_request(Request::from_parts(parts, body), state).await?;
        Ok(Self { reception: Reception::from_ref(state), caller, route, key, body, allowed: PhantomData })
    }
}

impl<C> Keyed<C> {
    /// Runs the request, or gives the answer of an earlier run again, byte for byte. Only successes are kept. `parse` reads the
    /// body first, so that a body that breaks a rule costs no write.
    ///
    /// # Errors
    /// What `parse` and `run` say; [`Error::IdempotencyKeyReused`]; [`Error::IdempotencyInProgress`].
    pub async fn once<P, F, T>(
        self,
        parse: impl FnOnce(Fields) -> domain::Result<P>,
        run: impl FnOnce(Caller, P, Attempt) -> F,
    ) -> ApiResult<Response>
    where
        F: Future<Output = domain::Result<T>>,
        T: IntoResponse,
    {
        self.once_keeping(|body| body, parse, run, async |_, _, body| Ok(body)).await
    }

    /// The same for an answer that is not kept as it was given: `kept` takes out what may stand nowhere else, and `restore` puts
    /// it in again.
    ///
    /// # Errors
    /// What the functions say; [`Error::IdempotencyKeyReused`]; [`Error::IdempotencyInProgress`].
    pub async fn once_keeping<P, F, T>(
        self,
        kept: impl FnOnce(String) -> String,
        parse: impl FnOnce(Fields) -> domain::Result<P>,
        run: impl FnOnce(Caller, P, Attempt) -> F,
        restore: impl AsyncFnOnce(Caller, Option<Made>, String) -> domain::Result<String>,
    ) -> ApiResult<Response>
    where
        F: Future<Output = domain::Result<T>>,
        T: IntoResponse,
    {
        let Self { reception: Reception { table, clock, randomness, .. }, caller, route, key, body, .. } = self;
        let parsed = parse(body.fields)?;
        let now = clock.now();
        let seed = Seed::new(now, randomness.draw());
        let Some(key) = key else {
            return Ok(run(caller, parsed, Attempt { seed, lease: None }).await?.into_response());
        };
        let request = KeyedRequest { organization: caller.organization.clone(), route, key, body: body.digest };
        let lease = match table.begin_request(&request, now).await? {
            Begun::Replay(RecordedAnswer { etag, body }, made) => {
                return replay(RecordedAnswer { etag, body: restore(caller, made, body).await? });
            }
            Begun::Run(lease) => lease,
        };
        match run(caller, parsed, Attempt { seed, lease: Some(lease.clone()) }).await {
            Ok(answer) => keep(&table, &lease, answer.into_response(), kept, &*clock).await,
            Err(error) => {
                let freed = match &error {
                    // A fault may have come after the deed was done, and what a key has made once it never makes again.
                    Error::Busy(_) | Error::Internal(_) | Error::IdempotencyKeySpent { .. } => {
                        table.abandon_request(&lease, clock.now()).await
                    }
                    _ => table.forget_request(&lease).await,
                };
                if let Err(cause) = freed {
                    // The key can be used again once its lease has ended.
                    tracing::warn!(error.cause = %chain(&cause), "the idempotency key of a failed request could not be freed");
                }
                Err(error.into())
            }
        }
    }
}

async fn keep(
    table: &Table,
    lease: &Lease,
    response: Response,
    kept: impl FnOnce(String) -> String,
    clock: &dyn Clock,
) -> ApiResult<Response> {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.map_err(Error::internal)?;
    let etag = parts.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let body = String::from_utf8(bytes.to_vec()).map_err(Error::internal)?;
    let answer = RecordedAnswer { etag, body: kept(body.clone()) };
    if let Err(cause) = table.finish_request(lease, &answer, clock.now()).await {
        // It has happened; the same key finds what was made once the lease has ended.
        tracing::warn!(error.cause = %chain(&cause), "an answer could not be stored for its idempotency key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
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
