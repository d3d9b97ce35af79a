//! Who calls: the API key, its organization and its scopes.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::{header, request::Parts};
use domain::api_key::{ApiKey, ApiKeyHash, Grant, Scope};
use domain::audit::Actor;
use domain::{ApiKeyId, Clock, OrganizationId, Randomness, Timestamp};
use runtime::Start;
use runtime::settings::SettingsError;
use table::Table;
use tower_http::cors::CorsLayer;

use crate::cors::cors;
use crate::params::{Params, refuse_parameters};
use crate::{ApiError, ApiResult};

/// How long a key that was looked up is taken as valid without asking again.
const CACHED_FOR: Duration = Duration::from_mins(1);
/// Keys remembered at once. A warm function serves one request at a time, so this is far more than it meets.
const CACHED_KEYS: usize = 10_000;

/// When each valid key was looked up, and what it allows.
type Known = HashMap<ApiKeyHash, (Timestamp, Arc<Grant>)>;

/// Whom every request passes: it looks API keys up and remembers the valid ones for a minute, and it knows which requests
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

    async fn grant(&self, key: &ApiKey) -> ApiResult<Arc<Grant>> {
        let (hash, now) = (key.hash(), self.clock.now());
        if let Some(grant) = self.remembered(&hash, now) {
            return Ok(grant);
        }
        let found = self.table.api_key(&hash).await?;
        let grant = Arc::new(found.filter(|grant| grant.revoked_at.is_none()).ok_or(ApiError::Unauthorized)?);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CACHED_KEYS {
            known.clear();
        }
        known.insert(hash, (now, grant.clone()));
        Ok(grant)
    }

    fn remembered(&self, hash: &ApiKeyHash, now: Timestamp) -> Option<Arc<Grant>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, grant) = known.get(hash)?;
        // A clock that was set back must not keep a revoked key alive.
        (now >= *since && now.since(*since) < CACHED_FOR).then(|| grant.clone())
    }
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
