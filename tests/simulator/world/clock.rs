//! The world's time: standing still until a test moves it, or the real clock with an offset.
//!
//! "Three weeks later" is an assignment, so that a test of weeks takes milliseconds. A real binary reads the real clock,
//! and then the world must follow it.

use jiff::{SignedDuration, Timestamp};

use super::World;

/// Where the world's time comes from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// It stands still.
    Fixed(Timestamp),
    /// The machine's clock plus an offset.
    Real(SignedDuration),
}

impl World {
    /// What time it is in this world.
    pub fn now(&self) -> Timestamp {
        match self.clock {
            Clock::Fixed(at) => at,
            Clock::Real(offset) => real_now() + offset,
        }
    }

    /// What time the clients believe it is: a test moves the world ahead of the machine, and the packaged program reads
    /// the machine's clock.
    pub fn clients_now(&self) -> Timestamp {
        match self.clock {
            Clock::Fixed(at) => at,
            Clock::Real(_) => real_now(),
        }
    }

    /// Stops the clock at this instant.
    pub fn set_now(&mut self, at: Timestamp) {
        self.clock = Clock::Fixed(at);
    }

    /// Moves the clock, whichever it is.
    pub fn advance(&mut self, by: SignedDuration) {
        match &mut self.clock {
            Clock::Fixed(at) => *at += by,
            Clock::Real(offset) => *offset += by,
        }
    }

    /// From now on the world's time is the machine's. Call it before anything is arranged: what exists keeps its dates.
    pub fn follow_real_clock(&mut self) {
        self.clock = Clock::Real(SignedDuration::ZERO);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where the simulator may look at the real clock")]
fn real_now() -> Timestamp {
    Timestamp::now()
}
