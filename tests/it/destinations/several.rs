//! Several places at once: a vault's secret, a group's variable, a service connection and the job's variable all come to
//! hold the committed PAT, whatever fails on the way, and nothing beside it is touched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, VARIABLE, says};
use agent::{Endpoint, Job, StepRun, TaskResult, When as Moment};
use simulator::world::{VaultDenial, World};
use simulator::{Fault, Op, Simulator, When};

/// Stands for the vault's line, which needs the simulator's address.
pub(crate) const VAULT: &str = "VAULT";
pub(crate) const GROUP: &str = "variableGroup: Prod secrets/NUGET_PAT";
pub(crate) const FEED: &str = "serviceConnection: contoso-feed";
pub(crate) const PUBLISHER: (&str, &str) = ("azureDevOpsServiceConnection", "pat-publisher");
/// The number of the first variable group.
pub(crate) const PROD: u32 = 7;
pub(crate) const PLACE: &str = "nuget-pat";
const WRITTEN: [&str; 3] = ["NUGET_PAT", "NUGET_PAT_AUTHORIZATION_ID", "NUGET_PAT_VALID_TO"];

/// A pipeline whose PAT, with 20 days left, is in a vault, a group and a connection, each shared and with siblings.
pub(crate) struct Places {
    pub(crate) pipeline: Pipeline,
    /// The connection's id.
    pub(crate) feed: String,
}

/// Everything that every destination holds beside the PAT and its record.
type Siblings = (BTreeMap<String, (String, bool, bool)>, Vec<String>);

impl Places {
    pub(crate) fn new() -> Self {
        let pipeline = Pipeline::new();
        let id = pipeline.add(NAME, 20);
        let feed = {
            let mut world = pipeline.sim.world();
            world.new_pats_valid_after = 0;
            arrange(&mut world, &id)
        };
        watch(&pipeline.sim);
        Self { pipeline, feed }
    }

    pub(crate) fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.pipeline.sim.world()
    }

    pub(crate) fn job(&self) -> Job {
        let endpoint = publisher(&self.world());
        self.pipeline.job().endpoint(endpoint)
    }

    pub(crate) fn next_job(&self) -> Job {
        self.world().next_run();
        self.job()
    }

    fn lines(&self, lines: &[&str]) -> String {
        lines.join("\n").replace(VAULT, &format!("{}/secrets/{PLACE}", self.pipeline.sim.origin()))
    }

    /// The main stage, without the job's variable unless `more` names it.
    pub(crate) fn main(&self, job: &mut Job, lines: &[&str], more: &[(&str, &str)]) -> StepRun {
        let lines = self.lines(lines);
        self.pipeline.main(job, &[&[("publishTo", lines.as_str()), ("variable", "")], more].concat())
    }

    /// The main stage of a run that must fail.
    pub(crate) fn fails(&self, job: &mut Job, lines: &[&str], more: &[(&str, &str)]) -> StepRun {
        let run = self.main(job, lines, more);
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        run
    }

    /// A run that must fail before anything was made.
    pub(crate) fn refuses(&self, lines: &[&str], more: &[(&str, &str)], said: &[&str]) {
        let before = (self.siblings(), self.pipeline.active());
        let run = self.fails(&mut self.job(), lines, more);
        says(&run, said);
        says(&run, &["Nothing was changed."]);
        assert_eq!(self.pipeline.sim.count(Op::CreatePat), 0, "{said:?}");
        assert_eq!((self.siblings(), self.pipeline.active()), before, "{said:?}");
        let world = self.world();
        assert_eq!((world.group_writes.len(), world.endpoint_writes.len()), (0, 0), "{said:?}");
    }

    /// A whole job that succeeds.
    pub(crate) fn rotate(&self, job: &mut Job, lines: &[&str], more: &[(&str, &str)]) -> (StepRun, StepRun) {
        let run = self.main(job, lines, more);
        assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
        let post = self.pipeline.post(job);
        assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
        (run, post)
    }

    /// A whole job of the next run at nine days left, of which it must say whether a rotation was due.
    pub(crate) fn is_due(&self, lines: &[&str]) -> (bool, StepRun) {
        let mut job = self.next_job();
        let (run, _) = self.rotate(&mut job, lines, &[PUBLISHER, ("rotateWhenDaysLeft", "9")]);
        (job.variable_value("rotate.rotated") == Some("true"), run)
    }

    /// The numbers of the PATs in the vault, the group and the connection; 0 is none.
    pub(crate) fn held(&self) -> [u64; 3] {
        let world = self.world();
        let values =
            [world.vault.value(PLACE), world.secret_value(PROD, "NUGET_PAT"), world.endpoint_secret(&self.feed)];
        values.map(|value| world.pat_of_secret(value).map_or(0, |pat| pat.number))
    }

    /// Whether the group's record is that of the PAT it holds.
    #[track_caller]
    pub(crate) fn has_right_record(&self) {
        let world = self.world();
        let pat = world.pat_of_secret(world.secret_value(PROD, "NUGET_PAT")).expect("the group holds a PAT");
        assert_eq!(world.secret_value(PROD, "NUGET_PAT_AUTHORIZATION_ID"), pat.id);
        let ends: jiff::Timestamp = world.secret_value(PROD, "NUGET_PAT_VALID_TO").parse().expect("a time");
        assert!(ends.duration_since(pat.valid_to).abs().as_secs() < 60, "{ends} {}", pat.valid_to);
        assert!(world.variable_group(PROD).variable("NUGET_PAT").is_some_and(|variable| variable.is_secret));
    }

    pub(crate) fn siblings(&self) -> Siblings {
        let world = self.world();
        let group = world.variable_group(PROD);
        let others = group.variables.iter().filter(|(name, _)| !WRITTEN.contains(&name.as_str()));
        let variables =
            others.map(|(name, v)| (name.clone(), (v.value.clone(), v.is_secret, v.is_read_only))).collect();
        let feed = world.endpoint(&self.feed);
        let rest = vec![
            format!("{} {:?} {:?}", group.name, group.description, group.sharing),
            format!("{} {} {} {} {:?}", feed.name, feed.kind, feed.url, feed.scheme, feed.parameters),
            format!("{:?} {:?} {:?}", feed.data, feed.fields, feed.sharing),
        ];
        (variables, rest)
    }

    /// No write has lost or changed anything but the PAT and its record.
    #[track_caller]
    pub(crate) fn wrote_nothing_else(&self) {
        let world = self.world();
        for write in &world.group_writes {
            let names = [&write.added[..], &write.changed[..]].concat();
            assert!(names.iter().all(|name| WRITTEN.contains(&name.as_str())), "{write:?}");
            assert!(write.removed.is_empty() && write.unshared.is_empty() && !write.relabelled, "{write:?}");
        }
        for write in &world.endpoint_writes {
            assert!(matches!(&write.changed[..], [one] if one == "parameters.apitoken"), "{write:?}");
            assert!(write.lost.is_empty() && write.wiped.is_empty() && write.unshared.is_empty(), "{write:?}");
        }
    }
}

/// The connection that `PUBLISHER` names.
pub(crate) fn publisher(world: &World) -> Endpoint {
    let (connection, app) = (world.service_connection("pat-publisher"), world.app("pat-publisher"));
    let url = "https://dev.azure.com/contoso/";
    Endpoint::new(&connection.id, "pat-publisher", "WorkloadIdentityUser", "WorkloadIdentityFederation", url)
        .parameter("TenantId", &app.tenant)
        .parameter("ServicePrincipalId", &app.client_id)
}

/// Puts this PAT into a vault, a group and a connection, each shared and with siblings. Returns the connection's id.
pub(crate) fn arrange(world: &mut World, id: &str) -> String {
    let (held, ends) = (world.pat(id).secret.clone(), world.pat(id).valid_to.to_string());
    world.set_secret(PLACE, &held, &[("authorizationId", id)]);
    world
        .add_variable_group("Prod secrets")
        .secret("NUGET_PAT", &held)
        .plain("NUGET_PAT_AUTHORIZATION_ID", id)
        .plain("NUGET_PAT_VALID_TO", &ends)
        .secret("DB_PASSWORD", "simulated-password-of-a-database")
        .plain("REGION", "westeurope")
        .read_only("TIER", "gold")
        .shared_with("Gadgets")
        .add();
    world
        .add_endpoint("contoso-feed", "externaltfs")
        .holding(&held)
        .data("acceptUntrustedCerts", "false")
        .field("aFieldOfTomorrow", r#"{"deep":[1,null,"é"]}"#)
        .shared_with("Gadgets")
        .add()
}

/// I1 for places: what worked in one of them once, works there at every later instant.
pub(crate) fn watch(sim: &Simulator) {
    let mut trusted: Vec<String> = Vec::new();
    sim.on_each_request(Box::new(move |world, exchange| {
        let mut values = vec![("the vault".to_owned(), world.vault.value(PLACE).to_owned())];
        for group in &world.groups {
            let secret = group.variables.iter().filter(|(_, variable)| variable.is_secret);
            values.extend(secret.map(|(name, v)| (format!("{} of {}", name, group.name), v.value.clone())));
        }
        values.extend(world.endpoints.iter().map(|e| (e.name.clone(), world.endpoint_secret(&e.id).to_owned())));
        for (place, value) in values {
            let works = world.secret_works(&value);
            let was_trusted = trusted.contains(&place);
            assert!(works || !was_trusted, "I1: {place} holds a dead PAT after {exchange}\n{}", world.listing());
            if works && !was_trusted {
                trusted.push(place);
            }
        }
    }));
}

/// #1 in its overlap, and the committed one of that number.
pub(crate) fn replaced(number: u64) -> Vec<String> {
    vec![format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#{number} {NAME}")]
}

fn old() -> Vec<String> {
    vec![format!("#1 {NAME}")]
}

#[test]
fn each_place_alone_and_all_together_hold_the_committed_one_and_nothing_beside_it_changes() {
    for (lines, variable, held) in [
        (&[VAULT][..], "", [2, 1, 1]),
        (&[GROUP], "", [1, 2, 1]),
        (&[FEED], "", [1, 1, 2]),
        (&[FEED, GROUP, VAULT], "", [2; 3]),
        (&[VAULT, GROUP, FEED], VARIABLE, [2; 3]),
    ] {
        let places = Places::new();
        let before = places.siblings();
        let mut job = places.job();
        let (run, _) = places.rotate(&mut job, lines, &[("variable", variable), PUBLISHER]);
        assert_eq!(run.warning_count, 0, "{}", run.log);
        assert_eq!((places.held(), places.pipeline.active()), (held, replaced(2)), "{lines:?}");
        assert_eq!(places.siblings(), before);
        if held[1] == 2 {
            places.has_right_record();
        }
        places.wrote_nothing_else();
        let world = places.world();
        let in_job = job.variable_value(VARIABLE).map(|value| world.pat_of_secret(value).map(|pat| pat.number));
        assert_eq!(in_job, (!variable.is_empty()).then_some(Some(2)));
    }
}

#[test]
fn every_place_is_written_once_after_the_proof_and_before_the_variable() {
    let places = Places::new();
    let run = places.main(&mut places.job(), &[VAULT, GROUP, FEED], &[("variable", VARIABLE), PUBLISHER]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let variable = run.log.find("set the secret job variable").expect("it is said");
    for place in ["secret \"nuget-pat\"", "variable \"NUGET_PAT\" in variable group", "service connection"] {
        let published =
            run.log.find(&format!("published to {place}")).unwrap_or_else(|| panic!("{place}: {}", run.log));
        assert!(published < variable, "{place}\n{}", run.log);
    }
    let operations = places.pipeline.operations();
    let proof = operations.iter().rposition(|op| op == "ConnectionDataAsPat").expect("it is proved");
    for op in ["VaultWrite", "UpdateGroup", "UpdateEndpoint"] {
        assert_eq!(operations.iter().filter(|known| *known == op).count(), 1, "{op}");
        assert!(operations.iter().position(|known| known == op).is_some_and(|at| at > proof), "{op}: {operations:?}");
    }
}

#[test]
fn of_three_places_of_which_one_refuses_each_holds_one_that_works_until_a_healthy_run_brings_them_together() {
    for lines in [[VAULT, GROUP, FEED], [GROUP, FEED, VAULT]] {
        let places = Places::new();
        places.world().variable_group_mut(PROD).administrators = vec!["alice".to_owned()];
        let mut job = places.job();
        let run = places.fails(&mut job, &lines, &[("variable", VARIABLE), PUBLISHER]);
        says(&run, &["could not publish to variable \"NUGET_PAT\" in variable group \"Prod secrets\""]);
        let told = &run.errors[0];
        for place in ["The new token is in ", "secret \"nuget-pat\"", "service connection \"contoso-feed\""] {
            assert!(told.contains(place), "{place}: {told}");
        }
        assert!(told.contains("; the others hold the old one, which still works."), "{told}");
        assert!(told.contains("It is now \"nuget-publish [held 101.1-"), "{told}");
        assert!(told.contains("role Administrator") && told.ends_with("The next run repairs this."), "{told}");
        assert_eq!((places.held(), job.variable_value(VARIABLE)), ([2, 1, 2], None));
        assert_eq!(places.pipeline.post(&mut job).result, TaskResult::Succeeded);
        assert_eq!(places.pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]);

        places.world().variable_group_mut(PROD).administrators = vec!["pat-publisher".to_owned()];
        let (due, _) = places.is_due(&lines);
        assert!(due);
        assert_eq!(places.held(), [3; 3]);
        places.has_right_record();
        let overlap = |number: u64| format!("#{number} {NAME} [superseded 102.1 +24h]");
        assert_eq!(places.pipeline.active(), [overlap(1), overlap(2), format!("#3 {NAME}")]);
        assert!(!places.is_due(&lines).0);
    }
}

#[test]
fn places_that_disagree_make_a_run_due_and_are_brought_together() {
    let places = Places::new();
    let other = places.pipeline.add("nuget-publish-of-may", 12);
    let value = places.world().pat(&other).secret.clone();
    places.world().set_group_variable(PROD, "NUGET_PAT", &value);
    places.world().set_group_variable(PROD, "NUGET_PAT_AUTHORIZATION_ID", &other);
    let (due, run) = places.is_due(&[VAULT, GROUP, FEED]);
    assert!(due, "{}", run.log);
    says(&run, &[&format!("holds {other}, which is not the committed one")]);
    assert!(!run.log.contains("because: secret"), "{}", run.log);
    assert_eq!(places.held(), [3; 3]);
    places.has_right_record();
    let active = places.pipeline.active();
    let expected =
        [format!("#1 {NAME} [superseded 102.1 +24h]"), "#2 nuget-publish-of-may".into(), format!("#3 {NAME}")];
    assert_eq!(active, expected, "what was there before is not ours");
    assert!(!places.is_due(&[VAULT, GROUP, FEED]).0);
}

#[test]
fn a_vault_that_lets_nobody_in_is_found_before_anything_is_made_and_the_remedy_is_named() {
    for (denial, said) in [
        (VaultDenial::Role, ["ForbiddenByRbac", "Key Vault Secrets Officer"]),
        (VaultDenial::AccessPolicy, ["403 ForbiddenByPolicy", "an access policy for secrets: get, list and set"]),
        (VaultDenial::Firewall, ["ForbiddenByFirewall", "Allow the agent's address in the vault's firewall"]),
        (VaultDenial::PrivateConnection, ["ForbiddenByConnection", "Use a self-hosted agent"]),
    ] {
        let places = Places::new();
        let token = {
            let mut world = places.world();
            world.vault.readers.clear();
            world.vault.writers.clear();
            world.vault.denial = denial;
            world.user_token("vso.pats vso.pats_manage")
        };
        let inputs = [("refreshTokenSecret", ""), ("accessToken", token.as_str()), PUBLISHER];
        places.refuses(&[GROUP, VAULT, FEED], &inputs, &said);
    }
}

#[test]
fn a_soft_deleted_secret_leaves_nothing_delivered_when_it_is_alone_and_a_held_one_when_it_is_not() {
    for (lines, held, active) in [
        (&[VAULT][..], [0, 1, 1], old()),
        (&[VAULT, GROUP], [0, 2, 1], vec![format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]),
    ] {
        let places = Places::new();
        places.pipeline.sim.on_each_request(Box::new(|_, _| {}));
        places.world().vault.delete(PLACE);
        let run = places.fails(&mut places.job(), lines, &[PUBLISHER]);
        says(&run, &["409 ObjectIsDeletedButRecoverable", "Recover or purge the deleted secret"]);
        assert_eq!((places.held(), places.pipeline.active()), (held, active), "{lines:?}");
    }
}

#[test]
fn cancelled_while_a_group_is_written_a_run_finishes_the_places_and_holds_what_they_have() {
    for op in [Op::UpdateGroup, Op::UpdateEndpoint] {
        let places = Places::new();
        let reached = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&reached);
        places.pipeline.sim.inject(Fault::Delay(Duration::from_millis(400)), When::nth(op, 1));
        places.pipeline.sim.inject(Fault::after(move |_| flag.store(true, Ordering::SeqCst)), When::nth(op, 1));
        let mut job = places.job();
        let lines = places.lines(&[GROUP, FEED]);
        let inputs = [("publishTo", lines.as_str()), PUBLISHER];
        let run = places.pipeline.cancelled(&mut job, &inputs, Moment::Flag(reached));
        assert_eq!(run.result, TaskResult::Canceled, "{}", run.log);
        assert!(run.duration < Duration::from_secs(9), "{:?}", run.duration);
        says(&run, &["The new token is in variable \"NUGET_PAT\"", "service connection \"contoso-feed\"", "It is now"]);
        assert_eq!((places.held(), job.variable_value(VARIABLE)), ([1, 2, 2], None));
        assert_eq!(places.pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [held 101.1]")]);
        places.has_right_record();
    }
}

#[test]
fn retiring_immediately_retires_in_the_step_once_every_place_has_it_and_nothing_when_one_has_not() {
    let inputs = [("retireOldPat", "immediately"), ("overlapHours", "0"), PUBLISHER];
    let places = Places::new();
    let mut job = places.job();
    let run = places.main(&mut job, &[VAULT, GROUP, FEED], &inputs);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!((places.held(), places.pipeline.active()), ([2; 3], vec![format!("#2 {NAME}")]));

    places.world().variable_group_mut(PROD).administrators = vec!["alice".to_owned()];
    let mut job = places.next_job();
    places.fails(&mut job, &[VAULT, GROUP, FEED], &inputs);
    assert_eq!(places.held(), [3, 2, 3]);
    assert_eq!(places.pipeline.active(), [format!("#2 {NAME}"), format!("#3 {NAME} [held 102.1]")]);
}

#[test]
fn lines_that_name_no_place_or_one_twice_are_named_together_before_anything_is_sent() {
    let places = Places::new();
    let refresh = format!("{}/secrets/{REFRESH}", places.pipeline.sim.origin());
    let lines = [
        "vault: contoso-kv/x",
        "variableGroup: Prod secrets",
        "serviceConnection:",
        GROUP,
        "VARIABLEGROUP: prod SECRETS/nuget_pat",
        "variableGroup: Widgets/Prod secrets/NUGET_PAT_VALID_TO",
        FEED,
        "serviceConnection: widgets/Contoso-Feed",
    ];
    let run = places.fails(&mut places.job(), &lines, &[PUBLISHER, ("overlapHours", "721")]);
    for said in [
        "; got \"vault: contoso-kv/x\", an unknown kind",
        "; got \"variableGroup: Prod secrets\" without group or variable",
        "; got \"serviceConnection:\" without a connection",
        "`overlapHours`",
    ] {
        says(&run, &[said]);
    }
    assert_eq!(run.log.matches("`publishTo` must be different destinations").count(), 3, "{}", run.log);
    let run = places.fails(&mut places.job(), &[&refresh], &[]);
    says(&run, &["`publishTo` must not name the refresh token's store"]);
    assert_eq!((places.pipeline.sim.transcript_text(), places.pipeline.active()), (String::new(), old()));
}

#[test]
fn a_place_that_two_lines_reach_through_two_projects_is_right_and_stays_shared() {
    let places = Places::new();
    let before = places.siblings();
    let lines = [
        GROUP,
        "variableGroup: Gadgets/Prod secrets/NUGET_PAT",
        FEED,
        "serviceConnection: Gadgets/contoso-feed-Gadgets",
    ];
    places.rotate(&mut places.job(), &lines, &[PUBLISHER]);
    assert_eq!((places.held(), places.pipeline.active(), places.siblings()), ([1, 2, 2], replaced(2), before));
    places.has_right_record();
}
