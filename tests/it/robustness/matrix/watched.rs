//! What must be true after each request: whoever held a PAT that worked holds one (I1), and nothing that somebody may hold
//! is retired before every place has its successor and the job has succeeded (I2).

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::kind::Kind;
use crate::destinations::several::{FEED, GROUP, PLACE, PROD, VAULT};
use simulator::World;

/// Who holds what, and what may happen to it.
#[derive(Default)]
pub(super) struct Watched {
    /// Values that consumers hold, by who they are.
    pub(super) consumers: BTreeMap<&'static str, String>,
    /// Places that held a value that worked.
    trusted: BTreeSet<String>,
    /// The job has succeeded, or nothing waits for it.
    pub(super) may_retire: bool,
    /// The end of each PAT before the run, by number.
    pub(super) ends: BTreeMap<u64, Timestamp>,
    places: Vec<String>,
    /// By how much a service says it is later than it is: that decides when an overlap is over.
    pub(super) lie: SignedDuration,
}

/// What the places hold, by name.
pub(super) fn held(world: &World) -> Vec<(String, String)> {
    let mut held = Vec::new();
    if world.vault.secret(PLACE).is_some() {
        held.push((VAULT.to_owned(), world.vault.value(PLACE).to_owned()));
    }
    if world.groups.iter().any(|group| group.name == "Prod secrets") {
        held.push((GROUP.to_owned(), world.secret_value(PROD, "NUGET_PAT").to_owned()));
    }
    held.extend(world.endpoints.iter().map(|e| (FEED.to_owned(), world.endpoint_secret(&e.id).to_owned())));
    held
}

impl Watched {
    pub(super) fn of(world: &World, kind: &Kind) -> Self {
        let mut watched = Self {
            ends: world
                .pats
                .iter()
                .filter(|pat| pat.revoked.is_none() && !is_canary(&pat.name))
                .map(|pat| (pat.number, pat.valid_to))
                .collect(),
            places: kind.places.iter().map(|place| (*place).to_owned()).collect(),
            ..Self::default()
        };
        let current = world.pats.iter().find(|pat| !pat.name.contains(" ends ")).or(world.pats.first());
        if let Some(pat) = current {
            // Where nothing waits for the job and there is no overlap, only the places are protected.
            if kind.overlap > 0 || !kind.immediately {
                watched.consumers.insert("the old consumer", pat.secret.clone());
            }
            if kind.has_variable {
                watched.consumers.insert("the service", pat.secret.clone());
            }
        }
        watched
    }

    pub(super) fn check(&mut self, world: &World, after: &str) {
        for (name, value) in &self.consumers {
            assert!(world.secret_works(value), "I1: {name} holds a dead PAT after {after}\n{}", world.listing());
        }
        for (place, value) in held(world) {
            let works = world.secret_works(&value);
            let was_trusted = self.trusted.contains(&place);
            assert!(works || !was_trusted, "I1: {place} holds a dead PAT after {after}\n{}", world.listing());
            if works {
                self.trusted.insert(place);
            }
        }
        let now = world.now() + self.lie;
        for pat in &world.pats {
            let Some(end) = self.ends.get(&pat.number) else { continue };
            let was_over = pat
                .name
                .rsplit_once(" ends ")
                .is_some_and(|(_, ends)| ends.trim_end_matches(']').parse::<Timestamp>().is_ok_and(|ends| ends <= now));
            if was_over || (pat.revoked.is_none() && pat.valid_to >= *end) {
                continue;
            }
            assert!(self.may_retire, "I2: #{} is retired before the job succeeded, after {after}", pat.number);
            let has_other = |value: &str| world.pat_of_secret(value).is_some_and(|held| held.number != pat.number);
            for (place, value) in held(world) {
                let is_ready = has_other(&value) || !self.places.contains(&place);
                assert!(is_ready, "I2: #{} is retired and {place} holds it, after {after}", pat.number);
            }
        }
    }
}

/// Whether a check made it: nobody holds it.
pub(super) fn is_canary(name: &str) -> bool {
    name.contains(" [check ")
}
