//! Every timeout, pause and retry limit in one value. The program uses the defaults; in-process tests use milliseconds.

use std::time::Duration;

use crate::plan::SETTLE_WITHIN;

#[derive(Clone, Debug)]
pub struct Limits {
    /// For a connection. A longer wait means that a firewall drops the packets.
    pub connect: Duration,
    /// For the next piece of a reply.
    pub read: Duration,
    /// For one complete response. The services time out earlier.
    pub reply: Duration,
    /// For all pages of a list of tokens.
    pub list: Duration,
    /// For the response to a creation: an early timeout leaves an unused token behind.
    pub create_reply: Duration,
    /// For the reply to a creation that was under way when the run was cancelled.
    pub create_reply_when_cancelled: Duration,
    /// First pause before a retry; doubled each time, with jitter.
    pub first_pause: Duration,
    /// Longest such pause.
    pub longest_pause: Duration,
    /// A request is retried for this long after the first attempt; a longer `Retry-After` ends it at once.
    pub repeat_within: Duration,
    /// The same for a machine's metadata service, whose updates take up to 70 s (documented).
    pub metadata_update: Duration,
    /// From sending the creation to the first use of the new token. Not documented: front ends may remember a refused
    /// credential for seconds, and for longer when it is asked for again.
    pub first_use: Duration,
    /// First pause until a new token is tried or looked for in the list again; doubled each time.
    pub first_propagation_pause: Duration,
    /// Longest such pause.
    pub longest_propagation_pause: Duration,
    /// For a new token to become valid and to show in the list.
    ///
    /// docs/assumptions.md: A new token works within three minutes.
    /// docs/assumptions.md: A new token shows in the list within three minutes.
    pub propagation: Duration,
    /// Creations tried in one run when replies are lost.
    pub creations: u32,
    /// From sending the creation to the start of the last publication. A run that is slower may have been taken for
    /// dead: what it publishes later could be a token that another run has retired.
    pub publish_within: Duration,
    /// From the look to the commit.
    pub commit_within: Duration,
    /// From the beginning of the settling to the commit.
    pub settle_within: Duration,
    /// Lists read before the commit, because it was throttled or the list before was too old.
    pub looks: u32,
    /// Lists read to see whether a commit without an answer has landed: about half a minute.
    pub landings: u32,
    /// The length of a minute of `maxMinutes`; shorter in tests.
    pub minute: Duration,
    /// Interval of a report's progress lines.
    pub progress: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            read: Duration::from_secs(20),
            reply: Duration::from_secs(30),
            list: Duration::from_secs(5 * 60),
            create_reply: Duration::from_secs(60),
            create_reply_when_cancelled: Duration::from_millis(3500),
            first_pause: Duration::from_millis(400),
            longest_pause: Duration::from_secs(10),
            repeat_within: Duration::from_secs(60),
            metadata_update: Duration::from_secs(80),
            first_use: Duration::from_secs(2),
            first_propagation_pause: Duration::from_secs(2),
            longest_propagation_pause: Duration::from_secs(30),
            propagation: Duration::from_secs(3 * 60),
            creations: 3,
            publish_within: Duration::from_secs(30 * 60),
            commit_within: Duration::from_secs(30),
            settle_within: SETTLE_WITHIN,
            looks: 4,
            landings: 7,
            minute: Duration::from_secs(60),
            progress: Duration::from_secs(5),
        }
    }
}

/// Pauses that grow, with jitter so that pipelines that start at the same hour do not retry at the same time.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub fn new(limits: &Limits) -> Self {
        Self { next: limits.first_pause, longest: limits.longest_pause }
    }

    /// Pauses until a new token is tried or looked for again.
    pub fn of_new_token(limits: &Limits) -> Self {
        Self { next: limits.first_propagation_pause, longest: limits.longest_propagation_pause }
    }

    /// The next pause: between half and all of a time that doubles.
    pub fn pause(&mut self) -> Duration {
        let full = self.next.min(self.longest);
        self.next = full * 2;
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}
