//! Canaries of `command: check`: tokens that nobody holds, and no form of the name that a rotation counts.

use std::time::Duration;

use crate::model::marker::PatName;
use crate::model::pat::{OrganizationId, Pat};
use crate::model::timestamp::Timestamp;

/// A check is over by then, so a canary that is older was left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(60 * 60);

/// The canaries of this name that a check has left in this organization. Where it is not known which organization that is,
/// none.
pub fn left_canaries(
    name: &PatName,
    listed: &[Pat],
    organization: Option<&OrganizationId>,
    now: Timestamp,
) -> Vec<Pat> {
    let Some(organization) = organization else { return Vec::new() };
    let is_left = |pat: &&Pat| pat.unreadable.is_none() && now.since(pat.valid_from) > LEFT_BEHIND;
    let is_canary = |pat: &&Pat| pat.is_only_of(organization) && name.canary_of(&pat.display_name).is_some();
    listed.iter().filter(is_canary).filter(is_left).cloned().collect()
}
