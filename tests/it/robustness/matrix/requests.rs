//! Each request that the program sends is one of `tests/requests.txt`, which says where its shape is from; and each of those
//! is sent. A new request needs a source.

use std::collections::BTreeSet;

use super::kind;
use super::scenario::Scenario;
use crate::check::rows;
use crate::harness::in_process::Conditions;
use crate::report::{OF_ALL, local};
use crate::sign_in::{bound, device_code, workstation};
use agent::JobStatus;
use simulator::{Exchange, Op};

/// A line of the list.
struct Shape {
    method: &'static str,
    path: &'static str,
    version: &'static str,
    content_type: &'static str,
    length: &'static str,
    source: &'static str,
}

fn listed() -> Vec<Shape> {
    let lines = include_str!("../../../requests.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('|').map(str::trim).collect();
            let [method, path, version, content_type, length, source] = columns[..] else { panic!("{line}") };
            Shape { method, path, version, content_type, length, source }
        })
        .collect()
}

impl Shape {
    fn is_of(&self, sent: &Exchange) -> bool {
        let (path, query) = sent.path.split_once('?').unwrap_or((&sent.path, ""));
        let mut fields = query.split('&').filter_map(|field| field.split_once('='));
        let version = fields.find(|(name, _)| *name == "api-version").map_or("-", |(_, value)| value);
        let (mine, theirs): (Vec<&str>, Vec<&str>) = (self.path.split('/').collect(), path.split('/').collect());
        let is_path = mine.len() == theirs.len()
            && mine.iter().zip(&theirs).all(|(mine, theirs)| mine.starts_with('{') || mine == theirs);
        is_path
            && self.method == sent.method
            && self.version == version
            && self.content_type == sent.content_type.as_deref().unwrap_or("-")
            && (self.length == "length") == sent.has_length
    }
}

/// Whole runs: every kind of rotation and of sign-in, both reports, a check, and a person at a device and at a workstation.
fn sent() -> Vec<Exchange> {
    let mut sent = Vec::new();
    for kind in kind::all() {
        let mut scene = Scenario::new(&kind);
        scene.main(Conditions::new(&scene.sim));
        scene.settle(kind.status, Conditions::new(&scene.sim));
        // What the first run has left behind is for the second one to tidy up.
        scene.next_run();
        scene.main(Conditions::new(&scene.sim));
        scene.settle(JobStatus::Succeeded, Conditions::new(&scene.sim));
        sent.extend(scene.sim.transcript());
    }
    for scope in [OF_ALL, ("reportScope", "own")] {
        let (sim, mut job) = local(3, &[scope]);
        job.main();
        sent.extend(sim.transcript());
    }
    sent.extend(rows::requests());
    sent.extend(device_code::requests());
    sent.extend(workstation::requests());
    sent.extend(bound::requests());
    // Those two are the browser's.
    sent.retain(|one| !matches!(one.op, Op::Authorize | Op::SignIn));
    sent
}

#[test]
fn each_request_has_a_source_and_each_listed_one_is_sent() {
    let listed = listed();
    assert!(listed.iter().all(|shape| shape.source.len() > 3));
    let mut used = BTreeSet::new();
    let mut unknown = BTreeSet::new();
    for one in sent() {
        match listed.iter().position(|shape| shape.is_of(&one)) {
            Some(line) => drop(used.insert(line)),
            None => {
                let length = if one.has_length { "length" } else { "-" };
                let kind = one.content_type.as_deref().unwrap_or("-");
                unknown.insert(format!("{} {} | {kind} | {length}", one.method, one.target));
            }
        }
    }
    assert!(unknown.is_empty(), "no line of tests/requests.txt has these:\n{unknown:#?}");
    let unused: Vec<&str> =
        listed.iter().enumerate().filter(|(line, _)| !used.contains(line)).map(|(_, shape)| shape.path).collect();
    assert!(unused.is_empty(), "nothing sends these lines of tests/requests.txt: {unused:#?}");
}
