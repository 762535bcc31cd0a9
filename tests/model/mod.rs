//! The protocol as a small world of states, explored exhaustively within bounds: runs whose every request may be lost,
//! agents that die between any two, jobs that end in every way, rivals, attempts, retries, time. What runs decide by is
//! the shipped plan and look; what they do is in `step.rs`, in short. I1 to I3 are properties of every state.
//!
//! A request arrives at most ten minutes late. A person may rename, shorten or revoke what the runs did not make, between
//! the stages.
//!
//! Assumed away: that the process of a job's earlier attempt, out of its agent's reach, or a write that it has sent,
//! publishes after the later one has; that a request is under way for hours, or longer than its build; that a creation
//! both arrives late and is missing in lists until the commit, or that a step is retried within the minute in which its
//! first try superseded, and that this run is then killed; that a release's job stores its value after the six hours for
//! which it counts as alive; that a job outlives the overlap it was told of; that of two settle
//! steps at once one has its commit arrive late, after another build's whole rotation. Of two with one name, the hand that the log
//! asks for comes before the healing run. For the matrix to see are a creation that is repeated blindly, as it leaves
//! one more pending one, which the next run retires, and a retirement before the commit, as a job has proven the new one
//! by then.

mod around;
mod explore;
mod promise;
mod rules;
mod scenario;
mod shipped;
mod step;
mod world;

use self::explore::explore;
use self::rules::Without;
use self::scenario::Scenario;
use crate::robustness::matrix::tally;

#[test]
fn no_scenario_breaks_a_promise_in_any_order_of_events() {
    promises_hold("model", &scenario::all());
}

#[test]
#[ignore = "takes minutes"]
fn nor_when_three_hours_more_pass() {
    // A step is repeated within seconds: see the scenario.
    let longer = scenario::all().into_iter().filter(|it| it.name != "retried");
    let longer = longer.map(|it| it.with(|it| it.ticks += 1));
    promises_hold("model, three hours more", &longer.collect::<Vec<_>>());
}

#[track_caller]
fn promises_hold(what: &str, scenarios: &[Scenario]) {
    let hold = |it: &Scenario| {
        let explored = explore(it);
        tally::say(&format!("{what}, {}: {} states", it.name, explored.states));
        explored.violation.map_or(Ok(()), Err)
    };
    tally::play(what, scenarios, |it| it.name.to_owned(), hold);
}

#[test]
fn each_rule_that_is_left_out_breaks_a_promise() {
    tally::play("model, rules left out", &rules_left_out(), told, |(scenario, promise)| {
        let explored = explore(scenario);
        tally::say(&format!("model, {}, without {:?}: {} states", scenario.name, scenario.without, explored.states));
        match explored.violation {
            Some(told) if told.lines().last().is_some_and(|last| last.starts_with(promise)) => Ok(()),
            Some(told) => Err(format!("not {promise} was broken but:\n{told}")),
            None => Err(format!("{} states, and nothing is broken", explored.states)),
        }
    });
}

fn told((scenario, promise): &(Scenario, &str)) -> String {
    format!("{}, without {:?}: {promise}", scenario.name, scenario.without)
}

/// Each rule with a scenario that needs it, and the promise that it keeps there.
fn rules_left_out() -> Vec<(Scenario, &'static str)> {
    let dies_unfinished = || {
        scenario::one_build().with(|it| {
            it.name = "one build, whose token expires";
            it.life = scenario::TICK;
        })
    };
    let cases = [
        (Without::AliveRivals, scenario::no_overlap(), "I1"),
        (Without::AskingForBuilds, scenario::no_overlap().with(|it| it.ticks = 3), "I1"),
        (Without::HashInK, scenario::two_jobs().with(|it| (it.overlap, it.has_snapshots) = (0, false)), "I1"),
        (Without::OrphansAreNew, scenario::retried().with(|it| it.ticks = 1), "I2"),
        (
            Without::PublishDeadline,
            scenario::two_releases().with(|it| (it.overlap, it.has_snapshots) = (0, false)),
            "I1",
        ),
        (Without::UnansweredIsDelivered, scenario::one_build(), "I2"),
        (Without::PendingAfterUnanswered, scenario::no_overlap(), "I1"),
        (
            Without::PredecessorsOfPlan,
            scenario::two_releases().with(|it| (it.kills, it.has_snapshots) = (0, true)),
            "I1",
        ),
        (Without::Look, scenario::two_releases(), "I3"),
        (Without::FreshList, scenario::hands_during_a_job(), "I1"),
        (Without::CommitOnce, scenario::two_builds(), "I3"),
        (Without::SettleWithin, scenario::late_rerun(), "I3"),
        (Without::EarlierAttempts, scenario::late_rerun(), "I3"),
        (Without::EarlierTries, scenario::settle_step_again(), "I3"),
        (Without::FreshLook, scenario::two_releases(), "I3"),
        (Without::IssuesAreFailure, scenario::one_build(), "I2"),
        (Without::RevokeBeforeLook, scenario::refused_rename().with(|it| it.overlap = 0), "I3"),
        (Without::CleanAfterEnd, scenario::not_due(), "I1"),
        (Without::SafeShortening, scenario::later_cap(), "I1"),
        (Without::RenameAlone, scenario::later_cap(), "I1"),
        (Without::OneCommittedIsDue, dies_unfinished(), "I3"),
        (Without::LeftoversAreDue, scenario::one_build(), "I3"),
        (Without::RecordsAreDue, dies_unfinished(), "I3"),
        (Without::SupersededIsNotDue, scenario::one_build(), "I3"),
        (Without::LeftoversAreReplaced, scenario::one_build(), "I3"),
        (Without::SecondIsLeftAlone, scenario::by_hand(), "I1"),
        (Without::SecondIsLeftAloneAfterwards, scenario::by_hand(), "I1"),
        (Without::AfterJobForVariables, scenario::one_build(), "I1"),
    ];
    cases.into_iter().map(|(rule, scenario, promise)| (scenario.with(|it| it.without = Some(rule)), promise)).collect()
}
