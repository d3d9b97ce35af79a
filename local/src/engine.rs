//! The DynamoDB engine inside this process, for which the AWS SDK needs nothing but another endpoint.

use std::io;
use std::path::Path;

use dynoxide::Database;
use tokio::net::TcpListener;

/// Starts the engine on a free port of this machine and returns its address. `file` keeps the data; `None` forgets it.
///
/// # Errors
/// The file cannot be opened, or no port is free.
pub async fn start(file: Option<&Path>) -> io::Result<String> {
    let database = match file {
        Some(file) => Database::new(&file.to_string_lossy()),
        None => Database::memory(),
    };
    let database = database.map_err(|error| io::Error::other(format!("cannot open the table's file: {error:?}")))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    Ok(format!("http://{address}"))
}
