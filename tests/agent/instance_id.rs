//! The ids that the engine gives to the parts of a run: each is made from the path to that part, so it can be computed here.

use super::variables::Variables;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

/// Hashed before every path (Azure DevOps Server 2022, `TimelineRecordIdGenerator`).
const NAMESPACE: [u8; 16] =
    [0x53, 0x37, 0x1b, 0x7f, 0xd4, 0x61, 0x4b, 0x5d, 0xc5, 0xe2, 0x27, 0x33, 0x53, 0x23, 0xdf, 0x24];

/// `stage.phase.job[.ATTEMPT].step`. A stage without a name of its own is left out, and the attempt is that of the job:
/// a rerun of the job gives every step another id (actions/runner: PipelineUtilities.cs, `GetTaskInstanceName`).
pub fn of_step(variables: &Variables, step: &str) -> String {
    let value = |name: &str| variables.value(name).unwrap_or_default();
    let stage = Some(value("system.stageName")).filter(|stage| !stage.eq_ignore_ascii_case("__default"));
    let attempt = variables.value("release.attemptNumber").unwrap_or(value("system.jobAttempt"));
    let attempt = Some(attempt).filter(|attempt| *attempt != "1");
    let path = [stage, Some(value("system.phaseName")), Some(value("system.jobName")), attempt, Some(step)];
    of_path(&path.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("."))
}

/// A name-based GUID, without regard to case (`PipelineUtilities.GetInstanceId`).
fn of_path(path: &str) -> String {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(&NAMESPACE);
    for unit in path.to_lowercase().encode_utf16() {
        hash.update(&unit.to_be_bytes());
    }
    let hash = hash.finish();
    let mut bytes: Vec<u8> = hash.as_ref()[..16].to_vec();
    bytes[7] = bytes[7] & 0x0f | 0x50;
    // .NET reads the first three groups with the lowest byte first.
    let groups = [&[3, 2, 1, 0][..], &[5, 4], &[7, 6], &[8, 9], &[10, 11, 12, 13, 14, 15]];
    groups.map(|group| group.iter().map(|at| format!("{:02x}", bytes[*at])).collect::<String>()).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids of a recorded job (agent: Test/L1/Worker/L1TestBase.cs).
    #[test]
    fn ids_are_those_of_a_recorded_job() {
        for (path, id) in [
            ("__default", "96ac2280-8cb4-5df5-99de-dd2da759617d"),
            ("Job", "3a3a2a60-14c7-570b-14a4-fa42ad92f52a"),
            ("Job.__default", "12f1170f-54f2-53f3-20dd-22fc7dff55f9"),
            ("Job.__default.Checkout", "af08acd5-c28a-5b03-f5a9-06f9a40627bb"),
            ("Job.__default.CmdLine", "9c939e41-62c2-5605-5e05-fc3554afc9f5"),
        ] {
            assert_eq!(of_path(path), id, "{path}");
        }
    }

    #[test]
    fn a_step_has_another_id_in_every_attempt_job_and_stage() {
        let id = |changes: &[(&str, &str)]| {
            let mut variables = Variables::default();
            let usual =
                [("system.stageName", "__default"), ("system.phaseName", "Job"), ("system.jobName", "__default")];
            for (name, value) in usual.iter().chain(&[("system.jobAttempt", "1")]).chain(changes) {
                variables.load(name, value, false);
            }
            of_step(&variables, "CmdLine")
        };
        assert_eq!(id(&[]), "9c939e41-62c2-5605-5e05-fc3554afc9f5");
        for (change, path) in [
            (("system.jobAttempt", "2"), "Job.__default.2.CmdLine"),
            (("release.attemptNumber", "2"), "Job.__default.2.CmdLine"),
            (("system.stageName", "Deploy"), "deploy.job.__default.cmdline"),
            (("system.jobName", "linux"), "Job.linux.CmdLine"),
        ] {
            assert_eq!(id(&[change]), of_path(path), "{change:?}");
        }
    }
}
