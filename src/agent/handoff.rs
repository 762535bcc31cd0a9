//! What the main stage leaves for the settle stage, through the agent's task variables: the plan's ids, the new token
//! and the user's. Versioned, as a job may be settled by a newer program than the one that began it.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::agent::environment::{Environment, format_name};
use crate::agent::logging_commands::Console;
use crate::model::marker::{Generation, PatName};
use crate::model::pat::{AuthorizationId, Pat, Reach};
use crate::model::run_id::RunId;
use crate::model::scopes::Scopes;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;
use crate::model::user::Identity;
use crate::plan::NamedPat;

const STATE: &str = "rotatePatState";
const NEW_PAT: &str = "rotatePatNew";
const USER_TOKEN: &str = "rotatePatUserToken";
/// How the names of task variables begin in the environment.
const TASK_VARIABLE: &str = "VSTS_TASKVARIABLE_";
const VERSION: u32 = 1;
/// Linux takes 128 KiB in one variable, Windows 32 Ki characters.
const LONGEST: usize = if cfg!(windows) { 30_000 } else { 100_000 };

/// A rotation between its two stages.
#[derive(Debug)]
pub struct State {
    pub name: PatName,
    pub run: RunId,
    /// The new token, pending.
    pub own: Pat,
    /// Everything to retire. Of those superseded before, only id and name are handed over: no more is needed.
    pub predecessors: Vec<NamedPat>,
    /// Every token with the name at the time of the plan. Only id and name are handed over.
    pub listed: Vec<NamedPat>,
    /// The user that the new token authenticates.
    pub owner: Option<Identity>,
    /// How long the old tokens keep working.
    pub overlap: Duration,
    /// When the user's token expires.
    pub token_expires: Option<Timestamp>,
    /// By how many seconds the server is ahead of the agent.
    pub skew: i64,
}

/// The state with its two secrets.
#[derive(Debug)]
pub struct Handoff {
    pub state: State,
    pub new_pat: Secret,
    pub user_token: Secret,
}

/// Why a handoff is rejected.
#[derive(Debug)]
pub enum Unusable {
    /// It is incomplete, or from another version.
    Unreadable,
    /// A public variable of the job may have replaced it.
    Forged(String),
}

impl State {
    /// The lifetime that the service granted the new token: the policy allows at least this.
    pub fn granted(&self) -> Duration {
        self.own.valid_to.since(self.own.valid_from)
    }

    /// The state as one word. Encoded, so that no name in it is taken for a macro on the way.
    ///
    /// # Errors
    /// When it is longer than the agent can hand on: a variable of the environment has a limit, and beyond it the settle
    /// stage could not even be started.
    pub fn encode(&self) -> anyhow::Result<String> {
        let in_full = self.predecessors.iter().filter(|m| !matches!(m.generation, Generation::Superseded { .. }));
        let wire = Wire {
            version: VERSION,
            name: self.name.as_str().to_owned(),
            run: self.run.to_string(),
            own: WirePat::from(&self.own),
            predecessors: self.predecessors.iter().map(|m| m.pat.id.to_string()).collect(),
            in_full: in_full.map(|m| WirePat::from(&m.pat)).collect(),
            listed: self.listed.iter().map(|m| (m.pat.id.to_string(), m.pat.display_name.clone())).collect(),
            owner: self.owner.as_ref().map(|owner| (owner.id.clone(), owner.account.clone())),
            overlap: self.overlap.as_secs(),
            token_expires: self.token_expires.map(Timestamp::as_unix),
            skew: self.skew,
        };
        let encoded = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire)?);
        if encoded.len() > LONGEST {
            let count = self.listed.len();
            anyhow::bail!("{count} tokens have the name {}, more than can be handed to the post-job step", self.name);
        }
        Ok(encoded)
    }

    /// Hands over the encoded state. Both secrets must have been masked.
    pub fn leave(console: &Console, encoded: &str, new_pat: &Secret, user_token: &Secret) -> io::Result<()> {
        console.set_task_variable(NEW_PAT, new_pat.reveal(), true)?;
        console.set_task_variable(USER_TOKEN, user_token.reveal(), true)?;
        // Last, so that an incomplete handoff is not read.
        console.set_task_variable(STATE, encoded, false)
    }
}

/// Restores what the main stage left; `None` if it left nothing.
pub fn take(environment: &Environment) -> Result<Option<Handoff>, Unusable> {
    // The agent writes task variables last, so a variable of that name shows where the main stage left nothing.
    let public = environment.public_variables().unwrap_or_default();
    if let Some(variable) = public.into_iter().find(|variable| is_of_the_handoff(&format_name(variable))) {
        return Err(Unusable::Forged(variable));
    }
    let variable = |name: &str| environment.get(&in_the_environment(name));
    let Some(state) = variable(STATE) else { return Ok(None) };
    let secret = |name: &str| variable(name).map(|value| Secret::new(value.to_owned())).ok_or(Unusable::Unreadable);
    Ok(Some(Handoff {
        state: read(state).ok_or(Unusable::Unreadable)?,
        new_pat: secret(NEW_PAT)?,
        user_token: secret(USER_TOKEN)?,
    }))
}

/// Whether a variable of this name in the environment is one of the hand-over's.
pub fn is_of_the_handoff(name: &str) -> bool {
    let task_variable = name.strip_prefix(TASK_VARIABLE);
    task_variable.is_some_and(|name| [STATE, NEW_PAT, USER_TOKEN].into_iter().any(|own| format_name(own) == name))
}

fn in_the_environment(name: &str) -> String {
    format!("{TASK_VARIABLE}{}", format_name(name))
}

fn read(encoded: &str) -> Option<State> {
    let wire: Wire = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
    if wire.version != VERSION {
        return None;
    }
    let name = PatName::parse(&wire.name).ok()?;
    let own = wire.own.read()?;
    let in_full: Option<Vec<Pat>> = wire.in_full.into_iter().map(WirePat::read).collect();
    let in_full = in_full?;
    // What was not handed over is not looked at; the new one's stands in for it.
    let stand_in = |id: AuthorizationId, display_name: String| Pat { id, display_name, ..own.clone() };
    let whole = |id: AuthorizationId, display_name: String| {
        let known = in_full.iter().find(|pat| pat.id == id).cloned();
        known.unwrap_or_else(|| stand_in(id, display_name))
    };
    let listed: Option<Vec<NamedPat>> = wire
        .listed
        .into_iter()
        .map(|(id, display_name)| whole(AuthorizationId::parse(&id)?, display_name).into_member(&name))
        .collect();
    let listed = listed?;
    let predecessor = |id: &String| listed.iter().find(|m| m.pat.id.as_str() == id).cloned();
    let predecessors: Option<Vec<NamedPat>> = wire.predecessors.iter().map(predecessor).collect();
    Some(State {
        run: RunId::parse(&wire.run)?,
        own,
        predecessors: predecessors?,
        listed,
        owner: wire.owner.map(|(id, account)| Identity { id, account }),
        overlap: Duration::from_secs(wire.overlap),
        token_expires: wire.token_expires.and_then(Timestamp::from_unix),
        skew: wire.skew,
        name,
    })
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    name: String,
    run: String,
    own: WirePat,
    predecessors: Vec<String>,
    in_full: Vec<WirePat>,
    listed: Vec<(String, String)>,
    owner: Option<(String, String)>,
    overlap: u64,
    token_expires: Option<i64>,
    skew: i64,
}

#[derive(Serialize, Deserialize)]
struct WirePat {
    id: String,
    name: String,
    scope: String,
    from: String,
    to: String,
}

impl From<&Pat> for WirePat {
    fn from(pat: &Pat) -> Self {
        Self {
            id: pat.id.to_string(),
            name: pat.display_name.clone(),
            scope: pat.scopes.as_str().to_owned(),
            from: pat.valid_from.to_wire(),
            to: pat.valid_to.to_wire(),
        }
    }
}

impl WirePat {
    fn read(self) -> Option<Pat> {
        Some(Pat {
            id: AuthorizationId::parse(&self.id)?,
            display_name: self.name,
            scopes: Scopes::as_listed(self.scope),
            valid_from: Timestamp::parse(&self.from)?,
            valid_to: Timestamp::parse(&self.to)?,
            // Not handed over: the fresh list says it of the new one.
            reach: Reach::All,
            unreadable: None,
        })
    }
}

impl Pat {
    fn into_member(self, name: &PatName) -> Option<NamedPat> {
        let generation = name.generation(&self.display_name)?;
        Some(NamedPat { pat: self, generation })
    }
}
