//! A function's routes, with their paths for the tests and the local run.

use std::convert::Infallible;
use std::pin::Pin;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::MethodRouter;
use runtime::function::Entrance;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;

use crate::serve::{answer_panic, run};
use crate::{ApiError, Reception};

/// Routes as a way into a function. It remembers its paths, which the template routes to the function.
pub struct Http<S = ()> {
    router: Router<S>,
    paths: Vec<&'static str>,
    /// Boxed, because it is large and mostly absent.
    cors: Option<Box<CorsLayer>>,
}

impl<S: Clone + Send + Sync + 'static> Http<S> {
    /// Without a route yet.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), paths: Vec::new(), cors: None }
    }

    /// Adds what answers at a path that has none yet, such as `/v1/phone-numbers/{id}`.
    #[must_use]
    pub fn at(mut self, path: &'static str, methods: MethodRouter<S, Infallible>) -> Self {
        self.router = self.router.route(path, methods);
        self.paths.push(path);
        self
    }

    /// Gives the handlers what they work with.
    #[must_use]
    pub fn with_state(self, state: S) -> Http {
        Http { router: self.router.with_state(state), paths: self.paths, cors: self.cors }
    }

    /// The same for routes of customers, who may come from browsers where the operator allows that.
    #[must_use]
    pub fn for_customers(self, state: S) -> Http
    where
        Reception: FromRef<S>,
    {
        let cors = Reception::from_ref(&state).cors.map(Box::new);
        Http { cors, ..self.with_state(state) }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Http<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    /// The routes, with what answers wrong methods and panics. Where browsers are let in, they can read these answers, too.
    pub fn into_router(self) -> Router {
        let router = self.router.method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed });
        let router = router.layer(CatchPanicLayer::custom(answer_panic));
        match self.cors {
            Some(cors) => router.layer(*cors),
            None => router,
        }
    }

    /// The paths in the order in which they were added.
    #[must_use]
    pub fn paths(&self) -> &[&'static str] {
        &self.paths
    }
}

impl Entrance for Http {
    fn run(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), lambda_http::Error>>>> {
        Box::pin(run(self.into_router()))
    }
}
