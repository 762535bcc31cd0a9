//! `rotate-pat sign-in` on a workstation: the shipped program, a browser that follows what it is told, and the vault as it
//! is afterwards.

mod hidden;
#[cfg(target_os = "linux")]
mod terminal;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, says};
use crate::sign_in::station::{
    OPENS, STEP_TIMEOUT, Station, browser, chromium, fetch, get, heard, person, real_browser, secret_url, station,
    vault_token,
};
use simulator::world::KEY_VAULT;
use simulator::{Exchange, Fault, Op, When};

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
        ended.is(&world, 1, &["alice@contoso.onmicrosoft.com", user, "is expected", "Nothing was stored."]);
        assert!(world.vault.secret(REFRESH).is_none());
    }
}

#[test]
fn a_guest_matches_by_home_tenant_name() {
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
    assert_eq!(fetch(&start, "GET", "", Some("attacker.example")).status, 421, "another name for this machine");
    assert_eq!(fetch(&start, "POST", "", None).status, 405);
    let mut elsewhere = start.clone();
    elsewhere.set_path("//attacker.example/sign-in");
    assert_eq!(get(&elsewhere).status, 421, "a target that names another host");
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
fn an_invalid_vault_token_is_reported_before_the_browser_opens() {
    let pipeline = station();
    let stranger = pipeline.sim.world().app_token("pat-publisher", KEY_VAULT);
    for (input, words) in [
        ("", "has no token for the vault"),
        ("two words", "has several words"),
        (&stranger, "could not read secret \""),
    ] {
        let ended = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(input)).end();
        ended.is(&pipeline.sim.world(), 1, &[words, "Nothing was stored."]);
        assert_eq!(ended.opened, "");
    }
    assert_eq!(pipeline.sim.count(Op::Authorize), 0);
}

/// The arguments of a sign-in.
fn arguments(pipeline: &Pipeline, more: &[&str]) -> Vec<String> {
    let world = pipeline.sim.world();
    let (tenant, client) = (world.tenants[0].id.clone(), world.app("pat-rotator-public").client_id.clone());
    drop(world);
    let url = secret_url(pipeline);
    let user = "rotator@contoso.onmicrosoft.com";
    let own = ["sign-in", "--tenant", &tenant, "--client-id", &client, "--user", user, "--vault-secret", &url];
    own.iter().chain(more).map(|argument| (*argument).to_owned()).collect()
}

fn start(pipeline: &Pipeline, more: &[&str], opener: &str) -> Station {
    let arguments = arguments(pipeline, more);
    Station::waiting_for_input(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), opener)
}

#[test]
#[expect(clippy::print_stdout, reason = "how long each took is there to be read")]
fn ctrl_c_ends_every_wait_at_once() {
    let user = "rotator@contoso.onmicrosoft.com";
    let at_once = |what: &str, now: &str, pipeline: &Pipeline, station: Station| {
        let (took, ended) = station.interrupt();
        println!("Ctrl-C while it waits for {what}: {} ms", took.as_millis());
        assert!(took < Duration::from_secs(2), "{what}: {took:?}");
        ended.is(&pipeline.sim.world(), 130, &[&format!("interrupted\nNow: {now}")]);
    };
    let pipeline = station();
    let mut station = start(&pipeline, &["--vault-token-stdin"], OPENS);
    station.line("still reading an access token for the vault from standard input");
    at_once("standard input", "Nothing was stored.", &pipeline, station);

    let pipeline = self::station();
    pipeline.sim.inject(Fault::HangBefore, When::every(Op::VaultRead));
    let mut station = Station::start(&pipeline, user, Some(&vault_token(&pipeline)));
    heard(&pipeline, Op::VaultRead);
    station.line("still reading the vault");
    at_once("the vault", "Nothing was stored.", &pipeline, station);

    let pipeline = self::station();
    let mut station = Station::start(&pipeline, user, Some(&vault_token(&pipeline)));
    station.address();
    at_once("the browser", "Nothing was stored.", &pipeline, station);

    for (op, what, now) in [
        (Op::TokenAuthorizationCode, "the token", "Nothing was stored."),
        (Op::VaultWrite, "the vault's write", "It is not known whether the refresh token was stored."),
    ] {
        let pipeline = self::station();
        pipeline.sim.inject(Fault::HangBefore, When::every(op));
        let mut station = Station::start(&pipeline, user, Some(&vault_token(&pipeline)));
        let start = station.address();
        browser(&start, user);
        heard(&pipeline, op);
        at_once(what, now, &pipeline, station);
    }
}

#[test]
fn ctrl_c_leaves_the_browser_alone() {
    let pipeline = station();
    let mut station = start(&pipeline, &[], "ps -o pgid= $$ >group; echo >>opened; sleep 0.5");
    station.address();
    let group = fs::read_to_string(station.tools.join("group")).unwrap();
    let own = Command::new("ps").args(["-o", "pgid=", &station.child.id().to_string()]).output().unwrap().stdout;
    assert_ne!(group.trim(), String::from_utf8(own).unwrap().trim(), "one process group");
    station.interrupt().1.is(&pipeline.sim.world(), 130, &["interrupted"]);
}

#[test]
fn a_browser_that_does_not_open_is_said_truthfully() {
    for (opener, words) in [("exit 3", "(`xdg-open` ended with exit status: 3)"), ("", "(`xdg-open`: ")] {
        let pipeline = station();
        let mut station = start(&pipeline, &[], opener);
        let address = station.named_address();
        let line = station.line("The browser could not be opened");
        assert!(line.contains(words) && line.contains("open the address above yourself"), "{line}");
        browser(&address, "rotator@contoso.onmicrosoft.com");
        station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);
    }
}

#[test]
fn a_request_with_any_headers_gets_a_reply() {
    let pipeline = station();
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&vault_token(&pipeline)));
    let start = station.address();
    let port = start.port().unwrap();
    let raw = |target: &str, method: &str, headers: &[u8]| {
        let mut stream = TcpStream::connect(("localhost", port)).unwrap();
        stream.set_read_timeout(Some(STEP_TIMEOUT)).unwrap();
        let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost:{port}\r\n");
        stream.write_all(&[head.as_bytes(), headers, b"\r\n"].concat()).unwrap();
        let mut reply = Vec::new();
        let _cut = stream.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    };
    let cookies = format!("Cookie: session={}\r\n", "x".repeat(60_000));
    for (target, method, headers, status) in [
        ("/sign-in", "GET", cookies.as_bytes(), "302"),
        ("/sign-in", "GET", b"Referer: http://caf\xe9.example/\r\n", "302"),
        ("/sign-in", "HEAD", b"", "200"),
        ("/?code=x", "HEAD", b"", "200"),
        ("/nowhere", "HEAD", b"", "404"),
        ("/sign-in", "POST", b"Content-Length: 0\r\n", "405"),
        ("/sign-in", "OPTIONS", b"", "405"),
    ] {
        let reply = raw(target, method, headers);
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {target}: {reply}");
    }
    assert!(raw("/\u{e9}", "GET", b"").starts_with("HTTP/1.1 4"), "a target that is no address");
    // The one answer that counts, with cookies of a whole machine.
    let back = person(&start, "rotator@contoso.onmicrosoft.com", "signin");
    let target = format!("/?{}", back.query().unwrap());
    assert!(raw(&target, "HEAD", b"").starts_with("HTTP/1.1 200 "), "a look ahead takes nothing");
    let reply = raw(&target, "GET", cookies.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 302 "), "{reply}");
    raw("/done", "GET", cookies.as_bytes());
    station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);
}

#[test]
fn both_loopback_addresses_are_listened_on() {
    let pipeline = station();
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&vault_token(&pipeline)));
    let start = station.address();
    assert_eq!(start.host_str(), Some("localhost"));
    for address in ["127.0.0.1", "[::1]"] {
        let is_there = std::net::TcpListener::bind(format!("{address}:0")).is_ok();
        let mut page = start.clone();
        page.set_host(Some(address)).unwrap();
        assert!(!is_there || get(&page).status == 302, "{address}");
    }
    station.interrupt().1.is(&pipeline.sim.world(), 130, &[]);
}

#[test]
fn the_numeric_address_is_an_option_where_entra_ignores_its_port() {
    for (port_counts, code) in [(false, 0), (true, 130)] {
        let pipeline = station();
        {
            let mut world = pipeline.sim.world();
            world.numeric_loopback_port_counts = port_counts;
            world.app_mut("pat-rotator-public").redirect_uris = vec!["http://127.0.0.1".to_owned()];
        }
        let mut station = start(&pipeline, &["--redirect-host", "127.0.0.1"], OPENS);
        let start = station.address();
        assert_eq!(start.host_str(), Some("127.0.0.1"));
        let refusal = get(&get(&start).location.unwrap()).body;
        assert_eq!(refusal.contains("AADSTS50011"), port_counts, "{refusal}");
        if code == 0 {
            browser(&start, "rotator@contoso.onmicrosoft.com");
            station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);
        } else {
            station.interrupt().1.is(&pipeline.sim.world(), code, &[]);
        }
    }
}

#[test]
fn a_vault_that_cannot_be_reached_is_said_in_seconds() {
    let pipeline = station();
    let mut arguments = arguments(&pipeline, &["--vault-token-stdin"]);
    // Nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    arguments[8] = format!("http://127.0.0.1:{port}/secrets/{REFRESH}");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let started = Instant::now();
    let mut station = Station::with(&arguments, Some("a.token"));
    station.line("still reading the vault");
    let spoke = started.elapsed();
    let ended = station.end();
    assert!(spoke < Duration::from_secs(5), "{spoke:?} of silence");
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    ended.is(&pipeline.sim.world(), 1, &["could not connect to Azure Key Vault", "Nothing was stored."]);
    assert_eq!(ended.opened, "");
}

#[test]
fn scopes_that_were_asked_for_must_be_granted() {
    let pipeline = station();
    pipeline.sim.world().app_mut("pat-rotator-public").delegated.push("vso.graph".to_owned());
    let mut station = start(&pipeline, &["--scopes", "vso.pats vso.pats_manage vso.graph"], OPENS);
    let start = station.address();
    pipeline.sim.world().scopes_withheld.push("vso.graph".to_owned());
    browser(&start, "rotator@contoso.onmicrosoft.com");
    let ended = station.end();
    ended.is(&pipeline.sim.world(), 1, &["the scopes granted are", "\"vso.graph\" is missing", "Nothing was stored."]);
    assert!(pipeline.sim.world().vault.secret(REFRESH).is_none());
}

#[test]
fn help_is_on_standard_output_and_mistakes_are_on_standard_error() {
    let pipeline = station();
    for (arguments, code, out, err) in [
        (&["--help"][..], 0, "Usage: rotate-pat sign-in", ""),
        (&["sign-in", "--help"], 0, "--vault-token-stdin", ""),
        (&["--version"], 0, "rotate-pat 1.0.0", ""),
        (&["-V"], 0, "rotate-pat 1.0.0", ""),
        (&[], 2, "", "a command is required: `sign-in`"),
        (&["sing-in"], 2, "", "did you mean `sign-in`?"),
        (&["sign-in"], 2, "", "`--user` is required"),
        (&["sign-in", "--user", "a@contoso.com", "--password", "x"], 2, "", "unknown option \"--password\""),
    ] {
        let ended = Station::with(arguments, None).end();
        ended.is(&pipeline.sim.world(), code, &[out, err]);
        assert_eq!(ended.out.is_empty(), code != 0, "{arguments:?}: {}", ended.said);
        assert!(ended.out.contains(out), "{arguments:?}: {}", ended.out);
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
    says(&run, &["the token acts for alice@contoso.onmicrosoft.com", "is expected", "Nothing was changed."]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
}

/// The real thing, where it is installed; the gate installs it.
#[test]
fn a_real_browser_signs_in() {
    let Some(chromium) = chromium() else { return };
    let pipeline = station();
    pipeline.sim.world().page_signs_in_as = Some("rotator@contoso.onmicrosoft.com".to_owned());
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&vault_token(&pipeline)));
    let dom = real_browser(chromium, &mut station);
    assert!(dom.contains("This window can be closed"), "{dom}");
    station.end().is(&pipeline.sim.world(), 0, &["stored the refresh token"]);
}

/// What the program sends while a person signs in at a workstation.
pub(crate) fn requests() -> Vec<Exchange> {
    let pipeline = station();
    let token = vault_token(&pipeline);
    let mut station = Station::start(&pipeline, "rotator@contoso.onmicrosoft.com", Some(&format!("{token}\n")));
    let start = station.address();
    browser(&start, "rotator@contoso.onmicrosoft.com");
    assert_eq!(station.end().code, Some(0));
    pipeline.sim.transcript()
}
