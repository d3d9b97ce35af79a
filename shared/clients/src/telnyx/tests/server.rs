//! A server that gives prepared answers and keeps what it was asked.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Query;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) authorization: String,
    pub(super) body: String,
}

pub(super) enum Reply {
    Says(u16, String),
    Redirects(String),
    /// A 429 that asks to stay away for so many seconds.
    Throttled(u32),
    /// Takes the request and never answers.
    Silence,
}

pub(super) fn says(status: u16, body: &str) -> Reply {
    Reply::Says(status, body.to_owned())
}

#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Starts a server; `reply` gets the request and how many came before it.
    pub(super) async fn start(reply: impl Fn(&Asked, usize) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v2", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let answer = move |method: Method, uri: Uri, query: Query<Vec<_>>, headers: HeaderMap, body: Bytes| async move {
            let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
            let asked = Asked {
                line: format!("{method} {}", uri.path()),
                query: query.0,
                authorization: authorization.to_owned(),
                body: String::from_utf8(body.to_vec()).unwrap(),
            };
            let before = {
                let mut seen = seen.lock().unwrap();
                seen.push(asked.clone());
                seen.len() - 1
            };
            match reply(&asked, before) {
                Reply::Says(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
                Reply::Redirects(to) => (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response(),
                Reply::Throttled(seconds) => {
                    let body = r#"{"errors":[{"code":"10011","detail":"Too many requests"}]}"#;
                    (StatusCode::TOO_MANY_REQUESTS, [("x-ratelimit-reset", seconds.to_string())], body).into_response()
                }
                Reply::Silence => std::future::pending::<Response>().await,
            }
        };
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// `METHOD /path` of each request.
    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}
