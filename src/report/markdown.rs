//! The summary on the run's page: plain Markdown, without colours, so that it reads the same in light and in dark.

use crate::report::finding::Finding;
use crate::report::row::Row;
use crate::report::tally::Tally;

/// What the summary says.
pub(super) struct Summary<'a> {
    /// The organization, or whose tokens.
    pub(super) title: &'a str,
    /// How much there is.
    pub(super) tally: &'a Tally,
    /// One sentence on what was found.
    pub(super) sentence: &'a str,
    /// What is missing, where something is.
    pub(super) missing: &'a [String],
    /// The worst, the worst first.
    pub(super) rows: &'a [Row],
    /// How many rows there would be in all.
    pub(super) total: usize,
}

/// The page.
pub(super) fn page(summary: &Summary<'_>) -> String {
    let Summary { title, tally, sentence, missing, rows, total } = summary;
    let mut page = format!("## Personal access tokens {}\n\n{}\n", escaped(title), escaped(sentence));
    if !missing.is_empty() {
        page.push_str("\n**This report is partial.**\n\n");
        for line in *missing {
            page.push_str(&format!("* {}\n", escaped(line)));
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
            Some(mail) => format!("{} ({})", escaped(&row.owner), escaped(mail)),
            None => escaped(&row.owner),
        };
        page.push_str(&format!(
            "| {} | {} | {owner} | {} | {} | {} |\n",
            // In a narrow column a date would be broken.
            row.day().replace('-', "&#8209;"),
            row.days(),
            escaped(&row.name),
            escaped(&row.scope),
            escaped(&row.findings()),
        ));
    }
    if rows.len() < *total {
        page.push_str("\nThe JSON file has every token.\n");
    }
    page
}

/// Text from anywhere as text and nothing else: no link, picture, table cell, mention or markup can come of it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut last = ' ';
    for character in text.chars() {
        // Addresses become links without any markup: `www.` is enough.
        let begins_link = character == '.' && last.eq_ignore_ascii_case(&'w');
        let is_plain = !character.is_ascii_punctuation() || ".,-/'".contains(character);
        if is_plain && !begins_link {
            escaped.push(character);
        } else {
            escaped.push_str(&format!("&#{};", u32::from(character)));
        }
        last = character;
    }
    // A line must not begin like a list.
    match escaped.strip_prefix('-') {
        Some(rest) => format!("&#45;{rest}"),
        None => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_be_markup() {
        let hostile = "|[x](javascript:alert(1))<img src=x>**`@alice`https://a.example www.b.example - # ![](//c)";
        let escaped = escaped(hostile);
        for markup in ["|", "[", "](", "<", "*", "`", "@", "://", "www.", "!"] {
            assert!(!escaped.contains(markup), "{markup} in {escaped}");
        }
        assert_eq!(super::escaped("Größe, 日本 it's a/b-c. 1.5"), "Größe, 日本 it's a/b-c. 1.5");
        assert_eq!(super::escaped("- x"), "&#45; x");
    }
}
