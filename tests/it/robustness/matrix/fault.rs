//! Everything of the design's list that can go wrong at a request, as values. `once` at that request alone, `lasting`
//! from it on for the rest of the stage.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use rotate_pat::agent::cancellation::Cancel;
use rotate_pat::runtime::limits::Limits;

use crate::harness::in_process::Conditions;
use simulator::{Fault, Op, Simulator, When};

/// How long the silence of a service is listened to where silence is the fault.
pub(crate) const SILENCE: Duration = Duration::from_millis(60);
/// The same on a machine so busy that an ordinary answer took longer than that.
pub(crate) const LONG_SILENCE: Duration = Duration::from_secs(2);

/// What goes wrong.
#[derive(Clone, Copy)]
pub(crate) enum FaultCase {
    /// Something on the wire.
    Wire(Wire),
    /// Told to stop just before, or just after, the request is handled.
    Cancelled { is_handled: bool },
    /// The same, and nobody answers from then on.
    CancelledInSilence,
    /// SIGKILL before or after the request is handled; the agent lives, or not.
    Killed { is_handled: bool, is_agent_alive: bool },
    /// The launcher alone is killed.
    Abandoned { is_handled: bool },
}

/// A fault of the wire.
#[derive(Clone, Copy)]
pub(crate) struct Wire {
    make: fn() -> Fault,
    /// From the request on for the rest of the stage.
    lasts: bool,
    /// What a client may repeat and be well again.
    passes: bool,
    /// Silence, which costs the limit.
    is_silent: bool,
}

const fn once(make: fn() -> Fault) -> FaultCase {
    FaultCase::Wire(Wire { make, lasts: false, passes: false, is_silent: false })
}

const fn passing(make: fn() -> Fault) -> FaultCase {
    FaultCase::Wire(Wire { make, lasts: false, passes: true, is_silent: false })
}

const fn lasting(make: fn() -> Fault) -> FaultCase {
    FaultCase::Wire(Wire { make, lasts: true, passes: false, is_silent: false })
}

const fn silent(make: fn() -> Fault, lasts: bool) -> FaultCase {
    FaultCase::Wire(Wire { make, lasts, passes: false, is_silent: true })
}

fn refused_in_200() -> Fault {
    Fault::RefusedIn200("failedToUpdateAccessToken".to_owned())
}

fn denied_in_200() -> Fault {
    Fault::RefusedIn200("accessDenied".to_owned())
}

fn ahead() -> Fault {
    Fault::ClockSkew(SignedDuration::from_hours(7))
}

fn behind() -> Fault {
    Fault::ClockSkew(SignedDuration::from_hours(-7))
}

/// A secret in every spelling, and in two lines.
fn in_every_spelling(secret: &str) -> String {
    let (first, rest) = secret.split_at(secret.len() / 2);
    let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let (json, pair) = (serde_json::Value::from(secret), format!(":{secret}"));
    let encoded = [STANDARD.encode(secret), STANDARD.encode(pair)].join(" ");
    format!("{form} {} {encoded} {json} {secret} {first}\r\n{rest} {first}\n{rest}", form.replace('+', "%20"))
}

/// Section 12 of the design, but for what has no request: closed and full outputs, and the agent's own clock.
pub(crate) const ALL: &[FaultCase] = &[
    passing(|| Fault::Refused),
    passing(|| Fault::ResetBefore),
    passing(|| Fault::ResetAfter),
    passing(|| Fault::CutReply),
    silent(|| Fault::HangBefore, false),
    silent(|| Fault::HangAfter, false),
    passing(|| Fault::Status(500)),
    passing(|| Fault::StatusAfter(500)),
    passing(|| Fault::Unavailable(0)),
    once(|| Fault::Unavailable(3600)),
    passing(|| Fault::Throttled(0)),
    once(|| Fault::Throttled(3600)),
    once(|| Fault::ThrottledUntil(3600)),
    once(|| Fault::SignInPage),
    once(|| Fault::SignInRedirect),
    once(|| Fault::Status(401)),
    once(|| Fault::Status(403)),
    once(refused_in_200),
    once(denied_in_200),
    once(|| Fault::OkWithRetryAfter(1)),
    once(|| Fault::WrongShape),
    once(|| Fault::Echo(in_every_spelling)),
    once(|| Fault::HugeBody(5 << 20)),
    once(ahead),
    once(behind),
    lasting(|| Fault::Refused),
    lasting(|| Fault::ResetAfter),
    silent(|| Fault::HangBefore, true),
    silent(|| Fault::HangAfter, true),
    lasting(|| Fault::Status(500)),
    lasting(|| Fault::StatusAfter(500)),
    lasting(|| Fault::Unavailable(3600)),
    lasting(|| Fault::SignInPage),
    lasting(|| Fault::Status(401)),
    lasting(|| Fault::Status(403)),
    lasting(refused_in_200),
    lasting(|| Fault::WrongShape),
    lasting(ahead),
    lasting(behind),
    FaultCase::Cancelled { is_handled: false },
    FaultCase::Cancelled { is_handled: true },
    FaultCase::CancelledInSilence,
    FaultCase::Killed { is_handled: false, is_agent_alive: true },
    FaultCase::Killed { is_handled: true, is_agent_alive: true },
    FaultCase::Killed { is_handled: false, is_agent_alive: false },
    FaultCase::Killed { is_handled: true, is_agent_alive: false },
    FaultCase::Abandoned { is_handled: false },
    FaultCase::Abandoned { is_handled: true },
];

impl FaultCase {
    /// What a failing cell calls it.
    pub(crate) fn name(self) -> String {
        let side = |is_handled: bool| if is_handled { "after" } else { "before" };
        match self {
            Self::Wire(wire) => {
                format!("{} {}", (wire.make)().name(), if wire.lasts { "from then on" } else { "once" })
            }
            Self::Cancelled { is_handled } => format!("cancelled {} it", side(is_handled)),
            Self::CancelledInSilence => "cancelled, and no answer from then on".to_owned(),
            Self::Killed { is_handled, is_agent_alive } => {
                let who = if is_agent_alive { "killed" } else { "killed with its agent" };
                format!("{who} {} it", side(is_handled))
            }
            Self::Abandoned { is_handled } => format!("the launcher killed {} it", side(is_handled)),
        }
    }

    /// Whether a client that repeats its request ends as if nothing had happened.
    pub(crate) fn passes(self) -> bool {
        matches!(self, Self::Wire(wire) if wire.passes)
    }

    /// Whether it is over with the one request.
    pub(crate) fn is_once(self) -> bool {
        matches!(self, Self::Wire(wire) if !wire.lasts)
    }

    /// Whether the post-job step follows.
    pub(crate) fn is_agent_alive(self) -> bool {
        !matches!(self, Self::Killed { is_agent_alive: false, .. })
    }

    /// By how much a service's clock is ahead: the time is what the service says, so that is when an overlap is over.
    pub(crate) fn lie(self) -> SignedDuration {
        match self {
            Self::Wire(wire) => match (wire.make)() {
                Fault::ClockSkew(by) => by.max(SignedDuration::ZERO),
                _ => SignedDuration::ZERO,
            },
            _ => SignedDuration::ZERO,
        }
    }

    pub(crate) fn cancels(self) -> bool {
        matches!(self, Self::Cancelled { .. } | Self::CancelledInSilence)
    }

    /// Whether nobody hears how the stage ended.
    pub(crate) fn kills(self) -> bool {
        matches!(self, Self::Killed { .. })
    }

    /// Makes it happen at the nth of these requests, to a stage under the conditions returned.
    pub(crate) fn arrange(self, sim: &Arc<Simulator>, op: Op, n: usize, silence: Duration) -> Conditions {
        let (at, since) = (When::nth(op, n), When::since(op, n));
        let mut conditions = Conditions::new(sim);
        conditions.limits = limits();
        match self {
            Self::Wire(wire) => {
                sim.inject((wire.make)(), if wire.lasts { since } else { at });
                let limits = &mut conditions.limits;
                if wire.is_silent {
                    (limits.read, limits.reply, limits.create_reply) = (silence, silence, silence);
                }
                let is_repeated = wire.passes || (wire.is_silent && !wire.lasts);
                if !is_repeated {
                    limits.repeat_within = Duration::from_millis(60);
                    limits.propagation = Duration::from_millis(60);
                }
            }
            Self::Cancelled { is_handled } => {
                let (canceller, cancel) = Cancel::pair();
                conditions.cancel = cancel;
                let stop = move |_: &mut _| canceller.stop_within(Duration::from_millis(8500));
                sim.inject(if is_handled { Fault::after(stop) } else { Fault::before(stop) }, at);
            }
            Self::CancelledInSilence => {
                let (canceller, cancel) = Cancel::pair();
                conditions.cancel = cancel;
                conditions.limits.create_reply_when_cancelled = SILENCE;
                sim.inject(Fault::before(move |_| canceller.stop_within(SILENCE * 2)), at);
                sim.inject(Fault::HangAfter, since);
            }
            Self::Killed { is_handled, .. } => {
                let death = Arc::clone(&conditions.death);
                sim.inject(Fault::before(move |_| death.notify_one()), at);
                sim.inject(if is_handled { Fault::HangAfter } else { Fault::HangBefore }, since);
            }
            Self::Abandoned { is_handled } => {
                let gone = Arc::clone(&conditions.abandoned);
                let leave = move |_: &mut _| gone.store(true, Ordering::SeqCst);
                sim.inject(if is_handled { Fault::after(leave) } else { Fault::before(leave) }, at);
            }
        }
        conditions
    }
}

/// Long limits and short pauses: only what is meant to fail runs into one.
pub(crate) fn limits() -> Limits {
    Limits {
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(8),
        repeat_within: Duration::from_secs(5),
        first_use: Duration::from_millis(1),
        first_propagation_pause: Duration::from_millis(1),
        longest_propagation_pause: Duration::from_millis(8),
        propagation: Duration::from_secs(5),
        ..Limits::default()
    }
}
