//! How many instructions a function's process takes, counted by valgrind's tool callgrind.

use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::runtime_api::{Environment, Function, Program};

/// A function's binary and its variables.
pub(crate) struct Callgrind {
    function: String,
    environment: Environment,
}

impl Callgrind {
    pub(crate) fn new(function: &str, mut environment: Environment) -> Self {
        // valgrind is a script in some distributions.
        environment.insert("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
        Self { function: function.to_owned(), environment }
    }

    /// The instructions of a process from its start to its last answer. Each answer has to have this status.
    pub(crate) async fn total(&self, events: &[Value], status: u16) -> io::Result<u64> {
        let folder = TempDir::new()?;
        let file = folder.path().join("counts");
        let arguments = ["--tool=callgrind", "--quiet", &format!("--callgrind-out-file={}", file.display())];
        let arguments = arguments.into_iter().chain([self.function.as_str()]).map(str::to_owned).collect();
        let program = Program { binary: "valgrind".to_owned(), arguments, environment: self.environment.clone() };
        let mut function = Function::start(&program).await?;
        for event in events {
            let (_, answer) = function.invoke(event).await?;
            if answer["statusCode"] != status {
                return Err(io::Error::other(format!("expected {status}, the function answered {answer}")));
            }
        }
        function.process.terminate()?;
        read_total(&file)
    }
}

/// The version of the valgrind that is installed.
pub(crate) fn version() -> io::Result<String> {
    said(Command::new("valgrind").arg("--version"))
}

/// What a program writes, without the line's end.
pub(crate) fn said(command: &mut Command) -> io::Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|error| io::Error::other(format!("cannot start {program}: {error}")))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn read_total(file: &Path) -> io::Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total.and_then(|total| total.trim().parse().ok()).ok_or_else(|| io::Error::other("callgrind wrote no total"))
}
