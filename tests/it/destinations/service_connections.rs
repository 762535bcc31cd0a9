//! Service connections as destinations: which ones can hold a PAT, who writes them, that all else in them stays, and
//! that the log says that they keep no record.

use std::sync::Arc;
use std::time::Duration;

use rotate_pat::app::StageExit;

use crate::destinations::several::{FEED, GROUP, PROD, PUBLISHER, Places, replaced, watch};
use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::{NAME, VARIABLE, says};
use simulator::world::{BUILD_SERVICE, World};
use simulator::{Fault, Op, Simulator, When};

type Arrange = fn(&mut World);

fn feed(world: &mut World) -> &mut simulator::world::Endpoint {
    world.endpoints.iter_mut().find(|endpoint| endpoint.name == "contoso-feed").unwrap()
}

fn administrators(world: &mut World, who: &[&str]) {
    feed(world).administrators = who.iter().map(|&name| name.to_owned()).collect();
}

/// A run in this process, as the program would repeat a write for a minute. The job's own identity writes the place,
/// which holds the one PAT that there is.
pub(crate) struct Unanswered {
    sim: Arc<Simulator>,
    line: &'static str,
}

impl Unanswered {
    pub(crate) fn new(line: &'static str) -> Self {
        let mut world = World::new();
        world.follow_real_clock();
        world.new_pats_valid_after = 0;
        let id = world.add_pat(NAME).days_left(20).add();
        let held = world.pat(&id).secret.clone();
        if line == FEED {
            world.add_endpoint("contoso-feed", "git").holding(&held).administrator(BUILD_SERVICE).add();
        } else {
            let group = world.add_variable_group("Prod secrets").secret("NUGET_PAT", &held).plain("REGION", "west");
            group.plain("NUGET_PAT_AUTHORIZATION_ID", &id).administrator(BUILD_SERVICE).add();
        }
        let sim = Arc::new(Simulator::start(world));
        watch(&sim);
        Self { sim, line }
    }

    fn job(&self) -> LocalJob {
        LocalJob::new(&self.sim, &[("patName", NAME), ("publishTo", self.line), ("overlapHours", "0")])
    }

    /// The number of the PAT in the place, and those of all active ones with their names, without the hash.
    fn held_and_active(&self) -> (u64, Vec<String>) {
        let world = self.sim.world();
        let value = match world.endpoints.first() {
            Some(feed) => world.endpoint_secret(&feed.id),
            None => world.secret_value(PROD, VARIABLE),
        };
        let held = world.pat_of_secret(value).map_or(0, |pat| pat.number);
        let plain = |name: &str| name.split('-').take(2).collect::<Vec<_>>().join("-");
        (held, world.active_pats("rotator").iter().map(|pat| format!("#{} {}", pat.number, plain(&pat.name))).collect())
    }

    fn is_cancelled_while_a_write_hangs(&self, op: Op) {
        let mut job = self.job();
        job.limits.read = Duration::from_secs(20);
        job.limits.reply = Duration::from_secs(20);
        let canceller = job.canceller();
        self.sim.inject(Fault::HangAfter, When::every(op));
        self.sim.inject(Fault::after(move |_| canceller.stop_within(Duration::from_millis(100))), When::nth(op, 1));
        assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
        let pending = vec![format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1")];
        assert_eq!(self.held_and_active(), (2, pending), "{}", job.log());
        assert!(job.log().contains("The new token is in perhaps "), "{}", job.log());
        self.is_healed();
    }

    /// A run whose publication fails and leaves the new one pending, and the healthy run after it.
    pub(crate) fn leaves_it_pending_and_heals(&self, faults: Vec<(Fault, When)>, is_delivered: bool) {
        for (fault, when) in faults {
            self.sim.inject(fault, when);
        }
        let mut job = self.job();
        assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
        let log = job.log();
        assert!(log.contains("The new token is in perhaps "), "{log}");
        assert!(log.contains("It stays \"nuget-publish [pending 101.1-"), "{log}");
        let pending = vec![format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1")];
        assert_eq!(self.held_and_active(), (if is_delivered { 2 } else { 1 }, pending.clone()), "{log}");
        assert_eq!(job.settle("Failed"), StageExit::Succeeded, "{}", job.log());
        assert_eq!(self.held_and_active().1, pending);
        self.is_healed();
    }

    fn is_healed(&self) {
        self.sim.clear_faults();
        self.sim.world().next_run();
        let mut job = self.job();
        assert_eq!(
            (job.main(), job.settle("Succeeded")),
            (StageExit::Succeeded, StageExit::Succeeded),
            "{}",
            job.log()
        );
        assert_eq!(self.held_and_active(), (3, vec![format!("#3 {NAME}")]));
    }
}

fn writers(places: &Places) -> Vec<String> {
    places.world().endpoint_writes.iter().map(|write| write.by.clone()).collect()
}

#[test]
fn the_parameter_that_holds_the_pat_is_written_whatever_the_type() {
    for (kind, user_name, parameter) in [
        ("externaltfs", "", "parameters.apitoken"),
        ("azdoapi", "", "parameters.apitoken"),
        ("generic", "", "parameters.password"),
        ("git", "", "parameters.password"),
        ("externalnugetfeed", "", "parameters.apitoken"),
        ("externalnugetfeed", "rotator", "parameters.password"),
        ("externalnpmregistry", "rotator", "parameters.password"),
        ("externalcargorepository", "", "parameters.apitoken"),
        ("externalmavenrepository", "rotator", "parameters.password"),
        ("externalPythonDownloadFeed", "", "parameters.apitoken"),
        ("externalPythonUploadFeed", "rotator", "parameters.password"),
        ("a-type-of-an-extension", "", "parameters.apitoken"),
    ] {
        let places = Places::new();
        let id = {
            let mut world = places.world();
            let held = world.pats[0].secret.clone();
            let new = world.add_endpoint("a/b, c", kind).project("Gadgets").holding(&held).shared_with("Widgets");
            if user_name.is_empty() { new.add() } else { new.user_name(user_name).add() }
        };
        let (run, _) = places.rotate(&mut places.job(), &["serviceConnection: gadgets/A%2Fb, c"], &[PUBLISHER]);
        says(&run, &["leads to https://dev.azure.com; it keeps no record"]);
        let world = places.world();
        assert_eq!(world.endpoint_secret(&id), world.pats[1].secret, "{kind}");
        let [write] = &world.endpoint_writes[..] else { panic!("{kind}: {:?}", world.endpoint_writes) };
        assert_eq!(write.changed, [parameter], "{kind}");
        assert!(write.lost.is_empty() && write.wiped.is_empty() && write.unshared.is_empty(), "{kind}: {write:?}");
        drop(world);
        assert_eq!(places.pipeline.active(), replaced(2), "{kind}");
    }
}

#[test]
fn the_log_says_that_a_connection_keeps_no_record_and_who_shares_it_and_it_makes_no_run_due() {
    let places = Places::new();
    let (due, run) = places.is_due(&[FEED]);
    assert!(!due, "{}", run.log);
    says(&run, &["service connection \"contoso-feed\" leads to https://dev.azure.com; it keeps no record"]);
    says(&run, &["is shared by the projects \"Gadgets\", \"Widgets\""]);
    assert_eq!((places.held(), places.world().endpoint_writes.len()), ([1; 3], 0));
    assert_eq!(places.pipeline.active(), [format!("#1 {NAME}")]);
}

#[test]
fn the_first_identity_that_may_writes_and_the_jobs_own_with_a_warning() {
    let cases: [(&str, Arrange, bool, &str); 4] = [
        ("the named one", |world| administrators(world, &["pat-publisher", BUILD_SERVICE]), true, "pat-publisher"),
        (
            "the connection's own",
            |world| {
                world.members.push("pat-rotator".to_owned());
                administrators(world, &["pat-rotator", BUILD_SERVICE]);
            },
            false,
            "pat-rotator",
        ),
        (
            "the job's, as the own app is no member",
            |world| administrators(world, &[BUILD_SERVICE]),
            false,
            BUILD_SERVICE,
        ),
        (
            "the job's, as the named one may only read",
            |world| administrators(world, &[BUILD_SERVICE]),
            true,
            BUILD_SERVICE,
        ),
    ];
    for (what, arrange, is_named, writer) in cases {
        let places = Places::new();
        arrange(&mut places.world());
        let named = if is_named { &[PUBLISHER][..] } else { &[] };
        let (run, _) = places.rotate(&mut places.job(), &[FEED], named);
        assert_eq!(writers(&places), [writer], "{what}");
        let is_job = writer == BUILD_SERVICE;
        assert_eq!(run.log.contains("was written with the job's own token"), is_job, "{what}\n{}", run.log);
        assert_eq!((places.held(), places.pipeline.active()), ([1, 1, 2], replaced(2)), "{what}");
        places.wrote_nothing_else();
    }
}

#[test]
fn an_identity_that_does_not_see_the_connection_leaves_it_to_the_next() {
    let places = Places::new();
    administrators(&mut places.world(), &[BUILD_SERVICE]);
    feed(&mut places.world()).readers.clear();
    places.rotate(&mut places.job(), &[FEED], &[PUBLISHER]);
    assert_eq!((writers(&places), places.held()), (vec![BUILD_SERVICE.to_owned()], [1, 1, 2]));
}

#[test]
fn when_nobody_may_write_the_message_names_the_role_and_the_first_identity_and_the_new_one_is_revoked() {
    let places = Places::new();
    administrators(&mut places.world(), &["alice"]);
    let before = places.siblings();
    let run = places.fails(&mut places.job(), &[FEED], &[PUBLISHER]);
    let give = "of `azureDevOpsServiceConnection` the organization-level role Administrator";
    says(&run, &[give, "on service connection \"contoso-feed\"", "was revoked; nothing else was changed"]);
    assert_eq!((places.held(), places.pipeline.active()), ([1; 3], vec![format!("#1 {NAME}")]));
    assert_eq!((places.siblings(), writers(&places)), (before, vec![]));
}

#[test]
fn what_cannot_be_written_is_found_before_anything_is_made() {
    let nothing: Arrange = |_| {};
    let cases: [(&str, Arrange, &[&str]); 6] = [
        ("serviceConnection: nowhere", nothing, &["sees no service connection \"nowhere\"", "organization-level role"]),
        (
            "serviceConnection: cloud",
            |world| drop(world.add_endpoint("cloud", "azurerm").add()),
            &["the authorization scheme \"WorkloadIdentityFederation\"", "Name a connection that holds"],
        ),
        (
            "serviceConnection: two",
            |world| drop(world.add_endpoint("two", "generic").second_secret("signingKey").add()),
            &["has a second secret, \"signingKey\"", "which a write may lose"],
        ),
        (
            "serviceConnection: odd",
            |world| {
                let id = world.add_endpoint("odd", "externaltfs").add();
                world.endpoint_mut(&id).scheme = "Certificate".to_owned();
            },
            &["scheme \"Certificate\", which holds no personal access token"],
        ),
        ("serviceConnection: Atlantis/feed", nothing, &["404", "Check the project's name", "must be a member of it"]),
        (
            "serviceConnection: Gadgets/contoso-feed",
            |world| world.project_mut("Gadgets").hidden_from.push("pat-publisher".to_owned()),
            &["404", "Limit job authorization scope to current project"],
        ),
    ];
    for (line, arrange, said) in cases {
        let places = Places::new();
        arrange(&mut places.world());
        places.refuses(&[line], &[PUBLISHER], said);
    }
}

#[test]
fn an_edit_between_the_plan_and_the_write_is_not_lost() {
    for (op, nth) in [(Op::ListEndpoints, 1), (Op::GetEndpoint, 1), (Op::CreatePat, 1)] {
        let places = Places::new();
        let edit = Fault::after(|world: &mut World| {
            feed(world).url = "https://dev.azure.com/contoso-new".to_owned();
            feed(world).fields.insert("description".to_owned(), "\"by hand\"".to_owned());
        });
        places.pipeline.sim.inject(edit, When::nth(op, nth));
        places.rotate(&mut places.job(), &[FEED], &[PUBLISHER]);
        let mut world = places.world();
        assert_eq!(feed(&mut world).url, "https://dev.azure.com/contoso-new", "{op:?} {nth}");
        assert_eq!(feed(&mut world).fields["description"], "\"by hand\"", "{op:?} {nth}");
        drop(world);
        assert_eq!((places.held(), places.pipeline.active()), ([1, 1, 2], replaced(2)), "{op:?} {nth}");
        places.wrote_nothing_else();
    }
}

#[test]
fn an_edit_right_after_the_write_is_kept_and_never_costs_the_connection_its_pat() {
    let places = Places::new();
    let edit = Fault::after(|world: &mut World| feed(world).url = "https://dev.azure.com/contoso-new".to_owned());
    places.pipeline.sim.inject(edit, When::nth(Op::UpdateEndpoint, 1));
    let run = places.fails(&mut places.job(), &[FEED], &[PUBLISHER]);
    says(&run, &["the service connection is not as it was before: \"url\"", "perhaps service connection"]);
    assert_eq!(feed(&mut places.world()).url, "https://dev.azure.com/contoso-new");
    assert_eq!(places.held(), [1, 1, 2]);
    assert_eq!(places.pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]);
}

#[test]
fn a_write_without_an_answer_counts_as_delivered() {
    for fault in [Fault::ResetAfter, Fault::CutReply, Fault::HangAfter, Fault::StatusAfter(500)] {
        Unanswered::new(FEED).leaves_it_pending_and_heals(vec![(fault, When::every(Op::UpdateEndpoint))], true);
    }
}

#[test]
fn a_write_without_an_answer_counts_as_delivered_whatever_its_repetition_meets() {
    for then in [Fault::Status(403), Fault::Status(401), Fault::SignInPage] {
        let lost = (Fault::ResetAfter, When::nth(Op::UpdateEndpoint, 1));
        let faults = vec![lost, (then, When::from(Op::UpdateEndpoint, 2))];
        Unanswered::new(FEED).leaves_it_pending_and_heals(faults, true);
    }
}

/// The value cannot be read back, so the answer to the write is the only evidence that there is.
#[test]
fn an_answer_that_is_no_service_connection_is_no_confirmation() {
    Unanswered::new(FEED).leaves_it_pending_and_heals(vec![(Fault::WrongShape, When::every(Op::UpdateEndpoint))], true);
}

#[test]
fn a_write_that_cannot_be_read_back_counts_as_delivered() {
    // The plan and the publication read it once each before.
    for fault in [Fault::Status(403), Fault::ResetBefore, Fault::WrongShape] {
        Unanswered::new(FEED).leaves_it_pending_and_heals(vec![(fault, When::from(Op::GetEndpoint, 3))], true);
    }
}

#[test]
fn an_app_that_is_no_member_of_the_organization_is_named_with_what_it_needs() {
    let places = Places::new();
    administrators(&mut places.world(), &["alice"]);
    let run = places.fails(&mut places.job(), &[FEED], &[]);
    says(&run, &["of `serviceConnection`", "a member of the", "role Administrator"]);
    assert_eq!((places.held(), places.pipeline.active()), ([1; 3], vec![format!("#1 {NAME}")]));
}

#[test]
fn cancelled_while_a_write_hangs_the_new_one_stays_pending() {
    for (line, op) in [(FEED, Op::UpdateEndpoint), (GROUP, Op::UpdateGroup)] {
        Unanswered::new(line).is_cancelled_while_a_write_hangs(op);
    }
}

#[test]
fn references_of_a_shared_connection_come_in_any_order() {
    for turn in 0..6 {
        let places = Places::new();
        {
            let mut world = places.world();
            world.add_project("Gizmos");
            let held = world.pats[0].secret.clone();
            let shared = world.add_endpoint("three", "externaltfs").holding(&held);
            shared.shared_with("Gadgets").shared_with("Gizmos").add();
            *world.references_shown.get_mut() = turn;
        }
        places.rotate(&mut places.job(), &["serviceConnection: three"], &[PUBLISHER]);
        places.wrote_nothing_else();
        assert_eq!(places.pipeline.active(), replaced(2), "{turn}");
    }
}

#[test]
fn shared_connection_is_found_by_its_name_in_the_project() {
    for shows_own_name in [false, true] {
        let places = Places::new();
        let (shared, own) = {
            let mut world = places.world();
            world.endpoint_shows_own_name = shows_own_name;
            let held = world.pats[0].secret.clone();
            let shared = world.add_endpoint("feed", "externaltfs").project("Gadgets").holding(&held);
            let shared = shared.shared_with("Widgets").add();
            (shared, world.add_endpoint("feed", "externaltfs").holding(&held).add())
        };
        let (before, names) = (places.siblings(), |places: &Places| {
            let world = places.world();
            [&shared, &own].map(|id| (world.endpoint(id).name.clone(), world.endpoint(id).sharing.clone()))
        });
        let names_before = names(&places);
        places.rotate(&mut places.job(), &["serviceConnection: feed"], &[PUBLISHER]);
        places.rotate(&mut places.next_job(), &["serviceConnection: Feed-Widgets"], &[PUBLISHER]);
        let world = places.world();
        let written: Vec<&String> = world.endpoint_writes.iter().map(|write| &write.endpoint).collect();
        assert_eq!(written, [&own, &shared], "{shows_own_name}");
        drop(world);
        places.wrote_nothing_else();
        assert_eq!((places.siblings(), names(&places)), (before, names_before));
    }
}

#[test]
fn connection_that_leads_elsewhere_is_refused_unless_the_line_allows_the_host() {
    for (url, data, line, said) in [
        ("https://evil.example/x", None, "", "leads to \"evil.example\", which is not Azure DevOps"),
        ("https://dev.azure.com@evil.example/", None, "", "leads to \"evil.example\", which is not Azure DevOps"),
        ("https://dev.azure.com.evil.example/", None, "", "which is not Azure DevOps"),
        ("https://x.apps.visualstudio.com/", None, "", "which is not Azure DevOps"),
        ("https://127.0.0.1:1/", None, "", "` at 127.0.0.1:1`"),
        ("http://dev.azure.com/contoso", None, "", "begins with `http:`"),
        ("ftp://dev.azure.com/contoso", None, "", "is no address that begins with `https://`"),
        ("https://nexus.contoso.com/", None, " at nexus.contoso.net", "leads to \"nexus.contoso.com\", and the line"),
        ("https://nexus.contoso.com:8443/", None, " at nexus.contoso.com", "` allows \"nexus.contoso.com\""),
        ("https://dev.azure.com/contoso", None, " at nexus.contoso.com", "leads to \"dev.azure.com\", and the line"),
        ("https://dev.azure.com/contoso", Some("https://evil.example/"), "", "its \"releaseUrl\" leads to"),
    ] {
        let places = Places::new();
        {
            let mut world = places.world();
            let new = world.add_endpoint("edited", "azdoapi").url(url);
            let _ = match data {
                Some(data) => new.data("releaseUrl", data).add(),
                None => new.add(),
            };
        }
        places.refuses(&[&format!("serviceConnection: edited{line}")], &[PUBLISHER], &[said]);
    }
    for (url, line, shown) in [
        ("https://contoso.pkgs.visualstudio.com/_packaging/x", "", "https://contoso.pkgs.visualstudio.com"),
        ("https://PKGS.dev.azure.com/contoso", "", "https://pkgs.dev.azure.com"),
        ("https://nexus.contoso.com:8443/", " at Nexus.contoso.com:8443", "https://nexus.contoso.com:8443"),
        ("http://nexus.contoso.com/", " at nexus.contoso.com", "http://nexus.contoso.com"),
    ] {
        let places = Places::new();
        let id = places.world().add_endpoint("mirror", "externalnugetfeed").url(url).add();
        let (run, _) = places.rotate(&mut places.job(), &[&format!("serviceConnection: mirror{line}")], &[PUBLISHER]);
        says(&run, &[&format!("service connection \"mirror\" leads to {shown};")]);
        let world = places.world();
        assert_eq!(world.endpoint_secret(&id), world.pats[1].secret, "{url}");
        assert_eq!(run.log.contains("over the network unencrypted"), url.starts_with("http:"), "{}", run.log);
    }
}

#[test]
fn address_edited_after_the_plan_gets_no_token() {
    let places = Places::new();
    let edit = Fault::after(|world: &mut World| feed(world).url = "https://evil.example/".to_owned());
    places.pipeline.sim.inject(edit, When::nth(Op::CreatePat, 1));
    let run = places.fails(&mut places.job(), &[FEED], &[PUBLISHER]);
    says(&run, &["leads to \"evil.example\"", "was revoked; nothing else was changed"]);
    assert_eq!((writers(&places), places.pipeline.active()), (vec![], vec![format!("#1 {NAME}")]));
}

#[test]
fn a_disabled_connection_gets_the_new_pat_and_a_warning() {
    for (text, is_disabled) in [("true", true), ("false", false)] {
        let places = Places::new();
        feed(&mut places.world()).fields.insert("isDisabled".to_owned(), text.to_owned());
        let run = places.main(&mut places.job(), &[FEED], &[PUBLISHER]);
        assert_eq!(run.warnings.iter().any(|warning| warning.contains("is disabled: it gets the new")), is_disabled);
        says(&run, &["published to service connection \"contoso-feed\""]);
    }
}
