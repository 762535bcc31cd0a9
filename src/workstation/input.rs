//! What standard input brings: an access token for the vault as `az` prints it, an app's secret, or a certificate with its
//! key; piped, or pasted by somebody.

use std::io::{self, BufRead as _, BufReader, Read};

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::model::certificate::Certificate;
use crate::model::pat::AuthorizationId;
use crate::model::secret::{Secret, wipe};

use super::client::Proof;

/// Longer than any token, and than any certificate with its chain.
const MOST: u64 = 64 * 1024;

/// Reads everything from a pipe or a file, and one line from a terminal. On a thread of its own, which a Ctrl-C need not
/// wait for.
pub(super) async fn read(input: Box<dyn Read + Send>, is_terminal: bool) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    const WHAT: &str = "could not read standard input";
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new()
        .spawn(move || {
            let _nobody_waits = sender.send(bytes(input, is_terminal));
        })
        .context(WHAT)?;
    let bytes = receiver.await.context(WHAT)?.context(WHAT)?;
    if bytes.len() as u64 > MOST {
        bail!("standard input has more than {} KiB, which is too long", MOST / 1024);
    }
    Ok(bytes)
}

fn bytes(input: Box<dyn Read + Send>, is_terminal: bool) -> io::Result<Zeroizing<Vec<u8>>> {
    // A growing buffer leaves copies behind.
    let mut bytes = Vec::with_capacity(usize::try_from(MOST).unwrap_or_default() + 1);
    let mut input = BufReader::new(input.take(MOST + 1));
    let read = if is_terminal { input.read_until(b'\n', &mut bytes) } else { input.read_to_end(&mut bytes) };
    match read {
        Ok(_) => Ok(Zeroizing::new(bytes)),
        Err(error) => {
            wipe(&mut bytes);
            Err(error)
        }
    }
}

pub(super) fn vault_token(bytes: &[u8]) -> anyhow::Result<Secret> {
    let text = text(bytes)?;
    if text.starts_with(['{', '[']) {
        bail!("standard input has JSON, not a token: take the value of `accessToken` alone");
    }
    one_word(text, "token for the vault")
}

/// A client secret, or a certificate with its key.
pub(super) fn credential(bytes: &[u8]) -> anyhow::Result<Proof> {
    let text = text(bytes)?;
    if text.contains("-----BEGIN") {
        let certificate = Certificate::parse(text);
        return certificate.map(Proof::Certificate).map_err(|missing| anyhow!("standard input needs {missing}"));
    }
    if text.starts_with(['{', '[']) {
        bail!("standard input has JSON, not a client secret: take the value of `password` alone");
    }
    let secret = one_word(text, "client secret of the app and no certificate")?;
    if AuthorizationId::parse(secret.reveal()).is_some() {
        bail!("standard input has a GUID: that is the id of a client secret, not its value");
    }
    Ok(Proof::Secret(secret))
}

fn text(bytes: &[u8]) -> anyhow::Result<&str> {
    let text = std::str::from_utf8(bytes).map_err(|_| anyhow!("standard input is not UTF-8 text"))?;
    Ok(text.trim_start_matches('\u{feff}').trim())
}

fn one_word(text: &str, what: &str) -> anyhow::Result<Secret> {
    let quoted = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    let word = quoted('"').or_else(|| quoted('\'')).unwrap_or(text).trim();
    if word.is_empty() {
        bail!("standard input has no {what}");
    }
    if !word.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("standard input has several words or lines");
    }
    Ok(Secret::new(word.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_value_is_accepted_with_quotes_and_line_ends() {
        for text in ["abc.def", "abc.def\r\n", "\u{feff}abc.def\n", "\"abc.def\"\n", " 'abc.def' "] {
            assert_eq!(vault_token(text.as_bytes()).unwrap().reveal(), "abc.def", "{text:?}");
            let Proof::Secret(secret) = credential(text.as_bytes()).unwrap() else { panic!("{text:?}") };
            assert_eq!(secret.reveal(), "abc.def", "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_rejected_with_a_reason_and_never_repeated() {
        for (text, token, secret) in [
            ("", "no token", "no client secret"),
            ("\n", "no token", "no client secret"),
            ("two words", "several words", "several words"),
            ("{\"password\": \"two\"}", "value of `accessToken`", "value of `password`"),
        ] {
            let error = vault_token(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(token), "{text}: {error}");
            let error = credential(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(secret) && !error.contains("two"), "{text}: {error}");
        }
        assert!(vault_token(&[0xff, 0xfe, b'a', 0]).unwrap_err().to_string().contains("not UTF-8"));
        let id = credential(b"22222222-2222-2222-2222-222222222222").unwrap_err().to_string();
        assert!(id.contains("not its value") && !id.contains("2222"), "{id}");
        let pem = credential(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap_err();
        assert!(pem.to_string().contains("a private key beside the certificate"), "{pem}");
    }

    #[tokio::test]
    async fn input_without_an_end_is_not_read_to_it() {
        let error = read(Box::new(io::repeat(b'x')), false).await.unwrap_err().to_string();
        assert!(error.contains("more than 64 KiB"), "{error}");
    }
}
