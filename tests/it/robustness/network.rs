//! The services by their real names, through the proxy and with the certificates that the agent is configured with.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::harness::gateway::{Gateway, HOSTS, Setup};
use crate::harness::pipeline::{NAME, Pipeline, REFRESH, says};
use agent::{Job, StepRun, TaskResult, When as Moment};
use simulator::{Fault, Op, When};

const USER: &str = "agent";
const PASSWORD: &str = "correct-horse-battery";

/// A pipeline in an organization of the cloud, which only a gateway leads to.
pub(crate) struct Closed {
    pub(crate) pipeline: Pipeline,
    gateway: Gateway,
    files: PathBuf,
}

impl Closed {
    pub(crate) fn new(setup: Setup) -> Self {
        let pipeline = Pipeline::with_pat(5);
        let address = pipeline.sim.origin().trim_start_matches("http://").parse().unwrap();
        let gateway = Gateway::start(address, setup);
        let port = gateway.address.port();
        let files = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("network-{port}-{}", std::process::id()));
        fs::create_dir_all(&files).unwrap();
        Self { pipeline, gateway, files }
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.files.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// The job in the cloud, knowing neither proxy nor CA.
    fn job(&self) -> Job {
        self.pipeline.job().collection_uri("https://dev.azure.com/contoso/")
    }

    fn proxy(&self) -> String {
        format!("http://{}", self.gateway.address)
    }

    /// The certificate of the CA that has issued the services' certificates, as PEM text.
    fn ca(&self) -> String {
        self.gateway.authority.certificate_pem()
    }

    fn with_ca(&self, job: Job) -> Job {
        job.variable("agent.cainfo", &self.file("ca.pem", self.ca()))
    }

    /// Configured as an agent behind this gateway should be.
    pub(crate) fn configured(&self) -> Job {
        self.with_ca(self.job().variable("agent.proxyurl", &self.proxy()))
    }

    pub(crate) fn inputs() -> [(&'static str, &'static str); 2] {
        [
            ("refreshTokenSecret", "https://contoso-kv.vault.azure.net/secrets/rotator-refresh-token"),
            ("publishTo", "keyVault: contoso-kv/nuget-pat"),
        ]
    }

    /// Both stages pass, and all of the four hosts were reached through the proxy.
    #[track_caller]
    fn rotates(&self, mut job: Job) -> StepRun {
        let (main, _) = self.pipeline.rotate(&mut job, &Self::inputs());
        let seen = self.gateway.seen();
        for host in HOSTS {
            assert!(seen.contains_key(&format!("{host}:443")), "{host} is not among {seen:?}");
        }
        assert_eq!(seen.len(), HOSTS.len(), "{seen:?}");
        let active = self.pipeline.active();
        assert_eq!(active, [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
        main
    }

    /// The main stage fails with these words, and no service was reached.
    #[track_caller]
    fn fails(&self, mut job: Job, words: &[&str]) {
        let run = self.pipeline.main(&mut job, &Self::inputs());
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        says(&run, words);
        assert_eq!(self.pipeline.sim.transcript_text(), "", "{}", run.log);
        assert_eq!(self.pipeline.active(), [format!("#1 {NAME}")]);
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.files);
    }
}

#[test]
fn a_rotation_passes_the_agents_proxy_under_the_agents_ca() {
    let closed = Closed::new(Setup::default());
    let main = closed.rotates(closed.configured());
    says(&main, &["in https://dev.azure.com/contoso", "secret \"rotator-refresh-token\" in vault \"contoso-kv\""]);
    // One connection a host and stage; two where two requests are under way at once.
    let most = closed.gateway.seen().values().copied().max().unwrap();
    assert!(most <= 4, "{:?}", closed.gateway.seen());
}

#[test]
fn without_the_ca_no_certificate_is_trusted_and_the_remedy_is_printed() {
    let closed = Closed::new(Setup::default());
    let job = closed.job().variable("agent.proxyurl", &closed.proxy());
    closed.fails(job, &["is not signed by a trusted root", "configure the agent with its CA file (`--sslcacert`)"]);
}

#[test]
fn a_ca_file_that_cannot_be_used_is_only_a_warning() {
    for (path, text, words) in [
        ("missing/ca.pem", None, "could not be read: No such file or directory"),
        ("folder.pem/x", Some(Vec::new()), "could not be read: Is a directory"),
        ("empty.pem", Some(Vec::new()), "contains no certificate as PEM text"),
        ("der.cer", Some(vec![0x30, 0x82, 1, 2, 0xff]), "contains no certificate as PEM text"),
    ] {
        // Node itself prints the same about `NODE_EXTRA_CA_CERTS`, on standard error.
        for variable in ["AGENT_CAINFO", "SSL_CERT_FILE"] {
            let closed = Closed::new(Setup::default());
            let path = match text.clone() {
                Some(text) => closed.file(path, text),
                None => closed.files.join(path).display().to_string(),
            };
            let path = path.trim_end_matches("/x");
            let job = match variable {
                "AGENT_CAINFO" => closed
                    .job()
                    .variable("agent.cainfo", path)
                    .raw_env("SSL_CERT_FILE", closed.file("ca.pem", closed.ca())),
                _ => closed.with_ca(closed.job()).raw_env(variable, path),
            };
            let main = closed.rotates(job.variable("agent.proxyurl", &closed.proxy()));
            let warning = format!("the CA file \"{path}\" (`{variable}`) {words}");
            assert!(main.warnings.iter().any(|text| text.contains(&warning)), "{warning}: {}", main.log);
        }
    }
}

#[test]
fn a_missing_ca_file_adds_no_trust() {
    let closed = Closed::new(Setup::default());
    let job = closed.job().variable("agent.proxyurl", &closed.proxy()).variable("agent.cainfo", "/nowhere/ca.pem");
    closed.fails(job, &["\"/nowhere/ca.pem\" (`AGENT_CAINFO`) could not be read", "not signed by a trusted root"]);
}

#[test]
fn a_byte_order_mark_before_pem_text_is_skipped() {
    let closed = Closed::new(Setup { wants_client_certificate: true, ..Setup::default() });
    let with_mark = |name: &str, text: &str| closed.file(name, format!("\u{feff}{text}"));
    let own = closed.gateway.authority.issue("simulated agent", 73, &[]);
    let job = closed
        .job()
        .variable("agent.proxyurl", &closed.proxy())
        .variable("agent.cainfo", &with_mark("ca.pem", &closed.ca()))
        .variable("agent.clientcert", &with_mark("agent.pem", &own.certificate_pem()))
        .variable("agent.clientcertkey", &with_mark("key.pem", &own.key_pkcs8()));
    closed.rotates(job);
}

#[test]
fn pem_text_in_utf_16_is_named_as_such() {
    let closed = Closed::new(Setup::default());
    for (order, encode) in [("le", u16::to_le_bytes as fn(u16) -> [u8; 2]), ("be", u16::to_be_bytes)] {
        let utf16 = |name: &str, text: &str| {
            let bytes: Vec<u8> = "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(encode).collect();
            closed.file(&format!("{order}-{name}"), bytes)
        };
        let job = closed.job().variable("agent.proxyurl", &closed.proxy());
        closed.fails(
            job.variable("agent.cainfo", &utf16("ca.pem", &closed.ca())),
            &["is UTF-16 text", "save it as UTF-8", "not signed by a trusted root"],
        );
        let own = closed.gateway.authority.issue("simulated agent", 73, &[]);
        let job = closed
            .configured()
            .variable("agent.clientcert", &utf16("agent.pem", &own.certificate_pem()))
            .variable("agent.clientcertkey", &utf16("key.pem", &own.key_pkcs8()));
        closed.fails(
            job,
            &["`AGENT_CLIENTCERT` must be a file with a certificate", "is UTF-16 text", "Nothing was sent"],
        );
    }
}

#[test]
fn a_ca_that_only_node_is_given_is_trusted_and_said() {
    let closed = Closed::new(Setup::default());
    let file = closed.file("node.pem", closed.ca());
    let main =
        closed.rotates(closed.job().variable("agent.proxyurl", &closed.proxy()).raw_env("NODE_EXTRA_CA_CERTS", &file));
    let said = format!("Trusted certificates: the built-in roots, the CA file \"{file}\" (`NODE_EXTRA_CA_CERTS`)");
    assert_eq!(main.log.matches(&said).count(), 1, "{}", main.log);
}

/// What Linux has as a store. On Windows and macOS the platform itself verifies, which no test here can show.
#[cfg(target_os = "linux")]
#[test]
fn a_root_in_the_machines_certificate_store_is_trusted_and_said() {
    let closed = Closed::new(Setup::default());
    let file = closed.file("store/company-root.pem", closed.ca());
    let store = file.trim_end_matches("/company-root.pem");
    let main = closed.rotates(closed.job().variable("agent.proxyurl", &closed.proxy()).raw_env("SSL_CERT_DIR", store));
    says(&main, &["Trusted certificates: the built-in roots and this machine's certificate store."]);
}

#[test]
fn a_certificate_for_another_name_is_rejected() {
    let closed = Closed::new(Setup { shows_another_name: true, ..Setup::default() });
    closed.fails(closed.configured(), &["the certificate presented for ", " belongs to another host"]);
}

#[test]
fn a_proxy_that_wants_a_password_gets_the_agents() {
    let closed = Closed::new(Setup { credentials: Some((USER, PASSWORD)), ..Setup::default() });
    let named = |job: Job, password: &str| {
        job.variable("agent.proxyusername", USER).secret_variable("agent.proxypassword", password)
    };
    closed.fails(closed.configured(), &["requires a user name and a password", "Configure the agent with the proxy's"]);
    let wrong = named(closed.configured(), "wrong-horse-battery");
    closed.fails(wrong, &["rejected the user name and password"]);
    // Accounts get locked: nothing is repeated. The tenant and the job's token are asked for at once, in two runs.
    assert_eq!(closed.gateway.seen().into_values().sum::<usize>(), 4, "{:?}", closed.gateway.seen());
    let main = closed.rotates(named(closed.configured(), PASSWORD));
    assert!(!main.log.contains(PASSWORD));
}

#[test]
fn a_proxy_with_windows_authentication_only_is_explained() {
    let setup = Setup { credentials: Some((USER, PASSWORD)), wants_windows_authentication: true, ..Setup::default() };
    let closed = Closed::new(setup);
    let basic_only = "with Basic authentication only, not with NTLM or Negotiate";
    closed.fails(closed.configured(), &["requires a user name and a password", basic_only]);
    let named =
        closed.configured().variable("agent.proxyusername", USER).secret_variable("agent.proxypassword", PASSWORD);
    closed.fails(named, &["rejected the user name and password", basic_only]);
}

#[test]
fn the_machines_proxy_is_used_where_the_agent_has_none() {
    let closed = Closed::new(Setup { credentials: Some((USER, PASSWORD)), ..Setup::default() });
    let address = format!("http://{USER}:{PASSWORD}@{}", closed.gateway.address);
    let job = closed.with_ca(closed.job()).raw_env("HTTPS_PROXY", &address);
    let main = closed.rotates(job);
    assert!(!main.raw.iter().any(|line| line.text.contains(PASSWORD)));
}

#[test]
fn the_machines_ca_file_is_known_where_it_is_named() {
    let closed = Closed::new(Setup::default());
    let file = closed.file("machine.pem", closed.ca());
    closed.rotates(closed.job().variable("agent.proxyurl", &closed.proxy()).raw_env("SSL_CERT_FILE", file));
}

#[test]
fn a_host_that_bypasses_the_proxy_does_not_pass_it() {
    let list = r#"["login\\.microsoftonline\\.com"]"#;
    let agents = |closed: &Closed| {
        closed.job().variable("agent.proxyurl", &closed.proxy()).variable("agent.proxybypasslist", list)
    };
    let machines = |closed: &Closed| {
        closed.job().raw_env("HTTPS_PROXY", closed.proxy()).raw_env("NO_PROXY", "*.microsoftonline.com")
    };
    for is_agents in [true, false] {
        let closed = Closed::new(Setup::default());
        let mut job = closed.with_ca(if is_agents { agents(&closed) } else { machines(&closed) });
        // There is no other way out of here: it tries until it is told to stop.
        let when = Moment::After(Duration::from_millis(1500));
        closed.pipeline.cancelled(&mut job, &Closed::inputs(), when);
        assert_eq!(closed.pipeline.sim.count(Op::OidcToken), 1, "the next request is for the login host");
        assert_eq!(closed.gateway.seen().into_keys().collect::<Vec<_>>(), ["dev.azure.com:443"]);
    }
}

#[test]
fn loopback_bypasses_every_proxy() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job().variable("agent.proxyurl", "http://127.0.0.1:9");
    pipeline.rotate(&mut job, &[]);
}

#[test]
fn a_client_certificate_is_shown_where_it_is_wanted() {
    let closed = Closed::new(Setup { wants_client_certificate: true, ..Setup::default() });
    closed.fails(
        closed.configured(),
        &["requires a client certificate", "Configure the agent with a client certificate (`--sslclientcert`"],
    );
    let own = closed.gateway.authority.issue("simulated agent", 73, &[]);
    let certificate = closed.file("agent.pem", own.certificate_pem());
    let key = closed.file("agent-key.pem", own.key_pkcs8());
    let job = closed.configured().variable("agent.clientcert", &certificate).variable("agent.clientcertkey", &key);
    closed.rotates(job);
}

#[test]
fn certificates_that_cannot_be_read_are_named_before_anything_is_sent() {
    let closed = Closed::new(Setup::default());
    let none = closed.file("none.pem", "not a certificate");
    let job = closed.job().variable("agent.proxyurl", "socks5://proxy.contoso.com").variable("agent.clientcert", &none);
    closed.fails(job, &["`AGENT_PROXYURL` must be", "`AGENT_CLIENTCERTKEY` is required", "Nothing was sent"]);
    let job = closed.job().variable("agent.clientcert", &none).variable("agent.clientcertkey", &none);
    closed.fails(job, &["`AGENT_CLIENTCERT` must be a file with a certificate", "Nothing was sent"]);
    assert!(closed.gateway.seen().is_empty());
}

#[test]
fn an_address_that_is_no_proxys_is_never_taken_for_no_proxy() {
    let closed = Closed::new(Setup::default());
    for address in ["http://", "http://proxy:port", "http://me:hunter2-hunter2@"] {
        closed.fails(closed.job().raw_env("HTTPS_PROXY", address), &["`HTTPS_PROXY` must be the address of a proxy"]);
    }
}

#[test]
fn validation_that_the_agent_skips_is_skipped_and_said() {
    let closed = Closed::new(Setup::default());
    let job = closed.job().variable("agent.proxyurl", &closed.proxy()).variable("agent.skipcertvalidation", "True");
    let main = closed.rotates(job);
    assert!(main.warnings.iter().any(|warning| warning.contains("certificates are not validated")), "{}", main.log);
}

#[test]
fn a_reply_that_is_lost_within_tls_is_healed() {
    for fault in [Fault::ResetAfter, Fault::CutReply] {
        let closed = Closed::new(Setup::default());
        closed.pipeline.sim.inject(fault, When::nth(Op::CreatePat, 1));
        let mut job = closed.configured();
        closed.pipeline.rotate(&mut job, &Closed::inputs());
        let active = closed.pipeline.active();
        assert_eq!(active, [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#3 {NAME}")]);
    }
}

#[test]
fn an_agent_behind_a_proxy_reads_the_vault_by_its_own_name() {
    let closed = Closed::new(Setup::default());
    let mut job = closed.configured();
    let run = closed.pipeline.main(&mut job, &[Closed::inputs()[0], ("dryRun", "true")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert!(closed.pipeline.sim.count(Op::VaultRead) > 0, "{REFRESH}");
}
