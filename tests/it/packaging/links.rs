//! Every link between the pages leads somewhere, to the heading too.

use std::fs;
use std::path::{Path, PathBuf};

const TOP: &str = env!("CARGO_MANIFEST_DIR");

fn pages() -> Vec<PathBuf> {
    let top = Path::new(TOP);
    let mut pages: Vec<PathBuf> =
        ["README.md", "SECURITY.md", "CONTRIBUTING.md", "tests/README.md"].map(|p| top.join(p)).into();
    pages.extend([top.join("tests/mutants/README.md"), top.join("extension/overview.md")]);
    pages.extend(fs::read_dir(top.join("docs")).unwrap().map(|entry| entry.unwrap().path()));
    pages.retain(|page| page.extension().is_some_and(|kind| kind == "md"));
    pages
}

/// The text outside fenced blocks, where brackets are code.
fn prose(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    text.split("```").step_by(2).collect()
}

/// As GitHub and Azure DevOps make an anchor of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let headings = fs::read_to_string(page).unwrap();
    headings.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn every_relative_link_and_anchor_exists() {
    let mut broken = Vec::new();
    for page in pages() {
        for part in prose(&page).split("](").skip(1) {
            let link = part.split(')').next().unwrap_or_default();
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            if !target.exists() || (!heading.is_empty() && !has_heading(&target, heading)) {
                broken.push(format!("{}: {link}", page.strip_prefix(TOP).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
