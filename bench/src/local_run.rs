//! The local run as a process of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::Process;

/// The local run and its data folder. Both end with this value.
pub struct LocalRun {
    /// What the run writes into `ready.json`: its addresses and its organizations with their keys.
    pub ready: Value,
    process: Process,
    data: TempDir,
}

impl LocalRun {
    /// Starts the binary `local` on a free port and an empty folder, and waits up to 30 seconds until it is ready.
    ///
    /// # Errors
    /// The binary does not start, or is not ready in time.
    pub async fn start(binary: &str) -> io::Result<Self> {
        let data = TempDir::new()?;
        let mut command = Command::new(binary);
        command.args(["--listen", "127.0.0.1:0", "--data"]).arg(data.path());
        let process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let mut run = Self { ready: Value::Null, process, data };
        run.ready = wait_for(&run.file("ready.json")).await?;
        Ok(run)
    }

    /// A file of the data folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.data.path().join(name)
    }

    /// The process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }
}

/// An HTTP client for this machine: without a proxy and without certificates.
///
/// # Errors
/// The client cannot be built.
pub fn client() -> io::Result<Client> {
    Client::builder().no_proxy().tls_certs_only([]).build().map_err(io::Error::other)
}

/// Sends a request and reads the JSON of its answer.
///
/// # Errors
/// There is no answer, its status is not a success, or its body is not JSON.
pub async fn json_of(request: RequestBuilder) -> io::Result<Value> {
    let answer = request.send().await.map_err(io::Error::other)?;
    let status = answer.status();
    let text = answer.text().await.map_err(io::Error::other)?;
    if !status.is_success() {
        return Err(io::Error::other(format!("{status}: {text}")));
    }
    Ok(serde_json::from_str(&text)?)
}

async fn wait_for(file: &Path) -> io::Result<Value> {
    for _ in 0..300 {
        if let Ok(text) = std::fs::read(file) {
            return Ok(serde_json::from_slice(&text)?);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(io::Error::other("the local run does not start"))
}
