//! Requests whose answer is lost, refused, late or nonsense: above all the creation, whose lost reply leaves a PAT that
//! nobody can ever know.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rotate_pat::app::StageExit::{self, Failed, Succeeded};

use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, says};
use agent::TaskResult;
use simulator::{Fault, Op, PatState, Simulator, When, World};

/// One pipeline in this process, with limits of milliseconds, and one service that uses what the last successful job
/// stored for it.
pub(crate) struct InProcessJob {
    pub(crate) sim: Arc<Simulator>,
    held: Arc<Mutex<String>>,
    overlap: &'static str,
}

impl InProcessJob {
    /// With one committed PAT, which the service holds.
    pub(crate) fn with_pat(overlap: &'static str) -> Self {
        Self::with_leftovers(overlap, &[])
    }

    /// And with others that dead runs have left.
    pub(crate) fn with_leftovers(overlap: &'static str, leftovers: &[&str]) -> Self {
        let mut world = World::new();
        world.new_pats_valid_after = 0;
        world.add_build(100, "completed");
        world.add_pat(NAME).add();
        for leftover in leftovers {
            world.add_pat(&format!("{NAME} [{leftover}]")).add();
        }
        let held = Arc::new(Mutex::new(world.pats[0].secret.clone()));
        let sim = Arc::new(Simulator::start(world));
        let watched = Arc::clone(&held);
        sim.on_each_request(Box::new(move |world, exchange| {
            let held = watched.lock().unwrap().clone();
            assert!(world.secret_works(&held), "I1 after {exchange}\n{}", world.listing());
        }));
        Self { sim, held, overlap }
    }

    pub(crate) fn job(&self) -> LocalJob {
        LocalJob::new(&self.sim, &[("patName", NAME), ("variable", VARIABLE), ("overlapHours", self.overlap)])
    }

    /// A whole job: where the rotation succeeds, the service gets the new value. Says how both stages ended.
    pub(crate) fn run(&self, job: &mut LocalJob) -> (StageExit, StageExit) {
        let main = job.main();
        if main == Succeeded {
            self.hold(job);
        }
        let status = if main == Succeeded { "Succeeded" } else { "Failed" };
        let settle = job.settle(status);
        if (main, settle) == (Succeeded, Succeeded) {
            let world = self.sim.world();
            let holds = world.pat_of_secret(&self.held.lock().unwrap()).map(|pat| pat.name.clone());
            assert_eq!(holds.as_deref(), Some(NAME), "I5: a success is a commit\n{}", world.listing());
        }
        (main, settle)
    }

    /// The service uses what the job's variable holds.
    pub(crate) fn hold(&self, job: &LocalJob) {
        job.variable(VARIABLE).expect("a rotation sets it").clone_into(&mut self.held.lock().unwrap());
    }

    /// A healthy run, after which one PAT is committed and every other has an end.
    pub(crate) fn heals(&self, after: &str) {
        self.sim.clear_faults();
        self.sim.world().next_run();
        let mut job = self.job();
        let ended = self.run(&mut job);
        assert_eq!(ended, (Succeeded, Succeeded), "after {after}\n{}", job.log());
        let active = self.active();
        let (committed, others): (Vec<&String>, Vec<&String>) = active.iter().partition(|name| *name == NAME);
        let all_end = others.iter().all(|name| name.contains(" [superseded "));
        assert!(committed.len() == 1 && all_end, "after {after}: {active:#?}");
        self.sim.check();
    }

    /// The names of the active ones, oldest first.
    pub(crate) fn active(&self) -> Vec<String> {
        let world = self.sim.world();
        let now = world.now();
        let active = world.pats.iter().filter(|pat| pat.state(now) == PatState::Active);
        active.map(|pat| pat.name.clone()).collect()
    }

    /// The same as `#number word`, the word being that of the marker.
    fn states(&self) -> Vec<String> {
        let world = self.sim.world();
        let now = world.now();
        let active = world.pats.iter().filter(|pat| pat.state(now) == PatState::Active);
        let word = |name: &str| {
            let marker = name.split_once(" [").map_or("committed", |(_, marker)| marker);
            marker.split(' ').next().unwrap_or_default().to_owned()
        };
        active.map(|pat| format!("#{} {}", pat.number, word(&pat.name))).collect()
    }

    fn fails(&self, fault: Fault, when: When) -> String {
        self.sim.inject(fault, when);
        let mut job = self.job();
        assert_eq!(job.main(), Failed, "{}", job.log());
        job.log()
    }
}

#[test]
fn a_creation_whose_reply_is_lost_is_found_revoked_and_made_anew() {
    let faults: [fn() -> Fault; 6] = [
        || Fault::ResetAfter,
        || Fault::CutReply,
        || Fault::HangAfter,
        || Fault::StatusAfter(500),
        || Fault::WrongShape,
        || Fault::HugeBody(8 << 20),
    ];
    for fault in faults {
        let name = fault().name();
        let brief = InProcessJob::with_pat("24");
        brief.sim.inject(fault(), When::nth(Op::CreatePat, 1));
        let mut job = brief.job();
        assert_eq!(job.main(), Succeeded, "{name}\n{}", job.log());
        assert_eq!(brief.states(), ["#1 committed", "#3 pending"], "{name}");
        assert!(job.log().contains("the reply with its secret was lost"), "{name}\n{}", job.log());
        assert_eq!(job.settle("Succeeded"), Succeeded, "{name}\n{}", job.log());
        assert_eq!(brief.states(), ["#1 superseded", "#3 committed"], "{name}");
    }
}

#[test]
fn where_a_reply_is_lost_only_what_this_very_creation_made_is_revoked() {
    let brief = InProcessJob::with_pat("24");
    let mut job = brief.job();
    assert_eq!(job.main(), Succeeded, "{}", job.log());
    brief.hold(&job);
    // A second step of the same job: the first one's is pending under the same run, and in use.
    brief.sim.world().advance(jiff::SignedDuration::from_mins(11));
    brief.sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 1));
    let others = |world: &mut World| {
        let own = world.pats.last().unwrap().name.clone();
        world.add_pat(&own.replace("[pending 101.", "[pending 300.")).add();
        world.add_pat(&own.replace("[pending 101.", "[held 300.")).add();
    };
    brief.sim.inject(Fault::before(others), When::nth(Op::ListPats, 2));
    job.main();
    assert!(job.log().contains("the reply with its secret was lost"), "{}", job.log());
    let states = brief.states();
    assert_eq!(states[..2], ["#1 committed", "#2 pending"], "{}", job.log());
    assert_eq!(states[2..4], ["#4 pending", "#5 held"], "{}", job.log());
}

#[test]
fn through_the_launcher_too_a_lost_reply_leaves_no_pat_that_nobody_knows() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 1));
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    says(&main, &["could not confirm that \"nuget-publish [pending 101.1-", "the reply with its secret was lost"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#3 {NAME}")]);
}

#[test]
fn a_creation_that_stays_unanswered_is_given_up_after_three_tries() {
    let brief = InProcessJob::with_pat("24");
    let log = brief.fails(Fault::ResetAfter, When::every(Op::CreatePat));
    assert_eq!((brief.sim.count(Op::CreatePat), brief.states()), (3, vec!["#1 committed".to_owned()]), "{log}");
    assert!(log.contains("Every new token without a known value was revoked; the old token is untouched."), "{log}");
    brief.heals("three lost replies");
}

#[test]
fn unanswered_creation_is_never_said_to_have_changed_nothing() {
    let brief = InProcessJob::with_pat("24");
    let log = brief.fails(Fault::ResetBefore, When::every(Op::CreatePat));
    assert_eq!((brief.sim.count(Op::CreatePat), brief.states()), (3, vec!["#1 committed".to_owned()]), "{log}");
    assert!(log.contains("A new one that nobody holds may exist; the next run retires it."), "{log}");
    assert!(!log.contains("Nothing was changed"), "{log}");
}

#[test]
fn revoked_token_is_not_the_only_one_after_an_unanswered_creation() {
    let brief = InProcessJob::with_pat("24");
    brief.sim.inject(Fault::ResetBefore, When::nth(Op::CreatePat, 1));
    let log = brief.fails(Fault::Status(403), When::every(Op::UpdatePat));
    assert!(log.contains("was revoked. Another new one that nobody holds may exist"), "{log}");
    assert!(!log.contains("nothing else was changed"), "{log}");
}

#[test]
fn an_orphan_that_cannot_be_looked_for_is_left_to_the_next_run() {
    let brief = InProcessJob::with_pat("24");
    brief.sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 1));
    let log = brief.fails(Fault::Status(500), When::from(Op::ListPats, 2));
    assert_eq!(brief.states(), ["#1 committed", "#2 pending"]);
    assert!(log.contains("A new one that nobody holds may exist; the next run retires it."), "{log}");
    brief.heals("a lost reply and no list");
    assert_eq!(brief.states(), ["#1 superseded", "#2 superseded", "#3 committed"]);
}

#[test]
fn an_orphan_that_arrives_late_stops_the_run_before_anybody_holds_the_new_one() {
    let brief = InProcessJob::with_pat("24");
    let late = Duration::from_millis(400);
    brief.sim.inject(Fault::Late(late), When::nth(Op::CreatePat, 1));
    // The list after the second creation.
    brief.sim.inject(Fault::Late(late), When::nth(Op::ListPats, 3));
    let mut job = brief.job();
    job.limits.create_reply = late / 2;
    job.limits.read = late * 10;
    job.limits.reply = late * 10;
    assert_eq!(job.main(), Failed, "{}", job.log());
    assert!(job.log().contains("arrived late from an attempt of this run"), "{}", job.log());
    assert!(job.variable(VARIABLE).is_none());
    assert_eq!(brief.states(), ["#1 committed", "#3 pending"]);
    brief.heals("a late orphan");
    assert_eq!(brief.states(), ["#1 superseded", "#3 superseded", "#4 committed"]);
}

#[test]
fn an_orphan_that_arrives_during_the_job_stops_the_commit_and_is_not_called_another_run() {
    let brief = InProcessJob::with_pat("24");
    brief.sim.inject(Fault::Late(Duration::from_millis(900)), When::nth(Op::CreatePat, 1));
    let mut job = brief.job();
    job.limits.create_reply = Duration::from_millis(200);
    assert_eq!(job.main(), Succeeded, "{}", job.log());
    assert_eq!(brief.states(), ["#1 committed", "#2 pending"]);
    while brief.active().len() < 3 {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(job.settle("Succeeded"), Failed, "{}", job.log());
    assert_eq!(brief.states(), ["#1 committed", "#2 pending", "#3 pending"]);
    brief.heals("a very late orphan");
    assert_eq!(brief.states(), ["#1 superseded", "#2 superseded", "#3 superseded", "#4 committed"]);
    let log = job.log();
    assert!(!log.contains("has taken over"), "no other run was there:\n{log}");
}

#[test]
fn a_refused_creation_changes_nothing_and_names_the_policy_and_the_way_out() {
    let refusals = [
        ("disablePatCreationPolicyViolation", "Ask a Project Collection Administrator"),
        ("fullScopePatPolicyViolation", "Replace `app_token` in `scopes` by the scopes needed"),
        ("patLifespanPolicyViolation", "Enforce maximum personal access token lifespan"),
        ("globalPATCreationBlocked", "Report it: this task never requests that."),
        ("invalidScope", "Correct `scopes`"),
        ("invalidValidTo", "Lower `validForDays`."),
        ("invalidDisplayName", "Choose another `patName`"),
        ("failedToIssueAccessToken", "Run again: the service failed to complete the request."),
        ("accessDenied", "Sign in as an ordinary user"),
        ("aCodeOfTomorrow", "Check the policies of the organization"),
    ];
    for (code, advice) in refusals {
        let brief = InProcessJob::with_pat("24");
        let log = brief.fails(Fault::RefusedIn200(code.to_owned()), When::nth(Op::CreatePat, 1));
        let expected = [&format!("Azure DevOps refused: {code}"), "Nothing was changed.", advice];
        assert!(expected.iter().all(|text| log.contains(*text)), "{code}:\n{log}");
        assert_eq!((brief.sim.count(Op::CreatePat), brief.states()), (1, vec!["#1 committed".to_owned()]), "{code}");
    }
}

#[test]
fn a_policy_of_the_organization_is_named_through_the_launcher_too() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().creation_blocked = true;
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[]);
    assert_eq!(run.result, TaskResult::Failed);
    says(&run, &["disablePatCreationPolicyViolation", "Nothing was changed.", "allowlist"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
    assert_eq!(job.variable_value("rotate.rotated"), None);
}

#[test]
fn a_definite_no_to_the_creation_is_not_tried_again() {
    let nos = [
        (Fault::Status(400), "Azure DevOps answered 400"),
        (Fault::Status(401), "Azure DevOps answered 401"),
        (Fault::Status(403), "Azure DevOps answered 403"),
        (Fault::SignInPage, "Azure DevOps answered 203 with its sign-in page"),
        (Fault::SignInRedirect, "Azure DevOps answered 302 with its sign-in page"),
    ];
    for (fault, reason) in nos {
        let name = fault.name();
        let brief = InProcessJob::with_pat("24");
        let log = brief.fails(fault, When::every(Op::CreatePat));
        assert!(log.contains(reason) && log.contains("Nothing was changed."), "{name}:\n{log}");
        assert_eq!((brief.sim.count(Op::CreatePat), brief.states()), (1, vec!["#1 committed".to_owned()]), "{name}");
    }
}

#[test]
fn a_service_that_will_not_say_who_the_token_acts_for_does_not_stop_a_rotation_and_one_that_cannot_does() {
    for refusal in [401, 403, 404] {
        let brief = InProcessJob::with_pat("24");
        brief.sim.inject(Fault::Status(refusal), When::every(Op::ConnectionDataAsUser));
        let mut job = brief.job();
        assert_eq!(job.main(), Succeeded, "{refusal}\n{}", job.log());
        assert!(job.log().contains("note: could not learn who the token acts for: "), "{}", job.log());
        brief.hold(&job);
        assert_eq!(job.settle("Succeeded"), Succeeded, "{refusal}\n{}", job.log());
    }
    for failure in [Fault::Status(500), Fault::WrongShape] {
        let (name, brief) = (failure.name(), InProcessJob::with_pat("24"));
        let log = brief.fails(failure, When::every(Op::ConnectionDataAsUser));
        assert!(
            log.contains("could not learn who the token acts for in ") && log.contains("Nothing was changed."),
            "{name}\n{log}"
        );
        assert_eq!((brief.sim.count(Op::CreatePat), brief.states()), (0, vec!["#1 committed".to_owned()]), "{name}");
    }
}

#[test]
fn a_list_that_is_none_ends_the_run_before_anything_is_changed() {
    let nonsense: [(Fault, &[&str]); 6] = [
        (Fault::WrongShape, &["could not list the tokens", "JSON that is not as documented"]),
        (Fault::HugeBody(8 << 20), &["could not list the tokens", "more than 4 MiB"]),
        (
            Fault::SignInPage,
            &["203 with its sign-in page", "Open the organization in a browser as the rotating user rotator@contoso"],
        ),
        (
            Fault::SignInRedirect,
            &["302 with its sign-in page", "Open the organization in a browser as the rotating user rotator@contoso"],
        ),
        (Fault::Status(403), &["Azure DevOps answered 403"]),
        (Fault::Throttled(3600), &["asks to wait 3600 s"]),
    ];
    for (fault, reasons) in nonsense {
        let name = fault.name();
        let brief = InProcessJob::with_pat("24");
        let log = brief.fails(fault, When::every(Op::ListPats));
        assert!(reasons.iter().all(|text| log.contains(text)), "{name}:\n{log}");
        assert!(log.contains("Nothing was changed."), "{name}:\n{log}");
        assert_eq!((brief.sim.count(Op::CreatePat), brief.states()), (0, vec!["#1 committed".to_owned()]), "{name}");
    }
}

#[test]
fn a_throttled_request_is_sent_again_when_the_service_has_asked_for_it() {
    let ways: [fn() -> Fault; 4] =
        [|| Fault::Throttled(1), || Fault::Unavailable(1), || Fault::ThrottledUntil(1), || Fault::OkWithRetryAfter(1)];
    thread::scope(|scope| {
        for way in ways {
            for op in [Op::ListPats, Op::CreatePat, Op::UpdatePat, Op::RevokePat] {
                scope.spawn(move || {
                    let name = format!("{} at {op:?}", way().name());
                    let brief = InProcessJob::with_pat("0");
                    brief.sim.inject(way(), When::nth(op, 1));
                    let mut job = brief.job();
                    job.limits.repeat_within = Duration::from_secs(3);
                    let started = Instant::now();
                    assert_eq!(brief.run(&mut job), (Succeeded, Succeeded), "{name}\n{}", job.log());
                    let is_last = op == Op::RevokePat && matches!(way(), Fault::OkWithRetryAfter(_));
                    let waited = started.elapsed() >= Duration::from_millis(950);
                    assert!(waited || is_last, "{name}: after {:?}", started.elapsed());
                    assert_eq!(brief.active(), [NAME], "{name}");
                });
            }
        }
    });
}

#[test]
fn a_creation_that_the_service_puts_off_for_an_hour_is_not_sent_again() {
    for fault in [Fault::Throttled(3600), Fault::Unavailable(3600)] {
        let name = fault.name();
        let brief = InProcessJob::with_pat("24");
        let log = brief.fails(fault, When::every(Op::CreatePat));
        assert!(log.contains("asks to wait 3600 s"), "{name}:\n{log}");
        assert_eq!((brief.sim.count(Op::CreatePat), brief.states()), (1, vec!["#1 committed".to_owned()]), "{name}");
    }
}

#[test]
fn a_commit_of_which_nothing_is_heard_again_is_not_called_pending() {
    let brief = InProcessJob::with_pat("24");
    let mut job = brief.job();
    assert_eq!(job.main(), Succeeded, "{}", job.log());
    brief.sim.inject(Fault::ResetAfter, When::nth(Op::UpdatePat, 2));
    brief.sim.inject(Fault::Status(500), When::from(Op::ListPats, 3));
    assert_eq!(job.settle("Succeeded"), Failed, "{}", job.log());
    assert_eq!(brief.states(), ["#1 superseded", "#2 committed"]);
    let log = job.log();
    assert!(!log.contains("[pending"), "it may be committed, and is:\n{log}");
}

#[test]
fn a_revocation_of_which_nothing_is_heard_is_not_called_undone() {
    let brief = InProcessJob::with_pat("24");
    brief.sim.inject(Fault::ResetAfter, When::every(Op::RevokePat));
    brief.sim.inject(Fault::Status(500), When::from(Op::ListPats, 3));
    let log = brief.fails(Fault::Status(403), When::nth(Op::UpdatePat, 1));
    assert_eq!(brief.states(), ["#1 committed"], "{log}");
    assert!(log.contains("may not be revoked (") && !log.contains("could not be revoked"), "{log}");
}

#[test]
fn a_mark_of_which_nothing_is_heard_is_not_called_missing() {
    let brief = InProcessJob::with_pat("24");
    let mut job = brief.job();
    assert_eq!(job.main(), Succeeded, "{}", job.log());
    brief.sim.inject(Fault::StatusAfter(500), When::every(Op::UpdatePat));
    assert_eq!(job.settle("Failed"), Failed, "{}", job.log());
    assert_eq!(brief.states(), ["#1 committed", "#2 held"]);
    let log = job.log();
    assert!(log.contains("or is held now is not known"), "it is held:\n{log}");
}
