//! What users do with PATs by hand, and what tests arrange and look at: no policy stands in the way here.

use jiff::SignedDuration;

use super::{
    World,
    pats::{DAY, Pat, PatState, RenameRefusal},
};

/// What users do by hand, and what tests look at.
impl World {
    /// Arranges a PAT of `rotator`: `vso.packaging_write`, created 23 days ago, 7 days left, unless the builder says else.
    pub fn add_pat(&mut self, name: &str) -> PatBuilder<'_> {
        PatBuilder {
            owner: "rotator".to_owned(),
            organization: Some(self.organizations[0].name.clone()),
            name: name.to_owned(),
            scope: "vso.packaging_write".to_owned(),
            age: DAY * 23,
            left: DAY * 7,
            refuse_rename: None,
            written_start: None,
            written_end: None,
            world: self,
        }
    }

    /// The PAT with this authorization id.
    pub fn pat(&self, id: &str) -> &Pat {
        self.find_pat(id).unwrap_or_else(|| panic!("no PAT {id:?} in this world"))
    }

    /// The same, to change it.
    pub fn pat_mut(&mut self, id: &str) -> &mut Pat {
        self.pats.iter_mut().find(|pat| pat.id == id).unwrap_or_else(|| panic!("no PAT {id:?} in this world"))
    }

    /// The PAT with this authorization id, if there is one.
    pub fn find_pat(&self, id: &str) -> Option<&Pat> {
        self.pats.iter().find(|pat| pat.id.eq_ignore_ascii_case(id))
    }

    /// The PAT with this secret, whatever its state.
    pub fn pat_of_secret(&self, secret: &str) -> Option<&Pat> {
        self.pats.iter().find(|pat| pat.secret == secret)
    }

    /// Whether a consumer that holds this secret is let into the first organization.
    pub fn secret_works(&self, secret: &str) -> bool {
        let organization = &self.organizations[0].name;
        self.pat_of_secret(secret).is_some_and(|pat| pat.works_in(organization, self.now()))
    }

    /// The user's active PATs, oldest first.
    pub fn active_pats(&self, owner: &str) -> Vec<&Pat> {
        let now = self.now();
        self.pats.iter().filter(|pat| pat.owner == owner && pat.state(now) == PatState::Active).collect()
    }

    /// All PATs of exactly this name, whatever their state, oldest first.
    pub fn pats_named(&self, name: &str) -> Vec<&Pat> {
        self.pats.iter().filter(|pat| pat.name == name).collect()
    }

    /// Revokes a PAT by hand.
    pub fn revoke(&mut self, id: &str) {
        let now = self.now();
        self.pat_mut(id).revoked = Some(now);
    }

    /// Renames a PAT by hand.
    pub fn rename(&mut self, id: &str, name: &str) {
        name.clone_into(&mut self.pat_mut(id).name);
    }

    /// Makes the service refuse every rename of this PAT.
    pub fn refuse_rename(&mut self, id: &str, how: RenameRefusal) {
        self.pat_mut(id).refuse_rename = Some(how);
    }

    /// Makes the service refuse the next create with this `patTokenError`.
    pub fn refuse_next_create(&mut self, error: &str) {
        self.create_refusals.push_back(error.to_owned());
    }
}

/// Arranges a PAT; `add` puts it into the world.
pub struct PatBuilder<'a> {
    world: &'a mut World,
    owner: String,
    organization: Option<String>,
    name: String,
    scope: String,
    age: SignedDuration,
    left: SignedDuration,
    refuse_rename: Option<RenameRefusal>,
    written_start: Option<String>,
    written_end: Option<String>,
}

impl PatBuilder<'_> {
    /// Another owner.
    pub fn owner(mut self, name: &str) -> Self {
        name.clone_into(&mut self.owner);
        self
    }

    /// Scopes.
    pub fn scope(mut self, scope: &str) -> Self {
        scope.clone_into(&mut self.scope);
        self
    }

    /// Created that many days ago.
    pub fn valid_days_ago(mut self, days: i32) -> Self {
        self.age = DAY * days;
        self
    }

    /// Ends in that many days; below zero it has ended.
    pub fn days_left(mut self, days: i32) -> Self {
        self.left = DAY * days;
        self
    }

    /// Ends in that time.
    pub fn left(mut self, left: SignedDuration) -> Self {
        self.left = left;
        self
    }

    /// Created that long ago.
    pub fn age(mut self, age: SignedDuration) -> Self {
        self.age = age;
        self
    }

    /// For all organizations of its owner.
    pub fn all_orgs(mut self) -> Self {
        self.organization = None;
        self
    }

    /// For another organization.
    pub fn organization(mut self, name: &str) -> Self {
        self.organization = Some(name.to_owned());
        self
    }

    /// The service will not rename it.
    pub fn refuse_rename(mut self, how: RenameRefusal) -> Self {
        self.refuse_rename = Some(how);
        self
    }

    /// The service writes this in the place of its start; an empty text is null.
    pub fn written_start(mut self, text: &str) -> Self {
        self.written_start = Some(text.to_owned());
        self
    }

    /// The service writes this in the place of its end; an empty text is null.
    pub fn written_end(mut self, text: &str) -> Self {
        self.written_end = Some(text.to_owned());
        self
    }

    /// Puts it into the world and returns its authorization id.
    pub fn add(self) -> String {
        let Self { world, owner, organization, name, scope, age, left, refuse_rename, written_start, written_end } =
            self;
        let now = world.now();
        let id = world.issue_pat(&owner, organization, &name, &scope, now - age, now + left);
        let pat = world.pat_mut(&id);
        pat.unready = 0;
        pat.refuse_rename = refuse_rename;
        (pat.written_start, pat.written_end) = (written_start, written_end);
        id
    }
}
