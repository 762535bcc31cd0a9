//! Which cases are played. The gate plays all of them (`ROTATE_PAT_EVERYTHING=1`); otherwise it is a sample, the same in
//! every run, in which each trait of a case occurs at least once: each operation with each fault, each kind of run in each
//! stage.

use std::collections::HashSet;

use crate::harness::pipeline::of_this_machine;

pub(crate) fn is_whole() -> bool {
    of_this_machine("ROTATE_PAT_EVERYTHING").is_some()
}

/// Every case, or those of the sample: a case is in it if it shows a trait that no case before it shows.
pub(crate) fn of<T>(cases: Vec<T>, name: impl Fn(&T) -> String, traits: impl Fn(&T) -> Vec<String>) -> Vec<T> {
    if is_whole() {
        return cases;
    }
    let mut seen = HashSet::new();
    let mut mixed = cases;
    // In the order of their making, the first kind of run would have to show everything.
    mixed.sort_by_cached_key(|case| mix(&name(case)));
    mixed.retain(|case| traits(case).into_iter().filter(|shown| seen.insert(shown.clone())).count() > 0);
    mixed
}

/// FNV-1a: the same on every machine and in every run.
fn mix(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
