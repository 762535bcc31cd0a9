//! What the main stage leaves for the settle stage, through the agent's task variables: the plan's ids, the new token
//! and the user's. Versioned, as a job may be settled by a newer program than the one that began it.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::azure::connection_data::Identity;
use crate::commands::Console;
use crate::pat::{AuthorizationId, Pat, PatName, RunId, Scopes};
use crate::plan::Member;
use crate::secret::Secret;
use crate::settings::environment::{Environment, format_name};
use crate::timestamp::Timestamp;

const STATE: &str = "rotatePatState";
const NEW_PAT: &str = "rotatePatNew";
const USER_TOKEN: &str = "rotatePatUserToken";
const VERSION: u32 = 1;

/// A rotation between its two stages.
#[derive(Debug)]
pub struct State {
    /// The personal access token's name.
    pub name: PatName,
    /// The run that made the new one.
    pub run: RunId,
    /// The new one, pending.
    pub own: Pat,
    /// Everything to retire.
    pub predecessors: Vec<Member>,
    /// Everything that bore the name when the plan was made.
    pub listed: Vec<Member>,
    /// Who the new one speaks for.
    pub owner: Option<Identity>,
    /// How long the predecessors live on.
    pub overlap: Duration,
    /// The user's token ends then.
    pub token_expires: Option<Timestamp>,
    /// By how many seconds the server is ahead of the agent.
    pub skew: i64,
}

/// The state with its two secrets.
#[derive(Debug)]
pub struct HandOver {
    /// The plan's ids.
    pub state: State,
    /// The new value.
    pub new_pat: Secret,
    /// The user's token.
    pub user_token: Secret,
}

/// Why a hand-over cannot be used.
#[derive(Debug)]
pub struct Unusable;

impl State {
    /// How long the service let the new one live: the cap on lifetimes is at least this.
    pub fn granted(&self) -> Duration {
        self.own.valid_to.since(self.own.valid_from)
    }

    /// Hands over. Both secrets must have been masked.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn leave(&self, console: &Console, new_pat: &Secret, user_token: &Secret) -> io::Result<()> {
        let wire = Wire {
            version: VERSION,
            name: self.name.as_str().to_owned(),
            run: self.run.to_string(),
            own: WirePat::from(&self.own),
            predecessors: self.predecessors.iter().map(|m| m.pat.id.to_string()).collect(),
            listed: self.listed.iter().map(|m| WirePat::from(&m.pat)).collect(),
            owner: self.owner.as_ref().map(|owner| (owner.id.clone(), owner.account.clone())),
            overlap: self.overlap.as_secs(),
            token_expires: self.token_expires.map(Timestamp::as_unix),
            skew: self.skew,
        };
        let json = serde_json::to_vec(&wire).map_err(io::Error::other)?;
        console.set_task_variable(NEW_PAT, new_pat.reveal(), true)?;
        console.set_task_variable(USER_TOKEN, user_token.reveal(), true)?;
        // Last, so that half a hand-over is none. Encoded, so that no name in it is taken for a macro on the way.
        console.set_task_variable(STATE, &URL_SAFE_NO_PAD.encode(json), false)
    }
}

/// Takes over what the main stage left; `None` when it left nothing.
///
/// # Errors
/// When what is there is not whole.
pub fn take(environment: &Environment) -> Result<Option<HandOver>, Unusable> {
    let variable = |name: &str| environment.get(&format!("VSTS_TASKVARIABLE_{}", format_name(name)));
    let Some(state) = variable(STATE) else { return Ok(None) };
    let secret = |name: &str| variable(name).map(|value| Secret::new(value.to_owned())).ok_or(Unusable);
    Ok(Some(HandOver {
        state: read(state).ok_or(Unusable)?,
        new_pat: secret(NEW_PAT)?,
        user_token: secret(USER_TOKEN)?,
    }))
}

fn read(encoded: &str) -> Option<State> {
    let wire: Wire = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
    if wire.version != VERSION {
        return None;
    }
    let name = PatName::parse(&wire.name).ok()?;
    let listed: Option<Vec<Member>> = wire.listed.into_iter().map(|pat| pat.read()?.into_member(&name)).collect();
    let listed = listed?;
    let predecessor = |id: &String| listed.iter().find(|m| m.pat.id.as_str() == id).cloned();
    let predecessors: Option<Vec<Member>> = wire.predecessors.iter().map(predecessor).collect();
    Some(State {
        run: RunId::parse(&wire.run)?,
        own: wire.own.read()?,
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
    listed: Vec<WirePat>,
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
            all_organizations: false,
        })
    }
}

impl Pat {
    fn into_member(self, name: &PatName) -> Option<Member> {
        let generation = name.generation(&self.display_name)?;
        Some(Member { pat: self, generation })
    }
}
