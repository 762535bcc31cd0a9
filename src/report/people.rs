//! The users listed so far, and the number of all users.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::azure::graph;
use crate::context::Context;
use crate::model::inventory::Owner;
use crate::sign_in::UserToken;

/// Pages of users in a row without anybody new after which the list is assumed to loop.
pub(super) const FRUITLESS: usize = 50;

/// The users listed so far, as hashes to save memory.
#[derive(Clone, Default)]
pub(super) struct Named {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Named {
    /// Whether this one is new. Users who come or go while the list is read move others from page to page.
    pub(super) fn insert(&mut self, owner: &Owner) -> bool {
        self.hashes.insert(self.hasher.hash_one(&owner.id))
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }
}

/// The user who signed in, who must be on a list that is whole. Known by the object id, where the lists tell it.
pub(super) struct Caller {
    object_id: Option<String>,
    is_comparable: bool,
}

impl Caller {
    pub(super) fn of(user: &UserToken) -> Self {
        let claims = user.claims.as_ref().filter(|claims| !claims.is_app_only());
        Self { object_id: claims.and_then(|claims| claims.object_id()).map(str::to_owned), is_comparable: false }
    }

    /// Somebody on the list.
    pub(super) fn meet(&mut self, owner: &Owner) {
        let Some(id) = &owner.object_id else { return };
        self.is_comparable = true;
        self.object_id.take_if(|own| own.eq_ignore_ascii_case(id));
    }

    pub(super) fn is_missing(&self) -> bool {
        self.is_comparable && self.object_id.is_some()
    }
}

/// Counts the users, those on the pages from the second on ahead of the lists of their tokens.
pub(super) async fn count(
    context: &Context,
    user: &UserToken,
    second: Option<String>,
    mut named: Named,
) -> Option<usize> {
    let (mut at, mut fruitless) = (second, 0);
    while at.is_some() && fruitless < FRUITLESS {
        let page = graph::users(&context.http, &context.access.organization, &user.token, at.as_deref()).await.ok()?;
        if page.is_cut {
            return None;
        }
        let known = named.len();
        for owner in &page.users {
            named.insert(owner);
        }
        fruitless = if named.len() > known { 0 } else { fruitless + 1 };
        at = page.next;
    }
    Some(named.len())
}
