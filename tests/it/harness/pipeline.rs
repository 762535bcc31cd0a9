//! A pipeline that runs the packaged task: the simulator's world on one side, the emulated agent on the other, and
//! what must be true after every single request and in every line, whatever the test is about.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::UNIX_EPOCH;

use agent::{CancelWhen, Endpoint, Interruption, Job, JobStatus, Step, StepRun, TaskResult, forms};
use simulator::world::Job as RunningJob;
use simulator::{PatState, Simulator, World};

pub(crate) const NAME: &str = "nuget-publish";
pub(crate) const VARIABLE: &str = "NUGET_PAT";
/// The vault's secret that holds the rotator's refresh token.
pub(crate) const REFRESH: &str = "rotator-refresh-token";

/// Somebody who uses a value, by name. As long as it worked once, it must go on working.
#[derive(Clone, Debug)]
struct Consumer {
    name: String,
    holds: String,
}

/// A pipeline of organization `contoso`, with everything set up as the README says.
pub(crate) struct Pipeline {
    pub(crate) sim: Simulator,
    consumers: Arc<Mutex<Vec<Consumer>>>,
}

impl Pipeline {
    /// In real time, as the program's own clock is the machine's.
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        world.follow_real_clock();
        let refresh_token = world.refresh_token_for("rotator", "pat-rotator");
        world.set_secret(REFRESH, &refresh_token, &[]);
        let sim = Simulator::start(world);
        let consumers: Arc<Mutex<Vec<Consumer>>> = Arc::default();
        let watched = Arc::clone(&consumers);
        sim.on_each_request(Box::new(move |world, exchange| {
            // A copy, so that a broken promise does not poison the list for the requests after it.
            let consumers = watched.lock().unwrap().clone();
            for Consumer { name, holds } in &consumers {
                let listing = world.listing();
                assert!(world.secret_works(holds), "I1: {name} holds a dead PAT after {exchange}\n{listing}");
            }
        }));
        Self { sim, consumers }
    }

    /// With one committed PAT, held by a consumer, that has this many days left.
    pub(crate) fn with_pat(days_left: i32) -> Self {
        let pipeline = Self::new();
        let id = pipeline.add(NAME, days_left);
        pipeline.consume("the old consumer", &id);
        pipeline
    }

    /// Adds a PAT of the rotator with 30 days of life in all.
    pub(crate) fn add(&self, name: &str, days_left: i32) -> String {
        let mut world = self.sim.world();
        world.add_pat(name).scope("vso.packaging_write").valid_days_ago(30 - days_left).days_left(days_left).add()
    }

    /// From now on this consumer uses that PAT, and no other.
    pub(crate) fn consume(&self, name: &str, id: &str) {
        let holds = self.sim.world().pat(id).secret.clone();
        self.hold(name, &holds);
    }

    /// From now on this consumer uses what the job's variable holds.
    pub(crate) fn consume_variable(&self, name: &str, job: &Job) {
        let holds = job.variable_value(VARIABLE).expect("the variable is set").to_owned();
        assert!(self.sim.world().secret_works(&holds), "the variable holds a PAT that works");
        self.hold(name, &holds);
    }

    fn hold(&self, name: &str, holds: &str) {
        let mut consumers = self.consumers.lock().unwrap();
        consumers.retain(|known| known.name != name);
        consumers.push(Consumer { name: name.to_owned(), holds: holds.to_owned() });
    }

    /// This consumer is no longer there.
    pub(crate) fn forget(&self, name: &str) {
        self.consumers.lock().unwrap().retain(|known| known.name != name);
    }

    /// The job of the run that the world is in.
    pub(crate) fn job(&self) -> Job {
        let job = job_in(&self.sim).installed();
        match of_this_machine("ROTATE_PAT_PRELOAD") {
            Some(preload) => job.raw_env("NODE_OPTIONS", format!("--require {}", preload.display())),
            None => job,
        }
    }

    /// The same pipeline's next run; the one before has ended.
    pub(crate) fn next_job(&self) -> Job {
        self.sim.world().next_run();
        self.job()
    }

    /// The inputs of a rotation in every run, and these more (or in their place).
    pub(crate) fn inputs<'a>(&self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, String)> {
        let mut inputs = vec![
            ("azureSubscription", "pat-rotator".to_owned()),
            ("refreshTokenSecret", format!("{}/secrets/{REFRESH}", self.sim.origin())),
            ("patName", NAME.to_owned()),
            ("variable", VARIABLE.to_owned()),
            ("rotateWhenDaysLeft", "always".to_owned()),
        ];
        for (name, value) in more {
            inputs.retain(|(known, _)| known != name);
            if !value.is_empty() {
                inputs.push((name, (*value).to_owned()));
            }
        }
        inputs
    }

    /// The main stage.
    pub(crate) fn main(&self, job: &mut Job, more: &[(&str, &str)]) -> StepRun {
        self.main_interrupted(job, more, Interruption::None)
    }

    /// The main stage, interrupted.
    pub(crate) fn main_interrupted(&self, job: &mut Job, more: &[(&str, &str)], how: Interruption) -> StepRun {
        self.step(job, &self.step_of(more), how)
    }

    pub(crate) fn step_of(&self, more: &[(&str, &str)]) -> Step {
        let inputs = self.inputs(more);
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Step::new("rotate").inputs(&inputs)
    }

    pub(crate) fn step(&self, job: &mut Job, step: &Step, how: Interruption) -> StepRun {
        let run = job.run(step, how);
        self.audit(&run);
        run
    }

    pub(crate) fn cancelled(&self, job: &mut Job, more: &[(&str, &str)], when: CancelWhen) -> StepRun {
        self.main_interrupted(job, more, Interruption::Cancel(when))
    }

    /// The settle stage, with the job's status and variables as they are.
    pub(crate) fn post(&self, job: &mut Job) -> StepRun {
        let run = job.run_post("rotate");
        self.audit(&run);
        run
    }

    /// A whole job whose consumer stores the new value and succeeds.
    pub(crate) fn rotate(&self, job: &mut Job, more: &[(&str, &str)]) -> (StepRun, StepRun) {
        let main = self.main(job, more);
        assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
        self.consume_variable("the new consumer", job);
        let post = self.post(job);
        assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
        (main, post)
    }

    /// What must be true of every run: nothing leaks, nothing is left running, all is said on standard output.
    fn audit(&self, run: &StepRun) {
        let world = self.sim.world();
        assert_eq!(run.leaks, Vec::<String>::new(), "I4\n{}", run.log);
        assert!(run.orphans.is_empty(), "left running: {:?}", run.orphans);
        assert!(run.stderr_lines().is_empty(), "on standard error: {:?}", run.stderr_lines());
        leaks_nothing(&world, run.raw.iter().map(|line| line.text.as_str()));
    }

    /// The rotator's active PATs, oldest first, each as `#number name`, without the hash of `K` and with the end of
    /// an overlap in hours from now.
    pub(crate) fn active(&self) -> Vec<String> {
        let world = self.sim.world();
        let now = world.now();
        let named = world.pats.iter().filter(|pat| pat.owner == "rotator" && pat.state(now) == PatState::Active);
        named.map(|pat| format!("#{} {}", pat.number, plain(&pat.name, now))).collect()
    }

    /// The id of a PAT by its number.
    pub(crate) fn id(&self, number: u64) -> String {
        let world = self.sim.world();
        world.pats.iter().find(|pat| pat.number == number).expect("a PAT of that number").id.clone()
    }

    /// The requests since the last look, a line each, as operations.
    pub(crate) fn operations(&self) -> Vec<String> {
        let transcript = self.sim.transcript();
        self.sim.clear_transcript();
        transcript.iter().map(|exchange| format!("{:?}", exchange.op)).collect()
    }
}

/// The job of the run that this world is in, with its service connection, before the task is installed.
pub(crate) fn job_in(sim: &Simulator) -> Job {
    let run = sim.world().job.clone();
    job_of(sim, &run, &sim.origin())
}

/// The job of this run, which reaches the world at this address.
pub(crate) fn job_of(sim: &Simulator, run: &RunningJob, origin: &str) -> Job {
    // Made before the world is locked: on a busy machine that takes seconds.
    let package = package();
    let world = sim.world();
    let app = world.app("pat-rotator");
    let connection = world.service_connection("pat-rotator");
    let endpoint = Endpoint::new(
        &connection.id,
        "pat-rotator",
        "AzureRM",
        "WorkloadIdentityFederation",
        "https://management.azure.com/",
    )
    .parameter("tenantid", &world.tenants[0].id)
    .parameter("serviceprincipalid", &app.client_id);
    let mut job = Job::new(package)
        .variable("system.teamProjectId", &run.project_id)
        .variable("system.teamProject", &run.project)
        .variable("system.planId", &run.plan_id)
        .variable("system.jobId", &run.job_id)
        .collection_uri(&format!("{origin}/contoso/"))
        .build(run.build_id)
        .job_token(&run.token)
        .endpoint(endpoint);
    for (label, value) in world.all_secrets() {
        job.watch_secret(&label, &value);
    }
    job
}

/// I4 of lines as printed: no secret of the world in any form, nor over several lines, but in the command that masks it, or
/// as the value of one that sets it after that.
pub(crate) fn leaks_nothing<'a>(world: &World, lines: impl Iterator<Item = &'a str>) {
    let mut masked: BTreeSet<&str> = BTreeSet::new();
    let (mut shown, mut joined) = (Vec::new(), String::new());
    for text in lines {
        if let Some(value) = text.strip_prefix("##vso[task.setsecret]") {
            masked.insert(value);
            continue;
        }
        let is_set = text.starts_with("##vso[task.setvariable ") || text.starts_with("##vso[task.settaskvariable ");
        let value = text.split_once(";issecret=true;]").map(|(_, value)| value).filter(|_| is_set);
        if value.is_none_or(|value| !masked.contains(value)) {
            shown.push(text);
            joined.push_str(text);
        }
    }
    for (label, value) in world.all_secrets() {
        for (form, spelled) in forms(&value) {
            let line = || shown.iter().find(|text| text.contains(&spelled)).unwrap_or(&"parts of it in several lines");
            assert!(!joined.contains(&spelled), "I4: {label} is printed ({form}): {}", line());
        }
    }
}

/// A display name without what differs from run to run.
fn plain(name: &str, now: jiff::Timestamp) -> String {
    let Some((name, marker)) = name.split_once(" [") else { return name.to_owned() };
    let marker = marker.trim_end_matches(']');
    let (state, ends) = marker.split_once(" ends ").map_or((marker, None), |(state, ends)| (state, Some(ends)));
    let state = state.rsplit_once('-').map_or(state, |(state, _)| state);
    let ends = ends.map(|ends| {
        let ends: jiff::Timestamp = ends.parse().expect("a time in a marker");
        format!(" +{}h", (ends.duration_since(now).as_secs_f64() / 3600.0).round())
    });
    format!("{name} [{state}{}]", ends.unwrap_or_default())
}

/// What whoever runs the tests says of the machine: where another package is than the one of this build
/// (`pipelines/try-platforms.sh`), or that a tool that a test needs must be there (`.ci/run`).
#[expect(clippy::disallowed_methods, reason = "said by whoever runs the tests")]
pub(crate) fn of_this_machine(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

/// The task's folder, assembled once by the script that assembles the shipped one, with the program under test.
pub(crate) fn package() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        if let Some(folder) = of_this_machine("ROTATE_PAT_PACKAGE") {
            return folder;
        }
        let program = Path::new(env!("CARGO_BIN_EXE_rotate-pat"));
        let built = fs::metadata(program).unwrap().modified().unwrap().duration_since(UNIX_EPOCH).unwrap();
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = parent.join(format!("package-{}", built.as_nanos()));
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
        let making = parent.join(format!("making-{}", std::process::id()));
        // Each job gets a copy and each launcher hashes it once: without its symbols a debug build is a sixth as long.
        let stripped = making.with_extension("stripped");
        let strip = Command::new("strip").arg("-o").args([&stripped, program]).status();
        let program = if strip.is_ok_and(|status| status.success()) { stripped.as_path() } else { program };
        let made = Command::new("bash")
            .arg(scripts.join("package.sh"))
            .args(["--binary".as_ref(), program.as_os_str(), "--out".as_ref(), making.as_os_str()])
            .output()
            .unwrap();
        assert!(made.status.success(), "package.sh: {}", String::from_utf8_lossy(&made.stderr));
        let _none = fs::remove_file(&stripped);
        for older in fs::read_dir(parent).unwrap().flatten() {
            if older.file_name().to_string_lossy().starts_with("package-") && older.path() != folder {
                let _gone = fs::remove_dir_all(older.path());
            }
        }
        // Another process of the same test run may have been faster; what it made is the same.
        let _lost = fs::remove_dir_all(&folder);
        if fs::rename(&making, &folder).is_err() {
            let _lost = fs::remove_dir_all(&making);
        }
        folder
    })
}

/// The lines of a log that hold this text.
pub(crate) fn lines_with<'a>(run: &'a StepRun, text: &str) -> Vec<&'a str> {
    run.log.lines().filter(|line| line.contains(text)).collect()
}

/// Fails with the log unless it says all of this.
#[track_caller]
pub(crate) fn says(run: &StepRun, texts: &[&str]) {
    for text in texts {
        assert!(run.log.contains(text), "the log does not say {text:?}:\n{}", run.log);
    }
}

/// A job that ended like this.
pub(crate) fn ended(job: &mut Job, status: JobStatus) {
    job.set_status(status);
}
