//! Microsoft Entra's numbers, by what they are about. Documented, with their names:
//! <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
//! The words without a number are for answers that carry none.

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
                "nobody used it for 90 days, or it has ended",
                SIGN_IN_AGAIN,
            ),
            Row::new(
                &[Code("AADSTS50173"), Code("AADSTS50132"), Code("AADSTS50133")],
                "it was revoked: the password was changed, or an administrator ended the sessions",
                SIGN_IN_AGAIN,
            ),
            Row::new(
                &[Code("AADSTS70000")],
                "it is none, or one of another app",
                "Let the rotating user sign in again to the app that this pipeline uses: `rotate-pat sign-in` with that \
                 app's `--client-id`.",
            )
            .by(&[RefreshToken]),
            Row::new(&[Code("invalid_grant")], "it is not taken", SIGN_IN_AGAIN).by(&[RefreshToken]),
            Row::new(
                &[Code("AADSTS700084")],
                "it is for a single-page app, and ended after 24 hours",
                "Move the app's redirect URI to the platform \"Mobile and desktop applications\", and sign in again.",
            ),
            Row::new(
                &[Code("AADSTS70043")],
                "a policy wants the user to sign in more often",
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
                "the account needs a second factor, which no password is",
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
                "the user must show the second factor (anew)",
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
                "a policy blocks this flow: signing in with a code",
                "Sign in with `rotate-pat sign-in` on a workstation: it uses a browser there, and no code.",
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
                "Ask an Entra administrator to let the rotating user in from the agent's address: the user's sign-in log \
                 names the Conditional Access policy.",
            ),
            Row::new(
                &[Code("AADSTS53000"), Code("AADSTS53001"), Code("AADSTS53002"), Code("AADSTS50097")],
                "a policy wants a managed device, or an approved app",
                "Ask an Entra administrator to exclude the rotating user from that Conditional Access policy: an agent \
                 is no managed device.",
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
                "the user is gone",
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
                "Find in the rotating user's sign-in log what locked the account; run again only after the lock.",
            ),
            Row::new(
                &[Code("AADSTS50055")],
                "the password has expired",
                "Change the rotating user's password at a sign-in in the browser, and put the new one into `password`.",
            ),
            Row::new(&[Code("AADSTS50056")], "the account has no password that Entra checks", NO_PASSWORD),
            Row::new(
                &[Code("AADSTS50057")],
                "the account is disabled",
                "Enable the rotating user's account in Entra.",
            ),
            Row::new(
                &[Code("AADSTS50105")],
                "the user is not assigned to the app",
                "Assign the rotating user to the app (Enterprise applications > Users and groups).",
            ),
            Row::new(
                &[Code("AADSTS50126")],
                "wrong user name or password",
                "Correct `userName` and `password` before the next run: wrong ones lock the account in the end.",
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
                "the app has no permission that was consented to",
                CONSENT,
            ),
            Row::new(
                &[Code("AADSTS65002")],
                "`clientId` is one of Microsoft's own apps",
                "Register an app of your own, and name it with `clientId`.",
            ),
            Row::new(
                &[Code("AADSTS65004"), Code("authorization_declined")],
                "the person declined",
                "Sign in again, and accept what the app asks for.",
            ),
        ],
    ),
    entra(
        "Entra: the app",
        &[
            Row::new(
                &[Code("AADSTS700016")],
                "the tenant does not know the app",
                "Check `clientId` and `tenantId`: the app must be registered in the tenant that the message names.",
            ),
            // Recorded beside `unauthorized_client`.
            Row::new(
                &[Code("AADSTS700038")],
                "what is given as the app is not an application id",
                "Correct `clientId`: it must be the app's application (client) id, and so must the service connection's.",
            ),
            Row::new(
                &[Code("AADSTS7000112"), Code("AADSTS70001")],
                "the app is disabled",
                "Enable the app in the tenant (Enterprise applications > Properties > Enabled for users to sign-in).",
            ),
            Row::new(
                &[Code("AADSTS7000215")],
                "wrong client secret: often its id in place of its value",
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
                "what proves the app was not valid at that time",
                "Set the clock of the agent's machine right.",
            ),
            Row::new(
                &[Code("AADSTS7000218")],
                "the app wants a credential, which a person cannot send",
                PUBLIC_FLOWS,
            )
            .by(&[DeviceCode, Browser, Password]),
            Row::new(
                &[Code("AADSTS7000218")],
                "the app of the refresh token wants its own credential",
                "Set `clientId` to a public client, or to the service connection's own app, and sign in to that one.",
            ),
            Row::new(
                &[Code("AADSTS700025")],
                "the app is a public client, and got a credential",
                "Turn off \"Allow public client flows\" for the service connection's app: it must use its credential.",
            ),
            Row::new(
                &[Code("invalid_client"), Code("unauthorized_client")],
                "the app or its credential is not taken",
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
                "the app has no federated credential that fits",
                "Copy issuer and subject of the service connection into a federated credential of the app.",
            ),
            Row::new(
                &[Code("AADSTS700223"), Code("AADSTS700238")],
                "a policy of the tenant forbids or restricts federation",
                "Ask an Entra administrator to allow federated credentials with the service connection's issuer.",
            ),
            Row::new(
                &[Code("AADSTS700229")],
                "only an app's token can prove the app",
                "Use a service connection with workload identity federation or a managed identity.",
            ),
        ],
    ),
    entra(
        "Entra: scope, tenant, cloud",
        &[
            Row::new(
                &[Code("AADSTS70011"), Code("invalid_scope")],
                "the scope cannot be asked for like this",
                "Correct `requestedScopes`, or leave it empty.",
            ),
            Row::new(
                &[Code("AADSTS500011"), Code("invalid_resource")],
                "the tenant knows no such service",
                "Correct the service in `requestedScopes`, or leave it empty.",
            ),
            Row::new(
                &[Code("AADSTS90002"), Code("invalid_tenant")],
                "there is no such tenant",
                "Correct `tenantId`, or the tenant of the service connection.",
            ),
            // The number is not in the published list.
            Row::new(
                &[Code("AADSTS70052")],
                "the app is not for users of several tenants",
                "Register an app in the organization's tenant, and name it with `clientId`.",
            ),
            Row::new(
                &[Code("AADSTS900382"), Code("AADSTS900432")],
                "the app and the tenant are in different clouds",
                "Use an app of the public cloud, where the users of Azure DevOps are, and name it with `clientId`.",
            ),
        ],
    ),
    entra(
        "Entra: the code of `command: signIn`",
        &[
            Row::new(
                &[
                    Code("AADSTS70018"),
                    Code("AADSTS70019"),
                    Code("AADSTS70016"),
                    Code("expired_token"),
                    Code("bad_verification_code"),
                ],
                "the code has ended, or was not entered",
                "Run `command: signIn` again, and enter the new code at once.",
            ),
        ],
    ),
    entra(
        "Entra: the service",
        &[
            Row::new(
                &[Code("AADSTS50196")],
                "the same was asked too often: it looks like a loop",
                "Wait some minutes, and let fewer jobs sign in at once.",
            ),
            // The first three: Entra did not reach what checks the assertion (azure-workload-identity#642, #605).
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
                "Entra cannot at the moment",
                "Run again later.",
            ),
            Row::new(
                &[Silent],
                "Entra does not say why",
                REPORT_IT,
            ),
            Row::new(
                &[Other],
                "what its sentence says",
                "Fix the problem in the message above; https://login.microsoftonline.com/error explains its number.",
            ),
        ],
    ),
];
