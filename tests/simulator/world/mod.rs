//! The world: what Azure DevOps, Entra and the vault know, and what people can do in it.
//!
//! Plain state and verbs in domain words. Nothing here knows HTTP or the wire's JSON; the tests arrange and assert here.

mod accounts;
mod budget;
mod builds;
mod clock;
mod endpoints;
mod entra;
mod ids;
mod listed_pats;
mod listing;
mod managed_identities;
mod oddities;
mod pats;
mod people;
mod projects;
mod setup;
mod tokens;
mod variable_groups;
mod vault;

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;

use jiff::Timestamp;

pub use accounts::{App, AppCertificate, Managed, Organization, ServiceConnection, Tenant, User};
pub use budget::{Budget, Usage};
pub use builds::{Build, Job};
pub use clock::Clock;
pub use endpoints::{Endpoint, EndpointUpdate, EndpointWrite};
#[allow(unused_imports, reason = "each test target that includes this uses another part of it")]
pub use entra::{
    AuthorizationCode, Credential, DeviceCode, DeviceFlowBlock, DeviceState, EntraRefusal, Grant, SignInPage,
    TokenRequest,
};
pub use listed_pats::{ListedPat, PatsCursor};
pub use managed_identities::IdentityRefusal;
pub use oddities::Oddities;
pub use pats::{Filter, ListQuery, NewPat, Pat, PatChange, PatState, Refused, RenameRefusal, Sort, html_encoded};
#[allow(unused_imports, reason = "each test target that includes this uses another part of it")]
pub use people::{Directory, PeopleCursor, Person, Who};
#[allow(unused_imports, reason = "each test target that includes this uses another part of it")]
pub use projects::{BUILD_SERVICE, COLLECTION_BUILD_SERVICE, EVERYBODY, LibraryRefusal, Project, Sharing};
pub use tokens::{AccessToken, ExchangeToken, Holder, OidcToken, RefreshToken};
pub use variable_groups::{GroupUpdate, GroupVariable, GroupWrite, VariableChange, VariableGroup};
pub use vault::{SecretChange, SecretVersion, Vault, VaultDenial, VaultRefusal};

/// The application id of Azure DevOps: the audience of every token for it.
pub const AZURE_DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
/// The audience of tokens for Key Vault.
pub const KEY_VAULT: &str = "https://vault.azure.net";
/// The audience of tokens that are exchanged for others.
pub const TOKEN_EXCHANGE: &str = "api://AzureADTokenExchange";
/// A tenant id that means: backed by Microsoft accounts, no tenant at all.
pub const NO_TENANT: &str = "00000000-0000-0000-0000-000000000000";

/// How an id is refused that names no PAT of the caller: nobody has documented it, so each way must be survived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownIdReply {
    /// In a 200 for get and update, 404 for revoke.
    #[default]
    Mixed,
    /// 404 for all three.
    NotFound,
    /// In a 200 for all three.
    In200,
    /// 500 with the exception's name for revoke: Microsoft's own scripts catch it by its name, whatever the status.
    ServerError,
}

/// The shape of an error of Azure DevOps. Recorded, or seen in public reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorShape {
    /// The exception, with message and type.
    #[default]
    Exception,
    /// `{"count": 41, "value": "sentence"}`.
    Counted,
    /// `{"count": 1, "value": {"Message": "sentence"}}`.
    CountedMessage,
    /// `{"Message": "sentence"}`.
    Message,
    /// The sentence as text.
    Text,
    /// A page whose title is the sentence.
    Html,
}

/// Which errors of Azure DevOps begin with a byte order mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marks {
    /// One of four: most recorded ones have none.
    #[default]
    Sometimes,
    /// All.
    Always,
    /// None.
    Never,
}

/// What Azure DevOps says to a PAT whose scopes do not reach connection data: nobody has documented it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRefusal {
    /// 403, with the caller's name in a header.
    Forbidden,
    /// 401, as to a PAT that has expired.
    Unauthorized,
}

/// Why Azure DevOps does not let in somebody whose token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessDenial {
    /// 401, `TF400813`.
    NotAuthorized,
    /// 401, `TF400813` of the id that stands for nobody.
    Nobody,
    /// 401, `TF400813` about anonymous access.
    Anonymous,
    /// 401 with `claims=` in its challenge, as continuous access evaluation refuses.
    ClaimsChallenge,
    /// 401, `TF401444`: the user has never been there.
    NeverSignedIn,
    /// 429, `TF400733`.
    Throttled,
    /// 403, as app-only tokens meet it.
    ServicePrincipal,
    /// 403, as personal access tokens meet it.
    PersonalAccessToken,
    /// 403, `VS403463`: the organization applies Conditional Access itself.
    ConditionalAccess,
    /// 203 with a page for people, whatever the client asked for.
    SignInPage,
    /// 302 to that page.
    SignInRedirect,
}

/// Everything there is. The public fields are the switches and the state that tests may turn and look at.
pub struct World {
    /// Where the time comes from.
    pub clock: Clock,
    /// Tenants; the first one is home.
    pub tenants: Vec<Tenant>,
    /// Organizations; the first one is the pipeline's.
    pub organizations: Vec<Organization>,
    /// Users.
    pub users: Vec<User>,
    /// App registrations.
    pub apps: Vec<App>,
    /// Short names of the apps that are members of the first organization. Others are let in nowhere in it.
    pub members: Vec<String>,
    /// Projects of the first organization; the first one is the pipeline's.
    pub projects: Vec<Project>,
    /// Service connections of the pipeline's project that jobs sign in with.
    pub connections: Vec<ServiceConnection>,
    /// The job that the program runs in.
    pub job: Job,
    /// Jobs of earlier runs: overlapping ones go on with their own tokens.
    pub earlier_jobs: Vec<Job>,
    /// Runs that the build service knows.
    pub builds: Vec<Build>,
    /// Every PAT there ever was, oldest first.
    pub pats: Vec<Pat>,
    /// The people of the organizations, and who administers their tokens.
    pub directory: Directory,
    /// The vault.
    pub vault: Vault,
    /// Variable groups, oldest first.
    pub groups: Vec<VariableGroup>,
    /// Every update of a variable group through the service.
    pub group_writes: Vec<GroupWrite>,
    /// Service connections as their service keeps them, oldest first.
    pub endpoints: Vec<Endpoint>,
    /// Every update of a service connection through the service.
    pub endpoint_writes: Vec<EndpointWrite>,
    /// Entra access tokens issued so far.
    pub access_tokens: Vec<AccessToken>,
    /// Refresh tokens issued so far.
    pub refresh_tokens: Vec<RefreshToken>,
    /// Tokens of the job's OIDC endpoint issued so far.
    pub oidc_tokens: Vec<OidcToken>,
    /// Tokens that are only good for being exchanged, issued so far.
    pub exchange_tokens: Vec<ExchangeToken>,
    /// Sign-ins on other devices, oldest first.
    pub device_codes: Vec<DeviceCode>,
    /// Sign-in pages that wait for a person.
    pub sign_in_pages: Vec<SignInPage>,
    /// Codes that browsers were sent to clients with, oldest first.
    pub authorization_codes: Vec<AuthorizationCode>,
    /// `jti` of every assertion that an app signed itself, once it was good.
    pub assertions_seen: Vec<String>,

    /// What each caller may use of Azure DevOps in a while; none means as much as it wants.
    pub budget: Option<Budget>,
    /// A user's list shows the PATs of the user's other organizations too. No document says; one script's author saw it.
    pub lists_show_other_organizations: bool,
    /// Display names come back HTML-encoded, as .NET encodes them, and are measured so.
    pub names_html_encoded: bool,
    /// Scopes that only the service itself may give: an update or a creation that names one is refused.
    pub scopes_refused: Vec<String>,
    /// Nastier than documented: an update without a scope gives full access.
    pub omitted_scope_is_full: bool,
    /// The token of a list's next page is a number of rows in the list as it is then, so that a change between two pages
    /// skips a row or shows one twice.
    pub pages_by_row: bool,
    /// Connection data does not say which organization it is of.
    pub instance_id_withheld: bool,
    /// PATs on a page, whatever `$top` asks for.
    pub page_size: usize,
    /// How many calls with a new PAT are answered 401 before it works.
    pub new_pats_valid_after: u32,
    /// The tenant's cap on the life of PATs.
    pub cap_days: Option<i64>,
    /// The tenant's policy against full-scoped PATs.
    pub full_scope_blocked: bool,
    /// The tenant's policy against PATs for all organizations; on everywhere since March 2026.
    pub all_orgs_blocked: bool,
    /// The organization's policy against new PATs.
    pub creation_blocked: bool,
    /// `patTokenError`s for the next creates, one each.
    pub create_refusals: VecDeque<String>,
    /// Nastier than documented: an update resets what it does not name.
    pub update_resets_omitted_fields: bool,
    /// Nastier than documented: an update makes a new secret, which nobody is told.
    pub update_changes_secret: bool,
    /// An update leaves the end as it is, whatever it asks for.
    pub shortening_ignored: bool,
    /// What only a check looks at.
    pub oddities: Oddities,
    /// A revoked PAT is still let in, as documented for up to an hour.
    pub revoked_pats_live_on: bool,
    /// How an id is refused that names no PAT of the caller.
    pub unknown_id_reply: UnknownIdReply,
    /// Bad credentials get the anonymous identity and 200, as in an organization with public projects.
    pub anonymous_allowed: bool,
    /// The job's token speaks for the project collection and not for its project alone.
    pub job_reaches_all_projects: bool,
    /// What every bearer token meets on the PAT API and on connection data.
    pub access_denied: Option<AccessDenial>,
    /// The shape of errors of Azure DevOps.
    pub error_shape: ErrorShape,
    /// Which of them begin with a byte order mark.
    pub marks: Marks,
    /// How many errors of Azure DevOps were sent so far.
    pub errors_sent: usize,
    /// A 401 of Azure DevOps has no body and nothing but a Basic challenge.
    pub bare_401: bool,
    /// A policy on addresses refuses every PAT, by 403 with the owner's name in a header.
    pub pats_fenced: bool,
    /// What a PAT meets on connection data whose scopes do not reach it; none: all scopes do.
    pub connection_data_refuses_scope: Option<ScopeRefusal>,
    /// How a PAT is refused that lacks the scope of what it asks for. 401 was seen, like that of an expired one.
    pub lacking_scope: ScopeRefusal,
    /// `X-VSS-UserData` is the id alone.
    pub user_data_is_id: bool,
    /// Organizations that were stopped as nobody used them.
    pub stopped_organizations: Vec<String>,
    /// How many of the next answers say that an organization has no tenant, by a passing fault.
    pub zero_tenants: usize,
    /// Bodies of the OIDC endpoint's next answers, each in a 200.
    pub oidc_answers: VecDeque<&'static str>,
    /// Numbers that stand before the number of each refusal of Entra, in `error_codes` only.
    pub numbers_in_front: Vec<u32>,
    /// A PAT on the PAT API is 401 and not 403: both were seen.
    pub pat_as_caller_is_401: bool,
    /// A list of variable groups does not say which projects they belong to.
    pub group_lists_omit_projects: bool,
    /// An unknown service connection is `null` in a 200, not a 404.
    pub unknown_endpoint_is_null: bool,
    /// A shared service connection shows the name it has in the project that is asked; otherwise the one it was made with.
    pub endpoint_shows_own_name: bool,
    /// Answers with references to projects so far: their order is another one each time.
    pub references_shown: AtomicU64,
    /// Clients of others are let send what the services take and the program never sends: parameters that Entra
    /// ignores, RS256, certificates named by SHA-1, assertions without `nbf`. Where it is off, such a request is against the rules.
    pub serves_other_clients: bool,
    /// Assertions that apps sign are judged by the world's clock, also where a test moved it away from the machine's.
    pub assertions_by_own_clock: bool,
    /// User tokens cannot be read, as Entra reserves for itself.
    pub opaque_tokens: bool,
    /// No id token comes, although it was asked for.
    pub id_tokens_withheld: bool,
    /// Assertions signed the old way, with RS256, are accepted.
    pub rs256_accepted: bool,
    /// Scopes that are consented to and asked for, and not granted all the same.
    pub scopes_withheld: Vec<String>,
    /// Life of a device code.
    pub device_code_seconds: i64,
    /// How long a client has to wait between two polls, in seconds.
    pub device_interval: u64,
    /// How many of the next polls are told to slow down.
    pub slow_downs: u32,
    /// Whether Conditional Access forbids signing in on another device, and who is told.
    pub device_flow_blocked: Option<DeviceFlowBlock>,
    /// The sign-in page submits itself with this user name: for a browser that nobody drives.
    pub page_signs_in_as: Option<String>,
    /// Life of a user's access token.
    pub user_token_minutes: i64,
    /// The port of a redirect address on 127.0.0.1 must be the registered one: both have been reported.
    pub numeric_loopback_port_counts: bool,
    /// Life of an app's access token.
    pub app_token_minutes: i64,
    /// Life of a managed identity's access token.
    pub managed_token_hours: i64,
    /// What the App Service's identity endpoint wants to see, if the job runs in one.
    pub identity_header: String,
    /// Life of a refresh token from its issue.
    pub refresh_token_days: i64,

    /// Pages that were promised: what is left of each, and the query it belongs to.
    pub cursors: Vec<pats::Cursor>,
    /// Lists that came to their end, which shows in turn as "", null and nothing.
    pub lists_ended: usize,
    issued: Vec<(String, String)>,
    counters: BTreeMap<&'static str, u64>,
    numbers: u64,
}

impl World {
    /// Organization `contoso`, users `rotator` and `alice`, app `pat-rotator` (confidential, behind the service connection
    /// `pat-rotator`), app `pat-rotator-public`, app `pat-publisher` (a member, behind the service connection
    /// of the same name), the vault `contoso-kv`, projects `Widgets` and `Gadgets`, and run 101 of a pipeline in the first.
    /// No PATs, secrets, variable groups and other service connections yet. The clock stands at 2026-11-24T03:00:00.1033333Z.
    pub fn new() -> Self {
        let tenant = Tenant { id: ids::guid("tenant", 1), domain: "contoso.onmicrosoft.com".to_owned() };
        let organization =
            Organization { name: "contoso".to_owned(), id: ids::guid("organization", 1), tenant: tenant.id.clone() };
        let job = Job {
            organization: organization.name.clone(),
            project_id: ids::guid("project", 1),
            project: "Widgets".to_owned(),
            definition_id: 12,
            build_id: 0,
            plan_id: String::new(),
            job_id: String::new(),
            token: String::new(),
        };
        let start = Timestamp::new(1_795_489_200, 103_333_300).expect("a time within range");
        let vault = Vault::new("contoso-kv", &tenant.id, &["pat-rotator"]);
        let mut world = Self {
            clock: Clock::Fixed(start),
            tenants: vec![tenant],
            organizations: vec![organization],
            users: Vec::new(),
            apps: Vec::new(),
            members: Vec::new(),
            projects: Vec::new(),
            connections: Vec::new(),
            job,
            earlier_jobs: Vec::new(),
            builds: Vec::new(),
            pats: Vec::new(),
            directory: Directory::new(start),
            vault,
            groups: Vec::new(),
            group_writes: Vec::new(),
            endpoints: Vec::new(),
            endpoint_writes: Vec::new(),
            access_tokens: Vec::new(),
            refresh_tokens: Vec::new(),
            oidc_tokens: Vec::new(),
            exchange_tokens: Vec::new(),
            device_codes: Vec::new(),
            sign_in_pages: Vec::new(),
            authorization_codes: Vec::new(),
            assertions_seen: Vec::new(),
            budget: None,
            lists_show_other_organizations: true,
            names_html_encoded: false,
            scopes_refused: Vec::new(),
            omitted_scope_is_full: false,
            pages_by_row: false,
            instance_id_withheld: false,
            page_size: 2,
            new_pats_valid_after: 1,
            cap_days: None,
            full_scope_blocked: false,
            all_orgs_blocked: true,
            creation_blocked: false,
            create_refusals: VecDeque::new(),
            update_resets_omitted_fields: false,
            update_changes_secret: false,
            shortening_ignored: false,
            oddities: Oddities::default(),
            revoked_pats_live_on: false,
            unknown_id_reply: UnknownIdReply::Mixed,
            anonymous_allowed: false,
            job_reaches_all_projects: false,
            access_denied: None,
            error_shape: ErrorShape::Exception,
            marks: Marks::Sometimes,
            errors_sent: 0,
            bare_401: false,
            pats_fenced: false,
            connection_data_refuses_scope: None,
            lacking_scope: ScopeRefusal::Unauthorized,
            user_data_is_id: false,
            stopped_organizations: Vec::new(),
            zero_tenants: 0,
            oidc_answers: VecDeque::new(),
            numbers_in_front: Vec::new(),
            pat_as_caller_is_401: false,
            group_lists_omit_projects: true,
            unknown_endpoint_is_null: true,
            endpoint_shows_own_name: false,
            references_shown: AtomicU64::new(0),
            serves_other_clients: false,
            assertions_by_own_clock: false,
            opaque_tokens: false,
            id_tokens_withheld: false,
            rs256_accepted: false,
            scopes_withheld: Vec::new(),
            device_code_seconds: 900,
            device_interval: 5,
            slow_downs: 0,
            device_flow_blocked: None,
            page_signs_in_as: None,
            user_token_minutes: 75,
            numeric_loopback_port_counts: true,
            app_token_minutes: 60,
            managed_token_hours: 24,
            identity_header: String::new(),
            refresh_token_days: 90,
            cursors: Vec::new(),
            lists_ended: 0,
            issued: Vec::new(),
            counters: BTreeMap::new(),
            numbers: 0,
        };
        world.add_user("rotator");
        world.add_user("alice");
        world.add_app("pat-rotator");
        world.add_client_secret("pat-rotator");
        world.add_service_connection("pat-rotator", "pat-rotator");
        world.add_app("pat-rotator-public");
        world.add_app("pat-publisher");
        world.add_service_connection("pat-publisher", "pat-publisher");
        world.members.push("pat-publisher".to_owned());
        world.add_project("Widgets");
        world.add_project("Gadgets");
        world.start_run(101);
        world
    }

    /// Every secret that ever existed, with a name for messages: a leak is a text search for one of them.
    pub fn all_secrets(&self) -> Vec<(String, String)> {
        self.issued.clone()
    }

    fn remember(&mut self, label: String, value: &str) {
        self.issued.push((label, value.to_owned()));
    }

    /// The next number of a kind of secret, from 1.
    fn count(&mut self, kind: &'static str) -> u64 {
        let counter = self.counters.entry(kind).or_default();
        *counter += 1;
        *counter
    }

    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}
