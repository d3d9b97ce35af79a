//! The template, and the folders that it speaks of.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a repository of another form stops the test")]

use std::path::{Path, PathBuf};

pub use local::template::*;

/// The repository's folder.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folders of `functions/`, by name.
#[must_use]
pub fn folders() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("functions")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
