//! A certificate with its private key, as an app's credential: it signs the assertions that Entra accepts instead of a
//! secret. The key is read again for each signature, so that between two of them it exists only as a [`Secret`].
//! <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{RSA_PSS_SHA256, RsaKeyPair};
use rustls::pki_types::pem::{PemObject as _, SectionKind};
use serde_json::json;
use zeroize::Zeroizing;

use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

/// How long an assertion is valid. Documented: five to ten minutes.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// Entra's clock may be behind this one's.
const EARLIER: Duration = Duration::from_secs(60);

/// A certificate with its private key.
#[derive(Clone, Debug)]
pub struct Certificate {
    pem: Secret,
    /// Which certificate it is: the header `x5t#S256`.
    thumbprint: String,
}

impl Certificate {
    /// Reads PEM text with a certificate and its RSA key, in any order, and ignores anything else.
    /// An error says what is missing and quotes nothing from the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let pem = Secret::new(with_line_ends(text));
        let key = key(&pem)?;
        let public: &[u8] = key.public().as_ref();
        let certificates = sections(&pem, SectionKind::Certificate);
        if certificates.is_empty() {
            return Err("a certificate beside the private key, as PEM text");
        }
        // PEM text may hold a chain; the app's certificate is the one that contains the public key.
        let own = certificates.iter().find(|der| der.windows(public.len()).any(|window| window == public));
        let own = own.ok_or("a certificate that belongs to its private key")?;
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, own));
        Ok(Self { pem, thumbprint })
    }

    /// An assertion that `client` is itself, for this token endpoint.
    /// Fails only if the system has no random numbers.
    pub fn assertion(&self, client: &str, endpoint: &str, now: Timestamp) -> Result<Secret, &'static str> {
        const NO_RANDOM: &str = "the system gives no random numbers";
        let random = SystemRandom::new();
        let mut id = [0; 16];
        random.fill(&mut id).map_err(|_| NO_RANDOM)?;
        let not_before = now.as_unix() - EARLIER.as_secs().cast_signed();
        let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": self.thumbprint });
        let claims = json!({
            "aud": endpoint,
            "iss": client,
            "sub": client,
            "jti": URL_SAFE_NO_PAD.encode(id),
            "nbf": not_before,
            "iat": not_before,
            "exp": not_before + LIFE.as_secs().cast_signed(),
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let key = key(&self.pem)?;
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature).map_err(|_| NO_RANDOM)?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

fn key(pem: &Secret) -> Result<RsaKeyPair, &'static str> {
    const NO_KEY: &str = "a private key beside the certificate, as PEM text without a passphrase";
    const BAD_KEY: &str = "an RSA key of 2048 to 4096 bits";
    let first = |kind| sections(pem, kind).into_iter().next();
    if let Some(der) = first(SectionKind::PrivateKey) {
        return RsaKeyPair::from_pkcs8(&der).map_err(|_| BAD_KEY);
    }
    if let Some(der) = first(SectionKind::RsaPrivateKey) {
        return RsaKeyPair::from_der(&der).map_err(|_| BAD_KEY);
    }
    Err(if first(SectionKind::EcPrivateKey).is_some() { BAD_KEY } else { NO_KEY })
}

fn sections(pem: &Secret, wanted: SectionKind) -> Vec<Zeroizing<Vec<u8>>> {
    let all = <(SectionKind, Vec<u8>)>::pem_slice_iter(pem.reveal().as_bytes());
    let all = all.filter_map(Result::ok).map(|(kind, der)| (kind, Zeroizing::new(der)));
    all.filter(|(kind, _)| *kind == wanted).map(|(_, der)| der).collect()
}

/// The service connection's form may have replaced line breaks by spaces or `\n`.
fn with_line_ends(text: &str) -> String {
    // The parser would skip a first line that begins with a byte order mark.
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().contains('\n') {
        return text.to_owned();
    }
    let text = Zeroizing::new(text.replace("\\r", "").replace("\\n", "\n"));
    let mut lines = String::with_capacity(text.len() + 64);
    for (index, piece) in text.split("-----").enumerate() {
        match index % 4 {
            1 | 3 => {
                let is_begin = index % 4 == 1;
                lines.push_str(if is_begin { "\n-----" } else { "-----" });
                lines.push_str(piece);
                lines.push_str("-----\n");
            }
            2 => {
                for word in piece.split_whitespace() {
                    lines.push_str(word);
                    lines.push('\n');
                }
            }
            _ => {}
        }
    }
    lines
}
