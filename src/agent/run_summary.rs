//! A section on the run's page: Markdown in a file, which the agent uploads when it gets to it. It shows the file's name as
//! the heading.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::agent::logging_commands::Console;

/// Writes the page and hands it to the agent. The file stays: the agent may read it after the step has ended.
///
/// # Errors
/// When it cannot be written, or standard output is closed.
pub fn upload(console: &Console, folder: &Path, heading: &str, page: &str) -> io::Result<()> {
    let folder = folder.join(format!("run-page-{:08x}", fastrand::u32(..)));
    create_folder(&folder)?;
    let path = folder.join(format!("{heading}.md"));
    fs::File::create_new(&path)?.write_all(console.hidden().redacted(page).as_bytes())?;
    let path = path.to_string_lossy();
    if !console.shows_exactly(&path) {
        return Err(io::Error::other("the log cannot show the path of the agent's temporary folder as it is"));
    }
    console.upload_summary(&path)
}

/// A folder only for the account that the agent runs as: names and mails are nobody else's business.
///
/// # Errors
/// When it is there already, or cannot be made.
#[cfg(unix)]
pub fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

/// The agent's own folder is nobody else's there.
///
/// # Errors
/// When it is there already, or cannot be made.
#[cfg(not(unix))]
pub fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

/// Foreign text as code: renderers make links of bare names such as `deploy.sh`, and of nothing in a code span. A bar ends
/// a table's cell even there, unless it is escaped.
pub fn code(text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // A space beside a fence is taken away, one on each side.
    let gap = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    let text = if text.is_empty() { " " } else { text };
    format!("{fence}{gap}{}{gap}{fence}", text.replace('|', "\\|"))
}

/// Our own words as text and nothing else.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() && !".,-/'".contains(character) {
            escaped.push_str(&format!("&#{};", u32::from(character)));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_code_and_never_ends_its_cell() {
        for (text, expected) in [
            ("deploy.sh", "`deploy.sh`"),
            ("evil.com/x www.b.example https://a.example", "`evil.com/x www.b.example https://a.example`"),
            ("[x](javascript:alert(1))<img src=x>**@alice", "`[x](javascript:alert(1))<img src=x>**@alice`"),
            ("a|b", "`a\\|b`"),
            ("a`b``c", "```a`b``c```"),
            ("`", "`` ` ``"),
            (" a", "`  a `"),
            ("", "` `"),
            ("- x", "`- x`"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
        assert_eq!(escaped("owner: 1 of <2>"), "owner&#58; 1 of &#60;2&#62;");
    }
}
