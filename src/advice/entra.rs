//! Microsoft Entra's numbers, by what they are about. Documented, with their names:
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
//! The OAuth error words are for responses without a number.

use crate::advice::row::Answer::{Busy, Code, Other, Silent};
use crate::advice::row::{Group, REPORT_IT, Row, SIGN_IN_AGAIN, Service};
use crate::model::api_error::By::{AgentUser, Browser, DeviceCode, Password, RefreshToken};

const NO_PASSWORD: &str = "Use `refreshTokenSecret` in place of `password`.";
const CONSENT: &str = "Grant the app the delegated permissions `vso.pats` and `vso.pats_manage`, with admin consent.";
const PUBLIC_FLOWS: &str = "Turn on \"Allow public client flows\" for the app of `clientId` (Authentication).";

const fn entra(title: &'static str, rows: &'static [Row]) -> Group {
    Group { title, service: Some(Service::Entra), rows }
}

pub(super) const GROUPS: &[Group] = &[
    entra(
        "Entra: the refresh token",
        &[
            Row::new(
                &[Code("AADSTS700082"), Code("AADSTS70008")],
                "the token was not used for 90 days, or has expired",
                SIGN_IN_AGAIN,
            ),
            Row::new(
                &[Code("AADSTS50173"), Code("AADSTS50132"), Code("AADSTS50133")],
                "the token was revoked: the password was changed, or an administrator revoked the sessions",
                SIGN_IN_AGAIN,
            ),
            Row::new(
                &[Code("AADSTS70000")],
                "the value is not a refresh token, or the token belongs to another app",
                "Let the rotating user sign in again to the app that this pipeline uses: `rotate-pat sign-in` with \
                 that app's `--client-id`.",
            )
            .by(&[RefreshToken]),
            Row::new(&[Code("invalid_grant")], "the refresh token was rejected", SIGN_IN_AGAIN).by(&[RefreshToken]),
            Row::new(
                &[Code("AADSTS700084")],
                "the token was issued to a single-page app, and expired after 24 hours",
                "Move the app's redirect URI to the platform \"Mobile and desktop applications\", and sign in again.",
            ),
            Row::new(
                &[Code("AADSTS70043")],
                "a policy requires the user to sign in more often",
                "Ask an Entra administrator to exclude the rotating user from the sign-in frequency of Conditional \
                 Access, and sign in again.",
            ),
        ],
    ),
    entra(
        "Entra: the second factor",
        &[
            Row::new(
                &[
                    Code("AADSTS50072"),
                    Code("AADSTS50074"),
                    Code("AADSTS50076"),
                    Code("AADSTS50078"),
                    Code("AADSTS50079"),
                    Code("AADSTS530035"),
                ],
                "the account requires a second factor, and a password is only one",
                NO_PASSWORD,
            )
            .by(&[Password]),
            Row::new(
                &[
                    Code("AADSTS50072"),
                    Code("AADSTS50074"),
                    Code("AADSTS50076"),
                    Code("AADSTS50078"),
                    Code("AADSTS50079"),
                    Code("interaction_required"),
                ],
                "the second factor is required, perhaps again",
                "Let the rotating user sign in again, with the second factor: `rotate-pat sign-in` on a workstation.",
            ),
        ],
    ),
    entra(
        "Entra: Conditional Access and security defaults",
        &[
            Row::new(
                &[
                    Code("AADSTS53003"),
                    Code("AADSTS530032"),
                    Code("AADSTS530035"),
                    Code("AADSTS53000"),
                    Code("AADSTS53001"),
                    Code("AADSTS53002"),
                    Code("AADSTS50097"),
                ],
                "a policy blocks signing in with a device code",
                "Sign in with `rotate-pat sign-in` on a workstation: it uses a browser instead of a code.",
            )
            .by(&[DeviceCode]),
            Row::new(
                &[Code("AADSTS53003"), Code("AADSTS530032")],
                "a policy blocks the sign-in from this workstation",
                "Sign in from a workstation that the Conditional Access policy allows.",
            )
            .by(&[Browser]),
            Row::new(
                &[Code("AADSTS53003"), Code("AADSTS530032")],
                "a policy blocks the sign-in, most often by location",
                "Ask an Entra administrator to let the rotating user in from the agent's address: the user's sign-in \
                 log names the Conditional Access policy.",
            ),
            Row::new(
                &[Code("AADSTS53000"), Code("AADSTS53001"), Code("AADSTS53002"), Code("AADSTS50097")],
                "a policy requires a managed device or an approved app",
                "Ask an Entra administrator to exclude the rotating user from that Conditional Access policy: an \
                 agent is not a managed device.",
            ),
            Row::new(
                &[Code("AADSTS530035")],
                "security defaults block the sign-in",
                "Let the rotating user sign in with `rotate-pat sign-in` on a workstation, with the second factor.",
            ),
        ],
    ),
    entra(
        "Entra: the user's account",
        &[
            Row::new(
                &[Code("AADSTS50034")],
                "the tenant has no such user",
                "Correct `userName`: the organization's tenant has no such user.",
            )
            .by(&[Password, AgentUser]),
            Row::new(
                &[Code("AADSTS50034")],
                "the user no longer exists",
                "Choose another rotating user, and let that one sign in: `rotate-pat sign-in` on a workstation.",
            ),
            Row::new(
                &[Code("AADSTS50020")],
                "the user does not belong to that tenant",
                "Invite the rotating user into the organization's tenant.",
            ),
            Row::new(
                &[Code("AADSTS50053")],
                "the account is locked, or the address is blocked",
                "Check the rotating user's sign-in log for what locked the account, and run again only after the lock \
                 ends.",
            ),
            Row::new(
                &[Code("AADSTS50055")],
                "the password has expired",
                "Sign in with a browser as the rotating user, change the password, and put the new password into \
                 `password`.",
            ),
            Row::new(&[Code("AADSTS50056")], "the account has no password in Entra", NO_PASSWORD),
            Row::new(&[Code("AADSTS50057")], "the account is disabled", "Enable the rotating user's account in Entra."),
            Row::new(
                &[Code("AADSTS50105")],
                "the user is not assigned to the app",
                "Assign the rotating user to the app (Enterprise applications > Users and groups).",
            ),
            Row::new(
                &[Code("AADSTS50126")],
                "wrong user name or password",
                "Correct `userName` and `password` before the next run: repeated failures lock the account.",
            ),
        ],
    ),
    entra(
        "Entra: consent",
        &[
            Row::new(
                &[
                    Code("AADSTS65001"),
                    Code("AADSTS90094"),
                    Code("AADSTS650056"),
                    Code("AADSTS650057"),
                    Code("consent_required"),
                ],
                "nobody has consented to the app's permissions",
                CONSENT,
            ),
            Row::new(
                &[Code("AADSTS65002")],
                "`clientId` is one of Microsoft's own apps",
                "Register your own app, and set `clientId` to its id.",
            ),
            Row::new(
                &[Code("AADSTS65004"), Code("authorization_declined")],
                "the user declined",
                "Sign in again, and accept the app's request.",
            ),
        ],
    ),
    entra(
        "Entra: the app",
        &[
            Row::new(
                &[Code("AADSTS700016")],
                "the app is not registered in the tenant",
                "Check `clientId` and `tenantId`: the app must be registered in the tenant that the message names.",
            ),
            // Recorded beside `unauthorized_client`.
            Row::new(
                &[Code("AADSTS700038")],
                "the value given as the app is not an application id",
                "Correct `clientId`: it must be the app's application (client) id, and so must the service \
                 connection's.",
            ),
            Row::new(
                &[Code("AADSTS7000112"), Code("AADSTS70001")],
                "the app is disabled",
                "Enable the app in the tenant (Enterprise applications > Properties > Enabled for users to sign-in).",
            ),
            Row::new(
                &[Code("AADSTS7000215")],
                "wrong client secret: often the secret's id instead of its value",
                "Put the value of a client secret, not its id, into the service connection.",
            ),
            Row::new(
                &[Code("AADSTS7000222")],
                "the client secret has expired",
                "Put a new client secret of the app into the service connection.",
            ),
            Row::new(
                &[Code("AADSTS700027")],
                "the certificate is not registered with the app, or has expired",
                "Put a certificate that is registered with the app, and valid, into the service connection.",
            ),
            Row::new(
                &[Code("AADSTS700024")],
                "the app's assertion was not valid at that time",
                "Correct the clock of the agent's machine.",
            ),
            Row::new(&[Code("AADSTS7000218")], "the app requires a credential, which a user cannot send", PUBLIC_FLOWS)
                .by(&[DeviceCode, Password]),
            Row::new(
                &[Code("AADSTS7000218")],
                "the app's redirect URI is of the platform \"Web\"",
                "Sign in with `--bound`, or move the redirect URI to the platform \"Mobile and desktop applications\".",
            )
            .by(&[Browser]),
            Row::new(
                &[Code("AADSTS700025")],
                "the redirect URI is a public client's, and its tokens cannot be bound",
                "Move the app's redirect URI to the platform \"Web\", and leave it no other one.",
            )
            .by(&[Browser]),
            Row::new(
                &[Code("AADSTS7000218")],
                "the app of the refresh token requires its own credential",
                "Set `clientId` to a public client, or to the service connection's own app, and sign in to that app.",
            ),
            Row::new(
                &[Code("AADSTS700025")],
                "the app is a public client, but a credential was sent",
                "Turn off \"Allow public client flows\" for the service connection's app: it must use its credential.",
            ),
            Row::new(
                &[Code("invalid_client"), Code("unauthorized_client")],
                "the app or its credential was rejected",
                "Check the app of the service connection and its credential in Entra.",
            ),
        ],
    ),
    entra(
        "Entra: workload identity federation",
        &[
            Row::new(
                &[
                    Code("AADSTS70021"),
                    Code("AADSTS700211"),
                    Code("AADSTS700212"),
                    Code("AADSTS700213"),
                    Code("AADSTS70025"),
                ],
                "no federated credential of the app matches",
                "Copy the issuer and subject of the service connection into a federated credential of the app.",
            ),
            Row::new(
                &[Code("AADSTS700223"), Code("AADSTS700238")],
                "a policy of the tenant forbids or restricts federation",
                "Ask an Entra administrator to allow federated credentials with the service connection's issuer.",
            ),
            Row::new(
                &[Code("AADSTS700229")],
                "only an app-only token can be used as the assertion",
                "Use a service connection with workload identity federation or a managed identity.",
            ),
        ],
    ),
    entra(
        "Entra: scope, tenant, cloud",
        &[
            Row::new(
                &[Code("AADSTS70011"), Code("invalid_scope")],
                "the scope is invalid",
                "Correct `requestedScopes`, or leave it empty.",
            ),
            Row::new(
                &[Code("AADSTS500011"), Code("invalid_resource")],
                "the service is unknown in the tenant",
                "Correct the service in `requestedScopes`, or leave it empty.",
            ),
            Row::new(
                &[Code("AADSTS90002"), Code("invalid_tenant")],
                "the tenant does not exist",
                "Correct `tenantId`, or the tenant of the service connection.",
            ),
            // The number is not in the published list.
            Row::new(
                &[Code("AADSTS70052")],
                "the app is not for users of several tenants",
                "Register an app in the organization's tenant, and set `clientId` to its id.",
            ),
            Row::new(
                &[Code("AADSTS900382"), Code("AADSTS900432")],
                "the app and the tenant are in different clouds",
                "Use an app of the public cloud, where Azure DevOps users sign in, and set `clientId` to its id.",
            ),
        ],
    ),
    entra(
        "Entra: the code of `command: signIn`",
        &[Row::new(
            &[
                Code("AADSTS70018"),
                Code("AADSTS70019"),
                Code("AADSTS70016"),
                Code("expired_token"),
                Code("bad_verification_code"),
            ],
            "the code has expired, or was not entered",
            "Run `command: signIn` again, and enter the new code at once.",
        )],
    ),
    entra(
        "Entra: the service",
        &[
            Row::new(
                &[Code("AADSTS50196")],
                "the same request was sent too often, which looks like a loop",
                "Wait some minutes, and let fewer jobs sign in at once.",
            ),
            // The first three: Entra could not reach the service that validates the assertion
            // (azure-workload-identity#642, #605).
            Row::new(
                &[
                    Code("AADSTS50166"),
                    Code("AADSTS501661"),
                    Code("AADSTS90061"),
                    Code("AADSTS90006"),
                    Code("AADSTS90012"),
                    Code("AADSTS90024"),
                    Code("AADSTS90033"),
                    Code("AADSTS90055"),
                    Code("temporarily_unavailable"),
                    Busy,
                ],
                "Entra is temporarily unavailable",
                "Run again later.",
            ),
            Row::new(&[Silent], "Entra gives no reason", REPORT_IT),
            Row::new(
                &[Other],
                "the reason is in the message",
                "Fix the problem in the message above; https://login.microsoftonline.com/error explains its number.",
            ),
        ],
    ),
];
