//! The whole bundle in one process, with nothing to install.

mod bundle;
pub mod engine;
pub mod openapi;
pub mod sandbox;
pub mod seed;

pub use bundle::{Bundle, Options};
