//! What the agent reads: the log and the logging commands. The only writer, and the only file that knows how a
//! command is spelled (seen in code: the agent's `Command.cs` and `CommandStringConvertor.cs`).
//!
//! Everything goes to standard output, because the agent reads the two streams in no reliable order. A
//! command is written as one buffer with its newline: the agent would execute half a line.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::rc::Rc;

use crate::model::redaction::Redactor;
use crate::model::secret::Secret;
use crate::model::text;

/// The result of the step. The agent compares these words case-sensitively.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepResult {
    Succeeded,
    /// Shown as a warning: the run is not green.
    SucceededWithIssues,
    Failed,
    Canceled,
}

/// The log.
pub struct Console {
    out: Rc<RefCell<Box<dyn Write>>>,
    hidden: Redactor,
    is_broken: Rc<Cell<bool>>,
    is_debug: bool,
    /// Stands before each line.
    about: String,
}

impl Console {
    /// Writes to `out`; debug lines only when the agent shows them.
    pub fn new(out: Box<dyn Write>, is_debug: bool) -> Self {
        let (out, is_broken) = (Rc::new(RefCell::new(out)), Rc::default());
        Self { out, hidden: Redactor::default(), is_broken, is_debug, about: String::new() }
    }

    /// A console with another writer and the same redaction.
    #[must_use]
    pub fn beside(&self, out: Box<dyn Write>) -> Self {
        Self { hidden: self.hidden.clone(), ..Self::new(out, self.is_debug) }
    }

    /// The same log, in which each line begins with what it is about.
    #[must_use]
    pub fn about(&self, what: &str) -> Self {
        let (out, is_broken) = (Rc::clone(&self.out), Rc::clone(&self.is_broken));
        let about = format!("{}: ", text::one_line(what));
        Self { out, hidden: self.hidden.clone(), is_broken, is_debug: self.is_debug, about }
    }

    /// Redacts this value in every text from now on.
    pub fn redact(&self, secret: &Secret) {
        self.hidden.redact(secret);
    }

    /// The redactor, for texts that are written elsewhere.
    pub fn hidden(&self) -> Redactor {
        self.hidden.clone()
    }

    /// Whether everything written so far has gone out.
    /// Fails if standard output is closed.
    pub fn check(&self) -> io::Result<()> {
        if self.is_broken.get() { Err(io::Error::from(io::ErrorKind::BrokenPipe)) } else { Ok(()) }
    }

    /// One line of the log, or several.
    pub fn say(&self, text: &str) {
        self.lines(&self.about, text);
    }

    fn lines(&self, before: &str, text: &str) {
        // As a whole first: a value may go on in the next line.
        for line in self.hidden.redacted(text).lines() {
            let _noted = self.write(&format!("{}\n", self.sanitized(&format!("{before}{line}"))));
        }
    }

    /// Lines in a collapsible group, whose title says what they are about.
    pub fn group(&self, title: &str, text: &str) {
        let title = format!("{}{title}", self.about);
        let _noted = self.write(&format!("##[group]{}\n", self.sanitized(&title)));
        self.lines("", text);
        let _noted = self.write("##[endgroup]\n");
    }

    /// A line that is shown only with system diagnostics enabled.
    pub fn debug(&self, text: &str) {
        if self.is_debug {
            let _noted = self.command("task.debug", &[], &self.sanitized(&format!("{}{text}", self.about)));
        }
    }

    /// A warning, also shown on the run's page.
    pub fn warn(&self, text: &str) {
        let _noted = self.command("task.logissue", &[("type", "warning")], &self.issue(text));
    }

    /// An error, also shown on the run's page. It does not end the step.
    pub fn error(&self, text: &str) {
        let _noted = self.command("task.logissue", &[("type", "error")], &self.issue(text));
    }

    /// Has the agent mask a value in the log, in the forms in which it is likely to appear.
    pub fn mask(&self, secret: &Secret) -> io::Result<()> {
        self.redact(secret);
        for form in [secret, &secret.as_base64(), &secret.as_basic_password()] {
            self.command("task.setsecret", &[], form.reveal())?;
        }
        Ok(())
    }

    /// Hands a value to the same task's stage after the job. Secret ones must have been masked.
    pub fn set_task_variable(&self, name: &str, value: &str, is_secret: bool) -> io::Result<()> {
        let is_secret = if is_secret { "true" } else { "false" };
        self.command("task.settaskvariable", &[("variable", name), ("issecret", is_secret)], value)
    }

    /// Sets a secret variable of the job; the value must have been masked.
    /// The variable may be set even if this fails.
    pub fn set_secret_variable(&self, name: &str, value: &Secret) -> io::Result<()> {
        self.command("task.setvariable", &[("variable", name), ("issecret", "true")], value.reveal())
    }

    /// Sets an output variable, which holds nothing secret.
    pub fn set_output(&self, name: &str, value: &str) -> io::Result<()> {
        let value = self.sanitized(value);
        self.command("task.setvariable", &[("variable", name), ("isoutput", "true")], &value)
    }

    /// Shows the progress of the step, in percent.
    pub fn set_progress(&self, percent: u8, text: &str) {
        let value = percent.min(100).to_string();
        let _noted = self.command("task.setprogress", &[("value", &value)], &self.sanitized(text));
    }

    /// Shows a Markdown file on the run's page. The agent reads the file some time after this line, so the file must stay as
    /// it is (seen in code: `JobServerQueue.cs`). Where a step's commands are restricted it warns and shows nothing.
    pub fn upload_summary(&self, path: &str) -> io::Result<()> {
        self.command("task.uploadsummary", &[], path)
    }

    /// Attaches a file to the run: it is in the archive of *Download logs*. Read and restricted as a summary is.
    pub fn upload_file(&self, path: &str) -> io::Result<()> {
        self.command("task.uploadfile", &[], path)
    }

    /// Reports the result of the step. Must be the last line.
    /// Fails if standard output is closed; then the agent does not know the result.
    pub fn complete(&self, result: StepResult, text: &str) -> io::Result<()> {
        let result = match result {
            StepResult::Succeeded => "Succeeded",
            StepResult::SucceededWithIssues => "SucceededWithIssues",
            StepResult::Failed => "Failed",
            StepResult::Canceled => "Canceled",
        };
        self.command("task.complete", &[("result", result)], &self.sanitized(text))?;
        self.check()
    }

    /// Whether this text goes out as it is.
    pub fn shows_exactly(&self, text: &str) -> bool {
        self.sanitized(text) == text
    }

    /// Text from anywhere as a line that the agent cannot take for a command and that shows no secret.
    fn sanitized(&self, line: &str) -> String {
        let line: String = line.chars().map(text::visible).collect();
        defused(&self.hidden.redacted(&line))
    }

    fn issue(&self, text: &str) -> String {
        self.sanitized_lines(&format!("{}{text}", self.about))
    }

    /// The same for a text of several lines. As a whole first: a secret value may go on in the next line.
    fn sanitized_lines(&self, text: &str) -> String {
        let lines: Vec<String> = self.hidden.redacted(text).lines().map(|line| self.sanitized(line)).collect();
        lines.join("\n")
    }

    fn command(&self, name: &str, properties: &[(&str, &str)], data: &str) -> io::Result<()> {
        let properties: Vec<String> =
            properties.iter().map(|(key, value)| format!("{key}={};", escaped_property(value))).collect();
        let gap = if properties.is_empty() { "" } else { " " };
        let line = Secret::new(format!("##vso[{name}{gap}{}]{}\n", properties.concat(), escaped_data(data)));
        self.write(line.reveal())
    }

    fn write(&self, line: &str) -> io::Result<()> {
        self.check()?;
        let mut out = self.out.borrow_mut();
        let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        self.is_broken.set(written.is_err());
        written
    }
}

/// `##vso` and `##[` at any place and in any case begin a command or a format. The agent searches by the culture's rules, which
/// pass over many characters without a weight (seen in code: `Command.cs`), none of them in ASCII but control characters.
fn defused(line: &str) -> String {
    let mut characters: Vec<char> = line.chars().collect();
    let mut before = None;
    for at in 0..characters.len() {
        if characters[at] == '#' {
            if let Some(before) = before.replace(at) {
                (characters[before], characters[at]) = ('*', '*');
            }
        } else if characters[at].is_ascii() {
            before = None;
        }
    }
    characters.into_iter().collect()
}

/// A percent sign first, or the escapes would be escaped again.
fn escaped_data(text: &str) -> String {
    text.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escaped_property(text: &str) -> String {
    escaped_data(text).replace(']', "%5D").replace(';', "%3B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Page(Rc<RefCell<Vec<Vec<u8>>>>);

    impl Write for Page {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().push(buffer.to_vec());
            Ok(buffer.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(act: impl Fn(&Console)) -> Vec<String> {
        written_with(true, act)
    }

    fn written_with(diagnostics: bool, act: impl Fn(&Console)) -> Vec<String> {
        let page = Page::default();
        act(&Console::new(Box::new(page.clone()), diagnostics));
        page.0.borrow().iter().map(|line| String::from_utf8(line.clone()).unwrap()).collect()
    }

    #[test]
    fn each_command_is_one_write_with_its_newline() {
        let lines = written(|console| {
            console.mask(&Secret::new("abc".to_owned())).unwrap();
            console.set_secret_variable("a;b]", &Secret::new("x%y\n".to_owned())).unwrap();
            console.complete(StepResult::Failed, "why").unwrap();
        });
        assert_eq!(
            lines,
            [
                "##vso[task.setsecret]abc\n",
                "##vso[task.setsecret]YWJj\n",
                "##vso[task.setsecret]OmFiYw==\n",
                "##vso[task.setvariable variable=a%3Bb%5D;issecret=true;]x%AZP25y%0A\n",
                "##vso[task.complete result=Failed;]why\n",
            ]
        );
    }

    #[test]
    fn what_is_for_diagnostics_is_written_where_they_are_wanted() {
        assert_eq!(written_with(true, |console| console.debug("x")), ["##vso[task.debug]x\n"]);
        assert_eq!(written_with(false, |console| console.debug("x")), [""; 0]);
    }

    #[test]
    fn foreign_text_is_never_a_command() {
        let hostile = "a##vso[task.setvariable variable=x]1\u{85}##VSO[x]##[error]\r\u{1b}[2J";
        for line in written(|console| {
            console.say(hostile);
            console.warn(hostile);
            console.error(hostile);
            console.debug(hostile);
            console.group(hostile, hostile);
        }) {
            let own = line.strip_prefix("##vso[task.").or(line.strip_prefix("##[")).unwrap_or(&line);
            assert!(!own.contains("##"), "{line}");
            assert_eq!(own.chars().filter(|c| c.is_control()).count(), 1, "{line:?}");
        }
    }

    #[test]
    fn a_prefix_is_defused_whatever_stands_between_its_signs() {
        for (line, shown) in [
            ("##vso[x] ###[x]", "**vso[x] ***[x]"),
            ("#\u{640}#vso[x]", "*\u{640}*vso[x]"),
            ("#\u{ad}\u{1da00}#vso[x]", "*\u{fffd}\u{1da00}*vso[x]"),
            ("#1 and #2, ä# b#", "#1 and #2, ä# b#"),
        ] {
            assert_eq!(written(|console| console.say(line)), [format!("{shown}\n")]);
        }
    }

    #[test]
    fn a_hidden_value_is_blotted_out_in_every_form() {
        let secret = Secret::new("0123456789abcdef".to_owned());
        let (plain, basic) = (secret.reveal().to_owned(), secret.as_basic_password().reveal().to_owned());
        let lines = written(|console| {
            console.redact(&secret);
            console.error(&format!("x {plain} y {basic} z"));
        });
        assert_eq!(lines, ["##vso[task.logissue type=error;]x *** y *** z\n"]);
    }

    #[test]
    fn once_closed_nothing_more_is_written() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::from(io::ErrorKind::BrokenPipe))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let console = Console::new(Box::new(Closed), false);
        assert!(console.check().is_ok());
        console.say("x");
        assert!(console.check().is_err());
        assert!(console.complete(StepResult::Succeeded, "").is_err());
    }
}
