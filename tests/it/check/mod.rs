//! The check: what its rows say of a healthy tenant and of each thing that is wrong, and that its canary never stays.

mod assumptions;
pub(crate) mod canary;
pub(crate) mod rows;
mod undocumented;

use crate::harness::in_process::LocalJob;
use crate::harness::local::Local;
use crate::report::reports_folder;

/// A check in this process, with these inputs.
fn local(local: &Local, more: &[(&str, &str)]) -> LocalJob {
    let mut job = local.job(&[&[("command", "check")], more].concat());
    job.set("AGENT_TEMPDIRECTORY", reports_folder().to_str().unwrap());
    job
}

/// The canaries that are active, by name.
fn canaries(local: &Local) -> Vec<String> {
    local.active().into_iter().filter(|pat| pat.contains("[check")).collect()
}
