//! A failed write to a destination. If the destination may hold the new value anyway, the new token must not be revoked.

use crate::advice::Named;
use crate::failure::{StepError, advice_for};
use crate::model::api_error::CallError;

/// A failed write.
#[derive(Debug)]
pub struct NotWritten {
    pub error: anyhow::Error,
    /// Whether the destination may hold the new value anyway, for example because no response came.
    pub may_hold_it: bool,
    pub advice: Option<String>,
}

impl From<CallError> for NotWritten {
    fn from(error: CallError) -> Self {
        let advice = advice_for(&error, Named::default());
        Self { may_hold_it: error.maybe_applied, advice, error: error.into() }
    }
}

/// Fails if a publication may no longer start: the run was cancelled or is too late.
pub type MayStart<'a> = dyn Fn() -> anyhow::Result<()> + 'a;

impl NotWritten {
    /// The write failed before anything was sent.
    pub(super) fn not_begun(error: anyhow::Error) -> Self {
        Self { error, may_hold_it: false, advice: None }
    }

    /// The service reported success, but the result is not as written.
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
