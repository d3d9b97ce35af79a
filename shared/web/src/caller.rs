//! Who calls: the API key, its organization and its scopes.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::{header, request::Parts};
use domain::api_key::{ApiKey, ApiKeyHash, Grant, Scope};
use domain::audit::Actor;
use domain::{ApiKeyId, Clock, OrganizationId, Randomness, Timestamp, chain};
use runtime::Start;
use runtime::settings::SettingsError;
use table::Table;
use tower_http::cors::CorsLayer;
use tracing::Span;

use crate::cors::cors;
use crate::params::{Params, refuse_parameters};
use crate::{ApiError, ApiResult};

/// How long a key that was looked up is taken as valid without asking again.
const CACHED_FOR: Duration = Duration::from_mins(1);
/// How long a well-formed key that does not work is refused without asking again.
const REFUSED_FOR: Duration = Duration::from_secs(5);
/// How often a warm function has the table write a key's use down. The table does so once an hour, whoever asks.
const USE_RECORDED_FOR: Duration = Duration::from_mins(10);
/// Keys remembered at once. A warm function serves one request at a time, so this is far more than it meets.
const CACHED_KEYS: usize = 10_000;

/// What is known of keys that were looked up.
type Known = HashMap<ApiKeyHash, LookedUp>;

#[derive(Clone)]
struct LookedUp {
    at: Timestamp,
    /// What it allows; `None` when it does not work.
    grant: Option<Arc<Grant>>,
    /// When its use was last written down from here.
    use_recorded_at: Option<Timestamp>,
}

/// Whom every request passes: it looks API keys up and remembers them for a while, and it knows which requests
/// have come before ([`crate::Keyed`]).
#[derive(Clone)]
pub struct Reception {
    pub(crate) table: Table,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) randomness: Arc<dyn Randomness>,
    /// How browsers of the operator's origins are let in; `None` where there are none.
    pub(crate) cors: Option<CorsLayer>,
    known: Arc<Mutex<Known>>,
}

impl Reception {
    /// # Errors
    /// A setting is malformed.
    pub fn from_start(start: &Start, table: &Table) -> Result<Self, SettingsError> {
        let (clock, randomness) = (start.clock.clone(), start.randomness.clone());
        let cors = cors(&start.settings.cors_origins()?);
        Ok(Self { table: table.clone(), clock, randomness, cors, known: Arc::default() })
    }

    /// What a key allows. One look at the table, and none while the key is remembered.
    async fn grant(&self, key: &ApiKey) -> ApiResult<Arc<Grant>> {
        let (hash, now) = (key.hash(), self.clock.now());
        let known = self.remembered(&hash);
        let looked_up = match known.clone().filter(|known| known.holds(now)) {
            Some(known) => known,
            None => self.look_up(hash, known.and_then(|known| known.use_recorded_at), now).await?,
        };
        // An expiry falls into the time for which the key is remembered, too.
        looked_up.grant.filter(|grant| grant.is_valid(now)).ok_or(ApiError::Unauthorized)
    }

    async fn look_up(&self, hash: ApiKeyHash, recorded: Option<Timestamp>, now: Timestamp) -> ApiResult<LookedUp> {
        let found = self.table.api_key(&hash).await?;
        let grant = found.filter(|grant| grant.is_valid(now)).map(Arc::new);
        let use_recorded_at = match &grant {
            Some(grant) if !recorded.is_some_and(|at| is_within(at, USE_RECORDED_FOR, now)) => {
                self.record_use(grant, now).await
            }
            _ => recorded,
        };
        let looked_up = LookedUp { at: now, grant, use_recorded_at };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_KEYS {
            known.clear();
        }
        known.insert(hash, looked_up.clone());
        Ok(looked_up)
    }

    /// Writes down that a key is used. Failing is no error of the caller's.
    async fn record_use(&self, grant: &Grant, now: Timestamp) -> Option<Timestamp> {
        match self.table.record_key_use(&grant.id, now).await {
            Ok(()) => Some(now),
            Err(cause) => {
                tracing::warn!(api_key.id = %grant.id, error.cause = %chain(&cause), "a key's use could not be recorded");
                None
            }
        }
    }

    fn remembered(&self, hash: &ApiKeyHash) -> Option<LookedUp> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }
}

impl LookedUp {
    /// Whether this needs no second look.
    fn holds(&self, now: Timestamp) -> bool {
        is_within(self.at, if self.grant.is_some() { CACHED_FOR } else { REFUSED_FOR }, now)
    }
}

/// Whether less than `length` has passed since. A clock that was set back must not keep a revoked key alive.
fn is_within(since: Timestamp, length: Duration, now: Timestamp) -> bool {
    now >= since && now.since(since) < length
}

/// Whoever holds the key that a request carries.
#[derive(Clone, Debug)]
pub struct Caller {
    pub organization: OrganizationId,
    pub key: ApiKeyId,
    /// Whether the key may see and file what compliance asks for.
    pub sees_compliance: bool,
}

impl Caller {
    /// Whom the audit trail names for what this caller changes.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::ApiKey(self.key.clone())
    }
}

async fn authorize<S>(parts: &Parts, state: &S, scope: Scope) -> Result<Caller, ApiError>
where
    S: Send + Sync,
    Reception: FromRef<S>,
{
    let key = bearer(parts).and_then(ApiKey::parse).ok_or(ApiError::Unauthorized)?;
    let grant = Reception::from_ref(state).grant(&key).await?;
    // The span of `serve::identify`: each line of this request says whose it is.
    let span = Span::current();
    span.record("organization.id", grant.organization.as_str());
    span.record("api_key.id", grant.id.as_str());
    if grant.scopes.contains(&scope) {
        let sees_compliance = grant.scopes.contains(&Scope::Compliance);
        Ok(Caller { organization: grant.organization.clone(), key: grant.id.clone(), sees_compliance })
    } else {
        Err(ApiError::ScopeRequired(scope.as_str()))
    }
}

/// The token of the one `Authorization: Bearer …` header.
fn bearer(parts: &Parts) -> Option<&str> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// What a caller must be allowed to do.
pub trait Scoped {
    const SCOPE: Scope;
}

macro_rules! scoped {
    ($(#[$doc:meta])* $name:ident, $scope:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub Caller);

        impl Scoped for $name {
            const SCOPE: Scope = $scope;
        }

        impl From<$name> for Caller {
            fn from($name(caller): $name) -> Self {
                caller
            }
        }

        impl<S> FromRequestParts<S> for $name
        where
            S: Send + Sync,
            Reception: FromRef<S>,
        {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
                let caller = authorize(parts, state, $scope).await?;
                refuse_parameters(parts)?;
                Ok(Self(caller))
            }
        }
    };
}

/// A request whose query is read. Every other request of a caller may have none: a parameter that is passed over would
/// answer something else than was asked.
pub struct Queried<C> {
    pub caller: Caller,
    pub params: Params,
    allowed: PhantomData<fn(C)>,
}

impl<S, C> FromRequestParts<S> for Queried<C>
where
    S: Send + Sync,
    C: Scoped,
    Reception: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        let caller = authorize(parts, state, C::SCOPE).await?;
        Ok(Self { caller, params: Params::read(parts), allowed: PhantomData })
    }
}

scoped! {
    /// A caller who may read.
    Read, Scope::Read
}
scoped! {
    /// A caller who may buy, import, change and release numbers.
    Write, Scope::Write
}
scoped! {
    /// A caller who may file the business verification.
    Compliance, Scope::Compliance
}
