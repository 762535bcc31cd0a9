//! What the rows say: of a tenant where all is well, and of one thing, or three, that are not.

use std::path::Path;

use agent::{StepRun, TaskResult};
use serde_json::Value;
use simulator::Exchange;
use simulator::world::{NO_TENANT, VaultDenial};

use crate::harness::pipeline::{Pipeline, REFRESH, says};
use crate::report::files::mismatch;
use crate::sign_in::refresh_token::age;

const GROUP: &str = "variableGroup: Prod secrets/NUGET_PAT";

/// A pipeline whose rotations would write a group, which the job may.
fn pipeline() -> Pipeline {
    let pipeline = Pipeline::with_pat(5);
    let mut world = pipeline.sim.world();
    world
        .add_variable_group("Prod secrets")
        .secret("NUGET_PAT", "simulated-old")
        .administrator("Widgets Build Service")
        .add();
    drop(world);
    pipeline
}

fn check(pipeline: &Pipeline, more: &[(&str, &str)]) -> (StepRun, Value) {
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[&[("command", "check"), ("publishTo", GROUP)], more].concat());
    let file = job.variable_value("rotate.checkFile").map(|path| std::fs::read_to_string(path).unwrap());
    (run, file.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()))
}

/// Everything that a check sends.
pub(crate) fn requests() -> Vec<Exchange> {
    let pipeline = pipeline();
    check(&pipeline, &[]);
    pipeline.sim.transcript()
}

/// The keys of the rows with this outcome.
fn rows(file: &Value, outcome: &str) -> Vec<String> {
    let rows = file["rows"].as_array().unwrap().iter().filter(|row| row["outcome"] == outcome);
    rows.map(|row| row["row"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn where_all_is_well_each_row_says_so_and_the_canary_is_gone() {
    let pipeline = pipeline();
    let (run, file) = check(&pipeline, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["Result: checked: ", "revocation"]);
    assert_eq!(rows(&file, "not ok"), [""; 0]);
    assert_eq!(rows(&file, "cannot be known"), [""; 0], "{file:#}");
    assert_eq!(pipeline.active(), ["#1 nuget-publish"]);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    assert_eq!(mismatch(&schema, &schema, &file, ""), None);
    assert_eq!(run.summaries.len(), 1);
    assert!(
        run.summaries[0].text.contains("| shortened lifetime | `ends in 12 hours` | 12 hours |"),
        "{}",
        run.summaries[0].text
    );
    assert!(!file.to_string().contains("rotator"), "no name of a person: {file}");
}

#[test]
fn each_fault_is_named_by_its_row_with_what_to_do() {
    type Fault = fn(&Pipeline);
    let faults: [(&str, Fault, &[&str], &str); 9] = [
        ("no consent", |p| p.sim.world().app_mut("pat-rotator").delegated.clear(), &["signIn"], "AADSTS65001"),
        ("not a member", |p| p.sim.world().user_mut("rotator").member_of.clear(), &["list"], "TF401444"),
        (
            "Microsoft accounts",
            |p| NO_TENANT.clone_into(&mut p.sim.world().organizations[0].tenant),
            &["organization"],
            "Connect the organization to a Microsoft Entra tenant",
        ),
        (
            "no role",
            |p| {
                let mut world = p.sim.world();
                world.vault.readers.clear();
                world.vault.denial = VaultDenial::Role;
            },
            &["refreshToken"],
            "the role Key Vault Secrets Officer",
        ),
        ("80 days", |p| age(p, 80 * 24), &["refreshTokenAge"], "stored 80 days ago"),
        (
            "disabled",
            |p| p.sim.world().connections[0].disabled = true,
            &["connection"],
            "Enable the service connection",
        ),
        ("old issuer", |p| p.sim.world().use_old_issuer("pat-rotator"), &["issuer"], "retires on 2027-07-01"),
        ("cap", |p| p.sim.world().cap_days = Some(7), &["lifetime"], "Set `validForDays` to at most 7"),
        (
            "group",
            |p| p.sim.world().groups[0].administrators = vec!["somebody else".to_owned()],
            &["destinationWrite"],
            "the role Administrator in the Security of",
        ),
    ];
    for (what, arrange, expected, said) in faults {
        let pipeline = pipeline();
        arrange(&pipeline);
        let (run, file) = check(&pipeline, &[]);
        assert_eq!(run.result, TaskResult::Failed, "{what}: {}", run.log);
        assert_eq!(rows(&file, "not ok"), expected, "{what}: {}", run.log);
        says(&run, &[said, "not ok", "Result: failed: 1 of "]);
        assert_eq!(pipeline.active(), ["#1 nuget-publish"], "{what}");
    }
}

#[test]
fn three_faults_at_once_are_three_rows_and_what_depends_on_them_is_not_tried() {
    let pipeline = pipeline();
    {
        let mut world = pipeline.sim.world();
        world.vault.delete(REFRESH);
        NO_TENANT.clone_into(&mut world.organizations[0].tenant);
        world.groups[0].administrators = vec!["somebody else".to_owned()];
    }
    let (run, file) = check(&pipeline, &[]);
    assert_eq!(run.result, TaskResult::Failed);
    assert_eq!(rows(&file, "not ok"), ["refreshToken", "organization", "destinationWrite"], "{}", run.log);
    says(&run, &["Result: failed: 3 of ", "not tried: it depends on \"refresh token\"", "Now: Nothing was changed."]);
}

#[test]
fn a_dry_run_ends_with_the_rows_that_need_no_canary() {
    let pipeline = pipeline();
    pipeline.sim.world().groups[0].administrators = vec!["somebody else".to_owned()];
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[("publishTo", GROUP), ("dryRun", "true")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(
        &run,
        &[
            "dry run: no token",
            "not ok           writing destination 1",
            "; `command: check` also makes",
            "Result: dry run",
        ],
    );
    assert!(!run.log.contains("canary"), "{}", run.log);
    assert_eq!(pipeline.sim.count(simulator::Op::CreatePat), 0);
    assert_eq!(run.summaries.len(), 1);
    assert!(run.summaries[0].text.contains("writing destination 1"), "{}", run.summaries[0].text);
    assert_eq!(job.variable_value("rotate.checkFile"), None);
}

#[test]
fn an_old_refresh_token_does_not_keep_the_rest_from_being_checked() {
    let pipeline = pipeline();
    age(&pipeline, 80 * 24);
    let (run, file) = check(&pipeline, &[]);
    assert_eq!(rows(&file, "not ok"), ["refreshTokenAge"], "{}", run.log);
    assert_eq!(rows(&file, "cannot be known"), [""; 0], "{}", run.log);
}

#[test]
fn without_a_canary_what_it_settles_cannot_be_known_and_nothing_is_created() {
    let pipeline = pipeline();
    let (run, file) = check(&pipeline, &[("canary", "false")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(rows(&file, "cannot be known").len(), 18);
    assert_eq!(pipeline.sim.count(simulator::Op::CreatePat), 0);
}
