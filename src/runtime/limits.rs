//! Every limit on waiting, as one value, so that no loop in the program waits by its own lights. The program uses the
//! defaults; in-process tests hand in milliseconds.

use std::time::Duration;

/// How long to wait for what.
#[derive(Clone, Debug)]
pub struct Limits {
    /// For a connection: further away than this is a firewall that drops packets.
    pub connect: Duration,
    /// For the next piece of a reply.
    pub read: Duration,
    /// For one whole reply. The services themselves give up earlier.
    pub reply: Duration,
    /// For a whole list of tokens, on however many pages.
    pub list: Duration,
    /// For the reply to a creation: giving up early costs a token that nobody holds.
    pub create_reply: Duration,
    /// For the reply to a creation that was under way when the run was cancelled.
    pub create_reply_when_cancelled: Duration,
    /// First pause before a request is repeated; doubled each time, with jitter.
    pub first_pause: Duration,
    /// Longest such pause.
    pub longest_pause: Duration,
    /// A request is repeated until this long after its first try; a longer `Retry-After` ends it at once.
    pub repeat_within: Duration,
    /// The same for a machine's metadata service, whose updates take up to 70 s (documented).
    pub metadata_update: Duration,
    /// For a new token to become valid everywhere. Not documented; a minute covers what others report.
    pub propagation: Duration,
    /// Creations tried in one run when replies are lost.
    pub creations: u32,
    /// Lists read until a new token shows.
    pub relistings: u32,
    /// From sending the creation to the start of the last publication. A run that is slower may have been taken for
    /// dead: what it publishes later could be a token that another run has retired.
    pub publish_within: Duration,
    /// From the look to the commit.
    pub commit_within: Duration,
    /// Looks taken because commits got no reply or the one before was too old.
    pub looks: u32,
    /// What a minute of `maxMinutes` lasts.
    pub minute: Duration,
    /// From one line on a report's progress to the next.
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
            propagation: Duration::from_secs(60),
            creations: 3,
            relistings: 4,
            publish_within: Duration::from_secs(30 * 60),
            commit_within: Duration::from_secs(30),
            looks: 4,
            minute: Duration::from_secs(60),
            progress: Duration::from_secs(5),
        }
    }
}

/// Pauses that grow, with jitter so that the pipelines of one full hour do not march in step.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// The pauses of this limits, from the first.
    pub fn new(limits: &Limits) -> Self {
        Self { next: limits.first_pause, longest: limits.longest_pause }
    }

    /// The next pause: between half and all of a time that doubles.
    pub fn pause(&mut self) -> Duration {
        let full = self.next.min(self.longest);
        self.next = full * 2;
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}
