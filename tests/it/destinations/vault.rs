//! Key vaults as destinations: what they hold, what they say they hold, and what is true when one of them fails.

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, VARIABLE, says};
use agent::{Job, StepRun, TaskResult};
use simulator::world::SecretVersion;
use simulator::{Fault, Op, Simulator, When};

/// The secret that a value is published to.
pub(crate) const PLACE: &str = "nuget-pat";
const OTHER: &str = "nuget-pat-copy";

/// A pipeline in which somebody reads the vault at every instant: once a value worked, what the vault holds works.
fn read_all_the_time(days_left: i32) -> Pipeline {
    let pipeline = Pipeline::new();
    pipeline.sim.world().new_pats_valid_after = 0;
    pipeline.add(NAME, days_left);
    watch(&pipeline.sim);
    pipeline
}

/// What the vault holds is tried after every request; see `read_all_the_time`.
pub(crate) fn watch(sim: &Simulator) {
    let mut trusted: Vec<String> = Vec::new();
    sim.on_each_request(Box::new(move |world, exchange| {
        for place in [PLACE, OTHER] {
            let value = world.vault.value(place);
            if value.is_empty() {
                continue;
            }
            let works = world.secret_works(value);
            let was_trusted = trusted.iter().any(|known| known == place);
            assert!(works || !was_trusted, "I1: {place} holds a dead PAT after {exchange}\n{}", world.listing());
            if works && !was_trusted {
                trusted.push(place.to_owned());
            }
        }
    }));
}

fn url(pipeline: &Pipeline, place: &str) -> String {
    format!("{}/secrets/{place}", pipeline.sim.origin())
}

/// The current version.
fn held(pipeline: &Pipeline, place: &str) -> Option<SecretVersion> {
    pipeline.sim.world().vault.current(place).cloned()
}

/// The number of the PAT whose value a place holds.
fn number(pipeline: &Pipeline, place: &str) -> Option<u64> {
    let value = held(pipeline, place)?.value;
    pipeline.sim.world().pat_of_secret(&value).map(|pat| pat.number)
}

/// Puts a PAT into a place by hand, with the record of that PAT or of another.
fn put(pipeline: &Pipeline, place: &str, value: &str, recorded: &str) {
    pipeline.sim.world().set_secret(place, value, &[("authorizationId", recorded)]);
}

fn main(pipeline: &Pipeline, job: &mut Job, lines: &[&str], more: &[(&str, &str)]) -> StepRun {
    let lines: Vec<String> = lines.iter().map(|place| url(pipeline, place)).collect();
    pipeline.main(job, &[&[("publishTo", lines.join("\n").as_str()), ("variable", "")], more].concat())
}

/// A whole job that publishes to vaults alone and succeeds.
fn rotate(pipeline: &Pipeline, job: &mut Job, lines: &[&str], more: &[(&str, &str)]) -> (StepRun, StepRun) {
    let run = main(pipeline, job, lines, more);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let post = pipeline.post(job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    (run, post)
}

/// A run at nine days left, of which it must say whether a rotation was due.
fn is_due(pipeline: &Pipeline, more: &[(&str, &str)]) -> (bool, StepRun) {
    let mut job = pipeline.next_job();
    let run = main(pipeline, &mut job, &[PLACE], &[&[("rotateWhenDaysLeft", "9")], more].concat());
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    (job.variable_value("rotate.rotated") == Some("true"), run)
}

#[test]
fn a_vault_alone_gets_the_value_and_the_record_of_which_one_it_is() {
    let forms: [fn(String) -> String; 3] =
        [|url| url, |url| format!("keyVault: {url}"), |url| format!("\n  KEYVAULT:{url}/ \n")];
    for form in forms {
        let pipeline = read_all_the_time(5);
        let mut job = pipeline.job();
        let line = form(url(&pipeline, PLACE));
        let run = pipeline.main(&mut job, &[("publishTo", &line), ("variable", "")]);
        assert_eq!(run.result, TaskResult::Succeeded, "{line}\n{}", run.log);
        let post = pipeline.post(&mut job);
        assert_eq!(post.result, TaskResult::Succeeded, "{line}\n{}", post.log);

        let (stored, world) = (held(&pipeline, PLACE).unwrap(), pipeline.sim.world());
        let new = world.pat_of_secret(&stored.value).unwrap();
        assert_eq!((new.number, new.name.as_str()), (2, NAME));
        assert_eq!(stored.expires, Some(new.valid_to.as_second()));
        assert_eq!(stored.content_type.as_deref(), Some("Azure DevOps personal access token"));
        let tag = |name: &str| stored.tags.get(name).map(String::as_str);
        let names: Vec<&str> = stored.tags.keys().map(String::as_str).collect();
        assert_eq!(names, ["authorizationId", "organization", "patName", "run", "validTo"]);
        assert_eq!((tag("authorizationId"), tag("organization")), (Some(new.id.as_str()), Some("contoso")));
        assert_eq!(tag("patName"), Some(NAME));
        assert!(tag("run").unwrap().starts_with("101.1-") && tag("validTo").unwrap().ends_with('Z'));
        assert_eq!((job.variable_value(VARIABLE), job.variable_value("PAT")), (None, None));
    }
}

#[test]
fn a_vault_is_written_before_the_variable_is_set() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let (run, _) = pipeline.rotate(&mut job, &[("publishTo", &url(&pipeline, PLACE))]);
    let at = |text: &str| run.log.find(text).unwrap_or_else(|| panic!("{text}: {}", run.log));
    assert!(at("published to secret \"nuget-pat\"") < at("set the secret job variable"));
    assert_eq!(held(&pipeline, PLACE).unwrap().value, job.variable_value(VARIABLE).unwrap());
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}

/// Whether each version of a place is enabled, oldest first.
fn enabled(pipeline: &Pipeline) -> Vec<bool> {
    pipeline.sim.world().vault.secret(PLACE).unwrap().versions.iter().map(|version| version.enabled).collect()
}

#[test]
fn older_version_is_disabled_once_its_token_is_no_longer_active() {
    let pipeline = read_all_the_time(5);
    pipeline.sim.world().set_secret(PLACE, "somebody's own", &[("owner", "platform")]);
    for _ in 0..2 {
        rotate(&pipeline, &mut pipeline.next_job(), &[PLACE], &[]);
    }
    assert_eq!(enabled(&pipeline), [true; 3], "#2 works for the overlap, so its version can be read");
    let mut job = pipeline.next_job();
    assert_eq!(main(&pipeline, &mut job, &[PLACE], &[("overlapHours", "0")]).result, TaskResult::Succeeded);
    assert_eq!(enabled(&pipeline), [true; 4], "the job may still fail");
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(enabled(&pipeline), [true, true, false, true], "#3 was revoked at once, #2 is in its overlap");
    pipeline.sim.world().advance(jiff::SignedDuration::from_hours(25));
    rotate(&pipeline, &mut pipeline.next_job(), &[PLACE], &[]);
    assert_eq!(enabled(&pipeline), [true, false, false, true, true]);
}

#[test]
fn versions_of_another_organization_are_never_disabled() {
    let pipeline = read_all_the_time(5);
    let tags = [("authorizationId", "0a1b2c3d-0000-4000-8000-000000000001"), ("organization", "fabrikam")];
    pipeline.sim.world().set_secret(PLACE, "another organization's PAT", &tags);
    rotate(&pipeline, &mut pipeline.next_job(), &[PLACE], &[("overlapHours", "0")]);
    rotate(&pipeline, &mut pipeline.next_job(), &[PLACE], &[("overlapHours", "0")]);
    assert_eq!(enabled(&pipeline), [true, false, true]);
}

#[test]
fn version_disabled_by_hand_holds_nothing_so_the_run_is_due() {
    let pipeline = read_all_the_time(20);
    assert!(is_due(&pipeline, &[]).0);
    {
        let mut world = pipeline.sim.world();
        let current = world.vault.current_mut(PLACE).unwrap();
        current.tags.insert("costCenter".to_owned(), "4711".to_owned());
        current.enabled = false;
    }
    let (rotated, run) = is_due(&pipeline, &[("overlapHours", "0")]);
    assert!(rotated, "{}", run.log);
    says(&run, &["secret \"nuget-pat\" in vault \"127.0.0.1\" has no record"]);
    assert_eq!((number(&pipeline, PLACE), enabled(&pipeline)), (Some(3), vec![false, true]));
    assert_eq!(held(&pipeline, PLACE).unwrap().tags["costCenter"], "4711");
}

#[test]
fn foreign_tags_stay_and_are_not_compared() {
    let pipeline = read_all_the_time(20);
    let id = pipeline.id(1);
    let value = pipeline.sim.world().pats[0].secret.clone();
    let tags = [("authorizationId", id.as_str()), ("costCenter", "4711"), ("run", "an older one")];
    pipeline.sim.world().set_secret(PLACE, &value, &tags);
    pipeline.sim.world().vault.policy_tags.insert("addedByPolicy".to_owned(), "yes".to_owned());
    rotate(&pipeline, &mut pipeline.job(), &[PLACE], &[]);
    let stored = held(&pipeline, PLACE).unwrap();
    assert_eq!((&*stored.tags["costCenter"], &*stored.tags["addedByPolicy"]), ("4711", "yes"));
    assert_eq!(stored.tags["authorizationId"], pipeline.id(2));
    assert_eq!(pipeline.active().last(), Some(&format!("#2 {NAME}")));
}

#[test]
fn too_many_tags_are_found_before_anything_is_made() {
    let pipeline = read_all_the_time(20);
    let names: Vec<String> = (0..11).map(|n| format!("tag{n}")).collect();
    let tags: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    pipeline.sim.world().set_secret(PLACE, "x", &tags);
    let run = main(&pipeline, &mut pipeline.job(), &[PLACE], &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["has 11 other tags", "at most 15", "Remove", "Nothing was changed."]);
    assert_eq!(pipeline.sim.count(Op::CreatePat), 0);
}

#[test]
fn write_that_azure_policy_denies_names_the_policy() {
    let pipeline = read_all_the_time(20);
    pipeline.sim.world().vault.writes_denied_by_policy = true;
    let run = main(&pipeline, &mut pipeline.job(), &[PLACE], &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["Secrets should have a maximum validity", "Azure Policy", "was revoked; nothing else was changed"]);
    assert!(!run.log.contains("Key Vault Secrets Officer"), "{}", run.log);
}

#[test]
fn older_versions_that_cannot_be_disabled_are_a_warning() {
    for op in [Op::VaultVersions, Op::VaultUpdate] {
        let pipeline = read_all_the_time(5);
        let mut job = pipeline.job();
        rotate(&pipeline, &mut job, &[PLACE], &[]);
        pipeline.sim.inject(Fault::Status(403), When::every(op));
        let mut job = pipeline.next_job();
        let (_, post) = rotate(&pipeline, &mut job, &[PLACE], &[("overlapHours", "0")]);
        assert_eq!((post.warning_count, post.error_count), (1, 0), "{}", post.log);
        says(&post, &["could not disable older versions of the secret \"nuget-pat\"", "The next run tries again."]);
        assert_eq!(number(&pipeline, PLACE), Some(3));
    }
}

#[test]
fn a_vault_that_holds_the_committed_one_is_tried_in_each_run_and_makes_none_due() {
    let pipeline = read_all_the_time(20);
    let (rotated, run) = is_due(&pipeline, &[]);
    assert!(rotated);
    says(&run, &["because: secret \"nuget-pat\" in vault \"127.0.0.1\" has no record of which one it holds"]);
    for _ in 0..2 {
        pipeline.sim.clear_transcript();
        let (rotated, run) = is_due(&pipeline, &[]);
        assert!(!rotated, "{}", run.log);
        let transcript = pipeline.sim.transcript();
        let tried: Vec<String> = transcript
            .iter()
            .filter(|exchange| exchange.op == Op::ConnectionDataAsPat)
            .map(|exchange| exchange.caller.to_string())
            .collect();
        assert_eq!(tried, ["PAT #2"]);
    }
    assert_eq!(
        (number(&pipeline, PLACE), pipeline.sim.world().vault.secret(PLACE).unwrap().versions.len()),
        (Some(2), 1)
    );
}

#[test]
fn a_vault_that_does_not_hold_the_committed_one_makes_a_run_due_and_is_healed() {
    type Arrange = fn(&Pipeline);
    let with_the_first: Arrange = |pipeline| {
        let first = pipeline.sim.world().pats[0].clone();
        put(pipeline, PLACE, &first.secret, &first.id);
    };
    let cases: [(&str, Arrange, &str); 5] = [
        (
            "another one is recorded",
            |pipeline| {
                let other = pipeline.add("somebody-elses", 20);
                let value = pipeline.sim.world().pat(&other).secret.clone();
                put(pipeline, PLACE, &value, &other);
            },
            "which is not the committed one",
        ),
        (
            "the value was overwritten by hand",
            |pipeline| {
                let id = pipeline.id(1);
                put(pipeline, PLACE, "by hand\n", &id);
            },
            "which no longer works",
        ),
        ("the record is no id", |pipeline| put(pipeline, PLACE, "whatever", "the one of May"), "has no record"),
        (
            "there is no record",
            |pipeline| {
                let value = pipeline.sim.world().pats[0].secret.clone();
                pipeline.sim.world().set_secret(PLACE, &value, &[]);
            },
            "has no record",
        ),
        (
            "it was revoked by hand, and another was made",
            |pipeline| {
                let first = pipeline.sim.world().pats[0].clone();
                put(pipeline, PLACE, &first.secret, &first.id);
                pipeline.sim.world().revoke(&first.id);
                pipeline.add(NAME, 25);
            },
            "which no longer works",
        ),
    ];
    for (what, arrange, reason) in cases {
        let pipeline = Pipeline::new();
        pipeline.sim.world().new_pats_valid_after = 0;
        pipeline.add(NAME, 20);
        arrange(&pipeline);
        let (rotated, run) = is_due(&pipeline, &[]);
        assert!(rotated, "{what}\n{}", run.log);
        says(&run, &[&format!("because: secret \"{PLACE}\""), reason]);
        let newest = pipeline.sim.world().pats.len() as u64;
        assert_eq!(number(&pipeline, PLACE), Some(newest), "{what}");
        assert!(!is_due(&pipeline, &[]).0, "{what}: healed");
    }

    let pipeline = Pipeline::new();
    pipeline.add(NAME, 20);
    with_the_first(&pipeline);
    let first = pipeline.id(1);
    pipeline.sim.world().revoke(&first);
    let mut job = pipeline.next_job();
    let run = main(&pipeline, &mut job, &[PLACE], &[("rotateWhenDaysLeft", "9")]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["no active token has the name", "`createIfMissing`"]);
    let create = [("createIfMissing", "true"), ("scopes", "vso.packaging_write")];
    assert!(is_due(&pipeline, &create).0);
    assert_eq!((number(&pipeline, PLACE), pipeline.active()), (Some(2), vec![format!("#2 {NAME}")]));
}

#[test]
fn a_vault_that_cannot_be_read_stops_the_run_before_anything_is_changed() {
    type Arrange = fn(&Pipeline, &str);
    let cases: [(Arrange, &str); 2] = [
        (
            |pipeline, _| pipeline.sim.inject(Fault::Status(403), When::from(Op::VaultRead, 2)),
            "Key Vault Secrets Officer",
        ),
        (
            |pipeline, id| {
                put(pipeline, PLACE, "x", id);
                pipeline.sim.inject(Fault::Status(400), When::every(Op::ConnectionDataAsPat));
            },
            "could not try the token in the secret \"nuget-pat\"",
        ),
    ];
    for (arrange, said) in cases {
        let pipeline = Pipeline::with_pat(5);
        let id = pipeline.id(1);
        arrange(&pipeline, &id);
        let mut job = pipeline.job();
        let run = main(&pipeline, &mut job, &[PLACE], &[]);
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        says(&run, &[said, "`command: check` shows all of them in one run", "Nothing was changed."]);
        assert_eq!(pipeline.sim.count(Op::CreatePat), 0, "{said}");
        assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
    }
}

#[test]
fn a_vault_that_refuses_the_write_gets_nothing_and_the_new_one_is_revoked() {
    type Arrange = fn(&Pipeline);
    let cases: [(Arrange, &[&str]); 2] = [
        (|pipeline| pipeline.sim.world().vault.writers.clear(), &["403 ForbiddenByRbac", "Key Vault Secrets Officer"]),
        (
            |pipeline| {
                pipeline.sim.world().set_secret(PLACE, "x", &[]);
                pipeline.sim.world().vault.delete(PLACE);
            },
            &["409 ObjectIsDeletedButRecoverable", "Recover or purge the deleted secret"],
        ),
    ];
    for variable in ["", VARIABLE] {
        for (arrange, said) in cases {
            let pipeline = Pipeline::with_pat(5);
            arrange(&pipeline);
            let mut job = pipeline.job();
            let run = main(&pipeline, &mut job, &[PLACE], &[("variable", variable)]);
            assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
            says(&run, said);
            says(&run, &["could not publish to secret \"nuget-pat\"", "was revoked; nothing else was changed"]);
            assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
            assert_eq!((pipeline.sim.world().pats.len(), job.variable_value(VARIABLE)), (2, None));
            assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
            assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
        }
    }
}

#[test]
fn of_two_vaults_of_which_one_refuses_each_holds_one_that_works_until_a_healthy_run_brings_them_together() {
    for places in [[PLACE, OTHER], [OTHER, PLACE]] {
        let pipeline = read_all_the_time(20);
        let mut job = pipeline.job();
        rotate(&pipeline, &mut job, &places, &[]);
        // Reads as none, and refuses the write.
        pipeline.sim.world().vault.delete(OTHER);
        let mut job = pipeline.next_job();
        let run = main(&pipeline, &mut job, &places, &[("variable", VARIABLE)]);
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        says(
            &run,
            &[
                "The new token is in secret \"nuget-pat\" in vault \"127.0.0.1\"; the others hold the old one, which still works.",
            ],
        );
        says(&run, &["It is now \"nuget-publish [held 102.1-", "The next run repairs this."]);
        assert_eq!(number(&pipeline, PLACE), Some(3));
        assert_eq!(job.variable_value(VARIABLE), None);
        assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
        let first = format!("#1 {NAME} [superseded 101.1 +24h]");
        assert_eq!(pipeline.active(), [first.clone(), format!("#2 {NAME}"), format!("#3 {NAME} [held 102.1]")]);

        for secret in &mut pipeline.sim.world().vault.secrets {
            secret.deleted = false;
        }
        let mut job = pipeline.next_job();
        let limit = [("rotateWhenDaysLeft", "9"), ("overlapHours", "0")];
        let (run, _) = rotate(&pipeline, &mut job, &places, &limit);
        says(&run, &["did not succeed and left", "retire too: \"nuget-publish [held 102.1-"]);
        assert_eq!([number(&pipeline, PLACE), number(&pipeline, OTHER)], [Some(4), Some(4)]);
        assert_eq!(pipeline.active(), [first, format!("#4 {NAME}")]);
    }
}

#[test]
fn two_vaults_are_reached_with_one_token() {
    let pipeline = read_all_the_time(20);
    let mut job = pipeline.job();
    assert_eq!(main(&pipeline, &mut job, &[PLACE, OTHER], &[]).result, TaskResult::Succeeded);
    // One to read the refresh token, at most one for the destinations.
    assert!(pipeline.sim.count(Op::TokenClientCredentials) <= 2, "{}", pipeline.sim.transcript_text());
}

#[test]
fn a_failed_job_leaves_the_vault_with_a_held_one_that_works_until_the_next_run_has_replaced_it() {
    let pipeline = read_all_the_time(20);
    let mut job = pipeline.job();
    assert_eq!(main(&pipeline, &mut job, &[PLACE], &[]).result, TaskResult::Succeeded);
    job.later_step_failed();
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::SucceededWithIssues, "{}", post.log);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]);
    assert!(is_due(&pipeline, &[("overlapHours", "0")]).0);
    assert_eq!((number(&pipeline, PLACE), pipeline.active()), (Some(3), vec![format!("#3 {NAME}")]));
    assert!(!is_due(&pipeline, &[]).0);
}

#[test]
fn retiring_immediately_settles_in_the_step_and_leaves_nothing_to_the_post_job_step() {
    for (hours, variable, old) in [("0", "", None), ("24", "", Some("+24h")), ("24", VARIABLE, Some("+24h"))] {
        let pipeline = read_all_the_time(20);
        let mut job = pipeline.job();
        let inputs = [("retireOldPat", "immediately"), ("overlapHours", hours), ("variable", variable)];
        let run = main(&pipeline, &mut job, &[PLACE], &inputs);
        assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
        let old = old.map(|ends| format!("#1 {NAME} [superseded 101.1 {ends}]"));
        let settled: Vec<String> = old.into_iter().chain([format!("#2 {NAME}")]).collect();
        assert_eq!(pipeline.active(), settled);
        assert_eq!((number(&pipeline, PLACE), job.variable_value("rotate.rotated")), (Some(2), Some("true")));
        assert_eq!(job.variable_value(VARIABLE).is_some(), !variable.is_empty());

        pipeline.sim.clear_transcript();
        job.later_step_failed();
        let post = pipeline.post(&mut job);
        assert_eq!((post.result, pipeline.sim.transcript_text().as_str()), (TaskResult::Succeeded, ""), "{}", post.log);
        assert_eq!(pipeline.active(), settled);
    }
}

#[test]
fn retiring_immediately_retires_nothing_when_a_vault_refuses() {
    let pipeline = read_all_the_time(20);
    let mut job = pipeline.job();
    rotate(&pipeline, &mut job, &[PLACE, OTHER], &[]);
    pipeline.sim.world().vault.delete(OTHER);
    let mut job = pipeline.next_job();
    let inputs = [("retireOldPat", "immediately"), ("overlapHours", "0")];
    let run = main(&pipeline, &mut job, &[PLACE, OTHER], &inputs);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    let first = format!("#1 {NAME} [superseded 101.1 +24h]");
    assert_eq!(pipeline.active(), [first, format!("#2 {NAME}"), format!("#3 {NAME} [held 102.1]")]);
}

#[test]
fn a_vault_that_is_busy_for_a_moment_is_waited_for() {
    let pipeline = read_all_the_time(5);
    pipeline.sim.inject(Fault::Throttled(1), When::nth(Op::VaultRead, 2));
    pipeline.sim.inject(Fault::ThrottledUntil(1), When::nth(Op::VaultWrite, 1));
    pipeline.sim.inject(Fault::OkWithRetryAfter(1), When::nth(Op::VaultWrite, 2));
    let mut job = pipeline.job();
    rotate(&pipeline, &mut job, &[PLACE], &[]);
    assert_eq!((number(&pipeline, PLACE), pipeline.sim.count(Op::VaultWrite)), (Some(2), 2));
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}

#[test]
fn a_refresh_token_and_a_new_value_may_lie_in_one_vault_but_not_in_one_secret() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let run = main(&pipeline, &mut job, &[REFRESH], &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["`publishTo` must not name the refresh token's store"]);
    assert_eq!((pipeline.sim.transcript().len(), pipeline.active()), (0, vec![format!("#1 {NAME}")]));
}
