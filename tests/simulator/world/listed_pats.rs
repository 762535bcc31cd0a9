//! The tokens of anybody, as an administrator of tokens sees them.

use jiff::{SignedDuration, Timestamp};

use super::{
    World, ids,
    pats::{DAY, PatState},
    people::{HOSTILE_NAMES, Person, Who},
};

/// A PAT as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPat {
    /// The `authorizationId`.
    pub id: String,
    /// The display name.
    pub name: Option<String>,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// Ids of the organizations that it reaches; none, or an empty list, means all of the owner's.
    pub accounts: Option<Vec<String>>,
    /// When it was created.
    pub valid_from: Timestamp,
    /// When it ends.
    pub valid_to: Timestamp,
    /// Whether it is said to be valid.
    pub is_valid: bool,
}

/// Where a list of somebody's tokens goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatsCursor {
    /// With the first: the page before was empty.
    AtFirst,
    /// After this one.
    After(String),
}

impl World {
    /// All tokens of somebody that this organization shows, oldest first.
    pub fn pats_of(&self, organization: &str, person: &Person) -> Vec<ListedPat> {
        let mut pats = match &person.who {
            Who::Account(name) => self.pats_of_account(organization, name),
            Who::Number(number) => self.pats_of_number(*number),
            Who::Service => Vec::new(),
        };
        let now = self.now();
        for pat in &mut pats {
            pat.is_valid &= self.directory.expired_are_valid || now < pat.valid_to;
        }
        pats
    }

    /// A page of them, and where the list goes on; nothing when there is no such place. A page that is full is followed
    /// by another, be it an empty one; the list of whoever has four or more begins with an empty page.
    pub fn page_of_pats(
        &self,
        organization: &str,
        person: &Person,
        from: Option<&PatsCursor>,
    ) -> Option<(Vec<ListedPat>, Option<PatsCursor>)> {
        let mut pats = self.pats_of(organization, person);
        let size = self.directory.pats_a_page;
        match from {
            None if pats.len() >= 4 => return Some((Vec::new(), Some(PatsCursor::AtFirst))),
            None | Some(PatsCursor::AtFirst) => {}
            Some(PatsCursor::After(id)) => {
                let last = pats.iter().position(|pat| pat.id.eq_ignore_ascii_case(id))?;
                pats.drain(..=last);
            }
        }
        let is_full = pats.len() >= size;
        pats.truncate(size);
        let next = pats.last().filter(|_| is_full).map(|last| PatsCursor::After(last.id.clone()));
        Some((pats, next))
    }

    fn pats_of_account(&self, organization: &str, name: &str) -> Vec<ListedPat> {
        let own = self.pats.iter().filter(|pat| pat.owner == name && pat.is_listed_in(organization));
        own.map(|pat| ListedPat {
            id: pat.id.clone(),
            name: Some(pat.name.clone()),
            scope: pat.scope.clone(),
            accounts: pat.organization.as_ref().map(|name| self.account_ids(name)),
            valid_from: pat.valid_from,
            valid_to: pat.valid_to,
            is_valid: pat.state(self.now()) != PatState::Revoked,
        })
        .collect()
    }

    /// None to five, of every kind there is; dates in whole seconds, since they are written without an offset.
    fn pats_of_number(&self, person: u64) -> Vec<ListedPat> {
        let since = Timestamp::new(self.directory.crowd_since.as_second(), 0).expect("a time within range");
        let own = self.account_ids(&self.organizations[0].name);
        let one = |index: u64| {
            let number = person * 5 + index;
            let ends = since + DAY * DAYS_LEFT[number as usize % DAYS_LEFT.len()] + SignedDuration::from_mins(30);
            ListedPat {
                id: ids::guid("crowd authorization", number),
                name: match number % 9 {
                    0 => None,
                    1 => Some(HOSTILE_NAMES[number as usize / 9 % HOSTILE_NAMES.len()].to_owned()),
                    2 => Some("feed".to_owned()),
                    _ => Some(format!("token {index} of person {person}")),
                },
                scope: match number % 8 {
                    0 => "app_token".to_owned(),
                    1 => "vso.graph_manage vso.identity_manage vso.something_new".to_owned(),
                    _ => "vso.packaging".to_owned(),
                },
                accounts: match number % 13 {
                    5 => None,
                    6 => Some(Vec::new()),
                    _ => Some(own.clone()),
                },
                valid_from: ends - DAY * if number.is_multiple_of(4) { 365 } else { 60 },
                valid_to: ends,
                is_valid: number % 17 != 9,
            }
        };
        (0..pats_of_one(person)).map(one).collect()
    }

    fn account_ids(&self, organization: &str) -> Vec<String> {
        self.organization(organization).iter().map(|found| found.id.clone()).collect()
    }
}

/// Days that are left: expired ones, those about to, and those with time.
const DAYS_LEFT: [i32; 11] = [40, -3, 200, 2, 30, 0, 90, 6, -100, 13, 55];

/// How many tokens one of the crowd has: none to five, in no order.
fn pats_of_one(person: u64) -> u64 {
    u64::from_str_radix(&ids::hex32("crowd pats", person)[..8], 16).unwrap_or_default() % 6
}
