//! What the program writes, as the agent reads it: whatever a text or a value holds, the agent takes in that value and
//! carries out nothing else.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use rotate_pat::agent::logging_commands::{Console, StepResult};
use rotate_pat::model::secret::Secret;

use crate::agent::Command;

#[derive(Clone, Default)]
pub(crate) struct Page(Rc<RefCell<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).expect("text")
    }
}

fn written(act: impl FnOnce(&Console)) -> String {
    let page = Page::default();
    act(&Console::new(Box::new(page.clone()), true));
    page.text()
}

/// The one command of one line.
fn command(text: &str) -> Command {
    let line = text.strip_suffix('\n').expect("a line's end");
    assert!(!line.contains(['\n', '\r']), "{line:?}");
    Command::parse(line, true).unwrap_or_else(|| panic!("no command: {line:?}"))
}

pub(crate) fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (name, value) = text.split_once('\n').unwrap_or(("name", &text));
    let secret = Secret::new(value.to_owned());

    let set = command(&written(|console| console.set_secret_variable(name, &secret).expect("a page")));
    assert!(set.is("task.setvariable") && set.flag("issecret") && set.properties.len() <= 2);
    assert_eq!(set.data, value);
    // An agent drops what stands before the first character that is none of these.
    if !name.is_empty() && !name.starts_with('=') {
        assert_eq!(set.property("variable"), Some(name), "{name:?}");
    }
    let task = command(&written(|console| console.set_task_variable("a", value, false).expect("a page")));
    assert!(task.is("task.settaskvariable") && !task.flag("issecret"));
    assert_eq!(task.data, value);
    for line in written(|console| console.mask(&secret).expect("a page")).split_inclusive('\n') {
        assert!(command(line).is("task.setsecret"));
    }

    for (name, said) in [
        ("task.logissue", written(|console| console.error(value))),
        ("task.logissue", written(|console| console.warn(value))),
        ("task.debug", written(|console| console.debug(value))),
        ("task.setvariable", written(|console| console.set_output("a", value).expect("a page"))),
        ("task.complete", written(|console| console.complete(StepResult::Failed, value).expect("a page"))),
    ] {
        let told = command(&said);
        // Warnings and errors keep their lines, none of which may be a command again.
        let lines: Vec<&str> = if name == "task.logissue" { told.data.lines().collect() } else { vec![&told.data] };
        assert!(told.is(name) && !lines.iter().any(|line| line.contains(char::is_control)), "{said:?}");
        assert!(lines.iter().all(|line| Command::parse(line, true).is_none() && !line.contains("##")), "{said:?}");
    }
    for line in written(|console| console.say(value)).lines() {
        assert!(Command::parse(line, true).is_none() && !line.contains("##"), "{line:?}");
    }
    // The heading, the lines and the end.
    for line in written(|console| console.group(name, value)).lines() {
        let own = line.strip_prefix("##[group]").or(line.strip_prefix("##[endgroup]")).unwrap_or(line);
        assert!(!own.contains("##"), "{line:?}");
    }
}
