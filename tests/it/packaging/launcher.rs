//! The launcher between the agent and the program: what it needs of the folder and the machine, what it hands on, and
//! how it says what the program cannot say.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use ring::digest::{SHA256, digest};

use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, package, says};
use crate::packaging::shipped::{files_of, programs, this_platform};
use agent::defaults::copy_with_mode;
use agent::{Interruption, Job, Step, StepRun, TaskResult};

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
            let from = package().join(file);
            let mode = fs::metadata(&from).unwrap().permissions().mode() & 0o777;
            copy_with_mode(&from, &to, &format!("{mode:o}"));
        }
        Self { parent, folder }
    }

    fn program(&self) -> PathBuf {
        self.folder.join("bin").join(&programs()[&this_platform()])
    }

    /// With this script in the program's place, as if it had been packaged.
    fn with(script: &str) -> Self {
        Self::with_bytes(format!("#!/bin/sh\n{script}\n").as_bytes())
    }

    fn with_bytes(program: &[u8]) -> Self {
        let copy = Self::new("RotatePat");
        let hash = digest(&SHA256, program).as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        fs::write(copy.program(), program).unwrap();
        fs::write(copy.sums(), format!("{hash}  {}\n", programs()[&this_platform()])).unwrap();
        copy
    }

    fn sums(&self) -> PathBuf {
        self.folder.join("bin/SHA256SUMS")
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

/// What a dry run has left in the temporary folder, beside its result.
fn left(job: &Job) -> Vec<String> {
    let names = fs::read_dir(job.temp_directory()).unwrap().flatten().map(|entry| entry.file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with("run-page-") && !name.starts_with("run-result-")).collect()
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
fn not_executable(job: Job, path: &str, code: &str) -> Job {
    let code = format!(
        "const fs = require('fs');
         const refused = (code) => Object.assign(new Error(code), {{ code }});
         const [chmod, access] = [fs.chmodSync, fs.accessSync];
         fs.chmodSync = (file, mode) => {{ if (file.includes('_tasks')) throw refused('{code}'); return chmod(file, mode); }};
         fs.accessSync = (file, mode) => {{ if (file.includes({path:?})) throw refused('EACCES'); return access(file, mode); }};"
    );
    hooked(job, &code)
}

#[test]
fn a_folder_that_lets_nothing_be_executed_is_left_for_a_copy_that_is_gone_afterwards() {
    let pipeline = Pipeline::with_pat(20);
    for code in ["EROFS", "EPERM", "ENOTSUP", "EIO", "ENOSYS"] {
        let (job, run) = dry_run(&pipeline, not_executable(Job::new(package()).installed(), "_tasks", code));
        assert_eq!(run.result, TaskResult::Succeeded, "{code}\n{}", run.log);
        says(&run, &["dry run"]);
        assert_eq!(left(&job), ["hook.cjs"]);
    }

    let (job, run) = dry_run(&pipeline, not_executable(Job::new(package()).installed(), "/", "EROFS"));
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
        assert!(environment.contains(name), "{name}: the program refuses variables that pass for the agent's");
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
fn a_good_attempt_after_a_crash_is_the_last() {
    let script = "if [ -e \"$AGENT_TEMPDIRECTORY/crashed\" ]; then echo '##vso[task.complete result=Succeeded;]'; \
                  else touch \"$AGENT_TEMPDIRECTORY/crashed\"; kill -KILL $$; fi";
    for retries in [1, 2] {
        let copy = Copy::with(script);
        let mut job = Job::new(&copy.folder);
        let run = job.run(&Step::new("rotate").retry_count_on_task_failure(retries), Interruption::None);
        assert_eq!((run.result, run.attempts), (TaskResult::Succeeded, 2), "{}", run.log);
    }
}

#[test]
fn a_command_cut_short_does_not_swallow_the_next() {
    let copy = Copy::with("printf '##vso[task.setvariable variable=x]1'; kill -KILL $$");
    let mut job = Job::new(&copy.folder);
    let run = job.run_task("rotate", &[]);
    assert_eq!((run.result, run.exit_code), (TaskResult::Failed, Some(137)), "{}", run.log);
    assert_eq!(job.variable_value("x"), Some("1"));
    says(&run, &["##[error]RotatePat's program ended without a result (SIGKILL)"]);
}

#[test]
fn a_program_that_is_not_there_is_said_to_be_missing() {
    for missing in ["the program", "the sums", "the folder"] {
        let copy = Copy::new("missing ##vso[task.setvariable variable=x]1");
        match missing {
            "the program" => fs::remove_file(copy.program()).unwrap(),
            "the sums" => fs::remove_file(copy.sums()).unwrap(),
            _ => fs::remove_dir_all(copy.folder.join("bin")).unwrap(),
        }
        let mut job = Job::new(&copy.folder);
        let run = job.run(&Step::new("rotate"), Interruption::None);
        assert_eq!((run.result, run.exit_code), (TaskResult::Failed, Some(0)), "{missing}\n{}", run.log);
        says(&run, &["could not find RotatePat's program for this agent", "Install the extension again"]);
        assert_eq!((run.error_count, job.variable_value("x")), (1, None), "{missing}\n{}", run.log);
        assert!(!run.log.contains("ENOENT"), "{}", run.log);
    }
}

#[test]
fn a_program_of_another_format_is_never_started() {
    // What `execvp` would hand to a shell: a text, and the right format for another processor.
    let mut foreign = fs::read(Copy::new("RotatePat").program()).unwrap();
    foreign.truncate(4096);
    for byte in &mut foreign[4..20] {
        *byte = !*byte;
    }
    let text = b"touch \"$AGENT_TEMPDIRECTORY/started\"\necho '##vso[task.complete result=Succeeded;]'\n";
    for program in [&text[..], &foreign[..], b""] {
        let copy = Copy::with_bytes(program);
        let mut job = Job::new(&copy.folder);
        let run = job.run_task("rotate", &[]);
        assert_eq!((run.result, run.exit_code, run.error_count), (TaskResult::Failed, Some(0), 1), "{}", run.log);
        says(&run, &["is not a program for this agent", "Install the extension again"]);
        assert!(!job.temp_directory().join("started").exists());
    }
}

/// Node code that runs before the launcher.
fn hooked(job: Job, code: &str) -> Job {
    let hook = job.temp_directory().join("hook.cjs");
    fs::write(&hook, code).unwrap();
    job.raw_env("NODE_OPTIONS", format!("--require {}", hook.display()))
}

#[test]
fn an_agent_of_another_platform_is_told_which_ones_there_are() {
    for (platform, arch) in [("freebsd", "x64"), ("linux", "arm"), ("win32", "ia32")] {
        let code = format!(
            "Object.defineProperty(process, 'platform', {{ value: {platform:?} }});
             Object.defineProperty(process, 'arch', {{ value: {arch:?} }});"
        );
        let mut job = hooked(Job::new(package()), &code);
        let run = job.run_task("rotate", &[]);
        assert_eq!((run.result, run.exit_code, run.error_count), (TaskResult::Failed, Some(0), 1), "{}", run.log);
        says(&run, &[&format!("no program for this agent ({platform}-{arch})")]);
        says(&run, &["Linux x64 and arm64, Windows x64, macOS x64 and arm64"]);
    }
}

#[test]
fn a_package_without_this_agents_platform_says_so() {
    let code = "Object.defineProperty(process, 'platform', { value: 'win32' });
                Object.defineProperty(process, 'arch', { value: 'x64' });";
    let mut job = hooked(Job::new(package()), code);
    let run = job.run_task("rotate", &[]);
    assert_eq!((run.result, run.exit_code, run.error_count), (TaskResult::Failed, Some(0), 1), "{}", run.log);
    says(&run, &["this package of RotatePat has none for win32-x64", "Install the extension that has all platforms"]);
}

#[test]
fn a_program_that_is_not_the_packaged_one_is_never_started() {
    let copy = Copy::with("touch \"$AGENT_TEMPDIRECTORY/started\"; echo '##vso[task.complete result=Succeeded;]'");
    let changed = |copy: &Copy| {
        let mut job = Job::new(&copy.folder);
        let run = job.run_task("rotate", &[]);
        assert_eq!((run.result, run.exit_code, run.error_count), (TaskResult::Failed, Some(0), 1), "{}", run.log);
        says(&run, &["is not the file that was packaged", ".completed on the agent"]);
        assert!(!job.temp_directory().join("started").exists());
    };
    let right = fs::read(copy.program()).unwrap();
    fs::write(copy.program(), &right[..right.len() - 1]).unwrap();
    changed(&copy);

    fs::write(copy.program(), &right).unwrap();
    let mut job = Job::new(&copy.folder);
    assert_eq!(job.run_task("rotate", &[]).result, TaskResult::Succeeded);
    assert!(job.temp_directory().join("started").exists());

    // A file that was verified before is noticed to have changed, whatever its length.
    let wrong: Vec<u8> = right.iter().map(|byte| if *byte == b';' { b'#' } else { *byte }).collect();
    fs::write(copy.program(), wrong).unwrap();
    changed(&copy);

    fs::write(copy.program(), &right).unwrap();
    fs::remove_file(copy.sums()).unwrap();
    let run = Job::new(&copy.folder).run_task("rotate", &[]);
    assert_eq!((run.result, run.exit_code), (TaskResult::Failed, Some(0)), "{}", run.log);
}

#[test]
fn a_verified_program_is_not_read_again() {
    let copy = Copy::with("echo '##vso[task.complete result=Succeeded;]'");
    let code = "const fs = require('fs');
                const read = fs.readFileSync;
                fs.readFileSync = (file, ...rest) => {
                  if (String(file).includes('rotate-pat-')) console.log(`read ${file}`);
                  return read(file, ...rest);
                };";
    for reads in [1, 0] {
        let run = hooked(Job::new(&copy.folder), code).run_task("rotate", &[]);
        assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
        assert_eq!(run.log.lines().filter(|line| line.contains("read /")).count(), reads, "{}", run.log);
    }
    assert!(fs::metadata(copy.program()).unwrap().mtime() % 2 == 0);
}

#[expect(clippy::print_stderr, reason = "what was not tried must show")]
fn untried(why: &str) {
    eprintln!("not tried: {why}");
}

/// Node in a mount namespace of its own, in which this folder is mounted with these options; nothing where the machine
/// does not permit that.
fn node_with_mount(job: &Job, folder: &Path, options: &str) -> Option<PathBuf> {
    let mount = format!("mount --bind \"$1\" \"$1\" && mount -o remount,bind,{options} \"$1\" && shift && exec \"$@\"");
    let works = Command::new("unshare").args(["-rm", "sh", "-c", &mount, "sh"]).arg(folder).arg("true").status();
    if !works.is_ok_and(|status| status.success()) {
        untried("this machine permits no mount of a test's own");
        return None;
    }
    let wrapper = job.temp_directory().parent().unwrap().join("node-with-mount");
    let script = format!("#!/bin/sh\nexec unshare -rm sh -c '{mount}' sh '{}' node \"$@\"\n", folder.display());
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    Some(wrapper)
}

#[test]
fn a_read_only_or_noexec_task_folder_is_left_as_it_is() {
    for options in ["ro", "noexec", "ro,noexec"] {
        let pipeline = Pipeline::with_pat(20);
        let job = Job::new(package()).installed();
        let Some(node) = node_with_mount(&job, job.task_folder(), options) else { return };
        let (job, run) = dry_run(&pipeline, job.node(&node));
        assert_eq!((run.result, run.exit_code), (TaskResult::Succeeded, Some(0)), "{options}\n{}", run.log);
        says(&run, &["dry run"]);
        assert_eq!(left(&job), [""; 0], "{options}: a copy was left");
    }
}

#[test]
fn a_work_folder_that_is_noexec_altogether_is_explained() {
    let pipeline = Pipeline::with_pat(20);
    let job = Job::new(package()).installed();
    let work = job.temp_directory().parent().unwrap().to_owned();
    let Some(node) = node_with_mount(&job, &work, "noexec") else { return };
    let (job, run) = dry_run(&pipeline, job.node(&node));
    assert_eq!((run.result, run.exit_code, run.error_count), (TaskResult::Failed, Some(0), 1), "{}", run.log);
    says(&run, &["neither the task's folder nor", "lets a program be executed", "without noexec"]);
    assert_eq!(fs::read_dir(job.temp_directory()).unwrap().count(), 0, "a copy was left");
}

#[test]
fn what_proxies_certificates_and_managed_identities_need_reaches_the_program() {
    let names = [
        "HTTPS_PROXY",
        "NO_PROXY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "NODE_EXTRA_CA_CERTS",
        "IDENTITY_ENDPOINT",
        "IDENTITY_HEADER",
        "IMDS_ENDPOINT",
        "AGENT_PROXYBYPASSLIST",
        "AGENT_CAINFO",
        "AGENT_CLIENTCERT",
        "AGENT_CLIENTCERTKEY",
        "SECRET_AGENT_PROXYPASSWORD",
        "SECRET_AGENT_CLIENTCERTPASSWORD",
    ];
    let environment =
        environment(&[("patName", NAME)], |job| names.iter().fold(job, |job, name| job.raw_env(*name, "x")));
    for name in names {
        assert!(environment.contains(name), "{name}: {environment:?}");
    }
}

/// The Node versions that agents bring: those in `ROTATE_PAT_NODES` (paths, as in PATH), else the one on PATH.
#[test]
#[expect(clippy::disallowed_methods, reason = "which versions there are to try is the machine's to say")]
#[expect(clippy::print_stdout, reason = "which ones were tried must show")]
fn every_node_that_an_agent_brings_runs_the_task() {
    let nodes = std::env::var_os("ROTATE_PAT_NODES").unwrap_or_else(|| "node".into());
    for node in std::env::split_paths(&nodes) {
        let pipeline = Pipeline::with_pat(20);
        let mut job = pipeline.job().node(&node);
        let (main, _) = pipeline.rotate(&mut job, &[]);
        assert_eq!(main.exit_code, Some(0), "{}", node.display());
        let version = Command::new(&node).arg("--version").output().unwrap();
        println!("rotated under node {}", String::from_utf8_lossy(&version.stdout).trim());
    }
}
