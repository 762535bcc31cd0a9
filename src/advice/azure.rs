//! Key Vault, the endpoints that a service connection signs in with, and what any service may answer.

use crate::advice::row::Answer::{
    Busy, Code, NoAnswer, NoConnection, Other, Says, SignInPage, Silent, Status, Unclear,
};
use crate::advice::row::{Group, REPORT_IT, Row, SIGN_IN_AGAIN, Service};

pub(super) const SIGNING_IN: &[Group] = &[
    Group {
        title: "The pipeline's OIDC endpoint",
        service: Some(Service::Oidc),
        rows: &[
            Row::new(
                &[Status(401), SignInPage],
                "the job's own token was rejected, or has expired",
                "Run the pipeline again: a new job gets a new token.",
            ),
            // Inferred: the words differ, the statuses were seen.
            Row::new(
                &[Status(403)],
                "the pipeline may not use the service connection",
                "Authorize this pipeline for the service connection (Project settings > Service connections > \
                 Security).",
            ),
            // Seen in others' reports (dotnet/docker-tools#2012).
            Row::new(
                &[Says("no explicit reference to service connection")],
                "the stage does not refer to the service connection",
                "Set this step's `azureSubscription` to the literal name of the service connection, without a \
                 variable.",
            ),
            Row::new(
                &[Says("has been disabled"), Code("ServiceEndpointNotFoundException")],
                "the service connection was deleted, or disabled (as happens after 100 days without use)",
                "Enable the service connection (Project settings > Service connections), or name another one in \
                 `serviceConnection`.",
            ),
        ],
    },
    Group {
        title: "A managed identity",
        service: Some(Service::ManagedIdentity),
        rows: &[
            Row::new(
                &[Says("Identity not found")],
                "the machine does not have that identity",
                "Assign the managed identity that the service connection names to the machine of the agent.",
            ),
            Row::new(
                &[Says("Multiple user assigned identities")],
                "the machine has several identities, and the service connection names none of them",
                "Name the identity's client id in the service connection.",
            ),
            Row::new(
                &[Status(401)],
                "`IDENTITY_HEADER` does not belong to this App Service",
                "Restart the agent, so that it starts with the current `IDENTITY_HEADER`.",
            ),
            Row::new(
                &[Status(404), SignInPage, NoConnection, NoAnswer],
                "the machine does not issue managed identity tokens",
                "Run the job on an agent of your own in Azure whose machine has that identity: Microsoft-hosted \
                 agents have none.",
            ),
            Row::new(&[Status(410)], "the machine's metadata service is being updated", "Run again in a minute."),
            Row::new(
                &[Status(400), Other],
                "the reason is in the message",
                "Check which managed identity the service connection names, and that the agent's machine has it.",
            ),
        ],
    },
];

pub(super) const VAULT_AND_ANY: &[Group] = &[
    Group {
        title: "Azure Key Vault",
        service: Some(Service::KeyVault),
        rows: &[
            Row::new(
                &[Code("ForbiddenByFirewall"), Says("Client address is not authorized")],
                "the vault's firewall blocks the agent",
                "Allow the agent's address in the vault's firewall (Networking).",
            ),
            Row::new(
                &[Code("ForbiddenByConnection"), Says("Public network access is disabled")],
                "the vault accepts only private connections",
                "Use a self-hosted agent in a network that is connected to the vault: Microsoft-hosted agents are not.",
            ),
            Row::new(
                &[Code("ForbiddenByRbac")],
                "the app has no role on the vault",
                "Give the service connection's app the role Key Vault Secrets Officer on the vault.",
            ),
            // Seen in others' reports: the first for vaults with access policies.
            Row::new(
                &[Code("AccessDenied"), Code("ForbiddenByPolicy")],
                "the app has no access policy in the vault",
                "Give the service connection's app an access policy for secrets: get, list and set.",
            ),
            Row::new(
                &[Code("SecretDisabled")],
                "the current version is disabled",
                "Enable the secret's current version, or write a new one.",
            ),
            // Inferred: the words are those of Azure Resource Manager.
            Row::new(
                &[Code("RequestDisallowedByPolicy"), Says("disallowed by policy")],
                "an Azure Policy denies it",
                "Ask the owner of the Azure Policy named in the message to exempt the vault, or to allow secrets that \
                 expire as late as this one.",
            ),
            Row::new(
                &[Status(403)],
                "the app lacks a permission",
                "Give the service connection's app the role Key Vault Secrets Officer on the vault, unless the \
                 message names another cause.",
            ),
            Row::new(
                &[Status(400)],
                "a value exceeds a limit of the vault",
                "Correct the value named in the message: a secret can have at most 15 tags, for example.",
            ),
            Row::new(
                &[Status(401)],
                "the vault does not accept tokens of the app's tenant",
                "Use a service connection whose app is in the vault's tenant.",
            ),
            Row::new(
                &[Status(404)],
                "the secret or version does not exist",
                "Check the secret's name: the vault has no secret of that name.",
            ),
            Row::new(
                &[Status(409)],
                "a deleted secret still has that name",
                "Recover or purge the deleted secret of that name.",
            ),
            Row::new(
                &[Status(429)],
                "too many requests to the vault",
                "Run again later: the vault is receiving too many requests.",
            ),
            Row::new(
                &[NoConnection],
                "the vault does not exist, or cannot be reached",
                "Check the vault's name, and that the agent's network reaches it.",
            ),
        ],
    },
    Group {
        title: "Any service",
        service: None,
        rows: &[
            Row::new(
                &[NoConnection],
                "the network, a proxy or a firewall blocks the connection",
                "Let the agent reach the service: check its network, proxy and firewall.",
            ),
            Row::new(&[NoAnswer], "the response was lost, or did not arrive in time", "Run again."),
            // Recorded. Listed here because it is the same for every caller.
            Row::new(
                &[Code("TF24668")],
                "the organization was stopped, most often because it was not used for a long time",
                "Ask an administrator of the organization to reactivate it.",
            ),
            // Documented: continuous access evaluation. The token is valid but no longer sufficient.
            Row::new(
                &[Code("insufficient_claims")],
                "the sign-in was revoked, or its conditions have changed",
                SIGN_IN_AGAIN,
            ),
            Row::new(&[Busy], "the service is temporarily unavailable", "Run again later."),
            Row::new(
                &[SignInPage],
                "something other than the service answered",
                "Let the agent reach the service directly, without a sign-in page of a proxy or network.",
            ),
            Row::new(
                &[Unclear],
                "the service sent an undocumented response",
                "Report it with the activity id if the next run fails the same way.",
            ),
            Row::new(&[Silent], "the service gives no reason", REPORT_IT),
            Row::new(&[Other], "the reason is in the message", "Fix the problem in the message above."),
        ],
    },
];
