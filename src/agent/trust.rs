//! Which values of the environment can be trusted, and what each of them decides.
//!
//! The agent writes job variables, inputs, connections and task variables into one environment (seen in code:
//! `NodeHandler.cs`). Since July 2026 (azure-pipelines-agent#5606) it writes variables first, so a variable can stand
//! where the agent writes nothing; an older agent writes them after inputs and connections, so a variable replaces those
//! too. And `system.collectionUri` and `SYSTEM_COLLECTIONURI` are two variables with one name in the environment: which
//! of them a task sees is chance. Hence:
//!
//! * where credentials go and how the job ended comes from values whose names no variable has here: `ENDPOINT_*`,
//!   inputs, and `agent.jobstatus` with its dot, as every variable's name loses its dots;
//! * a variable with the name of such a value, or of another one in `DECIDES`, is refused by name, unless it is
//!   spelled as the agent spells its own.

use url::Url;

use crate::agent::environment::{Environment, format_name};
use crate::agent::handoff;
use crate::model::organization::{NoOrganization, Organization};
use crate::model::pat::AuthorizationId;
use crate::model::secret::Secret;

/// The address of the job's own connection to Azure DevOps.
pub const CONNECTION: &str = "ENDPOINT_URL_SYSTEMVSSCONNECTION";
/// Where the job asks for OIDC tokens.
pub const OIDC: &str = "SYSTEM_OIDCREQUESTURI";
/// The collection's address; in a classic release the first can be that of Release Management.
const COLLECTION: [&str; 2] = ["SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "SYSTEM_COLLECTIONURI"];

const DESTINATION: &str = "where credentials go";
const RUN: &str = "which run this is, and so which tokens are its own";
const WAY: &str = "the way to the services, and gets the proxy's password";
const ROOTS: &str = "which certificates are trusted";
const PROJECT: &str = "in which project the new token is stored";

/// `(name in the environment, the agent's own spelling, what it decides)`. A spelling is compared without case, as a
/// job's variables are. Not here: `SYSTEM_DEBUG`, which decides nothing but debug lines; `HTTPS_PROXY` and `NO_PROXY`,
/// which many pipelines set as variables: such a proxy gets no credential but its own, and TLS keeps it from reading.
const DECIDES: [(&str, Option<&str>, &str); 36] = [
    ("SYSTEM_COLLECTIONURI", Some("system.collectionUri"), DESTINATION),
    ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", Some("system.teamFoundationCollectionUri"), DESTINATION),
    (OIDC, Some("system.oidcRequestUri"), DESTINATION),
    ("SYSTEM_TEAMPROJECT", Some("system.teamProject"), PROJECT),
    ("SYSTEM_TEAMPROJECTID", Some("system.teamProjectId"), PROJECT),
    ("AGENT_JOBSTATUS", Some("agent.jobstatus"), "whether the old token is retired"),
    ("BUILD_BUILDID", Some("build.buildId"), RUN),
    ("RELEASE_RELEASEID", Some("release.releaseId"), RUN),
    ("RELEASE_ATTEMPTNUMBER", Some("release.attemptNumber"), RUN),
    ("RELEASE_ENVIRONMENTID", Some("release.environmentId"), RUN),
    ("SYSTEM_DEFINITIONID", Some("system.definitionId"), RUN),
    ("SYSTEM_HOSTTYPE", Some("system.hostType"), RUN),
    ("SYSTEM_JOBATTEMPT", Some("system.jobAttempt"), RUN),
    ("SYSTEM_JOBNAME", Some("system.jobName"), RUN),
    ("SYSTEM_PHASENAME", Some("system.phaseName"), RUN),
    ("SYSTEM_STAGENAME", Some("system.stageName"), RUN),
    ("SYSTEM_TASKINSTANCEID", Some("system.taskInstanceId"), RUN),
    ("SYSTEM_TASKINSTANCENAME", Some("system.taskInstanceName"), RUN),
    ("AGENT_PROXYURL", Some("agent.proxyUrl"), WAY),
    ("AGENT_PROXYUSERNAME", Some("agent.proxyUsername"), WAY),
    ("SECRET_AGENT_PROXYPASSWORD", Some("agent.proxyPassword"), WAY),
    ("AGENT_PROXYBYPASSLIST", Some("agent.proxyBypassList"), WAY),
    ("AGENT_USEBASICAUTHFORPROXY", Some("agent.useBasicAuthForProxy"), WAY),
    ("AGENT_CAINFO", Some("agent.caInfo"), ROOTS),
    ("AGENT_SKIPCERTVALIDATION", Some("agent.skipCertValidation"), ROOTS),
    ("SSL_CERT_FILE", None, ROOTS),
    ("SSL_CERT_DIR", None, ROOTS),
    ("NODE_EXTRA_CA_CERTS", None, ROOTS),
    ("AGENT_CLIENTCERT", Some("agent.clientCert"), "which file is read as the agent's certificate"),
    ("AGENT_CLIENTCERTKEY", Some("agent.clientCertKey"), "which file is read as the agent's key"),
    ("AGENT_CLIENTCERTARCHIVE", Some("agent.clientCertArchive"), "which file is read as the agent's certificate"),
    ("SECRET_AGENT_CLIENTCERTPASSWORD", Some("agent.clientCertPassword"), "how the agent's key is read"),
    ("SYSTEM_DEFAULTWORKINGDIRECTORY", Some("system.defaultWorkingDirectory"), "which file is read as the manifest"),
    ("AGENT_TEMPDIRECTORY", Some("agent.tempDirectory"), "where files are written"),
    ("IDENTITY_ENDPOINT", None, "which managed identity signs in"),
    ("IDENTITY_HEADER", None, "which managed identity signs in"),
];

/// What only a release has.
const RELEASE: [&str; 3] = ["RELEASE_RELEASEID", "RELEASE_ATTEMPTNUMBER", "RELEASE_ENVIRONMENTID"];

/// A job variable that replaces a value that the program trusts.
#[derive(Debug, PartialEq, Eq)]
pub struct Shadow {
    /// The variable, as the pipeline spells it.
    pub variable: String,
    /// Its name in the environment.
    pub name: String,
    /// What the value decides.
    pub decides: &'static str,
}

/// The job variables that could replace a value of the agent. `is_input` recognizes the declared inputs by their name in
/// the environment. The error is the name of the list that the agent did not set; without it nothing can be trusted.
pub fn shadows(environment: &Environment, is_input: impl Fn(&str) -> bool) -> Result<Vec<Shadow>, &'static str> {
    let public = environment.public_variables()?.into_iter().map(|variable| (format_name(&variable), variable));
    let secret = environment.secret_variables()?.into_iter();
    let secret = secret.map(|variable| (format!("SECRET_{}", format_name(&variable)), variable));
    // A build has no release id: with the same one, two builds would count as one run.
    let is_build = environment.get("SYSTEM_HOSTTYPE").is_some_and(|host| host.eq_ignore_ascii_case("build"));
    let as_release = |name: &str| Some(RUN).filter(|_| is_build && RELEASE.contains(&name));
    let shadow = |(name, variable): (String, String)| {
        let decides = decides(&name, &variable, &is_input).or_else(|| as_release(&name))?;
        Some(Shadow { variable, name, decides })
    };
    Ok(public.chain(secret).filter_map(shadow).collect())
}

/// What the value of this name decides, unless the variable is the agent's own.
fn decides(name: &str, variable: &str, is_input: impl Fn(&str) -> bool) -> Option<&'static str> {
    if let Some((_, own, decides)) = DECIDES.iter().find(|(known, ..)| *known == name) {
        return Some(*decides).filter(|_| !own.is_some_and(|own| own.eq_ignore_ascii_case(variable)));
    }
    if handoff::is_of_the_handoff(name) {
        return Some("which tokens the post-job step retires");
    }
    if is_input(name) {
        return Some("what this step does");
    }
    is_of_a_connection(name).then_some("who signs in, and where")
}

/// Whether it is a value of the job's own connection or of a service connection, which are known by their ids.
fn is_of_a_connection(name: &str) -> bool {
    let rest = ["ENDPOINT_URL_", "ENDPOINT_AUTH_", "ENDPOINT_DATA_"].iter().find_map(|start| name.strip_prefix(start));
    let is_key = |part: &str| part == "SYSTEMVSSCONNECTION" || AuthorizationId::parse(part).is_some();
    rest.is_some_and(|rest| rest.split('_').any(is_key))
}

/// The organization that the job runs in, by the address of its own connection. Where that address has another form,
/// the collection's counts, in the cloud alone: no variable can send anything elsewhere.
///
/// # Errors
/// The address that is not an organization's, and why.
pub fn organization(environment: &Environment) -> Result<Organization, (String, NoOrganization)> {
    let connection = environment.get(CONNECTION).unwrap_or_default();
    Organization::parse(connection).or_else(|why| {
        let collections = COLLECTION.iter().filter_map(|name| Organization::parse(environment.get(name)?).ok());
        let mut in_the_cloud = collections.filter(|organization| organization.loopback().is_none());
        in_the_cloud.next().filter(|_| !connection.is_empty()).ok_or((connection.to_owned(), why))
    })
}

/// The address where the job asks for OIDC tokens. It gets the job's token, so it must be the organization's or at the
/// host of the job's own connection.
///
/// # Errors
/// The address that is neither.
pub fn oidc<'a>(environment: &'a Environment, organization: &Organization) -> Result<Option<Url>, &'a str> {
    let Some(text) = environment.get(OIDC) else { return Ok(None) };
    let connection = environment.get(CONNECTION).and_then(|address| Url::parse(address).ok());
    let is_trusted = |url: &Url| {
        let is_connections = connection.as_ref().is_some_and(|connection| connection.origin() == url.origin());
        is_connections || organization.has_host(url)
    };
    Url::parse(text).ok().filter(is_trusted).map(Some).ok_or(text)
}

/// The job's token. Only the connection's own: `SYSTEM_ACCESSTOKEN` can be anything.
pub fn job_token(environment: &Environment) -> Option<Secret> {
    let token = environment.get("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN");
    token.map(|token| Secret::new(token.to_owned()))
}

/// The agent's status of the job's steps (seen in code: `Handler.cs`).
pub fn job_status(environment: &Environment) -> Option<&str> {
    environment.get("agent.jobstatus")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_own_spelling_is_that_name_in_the_environment() {
        for (name, own, _) in DECIDES {
            let Some(own) = own else { continue };
            assert_eq!(name.strip_prefix("SECRET_").unwrap_or(name), format_name(own));
            assert_eq!(decides(name, own, |_| false), None);
        }
    }

    #[test]
    fn only_names_that_decide_something_are_shadows() {
        let id = "11111111-aaaa-1111-1111-111111111111";
        for (variable, is_shadow) in [
            ("system_collectionuri", true),
            ("System.CollectionUri", false),
            ("endpoint.auth.scheme.SystemVssConnection", true),
            (&format!("endpoint.data.{id}.environment"), true),
            ("endpoint.url", false),
            ("endpoint.data.prod.environment", false),
            ("input.patName", true),
            ("input.folder", false),
            ("vsts.taskvariable.ROTATEPATNEW", true),
            ("vsts.taskvariable.other", false),
            ("https_proxy", false),
            ("system_debug", false),
        ] {
            let found = decides(&format_name(variable), variable, |name| name == "INPUT_PATNAME");
            assert_eq!(found.is_some(), is_shadow, "{variable}");
        }
    }

    #[test]
    fn release_reaches_its_organization_by_every_form_of_address() {
        let of = |connection: &str, collection: &str| {
            let variables = [(CONNECTION, connection), ("SYSTEM_COLLECTIONURI", collection)];
            organization(&variables.into_iter().collect()).map(|organization| organization.to_string())
        };
        let contoso = Ok("https://dev.azure.com/contoso".to_owned());
        assert_eq!(of("https://vsrm.dev.azure.com/contoso/", ""), contoso);
        assert_eq!(of("https://contoso.vsrm.visualstudio.com/", "https://dev.azure.com/evil/"), contoso);
        assert_eq!(of("https://other.azure.example/", "https://vsrm.dev.azure.com/contoso/"), contoso);
        let server = || NoOrganization::Server("other.azure.example".to_owned());
        let refused = Err(("https://other.azure.example/".to_owned(), server()));
        assert_eq!(of("https://other.azure.example/", "http://127.0.0.1:9/contoso/"), refused);
        assert!(of("", "https://dev.azure.com/contoso/").is_err());
    }

    #[test]
    fn oidc_address_is_the_organizations_or_the_connections() {
        let at = |connection: &str, address: &str| {
            let environment: Environment = [(CONNECTION, connection), (OIDC, address)].into_iter().collect();
            let organization = organization(&environment).unwrap();
            oidc(&environment, &organization).is_ok_and(|url| url.is_some())
        };
        let cloud = "https://dev.azure.com/Contoso/";
        for host in ["dev.azure.com", "vsrm.dev.azure.com", "contoso.visualstudio.com", "contoso.vsrm.visualstudio.com"]
        {
            assert!(at(cloud, &format!("https://{host}/contoso/oidctoken")), "{host}");
            assert!(!at(cloud, &format!("http://{host}/contoso/oidctoken")), "{host}");
            assert!(!at(cloud, &format!("https://{host}:8443/contoso/oidctoken")), "{host}");
        }
        for host in ["evil.visualstudio.com", "evil.example", "dev.azure.com.evil.example", "127.0.0.1"] {
            assert!(!at(cloud, &format!("https://{host}/contoso/oidctoken")), "{host}");
        }
        assert!(at("http://127.0.0.1:8080/contoso/", "http://127.0.0.1:8080/contoso/oidctoken"));
        assert!(!at("http://127.0.0.1:8080/contoso/", "http://127.0.0.1:8081/contoso/oidctoken"));
    }
}
