//! Who exists: tenants, organizations, users, app registrations and service connections.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::super::certificates::{TestCertificate, old_thumbprint, subject_public_key, thumbprint};
use super::{World, ids};

/// An Entra tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its GUID.
    pub id: String,
    /// Its default domain, which the login address accepts as well.
    pub domain: String,
}

/// An Azure DevOps organization.
#[derive(Clone, Debug)]
pub struct Organization {
    /// The name in the address.
    pub name: String,
    /// Its GUID, which `targetAccounts` names.
    pub id: String,
    /// The tenant behind it; all zeros when it is backed by Microsoft accounts.
    pub tenant: String,
}

/// The account behind a guest.
#[derive(Clone, Debug)]
pub struct Home {
    /// The tenant that it comes from.
    pub tenant: String,
    /// The sign-in name there, which is the one that people know.
    pub upn: String,
    /// The object id there.
    pub oid: String,
}

/// A person or a service account.
#[derive(Clone, Debug)]
pub struct User {
    /// The short name that tests use.
    pub name: String,
    /// The sign-in name.
    pub upn: String,
    /// The mail address, if it has one.
    pub mail: Option<String>,
    /// The object id in Entra.
    pub oid: String,
    /// The identity's id in Azure DevOps: another one, and mistaking the two is a classic.
    pub identity: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// Names of the organizations that it is a member of.
    pub member_of: Vec<String>,
    /// Where it comes from, if it is a guest of its tenant.
    pub home: Option<Home>,
    /// Its password, if it has one.
    pub password: Option<String>,
    /// How often a wrong password was tried; at the tenth the account is locked.
    pub wrong_passwords: u32,
    /// The agent identity that alone may act as it, if it is an agent's user.
    pub agent_identity: Option<String>,
    /// The `AADSTS` number that every new sign-in of it is refused with, if it is: 50053, 50055, 50057, 50076, 530035 …
    pub refused_with: Option<u32>,
}

/// A secret of an app registration.
#[derive(Clone, Debug)]
pub struct ClientSecret {
    /// The value.
    pub value: String,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
}

/// A certificate of an app registration.
#[derive(Clone, Debug)]
pub struct AppCertificate {
    /// SHA-256 over the certificate, as `x5t#S256` has it.
    pub thumbprint: String,
    /// SHA-1 over it, as `x5t` has it: clients older than 2024 name it so.
    pub old_thumbprint: String,
    /// The `RSAPublicKey` in it.
    pub public_key: Vec<u8>,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
}

/// Whose outside tokens an app registration accepts.
#[derive(Clone, Debug)]
pub struct FederatedCredential {
    /// Must equal the token's `iss`.
    pub issuer: String,
    /// Must equal the token's `sub`.
    pub subject: String,
}

/// Whether an identity belongs to the machine or is only lent to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Managed {
    /// The machine's own.
    System,
    /// One of those given to it.
    User,
}

/// An app registration with its service principal.
#[derive(Clone, Debug)]
pub struct App {
    /// The short name that tests use.
    pub name: String,
    /// The tenant where it is registered.
    pub tenant: String,
    /// Other tenants that have taken it in, for their users.
    pub also_in: Vec<String>,
    /// Its application id.
    pub client_id: String,
    /// The object id of its service principal.
    pub object_id: String,
    /// A public client may not send a credential, a confidential one must.
    pub public: bool,
    /// Secrets.
    pub secrets: Vec<ClientSecret>,
    /// Certificates.
    pub certificates: Vec<AppCertificate>,
    /// Federated credentials.
    pub federated: Vec<FederatedCredential>,
    /// Where a browser may bring codes of a public client: addresses of the type *Mobile and desktop applications*. The
    /// port of a loopback address is ignored, its spelling is not.
    pub redirect_uris: Vec<String>,
    /// The same for a confidential client: addresses of the type *Web*.
    pub web_redirect_uris: Vec<String>,
    /// Set for a managed identity, which the token endpoint does not know.
    pub managed: Option<Managed>,
    /// The blueprint of an agent identity, which has no credentials of its own; none for an ordinary app.
    pub blueprint: Option<String>,
    /// Delegated permissions on Azure DevOps that were consented to; none means `AADSTS65001`.
    pub delegated: Vec<String>,
    /// The `AADSTS` number that whatever it asks for is refused with, if it is: 7000112, 700238, 900382, 90055 …
    pub refused_with: Option<u32>,
}

/// A service connection of the pipeline's project.
#[derive(Clone, Debug)]
pub struct ServiceConnection {
    /// Its GUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The app behind it.
    pub app: String,
    /// `iss` of the tokens that the job gets for it.
    pub issuer: String,
    /// `sub` of the tokens that the job gets for it.
    pub subject: String,
    /// The pipeline was not given it.
    pub unauthorized: bool,
    /// Nobody used it for 100 days, so the service disabled it.
    pub disabled: bool,
}

impl User {
    /// Sign-in name and object id in a tenant, and whether the user is at home there; none if it is unknown there.
    pub fn in_tenant(&self, tenant: &str) -> Option<(&str, &str, bool)> {
        match &self.home {
            Some(home) if home.tenant == tenant => Some((&home.upn, &home.oid, true)),
            Some(home) if self.tenant == tenant => Some((&home.upn, &self.oid, false)),
            None if self.tenant == tenant => Some((&self.upn, &self.oid, true)),
            _ => None,
        }
    }

    /// The name that the person knows.
    pub fn known_name(&self) -> &str {
        self.home.as_ref().map_or(&self.upn, |home| &home.upn)
    }
}

impl World {
    /// The user of that short name. A test that names one who doesn't exist is wrong.
    pub fn user(&self, name: &str) -> &User {
        self.users.iter().find(|user| user.name == name).unwrap_or_else(|| panic!("no user {name:?} in this world"))
    }

    /// The same, to change it.
    pub fn user_mut(&mut self, name: &str) -> &mut User {
        self.users.iter_mut().find(|user| user.name == name).unwrap_or_else(|| panic!("no user {name:?} in this world"))
    }

    /// Adds a user of the first tenant and organization.
    pub fn add_user(&mut self, name: &str) -> &mut User {
        let n = self.next_number();
        let tenant = &self.tenants[0];
        let user = User {
            name: name.to_owned(),
            upn: format!("{name}@{}", tenant.domain),
            mail: Some(format!("{name}@{}", tenant.domain)),
            oid: ids::guid("oid", n),
            identity: ids::guid("identity", n),
            tenant: tenant.id.clone(),
            member_of: vec![self.organizations[0].name.clone()],
            home: None,
            password: None,
            wrong_passwords: 0,
            agent_identity: None,
            refused_with: None,
        };
        self.users.push(user);
        self.user_mut(name)
    }

    /// Adds another tenant and returns its id.
    pub fn add_tenant(&mut self, domain: &str) -> String {
        let id = ids::guid("tenant", self.tenants.len() as u64 + 1);
        self.tenants.push(Tenant { id: id.clone(), domain: domain.to_owned() });
        id
    }

    /// Adds a guest of the first tenant and organization, who comes from the tenant of that domain.
    pub fn add_guest(&mut self, name: &str, domain: &str) -> &mut User {
        let known = self.tenants.iter().find(|tenant| tenant.domain == domain).map(|tenant| tenant.id.clone());
        let tenant = known.unwrap_or_else(|| self.add_tenant(domain));
        let oid = ids::guid("home oid", self.users.len() as u64 + 1);
        let host = self.tenants[0].domain.clone();
        let user = self.add_user(name);
        user.upn = format!("{name}_{domain}#EXT#@{host}");
        user.home = Some(Home { tenant, upn: format!("{name}@{domain}"), oid });
        user
    }

    /// The app registration of that short name.
    pub fn app(&self, name: &str) -> &App {
        self.apps.iter().find(|app| app.name == name).unwrap_or_else(|| panic!("no app {name:?} in this world"))
    }

    /// The same, to change it.
    pub fn app_mut(&mut self, name: &str) -> &mut App {
        self.apps.iter_mut().find(|app| app.name == name).unwrap_or_else(|| panic!("no app {name:?} in this world"))
    }

    /// Adds an app registration to the first tenant: public, without any credential, allowed to manage PATs for users.
    pub fn add_app(&mut self, name: &str) -> &mut App {
        let n = self.next_number();
        self.apps.push(App {
            name: name.to_owned(),
            tenant: self.tenants[0].id.clone(),
            also_in: Vec::new(),
            client_id: ids::guid("client", n),
            object_id: ids::guid("principal", n),
            public: true,
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
            redirect_uris: vec!["http://localhost".to_owned()],
            web_redirect_uris: Vec::new(),
            managed: None,
            blueprint: None,
            delegated: vec!["vso.pats".to_owned(), "vso.pats_manage".to_owned()],
            refused_with: None,
        });
        self.app_mut(name)
    }

    /// Gives an app a secret, which makes it confidential, and returns the value.
    pub fn add_client_secret(&mut self, app: &str) -> String {
        let n = self.count("client secret");
        // With what a form must encode, as real ones have it.
        let value = ids::secret("sim8Q~ulatedclientsecret", n, 40);
        self.remember(format!("client secret {n} of {app}"), &value);
        let app = self.app_mut(app);
        app.public = false;
        app.secrets.push(ClientSecret { value: value.clone(), expires: None });
        value
    }

    /// Gives an app a new self-signed certificate, which makes it confidential, and returns it with its key.
    pub fn add_certificate(&mut self, app: &str) -> TestCertificate {
        let number = self.count("certificate");
        let certificate = TestCertificate::self_signed(app, number);
        self.register_certificate(app, &certificate.der);
        for line in certificate.secret_lines() {
            self.remember(format!("private key of certificate {number} of {app}"), &line);
        }
        certificate
    }

    /// Registers a certificate with an app, which makes it confidential.
    pub fn register_certificate(&mut self, app: &str, der: &[u8]) {
        let public_key = subject_public_key(der).expect("a certificate with an RSA key");
        let app = self.app_mut(app);
        app.public = false;
        let old_thumbprint = URL_SAFE_NO_PAD.encode(old_thumbprint(der));
        let thumbprint = URL_SAFE_NO_PAD.encode(thumbprint(der));
        app.certificates.push(AppCertificate { thumbprint, old_thumbprint, public_key, expires: None });
    }

    /// Turns an app into a public client, as if its refresh tokens had come through a public address.
    pub fn make_public(&mut self, app: &str) {
        let app = self.app_mut(app);
        app.public = true;
        let name = app.name.clone();
        for token in self.refresh_tokens.iter_mut().filter(|token| token.app == name) {
            token.is_confidential = false;
        }
    }

    /// Gives an app an address of the type *Web* and no other: its sign-ins with a browser are a confidential client's.
    pub fn make_web(&mut self, app: &str, address: &str) {
        let app = self.app_mut(app);
        app.redirect_uris.clear();
        app.web_redirect_uris = vec![address.to_owned()];
    }

    /// Gives a user a password and returns it.
    pub fn add_password(&mut self, user: &str) -> String {
        let number = self.count("password");
        // With what a form must encode.
        let value = format!("{}+&%= \"\\", ids::secret("simulated-password-", number, 32));
        self.remember(format!("password {number} of {user}"), &value);
        self.user_mut(user).password = Some(value.clone());
        value
    }

    /// Adds a managed identity of the machine that the job runs on.
    pub fn add_managed_identity(&mut self, name: &str, managed: Managed) -> &mut App {
        let app = self.add_app(name);
        (app.public, app.managed) = (false, Some(managed));
        app.delegated.clear();
        app
    }

    /// Lets an app be entered with the token of a managed identity.
    pub fn trust_managed_identity(&mut self, app: &str, identity: &str) {
        let identity = self.app(identity);
        let issuer = format!("https://login.microsoftonline.com/{}/v2.0", identity.tenant);
        let subject = identity.object_id.clone();
        self.app_mut(app).federated.push(FederatedCredential { issuer, subject });
    }

    /// Adds an agent identity of this blueprint, which signs in with the blueprint's tokens and nothing else.
    pub fn add_agent_identity(&mut self, name: &str, blueprint: &str) -> &mut App {
        let (blueprint, tenant) = (self.app(blueprint).name.clone(), self.app(blueprint).tenant.clone());
        let app = self.add_app(name);
        (app.public, app.tenant, app.blueprint) = (false, tenant, Some(blueprint));
        app
    }

    /// Adds a user as whom only this agent identity may act.
    pub fn add_agent_user(&mut self, name: &str, identity: &str) -> &mut User {
        let identity = self.app(identity).name.clone();
        let user = self.add_user(name);
        user.agent_identity = Some(identity);
        user
    }

    /// Adds a federated service connection over an app, which makes the app confidential, and returns its id.
    pub fn add_service_connection(&mut self, name: &str, app: &str) -> String {
        let n = self.next_number();
        let id = ids::guid("connection", n);
        let issuer = format!("https://login.microsoftonline.com/{}/v2.0", self.app(app).tenant);
        let subject = format!("/eid1/c/pub/t/simulated/a/simulated/sc/{}/{id}", self.organizations[0].id);
        let registration = self.app_mut(app);
        registration.public = false;
        registration.federated.push(FederatedCredential { issuer: issuer.clone(), subject: subject.clone() });
        self.connections.push(ServiceConnection {
            id: id.clone(),
            name: name.to_owned(),
            app: app.to_owned(),
            issuer,
            subject,
            unauthorized: false,
            disabled: false,
        });
        id
    }

    /// Turns a service connection into one from before Entra issued its tokens: with the issuer and the subject of
    /// Azure DevOps, on both sides.
    pub fn use_old_issuer(&mut self, connection: &str) {
        let organization = &self.organizations[0];
        let issuer = format!("https://vstoken.dev.azure.com/{}", organization.id);
        let subject = format!("sc://{}/{}/{connection}", organization.name, self.job.project);
        let found = self.connections.iter_mut().find(|known| known.name == connection);
        let found = found.unwrap_or_else(|| panic!("no service connection {connection:?} in this world"));
        (found.issuer, found.subject) = (issuer.clone(), subject.clone());
        let app = found.app.clone();
        self.app_mut(&app).federated = vec![FederatedCredential { issuer, subject }];
    }

    /// The token that a newer agent puts beside a service connection, so that a task need not ask for one.
    pub fn id_token_of(&mut self, connection: &str) -> String {
        let ServiceConnection { issuer, subject, .. } = self.service_connection(connection).clone();
        self.oidc_token(&issuer, &subject)
    }

    /// The service connection of that name.
    pub fn service_connection(&self, name: &str) -> &ServiceConnection {
        self.connections
            .iter()
            .find(|connection| connection.name == name)
            .unwrap_or_else(|| panic!("no service connection {name:?} in this world"))
    }

    /// The organization of that name, in any case of letters, as in an address.
    pub fn organization(&self, name: &str) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.name.eq_ignore_ascii_case(name))
    }

    /// Adds another organization of the first tenant.
    pub fn add_organization(&mut self, name: &str) {
        let n = self.next_number();
        let tenant = self.tenants[0].id.clone();
        self.organizations.push(Organization { name: name.to_owned(), id: ids::guid("organization", n), tenant });
    }
}
