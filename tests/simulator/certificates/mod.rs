//! Certificates for tests, made at run time: RSA keys that nobody uses anywhere, self-signed or issued by another one, in
//! the PEM forms in which people keep them. The same number gives the same key in every run.

mod der;
mod rsa;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};

pub use self::der::{old_thumbprint, subject_public_key, thumbprint};
use self::rsa::RsaKey;

/// How a key and its certificate stand in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemForm {
    /// `PRIVATE KEY`, then the certificate.
    Pkcs8,
    /// The certificate, then `PRIVATE KEY`.
    CertificateFirst,
    /// `RSA PRIVATE KEY`, then the certificate.
    Pkcs1,
    /// The certificate, then `RSA PRIVATE KEY`.
    Pkcs1Last,
    /// `PRIVATE KEY`, the certificate, and that of its issuer.
    Chain,
    /// As `openssl pkcs12 -nodes` writes a `.pfx`: with its attributes between the parts, and the issuer first.
    BagAttributes,
}

impl PemForm {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Pkcs8, Self::CertificateFirst, Self::Pkcs1, Self::Pkcs1Last, Self::Chain, Self::BagAttributes];
}

/// A certificate with its private key.
#[derive(Clone, Debug)]
pub struct TestCertificate {
    /// The certificate.
    pub der: Vec<u8>,
    subject: String,
    key: RsaKey,
    issuer: Option<Box<Self>>,
}

impl TestCertificate {
    /// A self-signed one over the key of that number.
    pub fn self_signed(subject: &str, number: u64) -> Self {
        Self::made(subject, number, None, &[], false)
    }

    /// One that may issue others.
    pub fn authority(subject: &str, number: u64) -> Self {
        Self::made(subject, number, None, &[], true)
    }

    /// One for these host names, issued by this one.
    pub fn issue(&self, subject: &str, number: u64, hosts: &[&str]) -> Self {
        Self::made(subject, number, Some(self), hosts, false)
    }

    fn made(subject: &str, number: u64, issuer: Option<&Self>, hosts: &[&str], issues: bool) -> Self {
        let key = rsa::key(number);
        let (signer, issuer_name) = issuer.map_or((&key, subject), |issuer| (&issuer.key, issuer.subject.as_str()));
        let body = der::certificate_body(number, issuer_name, subject, &key, hosts, issues);
        let der = der::certificate(&body, &signer.sign_pkcs1(&body));
        Self { der, subject: subject.to_owned(), issuer: issuer.cloned().map(Box::new), key }
    }

    /// The certificate's and the key's text.
    pub fn pem(&self, form: PemForm) -> String {
        let certificate = pem("CERTIFICATE", &self.der);
        let issuer = || match &self.issuer {
            Some(issuer) => pem("CERTIFICATE", &issuer.der),
            None => pem("CERTIFICATE", &Self::authority("simulated issuer", 99).der),
        };
        match form {
            PemForm::Pkcs8 => self.key_pkcs8() + &certificate,
            PemForm::CertificateFirst => certificate + &self.key_pkcs8(),
            PemForm::Pkcs1 => self.key_pkcs1() + &certificate,
            PemForm::Pkcs1Last => certificate + &self.key_pkcs1(),
            PemForm::Chain => self.key_pkcs8() + &certificate + &issuer(),
            PemForm::BagAttributes => format!(
                "Bag Attributes: <No Attributes>\nsubject=CN = simulated issuer\n\nissuer=CN = simulated issuer\n\n{}\
                 Bag Attributes\n    localKeyID: 01 00 00 00 \nsubject=CN = {1}\n\nissuer=CN = simulated issuer\n\n{2}\
                 Bag Attributes\n    localKeyID: 01 00 00 00 \n    friendlyName: {1}\n\
                 Key Attributes\n    X509v3 Key Usage: 10 \n{3}",
                issuer(),
                self.subject,
                certificate,
                self.key_pkcs8()
            ),
        }
    }

    /// The certificate alone.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// The key alone, in the form that Azure gives out.
    pub fn key_pkcs8(&self) -> String {
        pem("PRIVATE KEY", &self.key.pkcs8())
    }

    /// The key alone, in the older form.
    pub fn key_pkcs1(&self) -> String {
        pem("RSA PRIVATE KEY", &self.key.pkcs1())
    }

    /// The key for signing as its owner does.
    pub fn signer(&self) -> RsaKeyPair {
        self.key.signer()
    }

    /// The lines of both forms of the key that show its secret part and nothing that the certificate shows too.
    pub fn secret_lines(&self) -> Vec<String> {
        let (pkcs8, pkcs1) = (self.key_pkcs8(), self.key_pkcs1());
        // The modulus and the public exponent come first, in fewer than seven lines.
        let secret = |text: &str| -> Vec<String> {
            let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("-----")).collect();
            lines.iter().skip(7).filter(|line| line.len() == 64).map(|&line| line.to_owned()).collect()
        };
        [secret(&pkcs8), secret(&pkcs1)].concat()
    }
}

impl RsaKey {
    fn signer(&self) -> RsaKeyPair {
        RsaKeyPair::from_der(&self.pkcs1()).expect("a key that was made here is whole")
    }

    fn sign_pkcs1(&self, message: &[u8]) -> Vec<u8> {
        let signer = self.signer();
        let mut signature = vec![0; signer.public().modulus_len()];
        signer
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .expect("a key of 2048 bits signs");
        signature
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is text")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
