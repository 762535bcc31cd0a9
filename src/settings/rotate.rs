//! The settings of a rotation.

use std::time::Duration;

use ring::digest::{SHA256, digest};

use crate::agent::environment::{Environment, format_name};
use crate::model::destination::Destination;
use crate::model::marker::PatName;
use crate::model::pat::AuthorizationId;
use crate::model::run_id::RunId;
use crate::model::scopes::Scopes;
use crate::model::text::quoted;
use crate::model::vault_secret::VaultSecret;
use crate::plan::{RotateWhen, RotationRequest};
use crate::settings::command::{Retirement, RotateSettings};
use crate::settings::inputs::Inputs;
use crate::settings::reader::{Reader, Seen};
use crate::settings::{publish_to, task_json};

impl Reader<'_> {
    /// Reads the rotation's inputs. Required inputs may be missing unless a rotation is wanted.
    pub(super) fn rotate(&mut self, inputs: &Inputs, seen: Seen<'_>, is_wanted: bool) -> Option<RotateSettings> {
        let has_places = inputs.publish_to.is_some() || self.is_rejected("publishTo");
        let name = match inputs.pat_name.as_deref().map(PatName::parse) {
            Some(name) => self.take("patName", name),
            None => {
                if is_wanted {
                    self.required(
                        "patName",
                        "the name of the personal access token to rotate, or `manifest` for several",
                    );
                }
                None
            }
        };
        let publish_to = self.publish_to(inputs, seen);
        let confirm_variable = inputs.confirm_variable.clone();
        let variable = self.variable(inputs.variable.as_deref(), !has_places);
        if let (Some(confirm), Some(variable)) = (&confirm_variable, &variable)
            && format_name(confirm) == format_name(variable)
        {
            self.must_be("confirmVariable", "a different variable from `variable`, which this task sets itself");
        }
        let spellings = confirm_variable.as_deref().map(|name| self.environment.spellings(name)).unwrap_or_default();
        if spellings.len() > 1 {
            let spellings: Vec<String> = spellings.iter().map(|name| quoted(name)).collect();
            let expected = "a variable with a name of its own; the task sees only one value for";
            self.must_be("confirmVariable", &format!("{expected} {}", spellings.join(" and ")));
        }
        let retirement = match self.choice("retireOldPat", inputs.retire_old_pat.as_deref()) {
            Some("immediately") => Retirement::Immediately,
            Some("later") => Retirement::Later,
            _ => Retirement::AfterJob,
        };
        if retirement == Retirement::Later && self.is_release() {
            let expected =
                "`afterJob` or `immediately` in a release: other runs cannot ask whether a release is still at work";
            self.must_be("retireOldPat", expected);
        }
        if retirement == Retirement::Immediately && !has_places {
            let expected = "`afterJob` without `publishTo`: the job stores the variable's value after this step";
            self.must_be("retireOldPat", expected);
        }
        if retirement == Retirement::Immediately && confirm_variable.is_some() {
            self.must_be("retireOldPat", "`afterJob` with `confirmVariable`, which the job sets after this step");
        }
        let replace = inputs.replace_authorization_id.as_deref().and_then(|id| {
            let id = AuthorizationId::parse(id).ok_or_else(|| format!("a GUID; got {}", quoted(id)));
            self.take("replaceAuthorizationId", id)
        });
        let scopes = inputs.scopes.as_deref().and_then(|scopes| self.take("scopes", Scopes::parse(scopes)));
        let valid_for_days = self.number("validForDays", inputs.valid_for_days.as_deref(), 1, 365);
        let rotate_when = self.rotate_when(inputs.rotate_when_days_left.as_deref());
        let overlap_hours = self.number("overlapHours", inputs.overlap_hours.as_deref(), 0, 720);
        let create_if_missing = self.boolean("createIfMissing", inputs.create_if_missing.as_deref());
        let dry_run = self.boolean("dryRun", inputs.dry_run.as_deref());
        let run = if is_wanted { self.run() } else { None };

        let places = publish_to.iter().map(Destination::to_string);
        let places = places.chain(variable.as_ref().map(|name| format!("job variable {}", quoted(name)))).collect();
        let retire_when = match (retirement, &confirm_variable) {
            (Retirement::Immediately, _) => "in this step".to_owned(),
            (Retirement::Later, _) => "by `command: settle` in a later job of this build".to_owned(),
            (Retirement::AfterJob, None) => "once the job has succeeded".to_owned(),
            (Retirement::AfterJob, Some(name)) => {
                format!("once the job has ended with {} set to true", quoted(name))
            }
        };
        let request = RotationRequest {
            name: name?,
            run: run?,
            rotate_when,
            replace,
            scopes,
            valid_for_days,
            create_if_missing,
            overlap: Duration::from_secs(u64::from(overlap_hours) * 60 * 60),
            places,
            retire_when,
        };
        Some(RotateSettings { request, dry_run, variable, publish_to, confirm_variable, retirement })
    }

    pub(super) fn is_release(&self) -> bool {
        self.environment.get("RELEASE_RELEASEID").is_some()
    }

    fn publish_to(&mut self, inputs: &Inputs, seen: Seen<'_>) -> Vec<Destination> {
        let lines = inputs.publish_to.as_deref().unwrap_or_default();
        let (destinations, faults) = publish_to::read(lines, &self.own_project());
        for fault in faults {
            self.must_be("publishTo", &fault);
        }
        let has_vault = destinations.iter().any(|destination| matches!(destination, Destination::KeyVault(_)));
        if has_vault && !seen.has_connection {
            self.required("serviceConnection", "the service connection whose app may write the vaults of `publishTo`");
        }
        for destination in &destinations {
            if let Destination::KeyVault(secret) = destination {
                self.at_home("publishTo", secret, seen);
            }
        }
        let (stores, _) =
            publish_to::read(inputs.refresh_token_store.as_deref().unwrap_or_default(), &self.own_project());
        let secret = inputs.refresh_token_secret.as_deref().and_then(|secret| VaultSecret::parse(secret).ok());
        let stores: Vec<Destination> = stores.into_iter().chain(secret.map(Destination::KeyVault)).collect();
        for destination in destinations.iter().filter(|place| stores.iter().any(|store| store.clashes(place))) {
            self.fault("publishTo", &format!("must not name the refresh token's store: {destination} is both"));
        }
        destinations
    }

    fn variable(&mut self, given: Option<&str>, is_only_place: bool) -> Option<String> {
        let name = given.or(is_only_place.then_some("PAT"))?;
        let is_output = task_json::OUTPUT_VARIABLES.iter().any(|output| format_name(output) == format_name(name));
        if is_output {
            self.must_be("variable", &format!("a different name: {} is an output variable of this task", quoted(name)));
        } else if is_reserved(name, self.environment) {
            self.must_be("variable", &format!("a different name: {} is reserved by Azure Pipelines", quoted(name)));
        } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) || name.len() > 200 {
            self.must_be("variable", "at most 200 letters a to z, digits, `.`, `_` and `-`");
        }
        Some(name.to_owned())
    }

    fn rotate_when(&mut self, given: Option<&str>) -> RotateWhen {
        match given {
            None => RotateWhen::ThirdOfLife,
            Some(word) if word.eq_ignore_ascii_case("always") => RotateWhen::Always,
            Some(days) => match days.parse::<u16>() {
                Ok(number) if number <= 365 && days.bytes().all(|b| b.is_ascii_digit()) => RotateWhen::DaysLeft(number),
                _ => {
                    let expected = format!("`always` or a whole number from 0 to 365; got {}", quoted(days));
                    self.must_be("rotateWhenDaysLeft", &expected);
                    RotateWhen::ThirdOfLife
                }
            },
        }
    }

    /// `K`, from the ids that the agent gives; see design section 4.
    pub(super) fn run(&mut self) -> Option<RunId> {
        let get = |name: &str| self.environment.get(name);
        // A release that consumes a build's artifacts has that build's id too, so the release's comes first.
        let (run, attempt) = match (get("RELEASE_RELEASEID"), get("BUILD_BUILDID")) {
            (Some(release), _) => (format!("r{release}"), get("RELEASE_ATTEMPTNUMBER")),
            (None, Some(build)) => (build.to_owned(), get("SYSTEM_JOBATTEMPT")),
            (None, None) => {
                self.fault(
                    "BUILD_BUILDID",
                    "or `RELEASE_RELEASEID` is required: this task runs only in a pipeline job",
                );
                return None;
            }
        };
        let ids = [
            "SYSTEM_TEAMPROJECTID",
            "SYSTEM_DEFINITIONID",
            "RELEASE_ENVIRONMENTID",
            "SYSTEM_STAGENAME",
            "SYSTEM_PHASENAME",
            "SYSTEM_JOBNAME",
        ];
        // The engine makes a step's id from the attempt too; its name stays the same in a rerun of the job (seen in code:
        // `GetTaskInstanceName` of actions/runner's PipelineUtilities.cs).
        let step = get("SYSTEM_TASKINSTANCENAME").or_else(|| get("SYSTEM_TASKINSTANCEID"));
        let ids: Vec<&str> = ids.into_iter().map(get).chain([step]).map(Option::unwrap_or_default).collect();
        let hash = digest(&SHA256, ids.join("\n").as_bytes());
        let hash: String = hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let id = RunId::parse(&format!("{run}.{}-{hash}", attempt.unwrap_or("1")));
        if id.is_none() {
            let is_release = get("RELEASE_RELEASEID").is_some();
            let (run, attempt) = match is_release {
                true => ("RELEASE_RELEASEID", "RELEASE_ATTEMPTNUMBER"),
                false => ("BUILD_BUILDID", "SYSTEM_JOBATTEMPT"),
            };
            let is_number = |name: &str| get(name).is_none_or(|text| text.parse::<u32>().is_ok());
            self.must_be(if is_number(run) { attempt } else { run }, "a whole number");
        }
        id
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
