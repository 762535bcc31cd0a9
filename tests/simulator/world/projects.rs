//! Projects, and who may see them: what variable groups and service connections belong to.

use std::sync::atomic::Ordering;

use super::{Holder, World, ids};

/// The identity of job tokens that reach their own project only.
pub const BUILD_SERVICE: &str = "Widgets Build Service";
/// The identity of job tokens that reach every project.
pub const COLLECTION_BUILD_SERVICE: &str = "Project Collection Build Service";
/// In a list of readers: everyone who gets as far as the project.
pub const EVERYBODY: &str = "everybody";

/// A project of the first organization.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its GUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Names of the users and apps for whom it does not exist.
    pub hidden_from: Vec<String>,
}

/// A project that something is shared with, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sharing {
    /// The project's GUID.
    pub project: String,
    /// The name that it has in that project.
    pub name: String,
    /// The description that it has in that project.
    pub description: Option<String>,
}

/// Why a variable group or service connection is not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LibraryRefusal {
    /// There is none with that id, or none that the caller may see.
    Unknown,
    /// The caller is no administrator of it.
    NotAdministrator,
    /// It would belong to no project.
    Orphaned,
    /// It would belong to a project that the caller cannot see.
    UnknownProject(String),
    /// The name is taken in one of its projects.
    NameTaken,
    /// Two of the variables have the same name but for the case of letters.
    NamedTwice(String),
    /// It would become another kind of thing.
    OtherKind,
    /// The values are a vault's, so none may be given.
    ValuesAreTheVaults,
    /// It would get another name in one of its projects, which an update cannot do.
    Renamed,
}

impl World {
    /// Adds another project of the first organization and returns its id.
    pub fn add_project(&mut self, name: &str) -> String {
        let id = ids::guid("project", self.projects.len() as u64 + 1);
        self.projects.push(Project { id: id.clone(), name: name.to_owned(), hidden_from: Vec::new() });
        id
    }

    /// The project of that name or id.
    pub fn project(&self, name: &str) -> &Project {
        self.find_project(name).unwrap_or_else(|| panic!("no project {name:?} in this world"))
    }

    /// The same, to change it.
    pub fn project_mut(&mut self, name: &str) -> &mut Project {
        let found = self.projects.iter_mut().find(|project| project.is(name));
        found.unwrap_or_else(|| panic!("no project {name:?} in this world"))
    }

    /// The project of that name or id, if there is one.
    pub fn find_project(&self, name: &str) -> Option<&Project> {
        self.projects.iter().find(|project| project.is(name))
    }

    /// The project of that name or id, if it exists for this identity.
    pub fn project_seen_by(&self, who: &str, name: &str) -> Option<&Project> {
        self.find_project(name)
            .filter(|project| who != BUILD_SERVICE || project.id == self.job.project_id)
            .filter(|project| !project.hidden_from.iter().any(|hidden| hidden == who))
    }

    /// Whom the job's token speaks for.
    pub fn job_identity(&self) -> &'static str {
        if self.job_reaches_all_projects { COLLECTION_BUILD_SERVICE } else { BUILD_SERVICE }
    }

    /// Whether the holder of an access token is a member of the organization.
    pub fn is_member(&self, holder: &Holder, organization: &str) -> bool {
        match holder {
            Holder::User(name) => {
                self.user(name).member_of.iter().any(|known| known.eq_ignore_ascii_case(organization))
            }
            Holder::App(name) => {
                self.members.contains(name) && self.organizations[0].name.eq_ignore_ascii_case(organization)
            }
        }
    }

    /// Refuses to leave something without a project, or to share it with one that this identity cannot see. What is
    /// shared already stays so, seen or not.
    pub(super) fn check_sharing(&self, who: &str, old: &[Sharing], new: &[Sharing]) -> Result<(), LibraryRefusal> {
        if new.is_empty() {
            return Err(LibraryRefusal::Orphaned);
        }
        let mut added = new.iter().filter(|one| !old.iter().any(|known| known.project == one.project));
        match added.find(|one| self.project_seen_by(who, &one.project).is_none()) {
            Some(unseen) => Err(LibraryRefusal::UnknownProject(unseen.project.clone())),
            None => Ok(()),
        }
    }

    /// A reference for each of these projects, all with this name. The first is where it was made.
    pub(super) fn sharing_of(&self, projects: &[String], name: &str, description: &str) -> Vec<Sharing> {
        let description = Some(description.to_owned()).filter(|text| !text.is_empty());
        let sharing = |project: &String| Sharing {
            project: self.project(project).id.clone(),
            name: name.to_owned(),
            description: description.clone(),
        };
        projects.iter().map(sharing).collect()
    }

    /// The references in another order each time: every order comes up, and the same ones in every run of a test.
    pub fn shuffled<'a>(&self, sharing: &'a [Sharing]) -> Vec<&'a Sharing> {
        let mut turn = self.references_shown.fetch_add(1, Ordering::Relaxed);
        let mut left: Vec<&Sharing> = sharing.iter().collect();
        let mut shown = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let count = left.len() as u64;
            shown.push(left.remove((turn % count) as usize));
            turn /= count;
        }
        shown
    }

    /// References that were sent, in the order in which they are kept: the order that was sent means nothing.
    pub(super) fn as_kept(old: &[Sharing], mut new: Vec<Sharing>) -> Vec<Sharing> {
        new.sort_by_key(|one| old.iter().position(|known| known.project == one.project).unwrap_or(usize::MAX));
        new
    }

    /// Names of the projects that are no longer among the references.
    pub(super) fn unshared(&self, before: &[Sharing], after: &[Sharing]) -> Vec<String> {
        let gone = before.iter().filter(|old| !after.iter().any(|new| new.project == old.project));
        gone.map(|old| self.project(&old.project).name.clone()).collect()
    }

    /// Remembers a secret that somebody brought along; one that is known already keeps its label.
    pub(super) fn remember_brought(&mut self, label: String, value: &str) {
        if !value.is_empty() && !self.issued.iter().any(|(_, known)| known == value) {
            self.remember(label, value);
        }
    }
}

impl Project {
    /// Whether this is its name, in any case of letters, or its id.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.id.eq_ignore_ascii_case(name)
    }
}

/// Whether one of the lists lets this identity in.
pub(super) fn lets_in(lists: &[&[String]], who: &str) -> bool {
    lists.iter().any(|list| list.iter().any(|name| name == who || name == EVERYBODY))
}
