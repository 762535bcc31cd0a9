//! A private key that a passphrase protects, as `openssl` writes one: PKCS #8 with PBES2, that is PBKDF2 and AES in CBC
//! mode (RFC 8018). Older ways are refused in words that say how to convert the key.

use std::num::NonZeroU32;

use aes::cipher::{Array, BlockCipherDecrypt, KeyInit};
use aes::{Aes128, Aes256};
use ring::pbkdf2;
use zeroize::Zeroizing;

use crate::model::secret::Secret;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;

const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13];
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12];
const HMAC_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 7];
const HMAC_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9];
const AES_128_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 2];
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 42];

/// More rounds than this would keep the stage busy for minutes.
const MOST_ROUNDS: u32 = 10_000_000;

/// Why a key cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// It is protected in another way, or damaged.
    Unknown,
    /// The passphrase is another one.
    Passphrase,
}

/// The key (PKCS #8, DER) in what a PEM section `ENCRYPTED PRIVATE KEY` holds.
///
/// # Errors
/// Why it cannot be read.
pub fn decrypt(protected: &[u8], passphrase: &Secret) -> Result<Zeroizing<Vec<u8>>, Unreadable> {
    let Protected { salt, rounds, algorithm, cipher, iv, data } = read(protected).ok_or(Unreadable::Unknown)?;
    let mut key = Zeroizing::new([0; 32]);
    let mut plain = Zeroizing::new(data.to_vec());
    match cipher {
        AES_128_CBC => {
            pbkdf2::derive(algorithm, rounds, salt, passphrase.reveal().as_bytes(), &mut key[..16]);
            unchain::<Aes128>(&key[..16], iv, &mut plain).ok_or(Unreadable::Unknown)?;
        }
        AES_256_CBC => {
            pbkdf2::derive(algorithm, rounds, salt, passphrase.reveal().as_bytes(), &mut key[..]);
            unchain::<Aes256>(&key[..], iv, &mut plain).ok_or(Unreadable::Unknown)?;
        }
        _ => return Err(Unreadable::Unknown),
    }
    // A wrong passphrase gives noise, which seldom ends in padding and hardly ever begins as a key does.
    let padding = plain.last().copied().filter(|count| (1..=16).contains(count)).ok_or(Unreadable::Passphrase)?;
    let (rest, end) = plain.split_at(plain.len() - usize::from(padding));
    if end.iter().any(|byte| *byte != padding) || element(rest, SEQUENCE).is_none_or(|(_, after)| !after.is_empty()) {
        return Err(Unreadable::Passphrase);
    }
    Ok(Zeroizing::new(rest.to_vec()))
}

struct Protected<'a> {
    salt: &'a [u8],
    rounds: NonZeroU32,
    algorithm: pbkdf2::Algorithm,
    cipher: &'a [u8],
    iv: &'a [u8],
    data: &'a [u8],
}

/// The parameters, by RFC 8018, appendix A.
fn read(protected: &[u8]) -> Option<Protected<'_>> {
    let (all, _) = element(protected, SEQUENCE)?;
    let (scheme, after) = element(all, SEQUENCE)?;
    let (data, _) = element(after, OCTETS)?;
    let parameters = after_object(scheme, PBES2)?;
    let (derivation, encryption) = element(element(parameters, SEQUENCE)?.0, SEQUENCE)?;
    let (derivation, _) = element(after_object(derivation, PBKDF2)?, SEQUENCE)?;
    let (salt, after) = element(derivation, OCTETS)?;
    let (rounds, mut after) = element(after, INTEGER)?;
    if let Some((_length, rest)) = element(after, INTEGER) {
        after = rest;
    }
    // The default, where none is named, is the oldest one.
    let function = match element(after, SEQUENCE) {
        Some((function, _)) => element(function, OBJECT)?.0,
        None => HMAC_SHA1,
    };
    let algorithm = match function {
        HMAC_SHA1 => pbkdf2::PBKDF2_HMAC_SHA1,
        HMAC_SHA256 => pbkdf2::PBKDF2_HMAC_SHA256,
        _ => return None,
    };
    let (encryption, _) = element(encryption, SEQUENCE)?;
    let (cipher, iv) = element(encryption, OBJECT)?;
    let (iv, _) = element(iv, OCTETS)?;
    let rounds = rounds.iter().try_fold(0u32, |sum, byte| sum.checked_mul(256)?.checked_add(u32::from(*byte)))?;
    let rounds = NonZeroU32::new(rounds).filter(|rounds| rounds.get() <= MOST_ROUNDS)?;
    Some(Protected { salt, rounds, algorithm, cipher, iv, data })
}

/// What follows an object identifier, if it is this one.
fn after_object<'a>(der: &'a [u8], object: &[u8]) -> Option<&'a [u8]> {
    element(der, OBJECT).filter(|(found, _)| *found == object).map(|(_, after)| after)
}

/// The contents of the first element, if it has this tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match *length {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (*first == tag).then_some(())?;
    rest.split_at_checked(length)
}

/// Undoes CBC in place. `None` where the lengths are none of the cipher's.
fn unchain<C: KeyInit + BlockCipherDecrypt>(key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    let cipher = C::new_from_slice(key).ok()?;
    let size = C::block_size();
    if iv.len() != size || data.is_empty() || !data.len().is_multiple_of(size) {
        return None;
    }
    let mut before = iv.to_vec();
    for block in data.chunks_exact_mut(size) {
        let encrypted = block.to_vec();
        cipher.decrypt_block(<&mut Array<u8, C::BlockSize>>::try_from(&mut *block).ok()?);
        block.iter_mut().zip(&before).for_each(|(byte, before)| *byte ^= before);
        before = encrypted;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::digest::{SHA256, digest};

    use super::*;

    // All are one throwaway key, written by OpenSSL 3.0.
    const KEY: &str = "576fee0ec664327cf5d605bf8217994c5f53ff08ac88387eb4ba144e28647495";
    /// `openssl pkcs8 -topk8`
    const AES_256: &str = "\
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhbBCrCal/d5wICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDD+f3Ly\
        d8NI8U7SBYFvoIQEgZBsqsnXgBaOf3tn1mP8IcvTTvMXxO6QVqT5bvSAM+o/MSIdi4/Q4MVOqJgu7jAK68vqnG6It8iSFNJ0wWBsNVoISvLP\
        YnmwrYEpBWPrHqjQZwzDUNkh0t4za7J9BVdqVeg3ui15tRVP2OxN1T1rajdKNdo6R7R0yDEWFdq39roGTsnDCO8oLr2MCAQj+634es0=";
    /// `openssl pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1`
    const AES_128: &str = "\
        MIHeMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAjPDK7g8PDvnAICCAAwHQYJYIZIAWUDBAECBBDUWMxp4tn0pgUQ3OcjceuMBIGQ\
        ATPuxsGGw/zwOSIg5bD3wHfbAJijaCSPNVKWGkefUBrL2EkkwOLeZ3xEbeyGsCm9jgV9HaYMH1WtYwfFXHcGJRWrfuus5LOwuYYSh9mqYSNg\
        jcahFS+MqJnc3G9N/0Tx5IPWG7J1K9igYNFGQmrH+u7hlj//rk8aClG4abwo/86NOUkfpdbg3MIpvc47C3D7";
    /// `openssl pkcs8 -topk8 -v2 des3`
    const TRIPLE_DES: &str = "\
        MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAgmW0xjjqilZQICCAAwDAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIhg4mWRki\
        DrcEgZD1z5fuqTT41rxHW2sjrEGNphPWD5ByLY62s7j60HU4ftxAMrWRZLRYcQ9hrh40Mw+nnqnJGrUbVA4Uo1NT3QLGuomxlk9RlTRyy8Ql\
        wEtqqV37dtdxJvWFSsMLcWzQVXBzhpu/ixjT4E3u4wkvAEZ+MTjmVILmW8qgMiuJzmJBRaFnr3v/btrIcrUu4eA8r9M=";

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn keys_that_openssl_protected_are_read() {
        for protected in [AES_256, AES_128] {
            let key = decrypt(&STANDARD.decode(protected).unwrap(), &secret("correct-horse")).unwrap();
            let hash: String = digest(&SHA256, &key).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, KEY);
        }
    }

    #[test]
    fn another_passphrase_is_told_from_another_protection() {
        let protected = STANDARD.decode(AES_256).unwrap();
        for wrong in ["", "correct-hors", "Correct-horse"] {
            assert_eq!(decrypt(&protected, &secret(wrong)).unwrap_err(), Unreadable::Passphrase, "{wrong}");
        }
        let older = STANDARD.decode(TRIPLE_DES).unwrap();
        assert_eq!(decrypt(&older, &secret("correct-horse")).unwrap_err(), Unreadable::Unknown);
    }

    #[test]
    fn a_damaged_key_is_refused_wherever_the_damage_is() {
        let protected = STANDARD.decode(AES_256).unwrap();
        for length in 0..protected.len() {
            assert!(decrypt(&protected[..length], &secret("correct-horse")).is_err(), "{length}");
        }
        // The rounds, as many as four bytes can say: refused at once.
        let rounds = protected.windows(4).position(|four| four == [2, 2, 8, 0]).unwrap();
        let mut endless = protected.clone();
        endless.splice(rounds..rounds + 4, [2, 4, 0x7f, 0xff, 0xff, 0xff]);
        for (at, grown) in [(2, 2), (5, 2), (18, 2), (31, 2)] {
            assert!(at < endless.len());
            endless[at] += grown;
        }
        assert_eq!(decrypt(&endless, &secret("correct-horse")).unwrap_err(), Unreadable::Unknown);
    }
}
