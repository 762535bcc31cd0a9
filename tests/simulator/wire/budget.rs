//! The headers of Azure DevOps' rate limits, and the refusal when a caller has used too much.
//! <https://learn.microsoft.com/azure/devops/integrate/concepts/rate-limits>

use super::super::{
    exchange::{Caller, Op},
    world::{Usage, World},
};
use super::{request::Reply, vss};

/// Takes a request of Azure DevOps from the budget of its caller, if there are budgets.
pub fn take(op: Op, world: &mut World, caller: &Caller) -> Option<Usage> {
    if !is_counted(op) {
        return None;
    }
    let who = match caller {
        Caller::User(name) | Caller::App(name) => name.clone(),
        Caller::Pat(number) => world.pats.iter().find(|pat| pat.number == *number)?.owner.clone(),
        Caller::JobToken => "the job".to_owned(),
        Caller::Nobody | Caller::Client(_) | Caller::Unknown => return None,
    };
    world.take_from_budget(&who)
}

/// What is answered in the place of the world.
pub fn refusal() -> Reply {
    let message = "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource 'Concurrency' in namespace 'User'.";
    vss::error(429, "RequestBlockedException", message)
}

/// Says how much is left. All but the delay are sent before anything is delayed, and with a 200 as well.
pub fn say(usage: &Usage, reply: Reply) -> Reply {
    let mut reply = reply
        .with("X-RateLimit-Resource", "Concurrency/User")
        .with("X-RateLimit-Limit", &format!("{}", usage.limit))
        .with("X-RateLimit-Remaining", &format!("{:.0}", usage.remaining.floor()))
        .with("X-RateLimit-Reset", &(usage.reset.as_second() + 1).to_string());
    if let Some(wait) = usage.retry_after {
        reply = reply.with("Retry-After", &wait.as_secs_f64().ceil().to_string());
    }
    if !usage.delay.is_zero() {
        reply = reply.with("X-RateLimit-Delay", &format!("{:.3}", usage.delay.as_secs_f64()));
        reply.delay = usage.delay;
    }
    reply
}

fn is_counted(op: Op) -> bool {
    !op.is_token()
        && !matches!(
            op,
            Op::DeviceCode
                | Op::Authorize
                | Op::SignIn
                | Op::ManagedIdentity
                | Op::AppServiceIdentity
                | Op::VaultRead
                | Op::VaultWrite
                | Op::VaultUpdate
                | Op::VaultVersions
        )
}
