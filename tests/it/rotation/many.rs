//! Many PATs in one step: a manifest of the repository names them, one run plans and rotates them all, and one that fails stops
//! no other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rotate_pat::settings::{DEFAULT_KEYS, ENTRY_KEYS, task_json};
use serde_json::{Map, Value, json};

use crate::destinations::several::publisher;
use crate::harness::pipeline::{Pipeline, says};
use agent::{Job, StepRun, TaskResult};
use simulator::world::Budget;
use simulator::{Fault, Op, When};

const SAMPLE: &str = include_str!("../../../pipelines/many.yml");
const PATS: &str = include_str!("../../../pipelines/many/pats.yml");

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// What each key may hold, made of the inputs that `task.json` declares.
fn schema() -> Value {
    let property = |key: &&str| {
        let input = task_json::input(key).expect("a key is an input");
        let text = json!({"type": ["string", "integer", "boolean"]});
        let kind = match *key {
            "publishTo" => json!({"type": ["string", "array"], "items": {"type": ["string", "object"]}}),
            "scopes" => json!({"type": ["string", "array"], "items": {"type": "string"}}),
            _ => text,
        };
        let mut kind = kind;
        kind["description"] = input.help.into();
        if !input.default.is_empty() {
            kind["default"] = input.default.into();
        }
        ((*key).to_owned(), kind)
    };
    let object = |keys: &[&str], required: &[&str]| {
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": keys.iter().map(property).collect::<Map<String, Value>>(),
            "required": required,
        })
    };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The personal access tokens that RotatePat rotates in one step",
        "type": "object",
        "additionalProperties": false,
        "required": ["tokens"],
        "properties": {
            "defaults": object(&DEFAULT_KEYS, &[]),
            "tokens": {"type": "array", "minItems": 1, "items": object(&ENTRY_KEYS, &["patName", "publishTo"])},
        },
    })
}

#[test]
fn the_schema_for_editors_is_made_of_the_tasks_inputs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manifest.schema.json");
    let expected = format!("{:#}\n", schema());
    let is_same = fs::read_to_string(path).is_ok_and(|text| text == expected);
    assert!(is_same, "Put this into docs/manifest.schema.json:\n{expected}");
}

#[test]
fn the_sample_and_its_manifest_rotate_as_they_are_written() {
    let pipeline = pipeline(&["nuget-publish"]);
    pipeline.sim.world().add_variable_group("Prod secrets").secret("AGENT_PAT", "not-a-token-yet").add();
    assert!(SAMPLE.contains("manifest: pipelines/many/pats.yml"));
    let manifest = PATS.replace("keyVault: contoso-kv/", "keyVault: VAULT/");
    let endpoint = publisher(&pipeline.sim.world());
    let publisher = [("azureDevOpsServiceConnection", "pat-publisher")];
    let (run, _) = run_in(&pipeline, pipeline.job().endpoint(endpoint), &manifest, &publisher);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["Result: rotated all of 2 tokens"]);
    let names: Vec<String> = pipeline.active().into_iter().skip(1).collect();
    assert_eq!(names, ["#2 nuget-publish", "#3 agents"]);
}

/// A checked-out repository.
struct Repository {
    folder: PathBuf,
}

impl Repository {
    fn with(manifest: &str) -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("rotate-pat-many-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("pats.yml"), manifest).unwrap();
        Self { folder }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }
}

/// A user with these PATs, all of them due, and vault secrets that bear their names.
fn pipeline(names: &[&str]) -> Pipeline {
    let pipeline = Pipeline::new();
    pipeline.sim.world().new_pats_valid_after = 0;
    for name in names {
        let id = pipeline.add(name, 5);
        pipeline.consume(name, &id);
    }
    pipeline
}

/// A file of these entries; `VAULT` stands for the vault's address.
pub(crate) fn run_in(pipeline: &Pipeline, job: Job, manifest: &str, more: &[(&str, &str)]) -> (StepRun, Job) {
    let repository = Repository::with(&manifest.replace("VAULT", &format!("{}/secrets", pipeline.sim.origin())));
    let folder = repository.folder.to_string_lossy().into_owned();
    let mut job = job.variable("system.defaultWorkingDirectory", &folder);
    let many = [("manifest", "pats.yml"), ("patName", ""), ("variable", ""), ("rotateWhenDaysLeft", "")];
    let run = pipeline.main(&mut job, &[&many, more].concat());
    (run, job)
}

fn run(pipeline: &Pipeline, manifest: &str) -> StepRun {
    run_in(pipeline, pipeline.job(), manifest, &[]).0
}

const TWO: &str = "\
defaults: { overlapHours: 24 }
tokens:
- patName: packages
  publishTo:
  - VAULT/packages
- patName: agents
  validForDays: 10
  publishTo:
  - keyVault: VAULT/agents
";

/// How a PAT of this name stands in the vault's secret of the same name: whether it works, and is the committed one.
fn is_in_place(pipeline: &Pipeline, name: &str) -> bool {
    let world = pipeline.sim.world();
    let value = world.vault.value(name).to_owned();
    world.secret_works(&value) && world.pat_of_secret(&value).is_some_and(|pat| pat.name == name)
}

#[test]
fn every_token_of_the_file_is_rotated_in_one_step_with_one_sign_in() {
    let pipeline = pipeline(&["packages", "agents"]);
    let (run, job) = run_in(&pipeline, pipeline.job(), TWO, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(
        &run,
        &[
            "rotate the 2 tokens of pats.yml",
            "packages: created \"packages [pending",
            "agents: committed the new token as \"agents\"",
            "rotated   agents: the new token ",
            "Result: rotated all of 2 tokens",
        ],
    );
    assert!(is_in_place(&pipeline, "packages") && is_in_place(&pipeline, "agents"), "{}", run.log);
    let superseded = |name: &str| format!("{name} [superseded 101.1 +24h]");
    let mut active = pipeline.active();
    active.sort();
    assert_eq!(active[..2], [format!("#1 {}", superseded("packages")), format!("#2 {}", superseded("agents"))]);
    assert_eq!(active.len(), 4);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 1);
    assert_eq!(job.variable_value("rotate.rotatedCount"), Some("2"));
    assert_eq!(job.variable_value("rotate.failedCount"), Some("0"));
    let file = fs::read_to_string(job.variable_value("rotate.resultFile").unwrap()).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let results: Vec<&Value> = file["rotations"].as_array().unwrap().iter().map(|one| &one["result"]).collect();
    assert_eq!(results, ["rotated", "rotated"]);
    assert_eq!(run.summaries.len(), 1);
    assert!(run.summaries[0].text.contains("| rotated | `agents` | `contoso` |"), "{}", run.summaries[0].text);
}

#[test]
fn one_that_fails_stops_no_other_and_is_named() {
    let pipeline = pipeline(&["packages", "agents"]);
    let vault = Fault::Status(403);
    pipeline.sim.inject(vault, When::about(Op::VaultWrite, "/secrets/packages"));
    let (run, job) = run_in(&pipeline, pipeline.job(), TWO, &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(
        &run,
        &[
            "packages: could not publish to",
            "Now: The new token",
            "failed    packages: could not publish to",
            "1 of 2 tokens failed: packages",
            "Now: 1 of 2 tokens rotated; the table says what is true of each.",
            "Result: failed: 1 of 2 tokens failed: packages",
        ],
    );
    assert!(is_in_place(&pipeline, "agents"), "{}", run.log);
    assert_eq!(pipeline.active()[0], "#1 packages");
    assert_eq!(job.variable_value("rotate.failedCount"), Some("1"));
    pipeline.sim.clear_faults();
    let (healed, _) = run_in(&pipeline, pipeline.next_job(), TWO, &[]);
    assert_eq!(healed.result, TaskResult::Succeeded, "{}", healed.log);
    assert!(is_in_place(&pipeline, "packages"));
}

#[test]
fn a_lost_creation_of_one_entry_leaves_nothing_and_touches_no_other() {
    let pipeline = pipeline(&["packages", "agents"]);
    pipeline.sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 1));
    let run = run(&pipeline, TWO);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["the reply with its secret was lost"]);
    assert_eq!(pipeline.active().len(), 4, "{:?}", pipeline.active());
    assert!(is_in_place(&pipeline, "packages") && is_in_place(&pipeline, "agents"));
}

#[test]
fn entries_that_are_not_due_or_refused_change_nothing_and_the_others_rotate() {
    let pipeline = pipeline(&["packages", "agents"]);
    {
        let id = pipeline.add("fresh", 29);
        let mut world = pipeline.sim.world();
        let value = world.pat(&id).secret.clone();
        world.set_secret("fresh", &value, &[("authorizationId", &id)]);
    }
    let manifest = format!(
        "{TWO}- patName: fresh\n  publishTo: [VAULT/fresh]\n  rotateWhenDaysLeft: 7\n\
         - patName: nowhere\n  publishTo: [VAULT/nowhere]\n"
    );
    let run = run(&pipeline, &manifest);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(
        &run,
        &["1 of 4 tokens failed: nowhere", "no active token has the name", "not due   fresh: next rotation from "],
    );
    for name in ["packages", "agents"] {
        assert!(is_in_place(&pipeline, name), "{name}\n{}", run.log);
    }
}

#[test]
fn organizations_are_each_asked_once_and_every_place_is_written() {
    let pipeline = pipeline(&["packages"]);
    {
        let mut world = pipeline.sim.world();
        world.add_organization("fabrikam");
        world.user_mut("rotator").member_of.push("fabrikam".to_owned());
        world.add_pat("packages").organization("fabrikam").days_left(5).add();
        world
            .add_variable_group("Prod secrets")
            .secret("ONE", "the-first-value")
            .secret("TWO", "the-second-value")
            .add();
        world.add_endpoint("contoso-feed", "externaltfs").holding("the-third-value").add();
    }
    for name in ["one", "two"] {
        pipeline.add(name, 5);
    }
    let manifest = "\
defaults:
  validForDays: 20
tokens:
- patName: packages
  publishTo: [VAULT/packages]
- patName: packages
  organization: fabrikam
  publishTo: [keyVault: VAULT/elsewhere]
- patName: one
  publishTo:
  - variableGroup: Prod secrets/ONE
- patName: two
  publishTo: |
    variableGroup: Prod secrets/TWO
    serviceConnection: contoso-feed
";
    let endpoint = publisher(&pipeline.sim.world());
    let publisher = [("azureDevOpsServiceConnection", "pat-publisher")];
    let (run, _) = run_in(&pipeline, pipeline.job().endpoint(endpoint), manifest, &publisher);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["packages in fabrikam: created \"packages [pending", "rotated all of 4 tokens"]);
    let world = pipeline.sim.world();
    let value = world.vault.value("elsewhere").to_owned();
    let pat = world.pat_of_secret(&value).expect("a PAT of the other organization");
    assert_eq!((pat.organization.as_deref(), pat.name.as_str()), (Some("fabrikam"), "packages"));
    let group = &world.groups[0];
    for (variable, name) in [("ONE", "one"), ("TWO", "two")] {
        let value = &group.variables[variable].value;
        assert_eq!(world.pat_of_secret(value).expect("a PAT").name, name);
    }
}

#[test]
fn a_dry_run_shows_every_plan_and_changes_nothing() {
    let pipeline = pipeline(&["packages", "agents"]);
    let (run, _) = run_in(&pipeline, pipeline.job(), TWO, &[("dryRun", "true")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(
        &run,
        &[
            "##[group]packages: Plan\nrotate \"packages\" as run",
            "##[group]agents: Plan\nrotate \"agents\" as run",
            "due       agents: dry run",
            "Result: dry run: none of 2 tokens was changed",
        ],
    );
    let writes = [Op::CreatePat, Op::UpdatePat, Op::RevokePat].map(|op| pipeline.sim.count(op));
    assert_eq!(writes, [0, 0, 0]);
    assert_eq!(pipeline.active(), ["#1 packages", "#2 agents"]);
}

#[test]
fn every_fault_of_the_file_is_named_with_its_line_and_nothing_is_sent() {
    let pipeline = pipeline(&["packages"]);
    let manifest = "\
defaults: { validForDays: 0, patName: all }
token: []
tokens:
- patName: packages
  publishTo: [VAULT/packages]
  patNme: x
- patName: PACKAGES
  publishTo: [VAULT/other]
- patName: third
  publishTo: [VAULT/packages]
- publishTo: [VAULT/x]
- patName: macro
  scopes: $(scopes)
  publishTo: [VAULT/y]
- patName: none
  publishTo:
- patName: twice
  overlapHours: 24
  overlapHours: 25
  publishTo: [VAULT/z]
- patName: words
  overlapHours: soon
  publishTo: [nowhere]
- just words
";
    let run = run(&pipeline, manifest);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(
        &run,
        &[
            "pats.yml:1:13: `validForDays` must be a whole number from 1 to 365",
            "pats.yml:1:30: \"patName\" is not a key here",
            "pats.yml:2:1: \"token\" is not a key here; did you mean `tokens`?",
            "pats.yml:6:3: \"patNme\" is not a key here; did you mean `patName`?",
            "pats.yml:11:3: `patName` is required",
            "pats.yml:13:3 \"macro\": `scopes` uses $(scopes), which nothing replaces in a file",
            "pats.yml:16:3 \"none\": `publishTo` must be a value: there is none",
            "pats.yml:19:3: `overlapHours` stands in line 18 already",
            "pats.yml:22:3 \"words\": `overlapHours` must be a whole number from 0 to 720; got \"soon\"",
            "pats.yml:23:3 \"words\": `publishTo` must be lines such as",
            "pats.yml:24:3: an entry must be keys with their values",
            "Nothing was sent and nothing was changed.",
        ],
    );
    assert_eq!(pipeline.sim.transcript().len(), 0);
}

#[test]
fn two_entries_are_never_one_token_or_one_place() {
    let pipeline = pipeline(&["packages"]);
    let manifest = "\
tokens:
- patName: packages
  publishTo: [VAULT/packages]
- patName: PACKAGES
  publishTo: [VAULT/other]
- patName: third
  publishTo: [VAULT/packages]
";
    let run = run(&pipeline, manifest);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(
        &run,
        &[
            "pats.yml:4:3: \"PACKAGES\" is the token of line 2 too",
            "pats.yml:6:3: the entry of line 2 writes to secret \"packages\"",
        ],
    );
    assert_eq!(pipeline.sim.transcript().len(), 0);
}

#[test]
fn a_file_that_cannot_be_read_is_one_sentence() {
    let pipeline = pipeline(&["packages"]);
    let large = format!("# {}\n", "x".repeat(1 << 20));
    for (manifest, said) in [
        ("", "must have the keys `tokens` and perhaps `defaults`"),
        ("tokens: []\n", "`tokens` must have from 1 to 1000 entries"),
        ("tokens:\n- patName: \"a\n", "is not YAML that can be read: "),
        ("a: &x [1]\ntokens: *x\n", "pats.yml:1:4: is not YAML that can be read: anchors are not supported"),
        (large.as_str(), "is larger than 1 MiB"),
    ] {
        let run = run(&pipeline, manifest);
        says(&run, &[said, "Result: failed: 1 invalid input"]);
    }
    let (missing, _) = run_in(&pipeline, pipeline.job(), TWO, &[("manifest", "other.yml")]);
    says(&missing, &["`manifest` names \"", "could not be read: No such file", "Result: failed: 1 invalid input"]);
    let (beside, _) = run_in(&pipeline, pipeline.job(), TWO, &[("patName", "x"), ("overlapHours", "2")]);
    says(&beside, &["`patName` is not used beside `manifest`", "`overlapHours` is not used beside `manifest`"]);
    let (check, _) = run_in(&pipeline, pipeline.job(), TWO, &[("command", "check"), ("patName", "packages")]);
    says(&check, &["`manifest` is only used with `command: rotate`"]);
    assert_eq!(pipeline.sim.transcript().len(), 0);
}

/// A user with so many due PATs, and a manifest that puts each into a secret of the vault.
pub(crate) fn so_many(count: usize) -> (Pipeline, String) {
    let names: Vec<String> = (0..count).map(|number| format!("pat-{number:03}")).collect();
    let pipeline = pipeline(&names.iter().map(String::as_str).collect::<Vec<_>>());
    // As the service has it.
    pipeline.sim.world().page_size = 100;
    let entries: String =
        names.iter().map(|name| format!("- patName: {name}\n  publishTo: [VAULT/{name}]\n")).collect();
    (pipeline, format!("tokens:\n{entries}"))
}

/// The requests of a run over so many, by operation.
fn counted(count: usize) -> BTreeMap<String, usize> {
    let (pipeline, manifest) = so_many(count);
    let run = run(&pipeline, &manifest);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let mut counts = BTreeMap::new();
    for exchange in pipeline.sim.transcript() {
        *counts.entry(format!("{:?}", exchange.op)).or_insert(0) += 1;
    }
    counts
}

#[test]
fn a_further_token_costs_its_own_requests_and_a_part_of_a_list() {
    let (few, many) = (counted(8), counted(24));
    let more = |op: Op| {
        let op = format!("{op:?}");
        many.get(&op).copied().unwrap_or_default() - few.get(&op).copied().unwrap_or_default()
    };
    let own = [Op::CreatePat, Op::UpdatePat, Op::RevokePat, Op::ConnectionDataAsPat].map(more);
    assert_eq!(own.iter().sum::<usize>(), 16 * 7, "{own:?}");
    assert!(more(Op::ListPats) <= 16, "{} lists for 16 more", more(Op::ListPats));
    assert_eq!([Op::TokenRefresh, Op::ConnectionDataAsUser, Op::OidcToken].map(more), [0, 0, 0]);
}

#[test]
fn a_service_that_asks_for_rest_is_given_it_by_all_entries() {
    let (pipeline, manifest) = so_many(24);
    // Some 200 requests at this cost are more than two windows' worth.
    pipeline.sim.world().budget = Some(Budget::scaled(Duration::from_secs(4), 2.5));
    let run = run(&pipeline, &manifest);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["Result: rotated all of 24 tokens"]);
    let world = pipeline.sim.world();
    let budget = world.budget.as_ref().unwrap();
    assert_eq!(budget.refused, 0, "{} were delayed", budget.delayed);
}

#[test]
fn twelve_entries_of_three_organizations_each_end_by_themselves() {
    let pipeline = pipeline(&["one", "two", "three", "four", "broad", "shut"]);
    {
        let mut world = pipeline.sim.world();
        world.full_scope_blocked = true;
        for organization in ["fabrikam", "tailspin"] {
            world.add_organization(organization);
            world.user_mut("rotator").member_of.push(organization.to_owned());
            for name in ["one", "two"] {
                world.add_pat(name).organization(organization).days_left(5).add();
            }
        }
        world.add_variable_group("Prod secrets").secret("TWO", "the-first-value").add();
        world.add_endpoint("contoso-feed", "externaltfs").holding("the-third-value").add();
    }
    let fresh = pipeline.add("fresh", 29);
    let value = pipeline.sim.world().pat(&fresh).secret.clone();
    pipeline.sim.world().set_secret("fresh", &value, &[("authorizationId", &fresh)]);
    pipeline.sim.inject(Fault::Status(403), When::about(Op::VaultWrite, "/secrets/shut"));
    pipeline.sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 3));
    let manifest = "\
tokens:
- { patName: one, publishTo: [VAULT/one] }
- { patName: two, publishTo: ['variableGroup: Prod secrets/TWO'] }
- { patName: three, publishTo: ['serviceConnection: contoso-feed'] }
- { patName: four, publishTo: [VAULT/four] }
- { patName: broad, scopes: app_token, publishTo: [VAULT/broad] }
- { patName: shut, publishTo: [VAULT/shut] }
- { patName: fresh, publishTo: [VAULT/fresh] }
- { patName: first, scopes: vso.code, createIfMissing: true, publishTo: [VAULT/first] }
- { patName: one, organization: fabrikam, publishTo: [VAULT/fabrikam-one] }
- { patName: two, organization: fabrikam, publishTo: [VAULT/fabrikam-two] }
- { patName: one, organization: tailspin, publishTo: [VAULT/tailspin-one] }
- { patName: two, organization: tailspin, publishTo: [VAULT/tailspin-two] }
";
    let endpoint = publisher(&pipeline.sim.world());
    let publisher = [("azureDevOpsServiceConnection", "pat-publisher")];
    let (run, _) = run_in(&pipeline, pipeline.job().endpoint(endpoint), manifest, &publisher);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(
        &run,
        &[
            "failed    broad: could not create \"broad [pending",
            "failed    shut: could not publish to",
            "not due   fresh: next rotation from ",
            "the reply with its secret was lost",
            "Result: failed: 2 of 12 tokens failed: broad, shut",
        ],
    );
    let page = &run.summaries[0].text;
    assert!(page.lines().nth(4).unwrap().starts_with("| failed | `broad` |"), "the worst come first:\n{page}");
    let world = pipeline.sim.world();
    for (secret, name, organization) in [
        ("one", "one", "contoso"),
        ("four", "four", "contoso"),
        ("first", "first", "contoso"),
        ("fabrikam-one", "one", "fabrikam"),
        ("fabrikam-two", "two", "fabrikam"),
        ("tailspin-one", "one", "tailspin"),
        ("tailspin-two", "two", "tailspin"),
    ] {
        let pat = world.pat_of_secret(world.vault.value(secret)).unwrap_or_else(|| panic!("{secret}\n{}", run.log));
        assert_eq!((pat.name.as_str(), pat.organization.as_deref()), (name, Some(organization)), "{secret}");
    }
    let pending = world.pats.iter().filter(|pat| pat.revoked.is_none() && pat.name.contains(" [pending "));
    assert_eq!(pending.count(), 0, "{}", world.listing());
}
