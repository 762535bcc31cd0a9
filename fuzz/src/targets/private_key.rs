//! A private key under a passphrase, in DER: refused, or one whole element.

use rotate_pat::http::private_key::decrypt;
use rotate_pat::model::secret::Secret;

pub(crate) fn fuzz(data: &[u8]) {
    let passphrase = Secret::new("correct-horse".to_owned());
    // In text, so that seeds can be read.
    let text: String = String::from_utf8_lossy(data).split_whitespace().collect();
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &text);
    for protected in [data, &decoded.unwrap_or_default()] {
        if let Ok(key) = decrypt(protected, &passphrase) {
            assert_eq!(key.as_bytes().first(), Some(&0x30));
        }
    }
}
