//! Azure DevOps: entering the organization, the refusals of tokens, and writing to variable groups and service
//! connections.

use crate::advice::row::Answer::{Code, Other, Says, SignInPage, Silent, Status};
use crate::advice::row::{Group, NO_PAT, REPORT_IT, Row, Service};

const REJECTED: &str = "the token was rejected";
const OPEN_IN_BROWSER: &str = "Open the organization in a browser as {user}: the browser shows what blocks the token.";
const NEVER_REQUESTED: &str = "Report it: this task never requests that.";

pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Azure DevOps: entering the organization",
        service: Some(Service::AzureDevOps),
        rows: &[
            // Documented, where service principals are added to an organization.
            Row::new(
                &[Code("TF401444")],
                "the user has never signed in to the organization",
                "Let {user} sign in to the organization once with a browser.",
            ),
            // Seen in others' reports, as the next two.
            Row::new(
                &[Says("Service principals are not allowed")],
                "the token acts for an app, and only users are accepted",
                "Give `refreshTokenSecret`, the refresh token of a user: the pipeline's own identity cannot manage \
                 tokens.",
            ),
            Row::new(
                &[Says("The requested operation is not allowed")],
                "the request used a personal access token",
                NO_PAT,
            ),
            Row::new(
                &[Code("VS403463")],
                "the organization applies Conditional Access",
                "Ask an Entra administrator to exclude {user} from the Conditional Access policy that the user's \
                 sign-in log names.",
            ),
            // The id of the anonymous user: the service did not recognize the token (Azure/azure-cli#24108).
            Row::new(
                &[Says("The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is"), Says("for anonymous access")],
                "the token was rejected, or a Conditional Access policy blocks the agent's address",
                "Check the sign-in log of {user} in Entra for a Conditional Access policy that blocks the agent's \
                 address; if it shows none, sign in again.",
            ),
            Row::new(&[Says("The user '' is not authorized"), SignInPage], REJECTED, OPEN_IN_BROWSER),
            Row::new(
                &[Code("TF400813")],
                "the user has no access to the organization",
                "Add {user} to the organization (Organization settings > Users).",
            ),
            Row::new(&[Status(401)], REJECTED, OPEN_IN_BROWSER),
            Row::new(
                &[Status(403)],
                "a permission is missing, or a policy forbids the request",
                "Ask a Project Collection Administrator which policy blocks {user} (Organization settings > Policies).",
            ),
            Row::new(
                &[Status(404)],
                "the organization does not exist, or the user cannot see it",
                "Check `organization`: no organization of that name exists, or the user cannot see it.",
            ),
            Row::new(
                &[Code("TF400733"), Status(429)],
                "too many requests by that user or pipeline",
                "Run again later: the rate limit counts the requests of the last five minutes.",
            ),
        ],
    },
    // The codes are documented, their meanings are not: inferred from the names and from the pages on policies.
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
                "Replace `app_token` in `scopes` by the scopes needed: the tenant's policy \"Restrict full-scoped \
                 personal access token creation\" forbids it.",
            ),
            Row::new(
                &[Code("patLifespanPolicyViolation")],
                "the tenant limits the lifetime",
                "Lower `validForDays` to what the tenant's policy \"Enforce maximum personal access token lifespan\" \
                 allows.",
            ),
            Row::new(&[Code("invalidValidTo")], "the expiry date is too late, or in the past", "Lower `validForDays`."),
            Row::new(
                &[Code("invalidScope")],
                "a scope is unknown",
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
                "the caller is not an ordinary user",
                "Sign in as an ordinary user who is a member of the organization.",
            ),
            Row::new(
                &[Code("invalidClient"), Code("invalidClientType"), Code("invalidClientId")],
                "the app that the user signed in to is not accepted",
                "Let {user} sign in to an app registration of your own tenant, and set `clientId` to its id.",
            ),
            Row::new(
                &[Code("invalidTokenType"), Code("invalidAudience")],
                "the access token is of the wrong kind",
                "Sign in for Azure DevOps: leave `requestedScopes` empty.",
            ),
            Row::new(
                &[Code("invalidSourceIP"), Code("invalidSource"), Code("sourceNotSupported")],
                "tokens are not issued to callers at that address",
                "Use an agent at an address that the organization's policies allow.",
            ),
            Row::new(
                &[Code("invalidTargetAccounts"), Code("deploymentHostNotSupported")],
                "the organization cannot be the target of a token",
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
                "the token has expired or was revoked",
                "Run again: the next run uses the tokens that exist by then.",
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
                "Run again: the service failed to complete the request.",
            ),
            Row::new(
                &[Code("globalPatPolicyViolation"), Code("globalPATCreationBlocked"), Code("sshPolicyDisabled")],
                "tokens for all organizations, or SSH keys, are forbidden",
                NEVER_REQUESTED,
            ),
            Row::new(
                &[Status(200)],
                "a reason that this task does not know",
                "Check the policies of the organization and of its tenant for the one that the code names.",
            ),
        ],
    },
    Group {
        title: "Variable groups and service connections",
        service: Some(Service::Places),
        rows: &[
            Row::new(
                &[Status(401), SignInPage],
                "the organization does not know the identity",
                "Make {writer} a member of the pipeline's organization, and give it {role}.",
            ),
            Row::new(&[Status(403)], "the identity lacks write permission", "Give {writer} {role}."),
            Row::new(
                &[Status(404)],
                "the project does not exist, or the identity cannot see it",
                "Check the project's name; if it exists, {writer} must be a member of it, and a job's own identity \
                 also needs \"Limit job authorization scope to current project\" to be off.",
            ),
            Row::new(
                &[Status(429)],
                "too many requests by that identity",
                "Run again later: the rate limit counts the requests of the last five minutes.",
            ),
            Row::new(&[Silent], "the service gives no reason", REPORT_IT),
            Row::new(
                &[Other],
                "the reason is in the message",
                "Fix the problem in the message above, in the group or the connection.",
            ),
        ],
    },
    // Documented: only administrators have access. Inferred: which of the two statuses others get.
    Group {
        title: "Azure DevOps: the report of an organization",
        service: Some(Service::Administration),
        rows: &[
            Row::new(
                &[Says("Service principals are not allowed")],
                "the token acts for an app, and only users are accepted",
                "Give `refreshTokenSecret`, the refresh token of a user who is a Project Collection Administrator.",
            ),
            Row::new(
                &[Code("TF401444")],
                "the account has never signed in to the organization",
                "Let the account sign in to the organization once with a browser.",
            ),
            Row::new(
                &[Status(401), SignInPage],
                "the organization does not know the account, or the token lacks a scope",
                "Sign in as a Project Collection Administrator, to an app that was granted the delegated permissions \
                 `vso.graph` and `vso.tokenadministration`.",
            ),
            Row::new(
                &[Status(403)],
                "the account is not an administrator",
                "Make the account a member of Project Collection Administrators (Organization settings > Permissions), \
                 or set `reportScope: own`.",
            ),
            Row::new(
                &[Status(404)],
                "the organization does not exist, or the account cannot see it",
                "Check `organization`: no organization of that name exists, or the account cannot see it.",
            ),
            Row::new(
                &[Status(429)],
                "too many requests by that account",
                "Run again later: the rate limit counts the requests of the last five minutes.",
            ),
        ],
    },
];
