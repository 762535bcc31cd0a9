//! The rotation and its protocol: when a PAT is due, what is created, committed and retired, and what heals.

pub(crate) mod by_hand;
pub(crate) mod canaries;
pub(crate) mod due;
pub(crate) mod endings;
pub(crate) mod healing;
pub(crate) mod late;
pub(crate) mod later_stage;
pub(crate) mod lifetimes;
pub(crate) mod lost_replies;
pub(crate) mod many;
pub(crate) mod odd_lists;
pub(crate) mod organizations;
pub(crate) mod refused_renames;
pub(crate) mod revoking;
pub(crate) mod rivals;
pub(crate) mod run_page;
pub(crate) mod second_look;
pub(crate) mod sent_once;
pub(crate) mod settling;
