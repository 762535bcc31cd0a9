//! I5: what a stage says is held against the world. Every sentence about what is true now is known here with what it
//! claims; one that is not known fails, so that nobody adds a sentence without saying when it is true.

use super::checks;
use super::kind::Left;
use super::scenario::{Scenario, Seen, SeenPat};
use crate::destinations::several::{FEED, GROUP, VAULT};
use crate::harness::pipeline::NAME;
use agent::{StepRun, TaskResult};

/// A place as messages name it.
const WORDS: [(&str, &str); 3] = [
    (VAULT, "secret \"nuget-pat\""),
    (GROUP, "variable \"NUGET_PAT\" in variable group"),
    (FEED, "service connection \"contoso-feed\""),
];

pub(super) type Verdict = Result<(), String>;

/// The two states that a message lies between.
struct Change<'a> {
    before: &'a Seen,
    after: &'a Seen,
    text: &'a str,
}

/// A sentence, and whether it is true.
type Claim = (&'static str, fn(&Change<'_>) -> Verdict);

/// What both stages say of themselves. In this order: what is part of another comes after it.
const CLAIMS: [Claim; 20] = [
    ("Nothing was changed.", nothing_changed),
    ("Every new token without a known value was revoked; the old token is untouched.", nothing_new_is_left),
    (
        "The old token is untouched. A new one that nobody holds may exist; the next run retires it.",
        nobody_holds_a_new_one,
    ),
    ("was revoked; nothing else was changed.", nothing_new_is_left),
    ("was revoked. Another new one that nobody holds may exist; the next run retires it.", nobody_holds_a_new_one),
    ("could not be revoked (", its_own_is_left_unheld),
    ("may not be revoked (", nobody_holds_a_new_one),
    ("the others hold the old one, which still works.", partly_delivered),
    ("The job may hold the new token, so both work; it stays ", both_work),
    (", and both work.", both_work),
    ("Nothing was retired; the new token stays ", nothing_retired),
    ("Nothing was retired. It stays ", nothing_retired_and_it_stays),
    ("or is held now is not known", perhaps_held),
    ("The new token stays ", own_stays),
    ("It is not known whether the new token is committed; the next run finds out.", perhaps_committed),
    ("The new token is committed, and nothing was retired.", committed_and_nothing_retired),
    ("The new token is committed, and nothing more was retired.", committed),
    ("Nothing was committed or revoked by this run.", nothing_committed),
    ("This run committed nothing.", nothing_committed),
    ("The new token is now ", own_is_now),
];

/// The main stage.
pub(crate) fn judge_main(scene: &Scenario, before: &Seen, after: &Seen, run: &StepRun) -> Verdict {
    if scene.kind.is_check() {
        return checks::judge(before, after, run);
    }
    let change = Change { before, after, text: "" };
    if run.result != TaskResult::Succeeded {
        return judge_words(&change, run);
    }
    let output = |name: &str| scene.job.variable_value(&format!("rotate.{name}")).unwrap_or_default().to_owned();
    let made = change.made();
    if output("rotated") != "true" {
        let cleaned = scene.kind.left.iter().any(|left| matches!(left, Left::Superseded(hours) if *hours < 0));
        return match (made.is_empty(), cleaned) {
            (false, _) => Err("I5: there is a new one, and `rotated` is not true".to_owned()),
            (true, true) => Ok(()),
            (true, false) => nothing_changed(&change),
        };
    }
    let living: Vec<&&SeenPat> = made.iter().filter(|pat| pat.is_active).collect();
    let [new] = living[..] else { return Err(format!("I5: succeeded with {made:?}")) };
    is(output("authorizationId") == new.id, "the output names another one")?;
    is((new.name == NAME) == scene.kind.immediately, &format!("the new one is {}", new.name))?;
    is(new.name == NAME || new.name.contains(" [pending 1"), &format!("the new one is {}", new.name))?;
    for place in scene.kind.places {
        is(after.places.get(*place) == Some(&new.number), &format!("{place} holds {:?}", after.places.get(*place)))?;
    }
    let variable = scene.kind.has_variable.then_some(new.number);
    is(after.variable == variable, &format!("the variable holds {:?}", after.variable))
}

/// The settle stage.
pub(crate) fn judge_settle(scene: &Scenario, before: &Seen, after: &Seen, run: &StepRun) -> Verdict {
    let change = Change { before, after, text: "" };
    if !scene.is_handed_over() {
        return is(run.result == TaskResult::Succeeded && before == after, "there was nothing to settle");
    }
    if !matches!(run.result, TaskResult::Succeeded | TaskResult::SucceededWithIssues) {
        return judge_words(&change, run);
    }
    let own = change.own().ok_or("I5: settled, and there is no new one")?;
    is(own.is_active, "settled, and the new one does not work")?;
    let succeeded = scene.job.status() == agent::JobStatus::Succeeded;
    let may = match scene.kind.confirmed {
        super::kind::Confirmed::NotAsked => succeeded,
        super::kind::Confirmed::True => true,
        super::kind::Confirmed::Missing => false,
    };
    is(may == (run.result == TaskResult::Succeeded), "a held rotation ends with issues, and no other")?;
    if may {
        is(own.name == NAME, &format!("settled, and the new one is {}", own.name))?;
        let is_over = |pat: &&SeenPat| pat.is_active && pat.number != own.number && !pat.name.contains(" [superseded ");
        return is(!after.pats.iter().any(|pat| is_over(&pat)), "settled, and others live without an end");
    }
    is(own.name.contains(" [held "), &format!("not confirmed, and the new one is {}", own.name))?;
    nothing_retired(&Change { text: &format!("Nothing was retired; the new token stays \"{}\"", own.name), ..change })?;
    let told = run.warnings.iter().any(|warning| {
        warning.contains("nothing was retired") && warning.contains(&format!("\"{}\", both work", own.name))
    });
    is(told, "the job did not succeed, and no warning says what is true")
}

/// The last thing that a stage says of what is true now.
pub(crate) fn last_claim(run: &StepRun) -> Option<&String> {
    let mut told = run.errors.iter().chain(&run.warnings);
    told.rfind(|text| CLAIMS.iter().any(|(claim, _)| text.contains(claim)))
}

fn judge_words(change: &Change<'_>, run: &StepRun) -> Verdict {
    let Some(text) = last_claim(run) else {
        return Err(format!("I5: ended as {:?} without a word on what is true now", run.result));
    };
    for (claim, holds) in CLAIMS {
        if text.contains(claim) {
            let claimed = Change { before: change.before, after: change.after, text };
            holds(&claimed).map_err(|why| format!("I5: \"{claim}\" is not true: {why}\n{text}"))?;
        }
    }
    Ok(())
}

pub(super) fn is(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Change<'_> {
    /// What the run has made in this stage.
    fn made(&self) -> Vec<&SeenPat> {
        let is_new = |pat: &&SeenPat| !self.before.pats.iter().any(|known| known.number == pat.number);
        self.after.pats.iter().filter(is_new).collect()
    }

    /// The one that the run has made, whichever stage it is in.
    fn own(&self) -> Option<&SeenPat> {
        self.after
            .pats
            .iter()
            .rev()
            .find(|pat| self.made().contains(pat) || pat.name.contains("101.1") || pat.name == NAME)
    }

    /// Those that were there live on as they were.
    fn others_are_untouched(&self) -> Verdict {
        let kept = |old: &&SeenPat| self.after.pats.contains(old);
        is(self.before.pats.iter().all(|old| kept(&old)), "one that was there is not as it was")
    }

    /// No place and no variable has got anything.
    fn nobody_got_it(&self) -> Verdict {
        is(self.before.places == self.after.places, "a place holds another one than before")?;
        is(self.before.variable == self.after.variable, "the variable was set")
    }

    /// None that worked before and was not the run's own has ended or was cut short.
    fn others_live(&self) -> Verdict {
        for old in self.before.pats.iter().filter(|old| old.is_active && !self.is_past(old)) {
            let now = self.after.pats.iter().find(|pat| pat.number == old.number);
            let lives = now.is_some_and(|now| now.is_active && now.ends >= old.ends);
            is(lives || self.text.contains(&old.id), &format!("{} no longer lives as it did", old.name))?;
        }
        Ok(())
    }

    /// Superseded before this run, and over: whoever meets it may revoke it.
    fn is_past(&self, pat: &SeenPat) -> bool {
        pat.name.contains(" [superseded 100.1")
    }

    /// The name in quotes that follows these words.
    fn named(&self, words: &str) -> Option<String> {
        let (_, rest) = self.text.split_once(words)?;
        let rest = rest.strip_prefix('"')?;
        Some(rest.split_once('"')?.0.to_owned())
    }

    fn own_is_named(&self, words: &str) -> Verdict {
        let named = self.named(words).unwrap_or_default();
        let own = self.own().ok_or("there is no new one")?;
        is(own.is_active && own.name == named, &format!("the new one is {}, active: {}", own.name, own.is_active))
    }
}

fn nothing_changed(change: &Change<'_>) -> Verdict {
    change.others_are_untouched()?;
    change.nobody_got_it()?;
    is(change.made().is_empty(), "a new one was made")
}

fn nothing_new_is_left(change: &Change<'_>) -> Verdict {
    change.others_are_untouched()?;
    change.nobody_got_it()?;
    is(!change.made().is_empty(), "nothing was made")?;
    is(!change.made().iter().any(|pat| pat.is_active), "a new one is left")
}

fn nobody_holds_a_new_one(change: &Change<'_>) -> Verdict {
    change.others_are_untouched()?;
    change.nobody_got_it()
}

fn its_own_is_left_unheld(change: &Change<'_>) -> Verdict {
    nobody_holds_a_new_one(change)?;
    is(change.made().iter().any(|pat| pat.is_active), "it is revoked")
}

fn partly_delivered(change: &Change<'_>) -> Verdict {
    let new = change.own().ok_or("there is no new one")?;
    let (list, _) = change.text.split_once("; the others hold").unwrap_or_default();
    let list = list.split_once("The new token is in ").ok_or("no place is named")?.1;
    for (place, words) in WORDS {
        let Some(now) = change.after.places.get(place) else { continue };
        let is_perhaps = list.contains(&format!("perhaps {words}"));
        let is_named = list.contains(words);
        let was = change.before.places.get(place).copied().unwrap_or_default();
        let holds = if is_perhaps {
            [new.number, was].contains(now)
        } else if is_named {
            *now == new.number
        } else {
            *now == was
        };
        is(holds, &format!("{place} holds #{now}"))?;
    }
    change.others_live()?;
    if change.text.contains(" It is now ") {
        return change.own_is_named(" It is now ");
    }
    if change.text.contains("or is held now is not known") {
        return perhaps_held(change);
    }
    change.own_is_named(" It stays ")
}

fn both_work(change: &Change<'_>) -> Verdict {
    let new = change.own().ok_or("there is no new one")?;
    is(new.is_active, "the new one does not work")?;
    change.others_live()?;
    if change.text.contains("; it stays ") { change.own_is_named("; it stays ") } else { Ok(()) }
}

fn nothing_retired(change: &Change<'_>) -> Verdict {
    change.others_live()?;
    change.own_is_named("the new token stays ")
}

fn nothing_retired_and_it_stays(change: &Change<'_>) -> Verdict {
    change.others_live()?;
    change.own_is_named("It stays ")
}

fn perhaps_held(change: &Change<'_>) -> Verdict {
    change.others_live()?;
    is(change.own().is_some_and(|own| own.is_active && own.name != NAME), "the new one is not as it is said to be")
}

fn own_stays(change: &Change<'_>) -> Verdict {
    change.others_live()?;
    change.own_is_named("The new token stays ")
}

fn own_is_now(change: &Change<'_>) -> Verdict {
    change.others_live()?;
    change.own_is_named("The new token is now ")
}

fn perhaps_committed(change: &Change<'_>) -> Verdict {
    change.others_live()?;
    is(change.own().is_some_and(|own| own.is_active), "the new one is gone")
}

fn committed(change: &Change<'_>) -> Verdict {
    change.others_live()?;
    is(change.own().is_some_and(|own| own.is_active && own.name == NAME), "it is not committed")
}

fn committed_and_nothing_retired(change: &Change<'_>) -> Verdict {
    committed(change)
}

fn nothing_committed(change: &Change<'_>) -> Verdict {
    change.others_live()?;
    is(change.own().is_none_or(|own| own.name != NAME), "it is committed")
}
