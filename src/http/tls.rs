//! Whom to believe and who to be: the certificates that are built in, those in the files that the agent names, and the
//! machine's own, which are only read once a certificate cannot be explained without them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
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
use zeroize::Zeroizing;

use crate::http::private_key::{self, Unreadable};
use crate::model::text;
use crate::settings::Fault;
use crate::settings::network::{ClientCertificate, Network};

/// Where systems keep the CA certificates that they trust, if no file is named: Debian and Alpine, Red Hat, SUSE, macOS.
const MACHINES_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What the agent's files hold.
#[derive(Debug)]
pub struct Files {
    roots: RootCertStore,
    identity: Option<CertifiedKey>,
}

impl Files {
    /// Reads the files that are named, and no others.
    ///
    /// # Errors
    /// Every file that cannot be used.
    pub fn read(network: &Network) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(file) = &network.roots
            && let Err(why) = add_roots(&mut roots, file)
        {
            faults.push(network.no_roots(&why));
        }
        let identity = network.client.as_ref().map(|client| identity(network, client)).transpose();
        match identity {
            Ok(identity) if faults.is_empty() => Ok(Self { roots, identity }),
            identity => {
                faults.extend(identity.err());
                Err(faults)
            }
        }
    }

    /// Whether there is a certificate to show.
    pub(super) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// What the HTTP client is to do about TLS.
    pub(super) fn configuration(self, network: &Network) -> anyhow::Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = if network.skip_validation {
            Arc::new(Anybody(Arc::clone(&provider)))
        } else {
            Arc::new(Known {
                first: verifier(self.roots, &provider)?,
                machines: OnceLock::new(),
                file: network.machines_roots.clone(),
                provider: Arc::clone(&provider),
            })
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

fn verifier(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> anyhow::Result<Arc<WebPkiServerVerifier>> {
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()?)
}

/// Adds the CA certificates of a file; one that cannot be read is no reason to leave out the others.
fn add_roots(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let pem = fs::read(file).map_err(|error| unreadable(&error))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err("holds none".to_owned()),
        _ => Ok(()),
    }
}

/// The certificate to show, with its key.
fn identity(network: &Network, client: &ClientCertificate) -> Result<CertifiedKey, Fault> {
    let pem = fs::read(&client.certificate).map_err(|error| network.no_client_certificate(&unreadable(&error)))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if certificates.is_empty() {
        return Err(network.no_client_certificate("holds none"));
    }
    let key = key(client).map_err(|why| network.no_client_key(&why))?;
    CertifiedKey::from_der(certificates, key, &ring::default_provider())
        .map_err(|_| network.no_client_key("holds none that can be used, or another certificate's"))
}

fn key(client: &ClientCertificate) -> Result<PrivateKeyDer<'static>, String> {
    let pem = Zeroizing::new(fs::read_to_string(&client.key).map_err(|error| unreadable(&error))?);
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        && !pem.contains("Proc-Type: 4,ENCRYPTED")
    {
        return Ok(key);
    }
    let Some(protected) = protected(&pem) else {
        return Err("holds none that can be read; `openssl pkcs8 -topk8` makes one of most".to_owned());
    };
    let Some(passphrase) = &client.passphrase else {
        return Err("is protected by a password, and the agent is configured with none".to_owned());
    };
    match private_key::decrypt(&protected, passphrase) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.to_vec()).into()),
        Err(Unreadable::Passphrase) => Err("is protected by another password than the agent's".to_owned()),
        Err(Unreadable::Unknown) => Err("is protected in a way that cannot be undone here; `openssl pkcs8 -topk8` \
                                         writes it anew"
            .to_owned()),
    }
}

/// What the section of a protected key holds, which the TLS library passes over.
fn protected(pem: &str) -> Option<Vec<u8>> {
    let (_, after) = pem.split_once("-----BEGIN ENCRYPTED PRIVATE KEY-----")?;
    let (section, _) = after.split_once("-----END ENCRYPTED PRIVATE KEY-----")?;
    STANDARD.decode(section.split_whitespace().collect::<String>()).ok()
}

fn unreadable(error: &io::Error) -> String {
    format!("could not be read: {}", text::one_line(&error.to_string()))
}

/// Believes what a known root has signed.
#[derive(Debug)]
struct Known {
    /// Those built in, and the agent's.
    first: Arc<WebPkiServerVerifier>,
    /// Those of the machine, from when they were needed: reading them takes longer than all else at the start.
    machines: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    file: Option<PathBuf>,
    provider: Arc<CryptoProvider>,
}

impl Known {
    fn machines(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        let read = || {
            let mut roots = RootCertStore::empty();
            match &self.file {
                Some(file) => add_roots(&mut roots, file).ok()?,
                None => MACHINES_ROOTS.iter().find_map(|file| add_roots(&mut roots, Path::new(file)).ok())?,
            }
            verifier(roots, &self.provider).ok()
        };
        self.machines.get_or_init(read).as_ref()
    }
}

impl ServerCertVerifier for Known {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.first.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        if matches!(verified, Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)))
            && let Some(machines) = self.machines()
        {
            return machines.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.first.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.first.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.first.supported_verify_schemes()
    }
}

/// Believes every certificate, as the agent is configured to. That the other side has its key is still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
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
