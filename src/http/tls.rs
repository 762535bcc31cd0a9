//! Which certificates are trusted, and which one is shown. A server's certificate is accepted if the built-in roots and
//! those in the configured files accept it, else if the platform does: Windows' and macOS's own verification, elsewhere
//! the system's CA certificates (or those in `SSL_CERT_FILE` and `SSL_CERT_DIR`), which are read only then: it takes
//! longer than everything else at the start.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use zeroize::Zeroizing;

use crate::http::private_key::{self, Unreadable};
use crate::model::text;
use crate::settings::Fault;
use crate::settings::network::{ClientCertificate, Network};

/// What the configured files hold.
#[derive(Debug)]
pub struct Files {
    roots: RootCertStore,
    identity: Option<CertifiedKey>,
    trusted: String,
    warnings: Vec<String>,
}

impl Files {
    /// Reads the files that are named, and no others. A CA file that cannot be used is a warning only: without it fewer
    /// certificates are trusted.
    pub fn read(network: &Network) -> Result<Self, Vec<Fault>> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let mut trusted = "Trusted certificates: the built-in roots".to_owned();
        let mut warnings = Vec::new();
        for file in &network.roots {
            match add_roots(&mut roots, &file.path) {
                Ok(()) => trusted += &format!(", {file}"),
                Err(why) => warnings.push(format!(
                    "{file} {why}. Its certificates are not trusted. In a container job, the file must exist at this \
                     path in the container."
                )),
            }
        }
        let identity = network.client.as_ref().map(|client| identity(network, client)).transpose();
        let identity = identity.map_err(|fault| vec![fault])?;
        Ok(Self { roots, identity, trusted: trusted + " and this machine's certificate store.", warnings })
    }

    /// For the log: where trusted certificates come from.
    pub fn trusted(&self) -> &str {
        &self.trusted
    }

    /// For the log: CA files that cannot be used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether there is a certificate to show.
    pub(super) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    pub(super) fn configuration(self, network: &Network) -> anyhow::Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if network.skip_validation {
            Arc::new(AnyCertificate(Arc::clone(&provider)))
        } else {
            let roots = Arc::new(self.roots);
            let configured = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
            Arc::new(Trust { configured, platform: OnceLock::new(), provider: Arc::clone(&provider) })
        };
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        Ok(match self.identity {
            Some(identity) => tls.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
            None => tls.with_no_client_auth(),
        })
    }
}

/// Adds the CA certificates of a file; one that cannot be parsed is no reason to leave out the others.
fn add_roots(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let pem = read_pem(file)?;
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err("contains no certificate as PEM text".to_owned()),
        _ => Ok(()),
    }
}

/// A PEM file without the byte order mark that Windows' editors put first: the parser would skip the first line with
/// it.
fn read_pem(file: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut pem = Zeroizing::new(
        fs::read(file).map_err(|error| format!("could not be read: {}", text::one_line(&error.to_string())))?,
    );
    if pem.starts_with(&[0xff, 0xfe]) || pem.starts_with(&[0xfe, 0xff]) {
        return Err("is UTF-16 text, as Windows PowerShell's `>` writes it; save it as UTF-8".to_owned());
    }
    if pem.starts_with(b"\xef\xbb\xbf") {
        pem.drain(..3);
    }
    Ok(pem)
}

/// The certificate to show, with its key.
fn identity(network: &Network, client: &ClientCertificate) -> Result<CertifiedKey, Fault> {
    let pem = read_pem(&client.certificate).map_err(|why| network.no_client_certificate(&why))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if certificates.is_empty() {
        return Err(network.no_client_certificate("contains no certificate"));
    }
    let key = key(client).map_err(|why| network.no_client_key(&why))?;
    CertifiedKey::from_der(certificates, key, &ring::default_provider())
        .map_err(|_| network.no_client_key("contains no usable key, or the key of another certificate"))
}

fn key(client: &ClientCertificate) -> Result<PrivateKeyDer<'static>, String> {
    let pem = read_pem(&client.key)?;
    let pem = std::str::from_utf8(&pem).map_err(|_| "is not text")?;
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        && !pem.contains("Proc-Type: 4,ENCRYPTED")
    {
        return Ok(key);
    }
    let Some(protected) = protected(pem) else {
        return Err("contains no key that can be read; convert it with `openssl pkcs8 -topk8`".to_owned());
    };
    let Some(passphrase) = &client.passphrase else {
        return Err("is protected by a password, but the agent is not configured with one".to_owned());
    };
    match private_key::decrypt(&protected, passphrase) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        Err(Unreadable::Passphrase) => {
            Err("is protected by a different password than the agent is configured with".to_owned())
        }
        Err(Unreadable::Unknown) => {
            Err("uses an unsupported encryption; convert it with `openssl pkcs8 -topk8`".to_owned())
        }
    }
}

/// What the section of a protected key holds, which the TLS library passes over.
fn protected(pem: &str) -> Option<Vec<u8>> {
    let (_, after) = pem.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let (section, _) = after.split_once("-----END ENCRYPTED PRIVATE KEY-----")?;
    STANDARD.decode(section.split_whitespace().collect::<String>()).ok()
}

/// Accepts what the configured roots accept, else what the platform accepts.
#[derive(Debug)]
struct Trust {
    /// By the built-in roots and those in the configured files.
    configured: Arc<WebPkiServerVerifier>,
    /// `None` where the system has no CA certificates, as in a small container image.
    platform: OnceLock<Option<Verifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.configured.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let Err(refusal) = verified else { return verified };
        match self.platform.get_or_init(|| Verifier::new(Arc::clone(&self.provider)).ok()) {
            Some(platform) => platform
                .verify_server_cert(end_entity, intermediates, name, ocsp, now)
                .map_err(|platforms| clearer(refusal, platforms)),
            None => Err(refusal),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.configured.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.configured.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.configured.supported_verify_schemes()
    }
}

/// The refusal that says more. Where no configured root has issued the certificate, the platform may know the issuer
/// and refuse it for its date or name; in its own words (`Other`) it says nothing that a remedy could be chosen by.
fn clearer(configured: rustls::Error, platforms: rustls::Error) -> rustls::Error {
    use rustls::Error::InvalidCertificate;
    match (&configured, &platforms) {
        (InvalidCertificate(CertificateError::UnknownIssuer), InvalidCertificate(CertificateError::Other(_))) => {
            configured
        }
        (InvalidCertificate(CertificateError::UnknownIssuer), InvalidCertificate(_)) => platforms,
        _ => configured,
    }
}

/// Accepts every certificate, as the agent is configured to. That the server has the key is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::Error::{General, InvalidCertificate};
    use rustls::OtherError;

    use super::*;

    /// What Windows and macOS answer cannot be had here; Linux' answers are tested in `tests/it/robustness/network.rs`.
    #[test]
    fn the_refusal_with_the_clearer_reason_is_reported() {
        let unknown = || InvalidCertificate(CertificateError::UnknownIssuer);
        let expired = || InvalidCertificate(CertificateError::Expired);
        let name = || InvalidCertificate(CertificateError::NotValidForName);
        let own_words = || {
            let words = std::io::Error::other("\u{201c}x\u{201d} certificate is not trusted: -67843");
            InvalidCertificate(CertificateError::Other(OtherError(Arc::new(words))))
        };
        for (configured, platforms, reported) in [
            (unknown(), unknown(), unknown()),
            (unknown(), expired(), expired()),
            (unknown(), name(), name()),
            (unknown(), own_words(), unknown()),
            (unknown(), General("no store".to_owned()), unknown()),
            (expired(), unknown(), expired()),
            (name(), own_words(), name()),
        ] {
            assert_eq!(clearer(configured, platforms), reported);
        }
    }
}
