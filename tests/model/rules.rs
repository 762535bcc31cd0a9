//! The rules of the protocol, each of which can be left out, to see that the model finds what it is for.

/// A rule that a run does not keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Without {
    /// Another run's pending one is left alone while that run is alive.
    AliveRivals,
    /// A build is asked for; age decides only where it cannot be.
    AskingForBuilds,
    /// The hash tells the jobs of one build apart.
    HashInK,
    /// What the plan's list knew is no orphan.
    OrphansAreNew,
    PublishDeadline,
    /// A write without an answer counts as delivered.
    UnansweredIsDelivered,
    /// After a write without an answer the new one stays pending, so that nobody takes over while it may arrive.
    PendingAfterUnanswered,
    /// Predecessors, and what the look compares with, are those of the plan.
    PredecessorsOfPlan,
    Look,
    /// Settling acts on what the list shows at its beginning, and not on the plan's copies.
    FreshList,
    /// No commit is sent long after its run began to supersede.
    SettleWithin,
    /// A commit without an answer is not sent again.
    CommitOnce,
    /// A pending one is left alone by the job's own rerun, too, for ten minutes.
    EarlierAttempts,
    /// A settle step leaves what an earlier try of it superseded alone, as long as that try's commit may arrive.
    EarlierTries,
    /// The commit follows its look within half a minute.
    FreshLook,
    /// A job that succeeded with issues did not succeed.
    IssuesAreFailure,
    /// One that cannot be renamed is revoked before the look where there is no overlap.
    RevokeBeforeLook,
    /// Superseded ones are cleaned away only after their end.
    CleanAfterEnd,
    /// A life is not shortened where a cap could end it early.
    SafeShortening,
    /// A rename never sends `validTo`.
    RenameAlone,
    /// Not exactly one committed makes a run due.
    OneCommittedIsDue,
    /// A pending or held one makes a run due.
    LeftoversAreDue,
    /// A place that does not hold the committed one makes a run due.
    RecordsAreDue,
    /// A superseded one never makes a run due.
    SupersededIsNotDue,
    /// Pending and held ones are replaced with the current one.
    LeftoversAreReplaced,
    /// A second committed one is never a predecessor.
    SecondIsLeftAlone,
    /// Nor after a run that was cut off before its commit.
    SecondIsLeftAloneAfterwards,
    /// `retireOldPat: immediately` protects destinations only.
    AfterJobForVariables,
}
