//! Lambda's Runtime API: hands events to one process and takes its answers.

use std::collections::HashMap;
use std::io;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use bench::process::Process;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Environment = HashMap<String, String>;

/// What a function's process is started with.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) binary: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Environment,
}

struct Shared {
    events: Mutex<mpsc::Receiver<String>>,
    answers: mpsc::Sender<Result<Bytes, Bytes>>,
}

/// A function's process, and the Runtime API that it asks.
pub(crate) struct Function {
    events: mpsc::Sender<String>,
    answers: mpsc::Receiver<Result<Bytes, Bytes>>,
    pub(crate) process: Process,
}

impl Function {
    pub(crate) async fn start(program: &Program) -> io::Result<Self> {
        let (events, receiver) = mpsc::channel(1);
        let (sender, answers) = mpsc::channel(1);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { events: Mutex::new(receiver), answers: sender });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut command = Command::new(&program.binary);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(&program.environment)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Ok(Self { events, answers, process: Process::start(&mut command)? })
    }

    /// Hands an event over; returns how long the answer took, and the answer.
    pub(crate) async fn invoke(&mut self, event: &Value) -> io::Result<(Duration, Value)> {
        let text = event.to_string();
        let begun = Instant::now();
        self.events.send(text).await.map_err(io::Error::other)?;
        let answer = timeout(PATIENCE, self.answers.recv()).await?.ok_or_else(|| io::Error::other("no answer"))?;
        let took = begun.elapsed();
        let answer = answer.map_err(|error| io::Error::other(String::from_utf8_lossy(&error).into_owned()))?;
        Ok((took, serde_json::from_slice(&answer)?))
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let event = shared.events.lock().await.recv().await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", now.as_nanos().to_string()),
        ("lambda-runtime-deadline-ms", (now + PATIENCE).as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-69afa8a7-0c1d2e3f4a5b6c7d8e9f0a03".to_owned()),
    ];
    (headers, event.unwrap_or_default())
}

async fn answered(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    let _ = shared.answers.send(Ok(body)).await;
    StatusCode::ACCEPTED
}

async fn failed(State(shared): State<Arc<Shared>>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    let _ = shared.answers.send(Err(body)).await;
    StatusCode::ACCEPTED
}
