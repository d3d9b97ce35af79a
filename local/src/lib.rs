//! The whole bundle in one process, with nothing to install.

pub mod sandbox;
