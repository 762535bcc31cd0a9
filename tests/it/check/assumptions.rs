//! `docs/assumptions.md` and the code agree: every mark names a row and stands in a file that the row names, every file that
//! a row names has its mark, and the rows of the check that it names are those that the check has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Before what a mark names.
const MARK: &str = "docs/assumptions.md: ";
/// Where a row names no row of the check.
const NONE: &str = "none";

struct Assumption {
    what: String,
    files: Vec<String>,
    checked_by: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn assumptions() -> Vec<Assumption> {
    let page = fs::read_to_string(root().join("docs/assumptions.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what |"));
    let rows = rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [what, files, _, checked_by] = cells[..] else { panic!("{row}") };
        let files = files.split('`').filter(|part| part.starts_with("src/")).map(str::to_owned).collect();
        let checked_by = checked_by.split(", ").filter(|name| *name != NONE).map(str::to_owned).collect();
        Assumption { what: what.to_owned(), files, checked_by }
    });
    rows.collect()
}

/// The text of each source file, by its path.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
            found.push((name, fs::read_to_string(path).unwrap()));
        }
    }
}

/// Each mark: the file, and what it names.
fn marks() -> BTreeSet<(String, String)> {
    let mut found = Vec::new();
    sources(&root().join("src"), &mut found);
    let mut marks = BTreeSet::new();
    for (file, text) in found {
        for line in text.lines() {
            if let Some((_, what)) = line.split_once(MARK) {
                // To the end of the sentence.
                let end = what.rfind('.').expect("a mark is a sentence");
                marks.insert((file.clone(), what[..=end].to_owned()));
            }
        }
    }
    marks
}

#[test]
fn every_mark_has_a_row_and_every_row_its_marks() {
    let rows = assumptions();
    assert!(rows.len() > 10, "{}", rows.len());
    let wanted = rows.iter().flat_map(|row| row.files.iter().map(|file| (file.clone(), row.what.clone())));
    assert_eq!(marks(), wanted.collect());
}

#[test]
fn the_rows_of_the_check_that_settle_one_exist() {
    let mut found = Vec::new();
    sources(&root().join("src/check"), &mut found);
    let is_known = |name: &str| found.iter().any(|(_, text)| text.contains(&format!("\"{name}")));
    for row in assumptions() {
        for name in &row.checked_by {
            // The number of the destination follows.
            let name = name.strip_suffix(" destination").unwrap_or(name);
            assert!(is_known(name), "{}: the check has no row {name:?}", row.what);
        }
    }
}
