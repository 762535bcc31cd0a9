//! A private key under a passphrase, as `openssl` writes it: PKCS #8 with PBES2 (RFC 5958, RFC 8018).

use pkcs8::pkcs5::{self, EncryptionScheme, pbes2::Kdf};
use pkcs8::{EncryptedPrivateKeyInfoRef, Error, SecretDocument};

use crate::model::secret::Secret;

/// More rounds of PBKDF2 would keep the stage busy for a long time. OWASP recommends 600 000, `openssl` uses 2 048.
const MOST_ROUNDS: u32 = 2_000_000;
/// The product of scrypt's three costs. Memory is 128 bytes each, so 128 MB. `openssl` uses an eighth of this.
const MOST_SCRYPT: u64 = 1 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreadable {
    /// The encryption is not supported, or the key is damaged.
    Unknown,
    /// The passphrase is wrong.
    Passphrase,
}

/// The key (PKCS #8, DER) in what a PEM section `ENCRYPTED PRIVATE KEY` holds.
pub fn decrypt(protected: &[u8], passphrase: &Secret) -> Result<SecretDocument, Unreadable> {
    let protected = EncryptedPrivateKeyInfoRef::try_from(protected).map_err(|_| Unreadable::Unknown)?;
    if !is_affordable(&protected.encryption_algorithm) {
        return Err(Unreadable::Unknown);
    }
    protected.decrypt(passphrase.reveal()).map_err(|error| match error {
        // A wrong passphrase gives noise, which seldom ends in padding and hardly ever is ASN.1.
        Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) | Error::Asn1(_) => Unreadable::Passphrase,
        _ => Unreadable::Unknown,
    })
}

fn is_affordable(scheme: &EncryptionScheme) -> bool {
    match scheme.pbes2().map(|parameters| &parameters.kdf) {
        Some(Kdf::Pbkdf2(costs)) => costs.iteration_count <= MOST_ROUNDS,
        Some(Kdf::Scrypt(costs)) => {
            let product = costs.cost_parameter.checked_mul(u64::from(costs.block_size));
            product
                .and_then(|product| product.checked_mul(u64::from(costs.parallelization)))
                .is_some_and(|all| all <= MOST_SCRYPT)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::digest::{SHA256, digest};

    use super::*;

    // Throwaway keys, written by OpenSSL 3.0 with `openssl pkcs8 -topk8` and the options beside each.
    const FIRST: &str = "576fee0ec664327cf5d605bf8217994c5f53ff08ac88387eb4ba144e28647495";
    const SECOND: &str = "a7e551d0247f0d8b559dfbc509647fe03ee3cbe5a13b7b3fcac810860d30c4dc";
    /// None: PBKDF2 with HMAC-SHA256, AES-256.
    const AES_256: &str = "\
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhbBCrCal/d5wICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDD+f3Ly\
        d8NI8U7SBYFvoIQEgZBsqsnXgBaOf3tn1mP8IcvTTvMXxO6QVqT5bvSAM+o/MSIdi4/Q4MVOqJgu7jAK68vqnG6It8iSFNJ0wWBsNVoISvLP\
        YnmwrYEpBWPrHqjQZwzDUNkh0t4za7J9BVdqVeg3ui15tRVP2OxN1T1rajdKNdo6R7R0yDEWFdq39roGTsnDCO8oLr2MCAQj+634es0=";
    const FORMS: [(&str, &str, &str); 8] = [
        (FIRST, "", AES_256),
        (
            FIRST,
            "-v2 aes-128-cbc -v2prf hmacWithSHA1",
            "\
        MIHeMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAjPDK7g8PDvnAICCAAwHQYJYIZIAWUDBAECBBDUWMxp4tn0pgUQ3OcjceuMBIGQ\
        ATPuxsGGw/zwOSIg5bD3wHfbAJijaCSPNVKWGkefUBrL2EkkwOLeZ3xEbeyGsCm9jgV9HaYMH1WtYwfFXHcGJRWrfuus5LOwuYYSh9mqYSNg\
        jcahFS+MqJnc3G9N/0Tx5IPWG7J1K9igYNFGQmrH+u7hlj//rk8aClG4abwo/86NOUkfpdbg3MIpvc47C3D7",
        ),
        (
            FIRST,
            "-v2 des3",
            "\
        MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAgmW0xjjqilZQICCAAwDAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIhg4mWRki\
        DrcEgZD1z5fuqTT41rxHW2sjrEGNphPWD5ByLY62s7j60HU4ftxAMrWRZLRYcQ9hrh40Mw+nnqnJGrUbVA4Uo1NT3QLGuomxlk9RlTRyy8Ql\
        wEtqqV37dtdxJvWFSsMLcWzQVXBzhpu/ixjT4E3u4wkvAEZ+MTjmVILmW8qgMiuJzmJBRaFnr3v/btrIcrUu4eA8r9M=",
        ),
        (
            SECOND,
            "-v2 aes-128-cbc -v2prf hmacWithSHA256",
            "\
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgWn7Fxsp+V/AICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEM2ioM6i\
        serortRefH67IA0EgZABiRC9Ao1x5EeEw9p71GtJRAPmtfh5eNi9YOQihh1NXy78kLzPGnU3ielaelJW/ZPQFRVzqAECrJzFkPv8N/pOEuMp\
        9IYzRFmZ25UV5C751ad37R04ldpX6gi2oyyjDb/R/BN08YxzqR0NAiTH1PZoF4FvIFC9z7k5C00Elk7SFqsDPSVIl/lf0FiD1FmEmLY=",
        ),
        (
            SECOND,
            "-v2 aes-256-cbc -v2prf hmacWithSHA1",
            "\
        MIHeMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAi1VFCkj21amwICCAAwHQYJYIZIAWUDBAEqBBB11cgEzjLkNJqq/vdBvAI+BIGQ\
        RL+Ge2prU2sI5Ix4qrsgqrhRZPZOA94aEKbvEitJkHxB58pf12QK4rpVKLpIUB3o8tfu9vwXn/in/cez7/17/n2+OYKLbKbOXed4iRVrtecM\
        cmuNGq+NWsmLWrBWTyA6Bth5n//NY+v53lqTESLkHE7l10jcFSmEa3iv0B2Lw5jbEw7Hoh3VZmMEKKKmNDjh",
        ),
        (
            SECOND,
            "-v2 aes-192-cbc",
            "\
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAinv+O7K23JgwICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEARYEEJ7pYdlF\
        jD5IfPGSYFUZpCQEgZBeO+ublLraYiKJkGiGsXT7L9HqrxXnxk5RBcTGfwOR3ZD9fIuXyBE64+UNqa9in4dUD5hu3aRFY8JMWHRBqmouzgVh\
        SacpMAc///pN/Bd46AK7RwSydt9dWjl7WxZ6XBc8OapJoJMVEsxpYq9DtA8NRKq0qrAQnTMdoaoGfDPKOETwlv3ZSWLhUY+oGD+kKy8=",
        ),
        (
            SECOND,
            "-v2 aes-256-cbc -v2prf hmacWithSHA512",
            "\
        MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhQKiKlrfel6gICCAAwDAYIKoZIhvcNAgsFADAdBglghkgBZQMEASoEEITDua1U\
        Y0WK7Sl9Jl5fX58EgZDnwb8NmwiWwkct8XkF3AZ1GgAQKTR14Sf3wo0NROS2EmsL0h9k3FyrU50Ia/cZJ7aCdHs3xncqI0lbG8fziQUJgBAW\
        RwkoBE+nxQLeSh+FI9vQ2V6mCz5TAXfZKC8zmDXLHzN79dw3tgqTYqZjSFDxgdsb5aMJuHaIafx0dJTQvqx7RASPXgNOm+Z70OFsyR4=",
        ),
        (
            SECOND,
            "-scrypt",
            "\
        MIHkME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAgMKmsLMbXXxQICQAACAQgCAQEwHQYJYIZIAWUDBAEqBBBMyLAKk7c3ydu97AZ/\
        NfibBIGQxRMJdytvh3Z3s2NKZzB+s9dTr/cPU3CtOUkvMXe9MF/YK52Skybpm4tjfEmt42fYGzhAb8V4yPnSs7+/HYCn9PjH19x32iWG8c7p\
        yYu0o88kZMDFqemLTusGFsJRq0LvUeA5cD1fAe0ipMyeu1ViVRhQFU+JoyN6J/ImkqA5gjK6fhR/5zw3e9XoJ7iEn+J9",
        ),
    ];
    /// `-v1 PBE-SHA1-3DES`
    const PBES1: &str = "\
        MIGxMBwGCiqGSIb3DQEMAQMwDgQI2GpzuQPwTi8CAggABIGQc2FHFvdPIU6jnejeyD62twu1z9DjHVLgxpNTEVaiXRD5Bpi22afl9URANGOj\
        PS9QnfuhDxVLvo5Znef0uFI32thmhLiBUrzaNkUeReOsuW+/+J3yXvffhvLHZUO9Yfo50SOx9z/f7N4pxVXNPbrVSrwVfafzf7EN9xuO9NgP\
        sHN9q9UFw39uXQvrSaz+Dhzp";

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn every_form_that_openssl_writes_today_is_read() {
        for (key, options, protected) in FORMS {
            let read = decrypt(&STANDARD.decode(protected).unwrap(), &secret("correct-horse"));
            let read = read.unwrap_or_else(|error| panic!("{options}: {error:?}"));
            let hash: String =
                digest(&SHA256, read.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hash, key, "{options}");
        }
    }

    #[test]
    fn a_wrong_passphrase_differs_from_an_unsupported_encryption() {
        for (_, options, protected) in FORMS {
            for wrong in ["", "correct-hors", "Correct-horse"] {
                let refused = decrypt(&STANDARD.decode(protected).unwrap(), &secret(wrong)).unwrap_err();
                assert_eq!(refused, Unreadable::Passphrase, "{options} {wrong}");
            }
        }
        let older = STANDARD.decode(PBES1).unwrap();
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
        let with_rounds = |bytes: &[u8]| {
            let mut changed = protected.clone();
            changed.splice(rounds..rounds + 4, bytes.iter().copied());
            for at in [2, 4, 17, 19, 32] {
                changed[at] += u8::try_from(bytes.len()).unwrap() - 4;
            }
            decrypt(&changed, &secret("correct-horse")).unwrap_err()
        };
        assert_eq!(with_rounds(&[2, 4, 0x05, 0xf5, 0xe1, 0x00]), Unreadable::Unknown, "100 000 000");
        assert_eq!(with_rounds(&[2, 4, 0x7f, 0xff, 0xff, 0xff]), Unreadable::Unknown);
        assert_eq!(with_rounds(&[2, 3, 0, 0x80, 0]), Unreadable::Passphrase, "32 768 give another key");
    }

    #[test]
    fn a_key_that_needs_gigabytes_of_memory_is_rejected_immediately() {
        let scrypt = STANDARD.decode(FORMS[7].2).unwrap();
        let costs = scrypt.windows(10).position(|bytes| bytes == [2, 2, 0x40, 0, 2, 1, 8, 2, 1, 1]).unwrap();
        let mut huge = scrypt.clone();
        huge[costs..costs + 10].copy_from_slice(&[2, 2, 0x40, 0, 2, 1, 0x7f, 2, 1, 0x7f]);
        assert_eq!(decrypt(&huge, &secret("correct-horse")).unwrap_err(), Unreadable::Unknown);
    }
}
