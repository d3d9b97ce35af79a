//! A function's routes, with their paths for the tests and the local run.

use std::convert::Infallible;
use std::pin::Pin;

use axum::Router;
use axum::routing::MethodRouter;
use runtime::function::Entrance;

use crate::serve::run;

/// Routes as a way into a function. It remembers its paths, which the template routes to the function.
pub struct Http<S = ()> {
    router: Router<S>,
    paths: Vec<&'static str>,
}

impl<S: Clone + Send + Sync + 'static> Http<S> {
    /// Without a route yet.
    #[must_use]
    pub fn new() -> Self {
        Self { router: Router::new(), paths: Vec::new() }
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
        Http { router: self.router.with_state(state), paths: self.paths }
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Http<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl Http {
    pub fn into_router(self) -> Router {
        self.router
    }

    /// The paths in the order in which they were added.
    #[must_use]
    pub fn paths(&self) -> &[&'static str] {
        &self.paths
    }
}

impl Entrance for Http {
    fn run(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), lambda_http::Error>>>> {
        Box::pin(run(self.router))
    }
}
