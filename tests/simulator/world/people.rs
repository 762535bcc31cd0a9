//! Who belongs to the organization, as its directory has it: the accounts of this world, and as many more as a test
//! wants, made by number, so that ten thousand cost no memory.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::{World, ids};

/// The people beside the accounts, and how lists of them come.
pub struct Directory {
    /// How many people there are beside the accounts, numbered from 0.
    pub crowd: u64,
    /// When they were added: their tokens are dated from here.
    pub crowd_since: Timestamp,
    /// Numbers of those who have left.
    pub left: BTreeSet<u64>,
    /// People on a full page. Pages are full, half full and empty in turn.
    pub page_size: usize,
    /// Whether a page begins with the last person of the one before, and the last page brings the first person again.
    pub repeats: bool,
    /// Short names of the users, and of the apps, who are Project Collection Administrators.
    pub administrators: Vec<String>,
    /// Who is no administrator is told so by 403 and not by the documented 401.
    pub not_administrator_is_403: bool,
    /// Tokens on a page, whatever `pageSize` asks for.
    pub pats_a_page: usize,
    /// A token that has expired is said to be valid all the same: which it is was not documented.
    pub expired_are_valid: bool,
    /// Lists that came to their end: every other one ends with an empty page.
    pub lists_ended: usize,
}

/// Somebody in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who it is.
    pub who: Who,
    /// The subject descriptor.
    pub descriptor: String,
    /// As people call them.
    pub display_name: Option<String>,
    /// The sign-in name.
    pub principal: String,
    /// The mail address: empty for some, absent for others.
    pub mail: Option<String>,
    /// `aad`, `msa` or, for the services' own accounts, `svc`.
    pub kind: &'static str,
    /// The tenant, or what stands for one.
    pub domain: String,
    /// The id where it comes from.
    pub origin_id: String,
    /// The identity's id in Azure DevOps.
    pub identity: String,
    /// A guest of the tenant.
    pub guest: bool,
}

/// Who somebody in the directory is in this world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// An account, by short name.
    Account(String),
    /// One of the crowd, by number.
    Number(u64),
    /// The project's build service.
    Service,
}

/// One page of the directory.
#[derive(Clone, Debug)]
pub struct PeoplePage {
    /// Who is on it.
    pub people: Vec<Person>,
    /// Where the list goes on, if it does.
    pub next: Option<PeopleCursor>,
}

/// Where a list of people goes on: by place and not by count, so that nobody is skipped when somebody leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeopleCursor {
    /// The first place that was not shown.
    pub place: u64,
    /// How many pages came before.
    pub pages: u64,
}

impl Directory {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            crowd: 0,
            crowd_since: now,
            left: BTreeSet::new(),
            page_size: 3,
            repeats: true,
            administrators: vec!["rotator".to_owned()],
            not_administrator_is_403: false,
            pats_a_page: 2,
            expired_are_valid: false,
            lists_ended: 0,
        }
    }
}

impl World {
    /// Makes so many people members of the organization, beside the accounts, with none to five tokens each.
    pub fn add_crowd(&mut self, people: u64) {
        self.directory.crowd = people;
        self.directory.crowd_since = self.now();
    }

    /// Takes somebody out of the organization. Their tokens are listed nowhere from then on.
    pub fn leave(&mut self, who: &Who) {
        match who {
            Who::Account(name) => self.user_mut(name).member_of.clear(),
            Who::Number(number) => {
                self.directory.left.insert(*number);
            }
            Who::Service => panic!("the build service stays"),
        }
    }

    /// Whoever has this descriptor in the organization, in any case of letters.
    pub fn person(&self, organization: &str, descriptor: &str) -> Option<Person> {
        let number = number_of(descriptor).and_then(|number| self.person_at(organization, number));
        let by_number = number.filter(|person| person.descriptor == descriptor);
        by_number.or_else(|| {
            let accounts = self.directory.crowd..self.places();
            accounts.filter_map(|place| self.person_at(organization, place)).find(|one| one.descriptor == descriptor)
        })
    }

    /// Everybody of the organization, the services' accounts left out.
    pub fn everybody(&self, organization: &str) -> impl Iterator<Item = Person> {
        (0..self.places())
            .filter_map(move |place| self.person_at(organization, place))
            .filter(|person| person.who != Who::Service)
    }

    /// A page of the organization's people of these kinds.
    pub fn list_people(&mut self, organization: &str, kinds: &[&str], from: PeopleCursor) -> PeoplePage {
        let Directory { page_size, repeats, lists_ended, .. } = self.directory;
        let size = match from.pages % 4 {
            1 => page_size.div_ceil(2),
            2 => 0,
            _ => page_size,
        };
        let shown = |place: &u64| self.person_at(organization, *place).filter(|one| kinds.contains(&one.kind));
        let fresh: Vec<u64> = (from.place..self.places()).filter(|place| shown(place).is_some()).take(size).collect();
        let after = fresh.last().map_or(from.place, |last| last + 1);
        let is_over = (after..self.places()).all(|place| shown(&place).is_none());
        let ends = is_over && (fresh.is_empty() || lists_ended % 2 == 1);
        let mut people: Vec<Person> = fresh.iter().filter_map(shown).collect();
        if repeats && !people.is_empty() && from.place > 0 {
            people.splice(0..0, (0..from.place).rev().find_map(|place| shown(&place)));
            people.extend((0..from.place).find_map(|place| shown(&place)).filter(|_| is_over));
        }
        if ends {
            self.directory.lists_ended += 1;
            return PeoplePage { people, next: None };
        }
        PeoplePage { people, next: Some(PeopleCursor { place: after, pages: from.pages + 1 }) }
    }

    /// The crowd, the accounts, and the build service.
    fn places(&self) -> u64 {
        self.directory.crowd + self.users.len() as u64 + 1
    }

    fn person_at(&self, organization: &str, place: u64) -> Option<Person> {
        let Directory { crowd, left, .. } = &self.directory;
        let is_first = self.organizations[0].name.eq_ignore_ascii_case(organization);
        if place < *crowd {
            return (is_first && !left.contains(&place)).then(|| self.one_of_the_crowd(place));
        }
        let Some(user) = self.users.get(usize::try_from(place - crowd).unwrap_or(usize::MAX)) else {
            return (is_first && place + 1 == self.places()).then(|| self.build_service());
        };
        user.member_of.iter().any(|name| name.eq_ignore_ascii_case(organization)).then(|| Person {
            who: Who::Account(user.name.clone()),
            descriptor: descriptor("aad", &ids::guid(&format!("subject {}", user.name), 1)),
            display_name: Some(user.name.clone()),
            principal: user.upn.clone(),
            mail: user.mail.clone(),
            kind: "aad",
            domain: user.tenant.clone(),
            origin_id: user.oid.clone(),
            identity: user.identity.clone(),
            guest: user.home.is_some(),
        })
    }

    /// Some have names that are meant to hurt, some share one, some have no mail address or an empty one.
    fn one_of_the_crowd(&self, number: u64) -> Person {
        let is_msa = number % 7 == 3;
        let kind = if is_msa { "msa" } else { "aad" };
        let mail = format!("person{number}@contoso.example");
        Person {
            who: Who::Number(number),
            descriptor: descriptor(kind, &crowd_guid(number)),
            display_name: match number % 10 {
                0 => Some(HOSTILE_NAMES[(number / 10) as usize % HOSTILE_NAMES.len()].to_owned()),
                1 => Some("Alex Example".to_owned()),
                2 => None,
                _ => Some(format!("Person {number}")),
            },
            principal: mail.clone(),
            mail: match number % 11 {
                4 => None,
                5 => Some(String::new()),
                _ => Some(mail),
            },
            kind,
            domain: if is_msa { "Windows Live ID".to_owned() } else { self.tenants[0].id.clone() },
            origin_id: ids::guid("crowd origin", number),
            identity: ids::guid("crowd identity", number),
            guest: number % 5 == 4,
        }
    }

    fn build_service(&self) -> Person {
        Person {
            who: Who::Service,
            descriptor: descriptor("svc", &format!("{}:Build:{}", self.organizations[0].id, self.job.project_id)),
            display_name: Some("Widgets Build Service (contoso)".to_owned()),
            principal: self.job.project_id.clone(),
            mail: Some(String::new()),
            kind: "svc",
            domain: "Build".to_owned(),
            origin_id: ids::guid("buildservice", 2),
            identity: ids::guid("buildservice", 1),
            guest: false,
        }
    }
}

/// Names of people and of tokens that do harm where they are not defused.
pub(super) const HOSTILE_NAMES: [&str; 8] = [
    "##vso[task.setvariable variable=PATH]/tmp/evil",
    "a|b `c` *d* <script>alert(1)</script> [e](https://evil.example)",
    "two\nlines\r\n##[error]of one name",
    "\u{1b}[31mred\u{1b}[0m and \u{202e}backwards\u{202c}",
    "<xml> ]]> \"quoted\" 'twice' & \u{0}\u{b}\u{fffe}",
    "\u{8cc7}\u{6a21}\u{5bb6}\u{8cc7}\u{6a21}\u{5bb6} \u{1f469}\u{200d}\u{1f467} e\u{301}e\u{301}",
    "a very long name, a very long name, a very long name, a very long name, a very long name, a very long name, a very long name, a very long name, a very long name, a very long name, a very long name",
    "   ",
];

fn descriptor(kind: &str, of: &str) -> String {
    format!("{kind}.{}", URL_SAFE_NO_PAD.encode(of))
}

/// Random but for its end, which hides the number.
fn crowd_guid(number: u64) -> String {
    format!("{}{:012x}", &ids::guid("crowd", number)[..24], number ^ MASK)
}

const MASK: u64 = 0x5a5a_1234_a5a5;

fn number_of(descriptor: &str) -> Option<u64> {
    let guid = String::from_utf8(URL_SAFE_NO_PAD.decode(descriptor.split_once('.')?.1).ok()?).ok()?;
    Some(u64::from_str_radix(guid.get(24..)?, 16).ok()? ^ MASK)
}
