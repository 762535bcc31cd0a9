//! A row of the table of refusals: which answers it is about, what they mean, and the one thing to do.

use std::fmt;

use crate::model::api_error::By;

/// Who answered, as far as remedies differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Azure DevOps, asked as the rotating user.
    AzureDevOps,
    /// Azure DevOps, asked as the identity that writes variable groups and service connections.
    Places,
    /// Azure DevOps, asked for an organization's users and their tokens.
    Administration,
    /// The pipeline's OIDC endpoint.
    Oidc,
    /// Microsoft Entra's token endpoint.
    Entra,
    /// The machine's endpoint for its managed identity.
    ManagedIdentity,
    /// Azure Key Vault.
    KeyVault,
}

/// What a row is about. A row has several where they mean the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// This code.
    Code(&'static str),
    /// A sentence with these words, where the code does not tell.
    Says(&'static str),
    /// This status, whatever the code.
    Status(u16),
    /// A page for people, or the way to one.
    SignInPage,
    /// Too busy, or out of order.
    Busy,
    /// No connection.
    NoConnection,
    /// Sent, and no whole answer came.
    NoAnswer,
    /// Something that the service does not document.
    Unclear,
    /// Any other refusal that comes without a sentence.
    Silent,
    /// Any other refusal.
    Other,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "`{code}`"),
            Self::Says(words) => write!(f, "*{words}*"),
            Self::Status(200) => f.write_str("another word"),
            Self::Status(status) => write!(f, "{status}"),
            Self::SignInPage => f.write_str("a sign-in page (203, 302)"),
            Self::Busy => f.write_str("408, 429, 5xx"),
            Self::NoConnection => f.write_str("no connection"),
            Self::NoAnswer => f.write_str("no whole answer"),
            Self::Unclear => f.write_str("JSON that is not as documented"),
            Self::Silent => f.write_str("any other refusal, without a sentence"),
            Self::Other => f.write_str("any other refusal"),
        }
    }
}

/// What a service answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen<'a> {
    /// No, or not now.
    Refused {
        /// The status; 200 where the body holds the refusal.
        status: u16,
        /// The service's short word for the reason.
        code: &'a str,
        /// Its sentence.
        message: &'a str,
    },
    /// A page for people, or the way to one.
    SignInPage,
    /// No connection.
    NoConnection,
    /// Sent, and no whole answer came.
    NoAnswer,
    /// Something that the service does not document.
    Unclear,
}

/// What is wrong where a personal access token takes the place of a user's access token.
pub const NO_PAT: &str = "Give `accessToken` an Entra access token of a user: what it holds looks like a personal access \
                          token, and those cannot manage tokens.";

/// What is left to do where nobody says why.
pub(super) const REPORT_IT: &str = "Report it with the activity id if the next run ends like this, too.";
/// What every end of a user's sign-in calls for.
pub(super) const SIGN_IN_AGAIN: &str = "Let the rotating user sign in again: `rotate-pat sign-in` on a workstation, or \
                                        `command: signIn` in the pipeline.";

impl Answer {
    /// Whether it is about the reason that a service gives, and not about how the answer came.
    pub(super) fn names_the_reason(self) -> bool {
        matches!(self, Self::Code(_) | Self::Says(_))
    }

    pub(super) fn is(self, seen: Seen<'_>) -> bool {
        match (self, seen) {
            (Self::Code(wanted), Seen::Refused { code, .. }) => code == wanted,
            (Self::Says(words), Seen::Refused { message, .. }) => message.contains(words),
            (Self::Status(wanted), Seen::Refused { status, .. }) => status == wanted,
            (Self::Busy, Seen::Refused { status, .. }) => matches!(status, 408 | 429 | 500..=599),
            (Self::Silent, Seen::Refused { message: "", .. }) => !Self::Busy.is(seen),
            (Self::Other, Seen::Refused { .. }) => !Self::Busy.is(seen),
            (Self::SignInPage, Seen::SignInPage)
            | (Self::NoConnection, Seen::NoConnection)
            | (Self::NoAnswer, Seen::NoAnswer)
            | (Self::Unclear, Seen::Unclear) => true,
            _ => false,
        }
    }
}

/// One meaning and one remedy.
#[derive(Debug)]
pub struct Row {
    pub(super) answers: &'static [Answer],
    pub(super) by: &'static [By],
    pub(super) means: &'static str,
    pub(super) remedy: &'static str,
}

/// Those whom a remedy names, where they are known.
#[derive(Clone, Copy, Default, Debug)]
pub struct Named<'a> {
    /// The user whose tokens are rotated.
    pub user: Option<&'a str>,
    /// The identity that was to write.
    pub writer: Option<&'a str>,
    /// What it needs.
    pub role: Option<&'a str>,
}

impl Row {
    pub(super) const fn new(answers: &'static [Answer], means: &'static str, remedy: &'static str) -> Self {
        Self { answers, by: &[], means, remedy }
    }

    /// Only for those who signed in like this.
    pub(super) const fn by(self, by: &'static [By]) -> Self {
        Self { by, ..self }
    }

    /// Whether it is about this code.
    pub fn names(&self, code: &str) -> bool {
        self.answers.iter().any(|answer| matches!(answer, Answer::Code(known) if *known == code))
    }

    /// What the answer means, in a few words.
    pub fn means(&self) -> &'static str {
        self.means
    }

    /// The one thing to do.
    pub fn remedy(&self, named: Named<'_>) -> String {
        let user = named.user.map_or("the rotating user".to_owned(), |user| format!("the rotating user {user}"));
        self.remedy
            .replace("{user}", &user)
            .replace("{writer}", named.writer.unwrap_or("the identity that writes"))
            .replace("{role}", named.role.unwrap_or("the role that the message names"))
    }
}

/// Rows that belong together.
pub(super) struct Group {
    pub(super) title: &'static str,
    /// None for what any service may answer.
    pub(super) service: Option<Service>,
    pub(super) rows: &'static [Row],
}
