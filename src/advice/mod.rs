//! What a service's refusal means, and the one thing to do about it: the only such table. docs/troubleshooting.md
//! shows the same table, and a test keeps the two equal. Pure: it knows responses as values, not how they arrived.

mod azure;
mod azure_devops;
mod entra;
mod row;

pub use self::row::{Answer, NO_PAT, Named, Row, Seen, Service};

use self::row::Group;
use crate::model::api_error::By;

/// In the order of a run.
fn groups() -> impl Iterator<Item = &'static Group> {
    let parts = [azure::SIGNING_IN, entra::GROUPS, azure_devops::GROUPS, azure::VAULT_AND_ANY];
    parts.into_iter().flatten()
}

/// Finds the row for an answer. A row that names a code or words wins over one that does not, then a service's own row
/// over one for any service, then the first.
pub fn of(service: Service, by: Option<By>, seen: Seen<'_>) -> Option<&'static Row> {
    let fits = |row: &&Row, is_named: bool| {
        let is_so_signed_in = row.by.is_empty() || by.is_some_and(|by| row.by.contains(&by));
        is_so_signed_in && row.answers.iter().any(|answer| answer.names_the_reason() == is_named && answer.is(seen))
    };
    let all = || rows(Some(service)).chain(rows(None));
    all().find(|row| fits(row, true)).or_else(|| all().find(|row| fits(row, false)))
}

/// Every row about one service, or about any.
pub fn rows(service: Option<Service>) -> impl Iterator<Item = &'static Row> {
    groups().filter(move |group| group.service == service).flat_map(|group| group.rows)
}

/// The whole table in Markdown, as docs/troubleshooting.md has it.
pub fn markdown() -> String {
    let mut text = String::new();
    for Group { title, rows, .. } in groups() {
        text.push_str(&format!("#### {title}\n\n| answer | what it means | what to do |\n|---|---|---|\n"));
        for row in *rows {
            let answers: Vec<String> = row.answers.iter().map(Answer::to_string).collect();
            let by: Vec<String> = row.by.iter().map(By::to_string).collect();
            let by = if by.is_empty() { String::new() } else { format!(", with {}", by.join(" or ")) };
            let remedy = row.remedy(Named::default());
            text.push_str(&format!("| {}{by} | {} | {remedy} |\n", answers.join(", "), row.means));
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
