//! Assertions signed with a certificate's key, and the certificates that tests are given.

use std::{sync::Arc, time::Duration};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair},
};
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::{ServerName, UnixTime},
};
use serde_json::{Value, json};

use super::{
    super::{
        Simulator, World,
        certificates::{PemForm, TestCertificate, subject_public_key, thumbprint},
    },
    bare::{DEFAULT, JWT_BEARER, code, token},
};

struct Setting {
    sim: Simulator,
    certificate: TestCertificate,
    header: Value,
    claims: Value,
    encoding: &'static dyn RsaEncoding,
}

impl Setting {
    fn new() -> Self {
        let mut world = World::new();
        let certificate = world.add_certificate("pat-rotator");
        let client = world.app("pat-rotator").client_id.clone();
        let now = world.now().as_second();
        let sim = Simulator::start(world);
        // As in https://learn.microsoft.com/entra/identity-platform/certificate-credentials.
        let header =
            json!({"alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(thumbprint(&certificate.der))});
        let claims = json!({
            "aud": format!("{}/contoso.onmicrosoft.com/oauth2/v2.0/token", sim.origin()),
            "exp": now + 600, "iat": now, "nbf": now, "iss": client, "sub": client, "jti": "a",
        });
        Self { sim, certificate, header, claims, encoding: &RSA_PSS_SHA256 }
    }

    fn assertion(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&self.header), part(&self.claims));
        let signer = self.certificate.signer();
        let mut signature = vec![0; signer.public().modulus_len()];
        signer.sign(self.encoding, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn send(&self, assertion: &str) -> (u16, i64) {
        let client = self.sim.world().app("pat-rotator").client_id.clone();
        code(&token(
            &self.sim,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", &client),
                ("scope", DEFAULT),
                ("client_assertion_type", JWT_BEARER),
                ("client_assertion", assertion),
            ],
        ))
    }

    /// What an assertion with another claim or header is answered.
    fn with(change: impl Fn(&mut Self)) -> (u16, i64) {
        let mut setting = Self::new();
        change(&mut setting);
        let answer = setting.send(&setting.assertion());
        setting.sim.take_problems();
        answer
    }
}

#[test]
fn an_assertion_is_good_once_and_by_its_signature() {
    let setting = Setting::new();
    let assertion = setting.assertion();
    let (message, signature) = assertion.rsplit_once('.').unwrap();
    let other = format!("{message}.{}", signature.chars().rev().collect::<String>());
    assert_eq!(setting.send(&other), (401, 700_027));
    assert_eq!(setting.send(&assertion), (200, 0));
    assert_eq!(setting.send(&assertion), (401, 50027));
    assert_eq!(setting.sim.take_problems().len(), 1, "none may be sent twice");
    assert!(setting.sim.world().all_secrets().iter().any(|(_, secret)| *secret == assertion));
}

#[test]
fn every_field_of_an_assertion_is_looked_at() {
    type Change = fn(&mut Setting);
    let cases: [(Change, (u16, i64)); 14] = [
        (|_| {}, (200, 0)),
        (|it| it.header["alg"] = "RS256".into(), (401, 50027)),
        (|it| it.encoding = &RSA_PKCS1_SHA256, (401, 700_027)),
        (|it| it.header["x5t#S256"] = "AAAA".into(), (401, 700_027)),
        (|it| it.header["typ"] = "JWS".into(), (401, 700_024)),
        (|it| it.claims["iss"] = "x".into(), (401, 700_021)),
        (|it| (it.claims["iss"], it.claims["sub"]) = ("x".into(), "x".into()), (401, 700_021)),
        (|it| it.claims["aud"] = it.sim.origin().into(), (401, 700_023)),
        (|it| it.claims["jti"] = Value::Null, (401, 50027)),
        (|it| it.claims["nbf"] = Value::Null, (401, 700_024)),
        (|it| it.claims["exp"] = (it.claims["exp"].as_i64().unwrap() + 1).into(), (401, 700_024)),
        (|it| it.sim.world().advance(jiff::SignedDuration::from_mins(10)), (401, 700_024)),
        (|it| it.sim.world().advance(jiff::SignedDuration::from_mins(-1)), (401, 700_024)),
        (|it| it.sim.world().app_mut("pat-rotator").certificates.clear(), (401, 700_027)),
    ];
    for (number, (change, expected)) in cases.into_iter().enumerate() {
        assert_eq!(Setting::with(change), expected, "case {number}");
    }
    let with_the_old_algorithm = |it: &mut Setting| {
        it.sim.world().rs256_accepted = true;
        it.header["alg"] = "RS256".into();
        it.encoding = &RSA_PKCS1_SHA256;
    };
    assert_eq!(Setting::with(with_the_old_algorithm), (200, 0));
    let by_id = |it: &mut Setting| {
        let endpoint = format!("{}/{}/oauth2/v2.0/token", it.sim.origin(), it.sim.world().tenants[0].id);
        it.claims["aud"] = endpoint.into();
    };
    assert_eq!(Setting::with(by_id), (200, 0));
    let expired = |it: &mut Setting| {
        let mut world = it.sim.world();
        let now = world.now();
        world.app_mut("pat-rotator").certificates[0].expires = Some(now);
    };
    assert_eq!(Setting::with(expired), (401, 700_027));
}

/// The base64 of each part of that kind.
fn parts(pem: &str, label: &str) -> Vec<Vec<u8>> {
    let begin = format!("-----BEGIN {label}-----\n");
    let bodies = pem.split(&begin).skip(1).map(|rest| rest.split("-----END").next().unwrap().replace('\n', ""));
    bodies.map(|body| STANDARD.decode(body).unwrap()).collect()
}

#[test]
fn certificates_come_in_every_form_with_the_key_that_belongs_to_them() {
    let authority = TestCertificate::authority("issuer", 98);
    let issued = authority.issue("rotator", 1, &["dev.azure.com"]);
    for form in PemForm::ALL {
        let pem = issued.pem(form);
        let certificates = parts(&pem, "CERTIFICATE");
        let chain = matches!(form, PemForm::Chain | PemForm::BagAttributes);
        assert_eq!(certificates.len(), if chain { 2 } else { 1 }, "{form:?}");
        assert!(certificates.contains(&issued.der));
        let key = match form {
            PemForm::Pkcs1 | PemForm::Pkcs1Last => RsaKeyPair::from_der(&parts(&pem, "RSA PRIVATE KEY")[0]),
            _ => RsaKeyPair::from_pkcs8(&parts(&pem, "PRIVATE KEY")[0]),
        };
        let public = key.unwrap().public().as_ref().to_vec();
        assert_eq!(subject_public_key(&issued.der), Some(public), "{form:?}");
    }
    assert_eq!(TestCertificate::self_signed("rotator", 1).key_pkcs8(), issued.key_pkcs8(), "the same in every run");
    assert!(issued.secret_lines().len() > 30 && issued.secret_lines().iter().all(|line| line.len() == 64));
}

#[test]
fn a_host_is_believed_by_whoever_trusts_its_issuer() {
    let authority = TestCertificate::authority("issuer", 98);
    let issued = authority.issue("front", 1, &["dev.azure.com", "login.microsoftonline.com"]);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let believes = |root: &TestCertificate, host: &'static str| {
        let mut roots = RootCertStore::empty();
        roots.add(root.der.clone().into()).unwrap();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
        let at = UnixTime::since_unix_epoch(Duration::from_secs(1_795_489_200));
        verifier
            .verify_server_cert(&issued.der.clone().into(), &[], &ServerName::try_from(host).unwrap(), &[], at)
            .is_ok()
    };
    assert!(believes(&authority, "login.microsoftonline.com"));
    assert!(!believes(&authority, "vssps.dev.azure.com"));
    assert!(!believes(&TestCertificate::authority("issuer", 97), "dev.azure.com"));
}
