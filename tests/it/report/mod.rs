//! `command: report`, through the packaged task: whose tokens are listed, what is missing when it cannot be whole, and
//! that nobody is missing or listed twice whatever happens to the lists meanwhile.

mod cut_short;
pub(crate) mod files;
mod month;
mod organization;
mod own;
mod paging;
mod refused;
mod throttle;
mod token_ends;
mod whole;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::Pipeline;
use agent::{Interruption, Job, StepRun, TaskResult, When as Moment};
use simulator::{Fault, Op, PatState, Simulator, When, World};

/// What an administrator's token has to allow.
pub(crate) const ADMINISTRATION: &str = "vso.graph vso.tokenadministration";

/// The audience of its tokens.
pub(crate) const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// An organization with so many people beside the rotator and Alice; the rotator is its administrator.
pub(crate) fn organization(people: u64) -> Pipeline {
    let pipeline = Pipeline::new();
    arrange(&mut pipeline.sim.world(), people);
    pipeline
}

fn arrange(world: &mut World, people: u64) {
    world.add_crowd(people);
    world.add_pat("nuget-publish").days_left(5).add();
    world.add_pat("feed of alice").owner("alice").days_left(40).add();
    let scopes = ADMINISTRATION.split(' ').map(str::to_owned);
    world.app_mut("pat-rotator").delegated.extend(scopes);
}

pub(crate) const OF_ALL: (&str, &str) = ("reportScope", "organization");

/// The inputs of a report, signed in with the refresh token of the rotator, and these more (or in their place).
fn inputs<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("command", "report"), ("patName", ""), ("variable", "")], more].concat()
}

pub(crate) fn report(pipeline: &Pipeline, job: &mut Job, more: &[(&str, &str)]) -> StepRun {
    report_interrupted(pipeline, job, more, Interruption::None)
}

fn report_interrupted(pipeline: &Pipeline, job: &mut Job, more: &[(&str, &str)], how: Interruption) -> StepRun {
    pipeline.main_interrupted(job, &inputs(more), how)
}

/// A whole report of the organization, which succeeds.
#[track_caller]
fn whole(pipeline: &Pipeline) -> (StepRun, Listed) {
    let mut job = pipeline.job();
    let run = report(pipeline, &mut job, &[OF_ALL]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let listed = Listed::of(&job);
    listed.is_whole(&pipeline.sim.world());
    (run, listed)
}

/// The report in this process, where limits are milliseconds, with an access token from an earlier step.
pub(crate) fn local(people: u64, more: &[(&str, &str)]) -> (Arc<Simulator>, LocalJob) {
    let mut world = World::new();
    arrange(&mut world, people);
    let token = world.user_token(ADMINISTRATION);
    let sim = Arc::new(Simulator::start(world));
    let fixed = [("command", "report"), OF_ALL, ("accessToken", token.as_str())];
    let mut job = LocalJob::new(&sim, &[&fixed, more].concat());
    job.set("AGENT_TEMPDIRECTORY", reports_folder().to_str().unwrap());
    (sim, job)
}

/// What stands for the agent's folder where there is no agent.
pub(crate) fn reports_folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("reports");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The file for programs, as a later step reads it.
struct Listed(Value);

impl Listed {
    #[track_caller]
    fn of(job: &Job) -> Self {
        Self::read(job.variable_value("rotate.reportFile").expect("the report's file is an output"))
    }

    #[track_caller]
    fn read(path: &str) -> Self {
        Self(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
    }

    fn number(&self, field: &str) -> u64 {
        self.0[field].as_u64().unwrap_or_else(|| panic!("no number {field} in the report"))
    }

    /// Each token as its owner's descriptor and its id, sorted.
    fn tokens(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let one = |token: &Value| (text(&token["owner"]["id"]), text(&token["authorizationId"]));
        let mut tokens: Vec<_> = self.0["tokens"].as_array().unwrap().iter().map(one).collect();
        tokens.sort();
        tokens
    }

    fn token(&self, id: &str) -> &Value {
        let list = self.0["tokens"].as_array().unwrap();
        list.iter().find(|token| token["authorizationId"] == id).unwrap_or_else(|| panic!("{id} is not in the report"))
    }

    /// Every token of everybody, once, and nothing is said to be missing.
    #[track_caller]
    fn is_whole(&self, world: &World) {
        let (listed, all) = (self.tokens(), tokens_of_all(world));
        let missing: Vec<_> = all.iter().filter(|token| listed.binary_search(token).is_err()).collect();
        assert!(missing.is_empty(), "missing: {missing:?}; not read: {}", self.0["notRead"]);
        assert_eq!(listed.len(), all.len(), "something is listed twice");
        assert_eq!(self.0["isPartial"], false);
        assert_eq!(self.number("owners"), people(world));
    }

    /// Nothing that is not there, nothing twice, and it says that something is missing, and why. All people are either
    /// listed or counted as missing.
    #[track_caller]
    fn is_a_part(&self, world: &World, why: &str) {
        let (tokens, all) = (self.tokens(), BTreeSet::from_iter(tokens_of_all(world)));
        assert!(tokens.windows(2).all(|pair| pair[0] != pair[1]), "a token is listed twice");
        assert!(tokens.iter().all(|token| all.contains(token)), "a token is listed that nobody has");
        assert!(tokens.len() < all.len(), "nothing is missing");
        assert_eq!(self.0["isPartial"], true);
        assert!(self.0["stopped"].as_str().is_some_and(|stopped| stopped.contains(why)), "{}", self.0["stopped"]);
    }
}

/// How many people there are.
fn people(world: &World) -> u64 {
    world.everybody("contoso").count() as u64
}

/// What an administrator can see that was not revoked: each token as its owner's descriptor and its id, sorted.
fn tokens_of_all(world: &World) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for person in world.everybody("contoso") {
        let pats = world.pats_of("contoso", &person).into_iter();
        let there = pats.filter(|pat| pat.is_valid || pat.valid_to <= world.now());
        all.extend(there.map(|pat| (person.descriptor.clone(), pat.id)));
    }
    all.sort();
    all
}

/// Whose tokens were asked for, in the order of the requests, without the later pages of a list.
fn asked_for(sim: &Simulator) -> Vec<String> {
    let transcript = sim.transcript();
    let lists = transcript.iter().filter(|one| one.op == Op::ListPatsOfUser && !one.path.contains("continuationToken"));
    lists.map(|one| one.path.split(['/', '?']).find(|part| part.contains('.')).unwrap().to_owned()).collect()
}

/// A failure before anything was listed: one error in these words, and no report.
#[track_caller]
fn fails_without_a_report(job: &Job, run: &StepRun, words: &[&str]) {
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    let [line] = &run.errors[..] else { panic!("not one error\n{}", run.log) };
    for words in words {
        assert!(line.contains(words), "no {words:?} in\n    {line}");
    }
    assert!(run.summaries.is_empty() && job.variable_value("rotate.reportFile").is_none(), "{}", run.log);
}

/// Once the world has met the `n`th of these requests.
fn handled(pipeline: &Pipeline, op: Op, n: usize) -> Moment {
    let reached = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&reached);
    pipeline.sim.inject(Fault::after(move |_| flag.store(true, Ordering::SeqCst)), When::nth(op, n));
    Moment::Flag(reached)
}

/// The ids of the rotator's tokens that are in this state.
fn own_ids(world: &World, state: PatState) -> Vec<String> {
    let own = world.pats.iter().filter(|pat| pat.owner == "rotator" && pat.state(world.now()) == state);
    own.map(|pat| pat.id.clone()).collect()
}
