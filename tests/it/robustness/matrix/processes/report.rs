//! A report beside processes that rotate.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{Arranged, Scene, step};
use agent::TaskResult;
use simulator::PatState;

impl Scene {
    /// A report is whole whatever the others do meanwhile: it lists who was there before and after, and nobody twice.
    pub(super) fn report(
        &self,
        number: usize,
        arranged: &Arranged,
        everybody: bool,
        log: &mut String,
    ) -> Result<(), String> {
        let mut job = self.job(arranged, "reporting");
        let scope = if everybody { "organization" } else { "own" };
        let more = [
            ("command", "report"),
            ("reportScope", scope),
            ("patName", ""),
            ("variable", ""),
            ("overlapHours", ""),
            ("rotateWhenDaysLeft", ""),
        ];
        let before = self.active();
        let report = step("report", &self.inputs(arranged, &more));
        let run = self.stage(number, |how| job.run(&report, how));
        log.push_str(&run.log);
        let after = self.active();
        if run.result == TaskResult::Abandoned {
            return Ok(());
        }
        if run.result != TaskResult::Succeeded {
            return Err(format!("the report ended as {:?}", run.result));
        }
        let file = job.variable_value("report.reportFile").ok_or("there is no report")?;
        let file: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let listed: Vec<&str> =
            file["tokens"].as_array().unwrap().iter().filter_map(|token| token["authorizationId"].as_str()).collect();
        let once: BTreeSet<&str> = listed.iter().copied().collect();
        let missing: Vec<&String> = before.intersection(&after).filter(|id| !once.contains(id.as_str())).collect();
        if file["isPartial"] == true || once.len() != listed.len() || !missing.is_empty() {
            return Err(format!("partial: {}, listed: {listed:?}, missing: {missing:?}", file["isPartial"]));
        }
        Ok(())
    }

    /// The ids of the rotator's active PATs.
    fn active(&self) -> BTreeSet<String> {
        let world = self.sim.world();
        let now = world.now();
        let active = world.pats.iter().filter(|pat| pat.owner == "rotator" && pat.state(now) == PatState::Active);
        active.map(|pat| pat.id.clone()).collect()
    }
}
