//! The operator's command line.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

use domain::SystemClock;

#[tokio::main]
async fn main() -> ExitCode {
    let (input, output, errors) = (io::stdin(), io::stdout(), io::stderr());
    let mut io = ops::Io {
        interactive: input.is_terminal(),
        input: &mut input.lock(),
        output: &mut output.lock(),
        errors: &mut errors.lock(),
        clock: Arc::new(SystemClock),
    };
    ops::run(std::env::args_os(), &mut io).await.into()
}
