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
                "the job's own token is not taken, or has ended",
                "Run the pipeline again: a new job gets a new token.",
            ),
            // Inferred: the words differ, the statuses were seen.
            Row::new(
                &[Status(403)],
                "the pipeline may not use the service connection",
                "Authorize this pipeline for the service connection (Project settings > Service connections > Security).",
            ),
            // Seen in others' reports (dotnet/docker-tools#2012).
            Row::new(
                &[Says("no explicit reference to service connection")],
                "the stage does not refer to the service connection",
                "Write the service connection's own name into `azureSubscription` of this step, with no variable in it.",
            ),
            Row::new(
                &[Says("has been disabled"), Code("ServiceEndpointNotFoundException")],
                "the service connection is deleted, or disabled as after 100 days without use",
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
                "the machine has several identities, and none is named",
                "Name the identity's client id in the service connection.",
            ),
            Row::new(
                &[Status(401)],
                "`IDENTITY_HEADER` is not the one of this App Service",
                "Restart the agent, so that it starts with the current `IDENTITY_HEADER`.",
            ),
            Row::new(
                &[Status(404), SignInPage, NoConnection, NoAnswer],
                "the machine hands out no tokens of a managed identity",
                "Run the job on an agent of your own in Azure whose machine has that identity: Microsoft-hosted agents have none.",
            ),
            Row::new(&[Status(410)], "the machine's metadata service is being updated", "Run again in a minute."),
            Row::new(
                &[Status(400), Other],
                "what its message says",
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
                "the vault's firewall keeps the agent out",
                "Allow the agent's address in the vault's firewall (Networking).",
            ),
            Row::new(
                &[Code("ForbiddenByConnection"), Says("Public network access is disabled")],
                "the vault takes private connections only",
                "Use a self-hosted agent in a network that is connected to the vault: hosted agents are in none.",
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
                "Ask who assigned the Azure Policy that the message names to exempt the vault, or to allow secrets that expire as late as this one.",
            ),
            Row::new(
                &[Status(403)],
                "the app may not do this",
                "Give the service connection's app the role Key Vault Secrets Officer on the vault, unless the message names another cause.",
            ),
            Row::new(
                &[Status(400)],
                "a value is over a limit of the vault",
                "Correct what the message names: a secret can have 15 tags, for instance.",
            ),
            Row::new(
                &[Status(401)],
                "the vault does not take tokens of the app's tenant",
                "Use a service connection whose app is in the vault's tenant.",
            ),
            Row::new(
                &[Status(404)],
                "no such secret or version",
                "Check the secret's name: the vault has none like it.",
            ),
            Row::new(
                &[Status(409)],
                "a deleted secret still has that name",
                "Recover or purge the deleted secret of that name.",
            ),
            Row::new(
                &[Status(429)],
                "too many requests to the vault",
                "Run again later: others ask this vault too much at the moment.",
            ),
            Row::new(
                &[NoConnection],
                "there is no such vault, or no way to it",
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
                "something on the way lets nothing through",
                "Let the agent reach the service: look at its network, proxy and firewall.",
            ),
            Row::new(&[NoAnswer], "the answer was lost, or did not come in time", "Run again."),
            // Recorded. It stands here as it is the same for whoever asks.
            Row::new(
                &[Code("TF24668")],
                "the organization is stopped, most often as nobody used it for long",
                "Ask an administrator of the organization to reactivate it.",
            ),
            // Documented: continuous access evaluation. The token is good and no longer enough.
            Row::new(
                &[Code("insufficient_claims")],
                "the sign-in was revoked, or its conditions have changed",
                SIGN_IN_AGAIN,
            ),
            Row::new(&[Busy], "the service cannot at the moment", "Run again later."),
            Row::new(
                &[SignInPage],
                "something else answered than the service",
                "Let the agent reach the service with no page of a proxy or network in between.",
            ),
            Row::new(
                &[Unclear],
                "the service answered what it does not document",
                "Report it with the activity id if it stays so in the next run.",
            ),
            Row::new(&[Silent], "the service does not say why", REPORT_IT),
            Row::new(&[Other], "what its message says", "Fix the problem in the message above."),
        ],
    },
];
