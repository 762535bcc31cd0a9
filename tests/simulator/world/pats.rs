//! Personal access tokens: their life, the policies that bound it, and the list.

use jiff::{SignedDuration, Timestamp};

use super::{UnknownIdReply, World, ids};

pub(super) const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The longest life that the service grants to anybody.
const LONGEST_DAYS: i64 = 366;
/// PATs for all organizations stop working on 2026-12-01T00:00Z.
const ALL_ORGS_END: i64 = 1_796_083_200;

/// One personal access token.
#[derive(Clone, Debug)]
pub struct Pat {
    /// Its number in this world, from 1, in order of creation.
    pub number: u64,
    /// The `authorizationId`.
    pub id: String,
    /// Short name of its owner.
    pub owner: String,
    /// The organization that it reaches; none means all of the owner's.
    pub organization: Option<String>,
    /// The display name.
    pub name: String,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// When it was created.
    pub valid_from: Timestamp,
    /// When it ends.
    pub valid_to: Timestamp,
    /// The secret.
    pub secret: String,
    /// When it was revoked, if it was.
    pub revoked: Option<Timestamp>,
    /// How many calls it still refuses because it is too new.
    pub unready: u32,
    /// How a rename of this one is refused, if it is.
    pub refuse_rename: Option<RenameRefusal>,
    /// What the service writes in the place of its start; an empty text is null.
    pub written_start: Option<String>,
    /// What the service writes in the place of its end; an empty text is null.
    pub written_end: Option<String>,
}

/// What a PAT is at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatState {
    /// It works, or will in a moment.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked, before or after its end.
    Revoked,
}

/// How the service refuses to rename a PAT, whatever else it would do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenameRefusal {
    /// With an HTTP status.
    Status(u16),
    /// With a `patTokenError`.
    Error(String),
}

/// Why the service does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A `patTokenError` of the published list.
    Error(String),
    /// The id names no PAT of the caller.
    Unknown,
    /// A bare status.
    Status(u16),
}

/// What a create asks for.
#[derive(Clone, Debug)]
pub struct NewPat {
    /// The display name.
    pub name: String,
    /// The scopes.
    pub scope: String,
    /// When it shall end.
    pub valid_to: Option<Timestamp>,
    /// For all organizations.
    pub all_orgs: bool,
}

/// What an update asks for.
#[derive(Clone, Debug, Default)]
pub struct PatChange {
    /// A new name.
    pub name: Option<String>,
    /// New scopes.
    pub scope: Option<String>,
    /// A new end.
    pub valid_to: Option<Timestamp>,
    /// For all organizations, or not.
    pub all_orgs: Option<bool>,
}

/// Which PATs a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Neither revoked nor expired.
    Active,
    /// Revoked.
    Revoked,
    /// Expired.
    Expired,
    /// All.
    All,
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Newest first: the service's own order.
    Unsorted,
    /// By name.
    Name,
    /// By end.
    Date,
    /// By state.
    Status,
}

/// What must stay the same from page to page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// Whose.
    pub owner: String,
    /// In which organization.
    pub organization: String,
    /// Which.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// And which way.
    pub ascending: bool,
}

/// A list that goes on.
#[derive(Clone, Debug)]
pub struct Cursor {
    query: ListQuery,
    left: Vec<u64>,
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// The PATs.
    pub pats: Vec<Pat>,
    /// The number of the cursor that goes on, if anything is left.
    pub next: Option<usize>,
}

impl Pat {
    /// What it is at this instant.
    pub fn state(&self, now: Timestamp) -> PatState {
        match self.revoked {
            Some(_) => PatState::Revoked,
            None if self.valid_to <= now => PatState::Expired,
            None => PatState::Active,
        }
    }

    /// Whether the service would let somebody in with it, apart from its being too new.
    pub fn works_in(&self, organization: &str, now: Timestamp) -> bool {
        let reaches = match &self.organization {
            Some(own) => own.eq_ignore_ascii_case(organization),
            None => now.as_second() < ALL_ORGS_END,
        };
        reaches && self.state(now) == PatState::Active
    }

    pub(super) fn is_listed_in(&self, organization: &str) -> bool {
        self.organization.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(organization))
    }
}

/// What the service does. `owner` is the caller.
impl World {
    /// Creates a PAT, or refuses as a policy demands. Returns the authorization id.
    pub fn create_pat(&mut self, owner: &str, organization: &str, new: &NewPat) -> Result<String, Refused> {
        let now = self.now();
        if let Some(error) = self.create_refusals.pop_front() {
            return Err(Refused::Error(error));
        }
        if self.creation_blocked {
            return Err(refused("disablePatCreationPolicyViolation"));
        }
        self.check_name(&new.name)?;
        self.check_scope(&new.scope)?;
        if new.all_orgs && self.all_orgs_blocked {
            return Err(refused("globalPATCreationBlocked"));
        }
        let asked = new.valid_to.ok_or_else(|| refused("invalidValidTo"))?;
        check_end(asked, now)?;
        let granted = self.cap_days.map_or(asked, |days| asked.min(now + DAY * whole(days)));
        let reach = if new.all_orgs { None } else { Some(organization.to_owned()) };
        Ok(self.issue_pat(owner, reach, &new.name, &new.scope, now, granted))
    }

    /// Changes a PAT of the caller.
    pub fn update_pat(&mut self, owner: &str, organization: &str, id: &str, change: &PatChange) -> Result<(), Refused> {
        let now = self.now();
        let before = self.own_pat(owner, organization, id).ok_or(Refused::Unknown)?.clone();
        match before.state(now) {
            PatState::Revoked => return Err(Refused::Unknown),
            PatState::Expired => return Err(refused("expiredPatCannotBeExtended")),
            PatState::Active => {}
        }
        if let Some(name) = &change.name {
            match &before.refuse_rename {
                Some(RenameRefusal::Status(status)) if *name != before.name => return Err(Refused::Status(*status)),
                Some(RenameRefusal::Error(error)) if *name != before.name => return Err(refused(error)),
                _ => self.check_name(name)?,
            }
        }
        if let Some(scope) = &change.scope {
            self.check_scope(scope)?;
        }
        if change.all_orgs == Some(true) && self.all_orgs_blocked {
            return Err(refused("globalPATCreationBlocked"));
        }
        // The documented trap: the cap counts from the creation, so that the end may come to lie in the past.
        let latest = self.cap_days.map(|days| before.valid_from + DAY * whole(days));
        let valid_to = match change.valid_to {
            Some(_) if self.shortening_ignored => before.valid_to,
            Some(asked) => {
                check_end(asked, now)?;
                latest.map_or(asked, |latest| asked.min(latest))
            }
            None if self.update_resets_omitted_fields => latest.unwrap_or(now + DAY * 7),
            None => before.valid_to,
        };
        let scope = match &change.scope {
            Some(scope) => scope.clone(),
            None if self.update_resets_omitted_fields || self.omitted_scope_is_full => "app_token".to_owned(),
            None => before.scope,
        };
        let organization = match change.all_orgs {
            Some(true) => None,
            Some(false) => Some(organization.to_owned()),
            None => before.organization,
        };
        if self.update_changes_secret {
            let secret = self.mint_pat_secret();
            self.pat_mut(&before.id).secret = secret;
        }
        let pat = self.pat_mut(&before.id);
        pat.name = change.name.clone().unwrap_or(before.name);
        pat.scope = scope;
        pat.valid_to = rounded_end(valid_to);
        pat.organization = organization;
        Ok(())
    }

    /// Revokes a PAT of the caller. One that is revoked already is as unknown as a stranger's.
    pub fn revoke_pat(&mut self, owner: &str, organization: &str, id: &str) -> Result<(), Refused> {
        let now = self.now();
        let pat = self.own_pat(owner, organization, id).ok_or(Refused::Unknown)?;
        if pat.state(now) == PatState::Revoked {
            return Err(Refused::Unknown);
        }
        let id = pat.id.clone();
        self.revoke(&id);
        Ok(())
    }

    /// A PAT of the caller that this organization shows.
    pub fn own_pat(&self, owner: &str, organization: &str, id: &str) -> Option<&Pat> {
        self.find_pat(id).filter(|pat| pat.owner == owner && self.lists(pat, organization))
    }

    /// What an organization shows, it also lets its user change and revoke: no document says that it does not.
    fn lists(&self, pat: &Pat, organization: &str) -> bool {
        self.lists_show_other_organizations || pat.is_listed_in(organization)
    }

    /// Whether an id that names no PAT of the caller is refused with 404 (and not in a 200).
    pub fn unknown_id_is_404(&self, revoking: bool) -> bool {
        match self.unknown_id_reply {
            UnknownIdReply::Mixed => revoking,
            UnknownIdReply::NotFound => true,
            UnknownIdReply::In200 | UnknownIdReply::ServerError => false,
        }
    }

    /// The first page of a list.
    pub fn list_pats(&mut self, query: ListQuery) -> Page {
        let left = self.rows(&query);
        self.page(Cursor { query, left })
    }

    /// A page of the list as it is now, without that many rows in front of it, and the number of rows up to its end.
    pub fn list_from_row(&self, query: &ListQuery, row: usize) -> Page {
        let rows = self.rows(query);
        let shown = rows.iter().skip(row).take(self.page_size);
        let pats = shown.filter_map(|number| self.pats.iter().find(|pat| pat.number == *number)).cloned().collect();
        let next = row + self.page_size;
        Page { pats, next: (next < rows.len()).then_some(next) }
    }

    fn rows(&self, query: &ListQuery) -> Vec<u64> {
        let now = self.now();
        let mut found: Vec<&Pat> = self
            .pats
            .iter()
            .rev()
            .filter(|pat| pat.owner == query.owner && self.lists(pat, &query.organization))
            .filter(|pat| query.filter.shows(pat.state(now)))
            .collect();
        match query.sort {
            Sort::Unsorted => {}
            Sort::Name => found.sort_by_key(|pat| pat.name.to_lowercase()),
            Sort::Date => found.sort_by_key(|pat| pat.valid_to),
            Sort::Status => found.sort_by_key(|pat| pat.state(now) as u8),
        }
        if query.sort != Sort::Unsorted && !query.ascending {
            found.reverse();
        }
        found.into_iter().map(|pat| pat.number).collect()
    }

    /// The page that a cursor promised; none when there is no such cursor or the query has changed since.
    pub fn continue_list(&mut self, cursor: usize, query: &ListQuery) -> Option<Page> {
        let cursor = self.cursors.get(cursor).filter(|cursor| cursor.query == *query)?.clone();
        Some(self.page(cursor))
    }

    fn page(&mut self, cursor: Cursor) -> Page {
        let now = self.now();
        let Cursor { query, mut left } = cursor;
        let rest = left.split_off(self.page_size.min(left.len()));
        let shown = left.iter().filter_map(|number| self.pats.iter().find(|pat| pat.number == *number));
        let pats = shown.filter(|pat| query.filter.shows(pat.state(now))).cloned().collect();
        if rest.is_empty() {
            return Page { pats, next: None };
        }
        self.cursors.push(Cursor { query, left: rest });
        Page { pats, next: Some(self.cursors.len() - 1) }
    }

    fn check_name(&self, name: &str) -> Result<(), Refused> {
        if name.trim().is_empty() {
            return Err(refused("displayNameRequired"));
        }
        let length = if self.names_html_encoded { html_encoded(name).len() } else { name.chars().count() };
        if name.chars().any(char::is_control) || length > 256 {
            return Err(refused("invalidDisplayName"));
        }
        Ok(())
    }

    fn check_scope(&self, scope: &str) -> Result<(), Refused> {
        if self.full_scope_blocked && scope.split(' ').any(|one| one == "app_token") {
            return Err(refused("fullScopePatPolicyViolation"));
        }
        let known = |one: &str| {
            one == "app_token"
                || one
                    .strip_prefix("vso.")
                    .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        };
        if scope.split(' ').any(|one| self.scopes_refused.iter().any(|refused| refused == one)) {
            return Err(refused("invalidScope"));
        }
        if scope.split(' ').all(known) { Ok(()) } else { Err(refused("invalidScope")) }
    }

    fn mint_pat_secret(&mut self) -> String {
        let n = self.count("PAT secret");
        let secret = ids::pat_secret(n);
        self.remember(format!("PAT secret {n}"), &secret);
        secret
    }

    pub(super) fn issue_pat(
        &mut self,
        owner: &str,
        organization: Option<String>,
        name: &str,
        scope: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> String {
        let secret = self.mint_pat_secret();
        let number = self.pats.len() as u64 + 1;
        let id = ids::guid("authorization", number);
        self.pats.push(Pat {
            number,
            id: id.clone(),
            owner: owner.to_owned(),
            organization,
            name: name.to_owned(),
            scope: scope.to_owned(),
            valid_from: rounded_start(from),
            valid_to: rounded_end(to),
            secret,
            revoked: None,
            unready: self.new_pats_valid_after,
            refuse_rename: None,
            written_start: None,
            written_end: None,
        });
        id
    }
}

impl Filter {
    fn shows(self, state: PatState) -> bool {
        match self {
            Self::Active => state == PatState::Active,
            Self::Revoked => state == PatState::Revoked,
            Self::Expired => state == PatState::Expired,
            Self::All => true,
        }
    }
}

/// As .NET's `HtmlEncode` does it; every character beyond ASCII by its number.
pub fn html_encoded(text: &str) -> String {
    let encoded = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '\'' => "&#39;".to_owned(),
        c if c.is_ascii() => c.to_string(),
        c => format!("&#{};", u32::from(c)),
    };
    text.chars().map(encoded).collect()
}

fn refused(error: &str) -> Refused {
    Refused::Error(error.to_owned())
}

fn whole(days: i64) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

fn check_end(asked: Timestamp, now: Timestamp) -> Result<(), Refused> {
    if asked <= now || asked > now + DAY * whole(LONGEST_DAYS) {
        return Err(refused("invalidValidTo"));
    }
    Ok(())
}

/// To 10 ms, as the published example shows: `.319` came back as `.32`.
fn rounded_end(at: Timestamp) -> Timestamp {
    let hundredths = (at.as_nanosecond() + 5_000_000).div_euclid(10_000_000);
    Timestamp::from_nanosecond(hundredths * 10_000_000).unwrap_or(at)
}

/// Down to a three-hundredth of a second, in units of 100 ns: the published `.1033333` and `.72` are such times.
fn rounded_start(at: Timestamp) -> Timestamp {
    let ticks = (at.as_nanosecond() * 3 + 100).div_euclid(10_000_000);
    let hundreds = (ticks * 100_000).div_euclid(3);
    Timestamp::from_nanosecond(hundreds * 100).unwrap_or(at)
}
