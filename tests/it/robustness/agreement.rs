//! What the program writes is what others read, for texts that chance has made of their own grammar's pieces: the same ones
//! in every run. The agent's grammar is that of the emulator, and the names' and the dates' the program's own.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use rotate_pat::agent::logging_commands::Console;
use rotate_pat::model::marker::{Generation, PatName};
use rotate_pat::model::run_id::RunId;
use rotate_pat::model::secret::Secret;
use rotate_pat::model::timestamp::Timestamp;

use agent::Command;

const TRIES: u64 = 20_000;
const PIECES: [&str; 24] = [
    "%", "%AZP25", "%25", "%0D", "%0A", "%3B", "%5D", "\n", "\r", "\r\n", ";", "]", "[", "=", "##vso[", "##[", "task.",
    "=a;b=", " ", "x", "é", "\u{85}", "\u{2028}", "1",
];

fn some_text(chance: &mut fastrand::Rng) -> String {
    (0..chance.usize(..9)).map(|_| PIECES[chance.usize(..PIECES.len())]).collect()
}

#[derive(Clone, Default)]
struct Page(Rc<RefCell<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(act: impl FnOnce(&Console)) -> String {
    let page = Page::default();
    act(&Console::new(Box::new(page.clone()), true));
    String::from_utf8(page.0.take()).unwrap()
}

#[test]
fn the_agent_reads_back_every_name_and_every_value_that_is_written_to_it() {
    let chance = &mut fastrand::Rng::with_seed(1);
    for _ in 0..TRIES {
        let (name, value) = (format!("n{}", some_text(chance)), some_text(chance));
        let secret = Secret::new(value.clone());
        let line = written(|console| console.set_secret_variable(&name, &secret).unwrap());
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line:?}");
        let read = Command::parse(line.trim_end_matches('\n'), true).unwrap();
        assert!(read.is("task.setvariable") && read.flag("issecret"), "{line:?}");
        assert_eq!(read.property("variable"), Some(name.as_str()), "{line:?}");
        assert_eq!((read.data, read.properties.len()), (value, 2), "{line:?}");
    }
}

#[test]
fn no_text_that_is_said_is_a_command_or_a_second_line() {
    let chance = &mut fastrand::Rng::with_seed(2);
    for _ in 0..TRIES {
        let text = some_text(chance);
        let said = written(|console| console.say(&text));
        for line in said.lines() {
            assert!(Command::parse(line, true).is_none() && !line.contains("##"), "{text:?}: {line:?}");
            assert!(!line.chars().any(char::is_control), "{text:?}: {line:?}");
        }
        let warned = written(|console| console.warn(&text));
        let read = Command::parse(warned.trim_end_matches('\n'), true).unwrap();
        assert!(read.is("task.logissue") && read.properties.len() == 1, "{text:?}: {warned:?}");
    }
}

#[test]
fn a_name_is_of_this_token_exactly_where_its_marker_is_one_of_ours() {
    let chance = &mut fastrand::Rng::with_seed(3);
    for _ in 0..TRIES {
        let Ok(name) = PatName::parse(&format!("n{}", some_text(chance))) else { continue };
        let run = RunId::parse(&format!("{}.{}-0a1b2c3d", chance.u32(..), chance.u8(1..))).unwrap();
        let ends = Timestamp::from_unix(i64::from(chance.u32(..))).unwrap().rounded_up_to_minute();
        let generations = [
            Generation::Committed,
            Generation::Pending(run.clone()),
            Generation::Held(run.clone()),
            Generation::Superseded { by: run, ends },
        ];
        for generation in generations {
            let written = name.of(&generation);
            assert_eq!(name.generation(&written).as_ref(), Some(&generation), "{written:?}");
            let other = format!("{written}{}", PIECES[chance.usize(..PIECES.len())]);
            assert_eq!(name.generation(&other), None, "{other:?}");
        }
    }
}

#[test]
fn a_time_that_is_written_is_read_back_to_the_millisecond_and_a_minute_never_ends_before_it() {
    let chance = &mut fastrand::Rng::with_seed(4);
    for _ in 0..TRIES {
        let (seconds, digits) = (chance.i64(-10_000_000_000..100_000_000_000), chance.usize(..8));
        let whole = Timestamp::from_unix(seconds).unwrap();
        let fraction: String = (0..digits).map(|_| chance.digit(10)).collect();
        let dot = if digits > 0 { "." } else { "" };
        let text = whole.to_string().replace('Z', &format!("{dot}{fraction}Z"));
        let time = Timestamp::parse(&text).unwrap_or_else(|| panic!("{text} is a time"));
        let again = Timestamp::parse(&time.to_wire()).unwrap();
        assert!(time >= again && time.since(again) < Duration::from_millis(1), "{text}: {again:?}");
        let minute = time.rounded_up_to_minute();
        assert!(minute >= time && minute.since(time) < Duration::from_secs(60), "{text}");
        assert_eq!(Timestamp::parse_minute(&minute.to_minute()), Some(minute), "{text}");
        assert_eq!(time.plus(minute.since(time)), minute, "{text}");
    }
}
