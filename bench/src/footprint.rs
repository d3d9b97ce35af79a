//! How much room a function takes: in memory, and in what is deployed.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::sdk::Sdk;
use crate::subject::Subject;

pub(crate) struct Footprint {
    pub(crate) name: String,
    /// After many GETs.
    pub(crate) peak_kilobytes: Option<u64>,
    pub(crate) bytes: u64,
    pub(crate) compressed: u64,
}

impl Footprint {
    /// Of one of the binaries.
    pub(crate) fn of_binary(folder: &str, name: &str, peak_kilobytes: Option<u64>) -> io::Result<Self> {
        let path = format!("{folder}/{name}");
        let bytes = std::fs::metadata(&path)?.len();
        let compressed = length(Command::new("gzip").args(["-9", "-c", &path]))?;
        Ok(Self { name: name.to_owned(), peak_kilobytes, bytes, compressed })
    }

    /// Of a function in another language, with its SDK and without its language.
    pub(crate) fn of_sdk(sdk: &Sdk, peak_kilobytes: Option<u64>) -> io::Result<Self> {
        let folder = sdk.folder.display().to_string();
        let pack = Command::new("sh").args(["-c", "tar -C \"$0\" -cf - . | gzip -9 | wc -c", &folder]).output()?;
        let compressed = String::from_utf8_lossy(&pack.stdout).trim().parse().map_err(io::Error::other)?;
        Ok(Self { name: sdk.version.clone(), peak_kilobytes, bytes: size(&sdk.folder)?, compressed })
    }
}

/// The most memory that a process of its own holds over so many calls.
pub(crate) async fn peak_memory(subject: &mut Subject, endpoint: &str, calls: usize) -> io::Result<u64> {
    subject.restart_at(endpoint).await?;
    for _ in 0..calls {
        subject.ask().await?;
    }
    subject.function.process.peak_memory()
}

fn length(command: &mut Command) -> io::Result<u64> {
    Ok(command.output()?.stdout.len() as u64)
}

/// The bytes of all files in a folder.
fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
