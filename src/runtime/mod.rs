//! The clocks and the limits on waiting.

pub mod clock;
pub mod limits;
