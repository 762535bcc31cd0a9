//! What must hold after every single request, and what the processes may claim of it when they end.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::oracle;
use super::super::watched::held;
use crate::harness::pipeline::NAME;
use agent::{StepRun, TaskResult};
use simulator::exchange::Caller;
use simulator::{Exchange, Op, PatState, World};

/// What has been seen of the world so far, for the promises.
#[derive(Default)]
pub(super) struct Ledger {
    /// Who uses which value.
    pub(super) consumers: BTreeMap<String, String>,
    /// A whole job has succeeded with a new value.
    pub(super) has_succeeded: bool,
    /// The ends of those that somebody may hold, by number.
    pub(super) given: BTreeMap<u64, Timestamp>,
    /// Places that held a value that worked.
    trusted: BTreeSet<String>,
    /// All that each place has held.
    published: BTreeSet<(String, u64)>,
    /// Those that have answered a call.
    verified: BTreeSet<u64>,
    /// Every name that each has had.
    names: BTreeMap<u64, BTreeSet<String>>,
    /// Which part has made which, in its turn.
    made: BTreeMap<usize, Vec<u64>>,
}

type Verdict = Result<(), String>;

fn is(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Ledger {
    /// What is there before anything happens is nobody's.
    pub(super) fn of(world: &World) -> Self {
        let mut ledger = Self::default();
        for pat in &world.pats {
            ledger.names.insert(pat.number, BTreeSet::from([pat.name.clone()]));
            ledger.given.insert(pat.number, pat.valid_to);
        }
        ledger
    }

    /// After each request, sent in the turn of this part.
    pub(super) fn check(&mut self, world: &World, exchange: &Exchange, part: usize) {
        let now = world.now();
        let listing = || world.listing();
        for pat in &world.pats {
            if !self.names.contains_key(&pat.number) {
                self.made.entry(part).or_default().push(pat.number);
            }
            self.names.entry(pat.number).or_default().insert(pat.name.clone());
        }
        if let (Op::ConnectionDataAsPat, Caller::Pat(number), Some(200)) =
            (exchange.op, &exchange.caller, exchange.status)
        {
            self.verified.insert(*number);
        }
        for (who, value) in &self.consumers {
            assert!(world.secret_works(value), "I1: {who} holds a dead PAT after {exchange}\n{}", listing());
        }
        for (place, value) in held(world) {
            let works = world.secret_works(&value);
            assert!(
                works || !self.trusted.contains(&place),
                "I1: {place} holds a dead PAT after {exchange}\n{}",
                listing()
            );
            if let Some(pat) = world.pat_of_secret(&value).filter(|_| works) {
                self.published.insert((place.clone(), pat.number));
                self.trusted.insert(place);
            }
        }
        for pat in &world.pats {
            let Some(end) = self.given.get(&pat.number) else { continue };
            let is_retired = pat.revoked.is_some() || pat.valid_to < *end;
            assert!(
                !is_retired || self.has_succeeded,
                "I2: #{} is retired before any job has succeeded, after {exchange}\n{}",
                pat.number,
                listing()
            );
        }
        let committed = world.pats.iter().filter(|pat| pat.name == NAME && pat.state(now) == PatState::Active).count();
        assert!(committed < 2, "{committed} are committed after {exchange}\n{}", listing());
    }

    /// Somebody gets this value, and uses no other from then on.
    pub(super) fn give(&mut self, world: &World, value: &str) {
        if let Some(pat) = world.pat_of_secret(value) {
            self.given.insert(pat.number, pat.valid_to);
        }
        self.consumers.insert("the service".to_owned(), value.to_owned());
    }

    fn made(&self, part: usize) -> &[u64] {
        self.made.get(&part).map_or(&[], Vec::as_slice)
    }

    fn ever(&self, number: u64, name: impl Fn(&str) -> bool) -> bool {
        self.names.get(&number).is_some_and(|names| names.iter().any(|known| name(known)))
    }

    /// I5 of a stage that has rotated, or not: `variable` is what the job got.
    pub(super) fn judge_main(
        &self,
        world: &World,
        part: usize,
        run: &StepRun,
        rotated: Option<&str>,
        variable: Option<&str>,
        places: &[String],
    ) -> Verdict {
        let made = self.made(part);
        if run.result != TaskResult::Succeeded {
            return self.judge_words(world, part, run);
        }
        if rotated != Some("true") {
            return is(made.is_empty(), "I5: there is a new one, and `rotated` is not true");
        }
        let pat = variable.and_then(|value| world.pat_of_secret(value));
        let pat = pat.ok_or("I5: succeeded, and the variable holds no PAT")?;
        is(made.contains(&pat.number), &format!("I5: the variable holds #{}, which another has made", pat.number))?;
        is(self.verified.contains(&pat.number), "I5: succeeded, and the new one was never tried")?;
        for place in places {
            is(
                self.published.contains(&(place.clone(), pat.number)),
                &format!("I5: {place} never held #{}", pat.number),
            )?;
        }
        Ok(())
    }

    /// I5 of a stage that settles what a part has made.
    pub(super) fn judge_settle(
        &self,
        world: &World,
        part: usize,
        run: &StepRun,
        has_succeeded: bool,
        is_handed_over: bool,
    ) -> Verdict {
        match run.result {
            _ if !is_handed_over => is(run.result == TaskResult::Succeeded, "I5: nothing to settle, and it failed"),
            TaskResult::Succeeded => {
                let committed = self.made(part).iter().any(|number| self.ever(*number, |name| name == NAME));
                is(has_succeeded, "I5: the job failed, and the stage that settles did not say so")?;
                is(committed, "I5: settled, and the new one was never committed")
            }
            TaskResult::SucceededWithIssues => {
                let held = self.made(part).iter().any(|number| self.ever(*number, |name| name.contains(" [held ")));
                is(held && !has_succeeded, "I5: ended with issues, and the new one was never held")
            }
            _ => self.judge_words(world, part, run),
        }
    }

    /// A failure says what is true now, and that is so.
    fn judge_words(&self, world: &World, part: usize, run: &StepRun) -> Verdict {
        let claim = oracle::last_claim(run);
        let claim = claim.ok_or_else(|| format!("I5: ended as {:?} without a word on what is true now", run.result))?;
        let made = self.made(part);
        if claim.contains("Nothing was changed.") {
            is(made.is_empty(), "I5: nothing was changed, and there is a new one")?;
        }
        if claim.contains("was revoked; nothing else was changed.") {
            let lives = |number: &&u64| world.pats.iter().any(|pat| pat.number == **number && pat.revoked.is_none());
            is(!made.iter().any(|number| lives(&number)), "I5: the new one was revoked, and it lives")?;
        }
        Ok(())
    }

    /// Of a check: no canary is left, and nothing else was made.
    pub(super) fn judge_check(&self, world: &World, part: usize, run: &StepRun) -> Verdict {
        is(matches!(run.result, TaskResult::Succeeded | TaskResult::Failed), "a check ends in another way")?;
        for number in self.made(part) {
            is(self.ever(*number, |name| name.contains(" [check ")), &format!("a check has made #{number}"))?;
            let is_gone = world.pats.iter().any(|pat| pat.number == *number && pat.revoked.is_some());
            is(is_gone, &format!("the canary #{number} is left"))?;
        }
        Ok(())
    }

    /// I3, after a healthy run: one committed PAT that the service and every place hold; all others are in their overlap.
    pub(super) fn judge_healed(&self, world: &World) -> Verdict {
        let now = world.now();
        let active = world.pats.iter().filter(|pat| pat.state(now) == PatState::Active);
        let family = active.filter(|pat| pat.owner == "rotator" && !pat.name.contains(" [check "));
        let (committed, others): (Vec<_>, Vec<_>) = family.partition(|pat| pat.name == NAME);
        let [committed] = committed[..] else { return Err(format!("I3: {} are committed", committed.len())) };
        if let Some(other) = others.iter().find(|pat| !pat.name.contains(" [superseded ")) {
            return Err(format!("I3: #{} {} is left", other.number, other.name));
        }
        let service =
            self.consumers.get("the service").into_iter().map(|value| ("the service".to_owned(), value.clone()));
        for (who, value) in service.chain(held(world)) {
            let number = world.pat_of_secret(&value).map(|pat| pat.number);
            is(
                number == Some(committed.number),
                &format!("I3: {who} holds {number:?}, and #{} is committed", committed.number),
            )?;
        }
        Ok(())
    }
}
