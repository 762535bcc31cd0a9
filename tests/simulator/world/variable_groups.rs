//! Variable groups: named values of a project or several, secret ones among them, which only ever go in.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    World,
    projects::{EVERYBODY, LibraryRefusal, Sharing, lets_in},
};

/// A variable of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupVariable {
    /// The value, of a secret one too.
    pub value: String,
    /// Nobody is told the value but a job.
    pub is_secret: bool,
    /// May not be overridden by a run.
    pub is_read_only: bool,
}

/// Where the values of a linked group come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultLink {
    /// The GUID of the service connection that reads the vault.
    pub connection: String,
    /// The vault's name.
    pub vault: String,
}

/// A variable group.
#[derive(Clone, Debug)]
pub struct VariableGroup {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its description, if it has one.
    pub description: Option<String>,
    /// The vault that its values come from, if they do.
    pub link: Option<VaultLink>,
    /// The variables, by name.
    pub variables: BTreeMap<String, GroupVariable>,
    /// The projects that it belongs to; the first is where it was made.
    pub sharing: Vec<Sharing>,
    /// Who may change it: short names of users and apps, `BUILD_SERVICE`, `COLLECTION_BUILD_SERVICE`.
    pub administrators: Vec<String>,
    /// Who may see it; administrators do anyway. `EVERYBODY` unless a test says else.
    pub readers: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who changed it last.
    pub modified_by: String,
    /// When it was changed last.
    pub modified: Timestamp,
}

/// What a client sends for a variable.
#[derive(Clone, Debug, Default)]
pub struct VariableChange {
    /// The value; none keeps that of a secret.
    pub value: Option<String>,
    /// Whether it is secret from now on.
    pub is_secret: bool,
    /// Whether a run may not override it from now on.
    pub is_read_only: bool,
}

/// What a client sends for a group: all of it, since what is left out is gone.
#[derive(Clone, Debug)]
pub struct GroupUpdate {
    /// The name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// Whether it is of the kind that is linked to a vault.
    pub is_linked: bool,
    /// The variables.
    pub variables: BTreeMap<String, VariableChange>,
    /// The projects.
    pub sharing: Vec<Sharing>,
}

/// What one update did, as far as it did anything.
#[derive(Clone, Debug)]
pub struct GroupWrite {
    /// Which group.
    pub group: u32,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Names of variables that were not there.
    pub added: Vec<String>,
    /// Names of variables that have another value or flag now.
    pub changed: Vec<String>,
    /// Names of variables that are gone.
    pub removed: Vec<String>,
    /// Names of projects that it is no longer shared with.
    pub unshared: Vec<String>,
    /// Whether the name, the description or what it is called in a project changed.
    pub relabelled: bool,
}

impl VariableGroup {
    /// The variable of that name, in any case of letters.
    pub fn variable(&self, name: &str) -> Option<&GroupVariable> {
        self.variables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, variable)| variable)
    }

    /// What it is called in a project, if it belongs to it.
    pub fn name_in(&self, project: &str) -> Option<&str> {
        self.sharing.iter().find(|one| one.project == project).map(|one| one.name.as_str())
    }

    /// Whether this identity may see it.
    pub fn is_seen_by(&self, who: &str) -> bool {
        lets_in(&[&self.readers, &self.administrators], who)
    }

    /// Whether this identity may change it.
    pub fn is_changed_by(&self, who: &str) -> bool {
        lets_in(&[&self.administrators], who)
    }
}

/// What the service does.
impl World {
    /// The groups of a project that this identity may see and whose name fits, oldest first. A `*` at the end of a name
    /// fits everything, as in the published example; no name at all fits every group.
    pub fn groups_named(&self, who: &str, project: &str, name: Option<&str>) -> Vec<&VariableGroup> {
        let fits = |known: &str| match name.map(|name| (name, name.strip_suffix('*'))) {
            None => true,
            Some((_, Some(start))) => known.to_lowercase().starts_with(&start.to_lowercase()),
            Some((name, None)) => known.eq_ignore_ascii_case(name),
        };
        self.groups.iter().filter(|group| group.is_seen_by(who) && group.name_in(project).is_some_and(fits)).collect()
    }

    /// The group of that number, if it belongs to the project and this identity may see it.
    pub fn group_in(&self, who: &str, project: &str, id: u32) -> Option<&VariableGroup> {
        self.groups.iter().find(|group| group.id == id && group.is_seen_by(who) && group.name_in(project).is_some())
    }

    /// Puts what was sent in the place of the group. The last one wins.
    pub fn update_group(&mut self, who: &str, id: u32, update: GroupUpdate) -> Result<(), LibraryRefusal> {
        let old = self.groups.iter().find(|group| group.id == id && group.is_seen_by(who));
        let old = old.ok_or(LibraryRefusal::Unknown)?.clone();
        if !old.is_changed_by(who) {
            return Err(LibraryRefusal::NotAdministrator);
        }
        self.check_sharing(who, &old.sharing, &update.sharing)?;
        if update.is_linked != old.link.is_some() {
            return Err(LibraryRefusal::OtherKind);
        }
        if update.is_linked && update.variables.values().any(|variable| variable.value.is_some()) {
            return Err(LibraryRefusal::ValuesAreTheVaults);
        }
        let is_taken = |one: &Sharing| {
            let others = self.groups.iter().filter(|group| group.id != id);
            others.filter_map(|group| group.name_in(&one.project)).any(|name| name.eq_ignore_ascii_case(&one.name))
        };
        if update.sharing.iter().any(is_taken) {
            return Err(LibraryRefusal::NameTaken);
        }
        let mut variables: BTreeMap<String, GroupVariable> = BTreeMap::new();
        for (name, change) in update.variables {
            if variables.keys().any(|known| known.eq_ignore_ascii_case(&name)) {
                return Err(LibraryRefusal::NamedTwice(name));
            }
            // Only what was a secret and stays one survives a null: the flag left out costs the value.
            let kept = old.variable(&name).filter(|known| known.is_secret && change.is_secret);
            let value = change.value.or_else(|| kept.map(|known| known.value.clone())).unwrap_or_default();
            let VariableChange { is_secret, is_read_only, .. } = change;
            variables.insert(name, GroupVariable { value, is_secret, is_read_only });
        }
        let new = VariableGroup {
            name: update.name,
            description: update.description,
            variables,
            sharing: Self::as_kept(&old.sharing, update.sharing),
            modified_by: who.to_owned(),
            modified: self.now(),
            ..old.clone()
        };
        let write = self.write_of(&old, &new);
        self.group_writes.push(write);
        for (name, variable) in new.variables.iter().filter(|(_, variable)| variable.is_secret) {
            self.remember_brought(format!("variable {name} of group {id}"), &variable.value);
        }
        *self.variable_group_mut(id) = new;
        Ok(())
    }

    fn write_of(&self, old: &VariableGroup, new: &VariableGroup) -> GroupWrite {
        let names = |of: &VariableGroup, keep: &dyn Fn(&str, &GroupVariable) -> bool| -> Vec<String> {
            of.variables.iter().filter(|(name, variable)| keep(name, variable)).map(|(name, _)| name.clone()).collect()
        };
        let before = (&old.name, &old.description, &old.sharing);
        GroupWrite {
            group: old.id,
            by: new.modified_by.clone(),
            at: new.modified,
            added: names(new, &|name, _| old.variable(name).is_none()),
            changed: names(new, &|name, now| old.variable(name).is_some_and(|before| before != now)),
            removed: names(old, &|name, _| new.variable(name).is_none()),
            unshared: self.unshared(&old.sharing, &new.sharing),
            relabelled: before != (&new.name, &new.description, &new.sharing),
        }
    }
}

/// What people do by hand, and what tests look at.
impl World {
    /// Arranges a variable group of `Widgets`, which everybody may see and `pat-publisher` may change.
    pub fn add_variable_group(&mut self, name: &str) -> VariableGroupBuilder<'_> {
        VariableGroupBuilder {
            name: name.to_owned(),
            description: "Made by hand".to_owned(),
            is_linked: false,
            projects: vec!["Widgets".to_owned()],
            variables: BTreeMap::new(),
            administrators: Vec::new(),
            world: self,
        }
    }

    /// The group of that number.
    pub fn variable_group(&self, id: u32) -> &VariableGroup {
        let found = self.groups.iter().find(|group| group.id == id);
        found.unwrap_or_else(|| panic!("no variable group {id} in this world"))
    }

    /// The same, to change it.
    pub fn variable_group_mut(&mut self, id: u32) -> &mut VariableGroup {
        let found = self.groups.iter_mut().find(|group| group.id == id);
        found.unwrap_or_else(|| panic!("no variable group {id} in this world"))
    }

    /// What a job would get for a variable, secret or not; empty when there is none.
    pub fn secret_value(&self, group: u32, name: &str) -> &str {
        self.variable_group(group).variable(name).map_or("", |variable| &variable.value)
    }

    /// Sets a variable by hand, its flags as they are; a new one is plain.
    pub fn set_group_variable(&mut self, group: u32, name: &str, value: &str) {
        let now = self.now();
        let found = self.variable_group_mut(group);
        let known = found.variables.keys().find(|known| known.eq_ignore_ascii_case(name)).cloned();
        let new = GroupVariable { value: String::new(), is_secret: false, is_read_only: false };
        let variable = found.variables.entry(known.unwrap_or_else(|| name.to_owned())).or_insert(new);
        value.clone_into(&mut variable.value);
        let is_secret = variable.is_secret;
        "alice".clone_into(&mut found.modified_by);
        found.modified = now;
        if is_secret {
            self.remember_brought(format!("variable {name} of group {group}"), value);
        }
    }

    /// Deletes a variable by hand.
    pub fn delete_group_variable(&mut self, group: u32, name: &str) {
        self.variable_group_mut(group).variables.retain(|known, _| !known.eq_ignore_ascii_case(name));
    }
}

/// Arranges a variable group; `add` puts it into the world.
pub struct VariableGroupBuilder<'a> {
    world: &'a mut World,
    name: String,
    description: String,
    is_linked: bool,
    projects: Vec<String>,
    variables: BTreeMap<String, GroupVariable>,
    administrators: Vec<String>,
}

impl VariableGroupBuilder<'_> {
    /// Made in another project.
    pub fn project(mut self, name: &str) -> Self {
        name.clone_into(&mut self.projects[0]);
        self
    }

    /// Shared with one more project.
    pub fn shared_with(mut self, project: &str) -> Self {
        self.projects.push(project.to_owned());
        self
    }

    /// Another description; an empty one is none.
    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// A variable that can be read.
    pub fn plain(self, name: &str, value: &str) -> Self {
        self.variable(name, value, false, false)
    }

    /// A secret variable. Its value is looked for in every output, so it must be no common word.
    pub fn secret(self, name: &str, value: &str) -> Self {
        self.variable(name, value, true, false)
    }

    /// A variable that a run may not override.
    pub fn read_only(self, name: &str, value: &str) -> Self {
        self.variable(name, value, false, true)
    }

    /// Its values come from the vault `contoso-kv`.
    pub fn key_vault_linked(mut self) -> Self {
        self.is_linked = true;
        self
    }

    /// One who may change it; the first one named takes the place of `pat-publisher`.
    pub fn administrator(mut self, who: &str) -> Self {
        self.administrators.push(who.to_owned());
        self
    }

    fn variable(mut self, name: &str, value: &str, is_secret: bool, is_read_only: bool) -> Self {
        self.variables.insert(name.to_owned(), GroupVariable { value: value.to_owned(), is_secret, is_read_only });
        self
    }

    /// Puts it into the world and returns its number.
    pub fn add(self) -> u32 {
        let Self { world, name, description, is_linked, projects, mut variables, mut administrators } = self;
        let id = 7 + u32::try_from(world.groups.len()).unwrap_or(u32::MAX);
        if administrators.is_empty() {
            administrators.push("pat-publisher".to_owned());
        }
        for (variable, GroupVariable { value, is_secret, .. }) in &mut variables {
            *is_secret |= is_linked;
            if *is_secret {
                world.remember_brought(format!("variable {variable} of group {id}"), value);
            }
        }
        let link = is_linked.then(|| VaultLink {
            connection: world.service_connection("pat-rotator").id.clone(),
            vault: world.vault.name.clone(),
        });
        let now = world.now();
        let group = VariableGroup {
            id,
            sharing: world.sharing_of(&projects, &name, &description),
            name,
            description: Some(description).filter(|text| !text.is_empty()),
            link,
            variables,
            administrators,
            readers: vec![EVERYBODY.to_owned()],
            created_by: "alice".to_owned(),
            created: now,
            modified_by: "alice".to_owned(),
            modified: now,
        };
        world.groups.push(group);
        id
    }
}
