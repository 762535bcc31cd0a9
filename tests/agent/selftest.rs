//! Proves the emulator itself, with a task folder made of small node scripts.

use super::masker::Masker;
use super::watch::Watch;
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A task folder with the given scripts, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(main: &str, post: &str) -> Self {
        Self::with(main, post, serde_json::json!({}))
    }

    fn with(main: &str, post: &str, extra: serde_json::Value) -> Self {
        let path = std::env::temp_dir().join(format!("fake-task-{:016x}", fastrand::u64(..)));
        fs::create_dir_all(&path).unwrap();
        let mut manifest = serde_json::json!({
            "id": "6a1d3c55-0a0e-4c9c-9d6b-0c2b1f6f0a01",
            "name": "Fake",
            "version": { "Major": 1, "Minor": 2, "Patch": 3 },
            "inputs": [
                { "name": "patName", "type": "string", "aliases": ["tokenName"] },
                { "name": "days", "type": "string", "defaultValue": " 30 " },
                { "name": "connection", "type": "connectedService:AzureRM", "aliases": ["azureSubscription"] },
            ],
            "outputVariables": [{ "name": "rotated", "description": "-" }],
            "execution": { "Node20_1": { "target": "old.js" }, "Node24": { "target": "main.js" } },
            "postjobexecution": { "Node24": { "target": "post.js" } },
        });
        manifest.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        fs::write(path.join("task.json"), manifest.to_string()).unwrap();
        fs::write(path.join("main.js"), format!("{PRELUDE}{main}")).unwrap();
        fs::write(path.join("post.js"), format!("{PRELUDE}{post}")).unwrap();
        Self(path)
    }

    fn job(&self) -> Job {
        Job::new(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const PRELUDE: &str =
    "'use strict'; const say = (s) => require('fs').writeSync(1, s + '\\n'); const env = process.env;\n";

fn main_only(script: &str) -> StepRun {
    Folder::new(script, "").job().run_task("rotate", &[])
}

#[test]
fn the_parser_is_the_agents() {
    let parse = |line| Command::parse(line, true);
    let command =
        parse("text ##vso[Task.SetVariable Variable=a%3Bb%5D;isSecret=TRUE; isoutput=true;=x;y=;k==v=w]d]%0A%AZP25")
            .unwrap();
    assert!(command.is("task.setvariable"));
    assert_eq!(command.property("variable"), Some("a;b]"));
    assert!(command.flag("issecret"));
    // A blank after the semicolon belongs to the key.
    assert!(!command.flag("isoutput"));
    assert_eq!(command.properties.len(), 4);
    assert_eq!(command.property("k"), Some("v=w"));
    assert_eq!(command.data, "d]\n%");
    assert_eq!(parse("##vso[task.setvariable;variable=X]v").unwrap().event, "setvariable;variable=x");
    for bad in
        ["##VSO[task.debug]x", "##vso[task.debug x", "##vso[task]x", "##vso[a.b.c]x", "##vso[ a.b]x", "plain", ""]
    {
        assert_eq!(parse(bad), None, "{bad}");
    }
    assert_eq!(Command::parse("##vso[task.debug]%AZP25%0D", false).unwrap().data, "%AZP25\r");
}

/// .NET searches for the prefix by the culture's rules and then counts six units from its beginning.
#[test]
fn a_prefix_with_ignored_characters_is_found_and_does_nothing() {
    for (line, name) in [
        ("#\u{ad}#vso[task.setvariable variable=x]1", "[task.setvariable"),
        ("a##v\u{200b}s\u{640}o[task.setvariable variable=x]1", "o[task.setvariable"),
        ("#\u{e0100}#vso[task.setvariable variable=x]1", "o[task.setvariable"),
    ] {
        let command = Command::parse(line, true).unwrap();
        assert_eq!(format!("{}.{}", command.area, command.event), name, "{line:?}");
    }
    for line in ["#-#vso[task.debug]x", "#é#vso[task.debug]x", "##VSO[task.debug]x", "\u{ad}vso[task.debug]x"] {
        assert_eq!(Command::parse(line, true), None, "{line:?}");
    }
    let run = main_only("say('a #\\u00ad#vso[task.setvariable variable=x]1'); say('#\\u200b#vso');");
    assert_eq!((run.result, run.warning_count, run.error_count), (TaskResult::Succeeded, 2, 0), "{}", run.log);
    assert!(run.log.contains("Cannot find command extension for ##vso[[task.command]"), "{}", run.log);
    assert!(!run.log.contains("variable=x"), "{}", run.log);
}

#[test]
fn escaping_round_trips() {
    let alphabet: Vec<char> = "%;]\r\n0123ADBZP5=a [#é".chars().collect();
    for _ in 0..20_000 {
        let text: String = (0..fastrand::usize(..12)).map(|_| alphabet[fastrand::usize(..alphabet.len())]).collect();
        let line = format!("##vso[task.setvariable variable=x{}]{}", escape(&text, true), escape(&text, true));
        let command = Command::parse(&line, true).unwrap();
        assert_eq!((command.property("variable").unwrap(), &command.data), (format!("x{text}").as_str(), &text));
    }
}

#[test]
fn the_masker_covers_what_the_agents_covers() {
    let mut masker = Masker::default();
    masker.add("p\"w/1");
    assert_eq!(masker.mask("p\"w/1 p\\\"w/1 p%22w%2F1"), "*** *** ***");
    let encoded = STANDARD.encode("p\"w/1");
    assert_eq!(masker.mask(&encoded), encoded, "no base64 for values of the job");
    masker.add_job_secret("s3cret");
    assert_eq!(masker.mask(&STANDARD.encode("s3cret")), "***");
    masker.add("cretXY");
    assert_eq!(masker.mask("as3cretXYb"), "a***b");
    masker.add_endpoint_parameter("TenantId", "tenant");
    masker.add_endpoint_parameter("serviceprincipalid", "client");
    assert_eq!(masker.mask("tenant client"), "tenant ***");
    masker.add("");
    assert_eq!(masker.mask("é"), "é");
    assert_eq!(
        masker.mask("http://me:p%20w:1@host https://host:80/@ //:x@"),
        "http://me:***@host https://host:80/@ //:x@"
    );
    masker.add("a\u{2028}b");
    assert_eq!(masker.mask("a\\u2028b"), "***");
}

#[test]
fn the_watch_sees_every_alignment_and_the_order() {
    let mut watch = Watch::default();
    watch.add("PAT", "abcdefghijkl0123");
    for prefix in ["", ":", "user:", "x"] {
        let line = format!("Basic {}", STANDARD.encode(format!("{prefix}abcdefghijkl0123")));
        assert_eq!(watch.check(&line, None, &Masker::default()), ["PAT (base64)"], "{prefix}");
    }
    let line = "##vso[task.setvariable variable=a;issecret=true]abcdefghijkl0123";
    let command = Command::parse(line, true);
    let mut masker = Masker::default();
    assert_eq!(watch.check(line, command.as_ref(), &masker).len(), 1);
    masker.add("abcdefghijkl0123");
    assert_eq!(watch.check(line, command.as_ref(), &masker).len(), 0);
    let public = line.replace("true", "false");
    assert_eq!(watch.check(&public, Command::parse(&public, true).as_ref(), &masker).len(), 1);
}

#[test]
fn inputs_variables_and_connections_arrive_as_environment() {
    let folder = Folder::new(
        "say(JSON.stringify(env)); say(process.cwd()); process.stdin.on('end', () => say('closed')).resume();",
        "",
    );
    let id = "0F0E0D0C-0000-4000-8000-000000000001";
    let endpoint = |name: &str, id: &str| {
        Endpoint::new(id, name, "AzureRM", "WorkloadIdentityFederation", "https://management.azure.com/")
            .parameter("tenantid", "t-1")
            .data("environment", "AzureCloud")
    };
    let other = "11111111-0000-4000-8000-000000000001";
    let mut job = folder.job().endpoint(endpoint("rotator", id)).endpoint(endpoint("other", other));
    job = job.variable("my.pat name", "nu$(inner)").variable("inner", "get").secret_variable("AdoPat", "hidden-value");
    job = job.build(101).attempt(2).raw_env("RAW", "é").collection_uri("http://127.0.0.1:1/contoso/");
    let inputs = [("TOKENNAME", " $(my.pat name) $(none) $(AdoPat)"), ("azureSubscription", "Rotator")];
    let run = job.run(&Step::new("rotate").inputs(&inputs).env("MAPPED", "$(AdoPat)"), Interruption::None);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.raw_text());
    let env: serde_json::Value = serde_json::from_str(&run.raw[0].text).unwrap();
    let expect = [
        ("INPUT_PATNAME", "nuget $(none) hidden-value"),
        ("INPUT_DAYS", "30"),
        ("INPUT_CONNECTION", &id.to_lowercase()),
        ("MY_PAT_NAME", "nuget"),
        ("SECRET_ADOPAT", "hidden-value"),
        ("MAPPED", "hidden-value"),
        ("BUILD_BUILDID", "101"),
        ("SYSTEM_JOBATTEMPT", "2"),
        ("SYSTEM_COLLECTIONURI", "http://127.0.0.1:1/contoso/"),
        ("TF_BUILD", "True"),
        ("RAW", "é"),
        ("AGENT_JOBSTATUS", "Succeeded"),
        ("agent.jobstatus", "Succeeded"),
        ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", "emulated-job-token"),
        ("ENDPOINT_AUTH_SCHEME_SYSTEMVSSCONNECTION", "OAuth"),
        ("SECRET_SYSTEM_ACCESSTOKEN", "emulated-job-token"),
        ("ENDPOINT_AUTH_PARAMETER_0f0e0d0c-0000-4000-8000-000000000001_TENANTID", "t-1"),
        ("ENDPOINT_DATA_0f0e0d0c-0000-4000-8000-000000000001_ENVIRONMENT", "AzureCloud"),
    ];
    for (name, value) in expect {
        assert_eq!(env[name].as_str(), Some(value), "{name}");
    }
    assert!(env["SYSTEM_OIDCREQUESTURI"].as_str().unwrap().starts_with("http://127.0.0.1:1/contoso/"));
    assert!(env.get("ADOPAT").is_none() && env.get("CARGO").is_none());
    assert!(!run.raw[0].text.contains(other), "a connection that no input names stays away");
    assert!(env["VSTS_SECRET_VARIABLES"].as_str().unwrap().contains("AdoPat"));
    assert!(!run.log.contains("hidden-value"));
    assert_eq!(run.raw[2].text, "closed");
}

/// agent: Handler.cs and NodeHandler.cs, before and after pull request 5606.
#[test]
fn a_variable_takes_the_place_of_what_is_not_written_after_it() {
    let script = "say(JSON.stringify(env)); say('##vso[task.settaskvariable variable=left]the task');";
    let folder = Folder::new(script, "say(JSON.stringify(env))");
    let mut all = Vec::new();
    for (order, is_older) in [(Order::Forward, false), (Order::Backward, false), (Order::Forward, true)] {
        let mut job = folder.job().order(order);
        for name in ["system_hosttype", "agent_jobstatus", "input.patName", "endpoint.url.systemVssConnection"] {
            job = job.variable(name, "forged");
        }
        for name in ["vsts.taskvariable.left", "vsts.taskvariable.missing", "secret.adopat"] {
            job = job.variable(name, "forged");
        }
        job = job.secret_variable("adoPat", "hidden-value");
        if is_older {
            job = job.before_july_2026();
        }
        let main = job.run_task("rotate", &[("patName", "given"), ("undeclared", "1")]);
        let post = job.run_post("rotate");
        let parsed = |run: &StepRun| serde_json::from_str::<serde_json::Value>(&run.raw[0].text).unwrap();
        let (main, post) = (parsed(&main), parsed(&post));
        let seen = |name: &str| post[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(seen("agent.jobstatus"), "Succeeded", "no formatted name has a dot");
        assert_eq!((seen("VSTS_TASKVARIABLE_LEFT"), seen("SECRET_ADOPAT")), ("the task".into(), "hidden-value".into()));
        assert_eq!(main["VSTS_TASKVARIABLE_LEFT"], "forged");
        assert_eq!(seen("VSTS_TASKVARIABLE_MISSING"), "forged");
        assert_eq!(seen("INPUT_UNDECLARED"), "1");
        all.push(["SYSTEM_HOSTTYPE", "AGENT_JOBSTATUS", "INPUT_PATNAME", "ENDPOINT_URL_SYSTEMVSSCONNECTION"].map(seen));
    }
    let own = "https://dev.azure.com/contoso/";
    assert_eq!(all[0], ["forged", "forged", "given", own]);
    assert_eq!(all[1], ["build", "Succeeded", "given", own]);
    assert_eq!(all[2], ["forged", "forged", "forged", "forged"]);
}

#[test]
fn commands_change_the_job_and_the_log_hides_them() {
    let main = r"
        say('before: tok-123456');
        say('##vso[task.setsecret]tok-123456');
        say('after: tok-123456');
        say('##vso[task.setvariable variable=NUGET_PAT;issecret=true]tok-123456');
        say('##vso[task.setvariable variable=rotated]true');
        say('##vso[task.setvariable variable=shown;isoutput=true]yes');
        say('##vso[task.settaskvariable variable=plan.id;issecret=true]p-42');
        say('##vso[task.logissue type=warning]careful');
        for (let i = 0; i < 12; i++) say('##vso[task.logissue type=error]e' + i);
        say('##vso[task.setprogress value=40]half');
        say('##vso[task.debug]quiet');
        const file = env.AGENT_TEMPDIRECTORY + '/s.md'; require('fs').writeFileSync(file, '# done');
        say('##vso[task.uploadsummary]' + file);
        process.stderr.write('noise\n');
        require('fs').writeSync(1, '##vso[task.complete result=Succeeded;]fine');";
    let post = "say(env.VSTS_TASKVARIABLE_PLAN_ID + env.AGENT_JOBSTATUS); \
         say(env.SECRET_NUGET_PAT + env.ROTATE_ROTATED + env.CONFIRMED);";
    let folder = Folder::new(main, post);
    let mut job = folder.job();
    let run = job.run_task("rotate", &[]);
    assert_eq!((run.result, run.exit_code), (TaskResult::Succeeded, Some(0)), "{}", run.log);
    assert!(run.log.contains("before: tok-123456") && run.log.contains("after: ***"));
    assert!(run.log.contains("##[warning]careful") && run.log.contains("##[error]e11"));
    assert!(!run.log.contains("setvariable") && !run.log.contains("quiet"));
    assert_eq!((run.errors.len(), run.error_count, run.warnings.len()), (10, 12, 1));
    assert_eq!(run.progress, [(40, "half".to_owned()), (100, "fine".to_owned())]);
    assert_eq!(run.summaries[0].text, "# done");
    assert_eq!(run.stderr_lines(), ["noise"]);
    assert_eq!(job.variable_value("rotate.rotated"), Some("true"));
    assert_eq!(job.variable_value("rotated"), None);
    assert_eq!(job.variable_value("rotate.shown"), Some("yes"));
    assert!(job.variables().secret("nuget_pat"));
    job.later_step_failed();
    job.set_variable("confirmed", "true");
    let post = job.run_post("rotate");
    assert_eq!(post.raw_text(), "p-42Failed\ntok-123456truetrue\n");
    assert_eq!(job.status(), JobStatus::Failed);
}

#[test]
fn faulty_commands_do_as_with_the_agent() {
    let failed = main_only(
        "say('##vso[task.setvariable variable=x;issecret=true]a%0Ab'); \
         say('##vso[task.complete result=Succeeded;]');",
    );
    assert_eq!(failed.result, TaskResult::Failed);
    assert!(failed.log.contains(
        "##[error]Unable to process command '##vso[task.setvariable variable=x;issecret=true]a%0Ab' successfully."
    ));
    assert!(failed.log.contains("##[error]Secrets cannot contain multiple lines"));
    for fails in [
        "##vso[task.nonsense]x",
        "##vso[task.complete result=succeeded;]",
        "##vso[task.uploadsummary]/none.md",
        "##vso[task.setvariable variable=system.teamProject]x",
        "##vso[release.updatereleasename]x",
    ] {
        assert_eq!(main_only(&format!("say({fails:?})")).result, TaskResult::Failed, "{fails}");
    }
    for warns in ["##vso[nonsense.x]y", "##vso[broken"] {
        let run = main_only(&format!("say({warns:?})"));
        assert_eq!((run.result, run.warnings.len()), (TaskResult::Succeeded, 1), "{warns}");
    }
    let code = main_only("say('##vso[task.complete result=Succeeded;]'); process.exitCode = 3;");
    assert_eq!((code.result, code.exit_code), (TaskResult::Failed, Some(3)));
    assert!(code.log.contains("##[error]Exit code 3 returned from process: file name '"));
    let sticky = main_only(
        "say('##vso[task.complete result=Skipped;]'); \
         say('##vso[task.complete result=Failed;]');",
    );
    assert_eq!(sticky.result, TaskResult::Skipped);
}

/// agent: TaskCommandExtension.cs, `ProcessTaskProgressCommand`.
#[test]
fn progress_is_from_0_to_100_and_never_goes_back() {
    let run = main_only(
        "for (const value of ['-3', '40', 'x', '7', '140']) say('##vso[task.setprogress value=' + value + ']at ' + value); \
         say('##vso[task.complete result=Succeeded;]');",
    );
    let percents: Vec<u32> = run.progress.iter().map(|(percent, _)| *percent).collect();
    assert_eq!(percents, [0, 40, 40, 40, 100, 100]);
    assert_eq!(run.progress[4].1, "at 140");
}

/// The agent queues the file and reads it some time later, if it is still there. The script gives it half a second to see
/// the command, as a file that is gone by then is an error.
#[test]
fn a_summary_is_read_after_the_command() {
    let script = "const fs = require('fs'), file = env.AGENT_TEMPDIRECTORY + '/'; \
         for (const name of ['one.md', 'two.md']) { fs.writeFileSync(file + name, '# first'); \
         say('##vso[task.uploadsummary]' + file + name); } \
         setTimeout(() => { fs.writeFileSync(file + 'one.md', '# second'); fs.unlinkSync(file + 'two.md'); }, 500);";
    let run = main_only(script);
    assert_eq!((run.result, run.summaries.len(), run.error_count), (TaskResult::Succeeded, 1, 0), "{}", run.log);
    assert_eq!((run.summaries[0].name.as_str(), run.summaries[0].text.as_str()), ("one.md", "# second"));
}

#[test]
#[should_panic(expected = "the agent may not have read it yet")]
fn a_stage_must_leave_the_summary_of_an_earlier_one_alone() {
    let write = "const file = env.AGENT_TEMPDIRECTORY + '/one.md'; require('fs').writeFileSync(file, String(Date.now())); \
         say('##vso[task.uploadsummary]' + file);";
    let folder = Folder::new(write, write);
    let mut job = folder.job();
    job.run_task("rotate", &[]);
    job.run_post("rotate");
}

#[test]
fn a_blocked_variable_is_masked_in_its_escaped_form_alone() {
    let script = "say('##vso[task.setvariable variable=a;issecret=true]x;1'); say('x;1 x%3B1');";
    for (settable, shown) in [(None, "*** ***"), (Some(vec![]), "x;1 ***")] {
        let folder = Folder::new(script, "");
        let mut job = folder.job();
        let run = job.run(&Step::new("rotate").settable_variables(settable), Interruption::None);
        assert!(run.log.contains(&format!("\n{shown}\n")), "{}", run.log);
    }
}

#[test]
fn restrictions_only_warn() {
    let script = "say('##vso[task.setvariable variable=KEEP_A]1'); \
         say('##vso[task.setvariable variable=other]1'); say('##vso[task.uploadsummary]/x');";
    let restricted = serde_json::json!({ "restrictions": {
        "commands": { "mode": "restricted" }, "settableVariables": { "allowed": ["keep_*"] } } });
    let folder = Folder::with(script, "", restricted);
    let mut job = folder.job();
    let run = job.run_task("rotate", &[]);
    assert_eq!((run.result, run.warnings.len()), (TaskResult::Succeeded, 2), "{}", run.log);
    assert_eq!((job.variable_value("keep_a"), job.variable_value("other")), (Some("1"), None));
    let mut job = folder.job();
    let run = job.run(&Step::new("rotate").settable_variables(Some(vec![])), Interruption::None);
    assert_eq!((run.warnings.len(), job.variable_value("keep_a")), (3, None));
}

#[test]
fn a_retry_keeps_inputs_and_sees_new_variables() {
    let script = "say(env.INPUT_PATNAME + ' ' + env.N); say('##vso[task.setvariable variable=n]2'); \
         process.exitCode = env.N === '2' ? 0 : 1;";
    let folder = Folder::new(script, "");
    let mut job = folder.job().variable("n", "1");
    let run = job.run(&Step::new("rotate").input("patName", "$(n)").retry_count_on_task_failure(2), Interruption::None);
    assert_eq!((run.result, run.attempts), (TaskResult::Succeeded, 2), "{}", run.log);
    assert!(run.log.contains("\n1 1\n") && run.log.contains("\n1 2\n"));
}

/// agent: RetryHelper.cs resets the result after a Failed one, not after an exception.
#[test]
fn a_result_printed_before_a_crash_weighs_on_the_next_attempt() {
    let script = "const n = Number(env.N); say(`##vso[task.setvariable variable=n]${n + 1}`); \
         if (n === 1) { say('##vso[task.complete result=Failed;]'); process.exitCode = 2; } \
         else say('##vso[task.complete result=Succeeded;]');";
    let folder = Folder::new(script, "");
    for (retries, attempts, result) in [(1, 2, TaskResult::Failed), (2, 3, TaskResult::Succeeded)] {
        let mut job = folder.job().variable("n", "1");
        let run = job.run(&Step::new("rotate").retry_count_on_task_failure(retries), Interruption::None);
        assert_eq!((run.result, run.attempts), (result, attempts), "{}", run.log);
    }
}

#[test]
fn a_handler_starts_only_in_a_folder_that_exists() {
    let run = |extra| {
        let folder = Folder::with("say('main');", "say('post in ' + process.cwd());", extra);
        let mut job = folder.job();
        assert_eq!(job.run_task("rotate", &[]).result, TaskResult::Succeeded);
        fs::remove_dir_all(job.sources_directory()).unwrap();
        job.run_post("rotate")
    };
    let post = run(serde_json::json!({}));
    assert_eq!((post.result, post.exit_code, post.error_count), (TaskResult::Failed, None, 1), "{}", post.log);
    assert!(post.log.contains("with working directory"), "{}", post.log);
    let elsewhere = serde_json::json!({ "postjobexecution": {
        "Node24": { "target": "post.js", "workingDirectory": "$(Agent.TempDirectory)" } } });
    let post = run(elsewhere);
    assert_eq!(post.result, TaskResult::Succeeded);
    assert!(post.log.contains("_temp\n"), "{}", post.log);
}

#[test]
fn the_watch_sees_halves_and_every_spelling() {
    let mut watch = Watch::default();
    watch.add("key", r#"8Q~ab+cd"ef/gh~jklmn+pqrs"u"#);
    for (form, line) in [
        ("the first half", r#"seen: 8Q~ab+cd"ef/g"#),
        ("the second half", r#"h~jklmn+pqrs"u: seen"#),
        ("as JSON", r#"{"x":"8Q~ab+cd\"ef/gh~jklmn+pqrs\"u"}"#),
        ("as a form", "key=8Q%7Eab%2Bcd%22ef%2Fgh%7Ejklmn%2Bpqrs%22u&x=1"),
        ("as a form", "key=8Q%7eab%2bcd%22ef%2fgh%7ejklmn%2bpqrs%22u&x=1"),
        ("as an address", "key=8Q~ab%2Bcd%22ef%2Fgh~jklmn%2Bpqrs%22u&x=1"),
    ] {
        assert_eq!(watch.found_in(line), [format!("key ({form})")], "{line}");
    }
}

#[test]
fn leaks_are_found_in_output_arguments_and_files() {
    let script = r"
        const secret = Buffer.from('c2VjcmV0LXZhbHVlLTEyMzQ=', 'base64').toString();
        say('##vso[task.setvariable variable=early;issecret=true]' + secret);
        say('##vso[task.setsecret]' + secret);
        say('##vso[task.setvariable variable=late;issecret=true]' + secret);
        say('Basic ' + Buffer.from(':' + secret).toString('base64'));
        require('fs').writeFileSync(env.AGENT_TEMPDIRECTORY + '/kept', secret);
        require('child_process').spawnSync(process.execPath, ['-e', 'setTimeout(() => {}, 150)', secret]);";
    let folder = Folder::new(script, "");
    let mut job = folder.job();
    job.watch_secret("PAT", "secret-value-1234");
    let run = job.run_task("rotate", &[]);
    let mut expected = vec!["output: PAT (the value), in task.setvariable unmasked", "output: PAT (base64)"];
    if cfg!(target_os = "linux") {
        expected.push("process arguments: PAT (the value)");
    }
    assert_eq!(run.leaks, expected);
    assert_eq!(job.secrets_on_disk().len(), 1);
}

const STUBBORN: &str = "process.on('SIGINT', () => say('INT')); \
         process.on('SIGTERM', () => say('TERM')); say('ready'); setInterval(() => {}, 1000);";

#[test]
#[cfg(unix)]
fn a_cancel_climbs_the_ladder() {
    let polite = "process.on('SIGINT', () => { say('##vso[task.setvariable variable=saved]1'); \
         process.exit(0); }); say('ready'); setInterval(() => {}, 1000);";
    let folder = Folder::new(polite, "say(env.AGENT_JOBSTATUS)");
    let mut job = folder.job();
    let run = job.run_task_cancelled("rotate", &[], CancelWhen::line_containing("ready"));
    assert_eq!((run.result, run.exit_code, run.signals), (TaskResult::Canceled, Some(0), vec!["INT"]));
    assert_eq!(job.variable_value("saved"), Some("1"));
    assert_eq!(job.run_post("rotate").raw[0].text, "Canceled");

    let flag = Arc::new(AtomicBool::new(false));
    let setter = Arc::clone(&flag);
    let waiter = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        setter.store(true, Ordering::SeqCst);
    });
    let folder = Folder::new(STUBBORN, "");
    let run = folder.job().scale(0.04).run_task_cancelled("rotate", &[], CancelWhen::Flag(flag));
    waiter.join().unwrap();
    assert_eq!((run.result, run.exit_code), (TaskResult::Canceled, Some(137)));
    assert_eq!(run.signals, ["INT", "TERM", "KILL"]);
    assert!(run.log.contains("\nINT\n") && run.log.contains("\nTERM\n"), "{}", run.log);

    let run =
        folder.job().scale(0.01).run(&Step::new("rotate").timeout(Duration::from_millis(300)), Interruption::None);
    assert_eq!(run.result, TaskResult::Failed);
    assert!(run.log.contains("##[error]The task has timed out."));
}

#[test]
#[cfg(unix)]
fn orphans_are_reported_and_ended() {
    let script = "require('child_process').spawn('sleep', ['60'], { stdio: 'inherit' }); say('ready'); \
         setInterval(() => {}, 1000);";
    let folder = Folder::new(script, "");
    let mut job = folder.job().scale(0.02).orphan_patience(Duration::from_millis(50));
    let run = job.run_task_cancelled("rotate", &[], CancelWhen::line_containing("ready"));
    assert_eq!(run.result, TaskResult::Canceled);
    assert_eq!((run.orphans.len(), run.orphans[0].arguments.as_str()), (1, "sleep 60"));
    let started = Instant::now();
    let run = job.run_task_killed("rotate", &[], CancelWhen::line_containing("ready"));
    assert_eq!((run.result, run.exit_code, run.orphans.len()), (TaskResult::Abandoned, Some(137), 1));
    assert!(started.elapsed() < Duration::from_secs(5));
    for orphan in &run.orphans {
        let stat = fs::read_to_string(format!("/proc/{}/stat", orphan.pid)).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z"), "{stat}");
    }
}

#[test]
#[cfg(unix)]
fn a_closed_stdout_breaks_the_next_write() {
    let script = r"
        const last = () => {
            try { say('three') } catch (e) { require('fs').writeSync(2, e.code + '\n'); process.exitCode = 7 }
        };
        say('one'); say('two'); setTimeout(last, 200);";
    let run = Folder::new(script, "").job().run_task_with_stdout_closed_after("rotate", &[], When::lines(2));
    assert_eq!((run.exit_code, run.result), (Some(7), TaskResult::Failed));
    assert_eq!(run.raw_text(), "one\ntwo\nEPIPE\n");
}

#[test]
fn lines_end_as_in_dot_net() {
    let run = main_only("require('fs').writeSync(1, Buffer.from('a\\rb\\r\\nc\\n\\n\\xff\\nend', 'latin1'))");
    assert_eq!(run.raw_text(), "a\nb\nc\n\n\u{fffd}\nend\n");
}

#[test]
fn an_installed_task_has_no_execute_bit_and_a_skipped_one_still_settles() {
    let folder =
        Folder::new("", "say(__dirname + env.SYSTEM_HOSTTYPE + env.RELEASE_ATTEMPTNUMBER + env.BUILD_BUILDID)");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder.0.join("main.js"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut job = folder.job().installed().release(7).attempt(3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(job.task_folder().join("main.js")).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0, "{mode:o}");
    }
    assert_eq!(job.skip_task("rotate", &[]).result, TaskResult::Skipped);
    let post = job.run_post("rotate");
    assert!(
        post.raw[0].text.contains("_tasks") && post.raw[0].text.ends_with("1.2.3release3undefined"),
        "{}",
        post.log
    );
    let root = job.task_folder().to_owned();
    drop(job);
    assert!(!root.exists());
}

#[test]
#[should_panic(expected = "a run exceeded")]
fn a_run_has_a_bound() {
    let folder = Folder::new("setInterval(() => {}, 1000)", "");
    folder.job().time_bound(Duration::from_millis(300)).run_task("rotate", &[]);
}

#[test]
fn a_forced_completion_does_not_wait() {
    let folder = Folder::new(
        "say('##vso[task.complete result=Succeeded;done=true]'); \
         setInterval(() => {}, 1000)",
        "",
    );
    let run = folder.job().scale(0.02).orphan_patience(Duration::ZERO).run_task("rotate", &[]);
    assert_eq!((run.result, run.exit_code), (TaskResult::Succeeded, None));
}
