//! Signing in with a browser, after <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>, the
//! PKCE example of RFC 7636 (appendix B) and <https://learn.microsoft.com/entra/identity-platform/reply-url>.

use super::{
    super::{Simulator, World},
    bare::{Answer, DEFAULT, FORM, call, claims, code, form, token},
};

pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ADDRESS: &str = "http://localhost:4711/";

pub(super) struct Setting {
    pub(super) sim: Simulator,
    pub(super) client: String,
}

impl Setting {
    fn new() -> Self {
        Self::of(World::new(), "pat-rotator-public")
    }

    /// With this app as the client.
    pub(super) fn of(world: World, app: &str) -> Self {
        let client = world.app(app).client_id.clone();
        Self { sim: Simulator::start(world), client }
    }

    fn authorize(&self, more: &[(&str, &str)]) -> Answer {
        let scope = format!("{DEFAULT} offline_access openid");
        let mut fields = vec![
            ("client_id", self.client.as_str()),
            ("response_type", "code"),
            ("redirect_uri", ADDRESS),
            ("response_mode", "query"),
            ("scope", scope.as_str()),
            ("state", "12 345"),
            ("nonce", "678"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("prompt", "select_account"),
            ("login_hint", "rotator@contoso.onmicrosoft.com\""),
        ];
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        let target = format!("/contoso.onmicrosoft.com/oauth2/v2.0/authorize?{}", form(&fields));
        call(&self.sim, "GET", &target, "", "").unwrap()
    }

    /// Presses a button of the page.
    fn press(&self, page: &Answer, user: &str, action: &str) -> Answer {
        let html = String::from_utf8_lossy(&page.body).into_owned();
        let between = |start: &str| html.split(start).nth(1).unwrap().split('"').next().unwrap().to_owned();
        let (target, id) = (between("action=\""), between("name=\"page\" value=\""));
        let body = form(&[("page", &id), ("username", user), ("action", action)]);
        call(&self.sim, "POST", &target, FORM, &body).unwrap()
    }

    /// A code for `rotator`.
    pub(super) fn code(&self) -> String {
        let done = self.press(&self.authorize(&[]), "Rotator@contoso.onmicrosoft.com", "signin");
        let location = url::Url::parse(done.header("location").unwrap()).unwrap();
        let fields: Vec<(String, String)> = location.query_pairs().into_owned().collect();
        assert_eq!((done.status, location.port(), fields[0].0.as_str()), (302, Some(4711), "code"));
        assert_eq!(fields[1], ("state".to_owned(), "12 345".to_owned()));
        fields[0].1.clone()
    }

    pub(super) fn redeem(&self, code: &str, more: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("client_id", self.client.as_str()),
            ("code", code),
            ("redirect_uri", ADDRESS),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        token(&self.sim, &fields)
    }
}

#[test]
fn a_person_signs_in_on_the_page_and_the_client_redeems_the_code_once() {
    let setting = Setting::new();
    let page = setting.authorize(&[]);
    let html = String::from_utf8(page.body).unwrap();
    assert!(html.contains("value=\"rotator@contoso.onmicrosoft.com&quot;\"") && html.contains(">Sign in</button>"));
    assert!(!html.contains("<script>"));
    let code_given = setting.code();
    let given = setting.redeem(&code_given, &[]).json();
    assert!(given["refresh_token"].is_string());
    let id = claims(given["id_token"].as_str().unwrap());
    let oid = setting.sim.world().user("rotator").oid.clone();
    assert_eq!((&id["nonce"], &id["oid"]), (&"678".into(), &oid.as_str().into()));
    assert_eq!(code(&setting.redeem(&code_given, &[])), (400, 54005));
    let text = setting.sim.transcript_text();
    assert_eq!(
        text.lines().next().unwrap(),
        "GET /contoso.onmicrosoft.com/oauth2/v2.0/authorize?client_id={pat-rotator-public}&response_type=code&redirect_uri=http://localhost/&response_mode=query&scope={azure-devops}/.default offline_access openid&state=…&nonce=…&code_challenge=…&code_challenge_method=S256&prompt=select_account&login_hint=rotator@contoso.onmicrosoft.com\" as client pat-rotator-public -> 200"
    );
    let rest: Vec<&str> = text.lines().skip(2).collect();
    let redeemed = "POST /contoso.onmicrosoft.com/oauth2/v2.0/token as client pat-rotator-public [grant_type authorization_code, code 1, redirect_uri http://localhost/, with a verifier]";
    assert_eq!(
        rest,
        [
            "POST /contoso.onmicrosoft.com/login as nobody [username Rotator@contoso.onmicrosoft.com, signin] -> 302",
            &format!("{redeemed} -> 200"),
            &format!("{redeemed} -> 400"),
        ]
    );
}

#[test]
fn a_code_is_bound_to_its_client_address_verifier_and_time() {
    let setting = Setting::new();
    let given = setting.code();
    let redeem = |more: &[(&str, &str)]| code(&setting.redeem(&given, more));
    assert_eq!(redeem(&[("redirect_uri", "http://localhost:4712/")]), (400, 500_112));
    assert_eq!(redeem(&[("code_verifier", &"x".repeat(43))]), (400, 501_481));
    assert_eq!(redeem(&[("code_verifier", "")]), (400, 900_144));
    assert_eq!(redeem(&[("code", "x")]), (400, 70000));
    let publisher = setting.sim.world().add_app("other").client_id.clone();
    assert_eq!(redeem(&[("client_id", &publisher)]), (400, 70000));
    let elsewhere = setting.sim.world().add_tenant("fabrikam.onmicrosoft.com");
    setting.sim.world().app_mut("pat-rotator-public").also_in.push(elsewhere.clone());
    let body = form(&[
        ("grant_type", "authorization_code"),
        ("client_id", &setting.client),
        ("code", &given),
        ("redirect_uri", ADDRESS),
        ("code_verifier", VERIFIER),
    ]);
    let there = call(&setting.sim, "POST", &format!("/{elsewhere}/oauth2/v2.0/token"), FORM, &body).unwrap();
    assert_eq!(code(&there), (400, 700_005));
    setting.sim.world().advance(jiff::SignedDuration::from_mins(10));
    assert_eq!(redeem(&[]), (400, 70008));
    assert!(setting.sim.world().all_secrets().iter().any(|(_, secret)| *secret == given));
}

#[test]
fn a_person_who_declines_or_may_not_is_told_so() {
    let setting = Setting::new();
    let declined = setting.press(&setting.authorize(&[]), "", "decline");
    assert_eq!(
        declined.header("location").unwrap(),
        "http://localhost:4711/?error=access_denied&error_description=AADSTS65004%3A+User+declined+to+consent+to+access+the+app.&state=12+345"
    );
    let shown = |user: &str| {
        let answer = setting.press(&setting.authorize(&[]), user, "signin");
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    };
    assert!(shown("x").contains("AADSTS50034"));
    setting.sim.world().user_mut("rotator").refused_with = Some(53003);
    assert!(shown("rotator@contoso.onmicrosoft.com").contains("AADSTS53003"));
}

#[test]
fn a_browser_that_nobody_drives_gets_a_page_that_submits_itself_once() {
    let setting = Setting::new();
    setting.sim.world().page_signs_in_as = Some("nobody".to_owned());
    let page = setting.authorize(&[]);
    assert!(String::from_utf8_lossy(&page.body).contains("value=\"nobody\"></label>"));
    assert!(String::from_utf8_lossy(&page.body).contains("<script>"));
    let refused = setting.press(&page, "nobody", "signin");
    assert!(!String::from_utf8_lossy(&refused.body).contains("<script>"));
}

#[test]
fn the_clients_address_must_be_registered_but_for_its_port() {
    let setting = Setting::new();
    for (address, status) in [
        ("http://localhost:1/", 200),
        ("http://localhost", 200),
        ("http://127.0.0.1:4711/", 400),
        ("http://localhost:4711/callback", 400),
        ("https://localhost:4711/", 400),
        ("http://localhost.contoso.com:4711/", 400),
        ("http://localhost:4711/?x=1", 400),
    ] {
        let answer = setting.authorize(&[("redirect_uri", address)]);
        assert_eq!(answer.status, status, "{address}");
        assert_eq!(String::from_utf8_lossy(&answer.body).contains("AADSTS50011"), status == 400, "{address}");
    }
    setting.sim.world().app_mut("pat-rotator-public").redirect_uris.push("http://127.0.0.1/callback".to_owned());
    for (port_counts, status) in [(true, 400), (false, 200)] {
        setting.sim.world().numeric_loopback_port_counts = port_counts;
        let answer = setting.authorize(&[("redirect_uri", "http://127.0.0.1:4711/callback")]);
        assert_eq!(answer.status, status, "port counts: {port_counts}");
    }
    assert!(setting.sim.take_problems().is_empty());
}

#[test]
fn what_keeps_a_sign_in_safe_may_not_be_left_out() {
    let setting = Setting::new();
    for (name, value) in [
        ("state", ""),
        ("code_challenge", ""),
        ("code_challenge", VERIFIER.split_at(9).0),
        ("code_challenge_method", "plain"),
        ("response_type", "token"),
        ("response_mode", "fragment"),
        ("scope", ""),
        ("prompt", "none"),
        ("password", "x"),
    ] {
        assert_eq!(setting.authorize(&[(name, value)]).status, 400, "{name}");
        assert_eq!(setting.sim.take_problems().len(), 1, "{name}");
    }
}
