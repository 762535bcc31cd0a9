//! Scripted faults: what goes wrong, and at which request.

use std::time::Duration;

use jiff::SignedDuration;

use super::{exchange::Op, world::World};

/// Something that happens in the world beside a request: a rival's step, somebody's hand.
pub type Action = Box<dyn FnMut(&mut World) + Send>;

/// What goes wrong. "Handled" means that the world did what was asked, whatever the client hears of it.
pub enum Fault {
    /// Not handled: the connection is closed without a byte. The nearest thing to a refused connection for one request,
    /// since which request it is can be known only after reading it.
    Refused,
    /// Not handled: the connection is reset.
    ResetBefore,
    /// Handled: the connection is reset before the reply.
    ResetAfter,
    /// Handled: the headers and half of the body arrive, then the connection closes.
    CutReply,
    /// Not handled, never answered.
    HangBefore,
    /// Handled, never answered.
    HangAfter,
    /// Not handled: this status, in the service's error shape. 401 has its challenges.
    Status(u16),
    /// Handled, but a gateway answers this status.
    StatusAfter(u16),
    /// Not handled: this status, these headers and this body, as somebody recorded them.
    Recorded(u16, Vec<(String, String)>, Vec<u8>),
    /// Not handled: 503 with `Retry-After` in seconds.
    Unavailable(u64),
    /// Not handled: 429 with `Retry-After` in seconds.
    Throttled(u64),
    /// Not handled: 429 with `Retry-After` as a date, that many seconds from the world's now.
    ThrottledUntil(u64),
    /// Not handled: 203 with the HTML of a sign-in page.
    SignInPage,
    /// Not handled: 302 to a sign-in page.
    SignInRedirect,
    /// Not handled: 200 with this `patTokenError`.
    RefusedIn200(String),
    /// Handled, and told to slow down by a `Retry-After` in seconds.
    OkWithRetryAfter(u64),
    /// Handled, with this header in place of any of its name: `X-RateLimit-…` for instance.
    Header(&'static str, String),
    /// Handled, and the reply's body is rewritten.
    Rewritten(fn(&str) -> String),
    /// Not handled: this status with a page of HTML, from something on the way that is none of the services.
    Gateway(u16),
    /// Handled, but the reply is JSON of another shape.
    WrongShape,
    /// Handled, but the reply is JSON of that many bytes.
    HugeBody(usize),
    /// Handled, but the reply's body is a byte now and then, for ever.
    Drip(Duration),
    /// Not handled: a page of so many PATs of nobody's name, in a list that never ends; whether each page is said to be
    /// followed by another one than itself.
    EndlessList(usize, bool),
    /// Handled; the `Date` header is off by this.
    ClockSkew(SignedDuration),
    /// Handled at once, the reply comes this much later.
    Delay(Duration),
    /// Handled only after this time, even if the client has gone by then.
    Late(Duration),
    /// Handled normally, after this was done to the world.
    Before(Action),
    /// Handled normally, and this is done to the world after it.
    After(Action),
    /// Not handled: an error whose message is this text.
    HostileMessage(String),
    /// Not handled: an error whose message quotes every secret that the request carried, spelled like this.
    Echo(fn(&str) -> String),
}

/// How a reply travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Whole.
    Whole,
    /// Cut in the middle of the body.
    Cut,
    /// Not at all: the connection is closed.
    Closed,
    /// Not at all: the connection is reset.
    Reset,
    /// Not at all: silence.
    Silence,
    /// A byte of it each time this has passed.
    Drip(Duration),
}

impl Fault {
    /// Something that happens just before the request is handled.
    pub fn before(action: impl FnMut(&mut World) + Send + 'static) -> Self {
        Self::Before(Box::new(action))
    }

    /// Something that happens just after the request was handled.
    pub fn after(action: impl FnMut(&mut World) + Send + 'static) -> Self {
        Self::After(Box::new(action))
    }

    /// Whether the world never hears of the request.
    pub fn keeps_from_world(&self) -> bool {
        match self {
            Self::Refused
            | Self::ResetBefore
            | Self::HangBefore
            | Self::Status(_)
            | Self::Recorded(..)
            | Self::Unavailable(_)
            | Self::Throttled(_)
            | Self::ThrottledUntil(_)
            | Self::SignInPage
            | Self::Gateway(_)
            | Self::SignInRedirect
            | Self::RefusedIn200(_)
            | Self::EndlessList(..)
            | Self::HostileMessage(_)
            | Self::Echo(_) => true,
            Self::ResetAfter
            | Self::CutReply
            | Self::HangAfter
            | Self::StatusAfter(_)
            | Self::OkWithRetryAfter(_)
            | Self::Header(..)
            | Self::Rewritten(_)
            | Self::WrongShape
            | Self::HugeBody(_)
            | Self::Drip(_)
            | Self::ClockSkew(_)
            | Self::Delay(_)
            | Self::Late(_)
            | Self::Before(_)
            | Self::After(_) => false,
        }
    }

    /// How the reply travels with this fault.
    pub fn delivery(&self) -> Delivery {
        match self {
            Self::Refused => Delivery::Closed,
            Self::ResetBefore | Self::ResetAfter => Delivery::Reset,
            Self::CutReply => Delivery::Cut,
            Self::Drip(pause) => Delivery::Drip(*pause),
            Self::HangBefore | Self::HangAfter => Delivery::Silence,
            _ => Delivery::Whole,
        }
    }

    /// What the transcript calls it.
    pub fn name(&self) -> String {
        match self {
            Self::Refused => "connection refused".to_owned(),
            Self::ResetBefore => "reset before it was handled".to_owned(),
            Self::ResetAfter => "reset after it was handled".to_owned(),
            Self::CutReply => "reply cut".to_owned(),
            Self::HangBefore => "hang, not handled".to_owned(),
            Self::HangAfter => "hang, handled".to_owned(),
            Self::Status(status) => format!("status {status}"),
            Self::StatusAfter(status) => format!("status {status} after it was handled"),
            Self::Recorded(status, ..) => format!("status {status} as recorded"),
            Self::Unavailable(seconds) => format!("503, retry after {seconds} s"),
            Self::Throttled(seconds) => format!("429, retry after {seconds} s"),
            Self::ThrottledUntil(seconds) => format!("429, retry after the date in {seconds} s"),
            Self::SignInPage => "sign-in page".to_owned(),
            Self::SignInRedirect => "redirect to sign-in".to_owned(),
            Self::RefusedIn200(error) => format!("refused in 200: {error}"),
            Self::OkWithRetryAfter(seconds) => format!("slow down, retry after {seconds} s"),
            Self::Header(name, value) => format!("header {name}: {value}"),
            Self::Rewritten(_) => "a body that was rewritten".to_owned(),
            Self::Gateway(status) => format!("status {status} of a gateway"),
            Self::WrongShape => "wrong shape".to_owned(),
            Self::HugeBody(bytes) => format!("body of {bytes} bytes"),
            Self::ClockSkew(by) => format!("clock off by {} s", by.as_secs()),
            Self::Delay(by) => format!("answered {} ms later", by.as_millis()),
            Self::Late(by) => format!("handled {} ms later", by.as_millis()),
            Self::Drip(_) => "a reply that drips".to_owned(),
            Self::EndlessList(..) => "a list without an end".to_owned(),
            Self::Before(_) => "something happened before".to_owned(),
            Self::After(_) => "something happened after".to_owned(),
            Self::HostileMessage(_) => "hostile message".to_owned(),
            Self::Echo(_) => "secrets echoed".to_owned(),
        }
    }
}

/// At which requests a fault happens. Each rule counts on its own, from its injection or the last `clear_transcript`.
#[derive(Clone, Debug)]
pub struct When {
    op: Option<Op>,
    /// Only those whose path holds this.
    about: Option<String>,
    first: usize,
    last: usize,
    /// From then on at all that come.
    then_all: bool,
}

impl When {
    /// At the `n`th of these, from 1.
    pub fn nth(op: Op, n: usize) -> Self {
        Self { op: Some(op), about: None, first: n, last: n, then_all: false }
    }

    /// At each of these.
    pub fn every(op: Op) -> Self {
        Self::from(op, 1)
    }

    /// At each of these whose path holds this: those about one user, for instance.
    pub fn about(op: Op, what: &str) -> Self {
        Self { about: Some(what.to_owned()), ..Self::every(op) }
    }

    /// The same, but for the first `n`.
    pub fn after(self, n: usize) -> Self {
        Self { first: n + 1, ..self }
    }

    /// At the `n`th of these and all later ones.
    pub fn from(op: Op, n: usize) -> Self {
        Self { last: usize::MAX, ..Self::nth(op, n) }
    }

    /// At the `n`th of these and at every later request of any kind.
    pub fn since(op: Op, n: usize) -> Self {
        Self { then_all: true, ..Self::nth(op, n) }
    }

    /// At the first `n` of these.
    pub fn first(op: Op, n: usize) -> Self {
        Self { last: n, ..Self::nth(op, 1) }
    }

    /// At the `k`th request of any kind, from 1.
    pub fn request(k: usize) -> Self {
        Self { op: None, about: None, first: k, last: k, then_all: false }
    }

    /// At the `k`th request of any kind and all later ones.
    pub fn request_and_later(k: usize) -> Self {
        Self { last: usize::MAX, ..Self::request(k) }
    }

    /// At every request.
    pub fn always() -> Self {
        Self::request_and_later(1)
    }
}

struct Rule {
    fault: Fault,
    when: When,
    seen: usize,
}

/// All faults that were injected.
#[derive(Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    pub fn add(&mut self, fault: Fault, when: When) {
        self.0.push(Rule { fault, when, seen: 0 });
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Starts all counts again.
    pub fn restart(&mut self) {
        for rule in &mut self.0 {
            rule.seen = 0;
        }
    }

    /// Counts a request and says which rules it meets.
    pub fn meet(&mut self, op: Op, path: &str) -> Vec<usize> {
        let mut met = Vec::new();
        for (index, rule) in self.0.iter_mut().enumerate() {
            let has_begun = rule.when.then_all && rule.seen >= rule.when.first;
            let is_meant = rule.when.op.is_none_or(|wanted| wanted == op)
                && rule.when.about.as_ref().is_none_or(|about| path.contains(about));
            if !has_begun && !is_meant {
                continue;
            }
            rule.seen += 1;
            if has_begun || (rule.when.first..=rule.when.last).contains(&rule.seen) {
                met.push(index);
            }
        }
        met
    }

    /// The faults of those rules.
    pub fn faults<'a>(&'a mut self, met: &'a [usize]) -> impl Iterator<Item = &'a mut Fault> {
        self.0.iter_mut().enumerate().filter(|(index, _)| met.contains(index)).map(|(_, rule)| &mut rule.fault)
    }
}
