//! Randomness as an argument, so that tests can repeat it.

/// Where ids and tokens get what makes them unlike all others. Tests bring their own, so that a run can be repeated;
/// everything else uses [`SystemRandomness`].
pub trait Randomness: Send + Sync {
    /// The next 128 random bits.
    fn draw(&self) -> u128;
}

/// The machine's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn draw(&self) -> u128 {
        rand::random()
    }
}
