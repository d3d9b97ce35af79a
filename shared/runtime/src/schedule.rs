//! What is done when an event asks for it: a schedule's event, or an operator's.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

use crate::function::{Awaited, Entrance, Error};

/// A schedule as a way into a function. An event comes as JSON, and what was done is answered as JSON.
#[derive(Clone)]
pub struct Schedule(Arc<dyn Fn(Value) -> Awaited<Result<Value, Error>> + Send + Sync>);

impl Schedule {
    #[must_use]
    pub fn new<F>(handle: impl Fn(Value) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Value, Error>> + Send + 'static,
    {
        Self(Arc::new(move |event| Box::pin(handle(event))))
    }

    /// Does what an event asks for.
    ///
    /// # Errors
    /// The event cannot be understood, or what it asks for failed as a whole.
    pub async fn handle(&self, event: Value) -> Result<Value, Error> {
        (self.0)(event).await
    }
}

impl Entrance for Schedule {
    fn run(self: Box<Self>) -> Pin<Box<dyn Future<Output = Result<(), Error>>>> {
        Box::pin(lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| (self.0)(event.payload))))
    }
}
