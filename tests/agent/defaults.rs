//! The job that tests get without asking: names, ids and folders of an ordinary hosted build.

use super::environment::Environment;
use super::instance_id;
use super::variables::Variables;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The agent's folders, gone when the job is.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    pub fn create() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("emulated-agent-{}-{number}-{:08x}", std::process::id(), fastrand::u32(..));
        let workspace = Self { root: std::env::temp_dir().join(name) };
        for folder in [workspace.temp(), workspace.sources(), workspace.root.join("_tool")] {
            fs::create_dir_all(folder).unwrap();
        }
        workspace
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn temp(&self) -> PathBuf {
        self.root.join("_temp")
    }

    pub fn sources(&self) -> PathBuf {
        self.root.join("1").join("s")
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// What the server and the agent put into the job message of a YAML build (agent: L1TestBase.cs, JobRunner.cs).
pub fn load(variables: &mut Variables, workspace: &Workspace) {
    for (name, value) in FIXED {
        variables.load(name, value, false);
    }
    for name in ["system.teamProjectId", "system.collectionId", "system.planId", "system.jobId", "system.timelineId"] {
        variables.load(name, &guid(name), false);
    }
    let root = workspace.root().display();
    for (name, folder) in FOLDERS {
        variables.load(name, &format!("{root}{folder}"), false);
    }
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let os = if os == "windows" {
        "Windows_NT"
    } else if os == "macos" {
        "Darwin"
    } else {
        "Linux"
    };
    variables.load("agent.os", os, false);
    variables.load("agent.osArchitecture", if arch == "aarch64" { "ARM64" } else { "X64" }, false);
}

/// A classic release has no build of its own, and another "hub".
pub fn load_release(variables: &mut Variables, id: u32) {
    let of_builds: Vec<String> =
        variables.names().filter(|name| name.starts_with("build.")).map(str::to_owned).collect();
    of_builds.iter().for_each(|name| variables.remove(name));
    let id = id.to_string();
    let release = [
        ("system.hosttype", "release"),
        ("release.releaseId", &id),
        ("release.releaseName", &format!("Release-{id}")),
        ("release.attemptNumber", "1"),
        ("release.definitionName", "rotation"),
        ("release.definitionId", "12"),
        ("release.environmentName", "production"),
        ("release.environmentId", "3"),
    ];
    release.iter().for_each(|(name, value)| variables.load(name, value, false));
}

/// What differs from step to step (agent: TaskRunner.cs). The step's name is the same in every attempt, its id is not.
pub fn load_step(variables: &mut Variables, step: &str) {
    let id = instance_id::of_step(variables, step);
    variables.load("system.taskInstanceId", &id, false);
    variables.load("system.taskInstanceName", step, false);
    variables.load("system.taskDisplayName", step, false);
    variables.load("task.displayname", step, false);
}

pub fn oidc_request_uri(variables: &Variables) -> String {
    let value = |name: &str| variables.value(name).unwrap_or_default().to_owned();
    format!(
        "{}{}/_apis/distributedtask/hubs/{}/plans/{}/jobs/{}/oidctoken",
        value("system.collectionUri"),
        value("system.teamProjectId"),
        value("system.hosttype"),
        value("system.planId"),
        value("system.jobId"),
    )
}

/// The same text gives the same id in every run (FNV-1a, twice).
pub fn guid(text: &str) -> String {
    let hash =
        |seed: u64| text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let hex = format!("{:016x}{:016x}", hash(0xcbf2_9ce4_8422_2325), hash(0x8422_2325_cbf2_9ce4));
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// The one place that looks at the environment of the tests themselves.
#[expect(clippy::disallowed_methods, reason = "node is found, and lives, with the PATH of whoever runs the tests")]
pub fn inherited(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

pub fn find_on_path(program: &str) -> Option<PathBuf> {
    let path = inherited("PATH")?;
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path).map(|folder| folder.join(&name)).find(|file| file.is_file())
}

/// agent: Handler.cs, `AddPrependPathToEnvironment`: the last one given stands first.
pub fn prepend(environment: &mut Environment, folders: &[String]) {
    let old = environment.get("PATH").unwrap_or_default().to_owned();
    let old = std::env::split_paths(&old).collect::<Vec<_>>();
    let all = folders.iter().rev().map(PathBuf::from).chain(old);
    let path: OsString = std::env::join_paths(all).unwrap();
    environment.set("PATH", path);
}

/// A .vsix carries no modes: files arrive as 0644.
pub fn copy_without_modes(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        copy_with_mode(&file, &target, "644");
    }
}

/// Copies a file by another process. Were it open for writing here, a test that starts a process at that moment would hand
/// the open file on, and the copy could not be executed ("text file busy").
pub fn copy_with_mode(from: &Path, to: &Path, mode: &str) {
    if cfg!(unix) {
        let done = std::process::Command::new("install").args(["-m", mode]).args([from, to]).status();
        assert!(done.is_ok_and(|status| status.success()), "could not copy {}", from.display());
    } else {
        fs::write(to, fs::read(from).unwrap()).unwrap();
    }
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files
}

const FOLDERS: [(&str, &str); 14] = [
    ("agent.homeDirectory", ""),
    ("agent.rootDirectory", ""),
    ("agent.workFolder", ""),
    ("agent.buildDirectory", "/1"),
    ("agent.tempDirectory", "/_temp"),
    ("agent.toolsDirectory", "/_tool"),
    ("build.artifactStagingDirectory", "/1/a"),
    ("build.binariesDirectory", "/1/b"),
    ("build.sourcesDirectory", "/1/s"),
    ("build.stagingDirectory", "/1/a"),
    ("common.testResultsDirectory", "/1/TestResults"),
    ("pipeline.workspace", "/1"),
    ("system.artifactsDirectory", "/1/a"),
    ("system.defaultWorkingDirectory", "/1/s"),
];

const FIXED: [(&str, &str); 42] = [
    ("agent.id", "8"),
    ("agent.isSelfHosted", "0"),
    ("agent.jobName", "Job"),
    ("agent.jobstatus", "Succeeded"),
    ("agent.machineName", "fv-az000"),
    ("agent.name", "Azure Pipelines 2"),
    ("agent.readOnlyVariables", "true"),
    ("agent.retainDefaultEncoding", "false"),
    ("agent.version", "4.275.0"),
    ("build.buildId", "100"),
    ("build.buildNumber", "20261124.1"),
    ("build.buildUri", "vstfs:///Build/Build/100"),
    ("build.definitionName", "rotation"),
    ("build.definitionVersion", "1"),
    ("build.queuedBy", "Microsoft.VisualStudio.Services.TFS"),
    ("build.reason", "Schedule"),
    ("build.repository.name", "Fabrikam"),
    ("build.repository.provider", "TfsGit"),
    ("build.requestedFor", "Microsoft.VisualStudio.Services.TFS"),
    ("build.sourceBranch", "refs/heads/main"),
    ("build.sourceBranchName", "main"),
    ("build.sourceVersion", "0123456789abcdef0123456789abcdef01234567"),
    ("system", "build"),
    ("system.culture", "en-US"),
    ("system.debug", "false"),
    ("system.definitionId", "12"),
    ("system.definitionName", "rotation"),
    ("system.enableAccessToken", "SecretVariable"),
    ("system.hosttype", "build"),
    ("system.isScheduled", "True"),
    ("system.jobAttempt", "1"),
    ("system.jobDisplayName", "Job"),
    ("system.jobIdentifier", "Job.__default"),
    ("system.jobName", "__default"),
    ("system.phaseAttempt", "1"),
    ("system.phaseDisplayName", "Job"),
    ("system.phaseName", "Job"),
    ("system.serverType", "Hosted"),
    ("system.stageAttempt", "1"),
    ("system.stageDisplayName", "__default"),
    ("system.stageName", "__default"),
    ("system.teamProject", "Fabrikam"),
];
