//! Turns `task.json`, the single source of the inputs' names, defaults and help, into constants,
//! and stops the build when its version is not the crate's: agents fetch a task anew only when that number rises.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use serde_json::Value;

const MANIFEST: &str = "task.json";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={MANIFEST}");
    println!("cargo::rerun-if-changed=build.rs");
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script its folder in no other way")]
    let out = env::var_os("OUT_DIR").ok_or("cargo did not name a folder for the output (OUT_DIR)")?;
    match generate(&Path::new(env!("CARGO_MANIFEST_DIR")).join(MANIFEST)) {
        Ok(code) => fs::write(Path::new(&out).join("manifest.rs"), code)?,
        Err(reason) => println!("cargo::error={MANIFEST}: {reason}"),
    }
    Ok(())
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
        let options: Vec<_> = input["options"].as_object().into_iter().flat_map(|o| o.keys()).collect();
        writeln!(
            code,
            "    Input {{ name: {name:?}, label: {label:?}, default: {default:?}, help: {help:?}, options: &{options:?} }},"
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
