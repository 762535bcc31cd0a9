//! Keeps the import rules of the crate by reading its source as text, so that a shortcut across them fails a test
//! that says which rule it breaks. Comments, and tests inside the source, may break them.

use std::fs;
use std::path::Path;

const LONGEST_FILE: usize = 450;
const LONGEST_MAIN: usize = 40;

/// Modules that know of nothing but each other.
const VALUES: [&str; 6] = ["allowance", "listed", "pat", "secret", "text", "timestamp"];
/// Modules that decide, over values alone.
const DECISIONS: [&str; 9] = [
    "advice/azure",
    "advice/azure_devops",
    "advice/entra",
    "advice/mod",
    "look",
    "plan/mod",
    "plan/words",
    "report/finding",
    "report/pace",
];

struct Source {
    /// Its path below `src`, with `/`.
    path: String,
    /// Its lines with their numbers, without comments and without tests.
    code: Vec<(usize, String)>,
}

impl Source {
    fn is_in(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Lines that hold any of the texts, as `path:line: text`.
    fn lines_with(&self, texts: &[&str]) -> Vec<String> {
        let hits = self.code.iter().filter(|(_, line)| texts.iter().any(|text| line.contains(text)));
        hits.map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim())).collect()
    }

    /// The last line that is code.
    fn length(&self) -> usize {
        self.code.last().map_or(0, |(number, _)| *number)
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && !name.ends_with("_tests.rs") {
                sources.push(Source { path: name, code: code(&fs::read_to_string(path).unwrap()) });
            }
        }
    }
    assert!(sources.iter().any(|source| source.path == "main.rs"), "the source was not found");
    sources
}

/// The lines before the tests, which are at the end of a file by convention; a test below keeps it.
fn code(text: &str) -> Vec<(usize, String)> {
    let lines = (1..).zip(text.lines()).take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(n, line)| (n, line.to_owned())).collect()
}

fn named(module: &str) -> Source {
    let path = format!("{module}.rs");
    sources().into_iter().find(|source| source.path == path).expect("a module that a rule names")
}

/// Every line outside the places named that holds any of the texts.
fn elsewhere(places: &[&str], texts: &[&str]) -> Vec<String> {
    let is_place = |source: &Source| places.iter().any(|place| source.path == *place || source.is_in(place));
    sources().iter().filter(|source| !is_place(source)).flat_map(|source| source.lines_with(texts)).collect()
}

/// The modules of this crate that a file names, by whichever road.
fn imports(source: &Source) -> Vec<String> {
    let mut modules = Vec::new();
    for (_, line) in &source.code {
        for (index, road) in ["crate::", "super::", "rotate_pat::"].iter().flat_map(|road| line.match_indices(road)) {
            let rest = &line[index + road.len()..];
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            // A group `crate::{…}` gives an empty name, which no rule allows: it could hide anything.
            modules.push(rest[..end].to_owned());
        }
    }
    modules
}

fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn only_the_azure_modules_name_the_http_client() {
    none(&elsewhere(&["azure"], &["reqwest"]));
}

#[test]
fn only_the_commands_module_spells_a_logging_command() {
    none(&elsewhere(&["commands.rs"], &["##vso", "##["]));
}

#[test]
fn values_and_decisions_are_not_async_and_do_no_input_or_output() {
    let texts = ["async", ".await", "tokio", "std::fs", "std::net", "std::io", "std::process", "std::thread"];
    for module in VALUES.into_iter().chain(DECISIONS) {
        none(&named(module).lines_with(&texts));
    }
}

#[test]
fn values_import_values_alone_and_decisions_import_values_and_decisions_alone() {
    let mut broken = Vec::new();
    for module in VALUES.into_iter().chain(DECISIONS) {
        for import in imports(&named(module)) {
            let is_value = VALUES.contains(&import.as_str());
            let is_decision = DECISIONS.contains(&module) && ["advice", "look", "plan"].contains(&import.as_str());
            if !is_value && !is_decision {
                broken.push(format!("{module}.rs imports {import:?}"));
            }
        }
    }
    none(&broken);
}

#[test]
fn only_the_settings_spell_the_agents_variables() {
    none(&elsewhere(
        &["settings"],
        &["INPUT_", "ENDPOINT_", "SYSTEM_", "AGENT_", "\"SECRET_", "\"BUILD_", "\"RELEASE_"],
    ));
}

#[test]
fn only_the_hand_over_spells_task_variables() {
    none(&elsewhere(&["hand_over.rs"], &["VSTS_TASKVARIABLE"]));
}

#[test]
fn the_environment_the_clock_and_standard_output_enter_in_main_alone() {
    let doors =
        ["std::env", "env::var", "env::args", "SystemTime", "Timestamp::now", "stdout()", "stderr()", "println!"];
    let mut broken = elsewhere(&["main.rs", "timestamp.rs"], &doors);
    let clock = named("timestamp").lines_with(&doors);
    broken.extend(clock.iter().filter(|line| !line.ends_with("Self(jiff::Timestamp::now())")).cloned());
    none(&broken);
    assert_eq!(clock.len(), 1, "the one place that reads the clock, for main: {clock:?}");
}

#[test]
fn main_fits_into_forty_lines() {
    let main = named("main");
    assert!(main.length() <= LONGEST_MAIN, "main.rs has {} lines", main.length());
}

#[test]
fn no_file_has_450_lines_before_its_tests() {
    let too_long = |source: &Source| source.length() >= LONGEST_FILE;
    let shown = |source: &Source| format!("{} has {} lines", source.path, source.length());
    none(&sources().iter().filter(|source| too_long(source)).map(shown).collect::<Vec<_>>());
}

#[test]
fn nothing_that_is_shipped_panics_on_purpose() {
    none(&elsewhere(&[], &[".unwrap()", ".expect(", "todo!", "unimplemented!", "panic!"]));
}

#[test]
fn tests_stand_at_the_end_of_a_file_so_that_no_rule_overlooks_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources() {
        let text = fs::read_to_string(root.join(&source.path)).unwrap();
        let tail = text.lines().skip_while(|line| line.trim() != "#[cfg(test)]").skip(1);
        let mut tail = tail.skip_while(|line| line.starts_with("#["));
        let opens = tail.next().unwrap_or("mod tests;");
        let rest: Vec<&str> = tail.collect();
        let is_closed = match opens {
            "mod tests;" => rest.is_empty(),
            "mod tests {" => rest.iter().position(|line| *line == "}") == Some(rest.len() - 1),
            _ => false,
        };
        assert!(is_closed, "{}: something follows the tests, or they are not called `tests`", source.path);
    }
}
