//! The summary on the run's page: plain Markdown, without colours, so that it reads the same in light and in dark.

use crate::agent::run_summary::{code, escaped};
use crate::report::finding::Finding;
use crate::report::row::Row;
use crate::report::tally::Tally;

pub(super) struct Summary<'a> {
    /// The organization, or whose tokens.
    pub(super) title: &'a str,
    pub(super) tally: &'a Tally,
    pub(super) sentence: &'a str,
    /// What is missing from the report.
    pub(super) missing: &'a [String],
    /// The worst, the worst first.
    pub(super) rows: &'a [Row],
    /// The number of all rows, including those not in `rows`.
    pub(super) total: usize,
}

pub(super) fn page(summary: &Summary<'_>) -> String {
    let Summary { title, tally, sentence, missing, rows, total } = summary;
    let mut page = format!("## Personal access tokens {}\n\n{}\n", escaped(title), escaped(sentence));
    if !missing.is_empty() {
        page.push_str("\n**This report is partial.**\n\n");
        for line in *missing {
            page.push_str(&format!("* {}\n", code(line)));
        }
    }
    let found: Vec<Finding> = Finding::ALL.into_iter().filter(|finding| tally.of(*finding) > 0).collect();
    if !found.is_empty() {
        page.push_str("\n| finding | tokens |\n|---|---:|\n");
        for finding in found {
            page.push_str(&format!("| {} | {} |\n", escaped(finding.words()), tally.of(finding)));
        }
    }
    if rows.is_empty() {
        return page;
    }
    let heading = if rows.len() < *total {
        format!("The worst {} of {total}", rows.len())
    } else {
        "All of them, the worst first".to_owned()
    };
    page.push_str(&format!(
        "\n### {heading}\n\n| expires | days | owner | token | scope | findings |\n|---|---:|---|---|---|---|\n"
    ));
    for row in *rows {
        let owner = match row.mail.as_deref().filter(|mail| *mail != row.owner) {
            Some(mail) => format!("{} ({})", code(&row.owner), code(mail)),
            None => code(&row.owner),
        };
        page.push_str(&format!(
            "| {} | {} | {owner} | {} | {} | {} |\n",
            // In a narrow column a date would be broken.
            row.day().replace('-', "&#8209;"),
            row.days(),
            code(&row.name),
            code(&row.scope),
            escaped(&row.findings()),
        ));
    }
    if rows.len() < *total {
        page.push_str("\nThe JSON file has every token.\n");
    }
    page
}
