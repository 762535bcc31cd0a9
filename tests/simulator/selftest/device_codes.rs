//! Signing in on another device, after <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code>.

use super::{
    super::{
        Simulator, World,
        world::{DeviceFlowBlock, DeviceState},
    },
    bare::{Answer, DEFAULT, FORM, call, claims, code, form, keys, token},
};

struct Setting {
    sim: Simulator,
    client: String,
}

impl Setting {
    fn new() -> Self {
        let world = World::new();
        let client = world.app("pat-rotator-public").client_id.clone();
        Self { sim: Simulator::start(world), client }
    }

    fn start(&self, scope: &str) -> Answer {
        let body = form(&[("client_id", &self.client), ("scope", scope)]);
        call(&self.sim, "POST", "/contoso.onmicrosoft.com/oauth2/v2.0/devicecode", FORM, &body).unwrap()
    }

    fn poll(&self, client: &str, device_code: &str) -> Answer {
        let kind = "urn:ietf:params:oauth:grant-type:device_code";
        token(&self.sim, &[("grant_type", kind), ("client_id", client), ("device_code", device_code)])
    }

    /// The word and the number of what a poll is told.
    fn told(&self, device_code: &str) -> (String, i64) {
        let answer = self.poll(&self.client, device_code);
        (answer.json()["error"].as_str().unwrap_or_default().to_owned(), code(&answer).1)
    }
}

fn said(word: &str, number: i64) -> (String, i64) {
    (word.to_owned(), number)
}

#[test]
fn a_device_code_waits_for_a_person_and_is_redeemed_once() {
    let setting = Setting::new();
    let started = setting.start(&format!("{DEFAULT} offline_access")).json();
    assert_eq!(keys(&started), ["device_code", "expires_in", "interval", "message", "user_code", "verification_uri"]);
    assert!(started["message"].as_str().unwrap().contains(started["user_code"].as_str().unwrap()));
    let device = started["device_code"].as_str().unwrap();
    assert!(setting.sim.world().all_secrets().iter().any(|(_, secret)| secret == device));
    assert_eq!(setting.told(device), said("authorization_pending", 70016));
    setting.sim.world().slow_downs = 1;
    assert_eq!(setting.told(device), said("slow_down", 70016));
    assert_eq!(setting.told(device), said("authorization_pending", 70016));
    setting.sim.world().sign_in_on_device("rotator").unwrap();
    let given = setting.poll(&setting.client, device).json();
    assert!(given["refresh_token"].is_string());
    assert_eq!(claims(given["access_token"].as_str().unwrap())["upn"], "rotator@contoso.onmicrosoft.com");
    assert_eq!(setting.sim.world().device_codes[0].state, DeviceState::Redeemed);
    assert_eq!(setting.told(device), said("bad_verification_code", 70018));
    assert_eq!(
        setting.sim.transcript_text().lines().last().unwrap(),
        "POST /contoso.onmicrosoft.com/oauth2/v2.0/token as client pat-rotator-public [grant_type urn:ietf:params:oauth:grant-type:device_code, device code 1] -> 400"
    );
}

#[test]
fn a_device_code_ends_in_each_of_its_ways() {
    let setting = Setting::new();
    let start = || setting.start(DEFAULT).json()["device_code"].as_str().unwrap().to_owned();
    assert_eq!(code(&setting.start("x")), (400, 70011));
    let declined = start();
    setting.sim.world().decline_on_device();
    assert_eq!(setting.told(&declined), said("authorization_declined", 65004));
    let blocked = start();
    setting.sim.world().device_flow_blocked = Some(DeviceFlowBlock::Person);
    assert_eq!(setting.sim.world().sign_in_on_device("rotator").unwrap_err().code, 53003);
    assert_eq!(setting.told(&blocked), said("authorization_pending", 70016));
    setting.sim.world().device_flow_blocked = Some(DeviceFlowBlock::Client);
    setting.sim.world().sign_in_on_device("rotator").unwrap();
    assert_eq!(setting.told(&blocked), said("invalid_grant", 53003));
    let other = start();
    let client = setting.sim.world().app("pat-rotator").client_id.clone();
    assert_eq!(code(&setting.poll(&client, &other)), (401, 7_000_218));
    assert_eq!(setting.told("x"), said("bad_verification_code", 70018));
    setting.sim.world().advance(jiff::SignedDuration::from_mins(15));
    assert_eq!(setting.told(&other), said("expired_token", 70019));
}

#[test]
fn polling_faster_than_told_is_noticed_where_the_clock_is_real() {
    let setting = Setting::new();
    setting.sim.world().follow_real_clock();
    let device = setting.start(DEFAULT).json()["device_code"].as_str().unwrap().to_owned();
    assert_eq!(setting.told(&device), said("authorization_pending", 70016));
    assert_eq!(setting.told(&device), said("slow_down", 70016));
    assert_eq!(setting.sim.take_problems().len(), 1);
}
