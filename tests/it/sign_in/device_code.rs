//! `command: signIn`: a person signs in with a code that the log shows, and the refresh token goes to its store.

use std::time::Duration;

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, says};
use agent::{Interruption, Job, StepRun, TaskResult, When as Moment};
use simulator::world::{AZURE_DEVOPS, BUILD_SERVICE, DeviceFlowBlock};
use simulator::{Exchange, Fault, Op, When, World};

const USER: &str = "rotator@contoso.onmicrosoft.com";
const GROUP: &str = "variableGroup: Rotation/REFRESH_TOKEN";

/// A pipeline whose vault holds no refresh token yet, with an app that lets people sign in so.
struct SigningIn {
    pipeline: Pipeline,
    client: String,
}

impl SigningIn {
    fn new() -> Self {
        let pipeline = Pipeline::with_pat(5);
        let mut world = pipeline.sim.world();
        world.vault.secrets.clear();
        world.device_interval = 1;
        let client = world.app("pat-rotator-public").client_id.clone();
        drop(world);
        Self { pipeline, client }
    }

    /// What a person does once the program has asked this often whether it is done.
    fn at_poll(&self, number: usize, does: impl Fn(&mut World) + Send + Sync + 'static) {
        self.pipeline.sim.inject(Fault::before(does), When::nth(Op::TokenDeviceCode, number));
    }

    fn inputs<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut inputs = vec![
            ("command", "signIn"),
            ("patName", ""),
            ("variable", ""),
            ("userName", USER),
            ("clientId", self.client.as_str()),
        ];
        for pair in more {
            inputs.retain(|(name, _)| *name != pair.0);
            inputs.push(*pair);
        }
        inputs
    }

    fn runs(&self, job: &mut Job, more: &[(&str, &str)]) -> StepRun {
        self.pipeline.main(job, &self.inputs(more))
    }

    /// It fails with these words, and no refresh token is stored.
    #[track_caller]
    fn fails(&self, more: &[(&str, &str)], words: &[&str]) {
        let run = self.runs(&mut self.pipeline.job(), more);
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        says(&run, words);
        assert!(self.pipeline.sim.world().vault.secret(REFRESH).is_none(), "{}", run.log);
    }
}

fn signs_in(world: &mut World) {
    world.sign_in_on_device("rotator").unwrap();
}

#[test]
fn a_person_signs_in_with_the_code_and_the_next_run_with_what_was_stored() {
    let signing_in = SigningIn::new();
    let pipeline = &signing_in.pipeline;
    signing_in.at_poll(3, signs_in);
    let mut job = pipeline.job();
    let run = signing_in.runs(&mut job, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let code = pipeline.sim.world().device_codes[0].user_code.clone();
    says(&run, &["To sign in, open https://", " within 15 minutes, enter the code ", &code, USER]);
    says(
        &run,
        &["has signed in", "stored the refresh token in secret", "verified the sign-in: the user sees 1 active token"],
    );
    assert_eq!(pipeline.sim.count(Op::TokenDeviceCode), 3);
    {
        let world = pipeline.sim.world();
        let tags = &world.vault.current(REFRESH).unwrap().tags;
        assert_eq!(tags.get("userObjectId"), Some(&world.user("rotator").oid));
        assert_eq!(tags.get("clientId"), Some(&signing_in.client));
        assert_eq!(tags.get("tenantId"), Some(&world.tenants[0].id));
    }
    let post = pipeline.post(&mut job);
    assert_eq!((post.result, pipeline.active()), (TaskResult::Succeeded, vec![format!("#1 {NAME}")]));
    let mut next = pipeline.next_job();
    pipeline.rotate(&mut next, &[]);
}

#[test]
fn a_new_sign_in_takes_the_place_of_the_old_one_and_disables_it() {
    let signing_in = SigningIn::new();
    let pipeline = &signing_in.pipeline;
    let old = pipeline.sim.world().refresh_token_for("rotator", "pat-rotator-public");
    pipeline.sim.world().set_secret(REFRESH, &old, &[("owner", "platform")]);
    signing_in.at_poll(1, signs_in);
    let run = signing_in.runs(&mut pipeline.job(), &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let world = pipeline.sim.world();
    let [before, after] = &world.vault.secret(REFRESH).unwrap().versions[..] else { panic!("two versions") };
    assert!(!before.enabled && after.enabled && after.value != old);
    assert_eq!(after.tags.get("owner").map(String::as_str), Some("platform"), "{:?}", after.tags);
}

#[test]
fn too_many_tags_are_found_before_a_person_signs_in() {
    let signing_in = SigningIn::new();
    let names: Vec<String> = (0..12).map(|n| format!("tag{n}")).collect();
    let tags: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    signing_in.pipeline.sim.world().set_secret(REFRESH, "x", &tags);
    let run = signing_in.runs(&mut signing_in.pipeline.job(), &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["has 12 other tags and needs 4 more", "at most 15", "Nothing was stored."]);
    assert_eq!(signing_in.pipeline.sim.count(Op::DeviceCode), 0);
}

#[test]
fn without_an_id_token_nobody_is_taken_for_the_user() {
    let signing_in = SigningIn::new();
    signing_in.pipeline.sim.world().id_tokens_withheld = true;
    signing_in.at_poll(1, signs_in);
    signing_in.fails(&[], &["Entra sent no readable id token", "Nothing was stored."]);
}

#[test]
fn a_refresh_token_that_was_disabled_after_a_leak_is_replaced() {
    let signing_in = SigningIn::new();
    {
        let mut world = signing_in.pipeline.sim.world();
        let leaked = world.refresh_token_for("rotator", "pat-rotator-public");
        world.set_secret(REFRESH, &leaked, &[]);
        world.vault.current_mut(REFRESH).unwrap().enabled = false;
    }
    signing_in.at_poll(1, signs_in);
    let run = signing_in.runs(&mut signing_in.pipeline.job(), &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert!(signing_in.pipeline.sim.world().vault.current(REFRESH).unwrap().enabled);
}

#[test]
fn a_variable_group_can_be_the_store() {
    let signing_in = SigningIn::new();
    let pipeline = &signing_in.pipeline;
    pipeline.sim.world().add_variable_group("Rotation").administrator(BUILD_SERVICE).add();
    signing_in.at_poll(1, signs_in);
    let mut job = pipeline.job();
    let run = signing_in.runs(&mut job, &[("refreshTokenSecret", ""), ("refreshTokenStore", GROUP)]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["stored the refresh token in variable \"REFRESH_TOKEN\" in variable group \"Rotation\""]);
    let stored = {
        let world = pipeline.sim.world();
        let group = world.groups.iter().find(|group| group.name == "Rotation").unwrap();
        assert!(group.variables.contains_key("REFRESH_TOKEN_VALID_TO"));
        group.variables["REFRESH_TOKEN"].value.clone()
    };
    assert!(pipeline.sim.world().refresh_tokens.iter().any(|token| token.value == stored));
}

#[test]
fn the_servers_rhythm_is_kept() {
    let signing_in = SigningIn::new();
    signing_in.pipeline.sim.world().slow_downs = 1;
    signing_in.at_poll(2, signs_in);
    // The simulator counts a poll that comes too early as a problem.
    let run = signing_in.runs(&mut signing_in.pipeline.job(), &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(signing_in.pipeline.sim.count(Op::TokenDeviceCode), 2);
}

#[test]
fn who_declines_or_does_nothing_leaves_nothing_behind() {
    let signing_in = SigningIn::new();
    signing_in.at_poll(1, World::decline_on_device);
    signing_in.fails(&[], &["could not sign in with the code", "Nothing was stored."]);

    let signing_in = SigningIn::new();
    signing_in.pipeline.sim.world().device_code_seconds = 3;
    signing_in.fails(&[], &["nobody signed in with the code in time", "Nothing was stored."]);
}

#[test]
fn a_blocked_flow_is_explained_with_the_workstations_way() {
    let signing_in = SigningIn::new();
    signing_in.pipeline.sim.world().device_flow_blocked = Some(DeviceFlowBlock::Client);
    signing_in.at_poll(1, signs_in);
    signing_in.fails(&[], &["AADSTS53003", "rotate-pat sign-in", "Nothing was stored."]);
}

#[test]
fn another_user_than_the_one_named_is_refused_with_both_named() {
    for named in [USER.to_owned(), SigningIn::new().pipeline.sim.world().user("rotator").oid.clone()] {
        let signing_in = SigningIn::new();
        signing_in.at_poll(1, |world| world.sign_in_on_device("alice").unwrap());
        let words = ["alice@contoso.onmicrosoft.com", &named, "is expected", "Nothing was stored."];
        signing_in.fails(&[("userName", &named)], &words);
    }
}

#[test]
fn a_guest_matches_by_home_tenant_name() {
    let signing_in = SigningIn::new();
    {
        let mut world = signing_in.pipeline.sim.world();
        world.add_guest("bob", "fabrikam.com");
    }
    signing_in.at_poll(1, |world| world.sign_in_on_device("bob").unwrap());
    let run = signing_in.runs(&mut signing_in.pipeline.job(), &[("userName", "bob@fabrikam.com")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
}

#[test]
fn scopes_that_do_not_suffice_are_told_before_anything_is_stored() {
    let signing_in = SigningIn::new();
    signing_in.pipeline.sim.world().scopes_withheld = vec!["vso.pats_manage".to_owned()];
    signing_in.at_poll(1, signs_in);
    signing_in.fails(&[], &["which are not enough", AZURE_DEVOPS, "Nothing was stored."]);
}

#[test]
fn an_account_that_only_reports_signs_in_with_the_scopes_of_a_report_alone() {
    const SCOPES: (&str, &str) = ("requestedScopes", "vso.graph vso.tokenadministration");
    let signing_in = SigningIn::new();
    let pipeline = &signing_in.pipeline;
    let scopes = SCOPES.1.split(' ').map(str::to_owned).collect();
    pipeline.sim.world().app_mut("pat-rotator-public").delegated = scopes;
    signing_in.at_poll(1, signs_in);
    let run = signing_in.runs(&mut pipeline.job(), &[SCOPES]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let report = [("command", "report"), ("patName", ""), ("variable", ""), ("reportScope", "organization")];
    let run = pipeline.main(&mut pipeline.next_job(), &[&report[..], &[SCOPES]].concat());
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert!(run.warnings.iter().all(|warning| !warning.contains("scopes")), "{:?}", run.warnings);
}

#[test]
fn a_store_that_cannot_be_used_is_told_before_the_person_is_asked_where_that_can_be_known() {
    let signing_in = SigningIn::new();
    signing_in.pipeline.sim.world().vault.readers.clear();
    signing_in.fails(&[], &["could not read the refresh token from secret", "Key Vault Secrets Officer"]);
    assert_eq!(signing_in.pipeline.sim.count(Op::DeviceCode), 0);

    let signing_in = SigningIn::new();
    signing_in.pipeline.sim.world().vault.writers.clear();
    signing_in.at_poll(1, signs_in);
    signing_in.fails(
        &[],
        &["could not store the refresh token", "was not stored and is kept nowhere else", "Then sign in again."],
    );
}

#[test]
fn a_user_who_cannot_list_tokens_is_told_at_once_and_the_refresh_token_is_kept() {
    let signing_in = SigningIn::new();
    signing_in.at_poll(1, |world| {
        signs_in(world);
        world.users.iter_mut().find(|user| user.name == "rotator").unwrap().member_of.clear();
    });
    let run = signing_in.runs(&mut signing_in.pipeline.job(), &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["cannot list the tokens", "The refresh token is stored."]);
    assert!(signing_in.pipeline.sim.world().vault.secret(REFRESH).is_some());
}

#[test]
fn a_cancelled_wait_stores_nothing() {
    let signing_in = SigningIn::new();
    let mut job = signing_in.pipeline.job();
    let when = Interruption::Cancel(Moment::line_containing("To sign in, open"));
    let inputs = signing_in.inputs(&[]);
    let began = std::time::Instant::now();
    let run = signing_in.pipeline.main_interrupted(&mut job, &inputs, when);
    assert_eq!(run.result, TaskResult::Canceled, "{}", run.log);
    says(&run, &["Nothing was stored."]);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(signing_in.pipeline.sim.world().vault.secret(REFRESH).is_none());
}

/// What the program sends while a person signs in on another device.
pub(crate) fn requests() -> Vec<Exchange> {
    let signing_in = SigningIn::new();
    signing_in.at_poll(1, signs_in);
    let run = signing_in.runs(&mut signing_in.pipeline.job(), &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    signing_in.pipeline.sim.transcript()
}
