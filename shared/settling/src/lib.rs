//! What becomes of a number's order and of its release, for every function that asks: the carrier is asked, the domain
//! decides, the table remembers.
//!
//! Every step is conditional on the row as it was read, so two functions that settle the same number do no harm.

mod late_order;
mod order;
mod release;

pub use late_order::{LateLook, look_for_late_order};
pub use order::{Settled, settle_order};
pub use release::finish_release;
