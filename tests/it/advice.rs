//! Each refusal that the simulator can make, through the packaged task: the line that is printed holds the service's own
//! word and one remedy, which is a row of the table, and nothing was changed. With `--nocapture`, the table of all lines.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use rotate_pat::advice::{self, Named, Service};

use crate::agent::{Endpoint, Interruption, Job, TaskResult};
use crate::in_process::LocalJob;
use crate::pipeline::{Pipeline, REFRESH};
use crate::refusals::{ELSEWHERE, world};
use crate::simulator::certificates::PemForm;
use crate::simulator::world::{AccessDenial, DeviceFlowBlock, Managed, VaultDenial};
use crate::simulator::{Fault, Op, Simulator, When, World};

const ROTATOR: &str = "rotator@contoso.onmicrosoft.com";
/// A connection of the job beside the federated one.
const OTHER: &str = "other";

/// A pipeline that is about to be refused.
struct Scene {
    pipeline: Pipeline,
    job: Option<Job>,
    inputs: Vec<(&'static str, String)>,
    env: Vec<(&'static str, String)>,
}

impl Scene {
    fn new() -> Self {
        let pipeline = Pipeline::with_pat(5);
        let job = Some(pipeline.job());
        Self { pipeline, job, inputs: Vec::new(), env: Vec::new() }
    }

    fn world(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.pipeline.sim.world());
    }

    fn inject(&self, fault: Fault, op: Op) {
        self.pipeline.sim.inject(fault, When::every(op));
    }

    fn input(&mut self, name: &'static str, value: &str) {
        self.inputs.push((name, value.to_owned()));
    }

    /// The connection that signs in with this, in the place of the federated one.
    fn connect(&mut self, scheme: &str, change: impl FnOnce(Endpoint, &World) -> Endpoint) {
        let id = "5ec00000-0000-4000-8000-000000000002";
        let endpoint = Endpoint::new(id, OTHER, "AzureRM", scheme, "https://management.azure.com/");
        let endpoint = change(endpoint.parameter("tenantid", &self.tenant()), &self.pipeline.sim.world());
        self.job = self.job.take().map(|job| job.endpoint(endpoint));
        self.input("azureSubscription", OTHER);
    }

    fn tenant(&self) -> String {
        self.pipeline.sim.world().tenants[0].id.clone()
    }

    /// The connection's app by its client secret.
    fn connect_by_secret(&mut self) {
        self.connect("ServicePrincipal", |endpoint, world| {
            let app = world.app("pat-rotator");
            let endpoint = endpoint.parameter("authenticationType", "spnKey");
            let endpoint = endpoint.parameter("serviceprincipalid", &app.client_id);
            endpoint.parameter("serviceprincipalkey", &app.secrets[0].value)
        });
    }

    /// Signs in with an access token of the rotator from an earlier step.
    fn with_access_token(&mut self) {
        let token = self.pipeline.sim.world().user_token("vso.pats vso.pats_manage");
        for (name, value) in [("azureSubscription", ""), ("refreshTokenSecret", ""), ("accessToken", token.as_str())] {
            self.input(name, value);
        }
    }

    /// Signs in with the rotator's password, to a public client.
    fn with_password(&mut self) {
        let mut world = self.pipeline.sim.world();
        let (password, client) = (world.add_password("rotator"), world.app("pat-rotator-public").client_id.clone());
        drop(world);
        for (name, value) in [
            ("azureSubscription", ""),
            ("refreshTokenSecret", ""),
            ("userName", ROTATOR),
            ("password", &password),
            ("clientId", &client),
        ] {
            self.input(name, value);
        }
    }

    /// A person signs in with a code, right after it was asked for, as far as `person` lets them.
    fn with_device_code(&mut self, person: impl FnMut(&mut World) + Send + 'static) {
        let client = self.pipeline.sim.world().app("pat-rotator-public").client_id.clone();
        for (name, value) in [("command", "signIn"), ("patName", ""), ("variable", ""), ("userName", ROTATOR)] {
            self.input(name, value);
        }
        self.input("clientId", &client);
        self.world(|world| world.device_interval = 1);
        self.inject(Fault::after(person), Op::DeviceCode);
    }
}

/// The rows of one service, and which of their remedies were printed.
struct Table {
    service: Option<Service>,
    printed: BTreeSet<String>,
}

impl Table {
    fn of(service: impl Into<Option<Service>>) -> Self {
        Self { service: service.into(), printed: BTreeSet::new() }
    }

    fn remedies(&self) -> BTreeSet<String> {
        advice::rows(self.service).map(|row| row.remedy(Named::default())).collect()
    }

    /// A run that is refused says these words, and one remedy of the table behind what is true now.
    #[track_caller]
    fn refuse(&mut self, what: &str, said: &[&str], arrange: impl FnOnce(&mut Scene)) {
        let mut scene = Scene::new();
        arrange(&mut scene);
        let Scene { pipeline, job, inputs, env } = scene;
        let mut job = job.unwrap();
        let before = world(&pipeline);
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let step = env.iter().fold(pipeline.step_of(&inputs), |step, (name, value)| step.env(name, value));
        let run = pipeline.step(&mut job, &step, Interruption::None);
        assert_eq!(run.result, TaskResult::Failed, "{what}\n{}", run.log);
        let [line] = &run.errors[..] else { panic!("{what}: not one error\n{}", run.log) };
        self.print(what, said, line);
        assert_eq!(world(&pipeline), before, "{what}");
        assert_eq!(job.variable_value("rotate.rotated"), None, "{what}");
    }

    /// The same in this process, where limits are milliseconds.
    #[track_caller]
    fn refuse_in_process(&mut self, what: &str, said: &[&str], arrange: impl FnOnce(&Arc<Simulator>, &mut LocalJob)) {
        let mut world = World::new();
        world.add_pat("nuget-publish").days_left(5).add();
        let sim = Arc::new(Simulator::start(world));
        let mut job = LocalJob::new(&sim, &[("patName", "nuget-publish")]);
        arrange(&sim, &mut job);
        let before = sim.world().listing();
        job.main();
        let log = job.log();
        let line = log.lines().find_map(|line| line.strip_prefix("##[error]"));
        self.print(what, said, line.unwrap_or_else(|| panic!("{what}: no error\n{log}")));
        assert_eq!(sim.world().listing(), before, "{what}");
    }

    #[expect(clippy::print_stdout, reason = "the table is there to be read")]
    #[track_caller]
    fn print(&mut self, what: &str, said: &[&str], line: &str) {
        println!("| {what} | {} |", line.replace('|', "\\|"));
        let missing: Vec<&&str> = said.iter().filter(|words| !line.contains(**words)).collect();
        assert!(missing.is_empty(), "{what}: no {missing:?} in\n    {line}");
        let now = ["Nothing was changed. ", "Nothing was stored. "];
        let behind = now.iter().find_map(|now| line.split_once(now)).map(|(_, remedy)| remedy);
        let remedy = behind.unwrap_or_else(|| panic!("{what}: what is true now is not said in\n    {line}"));
        let remedy = remedy.replace(&format!("the rotating user {ROTATOR}"), "the rotating user");
        assert!(self.remedies().contains(&remedy), "{what}: not one remedy of the table: {remedy}");
        self.printed.insert(remedy);
    }

    /// Every remedy was printed but these.
    #[track_caller]
    fn is_complete_but_for(&self, unseen: &[&str]) {
        let remedies = self.remedies();
        let left: Vec<&String> = remedies.difference(&self.printed).collect();
        let is_listed = |remedy: &&String| unseen.iter().any(|words| remedy.contains(words));
        assert!(left.iter().all(is_listed), "not printed: {left:#?}");
        assert_eq!(left.len(), unseen.len(), "printed after all: {unseen:?} but {left:#?}");
    }
}

/// The refusals of users and of their refresh tokens, by number, with words of the remedy.
const OF_USERS: &[(&[u32], &str)] = &[
    (
        &[700_082, 70008, 50173, 50132, 50133],
        "Let the rotating user sign in again: `rotate-pat sign-in` on a workstation",
    ),
    (&[70000], "Let the rotating user sign in again to the app that this pipeline uses"),
    (&[700_084], "Move the app's redirect URI to the platform \"Mobile and desktop applications\""),
    (&[70043], "exclude the rotating user from the sign-in frequency"),
    (&[50072, 50074, 50076, 50078, 50079], "sign in again, with the second factor"),
    (&[53003, 530_032], "let the rotating user in from the agent's address"),
    (&[53000, 53001, 53002, 50097], "exclude the rotating user from that Conditional Access policy"),
    (&[530_035], "Let the rotating user sign in with `rotate-pat sign-in` on a workstation"),
    (&[50034], "Choose another rotating user"),
    (&[50020], "Invite the rotating user into the organization's tenant"),
    (&[50053], "run again only after the lock"),
    (&[50057], "Enable the rotating user's account in Entra"),
    (&[50105], "Assign the rotating user to the app"),
    (&[65001, 90094], "Grant the app the delegated permissions `vso.pats` and `vso.pats_manage`"),
    (&[99_999], "Look the number up at https://login.microsoftonline.com/error"),
];

/// The refusals of apps, whatever they ask for.
const OF_APPS: &[(&[u32], &str)] = &[
    (&[650_056, 650_057], "Grant the app the delegated permissions"),
    (&[65002], "Register an app of your own"),
    (&[7_000_112, 70001], "Enable the app in the tenant"),
    (&[700_024], "Set the clock of the agent's machine right."),
    (&[70021], "Copy issuer and subject of the service connection"),
    (&[700_223, 700_238], "allow federated credentials with the service connection's issuer"),
    (&[700_229], "Use a service connection with workload identity federation or a managed identity."),
    (&[70052], "Register an app in the organization's tenant"),
    (&[900_382, 900_432], "Use an app of the public cloud"),
    (&[50196], "let fewer jobs sign in at once"),
    (&[90055], "Run again later."),
];

#[test]
fn each_number_of_entra_prints_its_remedy() {
    let mut table = Table::of(Service::Entra);
    for (of_users, rows) in [(true, OF_USERS), (false, OF_APPS)] {
        for (code, words) in rows.iter().flat_map(|(codes, words)| codes.iter().map(move |code| (*code, words))) {
            let number = format!("AADSTS{code}");
            table.refuse(&number, &[&number, words], |scene| {
                scene.world(|world| match of_users {
                    true => world.break_refresh_tokens("rotator", code),
                    false => world.app_mut("pat-rotator").refused_with = Some(code),
                });
            });
        }
    }
    let mut refuse = |what: &str, said: &[&str], arrange: fn(&mut Scene)| table.refuse(what, said, arrange);

    // What the app proves itself with.
    refuse("AADSTS7000215, a wrong client secret", &["AADSTS7000215", "not its id"], |scene| {
        scene.connect_by_secret();
        scene.world(|world| world.app_mut("pat-rotator").secrets[0].value.push('x'));
    });
    refuse("AADSTS7000222, an expired client secret", &["AADSTS7000222", "Put a new client secret"], |scene| {
        scene.connect_by_secret();
        scene.world(|world| world.app_mut("pat-rotator").secrets[0].expires = Some(world.now()));
    });
    refuse("AADSTS700027, a certificate that is not the app's", &["AADSTS700027", "Put a certificate"], |scene| {
        let pem = scene.pipeline.sim.world().add_certificate("pat-rotator").pem(PemForm::Pkcs8);
        scene.world(|world| world.app_mut("pat-rotator").certificates.clear());
        scene.connect("ServicePrincipal", |endpoint, world| {
            let endpoint = endpoint.parameter("authenticationType", "spnCertificate");
            let endpoint = endpoint.parameter("serviceprincipalid", &world.app("pat-rotator").client_id);
            endpoint.parameter("servicePrincipalCertificate", &pem)
        });
    });
    refuse("AADSTS700025, a public client as the connection's app", &["AADSTS700025", "Turn off"], |scene| {
        scene.world(|world| world.app_mut("pat-rotator").public = true);
    });
    refuse(
        "AADSTS7000218, a refresh token of another confidential app",
        &["AADSTS7000218", "public client"],
        |scene| {
            scene.connect_by_secret();
            let mut world = scene.pipeline.sim.world();
            let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
            world.set_secret(REFRESH, &refresh, &[]);
            world.add_client_secret("pat-rotator-public");
            let client = world.app("pat-rotator-public").client_id.clone();
            drop(world);
            scene.input("clientId", &client);
        },
    );
    refuse("AADSTS70025, no federated credential", &["AADSTS70025", "Copy issuer and subject"], |scene| {
        scene.world(|world| world.app_mut("pat-rotator").federated.clear());
    });
    refuse("AADSTS700211, another issuer", &["AADSTS700211", "Copy issuer and subject"], |scene| {
        scene.world(|world| world.app_mut("pat-rotator").federated[0].issuer.push('x'));
    });
    refuse("AADSTS700213, another subject", &["AADSTS700213", "Copy issuer and subject"], |scene| {
        scene.world(|world| world.app_mut("pat-rotator").federated[0].subject.push('x'));
    });

    // What is asked for, and where.
    refuse("AADSTS700016, an app that the tenant does not know", &["AADSTS700016", "Check `clientId`"], |scene| {
        scene.input("clientId", ELSEWHERE);
    });
    refuse("AADSTS90002, no such tenant", &["AADSTS90002", "Correct `tenantId`"], |scene| {
        scene.input("tenantId", ELSEWHERE);
    });
    refuse("AADSTS500011, no such service", &["AADSTS500011", "Correct the service in"], |scene| {
        scene.input("requestedScopes", "https://nowhere.example/.default");
    });
    refuse("AADSTS70011, scopes of two services", &["AADSTS70011", "or leave it empty"], |scene| {
        scene.input("requestedScopes", "vso.pats https://vault.azure.net/.default");
    });
    refuse("429 from Entra", &["Microsoft Entra answered 429", "Run again later."], |scene| {
        scene.inject(Fault::Throttled(300), Op::TokenRefresh);
    });

    // A password.
    for code in [50072, 50074, 50076, 50078, 50079, 530_035] {
        let number = format!("AADSTS{code}");
        let remedy = "Use `refreshTokenSecret` in place of `password`.";
        table.refuse(&format!("{number} with `password`"), &[&number, remedy], |scene| {
            scene.with_password();
            scene.world(|world| world.user_mut("rotator").refused_with = Some(code));
        });
    }
    for (code, words) in [
        (50053, "run again only after the lock"),
        (50055, "put the new one into `password`"),
        (50057, "Enable the rotating user's account"),
        (53003, "let the rotating user in from the agent's address"),
    ] {
        let number = format!("AADSTS{code}");
        table.refuse(&format!("{number} with `password`"), &[&number, words], |scene| {
            scene.with_password();
            scene.world(|world| world.user_mut("rotator").refused_with = Some(code));
        });
    }
    let mut refuse = |what: &str, said: &[&str], arrange: fn(&mut Scene)| table.refuse(what, said, arrange);
    refuse("AADSTS50126, a wrong password", &["AADSTS50126", "Correct `userName` and `password`"], |scene| {
        scene.with_password();
        scene.world(|world| world.user_mut("rotator").password = Some("another".to_owned()));
    });
    refuse("AADSTS50056, an account without a password", &["AADSTS50056", "in place of `password`"], |scene| {
        scene.with_password();
        scene.world(|world| world.user_mut("rotator").password = None);
    });
    refuse("AADSTS50034 with `password`", &["AADSTS50034", "Correct `userName`"], |scene| {
        scene.with_password();
        scene.input("userName", "nobody@contoso.onmicrosoft.com");
    });
    refuse("AADSTS7000218 with `password`", &["AADSTS7000218", "Turn on \"Allow public client flows\""], |scene| {
        scene.with_password();
        scene.world(|world| drop(world.add_client_secret("pat-rotator-public")));
    });
    refuse("AADSTS50034 with `entraAgentId`", &["AADSTS50034", "Correct `userName`"], |scene| {
        let client = scene.pipeline.sim.world().add_agent_identity("agent", "pat-rotator").client_id.clone();
        scene.input("refreshTokenSecret", "");
        scene.input("entraAgentId", &client);
        scene.input("userName", "nobody@contoso.onmicrosoft.com");
    });

    // A person with a code.
    refuse(
        "AADSTS53003, Conditional Access by flow: `command: signIn`",
        &["AADSTS53003", "Sign in with `rotate-pat sign-in` on a workstation: it uses a browser there"],
        |scene| {
            scene.with_device_code(|world| world.sign_in_on_device("rotator").unwrap());
            scene.world(|world| world.device_flow_blocked = Some(DeviceFlowBlock::Client));
        },
    );
    refuse("AADSTS65004, the person declined", &["AADSTS65004", "accept what the app asks for"], |scene| {
        scene.with_device_code(World::decline_on_device);
    });
    refuse("AADSTS70019, the code has ended", &["AADSTS70019", "Run `command: signIn` again"], |scene| {
        scene.with_device_code(|world| world.advance(SignedDuration::from_mins(16)));
    });
    refuse("AADSTS70018, a code that is not known", &["AADSTS70018", "Run `command: signIn` again"], |scene| {
        scene.with_device_code(|world| world.device_codes.clear());
    });
    refuse("AADSTS7000218, `command: signIn`", &["AADSTS7000218", "Turn on \"Allow public client flows\""], |scene| {
        scene.with_device_code(|world| world.sign_in_on_device("rotator").unwrap());
        scene.connect_by_secret();
        scene.world(|world| drop(world.add_client_secret("pat-rotator-public")));
    });
    table.is_complete_but_for(&[
        // The workstation's browser is not driven here.
        "Sign in from a workstation that the Conditional Access policy allows.",
        // Entra always gives a number with these words.
        "Check the app of the service connection and its credential in Entra.",
    ]);
}

#[test]
fn each_refusal_of_the_organization_prints_its_remedy() {
    let mut table = Table::of(Service::AzureDevOps);
    for (what, denial, said) in [
        ("TF400813, the user", AccessDenial::NotAuthorized, ["401 TF400813", "Add the rotating user"]),
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
    let mut refuse = |what: &str, said: &[&str], arrange: fn(&mut Scene)| table.refuse(what, said, arrange);
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
    refuse("a bare 403", &["answered 403", "Ask a Project Collection Administrator which policy stops"], |scene| {
        scene.with_access_token();
        scene.inject(Fault::Status(403), Op::ListPats);
    });
    refuse("404, no such organization", &["404 TF400814", "Check `organization`: the service knows none"], |scene| {
        scene.with_access_token();
        scene.input("organization", "fabrikam");
    });
    refuse("TF400733", &["429 TF400733 and asks to wait 300 s", "Run again later: the limit counts"], |scene| {
        scene.with_access_token();
        scene.inject(Fault::Throttled(300), Op::ListPats);
    });
    refuse("the organization's policy against new tokens", &["disablePatCreationPolicyViolation"], |scene| {
        scene.with_access_token();
        scene.world(|world| world.creation_blocked = true);
    });
    refuse("the tenant's policy against full scope", &["fullScopePatPolicyViolation", "in place of"], |scene| {
        scene.with_access_token();
        scene.input("scopes", "app_token");
        scene.world(|world| world.full_scope_blocked = true);
    });
    for (codes, words) in [
        ("disablePatCreationPolicyViolation", "put the rotating user rotator@contoso.onmicrosoft.com on the allowlist"),
        ("fullScopePatPolicyViolation", "Name the `scopes` needed in place of `app_token`"),
        ("patLifespanPolicyViolation", "\"Enforce maximum personal access token lifespan\""),
        ("invalidValidTo", "Lower `validForDays`."),
        ("invalidScope", "Correct `scopes`"),
        ("displayNameRequired invalidDisplayName", "Choose another `patName`."),
        ("accessDenied userIdRequired invalidUserId invalidUserType invalidSubject", "Sign in as an ordinary user"),
        ("invalidClient invalidClientType invalidClientId", "sign in to an app registration of your own tenant"),
        ("invalidTokenType invalidAudience", "leave `requestedScopes` empty"),
        ("invalidSourceIP invalidSource sourceNotSupported", "Use an agent at an address"),
        ("invalidTargetAccounts deploymentHostNotSupported", "Check `organization`."),
        ("tokenNotFound invalidToken invalidAuthorizationId", "the next run works with the tokens that are there"),
        ("authorizationNotFound hostAuthorizationNotFound expiredPatCannotBeExtended", "Run again: the next run"),
        ("failedToIssueAccessToken failedToUpdateAccessToken duplicateHash", "Run again: the service could not"),
        ("failedToReadTenantPolicy failedToReadOrgPolicy", "Run again: the service could not do it"),
        (
            "globalPatPolicyViolation globalPATCreationBlocked sshPolicyDisabled",
            "Report it: nothing here asks for that.",
        ),
        ("aWordOfTomorrow", "Look among the policies of the organization and of its tenant"),
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

#[test]
fn each_refusal_of_what_a_connection_signs_in_with_prints_its_remedy() {
    let mut oidc = Table::of(Service::Oidc);
    oidc.refuse("OIDC: 401", &["the pipeline's OIDC endpoint answered 401", "Run the pipeline again"], |scene| {
        scene.inject(Fault::Status(401), Op::OidcToken);
    });
    oidc.refuse("OIDC: 302", &["answered 302 with its sign-in page", "Run the pipeline again"], |scene| {
        scene.inject(Fault::SignInRedirect, Op::OidcToken);
    });
    oidc.refuse("OIDC: 403, not authorized", &["answered 403", "Authorize this pipeline"], |scene| {
        scene.world(|world| world.connections[0].unauthorized = true);
    });
    oidc.refuse("OIDC: 404, disabled", &["answered 404", "Enable the service connection"], |scene| {
        scene.world(|world| drop(world.connections.remove(0)));
    });
    oidc.is_complete_but_for(&[]);

    let mut machine = Table::of(Service::ManagedIdentity);
    let client = |endpoint: Endpoint| endpoint.data("msiclientId", ELSEWHERE);
    machine.refuse(
        "managed identity: the machine has no such one",
        &["answered 400 invalid_request: Identity not found", "Assign the managed identity"],
        |scene| scene.connect("ManagedServiceIdentity", |endpoint, _| client(endpoint)),
    );
    machine.refuse(
        "managed identity: several, and none named",
        &["Multiple user assigned identities", "Name the identity's client id"],
        |scene| {
            scene.world(|world| {
                world.add_managed_identity("one", Managed::User);
                world.add_managed_identity("two", Managed::User);
            });
            scene.connect("ManagedServiceIdentity", |endpoint, _| endpoint);
        },
    );
    machine.refuse("managed identity: wrong `IDENTITY_HEADER`", &["answered 401", "Restart the agent"], |scene| {
        scene.world(|world| drop(world.run_in_app_service()));
        let origin = scene.pipeline.sim.origin();
        scene.env.push(("IDENTITY_ENDPOINT", format!("{origin}/msi/token")));
        scene.env.push(("IDENTITY_HEADER", "not-the-one-of-this-app".to_owned()));
        scene.connect("ManagedServiceIdentity", |endpoint, _| endpoint);
    });
    machine.refuse("managed identity: 404", &["answered 404", "Run the job on an agent in Azure"], |scene| {
        scene.inject(Fault::Status(404), Op::ManagedIdentity);
        scene.connect("ManagedServiceIdentity", |endpoint, _| endpoint);
    });
    machine.refuse("managed identity: 400", &["answered 400", "Check which managed identity"], |scene| {
        scene.inject(Fault::Status(400), Op::ManagedIdentity);
        scene.connect("ManagedServiceIdentity", |endpoint, _| endpoint);
    });
    machine.refuse_in_process(
        "managed identity: unreachable (in process)",
        &["could not connect to the machine's managed identity endpoint", "Run the job on an agent in Azure"],
        |sim, job| {
            by_connection(sim, job, "ManagedServiceIdentity");
            job.set("IDENTITY_ENDPOINT", &format!("{}/msi/token", nowhere()));
            job.set("IDENTITY_HEADER", "any");
        },
    );
    machine.is_complete_but_for(&[]);
}

#[test]
fn each_refusal_of_the_vault_prints_its_remedy() {
    let mut table = Table::of(Service::KeyVault);
    for (what, denial, said) in [
        ("vault: no role", VaultDenial::Role, ["403 ForbiddenByRbac", "the role Key Vault Secrets Officer"]),
        ("vault: no access policy", VaultDenial::AccessPolicy, ["403 AccessDenied", "an access policy for secrets"]),
        ("vault: firewall", VaultDenial::Firewall, ["403 ForbiddenByFirewall", "Allow the agent's address"]),
        ("vault: private", VaultDenial::PrivateConnection, ["403 ForbiddenByConnection", "Use a self-hosted agent"]),
    ] {
        table.refuse(what, &said, |scene| {
            scene.world(|world| {
                world.vault.readers.clear();
                world.vault.denial = denial;
            });
        });
    }
    table.refuse(
        "vault: another tenant",
        &[
            "answered 401 Unauthorized: AKV10032",
            ELSEWHERE,
            "Use a service connection whose app is in the vault's tenant.",
        ],
        |scene| scene.world(|world| ELSEWHERE.clone_into(&mut world.vault.tenant)),
    );
    table.refuse(
        "vault: 401, its tenant told by the challenge alone",
        &["answered 401", "(the vault's tenant is "],
        |scene| scene.inject(Fault::Status(401), Op::VaultRead),
    );
    table.refuse("vault: a disabled secret", &["403 SecretDisabled", "Enable the secret's current version"], |scene| {
        scene.world(|world| world.vault.current_mut(REFRESH).unwrap().enabled = false);
    });
    table.refuse("vault: 429", &["Azure Key Vault answered 429", "Run again later: others ask"], |scene| {
        scene.inject(Fault::Throttled(300), Op::VaultRead);
    });
    table.refuse_in_process(
        "vault: unreachable (in process)",
        &["could not connect to Azure Key Vault", "Check the vault's name"],
        |sim, job| {
            by_connection(sim, job, "ServicePrincipal");
            job.set("INPUT_REFRESHTOKENSECRET", &format!("{}/secrets/{REFRESH}", nowhere()));
        },
    );
    table.is_complete_but_for(&[
        // A write that meets a deleted secret comes after the creation: see `destinations`.
        "Recover or purge the deleted secret of that name.",
        // A secret that is not there is no refusal where it is read; and only what was listed is disabled.
        "Check the secret's name",
    ]);
}

#[test]
fn an_answer_that_is_in_no_services_rows_prints_a_remedy_all_the_same() {
    let mut table = Table::of(None);
    table.refuse("an unknown refusal", &["Azure DevOps answered 418", "Mend what the message names."], |scene| {
        scene.with_access_token();
        scene.inject(Fault::Status(418), Op::ListPats);
    });
    table.refuse("a busy service", &["answered 503 Simulated and asks to wait 300 s", "Run again later."], |scene| {
        scene.inject(Fault::Unavailable(300), Op::VaultRead);
    });
    table.refuse("a page in between", &["Entra answered 203 with its sign-in page", "no page of a proxy"], |scene| {
        scene.inject(Fault::SignInPage, Op::TokenRefresh);
    });
    table.refuse("JSON that is not as documented", &["Report it with the activity id"], |scene| {
        scene.inject(Fault::WrongShape, Op::TokenRefresh);
    });
    table.refuse_in_process("no connection (in process)", &["could not connect to the pipeline's OIDC"], |sim, job| {
        by_connection(sim, job, "WorkloadIdentityFederation");
        job.set("SYSTEM_OIDCREQUESTURI", &format!("{}/oidctoken", nowhere()));
    });
    table.refuse_in_process("no answer (in process)", &["gave no whole answer", "Run again."], |sim, _| {
        sim.inject(Fault::HangBefore, When::every(Op::ListPats));
    });
    table.is_complete_but_for(&[]);
}

/// An address where nobody listens.
fn nowhere() -> String {
    "http://127.0.0.1:1".to_owned()
}

/// The service connection itself signs in, in this process.
fn by_connection(sim: &Simulator, job: &mut LocalJob, scheme: &str) {
    let world = sim.world();
    let (app, id) = (world.app("pat-rotator").clone(), world.service_connection("pat-rotator").id.clone());
    drop(world);
    for (name, value) in [
        ("INPUT_ACCESSTOKEN", ""),
        ("INPUT_SERVICECONNECTION", &id),
        (&format!("ENDPOINT_AUTH_SCHEME_{id}"), scheme),
        (&format!("ENDPOINT_AUTH_PARAMETER_{id}_TENANTID"), &app.tenant),
        (&format!("ENDPOINT_AUTH_PARAMETER_{id}_SERVICEPRINCIPALID"), &app.client_id),
        (&format!("ENDPOINT_AUTH_PARAMETER_{id}_SERVICEPRINCIPALKEY"), &app.secrets[0].value),
    ] {
        job.set(name, value);
    }
}

#[test]
fn the_readmes_table_is_the_programs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(path).unwrap();
    let inside = readme.split_once("<!-- the table of src/advice -->\n").and_then(|(_, rest)| {
        let (inside, _) = rest.split_once("<!-- its end -->")?;
        Some(inside.trim())
    });
    let expected = advice::markdown();
    let expected = expected.trim();
    assert!(
        inside == Some(expected),
        "Put this between `<!-- the table of src/advice -->` and `<!-- its end -->` in README.md:\n\n{expected}\n"
    );
}
