//! Every request of a rotation into a vault, a variable group and a service connection, sign-in and post-job step
//! included, fails once: every place holds a PAT that works after each request, and one healthy run brings all together.

use crate::agent::{JobStatus, TaskResult};
use crate::destinations::{FEED, GROUP, PUBLISHER, Places, VAULT};
use crate::pipeline::NAME;
use crate::simulator::{Fault, When};

const LINES: [&str; 3] = [VAULT, GROUP, FEED];

/// The k-th request meets the fault, for every k until there is no k-th request.
fn each_request_once(fault: fn() -> Fault) {
    for k in 1.. {
        let places = Places::new();
        let mut job = places.job();
        places.pipeline.sim.inject(fault(), When::request(k));
        let main = places.main(&mut job, &LINES, &[PUBLISHER]);
        if main.result != TaskResult::Succeeded {
            job.set_status(JobStatus::Failed);
        }
        let post = places.pipeline.post(&mut job);
        let requests = places.pipeline.sim.transcript().len();
        places.pipeline.sim.clear_faults();
        heals(&places, &format!("{} at request {k}\n{}\n{}", fault().name(), main.log, post.log));
        if k > requests {
            // The last of them met none: the loop has seen every request.
            assert!(k > 30, "only {requests} requests");
            return;
        }
    }
}

fn heals(places: &Places, before: &str) {
    let mut job = places.next_job();
    let main = places.main(&mut job, &LINES, &[PUBLISHER]);
    assert_eq!(main.result, TaskResult::Succeeded, "{before}\n{}", main.log);
    let post = places.pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{before}\n{}", post.log);
    let [vault, group, feed] = places.held();
    assert!(vault == group && group == feed, "{before}\n{vault}, {group}, {feed}");
    let mut active = places.pipeline.active();
    active.retain(|name| !name.contains("[superseded"));
    assert_eq!(active, [format!("#{vault} {NAME}")], "{before}");
}

#[test]
fn each_reply_lost_once_after_the_request_was_handled() {
    each_request_once(|| Fault::ResetAfter);
}

#[test]
fn each_request_answered_500_once_although_it_was_handled() {
    each_request_once(|| Fault::StatusAfter(500));
}

#[test]
fn each_request_refused_once() {
    each_request_once(|| Fault::Status(403));
}

#[test]
fn each_reply_of_another_shape_once() {
    each_request_once(|| Fault::WrongShape);
}
