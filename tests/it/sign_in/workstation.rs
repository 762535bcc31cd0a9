//! `rotate-pat sign-in` on a workstation: the shipped program, a browser that follows what it is told, and the vault as it
//! is afterwards.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, of_this_machine, says};
use simulator::Op;
use simulator::world::{KEY_VAULT, World};

/// Far more than any step of a test takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A pipeline whose vault holds no refresh token yet, and an app that people sign in to.
fn station() -> Pipeline {
    let pipeline = Pipeline::with_pat(5);
    let mut world = pipeline.sim.world();
    world.vault.secrets.clear();
    world.app_mut("pat-rotator-public").redirect_uris = vec!["http://127.0.0.1".to_owned()];
    world.vault.writers.push("rotator".to_owned());
    world.vault.readers.push("rotator".to_owned());
    drop(world);
    pipeline
}

fn secret_url(pipeline: &Pipeline) -> String {
    format!("{}/secrets/{REFRESH}", pipeline.sim.origin())
}

/// The program at work, and what it has said so far.
struct Station {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    said: String,
    tools: PathBuf,
}

/// How it ended.
struct Ended {
    code: Option<i32>,
    said: String,
    /// What the system was asked to open.
    opened: String,
}

impl Station {
    /// Starts it for this user. Where `vault_token` is given, it comes on standard input.
    fn start(pipeline: &Pipeline, user: &str, vault_token: Option<&str>) -> Self {
        let (tenant, client) = {
            let world = pipeline.sim.world();
            (world.tenants[0].id.clone(), world.app("pat-rotator-public").client_id.clone())
        };
        let url = secret_url(pipeline);
        let mut arguments =
            vec!["sign-in", "--tenant", &tenant, "--client-id", &client, "--user", user, "--vault-secret", &url];
        if vault_token.is_some() {
            arguments.push("--vault-token-stdin");
        }
        Self::with(&arguments, vault_token)
    }

    fn with(arguments: &[&str], input: Option<&str>) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let tools = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("station-{}-{number}", std::process::id()));
        fs::create_dir_all(&tools).unwrap();
        // Whatever a machine opens addresses with, here it only writes them down.
        let opener = tools.join("xdg-open");
        fs::write(&opener, format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >>'{}/opened'\n", tools.display())).unwrap();
        make_executable(&opener);
        let mut child = Command::new(env!("CARGO_BIN_EXE_rotate-pat"))
            .args(arguments)
            .env_clear()
            .env("PATH", format!("{}:/bin:/usr/bin", tools.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.unwrap_or_default().as_bytes()).unwrap();
        drop(stdin);
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, said: String::new(), tools }
    }

    /// Reads on until it names the address to begin at, and waits until that is opened as well.
    fn address(&mut self) -> Url {
        let address = loop {
            let mut line = String::new();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "it ended: {}", self.said);
            self.said.push_str(&line);
            if let Some(address) = line.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:")) {
                break address.parse().unwrap();
            }
        };
        let started = Instant::now();
        while !self.opened().ends_with('\n') {
            assert!(started.elapsed() < PATIENCE, "it opened nothing: {}", self.said);
            thread::sleep(Duration::from_millis(5));
        }
        address
    }

    fn opened(&self) -> String {
        fs::read_to_string(self.tools.join("opened")).unwrap_or_default()
    }

    /// What `ps` shows of it.
    fn command_line(&self) -> String {
        fs::read_to_string(format!("/proc/{}/cmdline", self.child.id())).unwrap_or_default()
    }

    fn end(mut self) -> Ended {
        self.out.read_to_string(&mut self.said).unwrap();
        let mut errors = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "", "on standard error");
        let code = self.child.wait().unwrap().code();
        let opened = self.opened();
        fs::remove_dir_all(&self.tools).unwrap();
        Ended { code, said: self.said.clone(), opened }
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
    fn is(&self, world: &World, code: i32, texts: &[&str]) {
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
struct Page {
    status: u16,
    location: Option<Url>,
    body: String,
}

fn get(url: &Url) -> Page {
    fetch(url, "GET", "", None)
}

/// One request, on a connection of its own.
fn fetch(url: &Url, method: &str, body: &str, host: Option<&str>) -> Page {
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
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
fn person(start: &Url, user: &str, action: &str) -> Url {
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
fn browser(start: &Url, user: &str) -> Page {
    let back = person(start, user, "signin");
    let done = get(&back);
    assert_eq!(done.status, 302);
    let last = done.location.unwrap();
    assert_eq!(last.query(), None, "the code is in no address that stays");
    get(&last)
}

fn vault_token(pipeline: &Pipeline) -> String {
    pipeline.sim.world().app_token("pat-rotator", KEY_VAULT)
}

#[test]
fn a_person_signs_in_once_and_every_run_after_it_signs_in_with_what_was_stored() {
    let pipeline = station();
    let token = vault_token(&pipeline);
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&format!("{token}\n")));
    let start = station.address();
    let shown = station.command_line();
    let last = browser(&start, "rotator@contoso.onmicrosoft.com");
    assert!(last.body.contains("can be closed"), "{}", last.body);
    let ended = station.end();
    {
        let world = pipeline.sim.world();
        ended.is(&world, 0, &["has signed in", "stored the refresh token in secret \"rotator-refresh-token\""]);
        assert_eq!(ended.opened, format!("{start}\n"), "nothing but the address to begin at");
        assert!(world.all_secrets().iter().all(|(_, secret)| !shown.contains(secret)), "{shown}");
        let stored = world.vault.current(REFRESH).unwrap();
        let app = world.app("pat-rotator-public");
        let tags: Vec<(&str, &str)> = stored.tags.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("clientId", app.client_id.as_str()),
            ("tenantId", &world.tenants[0].id),
            ("userName", "rotator@contoso.onmicrosoft.com"),
            ("userObjectId", &world.user("rotator").oid),
        ];
        assert_eq!(tags, expected);
        assert!(stored.expires.unwrap() > stored.created.as_second() + 89 * 24 * 3600);
    }
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    says(&main, &["signed in as rotator@contoso.onmicrosoft.com"]);
    assert_eq!(pipeline.active().len(), 2);
}

#[test]
fn the_same_sign_in_opens_the_vault_where_the_user_may_write_it() {
    let pipeline = station();
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", None);
    let start = station.address();
    browser(&start, "rotator@contoso.onmicrosoft.com");
    station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);

    pipeline.sim.world().vault.writers.retain(|name| name != "rotator");
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", None);
    let start = station.address();
    browser(&start, "rotator@contoso.onmicrosoft.com");
    let ended = station.end();
    ended.is(&pipeline.sim.world(), 1, &["could not store the refresh token", "Nothing was stored."]);
    assert_eq!(pipeline.sim.world().vault.secret(REFRESH).unwrap().versions.len(), 1);
}

#[test]
fn another_user_than_the_one_named_is_refused_and_nothing_is_stored() {
    for user in ["rotator@contoso.onmicrosoft.com", &station().sim.world().user("rotator").oid.clone()] {
        let pipeline = station();
        let mut station = Station::start(&pipeline, user, Some(&vault_token(&pipeline)));
        let start = station.address();
        browser(&start, "alice@contoso.onmicrosoft.com");
        let ended = station.end();
        let world = pipeline.sim.world();
        ended.is(&world, 1, &["alice@contoso.onmicrosoft.com", user, "is meant", "Nothing was stored."]);
        assert!(world.vault.secret(REFRESH).is_none());
    }
}

#[test]
fn a_guest_is_known_by_the_name_at_home() {
    let pipeline = station();
    let upn = {
        let mut world = pipeline.sim.world();
        world.add_guest("bob", "fabrikam.com");
        world.user("bob").upn.clone()
    };
    let mut station = Station::start(&pipeline, "bob@fabrikam.com", Some(&vault_token(&pipeline)));
    let start = station.address();
    browser(&start, &upn);
    station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);
}

#[test]
fn a_person_who_declines_is_believed() {
    let pipeline = station();
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&vault_token(&pipeline)));
    let start = station.address();
    let back = person(&start, "", "decline");
    assert_eq!(get(&back).status, 302);
    let ended = station.end();
    ended.is(&pipeline.sim.world(), 1, &["access_denied", "Nothing was stored."]);
}

#[test]
fn only_this_sign_ins_answer_counts_and_nothing_else_ends_it() {
    let pipeline = station();
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&vault_token(&pipeline)));
    let start = station.address();
    // A connection that a browser opens in advance and never uses.
    let idle = TcpStream::connect(format!("127.0.0.1:{}", start.port().unwrap())).unwrap();
    for (path, status) in [
        ("/favicon.ico", 404),
        ("/?code=stolen&state=guessed", 400),
        ("/?code=stolen", 400),
        ("/?error=access_denied&state=guessed", 400),
        ("/", 400),
    ] {
        assert_eq!(get(&start.join(path).unwrap()).status, status, "{path}");
    }
    assert_eq!(fetch(&start, "GET", "", Some("attacker.example")).status, 0, "another name for this machine");
    assert_eq!(fetch(&start, "POST", "", None).status, 0);
    let mut elsewhere = start.clone();
    elsewhere.set_path("//attacker.example/sign-in");
    assert_eq!(get(&elsewhere).status, 0, "a target that names another host");
    // A second tab is as good as the first.
    assert_eq!(get(&start).status, 302);
    let back = person(&start, "rotator@contoso.onmicrosoft.com", "signin");
    let mut forged = back.clone();
    forged.query_pairs_mut().clear().append_pair("code", "stolen").append_pair("state", "guessed");
    assert_eq!(get(&forged).status, 400);
    get(&get(&back).location.unwrap());
    drop(idle);
    station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);
}

#[test]
fn a_token_for_the_vault_that_does_not_open_it_is_told_before_the_browser_opens() {
    let pipeline = station();
    let stranger = pipeline.sim.world().app_token("pat-publisher", KEY_VAULT);
    for (input, words) in
        [("", "standard input brought no token"), ("two words", "brought no token"), (&stranger, "could not look into")]
    {
        let ended = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(input)).end();
        ended.is(&pipeline.sim.world(), 1, &[words, "Nothing was stored."]);
        assert_eq!(ended.opened, "");
    }
    assert_eq!(pipeline.sim.count(Op::Authorize), 0);
}

#[test]
fn ctrl_c_ends_the_waiting() {
    let pipeline = station();
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&vault_token(&pipeline)));
    station.address();
    let told = Command::new("kill").args(["-INT", &station.child.id().to_string()]).status().unwrap();
    assert!(told.success());
    station.end().is(&pipeline.sim.world(), 1, &["the run was cancelled\nNow: Nothing was stored."]);
}

#[test]
fn wrong_options_are_named_with_the_usage_and_another_exit_code() {
    let pipeline = station();
    for (arguments, code, words) in [
        (&["sign-in"][..], 2, "`--user` needs"),
        (&["sign-in", "--user", "a@contoso.com", "--password", "x"], 2, "not known"),
        (&["sign-in", "--help"], 0, "--vault-token-stdin"),
        (&["--version"], 0, "rotate-pat 1.0.0"),
        (&[], 2, "rotate-pat sign-in --tenant"),
    ] {
        Station::with(arguments, None).end().is(&pipeline.sim.world(), code, &[words]);
    }
}

#[test]
fn what_was_stored_for_one_user_is_not_another_users() {
    let pipeline = station();
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&vault_token(&pipeline)));
    let start = station.address();
    browser(&start, "rotator@contoso.onmicrosoft.com");
    station.end().is(&pipeline.sim.world(), 0, &[]);
    {
        let mut world = pipeline.sim.world();
        let other = world.refresh_token_for("alice", "pat-rotator-public");
        world.vault.current_mut(REFRESH).unwrap().value = other;
    }
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[]);
    says(&run, &["the token acts for alice@contoso.onmicrosoft.com", "is meant", "Nothing was changed."]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
}

/// The real thing, where it is installed; the gate installs it.
#[test]
#[expect(clippy::print_stdout, reason = "a test that did not run must say so")]
fn a_real_browser_signs_in() {
    let Some(chromium) = ["/usr/bin/chromium", "/usr/bin/google-chrome"].iter().find(|path| fs::metadata(path).is_ok())
    else {
        assert!(of_this_machine("ROTATE_PAT_EVERYTHING").is_none(), "there is no Chromium on this machine");
        println!("NOT RUN: there is no Chromium on this machine");
        return;
    };
    let pipeline = station();
    pipeline.sim.world().page_signs_in_as = Some("rotator@contoso.onmicrosoft.com".to_owned());
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&vault_token(&pipeline)));
    let start = station.address();
    let profile = station.tools.join("profile");
    let mut browser = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--virtual-time-budget=10000", "--timeout=15000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(start.as_str())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut dom = String::new();
    browser.stdout.take().unwrap().read_to_string(&mut dom).unwrap();
    browser.wait().unwrap();
    assert!(dom.contains("This window can be closed"), "{dom}");
    station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);
}
