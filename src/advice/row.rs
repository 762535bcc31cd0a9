//! A row of the table of refusals: which answers it is about, what they mean, and the one thing to do.

use std::fmt;

use crate::model::api_error::By;

/// The service that answered, split where the remedies differ.
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
    Code(&'static str),
    /// A sentence with these words, where the code is not specific enough.
    Says(&'static str),
    /// This status, whatever the code.
    Status(u16),
    /// A page for people, or the way to one.
    SignInPage,
    /// Too busy, or temporarily unavailable.
    Busy,
    NoConnection,
    /// The request was sent, and the response did not arrive completely.
    NoAnswer,
    /// A response that the service does not document.
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
            Self::Status(200) => f.write_str("another code"),
            Self::Status(status) => write!(f, "{status}"),
            Self::SignInPage => f.write_str("a sign-in page (203, 302)"),
            Self::Busy => f.write_str("408, 429, 5xx"),
            Self::NoConnection => f.write_str("no connection"),
            Self::NoAnswer => f.write_str("no complete response"),
            Self::Unclear => f.write_str("JSON that is not as documented"),
            Self::Silent => f.write_str("any other refusal, without a sentence"),
            Self::Other => f.write_str("any other refusal"),
        }
    }
}

/// What a service answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen<'a> {
    /// Refused, or busy.
    Refused {
        /// The status; 200 where the body holds the refusal.
        status: u16,
        /// The service's short word for the reason.
        code: &'a str,
        message: &'a str,
    },
    /// A page for people, or the way to one.
    SignInPage,
    NoConnection,
    /// The request was sent, and the response did not arrive completely.
    NoAnswer,
    /// A response that the service does not document.
    Unclear,
}

/// For a personal access token that was given instead of a user's access token.
pub const NO_PAT: &str = "Set `accessToken` to an Entra access token of a user: the current value looks like a \
                          personal access token, which cannot manage tokens.";

/// For a refusal without a reason.
pub(super) const REPORT_IT: &str = "Report it with the activity id if the next run fails the same way.";
/// For every sign-in that has expired or was revoked.
pub(super) const SIGN_IN_AGAIN: &str = "Let the rotating user sign in again: `rotate-pat sign-in` on a workstation, or \
                                        `command: signIn` in the pipeline.";

impl Answer {
    /// Whether it matches the reason that a service gives, not the kind of response.
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

/// Names for the placeholders in a remedy, where they are known.
#[derive(Clone, Copy, Default, Debug)]
pub struct Named<'a> {
    /// The user whose tokens are rotated.
    pub user: Option<&'a str>,
    /// The identity that writes the destination.
    pub writer: Option<&'a str>,
    /// The role that the identity needs.
    pub role: Option<&'a str>,
}

impl Row {
    pub(super) const fn new(answers: &'static [Answer], means: &'static str, remedy: &'static str) -> Self {
        Self { answers, by: &[], means, remedy }
    }

    /// Limits the row to these ways of signing in.
    pub(super) const fn by(self, by: &'static [By]) -> Self {
        Self { by, ..self }
    }

    /// Whether the row names this code.
    pub fn names(&self, code: &str) -> bool {
        self.answers.iter().any(|answer| matches!(answer, Answer::Code(known) if *known == code))
    }

    pub fn means(&self) -> &'static str {
        self.means
    }

    pub fn remedy(&self, named: Named<'_>) -> String {
        let user = named.user.map_or("the rotating user".to_owned(), |user| format!("the rotating user {user}"));
        self.remedy
            .replace("{user}", &user)
            .replace("{writer}", named.writer.unwrap_or("the identity that writes"))
            .replace("{role}", named.role.unwrap_or("the role that the message names"))
    }
}

pub(super) struct Group {
    pub(super) title: &'static str,
    /// `None`: any service.
    pub(super) service: Option<Service>,
    pub(super) rows: &'static [Row],
}
