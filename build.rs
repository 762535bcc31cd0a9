//! Turns `task.json`, the single source of the inputs' names, defaults and help, into constants,
//! and stops the build when its version is not the crate's: agents fetch a task anew only when that number rises.
//! Names the commit and the target for `--version`, too.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

const MANIFEST: &str = "task.json";
/// Names the commit where there is no repository.
const COMMIT: &str = "ROTATE_PAT_COMMIT";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={MANIFEST}");
    println!("cargo::rerun-if-changed=build.rs");
    let out = told_by_cargo("OUT_DIR")?;
    match generate(&Path::new(env!("CARGO_MANIFEST_DIR")).join(MANIFEST)) {
        Ok(code) => fs::write(Path::new(&out).join("manifest.rs"), code)?,
        Err(reason) => println!("cargo::error={MANIFEST}: {reason}"),
    }
    println!("cargo::rustc-env=ROTATE_PAT_TARGET={}", told_by_cargo("TARGET")?);
    println!("cargo::rustc-env=ROTATE_PAT_COMMIT={}", commit()?);
    Ok(())
}

/// What cargo tells a build script.
#[expect(clippy::disallowed_methods, reason = "a build script is told in no other way")]
fn told_by_cargo(name: &str) -> Result<String, Box<dyn Error>> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

/// The commit that a release is built from: as given, else the repository's, where there is one. Any other build names
/// none: it may hold anything, and need not be made again for every commit.
fn commit() -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={COMMIT}");
    if let Ok(given) = told_by_cargo(COMMIT) {
        return Ok(given);
    }
    if told_by_cargo("PROFILE")? != "release" {
        return Ok("none".to_owned());
    }
    // Unpacked inside another repository, that one's commit says nothing.
    if git(&["rev-parse", "--show-prefix"]).is_none_or(|prefix| !prefix.is_empty()) {
        return Ok("unknown".to_owned());
    }
    // Each commit and each checkout adds a line to this file.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists()) {
        println!("cargo::rerun-if-changed={log}");
    }
    Ok(git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned()))
}

/// What git answers in this folder; nothing without git or a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    answer.status.success().then(|| text.trim().to_owned())
}

/// The text of `manifest.rs`. The module that includes it defines `Input`.
fn generate(path: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|e| format!("could not be read: {e}"))?;
    let task: Value = serde_json::from_str(&text).map_err(|e| format!("is not JSON: {e}"))?;
    agrees_with_the_crate(&task["version"])?;

    let mut code = String::new();
    let name = string(&task, "name")?;
    writeln!(code, "/// The task's name, as a pipeline spells it.\npub const TASK_NAME: &str = {name:?};")?;
    writeln!(code, "/// Every input, in the manifest's order.\npub const INPUTS: &[Input] = &[")?;
    for input in list(&task, "inputs")? {
        let (name, label) = (string(input, "name")?, string(input, "label")?);
        let help = string(input, "helpMarkDown").map_err(|e| format!("input {name}: {e}"))?;
        let default = match &input["defaultValue"] {
            Value::Null => String::new(),
            Value::String(default) => default.clone(),
            other => other.to_string(),
        };
        let aliases: Vec<_> = input["aliases"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let options: Vec<_> = input["options"].as_object().into_iter().flat_map(|o| o.keys()).collect();
        writeln!(
            code,
            "    Input {{ name: {name:?}, aliases: &{aliases:?}, label: {label:?}, default: {default:?}, help: {help:?}, options: &{options:?} }},"
        )?;
    }
    writeln!(code, "];")?;
    let outputs = list(&task, "outputVariables")?.iter().map(|o| string(o, "name")).collect::<Result<Vec<_>, _>>()?;
    writeln!(code, "/// The declared output variables.\npub const OUTPUT_VARIABLES: &[&str] = &{outputs:?};")?;
    Ok(code)
}

fn agrees_with_the_crate(version: &Value) -> Result<(), String> {
    let part = |name| version[name].as_u64().ok_or(format!("version.{name} is not a whole number"));
    let task = format!("{}.{}.{}", part("Major")?, part("Minor")?, part("Patch")?);
    let krate = env!("CARGO_PKG_VERSION");
    if task == krate {
        return Ok(());
    }
    Err(format!("its version is {task}, the crate's in Cargo.toml is {krate}. Raise both together."))
}

fn string<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value[key].as_str().ok_or(format!("\"{key}\" is missing or not a text"))
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value[key].as_array().ok_or(format!("\"{key}\" is missing or not a list"))
}
