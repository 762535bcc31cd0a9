//! The shipped program at a workstation, and the browsers that follow what it tells them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use crate::harness::pipeline::{Pipeline, REFRESH, of_this_machine};
use simulator::Op;
use simulator::world::{KEY_VAULT, World};

/// Far more than any step of a test takes.
pub(crate) const STEP_TIMEOUT: Duration = Duration::from_secs(20);

/// A pipeline whose vault holds no refresh token yet, and an app that people sign in to.
pub(crate) fn station() -> Pipeline {
    let pipeline = Pipeline::with_pat(5);
    let mut world = pipeline.sim.world();
    world.vault.secrets.clear();
    world.app_mut("pat-rotator-public").redirect_uris = vec!["http://localhost".to_owned()];
    world.vault.writers.push("rotator".to_owned());
    world.vault.readers.push("rotator".to_owned());
    drop(world);
    pipeline
}

pub(crate) fn secret_url(pipeline: &Pipeline) -> String {
    format!("{}/secrets/{REFRESH}", pipeline.sim.origin())
}

/// Whatever a machine opens addresses with, here it only writes them down.
pub(crate) const OPENS: &str = "printf '%s\\n' \"$@\" >>opened";

/// The program at work, and what it has said so far on standard error.
pub(crate) struct Station {
    pub(crate) child: Child,
    /// Open, where the test holds it back.
    pub(crate) stdin: Option<ChildStdin>,
    err: BufReader<ChildStderr>,
    pub(crate) said: String,
    pub(crate) tools: PathBuf,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Standard output, and behind it standard error.
    pub(crate) said: String,
    pub(crate) out: String,
    /// What the system was asked to open.
    pub(crate) opened: String,
}

impl Station {
    /// Starts it for this user. Where `vault_token` is given, it comes on standard input.
    pub(crate) fn start(pipeline: &Pipeline, user: &str, vault_token: Option<&str>) -> Self {
        let (tenant, client) = {
            let world = pipeline.sim.world();
            (world.tenants[0].id.clone(), world.app("pat-rotator-public").client_id.clone())
        };
        let url = secret_url(pipeline);
        let mut arguments = vec![
            "sign-in",
            "--tenant",
            &tenant,
            "--client-id",
            &client,
            "--user",
            user,
            "--vault-secret",
            &url,
            "--wait",
            "0",
        ];
        if vault_token.is_some() {
            arguments.push("--vault-token-stdin");
        }
        Self::with(&arguments, vault_token)
    }

    pub(crate) fn with(arguments: &[&str], input: Option<&str>) -> Self {
        let mut station = Self::waiting_for_input(arguments, OPENS);
        let mut stdin = station.stdin.take().unwrap();
        let _closed = stdin.write_all(input.unwrap_or_default().as_bytes());
        station
    }

    /// Starts it with this system's way of opening an address, and leaves its standard input open.
    pub(crate) fn waiting_for_input(arguments: &[&str], opener_script: &str) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let tools = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("station-{}-{number}", std::process::id()));
        fs::create_dir_all(&tools).unwrap();
        let opener = tools.join("xdg-open");
        if !opener_script.is_empty() {
            fs::write(&opener, format!("#!/bin/sh\ncd '{}'\n{opener_script}\n", tools.display())).unwrap();
            make_executable(&opener);
        }
        // Without a script nothing opens an address, also where this machine has something that would.
        let path = tools.display().to_string() + if opener_script.is_empty() { "" } else { ":/bin:/usr/bin" };
        let mut child = Command::new(env!("CARGO_BIN_EXE_rotate-pat"))
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, err) = (child.stdin.take(), BufReader::new(child.stderr.take().unwrap()));
        Self { child, stdin, err, said: String::new(), tools }
    }

    /// Reads on until it names the address to begin at, and waits until that is opened as well.
    pub(crate) fn address(&mut self) -> Url {
        let address = self.named_address();
        let started = Instant::now();
        while !self.opened().ends_with('\n') {
            assert!(started.elapsed() < STEP_TIMEOUT, "it opened nothing: {}", self.said);
            thread::sleep(Duration::from_millis(5));
        }
        address
    }

    pub(crate) fn named_address(&mut self) -> Url {
        let line = self.line("To sign in as ");
        line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().parse().unwrap()
    }

    /// Reads on until a line of standard error says this.
    pub(crate) fn line(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.err.read_line(&mut line).unwrap(), 0, "it ended: {}", self.said);
            self.said.push_str(&line);
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Presses Ctrl-C, and says how long it took to end.
    pub(crate) fn interrupt(self) -> (Duration, Ended) {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let pressed = Instant::now();
        let ended = self.end();
        (pressed.elapsed(), ended)
    }

    pub(crate) fn opened(&self) -> String {
        fs::read_to_string(self.tools.join("opened")).unwrap_or_default()
    }

    /// What `ps` shows of it.
    pub(crate) fn command_line(&self) -> String {
        fs::read_to_string(format!("/proc/{}/cmdline", self.child.id())).unwrap_or_default()
    }

    pub(crate) fn end(mut self) -> Ended {
        self.err.read_to_string(&mut self.said).unwrap();
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code();
        let opened = self.opened();
        fs::remove_dir_all(&self.tools).unwrap();
        Ended { code, said: format!("{out}{}", self.said), out, opened }
    }
}

#[cfg(unix)]
fn make_executable(file: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Ended {
    /// Fails unless it ended so, said all of this, and showed nothing secret.
    #[track_caller]
    pub(crate) fn is(&self, world: &World, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.said);
        for text in texts {
            assert!(self.said.contains(text), "it does not say {text:?}:\n{}", self.said);
        }
        for (label, secret) in world.all_secrets() {
            assert!(!self.said.contains(&secret), "{label} is shown:\n{}", self.said);
            assert!(!self.opened.contains(&secret), "{label} is in an address: {}", self.opened);
        }
    }
}

/// An answer to a browser.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: Option<Url>,
    pub(crate) body: String,
}

pub(crate) fn get(url: &Url) -> Page {
    fetch(url, "GET", "", None)
}

/// One request, on a connection of its own.
pub(crate) fn fetch(url: &Url, method: &str, body: &str, host: Option<&str>) -> Page {
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(STEP_TIMEOUT)).unwrap();
    let target = url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let host = host.unwrap_or(&address);
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\n{kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    let _cut = stream.read_to_string(&mut reply);
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let location =
        head.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("location")));
    let location = location.map(|(_, to)| url.join(to).unwrap());
    Page { status, location, body: body.to_owned() }
}

/// What the person does on the sign-in page: where the browser is sent then.
pub(crate) fn person(start: &Url, user: &str, action: &str) -> Url {
    let first = get(start);
    assert_eq!(first.status, 302, "{}", first.body);
    let authorize = first.location.unwrap();
    let form = get(&authorize).body;
    let value = |name: &str| {
        let after = form.split(&format!("name=\"{name}\" value=\"")).nth(1);
        after.and_then(|after| after.split('"').next()).unwrap_or_else(|| panic!("no {name} in {form}")).to_owned()
    };
    let action_url = form.split("action=\"").nth(1).and_then(|after| after.split('"').next()).unwrap();
    let fields = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("page", &value("page"))
        .append_pair("username", user)
        .append_pair("action", action)
        .finish();
    fetch(&authorize.join(action_url).unwrap(), "POST", &fields, None).location.expect("the browser is sent back")
}

/// The whole way of a browser: signs in and follows to the last page.
pub(crate) fn browser(start: &Url, user: &str) -> Page {
    let back = person(start, user, "signin");
    let done = get(&back);
    assert_eq!(done.status, 302);
    let last = done.location.unwrap();
    assert_eq!(last.query(), None, "the code is in no address that stays");
    get(&last)
}

pub(crate) fn vault_token(pipeline: &Pipeline) -> String {
    pipeline.sim.world().app_token("pat-rotator", KEY_VAULT)
}

/// Waits until the service has heard of this request.
pub(crate) fn heard(pipeline: &Pipeline, op: Op) {
    let started = Instant::now();
    while pipeline.sim.count(op) == 0 {
        assert!(started.elapsed() < STEP_TIMEOUT, "no {op:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A real browser, where it is installed; the gate installs it.
#[expect(clippy::print_stdout, reason = "a test that did not run must say so")]
pub(crate) fn chromium() -> Option<&'static str> {
    let found = ["/usr/bin/chromium", "/usr/bin/google-chrome"].into_iter().find(|path| fs::metadata(path).is_ok());
    if found.is_none() {
        assert!(of_this_machine("ROTATE_PAT_EVERYTHING").is_none(), "there is no Chromium on this machine");
        println!("NOT RUN: there is no Chromium on this machine");
    }
    found
}

/// Lets it follow to the last page, and returns that page.
pub(crate) fn real_browser(chromium: &str, station: &mut Station) -> String {
    let start = station.address();
    // Cookies belong to a host, whatever the port: those of every other program on this machine come along.
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first_page = format!("http://localhost:{}/", elsewhere.local_addr().unwrap().port());
    let to = start.clone();
    let cookies = thread::spawn(move || {
        let (mut stream, _) = elsewhere.accept().unwrap();
        let _request = stream.read(&mut [0; 4096]).unwrap();
        let cookies: String = (0..8).map(|number| format!("Set-Cookie: c{number}={}\r\n", "x".repeat(4000))).collect();
        let reply =
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n{cookies}Content-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(reply.as_bytes()).unwrap();
    });
    let profile = station.tools.join("profile");
    let mut browser = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--virtual-time-budget=10000", "--timeout=15000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(&first_page)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut dom = String::new();
    browser.stdout.take().unwrap().read_to_string(&mut dom).unwrap();
    browser.wait().unwrap();
    cookies.join().unwrap();
    dom
}
