//! The table in the log: fitted to its width, the worst first, long names cut where everybody sees it.

use unicode_width::UnicodeWidthChar as _;

use crate::report::row::Row;

/// Wider lines break in the agent's log.
const WIDTH: usize = 120;
const GAP: &str = "  ";
/// A column of names is never made narrower than this.
const NARROW: usize = 12;

/// The rows as lines, under a heading.
pub(super) fn table(rows: &[Row]) -> String {
    let heading = ["expires", "days", "owner", "token", "findings"].map(str::to_owned);
    let cells =
        rows.iter().map(|row| [row.day().to_owned(), row.days(), row.owner.clone(), row.name.clone(), row.findings()]);
    let lines: Vec<[String; 5]> = std::iter::once(heading).chain(cells).collect();
    let widths =
        fit([0, 1, 2, 3, 4].map(|column| lines.iter().map(|line| width(&line[column])).max().unwrap_or_default()));
    let line = |line: &[String; 5]| {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, room))| {
            let cell = cut(cell, room);
            let blank = " ".repeat(room - width(&cell));
            if column == 1 { format!("{blank}{cell}") } else { format!("{cell}{blank}") }
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        format!("{}\n", line.trim_end())
    };
    lines.iter().map(line).collect()
}

/// Takes from the widest of the three columns of words until all fits.
fn fit(mut widths: [usize; 5]) -> [usize; 5] {
    let limit = WIDTH - GAP.len() * 4;
    while widths.iter().sum::<usize>() > limit {
        let widest =
            [2, 3, 4].into_iter().filter(|column| widths[*column] > NARROW).max_by_key(|column| widths[*column]);
        match widest {
            Some(column) => widths[column] -= 1,
            None => break,
        }
    }
    widths
}

/// How many columns a text takes, a character at a time.
fn width(text: &str) -> usize {
    text.chars().filter_map(|character| character.width()).sum()
}

/// A text of at most this width; `…` says that there is more.
fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut taken = String::new();
    let mut left = room.saturating_sub(1);
    for character in text.chars() {
        let own = character.width().unwrap_or_default();
        if own > left {
            break;
        }
        left -= own;
        taken.push(character);
    }
    taken.push('…');
    taken
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;
    use crate::model::inventory::{End, ListedPat, Owner};
    use crate::model::redaction::Redactor;
    use crate::model::timestamp::Timestamp;
    use crate::report::finding::{Rules, judge};

    fn rows(names: &[(&str, &str)]) -> Vec<Row> {
        let now = Timestamp::parse("2026-11-24T03:00:00Z").unwrap();
        let rules = Rules { now, warn_when_days_left: 30, knows_mails: true };
        let row = |(owner, name): &(&str, &str)| {
            let owner = Owner { name: Some((*owner).to_owned()), ..Owner::default() };
            let pat = ListedPat {
                display_name: Some((*name).to_owned()),
                scope: Some("app_token".to_owned()),
                is_for_all_organizations: Some(true),
                valid_from: Timestamp::parse("2026-01-01"),
                valid_to: End::read(Some("2026-12-04")),
                ..ListedPat::default()
            };
            Row::new(&owner, &judge(&owner, &[pat], &rules)[0], &Redactor::default())
        };
        names.iter().map(row).collect()
    }

    #[test]
    fn no_line_is_wider_than_the_log_and_what_is_cut_says_so() {
        let long = "a very long name of somebody ".repeat(9);
        let table =
            table(&rows(&[("Alice", "ci"), (&long, &"x".repeat(290)), ("山田太郎".repeat(20).as_str(), "日本語")]));
        for line in table.lines() {
            assert!(line.width() <= WIDTH, "{} {line}", line.width());
        }
        assert_eq!(table.matches('…').count(), 6, "{table}");
    }

    #[test]
    fn columns_stand_below_each_other_also_with_wide_characters() {
        let table = table(&rows(&[("Alice", "ci"), ("山田", "日本語のトークン")]));
        let places: Vec<usize> =
            table.lines().skip(1).map(|line| line[..line.find("expiring").unwrap()].width()).collect();
        assert_eq!(places[0], places[1], "{table}");
    }

    #[test]
    fn a_cut_never_falls_into_a_character_and_never_runs_over() {
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("abc", 1), "…");
    }
}
