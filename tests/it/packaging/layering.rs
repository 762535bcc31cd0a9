//! Keeps the import rules of the crate by reading its source as text, so that a shortcut across them fails a test
//! that says which rule it breaks. Comments, and tests inside the source, may break them.

use std::fs;
use std::path::Path;

const LONGEST_FILE: usize = 450;
const LONGEST_MAIN: usize = 40;

/// The rooms of the house, from the roof down: each imports only from rooms below it.
const ROOMS: [&str; 20] = [
    "main",
    "lib",
    "app",
    "workstation",
    "check",
    "report",
    "rotation",
    "sign_in",
    "destinations",
    "app_tokens",
    "context",
    "failure",
    "azure",
    "http",
    "settings",
    "agent",
    "runtime",
    "plan",
    "advice",
    "model",
];

/// What decides, and what it decides about: no request, no clock, no output.
const PURE: [&str; 6] = ["model", "advice", "plan", "check/row.rs", "report/finding.rs", "report/throttle.rs"];

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

/// The modules of this crate that a file names, as paths from the root such as `model::pat`.
fn imports(source: &Source) -> Vec<String> {
    let code: String = source.code.iter().map(|(_, line)| format!("{line}\n")).collect();
    let mut names = Vec::new();
    for (start, road) in code.match_indices("crate::").chain(code.match_indices("rotate_pat::")) {
        let rest = &code[start + road.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && !"_:{".contains(c)).unwrap_or(rest.len());
        match rest[..end].split_once('{') {
            None => names.push(rest[..end].to_owned()),
            Some((road, _)) => {
                let group = rest[road.len() + 1..].split('}').next().unwrap_or_default();
                names.extend(group.split(',').map(|name| format!("{road}{}", name.trim())));
            }
        }
    }
    let inside = source.path.trim_end_matches(".rs").trim_end_matches("/mod").replace('/', "::");
    let inside = if ["lib", "main"].contains(&inside.as_str()) { String::new() } else { format!("{inside}::") };
    for (_, line) in source.code.iter().filter(|(_, line)| line.trim_end().ends_with(';')) {
        let child = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("mod ");
        if let Some(child) = child.and_then(|child| child.strip_suffix(';'))
            && code.match_indices(&format!("{child}::")).any(|(at, _)| !code[..at].ends_with("::"))
        {
            names.push(format!("{inside}{child}"));
        }
    }
    names
}

/// The file that a path such as `model::pat::Pat` leads to.
fn file_of<'a>(sources: &'a [Source], name: &str) -> Option<&'a Source> {
    let mut parts: Vec<&str> = name.split("::").filter(|part| !part.is_empty()).collect();
    while !parts.is_empty() {
        let path = parts.join("/");
        let file = sources.iter().find(|s| s.path == format!("{path}.rs") || s.path == format!("{path}/mod.rs"));
        if file.is_some() {
            return file;
        }
        parts.pop();
    }
    None
}

fn room(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap_or_default()
}

fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn imports_point_downward_only() {
    let sources = sources();
    let rank = |path: &str| ROOMS.iter().position(|known| *known == room(path));
    let mut broken = Vec::new();
    for source in &sources {
        let Some(own) = rank(&source.path) else {
            broken.push(format!("{} is in no room of the list", source.path));
            continue;
        };
        for name in imports(source) {
            let Some(target) = file_of(&sources, &name) else { continue };
            if room(&target.path) != room(&source.path) && rank(&target.path).is_none_or(|other| other <= own) {
                broken.push(format!("{} imports {name}, which is not below it", source.path));
            }
        }
    }
    none(&broken);
}

#[test]
fn no_two_files_import_each_other_by_any_way_round() {
    let sources = sources();
    let next = |path: &str| -> Vec<&str> {
        let source = sources.iter().find(|source| source.path == path).unwrap();
        let targets = imports(source).into_iter().filter_map(|name| Some(file_of(&sources, &name)?.path.as_str()));
        targets.filter(|target| *target != path).collect()
    };
    let mut broken = Vec::new();
    for start in &sources {
        let (mut seen, mut waiting) = (Vec::new(), next(&start.path));
        while let Some(path) = waiting.pop() {
            if !seen.contains(&path) {
                seen.push(path);
                waiting.extend(next(path));
            }
        }
        if seen.contains(&start.path.as_str()) {
            broken.push(format!("{} imports itself through others", start.path));
        }
    }
    none(&broken);
}

#[test]
fn clients_of_services_know_no_settings_no_plan_and_no_advice() {
    let clients = sources().into_iter().filter(|source| source.is_in("azure"));
    let names = ["crate::settings", "crate::plan", "crate::robustness::advice"];
    none(&clients.flat_map(|source| source.lines_with(&names)).collect::<Vec<_>>());
}

#[test]
fn only_the_http_folder_names_the_http_client_and_tls() {
    none(&elsewhere(&["http"], &["reqwest", "rustls::{", "rustls::client", "webpki_roots"]));
}

#[test]
fn only_one_file_spells_a_logging_command() {
    none(&elsewhere(&["agent/logging_commands.rs"], &["##vso", "##["]));
}

#[test]
fn values_and_decisions_are_not_async_and_do_no_input_or_output() {
    let texts = ["async", ".await", "tokio", "std::fs", "std::net", "std::io", "std::process", "std::thread"];
    let is_pure = |source: &Source| PURE.iter().any(|place| source.path == *place || source.is_in(place));
    none(&sources().iter().filter(|source| is_pure(source)).flat_map(|s| s.lines_with(&texts)).collect::<Vec<_>>());
}

#[test]
fn only_the_settings_and_the_agent_spell_the_agents_variables() {
    none(&elsewhere(
        &["settings", "agent"],
        &["INPUT_", "ENDPOINT_", "SYSTEM_", "AGENT_", "\"SECRET_", "\"BUILD_", "\"RELEASE_"],
    ));
}

#[test]
fn only_the_handoff_spells_task_variables() {
    none(&elsewhere(&["agent/handoff.rs"], &["VSTS_TASKVARIABLE"]));
}

#[test]
fn the_environment_the_clock_and_standard_output_enter_in_main_alone() {
    let doors =
        ["std::env", "env::var", "env::args", "SystemTime", "Timestamp::now", "stdout()", "stderr()", "println!"];
    let mut broken = elsewhere(&["main.rs", "model/timestamp.rs"], &doors);
    let clock = named("model/timestamp").lines_with(&doors);
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
