//! What one caller may use of the services in a while, as Azure DevOps limits it.
//! <https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits>

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::World;

/// A limit for each caller, and what each has used. Time is the world's: where it stands still, nothing is given back.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Units in a window before requests are delayed: 200 in the documentation.
    pub units: f64,
    /// The sliding window: five minutes in the documentation.
    pub window: Duration,
    /// Units that a request takes. What a real one takes depends on the service's work.
    pub cost: f64,
    /// The longest delay, just before requests are refused: 30 seconds in the documentation.
    pub longest_delay: Duration,
    used: BTreeMap<String, VecDeque<(Timestamp, f64)>>,
    /// Requests that were delayed.
    pub delayed: usize,
    /// Requests that were refused.
    pub refused: usize,
}

/// What the service says of the budget with a reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// How long the reply is held back, if it is.
    pub delay: Duration,
    /// The request was not let in.
    pub is_refused: bool,
    /// The limit.
    pub limit: f64,
    /// What remains of it before delays begin.
    pub remaining: f64,
    /// How long to wait for falling under the threshold, if the caller is asked to.
    pub retry_after: Option<Duration>,
    /// When all that was used is given back.
    pub reset: Timestamp,
}

impl Budget {
    /// As documented, at this cost of a request, but with a window of this length; the longest delay is a tenth of it.
    pub fn scaled(window: Duration, cost: f64) -> Self {
        Self { units: 200.0, window, cost, longest_delay: window / 10, used: BTreeMap::new(), delayed: 0, refused: 0 }
    }

    /// The shortest time in which so many requests can be made without a delay, replies taking no time: no window holds
    /// more than the limit, so that they come in bursts of it, a window apart.
    pub fn shortest(&self, requests: usize) -> Duration {
        let bursts = (requests as f64 * self.cost / self.units).ceil();
        self.window.mul_f64((bursts - 1.0).max(0.0))
    }

    /// Takes what a request costs. None while the caller is far from the limit: then nothing is said.
    fn take(&mut self, caller: &str, now: Timestamp) -> Option<Usage> {
        let window = SignedDuration::try_from(self.window).unwrap_or(SignedDuration::MAX);
        let spent = self.used.entry(caller.to_owned()).or_default();
        while spent.front().is_some_and(|(at, _)| *at + window <= now) {
            spent.pop_front();
        }
        let before: f64 = spent.iter().map(|(_, cost)| cost).sum();
        let is_refused = before >= self.units * REFUSED;
        if !is_refused {
            spent.push_back((now, self.cost));
        }
        let used = if is_refused { before } else { before + self.cost };
        if used < self.units * SPOKEN_OF {
            return None;
        }
        let over = ((used / self.units - 1.0) / (REFUSED - 1.0)).clamp(0.0, 1.0);
        let delay = if is_refused { Duration::ZERO } else { self.longest_delay.mul_f64(over) };
        self.refused += usize::from(is_refused);
        self.delayed += usize::from(!delay.is_zero());
        // Until enough of what was used first has left the window.
        let mut left = used;
        let under = spent.iter().find(|(_, cost)| {
            left -= cost;
            left < self.units * ASKED_TO_WAIT
        });
        let retry_after = under.filter(|_| used >= self.units * ASKED_TO_WAIT);
        Some(Usage {
            delay,
            is_refused,
            limit: self.units,
            remaining: (self.units - used).max(0.0),
            retry_after: retry_after.map(|(at, _)| Duration::try_from(*at + window - now).unwrap_or_default()),
            reset: spent.back().map_or(now, |(at, _)| *at + window),
        })
    }
}

impl World {
    /// Takes the cost of a request from what its caller may use.
    pub fn take_from_budget(&mut self, caller: &str) -> Option<Usage> {
        let now = self.now();
        self.budget.as_mut()?.take(caller, now)
    }
}

/// Undocumented, all three: the part of the limit from which on it is spoken of, from which on the caller is asked to
/// wait, and above it, the one from which on requests are refused.
const SPOKEN_OF: f64 = 0.5;
const ASKED_TO_WAIT: f64 = 0.9;
const REFUSED: f64 = 1.5;
