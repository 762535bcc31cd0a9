//! How a write ended that did not succeed: whether the destination may hold the new value all the same decides what may
//! be revoked.

use crate::advice::Named;
use crate::failure::{StepError, advice_for};
use crate::model::api_error::CallError;

/// How a write ended that did not succeed.
#[derive(Debug)]
pub struct NotWritten {
    /// Why.
    pub error: anyhow::Error,
    /// Whether the destination may hold the new value all the same: no answer is not a no.
    pub may_hold_it: bool,
    /// What to do about it, where that is known.
    pub advice: Option<String>,
}

impl From<CallError> for NotWritten {
    fn from(error: CallError) -> Self {
        let advice = advice_for(&error, Named::default());
        Self { may_hold_it: error.maybe_applied, advice, error: error.into() }
    }
}

/// Whether a publication may still start: it is wanted, and in time.
pub type MayStart<'a> = dyn Fn() -> anyhow::Result<()> + 'a;

impl NotWritten {
    /// Stopped before anything was sent.
    pub(super) fn not_begun(error: anyhow::Error) -> Self {
        Self { error, may_hold_it: false, advice: None }
    }

    /// An answer that was a success and is none.
    pub(super) fn unconfirmed(seen: String) -> Self {
        Self { error: anyhow::anyhow!(seen), may_hold_it: true, advice: None }
    }
}

/// A sign-in or a read that failed before anything was written.
impl From<StepError> for NotWritten {
    fn from(failure: StepError) -> Self {
        let (error, advice) = failure.into_parts();
        Self { error, may_hold_it: false, advice: Some(advice) }
    }
}
