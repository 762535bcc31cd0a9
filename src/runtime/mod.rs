//! What the program takes from the machine it runs on: the time, and how long it may wait.

pub mod clock;
pub mod limits;
