//! When the days left of the committed token make a run due.

use std::time::Duration;

use crate::model::pat::Pat;
use crate::model::timestamp::{Timestamp, pluralize};

/// What `rotateWhenDaysLeft` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RotateWhen {
    /// Every run rotates.
    Always,
    /// At most so many days are left.
    DaysLeft(u16),
    /// At most a third of the life that the service granted is left. Not a number of days, as a tenant may grant a week
    /// where a month was asked for, and every run would rotate.
    ThirdOfLife,
}

impl RotateWhen {
    /// Why this committed token is to be replaced now, if it is.
    pub(super) fn reason(self, current: Option<&Pat>, now: Timestamp) -> Option<String> {
        let left = |pat: &Pat| pluralize(pat.valid_to.days_left(now), "day");
        match (self, current) {
            (Self::Always, _) => Some("every run rotates, as `rotateWhenDaysLeft` is `always`".to_owned()),
            (Self::DaysLeft(limit), Some(pat)) if pat.valid_to.days_left(now) <= i64::from(limit) => {
                Some(format!("{} left, and `rotateWhenDaysLeft` is {limit}", left(pat)))
            }
            (Self::ThirdOfLife, Some(pat)) if pat.valid_to.since(now) <= pat.valid_to.since(pat.valid_from) / 3 => {
                Some(format!("{} left, at most a third of the {} that were granted", left(pat), granted(pat)))
            }
            _ => None,
        }
    }

    /// From when on the days left of this token make a run due.
    pub fn next(self, current: &Pat) -> Option<Timestamp> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        match self {
            Self::Always => None,
            Self::DaysLeft(limit) => Some(current.valid_to.minus(DAY * u32::from(limit))),
            Self::ThirdOfLife => Some(current.valid_to.minus(current.valid_to.since(current.valid_from) / 3)),
        }
    }

    /// What it waits for, of a token that is not to be replaced yet.
    pub(super) fn describe(self, current: &Pat) -> String {
        match self {
            Self::Always => "`rotateWhenDaysLeft` is `always`".to_owned(),
            Self::DaysLeft(limit) => format!("`rotateWhenDaysLeft` is {limit}"),
            Self::ThirdOfLife => {
                let from = current.valid_to.minus(current.valid_to.since(current.valid_from) / 3);
                format!("the next rotation is due from {from}, when a third of its {} is left", granted(current))
            }
        }
    }
}

fn granted(pat: &Pat) -> String {
    let hours = pat.valid_to.since(pat.valid_from).as_secs().div_ceil(3600);
    if hours < 24 {
        return pluralize(i64::try_from(hours).unwrap_or_default(), "hour");
    }
    pluralize(i64::try_from((hours + 12) / 24).unwrap_or(i64::MAX), "day")
}
