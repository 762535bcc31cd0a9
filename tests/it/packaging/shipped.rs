//! The folder that is shipped: its files, what its manifest promises, and what the docs say of the manifest.

#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::harness::pipeline::package;

const TOP: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest() -> Value {
    serde_json::from_str(&read(package().join("task.json"))).unwrap()
}

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap()).collect()
}

/// Everything between these two, wherever it stands.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0)).collect()
}

/// The program's file for each platform, as the launcher knows them.
pub(crate) fn programs() -> BTreeMap<String, String> {
    let launcher = read(package().join("launcher.js"));
    let table = between(&launcher, "const PROGRAMS = {", "};")[0].to_owned();
    let rows = table.lines().filter_map(|line| line.trim().strip_prefix('\'')?.split_once("': '"));
    rows.map(|(platform, rest)| (platform.to_owned(), rest.split('\'').next().unwrap().to_owned())).collect()
}

pub(crate) fn this_platform() -> String {
    let os = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    format!("{os}-{arch}")
}

pub(crate) fn files_of(folder: &Path, below: &str) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder.join(below)).unwrap().flatten() {
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(files_of(folder, &format!("{name}/")));
        } else {
            files.insert(name);
        }
    }
    files
}

#[test]
fn the_folder_has_the_files_that_the_manifest_and_the_launcher_name_and_no_others() {
    let manifest = manifest();
    let program = format!("bin/{}", programs()[&this_platform()]);
    let mut named = BTreeSet::from(["task.json".to_owned(), "bin/SHA256SUMS".to_owned(), program]);
    for stage in ["execution", "postjobexecution"] {
        for handler in manifest[stage].as_object().unwrap().values() {
            named.insert(handler["target"].as_str().unwrap().to_owned());
        }
    }
    for entry in named.clone().iter().filter(|file| file.ends_with(".js")) {
        let required = read(package().join(entry));
        named.extend(between(&required, "require('./", "')").into_iter().map(str::to_owned));
    }
    assert_eq!(files_of(package(), ""), named);
    for file in &named {
        let mode = fs::metadata(package().join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o644, "{file}: an archive carries no modes, so none may be relied on");
    }
}

#[test]
fn the_launcher_has_a_program_for_each_platform_that_can_be_built_and_no_others() {
    let known: BTreeSet<String> =
        programs().into_values().map(|file| file.trim_end_matches(".exe").to_owned()).collect();
    let script = read(Path::new(TOP).join("pipelines/build.sh"));
    let platforms = between(&script, "    linux-x64 | ", ") platforms+=")[0].split(" | ").chain(["linux-x64"]);
    assert_eq!(known, platforms.map(|platform| format!("rotate-pat-{platform}")).collect());
    let launcher = read(package().join("launcher.js"));
    let modules: BTreeSet<&str> = between(&launcher, "require('", "')").into_iter().collect();
    assert_eq!(modules, BTreeSet::from(["child_process", "crypto", "fs", "os", "path"]), "no packages");
}

#[test]
fn the_manifest_is_consistent_in_itself() {
    let manifest = manifest();
    assert_eq!(manifest, serde_json::from_str::<Value>(&read(Path::new(TOP).join("task.json"))).unwrap());
    let id = manifest["id"].as_str().unwrap();
    assert!(id.len() == 36 && id.split('-').count() == 5, "{id}");
    assert_eq!(manifest["name"], "RotatePat");
    assert_eq!(manifest["visibility"], serde_json::json!(["Build", "Release"]));
    assert_eq!(manifest["runsOn"], serde_json::json!(["Agent", "DeploymentGroup"]));
    assert!(manifest.get("restrictions").is_none(), "the summary needs its command");
    assert_eq!(manifest["execution"].as_object().unwrap().keys().collect::<Vec<_>>(), ["Node20_1", "Node24"]);
    for (stage, target) in [("execution", "rotate.js"), ("postjobexecution", "settle.js")] {
        for (handler, of) in manifest[stage].as_object().unwrap() {
            assert_eq!(of["target"], target, "{stage} {handler}");
            assert_eq!(of["workingDirectory"], "$(Agent.TempDirectory)", "{stage} {handler}");
        }
    }
    let outputs = texts(&manifest["outputVariables"], "name");
    assert_eq!(outputs.iter().collect::<BTreeSet<_>>().len(), outputs.len());
}

#[test]
fn every_input_of_the_manifest_can_be_filled_in() {
    let manifest = manifest();
    let groups = texts(&manifest["groups"], "name");
    let mut names = BTreeSet::new();
    for input in manifest["inputs"].as_array().unwrap() {
        let name = input["name"].as_str().unwrap();
        let aliases = input["aliases"].as_array().cloned().unwrap_or_default();
        for one in aliases.iter().map(|alias| alias.as_str().unwrap()).chain([name]) {
            let is_name =
                one.starts_with(|c: char| c.is_ascii_alphabetic()) && one.chars().all(|c| c.is_ascii_alphanumeric());
            assert!(is_name, "{one}");
            assert!(names.insert(one.to_lowercase()), "{one} is there twice");
        }
        let kind = input["type"].as_str().unwrap();
        let kinds = [
            "boolean",
            "multiLine",
            "pickList",
            "string",
            "connectedService:AzureRM",
            "connectedService:WorkloadIdentityUser",
        ];
        assert!(kinds.contains(&kind), "{name}: {kind}");
        assert!(
            !input["label"].as_str().unwrap().is_empty() && !input["helpMarkDown"].as_str().unwrap().is_empty(),
            "{name}"
        );
        assert!(input.get("required").is_none(), "{name}: the program says what is missing, all at once");
        if let Some(group) = input.get("groupName") {
            assert!(groups.contains(&group.as_str().unwrap()), "{name}: {group}");
        }
        assert_eq!(kind == "pickList", input.get("options").is_some(), "{name}");
        if let Some(options) = input["options"].as_object() {
            assert!(options.contains_key(input["defaultValue"].as_str().unwrap()), "{name}");
        }
    }
    for rule in manifest["groups"].as_array().unwrap().iter().filter_map(|group| group["visibleRule"].as_str()) {
        for one in rule.split(" || ") {
            let (input, option) = one.split_once(" = ").unwrap();
            let input = manifest["inputs"].as_array().unwrap().iter().find(|known| known["name"] == input).unwrap();
            assert!(input["options"].get(option).is_some(), "{rule}");
        }
    }
    for input in between(manifest["instanceNameFormat"].as_str().unwrap(), "$(", ")") {
        assert!(names.contains(&input.to_lowercase()), "{input}");
    }
}

/// The rows of the tables in docs/inputs.md whose first column has this heading: the name, and the cell after it.
fn documented_table(heading: &str) -> BTreeMap<String, String> {
    let page = read(Path::new(TOP).join("docs/inputs.md"));
    let mut rows = BTreeMap::new();
    let mut inside = false;
    for line in page.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if !line.starts_with('|') {
            inside = false;
        } else if cells[0] == heading {
            inside = true;
        } else if inside && cells[0].starts_with('`') {
            for name in cells[0].split('`').skip(1).step_by(2) {
                assert!(rows.insert(name.to_owned(), cells[1].replace('`', "")).is_none(), "{name} is there twice");
            }
        }
    }
    rows
}

#[test]
fn the_docs_list_every_input_with_its_default_and_no_others() {
    let manifest = manifest();
    let inputs = manifest["inputs"].as_array().unwrap().iter();
    let declared: BTreeMap<String, String> = inputs
        .map(|input| {
            (input["name"].as_str().unwrap().to_owned(), input["defaultValue"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    assert_eq!(documented_table("input"), declared);
}

#[test]
fn the_docs_name_every_alias_and_output() {
    let manifest = manifest();
    let page = read(Path::new(TOP).join("docs/inputs.md"));
    for input in manifest["inputs"].as_array().unwrap() {
        let aliases = input["aliases"].as_array().cloned().unwrap_or_default();
        for alias in aliases.iter().map(|alias| alias.as_str().unwrap()) {
            assert!(page.contains(&format!("`{alias}`")), "{alias}");
        }
    }
    for output in texts(&manifest["outputVariables"], "name") {
        assert!(page.contains(&format!("`{output}`")), "{output}");
    }
    let declared: BTreeSet<String> =
        texts(&manifest["outputVariables"], "name").into_iter().map(str::to_owned).collect();
    assert!(documented_table("output").into_keys().all(|output| declared.contains(&output)));
}

#[test]
fn every_example_uses_this_task_with_inputs_that_it_has() {
    let manifest = manifest();
    let mut known = BTreeSet::new();
    for input in manifest["inputs"].as_array().unwrap() {
        known.insert(input["name"].as_str().unwrap().to_owned());
        known.extend(input["aliases"].as_array().into_iter().flatten().map(|alias| alias.as_str().unwrap().to_owned()));
    }
    let top = Path::new(TOP);
    let examples = fs::read_dir(top.join("pipelines")).unwrap().flatten().map(|entry| entry.path());
    let examples = examples.filter(|path| path.extension().is_some_and(|kind| kind == "yml"));
    let mut steps = 0;
    for file in examples.chain(["README.md", "docs/inputs.md", "extension/overview.md"].map(|file| top.join(file))) {
        for step in read(&file).split("- task: RotatePat").skip(1) {
            let version = step.lines().next().unwrap().trim();
            assert_eq!(version, format!("@{}", manifest["version"]["Major"]), "{}", file.display());
            let inputs = step.split_once("inputs:\n").unwrap().1;
            let indent = inputs.len() - inputs.trim_start().len();
            for line in inputs.lines().take_while(|line| line.len() - line.trim_start().len() >= indent) {
                let line = &line[indent..];
                // What is commented out is an input, too, unless it is prose.
                let (line, is_comment) = line.strip_prefix("# ").map_or((line, false), |line| (line, true));
                let Some((name, _)) = line.split_once(':').filter(|_| !line.starts_with([' ', '#'])) else { continue };
                let is_prose = is_comment && name.contains(' ');
                assert!(is_prose || known.contains(name), "{}: {name}", file.display());
            }
            steps += 1;
        }
    }
    assert!(steps >= 2, "{steps}");
}

#[test]
fn security_page_names_only_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let named: Vec<&str> = page.split('`').filter(|text| text.contains("::") && !text.contains(' ')).collect();
    assert!(named.len() > 12, "{named:?}");
    for test in named {
        let (file, name) = test.rsplit_once("::").unwrap();
        let file = root.join("tests/it").join(file.replace("::", "/")).with_extension("rs");
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{test}: {error}"));
        assert!(text.contains(&format!("fn {name}()")), "{test} is no test");
    }
}
