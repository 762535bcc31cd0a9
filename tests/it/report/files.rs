//! The two files, read by others: the one for programs against its published schema, the one for the Tests tab by a
//! reader that is not ours.

use std::path::Path;
use std::process::Command;

use super::{OF_ALL, TaskResult, Value, fs, organization, report, whole};
use crate::harness::pipeline::of_this_machine;

const TOP: &str = env!("CARGO_MANIFEST_DIR");

/// What of JSON Schema the schema uses. The place of the first value that is not as it says.
pub(crate) fn mismatch(schema: &Value, all: &Value, value: &Value, place: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = reference
            .strip_prefix('#')
            .and_then(|pointer| all.pointer(pointer))
            .expect("a reference that leads somewhere");
        return mismatch(found, all, value, place);
    }
    let wrong = |why: &str| Some(format!("{place}: {why}: {value}"));
    let is_of = |kind: &Value| match kind.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        other => panic!("a type {other:?}"),
    };
    for (rule, said) in schema.as_object().unwrap() {
        if matches!(rule.as_str(), "required" | "additionalProperties" | "properties") && !value.is_object() {
            continue;
        }
        let is_met = match rule.as_str() {
            "type" => said.as_array().map_or_else(|| is_of(said), |kinds| kinds.iter().any(is_of)),
            "const" => value == said,
            "enum" => said.as_array().unwrap().contains(value),
            "minimum" => value.as_i64().is_none_or(|number| number >= said.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|number| number <= said.as_i64().unwrap()),
            "maxItems" => value.as_array().unwrap().len() <= said.as_u64().unwrap() as usize,
            "uniqueItems" => {
                let list = value.as_array().unwrap();
                (1..list.len()).all(|at| !list[..at].contains(&list[at]))
            }
            "pattern" => {
                let pattern = regex_lite::Regex::new(said.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            "required" => said.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "additionalProperties" => {
                let known = schema["properties"].as_object().unwrap();
                value.as_object().unwrap().keys().all(|name| known.contains_key(name))
            }
            "properties" => {
                let inner = said
                    .as_object()
                    .unwrap()
                    .iter()
                    .find_map(|(name, schema)| mismatch(schema, all, value.get(name)?, &format!("{place}/{name}")));
                if inner.is_some() {
                    return inner;
                }
                true
            }
            "items" => {
                let mut items = value.as_array().unwrap().iter().enumerate();
                let inner = items.find_map(|(at, item)| mismatch(said, all, item, &format!("{place}/{at}")));
                if inner.is_some() {
                    return inner;
                }
                true
            }
            "$schema" | "$defs" | "title" => true,
            other => panic!("the schema has a rule {other:?} that this test does not know"),
        };
        if !is_met {
            return wrong(rule);
        }
    }
    None
}

#[test]
fn the_file_for_programs_is_as_its_schema_says() {
    let schema: Value =
        serde_json::from_str(&fs::read_to_string(Path::new(TOP).join("docs/report.schema.json")).unwrap()).unwrap();
    let pipeline = organization(40);
    let (_, listed) = whole(&pipeline);
    assert_eq!(mismatch(&schema, &schema, &listed.0, ""), None);
    let mut other = listed.0.clone();
    other["tokens"][0]["owner"]["phone"] = "1".into();
    let told = mismatch(&schema, &schema, &other, "").expect("a field that nobody knows");
    assert!(told.starts_with("/tokens/0/owner: additionalProperties"), "{told}");
    other = listed.0;
    other["tokens"][1]["validTo"] = "tomorrow".into();
    assert!(mismatch(&schema, &schema, &other, "").is_some_and(|told| told.starts_with("/tokens/1/validTo: pattern")));
}

/// A reader of JUnit files from PyPI, pinned, fetched once into the build's folder; none where there is no Python or no way
/// to it.
fn reader() -> Option<std::path::PathBuf> {
    let folder = Path::new(TOP).join("target/tools/junitparser-5.0.3");
    if !folder.join("junitparser").is_dir() {
        fs::create_dir_all(&folder).unwrap();
        let pinned = folder.join("requirements.txt");
        fs::write(&pinned, READER).unwrap();
        let pip =
            ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--root-user-action", "ignore", "--no-deps"];
        let mut command = Command::new("python3");
        command.args(pip).args(["--only-binary", ":all:", "--require-hashes", "--target"]).arg(&folder);
        if !command.arg("-r").arg(&pinned).output().is_ok_and(|done| done.status.success()) {
            assert!(of_this_machine("ROTATE_PAT_EVERYTHING").is_none(), "there is no Python with pip on this machine");
            return None;
        }
    }
    Some(folder)
}

const READER: &str =
    "junitparser==5.0.3 --hash=sha256:553535b8cd1672a9c8bd2c7326ae1ae69279267fbc562106b5aa44d3c5f769af\n";

#[test]
#[expect(clippy::print_stdout, reason = "a test that did not run must say so")]
fn a_reader_of_junit_files_finds_every_token_and_as_many_failures_as_the_outputs_say() {
    let Some(reader) = reader() else {
        println!("NOT RUN: there is no Python with pip on this machine");
        return;
    };
    let pipeline = organization(40);
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL, ("failOn", "expiring")]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    let output =
        |name: &str| job.variable_value(&format!("rotate.{name}")).unwrap_or_else(|| panic!("no {name}")).to_owned();
    let script = "import sys; from junitparser import JUnitXml\n\
                  for s in JUnitXml.fromfile(sys.argv[1]):\n    \
                  print(s.tests, s.failures, s.errors, len(list(s)), sum(1 for c in s if c.result), all(c.name and c.classname for c in s))";
    let read =
        Command::new("python3").args(["-c", script, &output("junitFile")]).env("PYTHONPATH", reader).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let tokens = super::Listed::of(&job).number("tokenCount");
    let failures: u64 = ["expiredCount", "expiringCount"].iter().map(|name| output(name).parse::<u64>().unwrap()).sum();
    assert!(failures > 0 && failures < tokens, "{failures} of {tokens}");
    let said = String::from_utf8(read.stdout).unwrap();
    assert_eq!(said.trim(), format!("{tokens} {failures} 0 {tokens} {failures} True"));
}

#[test]
fn a_folder_whose_path_the_log_cannot_show_exactly_is_refused() {
    let (_sim, mut job) = super::local(3, &[]);
    let folder = super::reports_folder().join("a##b");
    fs::create_dir_all(&folder).unwrap();
    job.set("AGENT_TEMPDIRECTORY", folder.to_str().unwrap());
    assert_eq!(job.main(), rotate_pat::app::StageExit::Failed, "{}", job.log());
    assert!(
        job.log().contains("the agent's temporary folder") && job.variable("reportFile").is_none(),
        "{}",
        job.log()
    );
}
