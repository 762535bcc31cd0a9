//! The JUnit file for the Tests tab: every token is a test, and an expired or expiring token is a failed test. Only the
//! parts of the format that all readers support are used.

use std::io::{self, Seek, SeekFrom, Write};

use crate::model::redaction::Redactor;
use crate::model::text::one_line;
use crate::report::coverage::{Coverage, missing};
use crate::report::finding::Finding;
use crate::report::row::{Row, label};

/// Space for the counts, which are written at the beginning once they are known.
const ROOM: usize = 100;

/// The JUnit file, written while the tokens are listed.
pub(super) struct JUnit<W> {
    out: W,
    room_at: u64,
    tests: usize,
    failures: usize,
    errors: usize,
}

impl<W: Write + Seek> JUnit<W> {
    pub(super) fn begin(mut out: W, title: &str) -> io::Result<Self> {
        write!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\"",
            escaped(title)
        )?;
        let room_at = out.stream_position()?;
        writeln!(out, "{}>", " ".repeat(ROOM))?;
        Ok(Self { out, room_at, tests: 0, failures: 0, errors: 0 })
    }

    pub(super) fn add(&mut self, row: &Row) -> io::Result<()> {
        self.tests += 1;
        let (owner, name) = (escaped(&row.owner), escaped(&row.name));
        write!(self.out, "<testcase classname=\"{owner}\" name=\"{name}\"")?;
        let kind = row.findings.iter().find(|finding| matches!(finding, Finding::Expired | Finding::Expiring));
        let Some(kind) = kind else { return self.out.write_all(b"/>\n") };
        self.failures += 1;
        let mail = row.mail.as_deref().map_or(String::new(), |mail| format!(", {mail}"));
        let more = format!("{} of {}{mail} {} ({}); scope {}", row.name, row.owner, row.sentence, row.ends, row.scope,);
        let (end, more) = (escaped(&row.end), escaped(&more));
        writeln!(self.out, "><failure type=\"{}\" message=\"{end}\">{more}</failure></testcase>", kind.code())
    }

    pub(super) fn end(mut self, coverage: &Coverage, hidden: &Redactor) -> io::Result<()> {
        for (owner, why) in &coverage.unread {
            let why = one_line(&hidden.redacted(why));
            self.error(&label(owner, hidden), "the tokens of this user", &why)?;
        }
        if coverage.is_partial() {
            let why = one_line(&hidden.redacted(&missing(coverage).join(" ")));
            self.error("RotatePat", "the report is complete", &why)?;
        }
        self.out.write_all(b"</testsuite>\n</testsuites>\n")?;
        self.out.seek(SeekFrom::Start(self.room_at))?;
        let (tests, failures, errors) = (self.tests, self.failures, self.errors);
        write!(self.out, " tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"0\"")?;
        self.out.flush()
    }

    fn error(&mut self, class: &str, name: &str, why: &str) -> io::Result<()> {
        self.tests += 1;
        self.errors += 1;
        let (class, name, why) = (escaped(class), escaped(name), escaped(why));
        writeln!(
            self.out,
            "<testcase classname=\"{class}\" name=\"{name}\"><error type=\"notRead\" message=\"{why}\"/></testcase>"
        )
    }
}

/// Escapes text for XML and replaces characters that XML does not allow.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
