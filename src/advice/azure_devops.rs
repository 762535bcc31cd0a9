//! Azure DevOps: entering the organization, the refusals of tokens, and writing to variable groups and service
//! connections.

use crate::advice::row::Answer::{Code, Other, Says, SignInPage, Silent, Status};
use crate::advice::row::{Group, NO_PAT, REPORT_IT, Row, Service};

const NOT_TAKEN: &str = "the token was rejected";
const LOOK_THERE: &str = "Open the organization in a browser as {user}: what stops the token shows there.";
const NOT_ASKED_FOR: &str = "Report it: nothing here asks for that.";

pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Azure DevOps: entering the organization",
        service: Some(Service::AzureDevOps),
        rows: &[
            // Documented, where service principals are added to an organization.
            Row::new(
                &[Code("TF401444")],
                "the user has never been there",
                "Let {user} sign in to the organization once with a browser.",
            ),
            // Seen in others' reports, as the next two.
            Row::new(
                &[Says("Service principals are not allowed")],
                "the token acts for an app, and only a user may",
                "Give `refreshTokenSecret`, the refresh token of a user: the pipeline's own identity cannot do it.",
            ),
            Row::new(&[Says("The requested operation is not allowed")], "a personal access token called", NO_PAT),
            Row::new(
                &[Code("VS403463")],
                "the organization applies Conditional Access",
                "Ask an Entra administrator to exclude {user} from the Conditional Access policy that the user's \
                 sign-in log names.",
            ),
            // Nobody's name: the token says nothing to it (Azure/azure-cli#24108).
            Row::new(
                &[Says("The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is"), Says("for anonymous access")],
                "the token was rejected, or a Conditional Access policy blocks the agent's address",
                "Check the sign-in log of {user} in Entra for a Conditional Access policy that blocks the agent's address; \
                 if it shows none, sign in again.",
            ),
            Row::new(&[Says("The user '' is not authorized"), SignInPage], NOT_TAKEN, LOOK_THERE),
            Row::new(
                &[Code("TF400813")],
                "the user may not enter",
                "Add {user} to the organization (Organization settings > Users).",
            ),
            Row::new(&[Status(401)], NOT_TAKEN, LOOK_THERE),
            Row::new(
                &[Status(403)],
                "a right is missing, or a policy forbids it",
                "Ask a Project Collection Administrator which policy stops {user} (Organization settings > Policies).",
            ),
            Row::new(
                &[Status(404)],
                "no such organization, or none that the user can see",
                "Check `organization`: the service knows none of that name, or none that the user can see.",
            ),
            Row::new(
                &[Code("TF400733"), Status(429)],
                "too many requests by that user or pipeline",
                "Run again later: the limit counts what was asked in five minutes.",
            ),
        ],
    },
    // The words are documented, their meanings are not: inferred from the names and from the pages on policies.
    Group {
        title: "Azure DevOps: the new token (`patTokenError`)",
        service: Some(Service::AzureDevOps),
        rows: &[
            Row::new(
                &[Code("disablePatCreationPolicyViolation")],
                "the organization restricts new tokens",
                "Ask a Project Collection Administrator to put {user} on the allowlist of \"Restrict personal access \
                 token creation\".",
            ),
            Row::new(
                &[Code("fullScopePatPolicyViolation")],
                "the tenant forbids full scope",
                "Name the `scopes` needed in place of `app_token`: the tenant's policy \"Restrict full-scoped personal \
                 access token creation\" forbids it.",
            ),
            Row::new(
                &[Code("patLifespanPolicyViolation")],
                "the tenant limits the lifetime",
                "Lower `validForDays` to what the tenant's policy \"Enforce maximum personal access token lifespan\" \
                 allows.",
            ),
            Row::new(&[Code("invalidValidTo")], "the end is too late, or past", "Lower `validForDays`."),
            Row::new(
                &[Code("invalidScope")],
                "a scope is not known",
                "Correct `scopes`: the service does not know one of them.",
            ),
            Row::new(
                &[Code("displayNameRequired"), Code("invalidDisplayName")],
                "the name is not accepted",
                "Choose another `patName`.",
            ),
            Row::new(
                &[
                    Code("accessDenied"),
                    Code("userIdRequired"),
                    Code("invalidUserId"),
                    Code("invalidUserType"),
                    Code("invalidSubject"),
                ],
                "the caller is no ordinary user",
                "Sign in as an ordinary user who is a member of the organization.",
            ),
            Row::new(
                &[Code("invalidClient"), Code("invalidClientType"), Code("invalidClientId")],
                "the app that the user signed in to is not accepted",
                "Let {user} sign in to an app registration of your own tenant, and name it with `clientId`.",
            ),
            Row::new(
                &[Code("invalidTokenType"), Code("invalidAudience")],
                "the access token is not one for this",
                "Sign in for Azure DevOps: leave `requestedScopes` empty.",
            ),
            Row::new(
                &[Code("invalidSourceIP"), Code("invalidSource"), Code("sourceNotSupported")],
                "tokens are not given to callers from there",
                "Use an agent at an address that the organization's policies allow.",
            ),
            Row::new(
                &[Code("invalidTargetAccounts"), Code("deploymentHostNotSupported")],
                "the organization cannot be a token's place",
                "Check `organization`.",
            ),
            Row::new(
                &[
                    Code("tokenNotFound"),
                    Code("invalidToken"),
                    Code("invalidAuthorizationId"),
                    Code("authorizationNotFound"),
                    Code("hostAuthorizationNotFound"),
                    Code("expiredPatCannotBeExtended"),
                ],
                "the token has ended or was revoked meanwhile",
                "Run again: the next run works with the tokens that are there.",
            ),
            Row::new(
                &[
                    Code("failedToIssueAccessToken"),
                    Code("failedToUpdateAccessToken"),
                    Code("failedToReadTenantPolicy"),
                    Code("failedToReadOrgPolicy"),
                    Code("duplicateHash"),
                ],
                "the service failed",
                "Run again: the service could not do it at the moment.",
            ),
            Row::new(
                &[Code("globalPatPolicyViolation"), Code("globalPATCreationBlocked"), Code("sshPolicyDisabled")],
                "tokens for all organizations, or SSH keys, are forbidden",
                NOT_ASKED_FOR,
            ),
            Row::new(
                &[Status(200)],
                "a reason that is not known here",
                "Look among the policies of the organization and of its tenant for the one that the word names.",
            ),
        ],
    },
    Group {
        title: "Variable groups and service connections",
        service: Some(Service::Places),
        rows: &[
            Row::new(
                &[Status(401), SignInPage],
                "the identity is not known there",
                "Make {writer} a member of the pipeline's organization, and give it {role}.",
            ),
            Row::new(&[Status(403)], "the identity may not write it", "Give {writer} {role}."),
            Row::new(
                &[Status(404)],
                "no such project, or none that the identity sees",
                "Check the project's name; if it exists, {writer} must be a member of it, and a job's own identity also \
                 needs \"Limit job authorization scope to current project\" to be off.",
            ),
            Row::new(
                &[Status(429)],
                "too many requests by that identity",
                "Run again later: the limit counts what was asked in five minutes.",
            ),
            Row::new(&[Silent], "the service does not say why", REPORT_IT),
            Row::new(
                &[Other],
                "what its message says",
                "Fix the problem in the message above, in the group or the connection.",
            ),
        ],
    },
    // That administrators alone may is documented; which of the two statuses others get is inferred.
    Group {
        title: "Azure DevOps: the report of an organization",
        service: Some(Service::Administration),
        rows: &[
            Row::new(
                &[Says("Service principals are not allowed")],
                "the token acts for an app, and only a user may",
                "Give `refreshTokenSecret`, the refresh token of a user who is a Project Collection Administrator.",
            ),
            Row::new(
                &[Code("TF401444")],
                "the account has never been there",
                "Let the account sign in to the organization once with a browser.",
            ),
            Row::new(
                &[Status(401), SignInPage],
                "the account is not known there, or its token lacks a scope",
                "Sign in as a Project Collection Administrator, to an app that was granted the delegated permissions \
                 `vso.graph` and `vso.tokenadministration`.",
            ),
            Row::new(
                &[Status(403)],
                "the account is no administrator",
                "Make the account a member of Project Collection Administrators (Organization settings > Permissions), \
                 or set `reportScope: own`.",
            ),
            Row::new(
                &[Status(404)],
                "no such organization, or none that the account can see",
                "Check `organization`: the service knows none of that name, or none that the account can see.",
            ),
            Row::new(
                &[Status(429)],
                "too many requests by that account",
                "Run again later: the limit counts what was asked in five minutes.",
            ),
        ],
    },
];
