//! The one policy of HTTP clients, whomever they speak to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Request, RequestBuilder, Response, redirect, retry};

use crate::function::Awaited;

/// Below the idle time after which servers close a connection: a request must not go out on one that is closing.
const IDLE_CONNECTION_KEPT: Duration = Duration::from_secs(20);

/// Why an answer could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("the answer broke off")]
    Broken(#[source] reqwest::Error),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// Carries requests in the network's place. With clock and randomness it is all that a function gets from outside: whoever
/// hands in these three can repeat a run exactly.
pub trait Network: fmt::Debug + Send + Sync {
    /// Carries one request there, and its answer back.
    fn carry(&self, request: Request) -> Awaited<reqwest::Result<Response>>;
}

/// The way to one service. It sends a request once and to nobody else: it repeats nothing, because whether a call is made
/// again is decided by those who know what it does; it follows no redirect and uses no proxy, because both would hand a token
/// to somebody else. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Http {
    /// An error where the system has no certificates. Then each call fails with it.
    client: Result<Client, Arc<reqwest::Error>>,
    network: Option<Arc<dyn Network>>,
}

impl Http {
    /// Requests go over the network, or to `network` where one is given.
    ///
    /// `base_url` is where it will speak to. Without TLS that is on this machine, and the system's certificates are not read.
    #[must_use]
    pub fn new(base_url: &str, connect: Duration, network: Option<Arc<dyn Network>>) -> Self {
        Self { client: client(base_url, connect), network }
    }

    /// What requests are built with.
    ///
    /// # Errors
    /// The system has no certificates.
    pub fn client(&self) -> Result<&Client, Arc<reqwest::Error>> {
        self.client.as_ref().map_err(Arc::clone)
    }

    /// Sends a request, and returns the answer's head with a body still to be read.
    ///
    /// # Errors
    /// The request cannot be built or sent, or is not answered.
    pub async fn send(&self, request: RequestBuilder) -> reqwest::Result<Response> {
        match &self.network {
            None => request.send().await,
            Some(network) => network.carry(request.build()?).await,
        }
    }
}

fn client(base_url: &str, connect: Duration) -> Result<Client, Arc<reqwest::Error>> {
    let mut client = Client::builder()
        .user_agent(concat!("phone-numbers/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect)
        .pool_idle_timeout(IDLE_CONNECTION_KEPT)
        .retry(retry::never())
        .redirect(redirect::Policy::none())
        .no_proxy();
    if base_url.starts_with("http://") {
        client = client.tls_certs_only([]);
    }
    client.build().map_err(Arc::new)
}

/// Reads an answer's body, at most so many bytes.
///
/// # Errors
/// It breaks off or is longer. The texts hold no address, because addresses hold phone numbers.
pub async fn read_at_most(mut response: Response, bytes: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Unread::Broken(error.without_url()))? {
        if body.len() + chunk.len() > bytes {
            return Err(Unread::TooLong(bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
