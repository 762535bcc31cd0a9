//! Where the newer refresh token goes: a vault, or a variable of a group of which nothing else is touched. Nothing that
//! happens to a run on the way leaves the next one without a refresh token that works.

use jiff::SignedDuration;

use crate::harness::pipeline::{Pipeline, REFRESH, lines_with, says};
use crate::sign_in::refresh_token::{age, settled, versions};
use agent::{Job, StepRun, TaskResult};
use simulator::world::{BUILD_SERVICE, World};
use simulator::{Fault, Op, When};

const NO_SECRET: (&str, &str) = ("refreshTokenSecret", "");
const VARIABLE: &str = "ROTATOR_REFRESH";
const GROUP_LINE: &str = "variableGroup: Rotation/ROTATOR_REFRESH";

/// A pipeline whose refresh token is a secret variable of a group that the job is linked to.
pub(crate) struct Grouped {
    pub(crate) pipeline: Pipeline,
    group: u32,
}

impl Grouped {
    pub(crate) fn new() -> Self {
        let pipeline = Pipeline::with_pat(5);
        let group = {
            let mut world = pipeline.sim.world();
            world.vault.secrets.clear();
            world.members.push("pat-rotator".to_owned());
            let refresh = world.refresh_token_for("rotator", "pat-rotator");
            world
                .add_variable_group("Rotation")
                .secret(VARIABLE, &refresh)
                .secret("DB_PASSWORD", "simulated-password-of-a-database")
                .plain("REGION", "westeurope")
                .read_only("TIER", "gold")
                .shared_with("Gadgets")
                .administrator("pat-rotator")
                .add()
        };
        Self { pipeline, group }
    }

    pub(crate) fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.pipeline.sim.world()
    }

    fn value(&self, name: &str) -> String {
        self.world().secret_value(self.group, name).to_owned()
    }

    /// The job gets what the group holds.
    pub(crate) fn job(&self) -> Job {
        let held = self.value(VARIABLE);
        self.pipeline.job().secret_variable(VARIABLE, &held)
    }

    pub(crate) fn next_job(&self) -> Job {
        self.world().next_run();
        self.job()
    }

    /// The main stage of a run that has nothing to rotate.
    pub(crate) fn main(&self, job: &mut Job) -> StepRun {
        let token = format!("$({VARIABLE})");
        let inputs = [
            NO_SECRET,
            ("refreshToken", token.as_str()),
            ("refreshTokenStore", GROUP_LINE),
            ("rotateWhenDaysLeft", "3"),
        ];
        self.pipeline.main(job, &inputs)
    }

    /// What the group says of the end of what it holds is that much earlier.
    fn age(&self, hours: i64) {
        let ends: jiff::Timestamp = self.value("ROTATOR_REFRESH_VALID_TO").parse().expect("a time");
        let earlier = ends - SignedDuration::from_hours(hours);
        self.world().set_group_variable(self.group, "ROTATOR_REFRESH_VALID_TO", &earlier.to_string());
    }

    /// No write has touched anything but the token and its date.
    #[track_caller]
    fn wrote_nothing_else(&self) {
        let world = self.world();
        for write in &world.group_writes {
            for name in write.added.iter().chain(&write.changed) {
                assert!([VARIABLE, "ROTATOR_REFRESH_VALID_TO"].contains(&name.as_str()), "{write:?}");
            }
            assert!(write.removed.is_empty() && write.unshared.is_empty() && !write.relabelled, "{write:?}");
        }
        let group = world.variable_group(self.group);
        assert!(group.variable(VARIABLE).unwrap().is_secret);
        assert_eq!(group.variable("DB_PASSWORD").unwrap().value, "simulated-password-of-a-database");
        assert!(group.variable("TIER").unwrap().is_read_only);
    }
}

#[test]
fn a_group_gets_the_newer_token_before_anything_else_with_its_end_beside_it_and_the_next_run_uses_it() {
    let grouped = Grouped::new();
    let old = grouped.value(VARIABLE);
    let mut job = grouped.job();
    let run = grouped.main(&mut job);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["stored the newer refresh token in variable \"ROTATOR_REFRESH\" in variable group \"Rotation\""]);
    assert_eq!(run.warning_count, 0, "{:?}", run.warnings);
    let newer = grouped.value(VARIABLE);
    assert_ne!(newer, old);
    let ends: jiff::Timestamp = grouped.value("ROTATOR_REFRESH_VALID_TO").parse().expect("a time");
    let days = ends.duration_since(grouped.world().now()).as_hours() / 24;
    assert!((89..=90).contains(&days), "{days}");
    grouped.wrote_nothing_else();
    let operations = grouped.pipeline.operations();
    let at = |op: &str| operations.iter().position(|one| one == op).unwrap();
    assert!(at("TokenRefresh") < at("UpdateGroup") && at("UpdateGroup") < at("ListPats"), "{operations:?}");

    let mut job = grouped.next_job();
    let run = grouped.main(&mut job);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let world = grouped.world();
    let used = world.refresh_tokens.iter().find(|token| token.value == newer).unwrap();
    assert_eq!((used.redeemed, world.group_writes.len()), (1, 1), "fresh: used, and not replaced");
}

#[test]
fn group_is_written_again_once_its_token_is_a_week_old() {
    for (hours, writes) in [(7 * 24 - 1, 1), (7 * 24 + 1, 2)] {
        let grouped = Grouped::new();
        grouped.main(&mut grouped.job());
        grouped.age(hours);
        let run = grouped.main(&mut grouped.next_job());
        assert_eq!((run.result, run.warning_count), (TaskResult::Succeeded, 0), "{}", run.log);
        assert_eq!(grouped.world().group_writes.len(), writes, "{hours}");
        grouped.wrote_nothing_else();
    }
}

#[test]
fn a_whole_rotation_keeps_its_refresh_token_in_a_group() {
    let grouped = Grouped::new();
    let mut job = grouped.job();
    let token = format!("$({VARIABLE})");
    let inputs = [NO_SECRET, ("refreshToken", token.as_str()), ("refreshTokenStore", GROUP_LINE)];
    grouped.pipeline.rotate(&mut job, &inputs);
    settled(&grouped.pipeline);
    grouped.wrote_nothing_else();
}

#[test]
fn a_group_that_only_the_job_may_write_is_written_with_a_warning() {
    let grouped = Grouped::new();
    grouped.world().variable_group_mut(grouped.group).administrators = vec![BUILD_SERVICE.to_owned()];
    let run = grouped.main(&mut grouped.job());
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert!(run.warnings.len() == 1 && run.warnings[0].contains("the job's own token"), "{:?}", run.warnings);
    assert_eq!(grouped.world().group_writes.len(), 1);
}

#[test]
fn a_public_client_without_any_connection_keeps_its_refresh_token_in_a_group_that_the_job_may_write() {
    let grouped = Grouped::new();
    let client = {
        let mut world = grouped.world();
        world.variable_group_mut(grouped.group).administrators = vec![BUILD_SERVICE.to_owned()];
        let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
        world.set_group_variable(grouped.group, VARIABLE, &refresh);
        world.app("pat-rotator-public").client_id.clone()
    };
    let mut job = grouped.job();
    let token = format!("$({VARIABLE})");
    let inputs = [
        NO_SECRET,
        ("azureSubscription", ""),
        ("clientId", client.as_str()),
        ("refreshToken", token.as_str()),
        ("refreshTokenStore", GROUP_LINE),
    ];
    grouped.pipeline.rotate(&mut job, &inputs);
    settled(&grouped.pipeline);
    grouped.wrote_nothing_else();
    let by: Vec<String> = grouped.world().group_writes.iter().map(|write| write.by.clone()).collect();
    assert_eq!(by, [BUILD_SERVICE]);
}

#[test]
fn a_group_that_cannot_be_read_or_written_is_a_warning_and_the_token_used_still_works() {
    type Arrange = fn(&Grouped);
    let cases: [(&str, Arrange, &[&str]); 5] = [
        (
            "nobody may write",
            |grouped| grouped.world().variable_group_mut(grouped.group).administrators.clear(),
            &["role Administrator in the Security of variable group"],
        ),
        (
            "nobody sees it",
            |grouped| {
                let mut world = grouped.world();
                let group = world.variable_group_mut(grouped.group);
                group.administrators.clear();
                group.readers.clear();
            },
            &["sees no variable group", "Check its name and project"],
        ),
        (
            "not secret",
            |grouped| {
                let mut world = grouped.world();
                let group = world.variable_group_mut(grouped.group);
                group.variables.get_mut(VARIABLE).unwrap().is_secret = false;
            },
            &["it is there, but not secret", "Make it a secret variable"],
        ),
        (
            "its date is secret",
            |grouped| {
                let mut world = grouped.world();
                world.set_group_variable(grouped.group, "ROTATOR_REFRESH_VALID_TO", "simulated-secret-date");
                let group = world.variable_group_mut(grouped.group);
                group.variables.get_mut("ROTATOR_REFRESH_VALID_TO").unwrap().is_secret = true;
            },
            &["which should hold the record, is a secret variable"],
        ),
        ("busy", |grouped| grouped.pipeline.sim.inject(Fault::Status(400), When::every(Op::UpdateGroup)), &["400"]),
    ];
    for (what, arrange, said) in cases {
        let grouped = Grouped::new();
        arrange(&grouped);
        let before = grouped.value(VARIABLE);
        let run = grouped.main(&mut grouped.job());
        assert_eq!((run.result, run.warning_count), (TaskResult::Succeeded, 1), "{what}\n{}", run.log);
        says(
            &run,
            &["could not store the newer refresh token in variable \"ROTATOR_REFRESH\"", "The one used still works."],
        );
        says(&run, said);
        assert!(!run.log.contains("cannot publish"), "nothing is published here: {what}\n{}", run.log);
        assert!(!run.log.contains("expires in about"), "its age is not known: {what}\n{}", run.log);
        assert_eq!((grouped.value(VARIABLE), grouped.world().group_writes.len()), (before, 0), "{what}");
        let run = grouped.main(&mut grouped.next_job());
        assert_eq!(run.result, TaskResult::Succeeded, "the next run: {what}\n{}", run.log);
    }
}

#[test]
fn a_group_that_cannot_be_written_is_a_louder_warning_near_the_end() {
    let grouped = Grouped::new();
    grouped.main(&mut grouped.job());
    grouped.age(80 * 24);
    grouped.world().variable_group_mut(grouped.group).administrators.clear();
    let run = grouped.main(&mut grouped.next_job());
    assert_eq!((run.result, run.warning_count), (TaskResult::Succeeded, 2), "{}", run.log);
    assert_eq!(lines_with(&run, "expires in about 9 days. Sign in again as the rotating user").len(), 1, "{}", run.log);
}

#[test]
fn a_vault_as_the_store_of_a_variable_is_written_once_a_week_and_made_where_there_is_none() {
    for (is_there, hours, writes) in [(false, 0, 1), (true, 7 * 24 - 1, 0), (true, 7 * 24 + 1, 1)] {
        let pipeline = Pipeline::with_pat(5);
        if is_there {
            age(&pipeline, hours);
        } else {
            pipeline.sim.world().vault.secrets.clear();
        }
        let refresh = pipeline.sim.world().refresh_token_for("rotator", "pat-rotator");
        let store = format!("{}/secrets/{REFRESH}", pipeline.sim.origin());
        let mut job = pipeline.job().secret_variable("refresh", &refresh);
        let inputs = [NO_SECRET, ("refreshToken", "$(refresh)"), ("refreshTokenStore", store.as_str())];
        let (main, _) = pipeline.rotate(&mut job, &inputs);
        settled(&pipeline);
        assert_eq!((main.warning_count, pipeline.sim.count(Op::VaultWrite)), (0, writes), "{}", main.log);
        let stored = versions(&pipeline).pop().unwrap();
        let world = pipeline.sim.world();
        assert_eq!(
            world.refresh_tokens.iter().any(|token| token.value == stored.value && token.number > 2),
            writes == 1
        );
        if !is_there {
            assert_eq!(stored.content_type.as_deref(), Some("Microsoft Entra refresh token"));
        }
    }
}

#[test]
fn a_vault_that_cannot_be_read_or_written_is_a_warning_for_a_variables_token_too() {
    for is_readable in [true, false] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().vault.secrets.clear();
        pipeline.sim.world().vault.writers.clear();
        if !is_readable {
            pipeline.sim.world().vault.readers.clear();
        }
        let refresh = pipeline.sim.world().refresh_token_for("rotator", "pat-rotator");
        let store = format!("{}/secrets/{REFRESH}", pipeline.sim.origin());
        let mut job = pipeline.job().secret_variable("refresh", &refresh);
        let inputs = [NO_SECRET, ("refreshToken", "$(refresh)"), ("refreshTokenStore", store.as_str())];
        let (main, _) = pipeline.rotate(&mut job, &inputs);
        settled(&pipeline);
        assert_eq!(main.warning_count, 1, "{}", main.log);
        says(
            &main,
            &[
                "could not store the newer refresh token in secret",
                "The one used still works.",
                "Key Vault Secrets Officer",
            ],
        );
    }
}

#[test]
fn a_fault_at_any_request_to_the_group_leaves_it_with_a_refresh_token_that_works() {
    let requests =
        [(Op::TokenRefresh, 1), (Op::ListGroups, 1), (Op::GetGroup, 1), (Op::GetGroup, 2), (Op::UpdateGroup, 1)];
    for (op, n) in requests {
        for fault in [|| Fault::ResetAfter, || Fault::Status(403), || Fault::WrongShape] {
            let grouped = Grouped::new();
            grouped.pipeline.sim.inject(fault(), When::nth(op, n));
            grouped.main(&mut grouped.job());
            assert!(grouped.pipeline.sim.count(op) >= n, "{op:?} {n}");
            grouped.pipeline.sim.clear_faults();
            let next = grouped.main(&mut grouped.next_job());
            assert_eq!(next.result, TaskResult::Succeeded, "{} at {op:?} {n}\n{}", fault().name(), next.log);
            grouped.wrote_nothing_else();
        }
    }
}

#[test]
fn a_refresh_token_that_somebody_stored_with_a_line_end_is_redeemed_without() {
    for ends in ["\n", "\r\n", " "] {
        let pipeline = Pipeline::with_pat(5);
        let stored = pipeline.sim.world().vault.value(REFRESH).to_owned() + ends;
        pipeline.sim.world().vault.secrets.clear();
        pipeline.sim.world().set_secret(REFRESH, &stored, &[]);
        pipeline.rotate(&mut pipeline.job(), &[]);
        settled(&pipeline);
    }
}
