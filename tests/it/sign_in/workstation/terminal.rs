//! At a terminal: a prompt where it reads, and Ctrl-C as a key. `script` of util-linux makes one.

use std::io::{Read as _, Write as _};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use url::Url;

use super::{arguments, browser, station, vault_token};

const PROMPT: &str = "Paste an access token for the vault, then press Enter:";
const CTRL_C: &str = "\u{3}";

/// Reads what is on the terminal until it says this.
fn shown(terminal: &mut ChildStdout, said: &mut String, words: &str) {
    let mut byte = [0];
    while !said.contains(words) {
        assert_ne!(terminal.read(&mut byte).unwrap(), 0, "it ended: {said}");
        said.push(char::from(byte[0]));
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "how long it took is there to be read")]
fn a_terminal_gets_a_prompt_and_takes_a_line_or_ctrl_c() {
    let pipeline = station();
    let token = format!("{}\r", vault_token(&pipeline));
    let program = env!("CARGO_BIN_EXE_rotate-pat").to_owned();
    let words: Vec<String> = [program].into_iter().chain(arguments(&pipeline, &["--vault-token-stdin"])).collect();
    let command = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    for (typed, then, code, last) in [
        (CTRL_C, "", 130, "interrupted"),
        ("two words\r", "", 1, "several words or lines"),
        (&token, CTRL_C, 130, "Nothing was stored."),
        (&token, "a sign-in", 0, "dryRun: true"),
    ] {
        // What never answers is ended from outside.
        let mut script = Command::new("timeout")
            .args([
                "--foreground",
                "60",
                "script",
                "--quiet",
                "--return",
                "--flush",
                "--command",
                &command,
                "/dev/null",
            ])
            .env_clear()
            .env("PATH", "/bin:/usr/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut keys, mut terminal) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let mut said = String::new();
        shown(&mut terminal, &mut said, PROMPT);
        keys.write_all(typed.as_bytes()).unwrap();
        if !then.is_empty() {
            shown(&mut terminal, &mut said, "Waiting 10 minutes for the sign-in there.");
        }
        if then == CTRL_C {
            keys.write_all(CTRL_C.as_bytes()).unwrap();
        } else if !then.is_empty() {
            let start: Url = said.split_whitespace().find(|word| word.ends_with("/sign-in")).unwrap().parse().unwrap();
            browser(&start, "rotator@contoso.onmicrosoft.com");
        }
        let pressed = Instant::now();
        shown(&mut terminal, &mut said, last);
        terminal.read_to_string(&mut said).unwrap();
        let took = pressed.elapsed();
        println!("{last:?}: {} ms after the last key", took.as_millis());
        assert_eq!(script.wait().unwrap().code(), Some(code), "{said}");
        assert!(took < Duration::from_secs(2), "{took:?}: {said}");
    }
}
