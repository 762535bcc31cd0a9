//! As much DER as keys and certificates need: writing them, and finding the public key of any certificate.

use ring::digest;

use super::rsa::RsaKey;

/// The object identifier 1.2.840.113549.1.1.1.
pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// The object identifier 1.2.840.113549.1.1.11.
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

const SEQUENCE: u8 = 0x30;

pub(super) fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        _ => out.extend([0x82, (length >> 8) as u8, (length & 0xff) as u8]),
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tagged(SEQUENCE, &parts.concat())
}

/// A number that is not negative.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len() - 1);
    let mut content = bytes[start..].to_vec();
    if content[0] & 0x80 != 0 {
        content.insert(0, 0);
    }
    tagged(0x02, &content)
}

pub(super) fn algorithm(identifier: &[u8]) -> Vec<u8> {
    sequence(&[tagged(0x06, identifier), tagged(0x05, &[])])
}

fn bits(content: &[u8]) -> Vec<u8> {
    tagged(0x03, &[&[0], content].concat())
}

fn name(text: &str) -> Vec<u8> {
    let attribute = sequence(&[tagged(0x06, COMMON_NAME), tagged(0x0c, text.as_bytes())]);
    sequence(&[tagged(0x31, &attribute)])
}

fn extension(identifier: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![tagged(0x06, identifier)];
    if critical {
        parts.push(tagged(0x01, &[0xff]));
    }
    parts.push(tagged(0x04, content));
    sequence(&parts)
}

/// What is signed of a certificate: `TBSCertificate` of RFC 5280, version 3.
pub(super) fn certificate_body(
    serial: u64,
    issuer: &str,
    subject: &str,
    key: &RsaKey,
    hosts: &[&str],
    issues: bool,
) -> Vec<u8> {
    let validity = sequence(&[tagged(0x17, b"250101000000Z"), tagged(0x17, b"491231235959Z")]);
    let public = sequence(&[algorithm(RSA_ENCRYPTION), bits(&key.public())]);
    let mut extensions = Vec::new();
    if !hosts.is_empty() {
        let names: Vec<Vec<u8>> = hosts.iter().map(|host| tagged(0x82, host.as_bytes())).collect();
        extensions.push(extension(ALTERNATIVE_NAMES, false, &sequence(&names)));
    }
    if issues {
        extensions.push(extension(BASIC_CONSTRAINTS, true, &sequence(&[tagged(0x01, &[0xff])])));
    }
    let mut parts = vec![
        tagged(0xa0, &integer(&[2])),
        integer(&(serial + 1).to_be_bytes()),
        algorithm(SHA256_WITH_RSA),
        name(issuer),
        validity,
        name(subject),
        public,
    ];
    if !extensions.is_empty() {
        parts.push(tagged(0xa3, &sequence(&extensions)));
    }
    sequence(&parts)
}

/// A certificate of its signed part and the signature.
pub(super) fn certificate(body: &[u8], signature: &[u8]) -> Vec<u8> {
    sequence(&[body.to_vec(), algorithm(SHA256_WITH_RSA), bits(signature)])
}

/// SHA-256 over a certificate.
pub fn thumbprint(certificate: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, certificate).as_ref().to_vec()
}

/// SHA-1 over a certificate, which names it and protects nothing.
pub fn old_thumbprint(certificate: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate).as_ref().to_vec()
}

/// The `RSAPublicKey` of a certificate, whoever made it.
pub fn subject_public_key(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, outer, _) = read(certificate)?;
    let (_, body, _) = read(outer)?;
    let (tag, _, after) = read(body)?;
    // The version may be left out. Then: serial number, algorithm, issuer, validity, subject.
    let mut rest = if tag == 0xa0 { after } else { body };
    for _ in 0..5 {
        rest = read(rest)?.2;
    }
    let (_, info, _) = read(rest)?;
    let (_, _, key) = read(info)?;
    let (tag, bits, _) = read(key)?;
    (tag == 0x03 && bits.first() == Some(&0)).then(|| bits[1..].to_vec())
}

/// The tag, the content and what comes after it.
fn read(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit)), rest)
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}
