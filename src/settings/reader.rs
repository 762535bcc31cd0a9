//! Reads the inputs into settings, and notes every fault on the way: reading goes on after one, to find the others.

use std::time::Duration;

use ring::digest::{SHA256, digest};

use super::address::{self, NoOrganization, Organization, VaultSecret};
use super::environment::{Environment, format_name};
use super::inputs::Inputs;
use super::{Destination, Fault, Pipeline, Retirement, Settings, Source, connection, manifest, publish_to};
use crate::pat::{AuthorizationId, PatName, RunId, Scopes};
use crate::plan::Wish;
use crate::secret::Secret;
use crate::text::quoted;

/// The settings in the making.
pub(super) struct Reader<'a> {
    pub(super) environment: &'a Environment,
    pub(super) faults: Vec<Fault>,
    /// Inputs that are given, but were left out as they cannot be used whatever they are for.
    pub(super) spoiled: Vec<&'static str>,
}

impl Reader<'_> {
    /// `None` only with a fault noted; most faults are noted and reading goes on, to find the others.
    pub(super) fn settings(&mut self, inputs: Inputs) -> Option<Settings> {
        if let Some(other) = self.choice("command", inputs.command.as_deref()).filter(|command| *command != "rotate") {
            self.fault("command", &format!("`rotate`: `{other}` is not in this version"));
        }
        let pipeline = self.pipeline();
        let organization = self.organization(inputs.organization.as_deref(), pipeline.as_ref());
        let loopback = organization.as_ref().and_then(Organization::loopback);
        // Unknown where the organization is: then nothing can be said of a vault.
        let is_on_loopback = organization.as_ref().map(|organization| organization.loopback().is_some());
        let connection = inputs
            .service_connection
            .as_deref()
            .and_then(|id| self.take("serviceConnection", connection::read(self.environment, id, loopback)));
        let has_connection = inputs.service_connection.is_some() || self.is_spoiled("serviceConnection");
        let has_places = inputs.publish_to.is_some() || self.is_spoiled("publishTo");
        let loopback = pipeline.as_ref().and_then(|pipeline| pipeline.organization.loopback());
        let azure_devops_connection = inputs
            .azure_dev_ops_service_connection
            .as_deref()
            .and_then(|id| self.take("azureDevOpsServiceConnection", connection::read(self.environment, id, loopback)));
        let source = self.source(&inputs, has_connection, is_on_loopback);

        let name = match inputs.pat_name.as_deref().map(PatName::parse) {
            Some(name) => self.take("patName", name),
            None => self.take("patName", Err("the name of the personal access token to rotate".to_owned())),
        };
        let publish_to = self.publish_to(&inputs, has_connection, is_on_loopback);
        let confirm_variable = inputs.confirm_variable.clone();
        let variable = self.variable(inputs.variable.as_deref(), !has_places);
        if let (Some(confirm), Some(variable)) = (&confirm_variable, &variable)
            && format_name(confirm) == format_name(variable)
        {
            self.fault("confirmVariable", "another variable than `variable`, which this task sets itself");
        }
        let retirement = match self.choice("retireOldPat", inputs.retire_old_pat.as_deref()) {
            Some("immediately") => Retirement::Immediately,
            _ => Retirement::AfterJob,
        };
        if retirement == Retirement::Immediately && !has_places {
            let needed =
                "`afterJob` when there is no `publishTo`: a value taken from a variable is stored later than this step";
            self.fault("retireOldPat", needed);
        }
        if retirement == Retirement::Immediately && confirm_variable.is_some() {
            self.fault("retireOldPat", "`afterJob` with `confirmVariable`, which the job sets later than this step");
        }
        let replace = inputs.replace_authorization_id.as_deref().and_then(|id| {
            let id = AuthorizationId::parse(id).ok_or_else(|| format!("a GUID: {} is none", quoted(id)));
            self.take("replaceAuthorizationId", id)
        });
        let scopes = inputs.scopes.as_deref().and_then(|scopes| self.take("scopes", Scopes::parse(scopes)));
        let valid_for_days = self.number("validForDays", inputs.valid_for_days.as_deref(), 1, 365);
        let rotate_when_days_left =
            inputs.rotate_when_days_left.as_deref().map(|days| self.number("rotateWhenDaysLeft", Some(days), 0, 365));
        let overlap_hours = self.number("overlapHours", inputs.overlap_hours.as_deref(), 0, 720);
        let create_if_missing = self.truth("createIfMissing", inputs.create_if_missing.as_deref());
        let dry_run = self.truth("dryRun", inputs.dry_run.as_deref());
        let run = self.run();
        self.leave_to_others(&inputs);
        for (input, id) in [("tenantId", &inputs.tenant_id), ("clientId", &inputs.client_id)] {
            if id.as_deref().is_some_and(|id| AuthorizationId::parse(id).is_none()) {
                self.fault(input, "a GUID");
            }
        }

        let places = publish_to.iter().map(Destination::to_string);
        let places = places.chain(variable.as_ref().map(|name| format!("job variable {}", quoted(name)))).collect();
        let retire_when = match (retirement, &confirm_variable) {
            (Retirement::Immediately, _) => "in this step".to_owned(),
            (Retirement::AfterJob, None) => "once the job has succeeded".to_owned(),
            (Retirement::AfterJob, Some(name)) => {
                format!("once the job has ended with {} set to true", quoted(name))
            }
        };
        let wish = Wish {
            name: name?,
            run: run?,
            rotate_when_days_left,
            replace,
            scopes,
            valid_for_days,
            create_if_missing,
            overlap: Duration::from_secs(u64::from(overlap_hours) * 60 * 60),
            places,
            retire_when,
        };
        Some(Settings {
            organization: organization?,
            source: source?,
            connection,
            azure_devops_connection,
            client: inputs.client_id,
            tenant: inputs.tenant_id,
            requested_scopes: inputs.requested_scopes,
            wish,
            dry_run,
            variable,
            publish_to,
            confirm_variable,
            retirement,
            pipeline: pipeline?,
        })
    }

    /// Inputs that this command does not use: wrong ones are still named, and those not in this version are refused.
    fn leave_to_others(&mut self, inputs: &Inputs) {
        self.choice("reportScope", inputs.report_scope.as_deref());
        self.choice("failOn", inputs.fail_on.as_deref());
        self.number("warnWhenDaysLeft", inputs.warn_when_days_left.as_deref(), 0, 365);
        self.number("maxMinutes", inputs.max_minutes.as_deref(), 1, u16::MAX);
        for (input, given) in [("userName", inputs.user_name.is_some())] {
            if given {
                self.fault(input, "to be left out: this version does not use it");
            }
        }
    }

    /// At most one way of signing in; none means the connection's own token.
    fn source(&mut self, inputs: &Inputs, has_connection: bool, is_on_loopback: Option<bool>) -> Option<Source> {
        let given = [
            ("refreshTokenSecret", inputs.refresh_token_secret.is_some()),
            ("refreshToken", inputs.refresh_token.is_some()),
            ("entraAgentId", inputs.entra_agent_id.is_some()),
            ("password", inputs.password.is_some()),
            ("accessToken", inputs.access_token.is_some()),
        ];
        let given: Vec<&'static str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
        if let [first, rest @ ..] = &given[..]
            && !rest.is_empty()
        {
            let others: Vec<String> = rest.iter().map(|name| format!("`{name}`")).collect();
            self.fault(first, &format!("to be the only way of signing in: {} is given too", others.join(" and ")));
            return None;
        }
        if ["refreshTokenSecret", "refreshToken", "entraAgentId", "password", "accessToken"]
            .iter()
            .any(|input| self.is_spoiled(input))
        {
            return None;
        }
        let source = match given.first().copied() {
            Some("accessToken") => {
                let token = inputs.access_token.clone();
                if token.as_ref().is_some_and(|token| !token.reveal().bytes().all(|byte| byte.is_ascii_graphic())) {
                    self.fault("accessToken", "a token of one word, without blanks or line ends");
                }
                token.map(Source::AccessToken)
            }
            Some("refreshTokenSecret") => {
                let secret = inputs.refresh_token_secret.as_deref().map(VaultSecret::parse);
                let secret = secret.and_then(|secret| self.take("refreshTokenSecret", secret));
                if secret.as_ref().is_some_and(|secret| is_on_loopback == Some(secret.is_in_the_cloud())) {
                    self.fault("refreshTokenSecret", "a vault where the organization is, in the cloud or not");
                }
                secret.map(Source::RefreshTokenSecret)
            }
            Some(other) => {
                self.fault(other, "to be left out: this version signs in with `refreshTokenSecret` or `accessToken`");
                None
            }
            None => Some(Source::Connection),
        };
        let needs_connection = matches!(given.first().copied(), Some("refreshTokenSecret") | None);
        if needs_connection && !has_connection {
            let needed = "the Azure Resource Manager service connection to sign in with";
            self.fault("serviceConnection", needed);
        }
        if inputs.refresh_token_store.is_some() && inputs.refresh_token.is_none() {
            self.fault("refreshTokenStore", "to be left out: it belongs to `refreshToken`");
        }
        source
    }

    fn publish_to(&mut self, inputs: &Inputs, has_connection: bool, is_on_loopback: Option<bool>) -> Vec<Destination> {
        let lines = inputs.publish_to.as_deref().unwrap_or_default();
        let get = |name: &str| self.environment.get(name).unwrap_or_default().to_lowercase();
        let own_project = [get("SYSTEM_TEAMPROJECT"), get("SYSTEM_TEAMPROJECTID")];
        let (destinations, faults) = publish_to::read(lines, &own_project);
        for fault in faults {
            self.fault("publishTo", &fault);
        }
        let has_vault = destinations.iter().any(|destination| matches!(destination, Destination::KeyVault(_)));
        if has_vault && !has_connection {
            self.fault("serviceConnection", "the service connection whose app may write the vaults of `publishTo`");
        }
        for destination in &destinations {
            if let Destination::KeyVault(secret) = destination
                && is_on_loopback == Some(secret.is_in_the_cloud())
            {
                self.fault("publishTo", &format!("a vault where the organization is, in the cloud or not: {secret}"));
            }
        }
        let store = inputs.refresh_token_secret.as_deref().and_then(|secret| VaultSecret::parse(secret).ok());
        for destination in &destinations {
            if let Destination::KeyVault(secret) = destination
                && store.as_ref() == Some(secret)
            {
                self.fault("publishTo", &format!("other places than the refresh token's: {secret} is both"));
            }
        }
        destinations
    }

    fn variable(&mut self, given: Option<&str>, is_only_place: bool) -> Option<String> {
        let name = given.or(is_only_place.then_some("PAT"))?;
        let is_output = manifest::OUTPUT_VARIABLES.iter().any(|output| format_name(output) == format_name(name));
        if is_output {
            self.fault("variable", &format!("another name: {} is an output variable of this task", quoted(name)));
        } else if is_reserved(name, self.environment) {
            self.fault("variable", &format!("another name: {} is reserved by Azure Pipelines", quoted(name)));
        } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) || name.len() > 200 {
            self.fault("variable", "a name of the letters a to z, digits, `.`, `_` and `-`");
        }
        Some(name.to_owned())
    }

    fn pipeline(&mut self) -> Option<Pipeline> {
        let get = |name: &str| self.environment.get(name);
        let collection = get("SYSTEM_COLLECTIONURI").or_else(|| get("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"));
        let project = get("SYSTEM_TEAMPROJECTID").or_else(|| get("SYSTEM_TEAMPROJECT")).unwrap_or_default().to_owned();
        let token = [
            "ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN",
            "SECRET_SYSTEM_ACCESSTOKEN",
            "SYSTEM_ACCESSTOKEN",
        ];
        let job_token = token.into_iter().find_map(get).map(|token| Secret::new(token.to_owned()));
        let oidc = get("SYSTEM_OIDCREQUESTURI").and_then(address::oidc);
        let organization = match collection.map(Organization::parse) {
            Some(Ok(organization)) => organization,
            Some(Err(why)) => {
                self.fault("organization", &not_services(collection.unwrap_or_default(), &why));
                return None;
            }
            None => {
                self.fault("organization", "a pipeline job: `SYSTEM_COLLECTIONURI` is not set");
                return None;
            }
        };
        Some(Pipeline { organization, project, job_token, oidc })
    }

    fn organization(&mut self, given: Option<&str>, pipeline: Option<&Pipeline>) -> Option<Organization> {
        let Some(given) = given else { return pipeline.map(|pipeline| pipeline.organization.clone()) };
        let parsed =
            if given.contains("://") { Organization::parse(given) } else { pipeline?.organization.beside(given) };
        parsed.map_err(|why| self.fault("organization", &not_services(given, &why))).ok()
    }

    /// `K`, from the ids that the agent gives; see design section 4.
    fn run(&mut self) -> Option<RunId> {
        let get = |name: &str| self.environment.get(name);
        // A release that consumes a build's artifacts has that build's id too, so the release's comes first.
        let (run, attempt) = match (get("RELEASE_RELEASEID"), get("BUILD_BUILDID")) {
            (Some(release), _) => (format!("r{release}"), get("RELEASE_ATTEMPTNUMBER")),
            (None, Some(build)) => (build.to_owned(), get("SYSTEM_JOBATTEMPT")),
            (None, None) => {
                self.fault("command", "a pipeline job: neither `BUILD_BUILDID` nor `RELEASE_RELEASEID` is set");
                return None;
            }
        };
        let ids = [
            "SYSTEM_TEAMPROJECTID",
            "SYSTEM_DEFINITIONID",
            "SYSTEM_STAGENAME",
            "SYSTEM_PHASENAME",
            "SYSTEM_JOBNAME",
            "SYSTEM_TASKINSTANCEID",
        ];
        let ids: Vec<&str> = ids.into_iter().map(|name| get(name).unwrap_or_default()).collect();
        let hash = digest(&SHA256, ids.join("\n").as_bytes());
        let hash: String = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let id = RunId::parse(&format!("{run}.{}-{hash}", attempt.unwrap_or("1")));
        if id.is_none() {
            self.fault("command", "a pipeline job: the run's id and attempt are no numbers");
        }
        id
    }

    /// A value of a list in the manifest, in any case.
    fn choice(&mut self, input: &'static str, given: Option<&str>) -> Option<&'static str> {
        let options = manifest::input(input).map_or(&[][..], |input| input.options);
        let given = given.unwrap_or_default();
        if let Some(option) = options.iter().find(|option| option.eq_ignore_ascii_case(given)) {
            return Some(option);
        }
        let listed: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
        self.fault(input, &format!("one of {}: {} is none", listed.join(", "), quoted(given)));
        None
    }

    fn number(&mut self, input: &'static str, given: Option<&str>, least: u16, most: u16) -> u16 {
        let given = given.unwrap_or_default();
        match given.parse::<u16>() {
            Ok(number) if (least..=most).contains(&number) && given.bytes().all(|b| b.is_ascii_digit()) => number,
            _ => {
                self.fault(input, &format!("a whole number from {least} to {most}: {} is none", quoted(given)));
                least
            }
        }
    }

    fn truth(&mut self, input: &'static str, given: Option<&str>) -> bool {
        match given.unwrap_or("false").to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            other => {
                self.fault(input, &format!("`true` or `false`: {} is neither", quoted(other)));
                false
            }
        }
    }

    fn take<T>(&mut self, input: &'static str, result: Result<T, String>) -> Option<T> {
        result.map_err(|expected| self.fault(input, &expected)).ok()
    }

    fn is_spoiled(&self, input: &str) -> bool {
        self.spoiled.contains(&input)
    }

    fn fault(&mut self, input: &'static str, expected: &str) {
        if !self.is_spoiled(input) {
            self.faults.push(Fault::new(input, expected));
        }
    }
}

fn not_services(given: &str, why: &NoOrganization) -> String {
    match why {
        NoOrganization::Malformed => {
            // What stands before an `@` may be a password.
            let given = if given.contains('@') { "what is given".to_owned() } else { quoted(given) };
            format!("an organization's name or address, such as `https://dev.azure.com/contoso`: {given} is none")
        }
        NoOrganization::Server(host) => format!(
            "an organization of Azure DevOps Services: {} is not, and Azure DevOps Server has no PAT lifecycle API",
            quoted(host)
        ),
    }
}

/// Names that the agent does not let a task set, or hides from later steps (seen in code: `Constants.cs`; the
/// prefixes are documented under "Define variables").
fn is_reserved(name: &str, environment: &Environment) -> bool {
    let lower = name.to_ascii_lowercase();
    let spelled =
        ["agent.", "build.", "system.", "release.", "environment.", "strategy.", "checks.", "task.", "common."];
    let hidden =
        ["endpoint", "input", "secret", "securefile", "path", "prefix", "vsts", "agent_", "system_", "tf_build"];
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| lower.starts_with(prefix));
    let formatted = format_name(name);
    let is_system = ["BUILD_", "RELEASE_"].iter().any(|prefix| formatted.starts_with(prefix))
        && environment.get(&formatted).is_some();
    starts(&spelled) || starts(&hidden) || is_system
}
