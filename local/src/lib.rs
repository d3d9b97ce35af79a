//! The whole bundle in one process, with nothing to install.

mod bundle;
pub mod deployment;
pub mod engine;
pub mod functions;
pub mod openapi;
pub mod sandbox;
pub mod seed;
pub mod template;

pub use bundle::{Bundle, Options, surroundings};
