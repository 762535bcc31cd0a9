//! Each refusal that the simulator can make, through the packaged task: the line that is printed holds the service's own
//! word and one remedy, which is a row of the table, and nothing was changed. With `--nocapture`, the table of all lines.

mod administration;
pub(crate) mod azure;
mod azure_devops;
mod entra;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rotate_pat::advice::{self, Named, Service};

use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::Pipeline;
use crate::sign_in::refusals::world;
use agent::{Endpoint, Interruption, Job, TaskResult};
use simulator::{Fault, Op, Simulator, When, World};

const ROTATOR: &str = "rotator@contoso.onmicrosoft.com";
/// A connection of the job beside the federated one.
const OTHER: &str = "other";

/// A pipeline that is about to be refused.
struct Scenario {
    pipeline: Pipeline,
    job: Option<Job>,
    inputs: Vec<(&'static str, String)>,
    env: Vec<(&'static str, String)>,
}

impl Scenario {
    fn new() -> Self {
        let pipeline = Pipeline::with_pat(5);
        let job = Some(pipeline.job());
        Self { pipeline, job, inputs: Vec::new(), env: Vec::new() }
    }

    fn world(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.pipeline.sim.world());
    }

    fn inject(&self, fault: Fault, op: Op) {
        self.pipeline.sim.inject(fault, When::every(op));
    }

    fn input(&mut self, name: &'static str, value: &str) {
        self.inputs.push((name, value.to_owned()));
    }

    /// The connection that signs in with this, in the place of the federated one.
    fn connect(&mut self, scheme: &str, change: impl FnOnce(Endpoint, &World) -> Endpoint) {
        let id = "5ec00000-0000-4000-8000-000000000002";
        let endpoint = Endpoint::new(id, OTHER, "AzureRM", scheme, "https://management.azure.com/");
        let endpoint = change(endpoint.parameter("tenantid", &self.tenant()), &self.pipeline.sim.world());
        self.job = self.job.take().map(|job| job.endpoint(endpoint));
        self.input("azureSubscription", OTHER);
    }

    fn tenant(&self) -> String {
        self.pipeline.sim.world().tenants[0].id.clone()
    }

    /// The connection's app by its client secret.
    fn connect_by_secret(&mut self) {
        self.connect("ServicePrincipal", |endpoint, world| {
            let app = world.app("pat-rotator");
            let endpoint = endpoint.parameter("authenticationType", "spnKey");
            let endpoint = endpoint.parameter("serviceprincipalid", &app.client_id);
            endpoint.parameter("serviceprincipalkey", &app.secrets[0].value)
        });
    }

    /// Signs in with an access token of the rotator from an earlier step.
    fn with_access_token(&mut self) {
        let token = self.pipeline.sim.world().user_token("vso.pats vso.pats_manage");
        for (name, value) in [("azureSubscription", ""), ("refreshTokenSecret", ""), ("accessToken", token.as_str())] {
            self.input(name, value);
        }
    }

    /// Signs in with the rotator's password, to a public client.
    fn with_password(&mut self) {
        let mut world = self.pipeline.sim.world();
        let (password, client) = (world.add_password("rotator"), world.app("pat-rotator-public").client_id.clone());
        drop(world);
        for (name, value) in [
            ("azureSubscription", ""),
            ("refreshTokenSecret", ""),
            ("userName", ROTATOR),
            ("password", &password),
            ("clientId", &client),
        ] {
            self.input(name, value);
        }
    }

    /// A person signs in with a code, right after it was asked for, as far as `person` lets them.
    fn with_device_code(&mut self, person: impl FnMut(&mut World) + Send + 'static) {
        let client = self.pipeline.sim.world().app("pat-rotator-public").client_id.clone();
        for (name, value) in [("command", "signIn"), ("patName", ""), ("variable", ""), ("userName", ROTATOR)] {
            self.input(name, value);
        }
        self.input("clientId", &client);
        self.world(|world| world.device_interval = 1);
        self.inject(Fault::after(person), Op::DeviceCode);
    }
}

/// The rows of one service, and which of their remedies were printed.
struct Table {
    service: Option<Service>,
    printed: BTreeSet<String>,
}

impl Table {
    fn of(service: impl Into<Option<Service>>) -> Self {
        Self { service: service.into(), printed: BTreeSet::new() }
    }

    fn remedies(&self) -> BTreeSet<String> {
        advice::rows(self.service).map(|row| row.remedy(Named::default())).collect()
    }

    /// A run that is refused says these words, and one remedy of the table behind what is true now.
    #[track_caller]
    fn refuse(&mut self, what: &str, said: &[&str], arrange: impl FnOnce(&mut Scenario)) {
        let mut scene = Scenario::new();
        arrange(&mut scene);
        let Scenario { pipeline, job, inputs, env } = scene;
        let mut job = job.unwrap();
        let before = world(&pipeline);
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let step = env.iter().fold(pipeline.step_of(&inputs), |step, (name, value)| step.env(name, value));
        let run = pipeline.step(&mut job, &step, Interruption::None);
        assert_eq!(run.result, TaskResult::Failed, "{what}\n{}", run.log);
        let [line] = &run.errors[..] else { panic!("{what}: not one error\n{}", run.log) };
        self.print(what, said, line);
        assert_eq!(world(&pipeline), before, "{what}");
        assert_eq!(job.variable_value("rotate.rotated"), None, "{what}");
    }

    /// The same in this process, where limits are milliseconds.
    #[track_caller]
    fn refuse_in_process(&mut self, what: &str, said: &[&str], arrange: impl FnOnce(&Arc<Simulator>, &mut LocalJob)) {
        let mut world = World::new();
        world.add_pat("nuget-publish").days_left(5).add();
        let sim = Arc::new(Simulator::start(world));
        let mut job = LocalJob::new(&sim, &[("patName", "nuget-publish")]);
        arrange(&sim, &mut job);
        let before = sim.world().listing();
        job.main();
        let log = job.log();
        let error = log.split_once("##[error]").map(|(_, error)| error.lines().take(3).collect::<Vec<_>>().join("\n"));
        self.print(what, said, &error.unwrap_or_else(|| panic!("{what}: no error\n{log}")));
        assert_eq!(sim.world().listing(), before, "{what}");
    }

    #[expect(clippy::print_stdout, reason = "the table is there to be read")]
    #[track_caller]
    fn print(&mut self, what: &str, said: &[&str], line: &str) {
        println!("| {what} | {} |", line.replace('|', "\\|").replace('\n', " / "));
        let missing: Vec<&&str> = said.iter().filter(|words| !line.contains(**words)).collect();
        assert!(missing.is_empty(), "{what}: no {missing:?} in\n    {line}");
        let now = ["\nNow: Nothing was changed.\nDo: ", "\nNow: Nothing was stored.\nDo: "];
        let behind = now.iter().find_map(|now| line.split_once(now)).map(|(_, remedy)| remedy);
        let remedy = behind.unwrap_or_else(|| panic!("{what}: what is true now is not said in\n    {line}"));
        let remedy = remedy.replace(&format!("the rotating user {ROTATOR}"), "the rotating user");
        assert!(self.remedies().contains(&remedy), "{what}: not one remedy of the table: {remedy}");
        self.printed.insert(remedy);
    }

    /// Every remedy was printed but these.
    #[track_caller]
    fn is_complete_but_for(&self, unseen: &[&str]) {
        let remedies = self.remedies();
        let left: Vec<&String> = remedies.difference(&self.printed).collect();
        let is_listed = |remedy: &&String| unseen.iter().any(|words| remedy.contains(words));
        assert!(left.iter().all(is_listed), "not printed: {left:#?}");
        assert_eq!(left.len(), unseen.len(), "printed after all: {unseen:?} but {left:#?}");
    }
}

#[test]
fn the_documented_table_matches_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let page = fs::read_to_string(path).unwrap();
    let inside = page.split_once("<!-- the table of src/advice -->\n").and_then(|(_, rest)| {
        let (inside, _) = rest.split_once("<!-- its end -->")?;
        Some(inside.trim())
    });
    let expected = advice::markdown();
    let expected = expected.trim();
    assert!(
        inside == Some(expected),
        "Put this between `<!-- the table of src/advice -->` and `<!-- its end -->` in docs/troubleshooting.md:\n\n{expected}\n"
    );
}
