//! What a run does next, one request at a time, with everything that may become of it. The acting parts of the program
//! in short; what they decide by is the shipped plan and look.

use rotate_pat::plan::conflicts::{AfterCreate, BeforeCommit};

use super::rules::Without;
use super::scenario::{Scenario, TICK};
use super::shipped::Task;
use super::world::{At, Name, Number, World};

/// A state that follows, and what led to it. Without a fault, the first is what a healthy run does.
pub(super) type Next = (&'static str, World);

/// The states that one step of a run can lead to.
pub(super) struct Step<'a> {
    scenario: &'a Scenario,
    run: usize,
    world: &'a World,
    next: Vec<Next>,
}

/// Everything that this run can do next.
pub(super) fn next(scenario: &Scenario, world: &World, run: usize) -> Vec<Next> {
    let mut step = Step { scenario, run, world, next: Vec::new() };
    step.take();
    step.next
}

impl Step<'_> {
    fn to(&mut self, what: &'static str, change: impl FnOnce(&mut World)) {
        let mut world = self.world.clone();
        change(&mut world);
        if world.runs[self.run].at == At::Over {
            world.runs[self.run].end();
        }
        self.next.push((what, world));
    }

    /// The same as long as faults are allowed.
    fn fault(&mut self, what: &'static str, change: impl FnOnce(&mut World)) {
        if self.world.faults_left > 0 {
            self.to(what, |world| {
                world.faults_left -= 1;
                change(world);
            });
        }
    }

    fn go(&mut self, what: &'static str, at: At) {
        let run = self.run;
        self.to(what, |world| world.runs[run].at = at);
    }

    fn named(&self) -> usize {
        self.scenario.known_as(self.world.runs[self.run].made_by.unwrap_or(self.run))
    }

    fn take(&mut self) {
        let run = self.run;
        match self.world.runs[run].at {
            At::Waiting => {
                let before = self.scenario.after.get(run).copied().flatten();
                let is_settler = self.scenario.settlers.contains(&run);
                let then = if is_settler { At::Choosing } else { At::Deciding };
                self.to("lists the tokens and reads the places", |world| {
                    // What an earlier try or attempt has sent to a place arrives before the later begins, or never.
                    if let Some(before) = before {
                        world.runs[before].flying.clear();
                        // Later stages of an earlier attempt do not begin any more.
                        world.runs[before].awaits &= is_settler;
                        world.runs[before].end();
                    }
                    let (listed, records) = (world.list(), world.places.clone());
                    let it = &mut world.runs[run];
                    (it.listed, it.records, it.at) = (listed, records, then);
                });
            }
            At::Deciding => self.decide(),
            At::Creating => self.create(),
            At::Searching => self.search(),
            At::Relisting => match self.scenario.after_create(self.world, run) {
                AfterCreate::Clear => {
                    self.go("sees nobody else and proves its own", At::Publishing(0));
                    self.fault("cannot prove its own", |world| world.runs[run].at = At::Undoing);
                    self.fault("gets no answer to its rehearsal", |world| world.runs[run].at = At::Replacing);
                }
                AfterCreate::NotListedYet => self.go("does not see its own in the list", At::Undoing),
                AfterCreate::Yield(_) => self.go("yields to an earlier run", At::Undoing),
                AfterCreate::Changed(_) => self.go("sees a change", At::Undoing),
            },
            At::Publishing(place) => self.publish(place),
            At::SettingVariable if self.is_late() => self.stop("is too late for the variable", false, |_| {}),
            At::SettingVariable => self.to("sets the variable", |world| {
                let own = world.runs[run].own();
                world.tokens[own].is_delivered = true;
                world.runs[run].at = At::Job { is_stored: false };
            }),
            At::Job { is_stored } => self.job(is_stored),
            At::AskingToHold => {
                let own = self.world.runs[run].own();
                let is_own = self.world.tokens[own].name == Name::Pending(self.named());
                let is_there = self.world.list().iter().any(|&(number, _)| number == own);
                let at = if is_own && is_there { At::Holding } else { At::Over };
                self.go("looks before it holds", at);
                self.fault("cannot list before it holds", |world| world.runs[run].at = At::Over);
            }
            At::Holding => {
                let held = Name::Held(self.named());
                self.rename_own("marks its own as held", held, At::Over);
                self.fault("cannot mark its own as held", |world| world.runs[run].at = At::Over);
                self.fault("marks its own as held, and that is late", |world| {
                    let own = world.runs[run].own();
                    world.runs[run].renames.push((own, held));
                    world.runs[run].at = At::Over;
                });
                self.fault("marks its own as held, and a copy is late", |world| {
                    let own = world.runs[run].own();
                    world.rename(own, held);
                    world.runs[run].renames.push((own, held));
                    world.runs[run].at = At::Over;
                });
            }
            At::Choosing => match self.scenario.choose(self.world, run) {
                Some((own, made_by, predecessors)) => self.to("chooses what its build made", |world| {
                    // Everything before it has succeeded.
                    world.tokens[own].is_proven = true;
                    let ends = world.now + self.scenario.overlap_of(run);
                    let it = &mut world.runs[run];
                    (it.own, it.made_by, it.predecessors) = (Some(own), Some(made_by), predecessors);
                    (it.ends, it.at) = (ends, At::Settling);
                    it.records.clear();
                }),
                None => self.go("finds nothing to settle", At::Over),
            },
            At::Settling => self.settle(),
            At::Superseding(index) => self.supersede(index),
            At::Looking => self.look(),
            At::Committing { is_stale: true } if !self.scenario.is_without(Without::FreshLook) => {
                self.go("finds its look too old", At::Looking);
            }
            At::Committing { .. } => {
                self.rename_own("commits", Name::Committed, At::Verifying);
                self.fault("commits, and the reply is lost", |world| {
                    let own = world.runs[run].own();
                    world.rename(own, Name::Committed);
                    world.runs[run].at = At::Finding;
                });
                self.fault("sends a commit that is lost", |world| world.runs[run].at = At::Finding);
                self.fault("sends a commit that is late", |world| {
                    let own = world.runs[run].own();
                    world.runs[run].renames.push((own, Name::Committed));
                    world.runs[run].at = At::Finding;
                });
            }
            At::Finding => match self.scenario.before_commit(self.world, run) {
                BeforeCommit::Done => self.go("finds it committed", At::Verifying),
                BeforeCommit::Clear if self.scenario.is_without(Without::CommitOnce) => {
                    self.go("does not find it committed, and commits again", At::Committing { is_stale: false });
                }
                _ => self.go("does not find it committed", At::Over),
            },
            At::Verifying => {
                self.go("verifies the committed one", At::Retiring(0));
                self.fault("cannot verify the committed one", |world| world.runs[run].at = At::Over);
            }
            At::Retiring(index) => self.retire(index),
            At::Undoing => {
                self.to("revokes its own, which nobody holds", |world| {
                    let own = world.runs[run].own();
                    world.retire(own, None);
                    world.runs[run].at = At::Over;
                });
                self.fault("cannot revoke its own", |world| world.runs[run].at = At::Over);
            }
            At::Replacing => {
                let at = if self.world.runs[run].tries > 0 { At::Creating } else { At::Over };
                self.to("revokes the one whose rehearsal got no answer", |world| {
                    let own = world.runs[run].own();
                    world.retire(own, None);
                    let it = &mut world.runs[run];
                    (it.tries, it.own, it.at) = (it.tries.saturating_sub(1), None, at);
                });
                self.fault("cannot revoke its own", |world| world.runs[run].at = At::Over);
            }
            At::Over => {}
        }
    }

    /// The list at the beginning of the settling: what is no longer of the family is no predecessor.
    fn settle(&mut self) {
        let run = self.run;
        if self.scenario.is_without(Without::FreshList) {
            return self.go("goes by the plan's list", At::Superseding(0));
        }
        if let BeforeCommit::TakenOver { .. } = self.scenario.before_superseding(self.world, run) {
            return self.go("lists: somebody has taken over", At::Over);
        }
        let family: Vec<Number> = self
            .world
            .list()
            .into_iter()
            .filter(|(_, name)| *name != Name::Another)
            .map(|(number, _)| number)
            .collect();
        let is_marked = |number: &Number| matches!(self.world.tokens[*number].name, Name::Superseded { .. });
        let marked: Vec<Number> = family.iter().copied().filter(is_marked).collect();
        self.to("lists what there is to settle", |world| {
            let it = &mut world.runs[run];
            it.marked = marked;
            it.predecessors.retain(|number| family.contains(number));
            it.at = At::Superseding(0);
        });
        self.fault("cannot list what there is to settle", |world| world.runs[run].at = At::Over);
    }

    fn decide(&mut self) {
        let run = self.run;
        match self.scenario.decide(self.world, run) {
            Task::Rotate(predecessors) => self.to("plans to rotate", |world| {
                let it = &mut world.runs[run];
                (it.predecessors, it.at) = (predecessors, At::Creating);
                it.records.clear();
            }),
            Task::UpToDate(clean) => self.to("finds nothing due", |world| {
                for number in clean {
                    world.retire(number, None);
                }
                world.runs[run].at = At::Over;
            }),
            Task::Refuse => self.go("refuses", At::Over),
        }
    }

    fn create(&mut self) {
        let (run, named, life, shows) = (self.run, self.named(), self.scenario.life, !self.scenario.list_lags);
        self.to("creates its own", |world| {
            let own = world.create(named, life, shows);
            (world.runs[run].own, world.runs[run].at) = (Some(own), At::Relisting);
        });
        if self.world.runs[run].tries > 0 {
            self.fault("creates one, and the reply is lost", |world| {
                world.create(named, life, shows);
                world.runs[run].at = At::Searching;
            });
            self.fault("sends a creation that is late", |world| {
                world.runs[run].is_creation_flying = true;
                world.runs[run].at = At::Searching;
            });
        }
    }

    /// Revokes what a lost reply left, and creates again.
    fn search(&mut self) {
        let run = self.run;
        let (pending, all) = (Name::Pending(self.named()), self.scenario.is_without(Without::OrphansAreNew));
        self.to("revokes what has no known secret", |world| {
            for (number, name) in world.list() {
                let is_known = world.runs[run].listed.iter().any(|&(known, _)| known == number);
                if name == pending && (all || !is_known) {
                    world.retire(number, None);
                }
            }
            world.runs[run].tries -= 1;
            world.runs[run].at = At::Creating;
        });
    }

    /// The deadline of half an hour: within one tick a run is in time.
    fn is_late(&self) -> bool {
        let sent = self.world.tokens[self.world.runs[self.run].own()].born;
        sent < self.world.now && !self.scenario.is_without(Without::PublishDeadline)
    }

    fn publish(&mut self, place: usize) {
        let run = self.run;
        if place == self.scenario.places {
            return self.published();
        }
        if self.is_late() {
            return self.stop("is too late to publish", false, |_| {});
        }
        self.to("publishes to a place", |world| {
            world.publish(run, place);
            world.runs[run].at = At::Publishing(place + 1);
        });
        if self.world.faults_left == 0 {
            return;
        }
        self.stop("is refused by a place", false, |world| world.faults_left -= 1);
        self.stop("writes a place without an answer", true, |world| {
            world.faults_left -= 1;
            world.publish(run, place);
        });
        self.stop("writes a place without an answer, and the write is late", true, |world| {
            world.faults_left -= 1;
            world.runs[run].flying.push(place);
        });
    }

    fn published(&mut self) {
        let run = self.run;
        if !self.scenario.settles_at_once() {
            return self.go("hands over", At::SettingVariable);
        }
        self.to("settles at once", |world| world.begin_to_settle(self.scenario, run));
    }

    /// Ends a publication that failed, by what may have been delivered.
    fn stop(&mut self, what: &'static str, is_unanswered: bool, change: impl FnOnce(&mut World)) {
        let run = self.run;
        let own = self.world.runs[run].own();
        let counts = is_unanswered && !self.scenario.is_without(Without::UnansweredIsDelivered);
        let at = match (self.world.tokens[own].is_delivered, counts) {
            (false, false) => At::Undoing,
            (_, true) if !self.scenario.is_without(Without::PendingAfterUnanswered) => At::Over,
            _ => At::Holding,
        };
        self.to(what, |world| {
            change(world);
            world.runs[run].at = at;
        });
    }

    fn job(&mut self, is_stored: bool) {
        let run = self.run;
        let own = self.world.runs[run].own();
        // A job stores within the six hours after which a run that cannot be asked for counts as dead.
        let is_release = self.scenario.id(run).build().is_none();
        let in_time = !is_release || self.world.now < self.world.tokens[own].born + 2 * TICK;
        if self.scenario.has_store && !is_stored && in_time && !self.scenario.is_settled_later(run) {
            self.to("stores the variable", |world| {
                world.store = Some(world.runs[run].own());
                world.runs[run].at = At::Job { is_stored: true };
            });
        }
        // A job that did not store has not succeeded: with its step skipped or failed, at least an issue is left.
        if is_stored || !self.scenario.has_store || self.scenario.is_settled_later(run) {
            self.end_job("ends its job, succeeded", true);
        }
        self.end_job("ends its job with issues", self.scenario.is_without(Without::IssuesAreFailure));
        self.end_job("ends its job, failed", false);
    }

    fn end_job(&mut self, what: &'static str, is_success: bool) {
        let (run, scenario) = (self.run, self.scenario);
        self.to(what, |world| {
            let own = world.runs[run].own();
            let is_later = scenario.is_settled_later(run);
            if what.ends_with("succeeded") && !is_later {
                world.tokens[own].is_proven = true;
            }
            // A whole job takes longer than the half minute from a look to its commit.
            for other in (0..world.runs.len()).filter(|&other| other != run) {
                let is_new = !world.runs[other].listed.iter().any(|&(known, _)| known == own);
                if let At::Committing { is_stale } = &mut world.runs[other].at {
                    *is_stale |= is_new;
                }
            }
            if is_success && is_later {
                (world.runs[run].at, world.runs[run].awaits) = (At::Over, true);
            } else if is_success && scenario.settles_at_once() {
                world.runs[run].at = At::Over;
            } else if is_success {
                world.begin_to_settle(scenario, run);
            } else {
                world.runs[run].at = At::AskingToHold;
            }
        });
    }

    fn rename_own(&mut self, what: &'static str, name: Name, at: At) {
        let run = self.run;
        self.to(what, |world| {
            let own = world.runs[run].own();
            world.tokens[own].name = name;
            world.runs[run].at = at;
        });
    }

    fn was_superseded(&self, number: Number) -> bool {
        let listed = &self.world.runs[self.run].listed;
        listed.iter().any(|(known, name)| *known == number && matches!(name, Name::Superseded { .. }))
    }

    fn supersede(&mut self, index: usize) {
        let run = self.run;
        let (it, now) = (&self.world.runs[run], self.world.now);
        let then = At::Superseding(index + 1);
        let Some(&number) = it.predecessors.get(index) else {
            return self.go("has superseded all", At::Looking);
        };
        let token = &self.world.tokens[number];
        if it.marked.contains(&number) || self.was_superseded(number) || !token.is_active(now) {
            return self.go("has no need to supersede one", then);
        }
        if self.is_slow() {
            return self.go("is too late to supersede", At::Over);
        }
        if token.is_stubborn {
            if self.scenario.is_without(Without::RevokeBeforeLook) {
                self.go("leaves the one that cannot be renamed", then);
            } else if self.scenario.overlap == 0 {
                self.to("revokes the one that cannot be renamed", |world| {
                    world.retire(number, None);
                    world.runs[run].at = then;
                });
            } else {
                self.go("stops at the one that cannot be renamed", At::Holding);
            }
            return;
        }
        let name = Name::Superseded { by: self.named(), ends: it.ends };
        let cap = self.scenario.life;
        let sends_expiry = self.scenario.is_without(Without::RenameAlone);
        self.to("supersedes one", |world| {
            world.tokens[number].name = name;
            world.runs[run].at = then;
            if sends_expiry {
                let token = &mut world.tokens[number];
                token.ends = token.ends.min(token.born + cap);
            }
        });
        self.fault("cannot supersede one", |world| world.runs[run].at = At::Over);
        self.fault("supersedes one, and that is late", |world| {
            world.runs[run].renames.push((number, name));
            world.runs[run].at = At::Over;
        });
        self.fault("supersedes one, and a copy is late", |world| {
            world.rename(number, name);
            world.runs[run].renames.push((number, name));
            world.runs[run].at = then;
        });
    }

    /// Five minutes after it began to settle, a run supersedes and commits no more.
    fn is_slow(&self) -> bool {
        let began = self.world.runs[self.run].ends - self.scenario.overlap_of(self.run);
        began < self.world.now && !self.scenario.is_without(Without::SettleWithin)
    }

    fn look(&mut self) {
        let committing = At::Committing { is_stale: false };
        let run = self.run;
        if self.scenario.is_without(Without::Look) {
            return self.go("does not look", committing);
        }
        match self.scenario.before_commit(self.world, run) {
            BeforeCommit::Clear if self.is_slow() => self.go("looks, and is too late to commit", At::Over),
            BeforeCommit::Clear => self.go("looks: nobody has taken over", committing),
            BeforeCommit::Done => self.go("looks: it is committed already", At::Verifying),
            BeforeCommit::TakenOver { .. } => self.go("looks: somebody has taken over", At::Over),
        }
        self.fault("cannot look", |world| world.runs[run].at = At::Over);
    }

    fn retire(&mut self, index: usize) {
        let (run, now) = (self.run, self.world.now);
        let it = &self.world.runs[run];
        let Some(&number) = it.predecessors.get(index) else {
            return self.go("has retired all", self.after_retiring());
        };
        let then = At::Retiring(index + 1);
        let ends = match self.world.tokens[number].name {
            _ if !self.world.tokens[number].is_active(now) => Some(None),
            _ if self.was_superseded(number) => match self.world.runs[run].listed.iter().find(|(n, _)| *n == number) {
                Some((_, Name::Superseded { ends, .. })) if *ends < now => Some(None),
                _ => None,
            },
            _ if self.scenario.overlap == 0 => Some(None),
            _ if self.scenario.may_shorten(self.world, run, number) => {
                // The server ends it by its own cap where that is earlier.
                Some(Some(it.ends.min(self.world.tokens[number].born + self.scenario.life)))
            }
            _ => None,
        };
        let Some(ends) = ends else { return self.go("leaves one to a later run", then) };
        self.to("retires one", |world| {
            world.retire(number, ends);
            world.runs[run].at = then;
        });
        self.fault("cannot retire one", |world| world.runs[run].at = then);
    }

    /// With the retirement before the job's steps, the variable is set after it.
    fn after_retiring(&self) -> At {
        let is_early = self.scenario.is_without(Without::AfterJobForVariables);
        if is_early && self.scenario.has_store { At::SettingVariable } else { At::Over }
    }
}

impl World {
    /// A write of a run's own to a place arrives.
    pub(super) fn publish(&mut self, run: usize, place: usize) {
        let own = self.runs[run].own();
        self.places[place] = own;
        self.tokens[own].is_delivered = true;
    }

    fn begin_to_settle(&mut self, scenario: &Scenario, run: usize) {
        let (now, own) = (self.now, self.runs[run].own());
        if scenario.settles_at_once() {
            self.tokens[own].is_proven = true;
        }
        if scenario.is_without(Without::PredecessorsOfPlan) {
            self.runs[run].listed = self.list();
            self.runs[run].predecessors = self.list().into_iter().map(|(n, _)| n).filter(|&n| n != own).collect();
        }
        self.runs[run].ends = now + scenario.overlap_of(run);
        self.runs[run].at = At::Settling;
    }
}
