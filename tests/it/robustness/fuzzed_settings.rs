//! Settings that nobody would write, in whole runs of the shipped program: it ends in words, with one of two exit codes, and
//! shows no secret. The fuzz target `settings` looks deeper into the reading of them; this is every room behind it.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::harness::pipeline::leaks_nothing;
use simulator::{Simulator, World};

const RUNS: u64 = 150;

/// Inputs and the agent's variables that a run reads.
const NAMES: [&str; 44] = [
    "INPUT_COMMAND",
    "INPUT_SERVICECONNECTION",
    "INPUT_PATNAME",
    "INPUT_VALIDFORDAYS",
    "INPUT_ROTATEWHENDAYSLEFT",
    "INPUT_CREATEIFMISSING",
    "INPUT_SCOPES",
    "INPUT_REPLACEAUTHORIZATIONID",
    "INPUT_DRYRUN",
    "INPUT_VARIABLE",
    "INPUT_PUBLISHTO",
    "INPUT_AZUREDEVOPSSERVICECONNECTION",
    "INPUT_RETIREOLDPAT",
    "INPUT_OVERLAPHOURS",
    "INPUT_CONFIRMVARIABLE",
    "INPUT_REPORTSCOPE",
    "INPUT_WARNWHENDAYSLEFT",
    "INPUT_FAILON",
    "INPUT_MAXMINUTES",
    "INPUT_REFRESHTOKENSECRET",
    "INPUT_REFRESHTOKEN",
    "INPUT_REFRESHTOKENSTORE",
    "INPUT_ENTRAAGENTID",
    "INPUT_USERNAME",
    "INPUT_PASSWORD",
    "INPUT_ACCESSTOKEN",
    "INPUT_CLIENTID",
    "INPUT_TENANTID",
    "INPUT_REQUESTEDSCOPES",
    "SYSTEM_COLLECTIONURI",
    "SYSTEM_TEAMPROJECTID",
    "SYSTEM_DEFINITIONID",
    "SYSTEM_JOBATTEMPT",
    "SYSTEM_OIDCREQUESTURI",
    "SYSTEM_DEBUG",
    "BUILD_BUILDID",
    "RELEASE_RELEASEID",
    "AGENT_TEMPDIRECTORY",
    "AGENT_PROXYBYPASSLIST",
    "AGENT_CAINFO",
    "AGENT_JOBSTATUS",
    "VSTS_TASKVARIABLE_ROTATEPAT_STATE",
    "ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN",
    "ENDPOINT_URL_SYSTEMVSSCONNECTION",
];

/// `ORIGIN` is where the services are: no value leads off this machine.
const VALUES: [&str; 34] = [
    "",
    " ",
    "0",
    "-1",
    "30",
    "365",
    "99999999999999999999",
    "1e3",
    "\u{661}",
    "true",
    "TRUE",
    "maybe",
    "rotate",
    "report",
    "signIn",
    "organization",
    "own",
    "expiring",
    "nuget-publish",
    "nuget-publish [held 7.1-0a1b2c3d]",
    "##vso[task.complete result=Succeeded;]",
    "a\r\nb\u{85}c\u{2028}",
    "\u{202e}\u{feff}\u{0}x",
    "$(undefined)",
    "vso.packaging_write vso.code",
    "22222222-2222-2222-2222-222222222222",
    "ORIGIN/contoso/",
    "ORIGIN/secrets/x",
    "keyVault: ORIGIN/secrets/x\nvariableGroup: Prod/NUGET_PAT",
    "serviceConnection: feed",
    "afterJob",
    "immediately",
    "[\"(\"]",
    "/nowhere/at/all",
];

#[test]
fn no_settings_make_it_panic_leak_or_end_otherwise() {
    let mut world = World::new();
    world.follow_real_clock();
    world.add_pat("nuget-publish").days_left(20).add();
    let token = world.user_token("vso.pats vso.pats_manage");
    let job = world.job.clone();
    let sim = Simulator::start(world);
    let origin = sim.origin();
    let mut random = fastrand::Rng::with_seed(4711);
    let mut seen = BTreeMap::new();
    for run in 0..RUNS {
        let mut environment: BTreeMap<&str, String> = BTreeMap::from([
            ("SYSTEM_COLLECTIONURI", format!("{origin}/contoso/")),
            ("ENDPOINT_URL_SYSTEMVSSCONNECTION", format!("{origin}/contoso/")),
            ("VSTS_PUBLIC_VARIABLES", "[]".to_owned()),
            ("VSTS_SECRET_VARIABLES", "[]".to_owned()),
            ("SYSTEM_TEAMPROJECTID", job.project_id.clone()),
            ("SYSTEM_DEFINITIONID", "7".to_owned()),
            ("BUILD_BUILDID", job.build_id.to_string()),
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", job.token.clone()),
            ("INPUT_ACCESSTOKEN", token.clone()),
            ("INPUT_PATNAME", "nuget-publish".to_owned()),
            ("INPUT_DRYRUN", "true".to_owned()),
            ("AGENT_TEMPDIRECTORY", env!("CARGO_TARGET_TMPDIR").to_owned()),
        ]);
        for _ in 0..random.usize(1..6) {
            let name = NAMES[random.usize(..NAMES.len())];
            let value = VALUES[random.usize(..VALUES.len())].replace("ORIGIN", &origin).replace('\0', "");
            environment.insert(name, value);
        }
        let stage = if random.u8(..5) == 0 { "settle" } else { "task" };
        let done = Command::new(env!("CARGO_BIN_EXE_rotate-pat"))
            .arg(stage)
            .env_clear()
            .envs(&environment)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let log = String::from_utf8(done.stdout).unwrap();
        let code = done.status.code();
        assert!(matches!(code, Some(0 | 3)), "run {run} ended with {code:?}: {environment:?}\n{log}");
        assert!(done.stderr.is_empty(), "run {run} wrote to standard error: {environment:?}");
        assert!(
            log.ends_with('\n') && log.lines().last().unwrap().starts_with("##vso[task.complete "),
            "run {run}: {log}"
        );
        leaks_nothing(&sim.world(), log.lines());
        *seen.entry((stage, code)).or_insert(0) += 1;
    }
    assert!(seen.len() >= 3, "runs that succeed, runs that fail, and settle stages: {seen:?}");
    let _wrong_on_purpose = sim.take_problems();
}
