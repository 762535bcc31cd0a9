//! Bounded worlds to explore: which runs there are, what they are asked to do and what may go wrong how often.

use super::rules::Without;
use super::world::{At, Name, Run, Token, World};

/// The units of time in a tick of three hours: its beginning, and more than half an hour later.
pub(super) const TICK: i16 = 2;
/// Far beyond every scenario.
pub(super) const LONG: i16 = 240 * TICK;

#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// `K` of each run; the healing run's is `HEALER`.
    pub(super) runs: Vec<&'static str>,
    /// Each run starts only once this other one is over.
    pub(super) after: Vec<Option<usize>>,
    /// Which runs are settle steps of a later job, each after the rotating run that it settles.
    pub(super) settlers: Vec<usize>,
    /// Whether the first run has rotated at the beginning, and awaits its settle steps.
    pub(super) begins_rotated: bool,
    pub(super) places: usize,
    /// Whether the job's steps store the variable.
    pub(super) has_store: bool,
    pub(super) has_snapshots: bool,
    pub(super) overlap: i16,
    /// The first so many runs rotate in any case, the others only when something is found.
    pub(super) always_due: usize,
    pub(super) retires_immediately: bool,
    /// Lifetime granted, and the cap that a change of expiry meets.
    pub(super) life: i16,
    pub(super) list_lags: bool,
    pub(super) old_is_stubborn: bool,
    /// Ends of the first token.
    pub(super) old_ends: i16,
    /// A second committed one is there, and the first is chosen: in the first so many runs.
    pub(super) choices: Option<usize>,
    pub(super) ticks: i16,
    /// Whether the half hour passes within which late requests arrive and after which nothing is published.
    pub(super) has_minutes: bool,
    /// How often a person changes a token during a job.
    pub(super) hands: u8,
    /// The overlap of the healing run, where it is another one.
    pub(super) healing_overlap: Option<i16>,
    pub(super) faults: u8,
    pub(super) kills: u8,
    pub(super) without: Option<Without>,
}

pub(super) const HEALER: &str = "900.1-99999999";

impl Scenario {
    pub(super) fn new(name: &'static str, runs: &[&'static str]) -> Self {
        Self {
            name,
            runs: runs.to_vec(),
            after: vec![None; runs.len()],
            settlers: Vec::new(),
            begins_rotated: false,
            places: 1,
            has_store: true,
            has_snapshots: true,
            overlap: 2 * TICK,
            always_due: runs.len(),
            retires_immediately: false,
            life: LONG,
            list_lags: false,
            old_is_stubborn: false,
            old_ends: LONG,
            choices: None,
            ticks: 0,
            has_minutes: false,
            hands: 0,
            healing_overlap: None,
            faults: 1,
            kills: 1,
            without: None,
        }
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(super) fn is_without(&self, rule: Without) -> bool {
        self.without == Some(rule)
    }

    /// Whether a settle step of a later job settles what this run makes.
    pub(super) fn is_settled_later(&self, run: usize) -> bool {
        self.settlers.iter().any(|&settler| self.id(settler).run == self.id(run).run)
    }

    /// Whether what is replaced is retired before the job goes on.
    pub(super) fn settles_at_once(&self) -> bool {
        self.retires_immediately || self.is_without(Without::AfterJobForVariables)
    }

    /// One committed token that everybody holds, and nobody at work.
    pub(super) fn start(&self) -> World {
        let old = Token {
            name: Name::Committed,
            born: -16 * TICK,
            ends: self.old_ends,
            natural: self.old_ends,
            is_revoked: false,
            shows: true,
            is_stubborn: self.old_is_stubborn,
            is_late: false,
            is_delivered: true,
            is_proven: false,
        };
        let second = Token { born: -12 * TICK, ends: LONG, natural: LONG, is_stubborn: false, ..old.clone() };
        let mut world = World {
            now: 0,
            tokens: if self.choices.is_some() { vec![old, second] } else { vec![old] },
            places: vec![0; self.places],
            store: self.has_store.then_some(0),
            snapshot: None,
            by_hand: self.choices.map(|_| 1),
            runs: self.runs.iter().map(|_| Run::new()).collect(),
            completed: vec![false; self.runs.len()],
            faults_left: self.faults,
            kills_left: self.kills,
            hands_left: self.hands,
            broken: None,
        };
        if self.begins_rotated {
            let own = world.create(0, self.life, true);
            (world.runs[0].own, world.runs[0].awaits, world.runs[0].at) = (Some(own), true, At::Over);
            for place in 0..self.places {
                world.publish(0, place);
            }
        }
        world
    }
}

/// All of them, for the protocol as it is.
pub(super) fn all() -> Vec<Scenario> {
    vec![
        one_build(),
        two_destinations(),
        two_builds(),
        three_builds(),
        Scenario::new("lagging list", &["101.1-aaaaaaaa", "102.1-aaaaaaaa"]).with(|it| {
            it.list_lags = true;
            it.has_snapshots = false;
        }),
        no_overlap(),
        later_cap(),
        refused_rename(),
        refused_rename().with(|it| {
            it.name = "refused rename, no overlap";
            it.overlap = 0;
        }),
        two_releases(),
        two_jobs(),
        immediately(),
        two_attempts(),
        retried(),
        by_hand(),
        expiring(),
        not_due(),
        hands_during_a_job(),
        hands_during_a_job().with(|it| {
            it.name = "hands during a job, no overlap";
            it.overlap = 0;
        }),
        raised_overlap(),
        late_rerun(),
        later_stage(),
        later_stage().with(|it| {
            it.name = "later stage, no overlap";
            (it.overlap, it.has_snapshots) = (0, false);
        }),
        settle_step_again(),
        two_settle_steps(),
        rerun_of_the_rotating_stage(),
        schedule_beside_an_approval(),
        choice_in_a_later_stage(),
    ]
}

pub(super) fn one_build() -> Scenario {
    Scenario::new("one build", &["101.1-aaaaaaaa"]).with(|it| (it.faults, it.kills, it.ticks) = (2, 1, 2))
}

pub(super) fn two_destinations() -> Scenario {
    two_builds().with(|it| {
        it.name = "two destinations";
        (it.places, it.has_store, it.has_snapshots) = (2, false, false);
    })
}

pub(super) fn two_builds() -> Scenario {
    Scenario::new("two builds", &["101.1-aaaaaaaa", "102.1-aaaaaaaa"]).with(|it| it.ticks = 1)
}

pub(super) fn three_builds() -> Scenario {
    Scenario::new("three builds", &["101.1-aaaaaaaa", "102.1-aaaaaaaa", "103.1-aaaaaaaa"]).with(|it| {
        (it.faults, it.kills) = (0, 1);
        it.has_snapshots = false;
    })
}

pub(super) fn no_overlap() -> Scenario {
    two_builds().with(|it| {
        it.name = "no overlap";
        (it.overlap, it.has_snapshots, it.ticks) = (0, false, 1);
    })
}

/// What was made before the cap lives long; what is made now, two ticks.
pub(super) fn later_cap() -> Scenario {
    Scenario::new("later cap", &["101.1-aaaaaaaa"]).with(|it| (it.life, it.ticks) = (8 * TICK, 3))
}

/// Nobody's job outlives the revocation without an overlap that the design allows there.
pub(super) fn refused_rename() -> Scenario {
    two_builds().with(|it| {
        it.name = "refused rename";
        (it.old_is_stubborn, it.has_snapshots, it.ticks) = (true, false, 1);
    })
}

pub(super) fn two_releases() -> Scenario {
    two_builds().with(|it| {
        it.name = "two releases";
        it.runs = vec!["r101.1-aaaaaaaa", "r102.1-aaaaaaaa"];
        (it.ticks, it.faults, it.has_snapshots) = (3, 0, false);
    })
}

pub(super) fn two_jobs() -> Scenario {
    two_builds().with(|it| {
        it.name = "two jobs";
        it.runs = vec!["101.1-aaaaaaaa", "101.1-bbbbbbbb"];
    })
}

pub(super) fn immediately() -> Scenario {
    two_builds().with(|it| {
        it.name = "retire immediately";
        (it.retires_immediately, it.has_store) = (true, false);
    })
}

pub(super) fn two_attempts() -> Scenario {
    two_builds().with(|it| {
        it.name = "two attempts";
        it.runs = vec!["101.1-aaaaaaaa", "101.2-aaaaaaaa", "102.1-aaaaaaaa"];
        it.always_due = 3;
        it.after = vec![None, Some(0), None];
        (it.faults, it.ticks, it.has_snapshots) = (0, 1, false);
    })
}

/// The agent starts the step anew within its job.
pub(super) fn retried() -> Scenario {
    two_builds().with(|it| {
        it.name = "retried";
        it.runs = vec!["101.1-aaaaaaaa", "101.1-aaaaaaaa"];
        it.after = vec![None, Some(0)];
        (it.places, it.faults) = (2, 2);
        // The agent repeats a step within seconds. Were it hours later, and the second try cut off before it supersedes, its
        // token would look like that of a run which left another committed one alone: two stay committed, and the next run
        // asks a person (the price of leaving alone what only the overlap would decide).
        it.ticks = 0;
    })
}

pub(super) fn by_hand() -> Scenario {
    two_builds().with(|it| {
        it.name = "by hand";
        it.choices = Some(1);
        it.ticks = 1;
    })
}

pub(super) fn expiring() -> Scenario {
    two_builds().with(|it| {
        it.name = "expiring";
        (it.old_ends, it.has_snapshots) = (TICK, false);
    })
}

/// Only what is found makes the second run rotate.
pub(super) fn not_due() -> Scenario {
    two_builds().with(|it| {
        it.name = "not due";
        it.always_due = 1;
    })
}

/// A person renames, shortens or revokes the old one while a job has the new one.
pub(super) fn hands_during_a_job() -> Scenario {
    two_builds().with(|it| {
        it.name = "hands during a job";
        (it.hands, it.faults, it.has_snapshots, it.ticks) = (1, 0, false, 1);
    })
}

/// Of two committed by hand one is chosen, and the run after the first has a longer overlap.
pub(super) fn raised_overlap() -> Scenario {
    by_hand().with(|it| {
        it.name = "raised overlap";
        it.runs = vec!["101.1-aaaaaaaa"];
        it.after = vec![None];
        it.always_due = 1;
        it.healing_overlap = Some(20 * TICK);
    })
}

/// A job is run again, while what its first attempt sent may still arrive.
pub(super) fn late_rerun() -> Scenario {
    two_builds().with(|it| {
        it.name = "late rerun";
        it.runs = vec!["101.1-aaaaaaaa", "101.2-aaaaaaaa"];
        it.after = vec![None, Some(0)];
        (it.has_minutes, it.has_snapshots, it.ticks, it.faults) = (true, false, 1, 1);
    })
}

/// A later stage stores the value, somebody approves, and a settle step retires the old one; or nobody approves.
pub(super) fn later_stage() -> Scenario {
    Scenario::new("later stage", &["101.1-aaaaaaaa", "101.1-55555555"]).with(|it| {
        (it.settlers, it.after, it.ticks) = (vec![1], vec![None, Some(0)], 2);
    })
}

/// The job of the settle step is run again, while what the first sent may still arrive.
pub(super) fn settle_step_again() -> Scenario {
    two_settle_steps().with(|it| {
        it.name = "settle step again";
        (it.after[2], it.faults) = (Some(1), 1);
    })
}

/// Two settle steps at once.
pub(super) fn two_settle_steps() -> Scenario {
    later_stage().with(|it| {
        it.name = "two settle steps";
        it.runs = vec!["101.1-aaaaaaaa", "101.1-55555555", "101.2-55555555", "102.1-aaaaaaaa"];
        (it.settlers, it.after, it.always_due) = (vec![1, 2], vec![None, Some(0), Some(0), None], 4);
        (it.begins_rotated, it.has_minutes, it.has_store, it.has_snapshots) = (true, true, false, false);
        (it.ticks, it.faults) = (1, 0);
    })
}

pub(super) fn rerun_of_the_rotating_stage() -> Scenario {
    later_stage().with(|it| {
        it.name = "rerun of the rotating stage";
        it.runs = vec!["101.1-aaaaaaaa", "101.2-aaaaaaaa", "101.1-55555555", "101.2-55555555"];
        (it.settlers, it.after, it.always_due) = (vec![2, 3], vec![None, Some(0), Some(0), Some(1)], 4);
        (it.has_minutes, it.has_snapshots, it.ticks, it.faults) = (true, false, 1, 0);
    })
}

pub(super) fn schedule_beside_an_approval() -> Scenario {
    later_stage().with(|it| {
        it.name = "schedule beside an approval";
        it.runs = vec!["101.1-aaaaaaaa", "101.1-55555555", "102.1-aaaaaaaa", "102.1-55555555"];
        (it.settlers, it.after, it.always_due) = (vec![1, 3], vec![None, Some(0), None, Some(2)], 4);
        (it.has_snapshots, it.ticks, it.faults) = (false, 1, 0);
    })
}

/// Of two committed by hand one is chosen, in both steps.
pub(super) fn choice_in_a_later_stage() -> Scenario {
    later_stage().with(|it| {
        it.name = "choice in a later stage";
        (it.choices, it.ticks) = (Some(2), 1);
    })
}
