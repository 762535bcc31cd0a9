//! The state of the world: what the service lists, who holds what, and where each run stands between two requests.

/// A token by its place in the order of creation.
pub(super) type Number = usize;

/// A token as the service keeps it, and what only the model knows of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Token {
    pub(super) name: Name,
    pub(super) born: i16,
    pub(super) ends: i16,
    /// When it would have ended if nobody had shortened it.
    pub(super) natural: i16,
    pub(super) is_revoked: bool,
    /// Whether lists show it yet.
    pub(super) shows: bool,
    /// Whether the service refuses to rename it.
    pub(super) is_stubborn: bool,
    /// Whether it was made after its run had superseded others, by more than the minute of a marker's rounding: by a
    /// creation that arrived late, or by a retry.
    pub(super) is_late: bool,
    /// Whether somebody may hold it.
    pub(super) is_delivered: bool,
    /// Whether a whole job has succeeded with it.
    pub(super) is_proven: bool,
}

/// What its display name says. Runs are meant by their place among the scenario's ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Name {
    Committed,
    Pending(usize),
    Held(usize),
    Superseded { by: usize, ends: i16 },
    Another,
}

/// One run of the task: its two stages and the job between them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Run {
    pub(super) at: At,
    /// The plan's list.
    pub(super) listed: Vec<(Number, Name)>,
    /// What the places said when it was made.
    pub(super) records: Vec<Number>,
    pub(super) predecessors: Vec<Number>,
    /// Those of them that were marked already when the settling began.
    pub(super) marked: Vec<Number>,
    pub(super) own: Option<Number>,
    /// The run that made its own, where that is another one: this is a settle step.
    pub(super) made_by: Option<usize>,
    /// Whether its job has succeeded, and a settle step is to come.
    pub(super) awaits: bool,
    pub(super) tries: u8,
    /// When the overlap ends.
    pub(super) ends: i16,
    /// Places with a write that got no answer and may still arrive.
    pub(super) flying: Vec<usize>,
    /// A creation that got no answer may still arrive.
    pub(super) is_creation_flying: bool,
    /// Renames that got no answer and may still be carried out.
    pub(super) renames: Vec<(Number, Name)>,
}

/// What a run does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum At {
    Waiting,
    Deciding,
    Creating,
    Searching,
    Relisting,
    Publishing(usize),
    SettingVariable,
    Job {
        is_stored: bool,
    },
    /// A settle step has listed what there is.
    Choosing,
    /// The list at the beginning of the settling.
    Settling,
    AskingToHold,
    Holding,
    Superseding(usize),
    Looking,
    Committing {
        is_stale: bool,
    },
    /// The commit got no answer.
    Finding,
    Verifying,
    Retiring(usize),
    Undoing,
    /// The rehearsal got no answer.
    Replacing,
    /// Not at work any more, by its own end or by a kill.
    Over,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct World {
    pub(super) now: i16,
    pub(super) tokens: Vec<Token>,
    /// What each destination holds, and records.
    pub(super) places: Vec<Number>,
    /// What the jobs' own steps have stored.
    pub(super) store: Option<Number>,
    /// A job elsewhere that read a value at its start, and when it ends at the latest.
    pub(super) snapshot: Option<(Number, i16)>,
    /// Somebody who was given a token by hand.
    pub(super) by_hand: Option<Number>,
    pub(super) runs: Vec<Run>,
    /// Builds, by their place among the scenario's runs, that the service calls completed.
    pub(super) completed: Vec<bool>,
    pub(super) faults_left: u8,
    pub(super) kills_left: u8,
    /// What a person may still do to the tokens while a job runs.
    pub(super) hands_left: u8,
    /// The first promise broken by what was just done.
    pub(super) broken: Option<&'static str>,
}

impl Run {
    pub(super) fn new() -> Self {
        Self {
            at: At::Waiting,
            listed: Vec::new(),
            records: Vec::new(),
            predecessors: Vec::new(),
            marked: Vec::new(),
            own: None,
            made_by: None,
            awaits: false,
            tries: 2,
            ends: 0,
            flying: Vec::new(),
            is_creation_flying: false,
            renames: Vec::new(),
        }
    }

    /// Forgets what no later step looks at, so that equal futures are one state.
    pub(super) fn end(&mut self) {
        let (flying, is_creation_flying) = (std::mem::take(&mut self.flying), self.is_creation_flying);
        let renames = std::mem::take(&mut self.renames);
        let awaits = self.awaits;
        let own = self.own.filter(|_| awaits || !flying.is_empty());
        *self = Self { at: At::Over, own, awaits, flying, is_creation_flying, renames, ..Self::new() };
    }

    /// What it has sent has arrived, or never will.
    pub(super) fn land(&mut self) {
        self.flying.clear();
        self.renames.clear();
        self.is_creation_flying = false;
    }

    pub(super) fn is_at_work(&self) -> bool {
        !matches!(self.at, At::Waiting | At::Over)
    }

    pub(super) fn own(&self) -> Number {
        self.own.expect("a run has made its own by now")
    }
}

impl Token {
    pub(super) fn is_active(&self, now: i16) -> bool {
        !self.is_revoked && now < self.ends
    }

    /// Whether it would still work if it had been left alone.
    pub(super) fn was_ended(&self, now: i16) -> bool {
        !self.is_active(now) && now < self.natural
    }
}

impl World {
    /// Everything active that lists show.
    pub(super) fn list(&self) -> Vec<(Number, Name)> {
        let shown = |(_, token): &(Number, &Token)| token.shows && token.is_active(self.now);
        self.tokens.iter().enumerate().filter(shown).map(|(number, token)| (number, token.name)).collect()
    }

    pub(super) fn create(&mut self, run: usize, life: i16, shows: bool) -> Number {
        let is_by_run = |token: &Token| matches!(token.name, Name::Superseded { by, .. } if by == run);
        let token = Token {
            name: Name::Pending(run),
            born: self.now,
            ends: self.now + life,
            natural: self.now + life,
            is_revoked: false,
            shows,
            is_stubborn: false,
            is_late: self.tokens.iter().any(is_by_run),
            is_delivered: false,
            is_proven: false,
        };
        self.tokens.push(token);
        self.tokens.len() - 1
    }

    /// Ends a token now or at a time; nobody may lose by it.
    pub(super) fn retire(&mut self, number: Number, ends: Option<i16>) {
        let now = self.now;
        let has_successor = (0..self.tokens.len())
            .any(|other| other != number && self.tokens[other].is_proven && self.tokens[other].is_active(now));
        let token = &mut self.tokens[number];
        if token.is_active(now) && token.is_delivered && !has_successor {
            self.broken = Some("I2: retired although no successor is proven by a whole job");
        }
        match ends {
            None => token.is_revoked = true,
            Some(ends) if ends > token.ends => self.broken = Some("C1: a life that somebody shortened is lengthened"),
            Some(ends) => token.ends = ends,
        }
    }
}
