//! The simulated network: it delivers each call within this process, or strikes it on its way.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::{Full, Limited};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use runtime::function::Awaited;
use runtime::http::Network;
use serde_json::Value;
use tower::ServiceExt;

use super::{Engine, bytes};
use crate::carrier_wire::{subject, template};
use crate::chance::AsItStands;
use crate::faults::{Faults, Side, Step};

/// Whom a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Table,
    Queues,
    Carrier,
    Slack,
}

impl Place {
    const ALL: [Self; 4] = [Self::Table, Self::Queues, Self::Carrier, Self::Slack];

    const fn host(self) -> &'static str {
        match self {
            Self::Table => "table.test",
            Self::Queues => "queues.test",
            Self::Carrier => "carrier.test",
            Self::Slack => "slack.test",
        }
    }

    pub(super) fn url(self) -> String {
        format!("http://{}", self.host())
    }
}

/// How often a process dies at one of its calls, and how often a message goes astray. Clones are the same.
#[derive(Clone)]
pub struct Hardship(Arc<Mutex<Fate>>);

struct Fate {
    dice: StdRng,
    /// Shares of all calls.
    deaths: f64,
    astray: f64,
    died: usize,
}

/// What becomes of a message on its way to its queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Message {
    Arrives,
    /// It is lost, and its sender hears of it.
    Lost,
    /// It arrives, and its sender hears that it was lost.
    Doubted,
    Doubled,
    /// It is handed over when so many seconds have passed, and others overtake it.
    Delayed(u64),
}

/// What a process died of.
struct Died;

impl Hardship {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Fate {
            dice: StdRng::seed_from_u64(seed ^ 0xdead),
            deaths: 0.0,
            astray: 0.0,
            died: 0,
        })))
    }

    /// Which share of calls a process does not survive from now on, and which share of messages goes astray.
    pub fn set(&self, deaths: f64, astray: f64) {
        let mut fate = self.fate();
        (fate.deaths, fate.astray) = (deaths, astray);
    }

    /// Whether no process dies.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.fate().deaths == 0.0
    }

    #[must_use]
    pub fn deaths(&self) -> usize {
        self.fate().died
    }

    /// The process may die here. Its task unwinds, which drops everything that it was about to do.
    fn strike(&self) {
        let dies = {
            let mut fate = self.fate();
            // Once before a call, and once after it.
            let share = fate.deaths / 2.0;
            let dies = fate.dice.random_bool(share);
            fate.died += usize::from(dies);
            dies
        };
        if dies {
            resume_unwind(Box::new(Died));
        }
    }

    fn message(&self) -> Message {
        let mut fate = self.fate();
        let share = fate.astray;
        if !fate.dice.random_bool(share) {
            return Message::Arrives;
        }
        match fate.dice.random_range(0..4) {
            0 => Message::Lost,
            1 => Message::Doubted,
            2 => Message::Doubled,
            _ => Message::Delayed(fate.dice.random_range(1..900)),
        }
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The network of one run.
#[derive(Clone)]
pub(super) struct SimulatedNetwork(Arc<Inner>);

struct Inner {
    faults: Faults,
    hardship: Hardship,
    engine: Engine,
    places: Mutex<BTreeMap<Place, Router>>,
    dice: Mutex<StdRng>,
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SimulatedNetwork")
    }
}

impl SimulatedNetwork {
    pub(super) fn new(seed: u64, faults: Faults, hardship: Hardship, engine: Engine) -> Self {
        let dice = Mutex::new(StdRng::seed_from_u64(seed ^ 0x0e70));
        Self(Arc::new(Inner { faults, hardship, engine, places: Mutex::default(), dice }))
    }

    /// Puts somebody where calls for this place arrive.
    pub(super) fn put(&self, place: Place, who: Router) {
        lock(&self.0.places).insert(place, who);
    }

    async fn exchange(&self, request: reqwest::Request) -> reqwest::Response {
        let request: axum::http::Request<reqwest::Body> = request.try_into().expect("a request");
        let (head, body) = request.into_parts();
        let body = Bytes::copy_from_slice(body.as_bytes().expect("a body in memory"));
        let host = head.uri.host().unwrap_or_default();
        let place = Place::ALL.into_iter().find(|place| place.host() == host).expect("somebody whom the network knows");
        // What a call takes on its way decides which of two that are made together comes first.
        let on_its_way = Duration::from_millis(lock(&self.0.dice).random_range(1..8));
        tokio::time::sleep(on_its_way).await;
        self.0.hardship.strike();
        let answer = match place {
            Place::Table => self.to_table(&head, body).await,
            place => self.to_service(place, head, body).await,
        };
        self.0.hardship.strike();
        back(answer).await
    }

    async fn to_table(&self, head: &axum::http::request::Parts, body: Bytes) -> Response {
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let engine = &self.0.engine;
        let deliver = || {
            let (engine, operation, body) = (engine.clone(), operation.to_owned(), body.clone());
            async move {
                let (status, answer) = engine.answer(&operation, &body);
                let status = StatusCode::from_u16(status).expect("a status");
                (status, [("content-type", "application/x-amz-json-1.0")], answer).into_response()
            }
        };
        self.0.faults.pass(Step { side: Side::Table, name: format!("table {operation}"), about: None }, deliver).await
    }

    async fn to_service(&self, place: Place, head: axum::http::request::Parts, body: Bytes) -> Response {
        let who = lock(&self.0.places).get(&place).cloned().expect("somebody at this place");
        let path = head.uri.path().to_owned();
        let (method, headers, uri) = (head.method.clone(), head.headers.clone(), head.uri.clone());
        let deliver_as = |method: Method, body: Bytes| {
            let mut request = axum::http::Request::new(Body::from(body));
            *request.method_mut() = method;
            *request.headers_mut() = headers.clone();
            *request.uri_mut() = uri.path_and_query().expect("a path").as_str().parse().expect("a path");
            let who = who.clone();
            async move {
                let Ok(answer) = who.oneshot(request).await;
                answer
            }
        };
        let deliver = || deliver_as(method.clone(), body.clone());
        match place {
            Place::Carrier => {
                let name = format!("carrier {method} {}", template(path.trim_start_matches("/v2")));
                let about = subject(&method, &path, &body);
                let answer = self.0.faults.pass(Step { side: Side::Carrier, name, about }, deliver).await;
                if answer.extensions().get::<AsItStands>().is_some() {
                    return deliver_as(Method::GET, body).await;
                }
                answer
            }
            Place::Queues => match self.0.hardship.message() {
                Message::Arrives => deliver().await,
                Message::Lost => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                Message::Doubted => {
                    deliver().await;
                    StatusCode::INTERNAL_SERVER_ERROR.into_response()
                }
                Message::Doubled => {
                    deliver().await;
                    deliver().await
                }
                Message::Delayed(seconds) => deliver_as(method, delayed(&body, seconds)).await,
            },
            _ => deliver().await,
        }
    }
}

impl Network for SimulatedNetwork {
    fn carry(&self, request: reqwest::Request) -> Awaited<reqwest::Result<reqwest::Response>> {
        let network = self.clone();
        Box::pin(async move { Ok(network.exchange(request).await) })
    }
}

/// The same messages, to be handed over later.
fn delayed(body: &Bytes, seconds: u64) -> Bytes {
    let mut send: Value = serde_json::from_slice(body).expect("JSON");
    match send["Entries"].as_array_mut() {
        Some(entries) => entries.iter_mut().for_each(|entry| entry["DelaySeconds"] = seconds.into()),
        None => send["DelaySeconds"] = seconds.into(),
    }
    send.to_string().into()
}

/// An answer as it comes out of the network. One that breaks off does so once its head has come.
async fn back(answer: Response) -> reqwest::Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = match bytes(answer).await {
        Ok(whole) => reqwest::Body::from(whole),
        // A body that fails where it would go on.
        Err(_) => reqwest::Body::wrap(Limited::new(Full::new(Bytes::from_static(b"{}")), 1)),
    };
    let mut response = axum::http::Response::new(body);
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    response.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
