//! Reads the inputs into settings. Reading continues after a fault, to find all of them.

use url::Url;

use crate::agent::environment::Environment;
use crate::agent::trust;
use crate::model::organization::{NoOrganization, Organization};
use crate::model::pat::AuthorizationId;
use crate::model::service_connection::ServiceConnection;
use crate::model::text::quoted;
use crate::settings::access::{Access, Pipeline, Purpose, Source};
use crate::settings::command::{Command, ReportScope};
use crate::settings::fault::Fault;
use crate::settings::inputs::Inputs;
use crate::settings::{connection, task_json, temporary_folder};

/// Collects the faults while the settings are read.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a Environment,
    pub(super) faults: Vec<Fault>,
    /// Inputs that are set, but were left out because they are invalid for every command.
    pub(super) rejected: Vec<&'static str>,
}

/// What is known about the service connection and the organization before the other inputs are read.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// Whether `serviceConnection` is set, valid or not.
    pub(super) has_connection: bool,
    /// `None` if the organization is invalid; then vaults are not checked against it.
    pub(super) is_on_loopback: Option<bool>,
    /// The login host of the connection, if that is valid.
    pub(super) authority: Option<&'a Url>,
}

impl Reader<'_> {
    /// `None` only if a fault was found.
    pub(super) fn settings(&mut self, inputs: Inputs) -> Option<(Access, Command)> {
        let command = self.choice("command", inputs.command.as_deref());
        let pipeline = self.pipeline();
        let organization = self.organization(inputs.organization.as_deref(), pipeline.as_ref());
        let loopback = organization.as_ref().and_then(Organization::loopback);
        let connection = self.connection("serviceConnection", inputs.service_connection.as_deref(), loopback);
        let loopback = pipeline.as_ref().and_then(|pipeline| pipeline.organization.loopback());
        let writer = inputs.azure_dev_ops_service_connection.as_deref();
        let azure_devops_connection = self.connection("azureDevOpsServiceConnection", writer, loopback);
        let seen = Seen {
            has_connection: inputs.service_connection.is_some() || self.is_rejected("serviceConnection"),
            is_on_loopback: organization.as_ref().map(|organization| organization.loopback().is_some()),
            authority: connection.as_ref().map(|connection| &connection.authority),
        };
        for (input, id) in [("tenantId", &inputs.tenant_id), ("clientId", &inputs.client_id)] {
            if id.as_deref().is_some_and(|id| AuthorizationId::parse(id).is_none()) {
                self.must_be(input, "a GUID");
            }
        }
        // Every command's inputs are read, so that a wrong one is named whichever command it belongs to.
        let is_many = inputs.manifest.is_some() && command == Some("rotate");
        let is_wanted = !is_many && matches!(command, Some("rotate" | "settle" | "check"));
        let rotate = self.rotate(&inputs, seen, is_wanted);
        if inputs.manifest.is_some() && !is_many && command.is_some() {
            self.fault("manifest", "is only used with `command: rotate`");
        }
        if command == Some("settle") && self.is_release() {
            self.must_be("command", "another than `settle` in a release: a later job of a build settles");
        }
        let canary = self.canary(&inputs);
        let report = self.report(&inputs, command == Some("report"));
        let (source, command) = match command? {
            "signIn" => {
                let sign_in = self.sign_in(&inputs, seen);
                (Some(Source::Person), sign_in.map(Command::SignIn))
            }
            "check" => {
                let check = self.check(rotate, canary).map(|check| Command::Check(Box::new(check)));
                (self.source(&inputs, seen), check)
            }
            "report" => (self.source(&inputs, seen), report.map(Command::Report)),
            "settle" => (self.source(&inputs, seen), rotate.map(|settings| Command::Settle(Box::new(settings)))),
            _ if is_many => {
                let many = self.many(&inputs, seen, pipeline.as_ref(), organization.as_ref());
                (self.source(&inputs, seen), many.map(|many| Command::RotateMany(Box::new(many))))
            }
            _ => (self.source(&inputs, seen), rotate.map(|rotate| Command::Rotate(Box::new(rotate)))),
        };
        let has_app = connection.as_ref().is_none_or(|connection| connection.app().is_some());
        if !has_app
            && inputs.client_id.is_none()
            && !self.is_rejected("clientId")
            && matches!(
                source,
                Some(Source::AgentUser(_) | Source::Password(_) | Source::RefreshToken(..) | Source::Person)
            )
        {
            self.required(
                "clientId",
                "the client id of an app, as users cannot sign in to the connection's managed identity",
            );
        }
        let user = inputs.user_name.as_deref().and_then(|user| self.user(user));
        let purpose = match &command {
            Some(Command::Report(report)) if report.scope == ReportScope::Organization => Purpose::OrganizationReport,
            Some(Command::Report(_)) => Purpose::OwnReport,
            _ => Purpose::Rotation,
        };
        let access = Access {
            organization: organization?,
            source: source?,
            purpose,
            connection,
            azure_devops_connection,
            client: inputs.client_id,
            tenant: inputs.tenant_id,
            user,
            requested_scopes: inputs.requested_scopes,
            pipeline: pipeline?,
        };
        Some((access, command?))
    }

    fn connection(
        &mut self,
        input: &'static str,
        id: Option<&str>,
        loopback: Option<Url>,
    ) -> Option<ServiceConnection> {
        self.take(input, connection::read(self.environment, id?, loopback))
    }

    fn pipeline(&mut self) -> Option<Pipeline> {
        let get = |name: &str| self.environment.get(name);
        let project = get("SYSTEM_TEAMPROJECTID").or_else(|| get("SYSTEM_TEAMPROJECT")).unwrap_or_default().to_owned();
        let job_token = trust::job_token(self.environment);
        let organization = match trust::organization(self.environment) {
            Ok(organization) => organization,
            Err((address, _)) if address.is_empty() => {
                self.required(trust::CONNECTION, "the address of the pipeline's organization");
                return None;
            }
            Err((address, why)) => {
                self.must_be(trust::CONNECTION, &not_services(&address, &why));
                return None;
            }
        };
        let oidc = trust::oidc(self.environment, &organization).unwrap_or_else(|address| {
            self.must_be(trust::OIDC, &format!("an address of {organization}; got {}", shown(address)));
            None
        });
        let temporary_folder = temporary_folder(self.environment);
        let version = |name| get(name).map(str::to_owned);
        let (agent, node) = (version("AGENT_VERSION"), version("ROTATE_PAT_NODE"));
        Some(Pipeline { organization, project, job_token, oidc, agent, node, temporary_folder })
    }

    pub(super) fn organization(&mut self, given: Option<&str>, pipeline: Option<&Pipeline>) -> Option<Organization> {
        let Some(given) = given else { return pipeline.map(|pipeline| pipeline.organization.clone()) };
        let parsed =
            if given.contains("://") { Organization::parse(given) } else { pipeline?.organization.beside(given) };
        let parsed = parsed.map_err(|why| self.must_be("organization", &not_services(given, &why))).ok()?;
        // Locally every service is one host, without TLS.
        if parsed.loopback().is_some() && pipeline?.organization.loopback().is_none() {
            let expected = format!("an organization of Azure DevOps Services; {} is a local address", quoted(given));
            self.must_be("organization", &expected);
            return None;
        }
        Some(parsed)
    }

    /// Finds the value in the manifest's pick list, ignoring case.
    pub(super) fn choice(&mut self, input: &'static str, given: Option<&str>) -> Option<&'static str> {
        let options = task_json::input(input).map_or(&[][..], |input| input.options);
        let given = given.unwrap_or_default();
        if let Some(option) = options.iter().find(|option| option.eq_ignore_ascii_case(given)) {
            return Some(option);
        }
        let listed: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
        self.must_be(input, &format!("one of {}; got {}", listed.join(", "), quoted(given)));
        None
    }

    pub(super) fn number(&mut self, input: &'static str, given: Option<&str>, least: u16, most: u16) -> u16 {
        let given = given.unwrap_or_default();
        match given.parse::<u16>() {
            Ok(number) if (least..=most).contains(&number) && given.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => {
                self.must_be(input, &format!("a whole number from {least} to {most}; got {}", quoted(given)));
                least
            }
        }
    }

    pub(super) fn boolean(&mut self, input: &'static str, given: Option<&str>) -> bool {
        match given.unwrap_or("false").to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            other => {
                self.must_be(input, &format!("`true` or `false`; got {}", quoted(other)));
                false
            }
        }
    }

    pub(super) fn take<T>(&mut self, input: &'static str, result: Result<T, String>) -> Option<T> {
        result.map_err(|expected| self.must_be(input, &expected)).ok()
    }

    pub(super) fn is_rejected(&self, input: &str) -> bool {
        self.rejected.contains(&input)
    }

    pub(super) fn must_be(&mut self, input: &'static str, expected: &str) {
        self.push(Fault::must_be(input, expected));
    }

    pub(super) fn required(&mut self, input: &'static str, meaning: &str) {
        self.push(Fault::required(input, meaning));
    }

    pub(super) fn fault(&mut self, input: &'static str, predicate: &str) {
        self.push(Fault::new(input, predicate));
    }

    fn push(&mut self, fault: Fault) {
        if !self.is_rejected(fault.input) {
            self.faults.push(fault);
        }
    }
}

/// What stands before an `@` may be a password.
fn shown(address: &str) -> String {
    if address.contains('@') { "a value with `@`, which is not shown".to_owned() } else { quoted(address) }
}

fn not_services(given: &str, why: &NoOrganization) -> String {
    match why {
        NoOrganization::Malformed => {
            let given = shown(given);
            format!("an organization's name or address, such as `https://dev.azure.com/contoso`; got {given}")
        }
        NoOrganization::Server(host) => format!(
            "an organization of Azure DevOps Services; got {}, and Azure DevOps Server has no PAT lifecycle API",
            quoted(host)
        ),
    }
}
