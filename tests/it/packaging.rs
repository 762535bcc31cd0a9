//! The folder that is shipped: its files, what its manifest promises, what its README says of the manifest, and the
//! launcher between the agent and the program.

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::agent::{Interruption, Job, StepRun, TaskResult};
use crate::pipeline::{NAME, Pipeline, VARIABLE, package, says};

const TOP: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest() -> Value {
    serde_json::from_str(&read(package().join("task.json"))).unwrap()
}

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap()).collect()
}

/// Everything between these two, wherever it stands.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0)).collect()
}

/// The program's file for each platform, as the launcher knows them.
fn programs() -> BTreeMap<String, String> {
    let launcher = read(package().join("launcher.js"));
    let table = between(&launcher, "const PROGRAMS = {", "};")[0].to_owned();
    let rows = table.lines().filter_map(|line| line.trim().strip_prefix('\'')?.split_once("': '"));
    rows.map(|(platform, rest)| (platform.to_owned(), rest.split('\'').next().unwrap().to_owned())).collect()
}

fn this_platform() -> String {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    format!("{os}-{arch}")
}

fn files_of(folder: &Path, below: &str) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder.join(below)).unwrap().flatten() {
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(files_of(folder, &format!("{name}/")));
        } else {
            files.insert(name);
        }
    }
    files
}

#[test]
fn the_folder_has_the_files_that_the_manifest_and_the_launcher_name_and_no_others() {
    let manifest = manifest();
    let mut named = BTreeSet::from(["task.json".to_owned(), format!("bin/{}", programs()[&this_platform()])]);
    for stage in ["execution", "postjobexecution"] {
        for handler in manifest[stage].as_object().unwrap().values() {
            named.insert(handler["target"].as_str().unwrap().to_owned());
        }
    }
    for entry in named.clone().iter().filter(|file| file.ends_with(".js")) {
        let required = read(package().join(entry));
        named.extend(between(&required, "require('./", "')").into_iter().map(str::to_owned));
    }
    if Path::new(TOP).join("extension/icon.png").exists() {
        named.insert("icon.png".to_owned());
    }
    assert_eq!(files_of(package(), ""), named);
    for file in &named {
        let mode = fs::metadata(package().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o644, "{file}: an archive carries no modes, so none may be relied on");
    }
}

#[test]
fn the_launcher_has_a_program_for_each_platform_that_the_script_can_package() {
    let known: BTreeSet<String> = programs().into_values().collect();
    for platform in between(&read(Path::new(TOP).join("pipelines/package.sh")), "platform=", " arch=") {
        assert!(known.contains(&format!("rotate-pat-{platform}")), "{platform}: {known:?}");
    }
    let launcher = read(package().join("launcher.js"));
    let modules: BTreeSet<&str> = between(&launcher, "require('", "')").into_iter().collect();
    assert_eq!(modules, BTreeSet::from(["child_process", "fs", "os", "path"]), "no packages");
}

#[test]
fn the_manifest_is_consistent_in_itself() {
    let manifest = manifest();
    assert_eq!(manifest, serde_json::from_str::<Value>(&read(Path::new(TOP).join("task.json"))).unwrap());
    let id = manifest["id"].as_str().unwrap();
    assert!(id.len() == 36 && id.split('-').count() == 5, "{id}");
    assert_eq!(manifest["name"], "RotatePat");
    assert_eq!(manifest["visibility"], serde_json::json!(["Build", "Release"]));
    assert_eq!(manifest["runsOn"], serde_json::json!(["Agent", "DeploymentGroup"]));
    assert!(manifest.get("restrictions").is_none(), "the summary needs its command");
    assert_eq!(manifest["execution"].as_object().unwrap().keys().collect::<Vec<_>>(), ["Node20_1", "Node24"]);
    for (stage, target) in [("execution", "rotate.js"), ("postjobexecution", "settle.js")] {
        for (handler, of) in manifest[stage].as_object().unwrap() {
            assert_eq!(of["target"], target, "{stage} {handler}");
        }
    }
    let outputs = texts(&manifest["outputVariables"], "name");
    assert_eq!(outputs.iter().collect::<BTreeSet<_>>().len(), outputs.len());
}

#[test]
fn every_input_of_the_manifest_can_be_filled_in() {
    let manifest = manifest();
    let groups = texts(&manifest["groups"], "name");
    let mut names = BTreeSet::new();
    for input in manifest["inputs"].as_array().unwrap() {
        let name = input["name"].as_str().unwrap();
        let aliases = input["aliases"].as_array().cloned().unwrap_or_default();
        for one in aliases.iter().map(|alias| alias.as_str().unwrap()).chain([name]) {
            let is_name =
                one.starts_with(|c: char| c.is_ascii_alphabetic()) && one.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_name, "{one}");
            assert!(names.insert(one.to_lowercase()), "{one} is there twice");
        }
        let kind = input["type"].as_str().unwrap();
        let kinds = [
            "boolean",
            "multiLine",
            "pickList",
            "string",
            "connectedService:AzureRM",
            "connectedService:WorkloadIdentityUser",
        ];
        assert!(kinds.contains(&kind), "{name}: {kind}");
        assert!(
            !input["label"].as_str().unwrap().is_empty() && !input["helpMarkDown"].as_str().unwrap().is_empty(),
            "{name}"
        );
        assert!(input.get("required").is_none(), "{name}: the program says what is missing, all at once");
        if let Some(group) = input.get("groupName") {
            assert!(groups.contains(&group.as_str().unwrap()), "{name}: {group}");
        }
        assert_eq!(kind == "pickList", input.get("options").is_some(), "{name}");
        if let Some(options) = input["options"].as_object() {
            assert!(options.contains_key(input["defaultValue"].as_str().unwrap()), "{name}");
        }
    }
    for rule in manifest["groups"].as_array().unwrap().iter().filter_map(|group| group["visibleRule"].as_str()) {
        let (input, option) = rule.split_once(" = ").unwrap();
        let input = manifest["inputs"].as_array().unwrap().iter().find(|known| known["name"] == input).unwrap();
        assert!(input["options"].get(option).is_some(), "{rule}");
    }
    for input in between(manifest["instanceNameFormat"].as_str().unwrap(), "$(", ")") {
        assert!(names.contains(&input.to_lowercase()), "{input}");
    }
}

/// The rows of the README's tables whose first column has this heading: the name, and the cell after it.
fn readme_table(heading: &str) -> BTreeMap<String, String> {
    let readme = read(Path::new(TOP).join("README.md"));
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for line in readme.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with('|') {
            inside = false;
        } else if cells[0] == heading {
            inside = true;
        } else if inside && cells[0].starts_with('`') {
            for name in cells[0].split('`').skip(1).step_by(2) {
                assert!(rows.insert(name.to_owned(), cells[1].replace('`', "")).is_none(), "{name} is there twice");
            }
        }
    }
    rows
}

#[test]
fn the_readme_lists_every_input_with_its_default_and_no_others() {
    let manifest = manifest();
    let inputs = manifest["inputs"].as_array().unwrap().iter();
    let declared: BTreeMap<String, String> = inputs
        .map(|input| {
            (input["name"].as_str().unwrap().to_owned(), input["defaultValue"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    assert_eq!(readme_table("input"), declared);
}

#[test]
fn the_readme_names_every_alias_choice_and_output() {
    let manifest = manifest();
    let readme = read(Path::new(TOP).join("README.md"));
    for input in manifest["inputs"].as_array().unwrap() {
        let aliases = input["aliases"].as_array().cloned().unwrap_or_default();
        for alias in aliases.iter().map(|alias| alias.as_str().unwrap()) {
            assert!(readme.contains(&format!("`{alias}`")), "{alias}");
        }
    }
    for output in texts(&manifest["outputVariables"], "name") {
        assert!(readme.contains(&format!("`{output}`")), "{output}");
    }
    let declared: BTreeSet<String> =
        texts(&manifest["outputVariables"], "name").into_iter().map(str::to_owned).collect();
    assert!(readme_table("output").into_keys().all(|output| declared.contains(&output)));
}

#[test]
fn every_example_uses_this_task_with_inputs_that_it_has() {
    let manifest = manifest();
    let mut known = BTreeSet::new();
    for input in manifest["inputs"].as_array().unwrap() {
        known.insert(input["name"].as_str().unwrap().to_owned());
        known.extend(input["aliases"].as_array().into_iter().flatten().map(|alias| alias.as_str().unwrap().to_owned()));
    }
    let top = Path::new(TOP);
    let examples = fs::read_dir(top.join("pipelines")).unwrap().flatten().map(|entry| entry.path());
    let examples = examples.filter(|path| path.extension().is_some_and(|kind| kind == "yml"));
    let mut steps = 0;
    for file in examples.chain([top.join("README.md")]) {
        for step in read(&file).split("- task: RotatePat").skip(1) {
            let version = step.lines().next().unwrap().trim();
            assert_eq!(version, format!("@{}", manifest["version"]["Major"]), "{}", file.display());
            let inputs = step.split_once("inputs:\n").unwrap().1;
            let indent = inputs.len() - inputs.trim_start().len();
            for line in inputs.lines().take_while(|line| line.len() - line.trim_start().len() >= indent) {
                let line = &line[indent..];
                // What is commented out is an input, too, unless it is prose.
                let (line, is_comment) = line.strip_prefix("# ").map_or((line, false), |line| (line, true));
                let Some((name, _)) = line.split_once(':').filter(|_| !line.starts_with([' ', '#'])) else { continue };
                let is_prose = is_comment && name.contains(' ');
                assert!(is_prose || known.contains(name), "{}: {name}", file.display());
            }
            steps += 1;
        }
    }
    assert!(steps >= 2, "{steps}");
}

/// A copy of the folder, in which anything may stand in the program's place; gone when the test is.
struct Copy {
    parent: PathBuf,
    folder: PathBuf,
}

impl Copy {
    fn new(called: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("copy-{}-{number}", std::process::id()));
        let folder = parent.join(called);
        for file in files_of(package(), "") {
            let to = folder.join(&file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(package().join(file), to).unwrap();
        }
        Self { parent, folder }
    }

    fn program(&self) -> PathBuf {
        self.folder.join("bin").join(&programs()[&this_platform()])
    }

    /// With this script in the program's place.
    fn with(script: &str) -> Self {
        let copy = Self::new("RotatePat");
        fs::write(copy.program(), format!("#!/bin/sh\n{script}\n")).unwrap();
        copy
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.parent);
    }
}

/// A dry run, signed in by an access token.
fn dry_run(pipeline: &Pipeline, job: Job) -> (Job, StepRun) {
    let mut world = pipeline.sim.world();
    let token = world.user_token("vso.pats vso.pats_manage");
    let mut job = job.collection_uri(&format!("{}/contoso/", pipeline.sim.origin())).job_token(&world.job.token);
    drop(world);
    let inputs = [("accessToken", token.as_str()), ("patName", NAME), ("dryRun", "true")];
    let run = job.run_task("rotate", &inputs);
    (job, run)
}

#[test]
fn the_program_is_made_executable_wherever_the_folder_lies() {
    for called in ["plain", "with blanks and 'quotes'", "größe 日本 $(x) %41 #"] {
        let pipeline = Pipeline::with_pat(20);
        let copy = Copy::new(called);
        let (job, run) = dry_run(&pipeline, Job::new(&copy.folder));
        assert_eq!((run.result, run.exit_code), (TaskResult::Succeeded, Some(0)), "{called}\n{}", run.log);
        says(&run, &["dry run: no token and no destination was changed"]);
        assert_eq!(job.variable_value("rotate.rotated"), Some("false"));
        assert_eq!(fs::metadata(copy.program()).unwrap().permissions().mode() & 0o777, 0o755);
    }
}

/// Node code that runs first: the task's files cannot be changed, and those whose path holds this cannot be executed.
fn not_executable(job: Job, path: &str) -> Job {
    let hook = job.temp_directory().join("hook.cjs");
    let code = format!(
        "const fs = require('fs');
         const refused = (code) => Object.assign(new Error(code), {{ code }});
         const [chmod, access] = [fs.chmodSync, fs.accessSync];
         fs.chmodSync = (file, mode) => {{ if (file.includes('_tasks')) throw refused('EROFS'); return chmod(file, mode); }};
         fs.accessSync = (file, mode) => {{ if (file.includes({path:?})) throw refused('EACCES'); return access(file, mode); }};"
    );
    fs::write(&hook, code).unwrap();
    job.raw_env("NODE_OPTIONS", format!("--require {}", hook.display()))
}

#[test]
fn a_folder_that_lets_nothing_be_executed_is_left_for_a_copy_that_is_gone_afterwards() {
    let pipeline = Pipeline::with_pat(20);
    let (job, run) = dry_run(&pipeline, not_executable(Job::new(package()).installed(), "_tasks"));
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["dry run"]);
    let left = fs::read_dir(job.temp_directory()).unwrap().flatten().map(|entry| entry.file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["hook.cjs"]);

    let (job, run) = dry_run(&pipeline, not_executable(Job::new(package()).installed(), "/"));
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["neither the task's folder nor", "lets a program be executed", "without noexec"]);
    assert_eq!(fs::read_dir(job.temp_directory()).unwrap().count(), 1);
}

/// The names in the environment that the program is given in both stages.
fn environment(inputs: &[(&str, &str)], job: impl FnOnce(Job) -> Job) -> BTreeSet<String> {
    let script = "echo '##vso[task.settaskvariable variable=kept]1'; echo \"STAGE_$1=\"; env";
    let copy = Copy::with(script);
    let mut job = job(Job::new(&copy.folder));
    let main = job.run_task("rotate", inputs);
    let post = job.run_post("rotate");
    assert_eq!((main.result, post.result), (TaskResult::Succeeded, TaskResult::Succeeded), "{}", main.log);
    let names = |run: &StepRun| -> BTreeSet<String> {
        run.raw.iter().filter_map(|line| Some(line.text.split_once('=')?.0.to_owned())).collect()
    };
    let (main, mut post) = (names(&main), names(&post));
    assert!(main.contains("STAGE_task") && post.contains("STAGE_settle"));
    assert!(!main.contains("VSTS_TASKVARIABLE_KEPT") && post.contains("VSTS_TASKVARIABLE_KEPT"));
    post.extend(main);
    post
}

#[test]
fn the_program_gets_its_environment_without_secrets_that_are_not_its_business() {
    let secrets = ["NUGET_PAT", "stored", "somebody.elses", "PAT", "agent.proxypassword", "agent.clientcertpassword"];
    let environment = environment(&[("patName", NAME), ("variable", VARIABLE), ("confirmVariable", "Stored")], |job| {
        let job = secrets.iter().fold(job, |job, name| job.secret_variable(name, "12345678"));
        let job =
            job.raw_env("secret_lower", "x").raw_env("SECUREFILE_TICKET_1", "x").raw_env("SECUREFILE_NAME_1", "x");
        job.variable("agent.proxyurl", "http://proxy.example:8080")
    });
    let secret: Vec<&str> =
        environment.iter().map(String::as_str).filter(|name| name.to_uppercase().starts_with("SEC")).collect();
    let needed = ["AGENT_CLIENTCERTPASSWORD", "AGENT_PROXYPASSWORD", "NUGET_PAT", "STORED", "SYSTEM_ACCESSTOKEN"];
    assert_eq!(secret, needed.map(|name| format!("SECRET_{name}")));
    for name in ["VSTS_SECRET_VARIABLES", "VSTS_PUBLIC_VARIABLES"] {
        assert!(!environment.contains(name), "{name}");
    }
    for name in [
        "INPUT_PATNAME",
        "INPUT_OVERLAPHOURS",
        "ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN",
        "SYSTEM_COLLECTIONURI",
        "SYSTEM_TASKINSTANCEID",
        "BUILD_BUILDID",
        "AGENT_JOBSTATUS",
        "AGENT_PROXYURL",
        "AGENT_TEMPDIRECTORY",
        "PATH",
    ] {
        assert!(environment.contains(name), "{name}: {environment:?}");
    }
}

#[test]
fn the_variable_that_is_not_named_is_passed_on_only_where_it_is_the_default() {
    for (inputs, name, is_passed) in [
        (&[("patName", NAME)][..], "PAT", true),
        (&[("patName", NAME), ("publishTo", "keyVault: a/b")], "PAT", false),
        (&[("patName", NAME), ("publishTo", "keyVault: a/b"), ("variable", "my pat.x")], "MY_PAT_X", true),
        (&[("patName", NAME)], "OTHER", false),
    ] {
        let environment = environment(inputs, |job| job.secret_variable(name, "12345678"));
        assert_eq!(environment.contains(&format!("SECRET_{name}")), is_passed, "{inputs:?}");
    }
}

#[test]
fn how_the_program_ended_is_what_the_agent_hears() {
    let complete = |result: &str| format!("echo '##vso[task.complete result={result};]done'");
    for (script, result, code, said) in [
        (complete("Succeeded"), TaskResult::Succeeded, 0, ""),
        (format!("{}; exit 3", complete("Failed")), TaskResult::Failed, 0, ""),
        (format!("{}; exit 3", complete("Canceled")), TaskResult::Canceled, 0, ""),
        ("exit 2".to_owned(), TaskResult::Failed, 2, "ended without a result (exit code 2)"),
        ("exit 101".to_owned(), TaskResult::Failed, 101, "ended without a result (exit code 101)"),
        ("kill -KILL $$".to_owned(), TaskResult::Failed, 137, "ended without a result (SIGKILL)"),
        ("kill -ABRT $$".to_owned(), TaskResult::Failed, 134, "ended without a result (SIGABRT)"),
    ] {
        let copy = Copy::with(&script);
        let mut job = Job::new(&copy.folder);
        let run = job.run_task("rotate", &[]);
        assert_eq!((run.result, run.exit_code), (result, Some(code)), "{script}\n{}", run.log);
        says(&run, &[said]);
        assert_eq!(run.log.contains("the next run repairs what this one left"), !said.is_empty(), "{script}");
    }
}

#[test]
fn a_program_that_is_not_there_is_said_to_be_missing() {
    let copy = Copy::new("missing ##vso[task.setvariable variable=x]1");
    fs::remove_file(copy.program()).unwrap();
    let mut job = Job::new(&copy.folder);
    let run = job.run(&crate::agent::Step::new("rotate"), Interruption::None);
    assert_eq!((run.result, run.exit_code), (TaskResult::Failed, Some(0)), "{}", run.log);
    says(&run, &["could not find RotatePat's program for this agent", "Install the extension again"]);
    assert_eq!((run.error_count, job.variable_value("x")), (1, None));
}
