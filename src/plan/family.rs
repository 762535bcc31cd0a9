//! The tokens of one name, whatever stage of a rotation each is in.

use std::fmt;

use crate::model::marker::{Generation, PatName};
use crate::model::pat::{OrganizationId, Pat};
use crate::model::text::quoted;

/// One of the personal access tokens that bear the name, in any of its four forms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedPat {
    /// As listed.
    pub pat: Pat,
    /// What its display name says.
    pub generation: Generation,
}

impl fmt::Display for NamedPat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", quoted(&self.pat.display_name), self.pat.id)
    }
}

/// A user's list may show the tokens of the user's other organizations: only those of this one, and those that span all.
/// Where the organization is not known, all of them.
///
/// docs/assumptions.md: The list may show tokens of other organizations.
/// docs/assumptions.md: A new token names the organization in whose address it was created.
pub fn of_organization(listed: &[Pat], organization: Option<&OrganizationId>) -> Vec<Pat> {
    listed.iter().filter(|pat| !is_of_another(pat, organization)).cloned().collect()
}

pub(super) fn is_of_another(pat: &Pat, organization: Option<&OrganizationId>) -> bool {
    organization.is_some_and(|ours| !pat.spans_all_organizations() && !pat.is_only_of(ours))
}

/// The active ones that bear the name, oldest first. Those that span all organizations are not among them.
pub fn family(name: &PatName, listed: &[Pat]) -> Vec<NamedPat> {
    let mut members: Vec<NamedPat> = listed
        .iter()
        .filter(|pat| !pat.spans_all_organizations())
        .filter_map(|pat| Some(NamedPat { pat: pat.clone(), generation: name.generation(&pat.display_name)? }))
        .collect();
    members.sort_by(|a, b| (a.pat.valid_from, &a.pat.id).cmp(&(b.pat.valid_from, &b.pat.id)));
    members
}
