//! The words of the command line: which options were given, and with what text. None of them is a secret, and a word
//! that looks like one is never repeated. Every fault is named at once; `clap` stops at the first, and is 174 kB.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use lexopt::Arg;

use crate::model::secret::is_like_a_secret;
use crate::model::text::quoted;

/// Options that take a value.
const WITH_VALUE: [&str; 10] = [
    "organization",
    "tenant",
    "client-id",
    "user",
    "vault-secret",
    "wait",
    "scopes",
    "redirect-host",
    "connection",
    "pat",
];
pub(super) const BOUND: &str = "bound";
pub(super) const VAULT_TOKEN: &str = "vault-token-stdin";
const FLAGS: [&str; 3] = [BOUND, VAULT_TOKEN, "help"];

/// What was given to `sign-in`, and what is wrong with it so far.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// `None` where a value is missing or unfit, which is among the faults already.
    values: BTreeMap<&'static str, Option<String>>,
    flags: Vec<&'static str>,
    pub(super) faults: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Command {
    Help,
    SignIn(Given),
}

impl Given {
    pub(super) fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    pub(super) fn is_given(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// An option that may be left out or empty.
    pub(super) fn optional<T>(&mut self, name: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let text = self.values.get(name)?.as_deref()?.trim();
        if text.is_empty() {
            return None;
        }
        match read(text) {
            Ok(value) => Some(value),
            Err(expected) => {
                self.faults.push(format!("`--{name}` must be {expected}"));
                None
            }
        }
    }

    pub(super) fn required<T>(&mut self, name: &'static str, read: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match self.values.get(name) {
            None => self.faults.push(format!("`--{name}` is required")),
            Some(Some(text)) if text.trim().is_empty() => self.faults.push(format!("`--{name}` is empty")),
            Some(_) => {}
        }
        self.optional(name, read)
    }
}

/// Reads the words, without the program's name.
///
/// # Errors
/// Why they are no command at all.
pub(super) fn read(arguments: Vec<OsString>) -> Result<Command, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    match parser.next() {
        Ok(Some(Arg::Value(word))) if word == "sign-in" => Ok(sign_in(parser)),
        Ok(Some(Arg::Long("help") | Arg::Short('h'))) => Ok(Command::Help),
        Ok(Some(Arg::Value(word))) if word == "help" => Ok(Command::Help),
        Ok(Some(Arg::Value(word))) => {
            Err(format!("unknown command {}{}", shown(&word), meant(&word, &["sign-in"], "")))
        }
        Ok(Some(Arg::Long(name))) => Err(format!("unknown option {}", shown(format!("--{name}").as_ref()))),
        Ok(Some(Arg::Short(name))) => Err(format!("unknown option {}", quoted(&format!("-{name}")))),
        Ok(None) => Err("a command is required: `sign-in`".to_owned()),
        Err(_) => Err("the arguments cannot be read".to_owned()),
    }
}

/// What the next word may belong to. It is a secret in the wrong place more often than not, and is not repeated.
enum Before {
    Nothing,
    Flag(&'static str),
    Unknown,
}

fn sign_in(mut parser: lexopt::Parser) -> Command {
    let mut given = Given::default();
    let mut before = Before::Nothing;
    loop {
        let was = std::mem::replace(&mut before, Before::Nothing);
        let name = match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Long("help") | Arg::Short('h'))) => return Command::Help,
            Ok(Some(Arg::Long(name))) => name.to_owned(),
            Ok(Some(Arg::Short(name))) => {
                given.faults.push(format!("unknown option {}", quoted(&format!("-{name}"))));
                continue;
            }
            Ok(Some(Arg::Value(word))) => {
                match was {
                    Before::Nothing => given.faults.push(format!("unexpected argument {}", shown(&word))),
                    Before::Flag(flag) => given.faults.push(format!("`--{flag}` takes no value on the command line")),
                    Before::Unknown => {}
                }
                continue;
            }
            Err(lexopt::Error::UnexpectedValue { option, .. }) => {
                given.faults.push(format!("{} takes no value", quoted(&option)));
                continue;
            }
            Err(_) => {
                given.faults.push("the arguments cannot be read".to_owned());
                break;
            }
        };
        if let Some(flag) = FLAGS.into_iter().find(|known| *known == name) {
            given.flags.push(flag);
            before = Before::Flag(flag);
        } else if let Some(known) = WITH_VALUE.into_iter().find(|known| *known == name) {
            let value = value(&mut parser, known).map_err(|fault| given.faults.push(fault)).ok();
            given.values.insert(known, value);
        } else {
            let word = format!("--{name}");
            let known: Vec<&str> = WITH_VALUE.into_iter().chain(FLAGS).collect();
            given.faults.push(format!("unknown option {}{}", shown(word.as_ref()), meant(name.as_ref(), &known, "--")));
            // Its value is not another fault.
            if parser.optional_value().is_none() {
                before = Before::Unknown;
            }
        }
    }
    Command::SignIn(given)
}

fn value(parser: &mut lexopt::Parser, name: &str) -> Result<String, String> {
    match parser.value().map(OsString::into_string) {
        Ok(Ok(value)) if is_like_a_secret(&value) => {
            Err(format!("`--{name}` looks like a secret: secrets do not belong on a command line"))
        }
        Ok(Ok(value)) if value.starts_with("--") => Err(format!("`--{name}` needs a value")),
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(format!("the value of `--{name}` is not UTF-8 text")),
        Err(_) => Err(format!("`--{name}` needs a value")),
    }
}

/// A word of the command line, unless it may be a secret.
fn shown(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let value = word.split_once('=').map_or(&*word, |(_, value)| value);
    if is_like_a_secret(value) { "that looks like a secret".to_owned() } else { quoted(&word) }
}

/// The known word that was probably meant: the one that begins most alike, or has the same letters.
fn meant(word: &OsStr, known: &[&str], dashes: &str) -> String {
    let word = word.to_string_lossy().to_lowercase();
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
        letters.sort_unstable();
        letters
    };
    let same = |known: &str| known.bytes().zip(word.bytes()).take_while(|(one, other)| one == other).count();
    let alike = known.iter().filter(|known| same(known) >= 3 || letters(known) == letters(&word));
    alike.max_by_key(|known| same(known)).map_or(String::new(), |known| format!("; did you mean `{dashes}{known}`?"))
}
