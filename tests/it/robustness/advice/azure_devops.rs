//! What Azure DevOps answers to those whom it does not let in, and to those who want a new token.

use rotate_pat::advice::Service;

use super::{Scenario, Table};
use simulator::world::AccessDenial;
use simulator::{Fault, Op, World};

#[test]
fn each_refusal_of_the_organization_prints_its_remedy() {
    let mut table = Table::of(Service::AzureDevOps);
    for (what, denial, said) in [
        ("TF400813, the user", AccessDenial::NotAuthorized, ["401 TF400813", "Add the rotating user"]),
        ("TF400813, the id of nobody", AccessDenial::Nobody, ["aaaaaaaa-aaaa", "blocks the agent's address"]),
        ("TF400813, anonymous", AccessDenial::Anonymous, ["for anonymous access", "blocks the agent's address"]),
        ("TF401444", AccessDenial::NeverSignedIn, ["401 TF401444", "sign in to the organization once with a browser"]),
        (
            "the service-principal refusal",
            AccessDenial::ServicePrincipal,
            ["403 InvalidAccessException: Service principals", "Give `refreshTokenSecret`"],
        ),
        (
            "the PAT-as-caller refusal",
            AccessDenial::PersonalAccessToken,
            ["403 InvalidAccessException: The requested operation", "looks like a personal access token"],
        ),
        (
            "VS403463",
            AccessDenial::ConditionalAccess,
            ["403 VS403463", "exclude the rotating user rotator@contoso.onmicrosoft.com from the Conditional Access"],
        ),
        ("a sign-in page, 203", AccessDenial::SignInPage, ["answered 203", "Open the organization in a browser as"]),
        ("a redirect to it, 302", AccessDenial::SignInRedirect, ["answered 302", "Open the organization in a browser"]),
    ] {
        table.refuse(what, &said, |scene| {
            scene.with_access_token();
            scene.world(|world| world.access_denied = Some(denial));
        });
    }
    let mut refuse = |what: &str, said: &[&str], arrange: fn(&mut Scenario)| table.refuse(what, said, arrange);
    refuse("TF400813, nobody: the token was revoked", &["TF400813: The user ''", "Open the organization"], |scene| {
        scene.with_access_token();
        scene.world(World::expire_all_tokens);
    });
    refuse("a personal access token as `accessToken`", &["answered 401", "looks like a personal access"], |scene| {
        scene.with_access_token();
        let secret = scene.pipeline.sim.world().pats[0].secret.clone();
        scene.input("accessToken", &secret);
    });
    refuse("a bare 401", &["answered 401", "Open the organization in a browser as"], |scene| {
        scene.with_access_token();
        scene.inject(Fault::Status(401), Op::ListPats);
    });
    refuse("a bare 403", &["answered 403", "Ask a Project Collection Administrator which policy blocks"], |scene| {
        scene.with_access_token();
        scene.inject(Fault::Status(403), Op::ListPats);
    });
    refuse(
        "404, no such organization",
        &["404 TF400814", "Check `organization`: no organization of that name exists"],
        |scene| {
            scene.with_access_token();
            scene.input("organization", "fabrikam");
        },
    );
    refuse("TF400733", &["429 TF400733 and asks to wait 300 s", "Run again later: the rate limit counts"], |scene| {
        scene.with_access_token();
        scene.inject(Fault::Throttled(300), Op::ListPats);
    });
    refuse("the organization's policy against new tokens", &["disablePatCreationPolicyViolation"], |scene| {
        scene.with_access_token();
        scene.world(|world| world.creation_blocked = true);
    });
    refuse(
        "the tenant's policy against full scope",
        &["fullScopePatPolicyViolation", "Replace `app_token` in `scopes`"],
        |scene| {
            scene.with_access_token();
            scene.input("scopes", "app_token");
            scene.world(|world| world.full_scope_blocked = true);
        },
    );
    for (codes, words) in [
        ("disablePatCreationPolicyViolation", "put the rotating user rotator@contoso.onmicrosoft.com on the allowlist"),
        ("fullScopePatPolicyViolation", "Replace `app_token` in `scopes` by the scopes needed"),
        ("patLifespanPolicyViolation", "\"Enforce maximum personal access token lifespan\""),
        ("invalidValidTo", "Lower `validForDays`."),
        ("invalidScope", "Correct `scopes`"),
        ("displayNameRequired invalidDisplayName", "Choose another `patName`."),
        ("accessDenied userIdRequired invalidUserId invalidUserType invalidSubject", "Sign in as an ordinary user"),
        ("invalidClient invalidClientType invalidClientId", "sign in to an app registration of your own tenant"),
        ("invalidTokenType invalidAudience", "leave `requestedScopes` empty"),
        ("invalidSourceIP invalidSource sourceNotSupported", "Use an agent at an address"),
        ("invalidTargetAccounts deploymentHostNotSupported", "Check `organization`."),
        ("tokenNotFound invalidToken invalidAuthorizationId", "the next run uses the tokens that exist"),
        ("authorizationNotFound hostAuthorizationNotFound expiredPatCannotBeExtended", "Run again: the next run"),
        ("failedToIssueAccessToken failedToUpdateAccessToken duplicateHash", "Run again: the service failed"),
        ("failedToReadTenantPolicy failedToReadOrgPolicy", "Run again: the service failed to complete the request"),
        (
            "globalPatPolicyViolation globalPATCreationBlocked sshPolicyDisabled",
            "Report it: this task never requests that.",
        ),
        ("aWordOfTomorrow", "Check the policies of the organization and of its tenant"),
    ] {
        for code in codes.split(' ') {
            let refused = format!("Azure DevOps refused: {code}: ");
            table.refuse(&format!("patTokenError `{code}`"), &[&refused, words], |scene| {
                scene.with_access_token();
                scene.world(|world| world.create_refusals.push_back(code.to_owned()));
            });
        }
    }
    table.is_complete_but_for(&[]);
}
