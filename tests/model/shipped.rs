//! The shipped decisions, asked about a state of the model. A rule that is left out is left out here, around them.

use std::collections::BTreeMap;
use std::time::Duration;

use rotate_pat::model::marker::{Generation, PatName};
use rotate_pat::model::pat::{AuthorizationId, OrganizationId, Pat, Reach};
use rotate_pat::model::run_id::Liveness;
use rotate_pat::model::run_id::RunId;
use rotate_pat::model::scopes::Scopes;
use rotate_pat::model::timestamp::Timestamp;
use rotate_pat::plan::conflicts::{AfterCreate, BeforeCommit, after_create, before_commit, before_superseding};
use rotate_pat::plan::{
    Decision, Known, NamedPat, Record, RecordedPat, RotateWhen, RotationRequest, SettleDecision, SettleKnown,
    SettleRequest, family, plan, plan_settling, shortened,
};

use super::rules::Without;
use super::scenario::{HEALER, Scenario, TICK};
use super::world::{Name, Number, World};

const HOURS: Duration = Duration::from_secs(3 * 60 * 60);
const MINUTES: Duration = Duration::from_secs(40 * 60);

/// What a run is to do.
pub(super) enum Task {
    Rotate(Vec<Number>),
    UpToDate(Vec<Number>),
    Refuse,
}

fn name() -> PatName {
    PatName::parse("nuget-publish").unwrap()
}

fn time(at: i16) -> Timestamp {
    let start = Timestamp::parse("2026-11-24T03:00:00Z").unwrap();
    let (ticks, minutes) = (at.div_euclid(TICK), at.rem_euclid(TICK));
    let distance = HOURS * u32::from(ticks.unsigned_abs());
    let hour = if ticks < 0 { start.minus(distance) } else { start.plus(distance) };
    hour.plus(MINUTES * u32::from(minutes.unsigned_abs()))
}

/// A marker's end: rounded up to the minute after everything that a tick begins with.
fn marked(ends: i16) -> Timestamp {
    time(ends).plus(Duration::from_secs(60))
}

fn id(number: Number) -> AuthorizationId {
    AuthorizationId::parse(&format!("{number:08}-0000-0000-0000-000000000000")).unwrap()
}

fn number(id: &AuthorizationId) -> Number {
    id.as_str()[..8].parse().unwrap()
}

fn organization() -> OrganizationId {
    OrganizationId::parse("contoso").unwrap()
}

fn numbers(members: &[NamedPat]) -> Vec<Number> {
    members.iter().map(|member| number(&member.pat.id)).collect()
}

impl Scenario {
    /// The id of a run; beyond the last is the healing run.
    pub(super) fn id(&self, run: usize) -> RunId {
        let mut id = RunId::parse(self.runs.get(run).copied().unwrap_or(HEALER)).unwrap();
        if self.is_without(Without::HashInK) {
            "00000000".clone_into(&mut id.hash);
        }
        id
    }

    /// The first run that bears the same id: what a display name tells.
    pub(super) fn known_as(&self, run: usize) -> usize {
        (0..run).find(|&earlier| self.id(earlier) == self.id(run)).unwrap_or(run)
    }

    pub(super) fn overlap_of(&self, run: usize) -> i16 {
        self.healing_overlap.filter(|_| run >= self.runs.len()).unwrap_or(self.overlap)
    }

    fn generation(&self, name: Name) -> Option<Generation> {
        match name {
            Name::Committed => Some(Generation::Committed),
            Name::Pending(run) => Some(Generation::Pending(self.id(run))),
            Name::Held(run) => Some(Generation::Held(self.id(run))),
            Name::Superseded { by, ends } => Some(Generation::Superseded { by: self.id(by), ends: marked(ends) }),
            Name::Another => None,
        }
    }

    fn pat(&self, world: &World, number: Number, named: Name) -> Pat {
        let token = &world.tokens[number];
        let seconds = Duration::from_secs(number as u64 + if token.is_late { 600 } else { 0 });
        Pat {
            id: id(number),
            display_name: self.generation(named).map_or("another".to_owned(), |generation| name().of(&generation)),
            scopes: Scopes::as_listed("vso.packaging_write".to_owned()),
            valid_from: time(token.born).plus(seconds),
            valid_to: time(token.ends),
            reach: Reach::Organizations(vec![organization()]),
            unreadable: None,
        }
    }

    fn pats(&self, world: &World, listed: &[(Number, Name)]) -> Vec<Pat> {
        listed.iter().map(|&(number, name)| self.pat(world, number, name)).collect()
    }

    fn wish(&self, run: usize) -> RotationRequest {
        RotationRequest {
            name: name(),
            run: self.id(run),
            rotate_when: if run >= self.always_due { RotateWhen::DaysLeft(0) } else { RotateWhen::Always },
            replace: self.choices.filter(|&first| run < first).map(|_| id_of_choice()),
            scopes: Some(Scopes::as_listed("vso.packaging_write".to_owned())),
            valid_for_days: 30,
            create_if_missing: true,
            overlap: HOURS * u32::from((self.overlap_of(run) / TICK).unsigned_abs()),
            places: Vec::new(),
            retire_when: String::new(),
        }
    }

    /// Of each build whether it is still at work; a release cannot be asked for.
    fn liveness(&self, world: &World) -> BTreeMap<String, Liveness> {
        if self.is_without(Without::AskingForBuilds) {
            return BTreeMap::new();
        }
        let builds = (0..self.runs.len()).filter(|&run| self.id(run).build().is_some());
        let is = |run: usize| match world.completed[run] {
            _ if self.is_without(Without::AliveRivals) => Liveness::Dead,
            true => Liveness::Dead,
            false => Liveness::Alive,
        };
        builds.map(|run| (self.id(run).run, is(run))).collect()
    }

    /// The shipped plan.
    pub(super) fn decide(&self, world: &World, run: usize) -> Task {
        let mut listed = self.pats(world, &world.runs[run].listed);
        if self.is_without(Without::AliveRivals) {
            for pat in &mut listed {
                pat.valid_from = time(-30 * TICK);
            }
        }
        let holds = |&held: &Number| Record { destination: "a place".to_owned(), holds: RecordedPat::Pat(id(held)) };
        let records: Vec<Record> = world.runs[run].records.iter().map(holds).collect();
        let records = if self.is_without(Without::RecordsAreDue) { Vec::new() } else { records };
        let mut request = self.wish(run);
        if self.is_without(Without::EarlierAttempts) {
            for pat in &mut listed {
                pat.valid_from = pat.valid_from.minus(HOURS);
            }
            request.overlap += HOURS;
        }
        let liveness = self.liveness(world);
        let (now, organization) = (time(world.now), organization());
        let known =
            Known { now, listed: &listed, organization: Some(&organization), liveness: &liveness, records: &records };
        let task = match plan(&request, &known).decision {
            Decision::Rotate(rotation) => {
                let is_ignored = |reason: &String| match self.without {
                    Some(Without::OneCommittedIsDue) => reason.contains("committed"),
                    Some(Without::LeftoversAreDue) => reason.contains("left \"nuget-publish ["),
                    _ => false,
                };
                if rotation.reasons.iter().all(is_ignored) {
                    Task::Refuse
                } else {
                    Task::Rotate(numbers(&rotation.predecessors))
                }
            }
            Decision::UpToDate(rest) => Task::UpToDate(numbers(&rest.clean)),
            Decision::Refuse(_) => Task::Refuse,
        };
        self.bent(&family(&name(), &listed), task)
    }

    /// The shipped plan of a settle step: its own, the run that made it, and what it replaces.
    pub(super) fn choose(&self, world: &World, run: usize) -> Option<(Number, usize, Vec<Number>)> {
        let listed = self.pats(world, &world.runs[run].listed);
        let holds = |&held: &Number| Record { destination: "a place".to_owned(), holds: RecordedPat::Pat(id(held)) };
        let records: Vec<Record> = world.runs[run].records.iter().map(holds).collect();
        let (name, id, replace, organization) = (name(), self.id(run), id_of_choice(), organization());
        let mut overlap = HOURS * u32::from((self.overlap_of(run) / TICK).unsigned_abs());
        if self.is_without(Without::EarlierTries) {
            overlap += HOURS;
        }
        let replace = self.choices.filter(|&first| run < first).map(|_| &replace);
        let request = SettleRequest { name: &name, run: &id, replace, overlap };
        let known =
            SettleKnown { now: time(world.now), listed: &listed, organization: Some(&organization), records: &records };
        match plan_settling(&request, &known) {
            SettleDecision::Settle(settlement) => {
                let made_by = (0..self.runs.len()).find(|&other| self.id(other) == settlement.run)?;
                Some((number(&settlement.own.pat.id), made_by, numbers(&settlement.predecessors)))
            }
            SettleDecision::Settled { .. } | SettleDecision::Refuse(_) => None,
        }
    }

    /// The run whose name the markers bear.
    fn acting_id(&self, world: &World, run: usize) -> RunId {
        self.id(world.runs[run].made_by.unwrap_or(run))
    }

    /// The task without the rule that is left out of it.
    fn bent(&self, members: &[NamedPat], task: Task) -> Task {
        let kept = |keep: fn(&Generation) -> bool| -> Vec<Number> {
            numbers(members).into_iter().zip(members).filter(|(_, m)| keep(&m.generation)).map(|(n, _)| n).collect()
        };
        let superseded = kept(|it| matches!(it, Generation::Superseded { .. }));
        match (self.without, task) {
            (Some(Without::LeftoversAreReplaced), Task::Rotate(_)) => {
                Task::Rotate(kept(|it| matches!(it, Generation::Committed | Generation::Superseded { .. })))
            }
            (Some(Without::SecondIsLeftAlone), Task::Rotate(_)) => Task::Rotate(numbers(members)),
            (Some(Without::SecondIsLeftAloneAfterwards), Task::Rotate(_))
                if members.iter().filter(|m| m.generation == Generation::Committed).count() == 1 =>
            {
                Task::Rotate(numbers(members))
            }
            (Some(Without::CleanAfterEnd), Task::UpToDate(_)) => Task::UpToDate(superseded),
            (Some(Without::SupersededIsNotDue), Task::UpToDate(_)) if !superseded.is_empty() => {
                Task::Rotate(numbers(members))
            }
            (_, task) => task,
        }
    }

    fn members(&self, world: &World, run: usize) -> Vec<NamedPat> {
        family(&name(), &self.pats(world, &world.runs[run].listed))
    }

    /// The shipped comparison after the creation.
    pub(super) fn after_create(&self, world: &World, run: usize) -> AfterCreate {
        let (own, listed) = (id(world.runs[run].own()), self.pats(world, &world.list()));
        after_create(&name(), &self.id(run), &own, &self.members(world, run), &listed)
    }

    /// The shipped comparison at the beginning of the settling.
    pub(super) fn before_superseding(&self, world: &World, run: usize) -> BeforeCommit {
        let (own, listed) = (id(world.runs[run].own()), self.pats(world, &world.list()));
        before_superseding(&name(), &self.acting_id(world, run), &own, &self.members(world, run), &listed)
    }

    /// The shipped comparison before the commit.
    pub(super) fn before_commit(&self, world: &World, run: usize) -> BeforeCommit {
        let (own, listed) = (id(world.runs[run].own()), self.pats(world, &world.list()));
        before_commit(&name(), &self.acting_id(world, run), &own, &self.members(world, run), &listed)
    }

    /// Whether the shipped rule lets a predecessor's life be shortened.
    pub(super) fn may_shorten(&self, world: &World, run: usize, predecessor: Number) -> bool {
        let own = &world.tokens[world.runs[run].own()];
        let granted = time(own.natural).since(time(own.born));
        let pat = self.pat(world, predecessor, world.tokens[predecessor].name);
        let ends = time(world.runs[run].ends);
        let may = shortened(&pat, granted, ends).is_some();
        may || (self.is_without(Without::SafeShortening) && ends < pat.valid_to)
    }
}

fn id_of_choice() -> AuthorizationId {
    id(0)
}
