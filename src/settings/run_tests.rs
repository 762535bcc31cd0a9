//! What the pipeline's own variables say: the run, the organization, the connection, the job's end.

use super::*;
use crate::agent::job_status::{JobStatus, job_end};

fn run_id(changes: &[(&str, &str)]) -> String {
    settings(changes).request.run.to_string()
}

fn hash(changes: &[(&str, &str)]) -> String {
    settings(changes).request.run.hash
}

const IDS: [&str; 7] = [
    "SYSTEM_TEAMPROJECTID",
    "SYSTEM_DEFINITIONID",
    "RELEASE_ENVIRONMENTID",
    "SYSTEM_STAGENAME",
    "SYSTEM_PHASENAME",
    "SYSTEM_JOBNAME",
    "SYSTEM_TASKINSTANCENAME",
];

#[test]
fn a_run_is_a_build_or_a_release_and_an_attempt() {
    let release = ("RELEASE_RELEASEID", "12");
    for (changes, expected) in [
        (&[][..], "4711.2-"),
        (&[("SYSTEM_JOBATTEMPT", "")], "4711.1-"),
        (&[release], "r12.1-"),
        (&[release, ("RELEASE_ATTEMPTNUMBER", "3")], "r12.3-"),
        (&[release, ("BUILD_BUILDID", "")], "r12.1-"),
    ] {
        assert!(run_id(changes).starts_with(expected), "{}", run_id(changes));
    }
}

#[test]
fn rotation_requires_a_valid_run_id() {
    for changes in
        [("BUILD_BUILDID", ""), ("BUILD_BUILDID", "x"), ("SYSTEM_JOBATTEMPT", "first"), ("RELEASE_RELEASEID", "x")]
    {
        assert_eq!(inputs_at_fault(&[changes]), [changes.0], "{changes:?}");
    }
}

#[test]
fn the_hash_differs_by_each_of_the_ids_and_by_their_places() {
    let mut seen = vec![hash(&[])];
    for id in IDS {
        seen.push(hash(&[(id, "another")]));
    }
    for places in IDS.windows(2) {
        seen.push(hash(&[(places[0], "one"), (places[1], "two")]));
        seen.push(hash(&[(places[0], "two"), (places[1], "one")]));
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
}

#[test]
fn the_hash_is_the_same_for_a_retry_and_for_a_later_attempt() {
    let ids: Vec<_> = IDS.into_iter().map(|id| (id, "same")).collect();
    let retried = |more: &[(&str, &str)]| hash(&[&ids[..], more].concat());
    let first = retried(&[]);
    assert_eq!(retried(&[("SYSTEM_JOBATTEMPT", "3")]), first);
    assert_eq!(retried(&[("BUILD_BUILDID", "4712")]), first);
    assert_eq!(retried(&[("AGENT_NAME", "another"), ("SYSTEM_JOBID", "another"), ("INPUT_DRYRUN", "true")]), first);
    assert_eq!(retried(&[("SYSTEM_TASKINSTANCEID", "another")]), first);
}

#[test]
fn the_hash_differs_by_the_steps_id_only_without_a_name() {
    let id = |id| hash(&[("SYSTEM_TASKINSTANCENAME", ""), ("SYSTEM_TASKINSTANCEID", id)]);
    assert_ne!(id("one"), id("two"));
}

#[test]
fn the_hash_is_the_same_in_every_version_as_a_newer_one_may_settle() {
    let ids: Vec<_> = IDS.into_iter().zip(["p", "7", "3", "deploy", "rotate", "linux", "t"]).collect();
    assert_eq!(hash(&ids), "541f0a95");
}

#[test]
fn an_organization_is_the_jobs_own_or_named_or_addressed() {
    for (given, address) in [
        ("", "https://dev.azure.com/contoso"),
        ("fabrikam", "https://dev.azure.com/fabrikam"),
        ("https://dev.azure.com/fabrikam/", "https://dev.azure.com/fabrikam"),
        ("https://fabrikam.visualstudio.com", "https://dev.azure.com/fabrikam"),
    ] {
        let access = access(&[("INPUT_ORGANIZATION", given)]);
        assert_eq!(access.organization.to_string(), address);
        assert_eq!(access.pipeline.organization.to_string(), "https://dev.azure.com/contoso");
    }
    let old = [("ENDPOINT_URL_SYSTEMVSSCONNECTION", "https://fabrikam.visualstudio.com/")];
    assert_eq!(access(&old).organization.name, "fabrikam");
}

#[test]
fn azure_devops_server_is_not_supported() {
    for changes in [
        ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "https://tfs.contoso.com/tfs/DefaultCollection/"),
        ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "http://tfs:8080/tfs/DefaultCollection/"),
        ("INPUT_ORGANIZATION", "https://tfs.contoso.com/tfs/DefaultCollection"),
    ] {
        let found = faults(&[changes]);
        let [fault] = &found[..] else { panic!("{found:?}") };
        let name = changes.0.strip_prefix("INPUT_").map_or(changes.0.to_owned(), str::to_lowercase);
        assert!(
            fault.contains(&format!("`{name}` must be an organization of Azure DevOps Services; got "))
                && fault.contains("tfs"),
            "{fault}"
        );
        assert!(fault.contains("Azure DevOps Server has no PAT lifecycle API"), "{fault}");
    }
    assert_eq!(inputs_at_fault(&[("ENDPOINT_URL_SYSTEMVSSCONNECTION", "")]), ["ENDPOINT_URL_SYSTEMVSSCONNECTION"]);
}

#[test]
fn an_address_of_azure_devops_services_is_never_called_a_server() {
    let found = faults(&[("INPUT_ORGANIZATION", "https://contoso@dev.azure.com/contoso/project/_git/repository")]);
    assert!(!found.concat().contains("Azure DevOps Server"), "{found:?}");
}

#[test]
fn connection_unknown_to_the_job_is_named() {
    let found = faults(&[("INPUT_SERVICECONNECTION", GUID)]);
    let [fault] = &found[..] else { panic!("{found:?}") };
    assert!(
        fault.starts_with("`serviceConnection` must be a service connection that this pipeline may use; ")
            && fault.contains(GUID),
        "{fault}"
    );
}

#[test]
fn variable_may_not_have_the_name_of_an_output_or_system_variable() {
    for output in task_json::OUTPUT_VARIABLES {
        for name in [(*output).to_owned(), output.to_uppercase(), output.to_lowercase()] {
            assert_eq!(inputs_at_fault(&[("INPUT_VARIABLE", &name)]), ["variable"], "{name}");
        }
    }
    for name in [
        "System.AccessToken",
        "SYSTEM_ACCESSTOKEN",
        "agent.jobstatus",
        "AGENT_NAME",
        "Build.BuildId",
        "BUILD_BUILDID",
        "release.releaseId",
        "environment.name",
        "task.displayName",
        "common.testResultsDirectory",
        "PATH",
        "secretPat",
        "InputPat",
        "ENDPOINT_X",
        "securefile1",
        "TF_BUILD",
        "a b",
        "a;b",
        "a=b]",
        "a\"b",
    ] {
        assert_eq!(inputs_at_fault(&[("INPUT_VARIABLE", name)]), ["variable"], "{name}");
    }
    for name in ["PAT", "NUGET_PAT", "nuget.pat", "nuget-pat", "PATTERN", "rotatedPat", "BUILD_PAT"] {
        assert_eq!(faults(&[("INPUT_VARIABLE", name)]), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn confirm_variable_differs_from_variable_as_the_agent_formats_both() {
    for (variable, confirm, is_same) in [("", "PAT", true), ("my.pat", "MY_PAT", true), ("PAT", "PAT_STORED", false)] {
        let found = inputs_at_fault(&[("INPUT_VARIABLE", variable), ("INPUT_CONFIRMVARIABLE", confirm)]);
        assert_eq!(!found.is_empty(), is_same, "{variable} {confirm}");
    }
}

#[test]
fn job_end_has_status_and_confirmation() {
    let end_of = |environment: &Environment| job_end(environment, Some("Is.Stored"), Some("nuget.pat"));
    let other = |status: &str| JobStatus::Other(status.to_owned());
    for (reported, status) in [
        ("Succeeded", JobStatus::Succeeded),
        ("succeeded", JobStatus::Succeeded),
        ("SucceededWithIssues", other("SucceededWithIssues")),
        ("Failed", other("Failed")),
        ("Canceled", other("Canceled")),
        ("", other("unknown")),
    ] {
        assert_eq!(end_of(&job(&[("agent.jobstatus", reported)])).status, status, "{reported}");
    }
    for (value, confirmed) in [("true", true), (" True ", true), ("false", false), ("", false), ("1", false)] {
        assert_eq!(end_of(&job(&[("IS_STORED", value)])).confirmed, Some(confirmed), "{value}");
    }
    let end = end_of(&job(&[("SECRET_NUGET_PAT", "the new value")]));
    assert_eq!(end.variable, Some(Secret::new("the new value".to_owned())));
    assert_eq!(job_end(&job(&[]), None, None).confirmed, None);
}
