//! The two clocks a run needs, handed in by `main` and by the tests: a wall clock, corrected by the server's `Date`
//! so that an agent with a wrong clock does not rotate early or late, and a monotonic one for limits.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::model::timestamp::Timestamp;

/// Smaller differences than this are the whole seconds of the `Date` header and the way of the reply.
const NOTICED: i64 = 3;

/// Clones share the correction.
#[derive(Clone)]
pub struct Clock {
    wall: Rc<dyn Fn() -> Timestamp>,
    steady: Rc<dyn Fn() -> Duration>,
    /// What must be added to the wall clock, in seconds.
    skew: Rc<Cell<i64>>,
}

impl Clock {
    /// From a wall clock and one that only goes forward.
    pub fn new(wall: impl Fn() -> Timestamp + 'static, steady: impl Fn() -> Duration + 'static) -> Self {
        Self { wall: Rc::new(wall), steady: Rc::new(steady), skew: Rc::default() }
    }

    /// The server's time, as far as it is known; the agent's before that.
    pub fn now(&self) -> Timestamp {
        self.corrected(self.uncorrected())
    }

    /// The agent's own time, uncorrected: only to be compared with itself.
    pub fn uncorrected(&self) -> Timestamp {
        (self.wall)()
    }

    /// The server's time for one by the agent's clock.
    pub fn corrected(&self, agents: Timestamp) -> Timestamp {
        let skew = Duration::from_secs(self.skew.get().unsigned_abs());
        if self.skew.get() < 0 { agents.minus(skew) } else { agents.plus(skew) }
    }

    /// Time since some fixed point, for limits within a run.
    pub fn steady(&self) -> Duration {
        (self.steady)()
    }

    /// Corrects the clock by the `Date` of a response.
    pub fn correct(&self, date: Timestamp) {
        let skew = date.as_unix() - (self.wall)().as_unix();
        self.set_skew(if skew.abs() < NOTICED { 0 } else { skew });
    }

    /// Seconds by which the server is ahead of the agent; handed to the next stage.
    pub fn skew(&self) -> i64 {
        self.skew.get()
    }

    /// Restores the correction of an earlier stage.
    pub fn set_skew(&self, seconds: i64) {
        self.skew.set(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_date_wins_over_a_wrong_agent_clock_but_not_over_its_fractions() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let clock = Clock::new(move || at("2026-11-24T03:00:00.7Z"), || Duration::ZERO);
        clock.correct(at("2026-11-24T03:00:00Z"));
        assert_eq!(clock.now(), at("2026-11-24T03:00:00.7Z"));
        clock.correct(at("2026-11-24T05:00:00Z"));
        assert_eq!(clock.now(), at("2026-11-24T05:00:00.7Z"));
        clock.correct(at("2026-11-24T01:00:00Z"));
        assert_eq!(clock.now(), at("2026-11-24T01:00:00.7Z"));
    }
}
