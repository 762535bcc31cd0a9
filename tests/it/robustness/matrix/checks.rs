//! What a check leaves: nothing but its canary is changed, and a canary that is not gone is named, with what is true of it.

use super::oracle::{Verdict, is};
use super::scenario::{Seen, SeenPat};
use super::watched::is_canary;
use agent::{StepRun, TaskResult};

/// What a check left.
struct Left<'a> {
    /// Its own canaries, and whether each is active.
    own: Vec<&'a SeenPat>,
    /// How many canaries of earlier checks it revoked.
    cleaned: usize,
    /// How many of those are still active.
    earlier: usize,
}

/// A sentence on what is true now, and whether it is.
type Claim = (&'static str, fn(&Left<'_>) -> bool);

/// A check that does not succeed says one of these.
const CLAIMS: [Claim; 7] = [
    ("Nothing was changed.", |left| left.own.is_empty() && left.cleaned == 0),
    ("Only tokens that earlier checks left were revoked.", |left| left.own.is_empty() && left.cleaned > 0),
    ("The check's own token was revoked; nothing else was changed.", |left| {
        left.has_made() && left.is_clean() && left.cleaned == 0
    }),
    ("The check's own token was revoked, and tokens that earlier checks left; nothing else was changed.", |left| {
        left.has_made() && left.is_clean() && left.cleaned > 0
    }),
    ("could not be revoked (", |left| !left.is_clean() || left.earlier > 0),
    ("may not be revoked (", |_| true),
    ("exists is not known (", |_| true),
];

impl Left<'_> {
    fn has_made(&self) -> bool {
        !self.own.is_empty()
    }

    fn is_clean(&self) -> bool {
        self.own.iter().all(|pat| !pat.is_active)
    }
}

pub(super) fn judge(before: &Seen, after: &Seen, run: &StepRun) -> Verdict {
    is(before.places == after.places, "a destination holds another token than before")?;
    is(before.variable == after.variable, "the variable was set")?;
    for old in before.pats.iter().filter(|pat| !is_canary(&pat.name)) {
        is(after.pats.contains(old), &format!("{} is not as it was", old.name))?;
    }
    let known = |pat: &SeenPat| before.pats.iter().find(|old| old.number == pat.number);
    let own: Vec<&SeenPat> = after.pats.iter().filter(|pat| known(pat).is_none()).collect();
    is(own.iter().all(|pat| is_canary(&pat.name)), &format!("a check made another token: {own:?}"))?;
    let said: Vec<&String> = run.errors.iter().chain(&run.warnings).collect();
    for pat in own.iter().filter(|pat| pat.is_active) {
        let is_named = said.iter().any(|text| text.contains(&pat.id) || text.contains(&format!("\"{}\"", pat.name)));
        is(is_named, &format!("{} is left, and no error names it", pat.name))?;
    }
    let cleaned = after.pats.iter().filter(|pat| !pat.is_active && known(pat).is_some_and(|old| old.is_active)).count();
    let earlier = after.pats.iter().filter(|pat| pat.is_active && is_canary(&pat.name) && known(pat).is_some()).count();
    let left = Left { own, cleaned, earlier };
    if run.result == TaskResult::Succeeded {
        return is(left.is_clean(), "it succeeded, and its canary is left");
    }
    let claimed: Vec<&Claim> =
        CLAIMS.iter().filter(|(words, _)| said.iter().any(|text| text.contains(words))).collect();
    is(!claimed.is_empty(), "it says nothing on what is true now")?;
    claimed.iter().try_for_each(|(words, holds)| is(holds(&left), &format!("I5: \"{words}\" is not true")))
}
