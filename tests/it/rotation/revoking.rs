//! Revoking: how the service refuses to revoke a PAT that is gone is not documented, so nothing but the list says it.

use crate::harness::pipeline::{Pipeline, says};
use agent::{Job, TaskResult};
use simulator::{Fault, Op, PatState, UnknownIdReply, When};

const REPLIES: [UnknownIdReply; 4] =
    [UnknownIdReply::Mixed, UnknownIdReply::NotFound, UnknownIdReply::In200, UnknownIdReply::ServerError];

/// A job that has the new PAT and is about to revoke the old one, which nobody holds any more.
fn handed_out() -> (Pipeline, Job) {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("overlapHours", "0")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    pipeline.consume_variable("the new consumer", &job);
    pipeline.forget("the old consumer");
    pipeline.sim.clear_transcript();
    (pipeline, job)
}

/// The revocations and the lists after the first revocation, in order.
fn from_the_first_revocation(pipeline: &Pipeline) -> Vec<Op> {
    let transcript = pipeline.sim.transcript();
    let of_interest = transcript.iter().map(|it| it.op).filter(|op| matches!(op, Op::RevokePat | Op::ListPats));
    of_interest.skip_while(|op| *op != Op::RevokePat).collect()
}

#[test]
fn a_failed_revocation_is_looked_up_before_it_is_repeated() {
    type Case = (&'static str, fn() -> Fault, &'static [Op]);
    let cases: [Case; 3] = [
        ("no answer", || Fault::ResetAfter, &[Op::RevokePat, Op::ListPats]),
        ("500 after it", || Fault::StatusAfter(500), &[Op::RevokePat, Op::ListPats]),
        ("500 before it", || Fault::Status(500), &[Op::RevokePat, Op::ListPats, Op::RevokePat]),
    ];
    for reply in REPLIES {
        for (what, fault, expected) in cases {
            let (pipeline, mut job) = handed_out();
            pipeline.sim.world().unknown_id_reply = reply;
            pipeline.sim.inject(fault(), When::nth(Op::RevokePat, 1));
            let post = pipeline.post(&mut job);
            assert_eq!(post.result, TaskResult::Succeeded, "{reply:?}, {what}\n{}", post.log);
            says(&post, &["revoked \"nuget-publish [superseded 101.1-"]);
            assert_eq!(from_the_first_revocation(&pipeline), expected, "{reply:?}, {what}");
        }
    }
}

#[test]
fn no_refusal_means_that_a_pat_is_gone_while_it_is_listed() {
    for code in ["invalidToken", "invalidAuthorizationId", "tokenNotFound", "accessDenied", "aCodeOfTomorrow"] {
        let (pipeline, mut job) = handed_out();
        pipeline.sim.inject(Fault::RefusedIn200(code.to_owned()), When::nth(Op::RevokePat, 1));
        let post = pipeline.post(&mut job);
        says(&post, &["could not retire \"nuget-publish [superseded 101.1-", "The next run tries again."]);
        let world = pipeline.sim.world();
        assert_eq!(world.pats[0].state(world.now()), PatState::Active, "{code}");
    }
}
