//! An access token for the vault, from standard input: as `az` prints it, or as somebody has pasted it.

use std::io::{self, BufRead as _, BufReader, Read};

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::oneshot;

use crate::model::secret::{Secret, wipe};

/// Longer than any token.
const MOST: u64 = 64 * 1024;

/// Reads it on a thread of its own, which a Ctrl-C need not wait for.
pub(super) async fn read(input: Box<dyn Read + Send>, is_terminal: bool) -> anyhow::Result<Secret> {
    const WHAT: &str = "could not read the vault's token from standard input";
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .spawn(move || {
            let _nobody_waits = sender.send(bytes(input, is_terminal));
        })
        .context(WHAT)?;
    let mut bytes = receiver.await.context(WHAT)?.context(WHAT)?;
    let token = parse(&bytes);
    wipe(&mut bytes);
    token
}

/// A line from a terminal, or everything from a pipe or a file.
fn bytes(input: Box<dyn Read + Send>, is_terminal: bool) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut input = BufReader::new(input.take(MOST + 1));
    if is_terminal {
        input.read_until(b'\n', &mut bytes)?;
    } else {
        input.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> anyhow::Result<Secret> {
    if bytes.len() as u64 > MOST {
        bail!("standard input has more than {} KiB, which is too long for a token", MOST / 1024);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| anyhow!("standard input is not UTF-8 text"))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with(['{', '[']) {
        bail!("standard input has JSON, not a token: take the value of `accessToken` alone");
    }
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    let token = quoted('"').or_else(|| quoted('\'')).unwrap_or(text).trim();
    if token.is_empty() {
        bail!("standard input has no token for the vault");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("standard input has several words or lines, not one token");
    }
    Ok(Secret::new(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_token_is_accepted_with_quotes_and_line_ends() {
        for text in ["abc.def", "abc.def\r\n", "\u{feff}abc.def\n", "\"abc.def\"\n", " 'abc.def' "] {
            assert_eq!(parse(text.as_bytes()).unwrap().reveal(), "abc.def", "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_rejected_with_a_reason_and_never_truncated() {
        let long = "x".repeat(64 * 1024 + 1);
        for (text, words) in [
            ("", "no token"),
            ("\n", "no token"),
            ("two words", "several words"),
            ("{\"accessToken\": \"abc\"}", "has JSON"),
            (long.as_str(), "more than 64 KiB"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{text:.20}: {error}");
        }
        assert!(parse(&[0xff, 0xfe, b'a', 0]).unwrap_err().to_string().contains("not UTF-8"));
    }
}
