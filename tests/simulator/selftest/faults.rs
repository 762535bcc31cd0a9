//! Each fault does what it says: to the world and to the wire.

use std::{
    io::{self, ErrorKind},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;
use serde_json::json;

use super::{
    super::{Fault, Op, Simulator, When, World},
    bare::{Answer, PATS, VERSION, bearer, call},
};

/// Creates a PAT in a fresh world with this fault; also says how many PATs there are then.
fn create_with(fault: Fault) -> (io::Result<Answer>, usize) {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    sim.inject(fault, When::nth(Op::CreatePat, 1));
    let answer = create(&sim, &token);
    let made = sim.world().pats.len();
    (answer, made)
}

fn create(sim: &Simulator, token: &str) -> io::Result<Answer> {
    let body = json!({"displayName": "x", "scope": "vso.code", "validTo": "2026-12-01T00:00:00Z", "allOrgs": false});
    call(sim, "POST", &format!("{PATS}?{VERSION}"), &bearer(token), &body.to_string())
}

#[test]
fn a_lost_reply_may_or_may_not_have_had_its_effect() {
    let timeout = [ErrorKind::WouldBlock, ErrorKind::TimedOut].as_slice();
    let table = [
        (Fault::Refused, [ErrorKind::UnexpectedEof].as_slice(), 0),
        (Fault::ResetBefore, &[ErrorKind::ConnectionReset], 0),
        (Fault::ResetAfter, &[ErrorKind::ConnectionReset], 1),
        (Fault::CutReply, &[ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset], 1),
        (Fault::HangBefore, timeout, 0),
        (Fault::HangAfter, timeout, 1),
    ];
    for (fault, expected, effect) in table {
        let name = fault.name();
        let (answer, made) = create_with(fault);
        let error = answer.expect_err(&name).kind();
        assert!(expected.contains(&error) && made == effect, "{name}: {error:?}, {made} made");
    }
}

#[test]
fn a_false_reply_may_or_may_not_have_had_its_effect() {
    let table = [
        (Fault::Status(500), 500, 0),
        (Fault::Status(401), 401, 0),
        (Fault::Status(403), 403, 0),
        (Fault::StatusAfter(502), 502, 1),
        (Fault::Unavailable(3), 503, 0),
        (Fault::Throttled(3), 429, 0),
        (Fault::SignInPage, 203, 0),
        (Fault::SignInRedirect, 302, 0),
        (Fault::RefusedIn200("accessDenied".to_owned()), 200, 0),
        (Fault::OkWithRetryAfter(3), 200, 1),
        (Fault::WrongShape, 200, 1),
        (Fault::HugeBody(100_000), 200, 1),
        (Fault::EndlessList(3, true), 200, 0),
        (Fault::HostileMessage("##vso[task.complete]".to_owned()), 400, 0),
        (Fault::Delay(Duration::from_millis(10)), 200, 1),
        (Fault::Late(Duration::from_millis(10)), 200, 1),
    ];
    for (fault, status, effect) in table {
        let name = fault.name();
        let (answer, made) = create_with(fault);
        assert_eq!((answer.expect(&name).status, made), (status, effect), "{name}");
    }
}

#[test]
fn dates_are_the_worlds_or_wrong_as_asked() {
    let (answer, _) = create_with(Fault::ClockSkew(SignedDuration::from_hours(-1)));
    assert_eq!(answer.unwrap().header("date"), Some("Tue, 24 Nov 2026 02:00:00 GMT"));
    let (answer, _) = create_with(Fault::ThrottledUntil(60));
    let answer = answer.unwrap();
    assert_eq!(answer.header("date"), Some("Tue, 24 Nov 2026 03:00:00 GMT"));
    assert_eq!(answer.header("retry-after"), Some("Tue, 24 Nov 2026 03:01:00 GMT"));
}

/// The effect comes even after the client has gone.
#[test]
fn a_late_request_takes_effect_without_its_client() {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    sim.inject(Fault::Late(Duration::from_millis(700)), When::nth(Op::CreatePat, 1));
    create(&sim, &token).unwrap_err();
    assert_eq!(sim.world().pats.len(), 0);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(sim.world().pats.len(), 1);
}

#[test]
fn rules_count_their_own_requests_and_actions_interleave() {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    sim.inject(Fault::Status(500), When::from(Op::CreatePat, 2));
    sim.inject(
        Fault::before(|world| {
            world.add_pat("rival").add();
        }),
        When::request(1),
    );
    let seen: Vec<u16> = (0..3).map(|_| create(&sim, &token).unwrap().status).collect();
    assert_eq!(seen, [200, 500, 500]);
    assert_eq!(sim.world().pats.iter().map(|pat| pat.name.as_str()).collect::<Vec<_>>(), ["rival", "x"]);
    sim.clear_faults();
    assert_eq!(create(&sim, &token).unwrap().status, 200);
}

#[test]
fn a_rule_may_begin_at_one_operation_and_go_on_with_all() {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    sim.inject(Fault::Status(500), When::since(Op::CreatePat, 2));
    let list = || call(&sim, "GET", &format!("{PATS}?{VERSION}&displayFilterOption=active"), &bearer(&token), "");
    let seen = [
        list().unwrap().status,
        create(&sim, &token).unwrap().status,
        list().unwrap().status,
        create(&sim, &token).unwrap().status,
        list().unwrap().status,
    ];
    assert_eq!(seen, [200, 200, 200, 500, 500]);
}

#[test]
fn a_list_without_an_end_has_other_pats_on_each_page() {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    sim.inject(Fault::EndlessList(2, true), When::every(Op::ListPats));
    let list = || call(&sim, "GET", &format!("{PATS}?{VERSION}&displayFilterOption=active"), &bearer(&token), "");
    let (one, two) = (list().unwrap().json(), list().unwrap().json());
    assert_eq!(one["patTokens"].as_array().map(Vec::len), Some(2));
    assert!(one["continuationToken"] != two["continuationToken"] && one["patTokens"] != two["patTokens"]);
}

#[test]
fn a_reply_that_drips_comes_byte_by_byte_and_never_whole() {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    sim.inject(Fault::Drip(Duration::from_millis(700)), When::every(Op::CreatePat));
    create(&sim, &token).unwrap_err();
    assert_eq!(sim.world().pats.len(), 1);
}

#[test]
fn a_gate_holds_what_comes_through_one_door_and_may_lose_it() {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    let (passes, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, loses) = (Arc::clone(&passes), Arc::clone(&lost));
    sim.keep_gate(Arc::new(move |door| {
        counted.fetch_add(1, Ordering::SeqCst);
        let (open, wait) = tokio::sync::oneshot::channel();
        let _gone = open.send(door == 0 && !loses.load(Ordering::SeqCst));
        Some(wait)
    }));
    assert_eq!(create(&sim, &token).unwrap().status, 200);
    assert_eq!(passes.load(Ordering::SeqCst), 2, "at its arrival and before its reply");
    lost.store(true, Ordering::SeqCst);
    create(&sim, &token).unwrap_err();
    assert_eq!(sim.world().pats.len(), 1, "what is lost at its arrival is not handled");
    let door = sim.open_door(1);
    assert_ne!(door.origin(), sim.origin());
}

#[test]
fn a_broken_invariant_is_raised_where_the_test_runs() {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    sim.on_each_request(Box::new(|world, exchange| {
        assert!(world.pats.is_empty(), "a PAT after {exchange}");
    }));
    assert_eq!(create(&sim, &token).unwrap().status, 200);
    let raised = catch_unwind(AssertUnwindSafe(|| sim.check())).unwrap_err();
    assert!(raised.downcast_ref::<String>().unwrap().starts_with("a PAT after POST"));
}
