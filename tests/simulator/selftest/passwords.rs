//! `grant_type=password`, after <https://learn.microsoft.com/entra/identity-platform/v2-oauth-ropc>.

use super::{
    super::{Op, Simulator, World},
    bare::{DEFAULT, claims, code, token},
};

struct Setting {
    sim: Simulator,
    client: String,
    password: String,
}

impl Setting {
    fn new() -> Self {
        let mut world = World::new();
        let password = world.add_password("rotator");
        let client = world.app("pat-rotator-public").client_id.clone();
        Self { sim: Simulator::start(world), client, password }
    }

    fn sign_in(&self, more: &[(&str, &str)]) -> super::bare::Answer {
        let mut fields = vec![
            ("grant_type", "password"),
            ("client_id", self.client.as_str()),
            ("scope", DEFAULT),
            ("username", "rotator@contoso.onmicrosoft.com"),
            ("password", self.password.as_str()),
        ];
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        token(&self.sim, &fields)
    }
}

#[test]
fn a_password_gives_a_users_token_and_what_else_was_asked_for() {
    let setting = Setting::new();
    let plain = setting.sign_in(&[]).json();
    assert_eq!((&plain["refresh_token"], &plain["id_token"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    let all = setting.sign_in(&[("scope", &format!("{DEFAULT} offline_access openid"))]).json();
    assert!(all["refresh_token"].is_string());
    assert_eq!(claims(all["id_token"].as_str().unwrap())["aud"], setting.client.as_str());
    let said = claims(all["access_token"].as_str().unwrap());
    assert_eq!((&said["idtyp"], &said["scp"]), (&"user".into(), &"vso.pats vso.pats_manage".into()));
    assert_eq!(setting.sim.count(Op::TokenPassword), 2);
    assert!(setting.sim.transcript_text().contains("as client pat-rotator-public [grant_type password, "));
    assert!(!setting.sim.transcript_text().contains("simulated-password"));
}

#[test]
fn a_password_is_refused_by_number() {
    let setting = Setting::new();
    assert_eq!(code(&setting.sign_in(&[("password", "x")])), (400, 50126));
    assert_eq!(code(&setting.sign_in(&[("username", "nobody@contoso.onmicrosoft.com")])), (400, 50034));
    assert_eq!(code(&setting.sign_in(&[("username", "alice@contoso.onmicrosoft.com")])), (400, 50056));
    for number in [50053, 50055, 50057, 50076, 53003, 530_035] {
        setting.sim.world().user_mut("rotator").refused_with = Some(number);
        assert_eq!(code(&setting.sign_in(&[])), (400, i64::from(number)));
        let hidden = !matches!(number, 50053 | 50057);
        assert_eq!(code(&setting.sign_in(&[("password", "x")])).1 == 50126, hidden);
    }
    setting.sim.world().user_mut("rotator").refused_with = None;
    for _ in 0..10 {
        setting.sign_in(&[("password", "x")]);
    }
    assert_eq!(code(&setting.sign_in(&[])), (400, 50053));
    setting.sim.world().user_mut("rotator").wrong_passwords = 0;
    setting.sim.world().app_mut("pat-rotator-public").delegated.clear();
    assert_eq!(code(&setting.sign_in(&[])), (400, 65001));
}

#[test]
fn a_confidential_app_adds_its_credential_to_a_password_and_a_public_one_none() {
    let setting = Setting::new();
    let (client, secret) = {
        let world = setting.sim.world();
        let app = world.app("pat-rotator");
        (app.client_id.clone(), app.secrets[0].value.clone())
    };
    assert_eq!(code(&setting.sign_in(&[("client_id", &client)])), (401, 7_000_218));
    assert_eq!(code(&setting.sign_in(&[("client_id", &client), ("client_secret", &secret)])), (200, 0));
    assert_eq!(code(&setting.sign_in(&[("client_secret", &secret)])), (401, 700_025));
}

#[test]
fn fewer_scopes_may_be_granted_than_asked_for() {
    let setting = Setting::new();
    setting.sim.world().scopes_withheld.push("vso.pats_manage".to_owned());
    let granted = setting.sign_in(&[]).json();
    assert_eq!(granted["scope"], "499b84ac-1321-427f-aa17-267ca6975798/vso.pats");
    assert_eq!(claims(granted["access_token"].as_str().unwrap())["scp"], "vso.pats");
}
