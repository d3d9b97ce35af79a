//! Stand-ins for the services outside, which speak their wire formats over HTTP and remember what they were told.

pub mod carrier;
pub mod clock;
pub mod queue;
pub mod slack;
