//! The only way from a closed network to the services by their real names: a proxy that connects each of them to a TLS
//! front before the simulator, under a CA that no system knows.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use simulator::certificates::TestCertificate;

/// What the services are called.
pub(crate) const HOSTS: [&str; 4] =
    ["dev.azure.com", "vssps.dev.azure.com", "login.microsoftonline.com", "contoso-kv.vault.azure.net"];

/// How it is set up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    /// User name and password, where the proxy wants them.
    pub(crate) credentials: Option<(&'static str, &'static str)>,
    /// Whether the proxy accepts Windows authentication only, as many do in companies.
    pub(crate) wants_windows_authentication: bool,
    /// Whether the services want to see a certificate of the agent.
    pub(crate) wants_client_certificate: bool,
    /// Whether what the services show has another host's name in it.
    pub(crate) shows_another_name: bool,
}

/// The proxy with the TLS front behind it. It stops when dropped.
pub(crate) struct Gateway {
    /// Where the proxy listens.
    pub(crate) address: SocketAddr,
    /// Who has issued the services' certificates and the agent's.
    pub(crate) authority: TestCertificate,
    seen: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    simulator: SocketAddr,
    acceptor: TlsAcceptor,
    setup: Setup,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    pub(crate) fn start(simulator: SocketAddr, setup: Setup) -> Self {
        let authority = TestCertificate::authority("simulated private CA", 71);
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let acceptor = TlsAcceptor::from(Arc::new(front(&authority, setup)));
        let shared = Arc::new(Shared { simulator, acceptor, setup, seen: Arc::clone(&seen) });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let serve = async {
                    loop {
                        let Ok((stream, _)) = listener.accept().await else { continue };
                        let _as_servers_do = stream.set_nodelay(true);
                        let shared = Arc::clone(&shared);
                        tokio::spawn(async move { connect(stream, &shared).await });
                    }
                };
                tokio::select! { () = serve => {} _ = stopped => {} }
            });
        });
        Self { address, authority, seen, stop: Some(stop), thread: Some(thread) }
    }

    /// How often each host was asked for, whatever came of it.
    pub(crate) fn seen(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for target in self.seen.lock().unwrap().iter() {
            *counts.entry(target.clone()).or_default() += 1;
        }
        counts
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn front(authority: &TestCertificate, setup: Setup) -> ServerConfig {
    let hosts: &[&str] = if setup.shows_another_name { &["elsewhere.example"] } else { &HOSTS };
    let shown = authority.issue("simulated services", 72, hosts);
    let provider = Arc::new(default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = if setup.wants_client_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(authority.der.clone())).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_slice(shown.key_pkcs8().as_bytes()).unwrap();
    builder.with_single_cert(vec![CertificateDer::from(shown.der.clone())], key).unwrap()
}

async fn connect(mut stream: TcpStream, shared: &Shared) {
    let Some(head) = head(&mut stream).await else { return };
    let mut lines = head.lines();
    let target = lines.next().unwrap_or_default().strip_prefix("CONNECT ").and_then(|line| line.split(' ').next());
    let Some(target) = target else {
        let _gone = stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n").await;
        return;
    };
    shared.seen.lock().unwrap().push(target.to_owned());
    if let Some((user, password)) = shared.setup.credentials {
        let expected = format!("proxy-authorization: basic {}", STANDARD.encode(format!("{user}:{password}")));
        // The scheme's name is the same in every case, what is encoded is not.
        let is_given = head.lines().any(|line| {
            line.len() == expected.len()
                && line[..27].eq_ignore_ascii_case(&expected[..27])
                && line[27..] == expected[27..]
        });
        if !is_given || shared.setup.wants_windows_authentication {
            let challenges = if shared.setup.wants_windows_authentication {
                "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n"
            } else {
                "Proxy-Authenticate: Basic realm=\"simulated\"\r\n"
            };
            let refusal = format!(
                "HTTP/1.1 407 Proxy Authentication Required\r\n{challenges}Content-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _gone = stream.write_all(refusal.as_bytes()).await;
            return;
        }
    }
    let is_service = HOSTS.iter().any(|host| target == format!("{host}:443"));
    if !is_service {
        let _gone = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        return;
    }
    if stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.is_err() {
        return;
    }
    let Ok(mut inside) = shared.acceptor.accept(stream).await else { return };
    let Ok(mut simulator) = TcpStream::connect(shared.simulator).await else { return };
    let _as_clients_do = simulator.set_nodelay(true);
    let _ended = copy_bidirectional(&mut inside, &mut simulator).await;
}

/// The head of a request to the proxy, read to its end and not further.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        String::from_utf8(head).ok()
    };
    tokio::time::timeout(Duration::from_secs(5), read).await.ok().flatten()
}
