//! What belongs to one sign-in alone is shown nowhere, whoever quotes it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use super::start;
use crate::sign_in::station::{OPENS, browser, get, station};
use simulator::{Fault, Op, When};

const USER: &str = "rotator@contoso.onmicrosoft.com";

fn parameter(address: &url::Url, name: &str) -> String {
    address.query_pairs().find(|(known, _)| known == name).expect("a parameter").1.into_owned()
}

#[test]
fn a_code_verifier_that_the_service_quotes_is_not_shown() {
    let pipeline = station();
    pipeline.sim.inject(Fault::Echo(str::to_owned), When::every(Op::TokenAuthorizationCode));
    let mut station = start(&pipeline, &[], OPENS);
    let page = station.address();
    let challenge = parameter(&get(&page).location.unwrap(), "code_challenge");
    browser(&page, USER);
    let ended = station.end();
    ended.is(&pipeline.sim.world(), 1, &["Not allowed: ", "Nothing was stored."]);
    for word in ended.said.as_bytes().windows(challenge.len()) {
        assert_ne!(URL_SAFE_NO_PAD.encode(digest(&SHA256, word)), challenge, "it is shown: {}", ended.said);
    }
}

#[test]
fn a_state_that_the_login_page_quotes_is_not_shown() {
    let pipeline = station();
    let mut station = start(&pipeline, &[], OPENS);
    let page = station.address();
    let state = parameter(&get(&page).location.unwrap(), "state");
    let mut back = page.join("/").unwrap();
    back.query_pairs_mut()
        .append_pair("state", &state)
        .append_pair("error", "server_error")
        .append_pair("error_description", &format!("No: {state}"));
    assert_eq!(get(&back).status, 302);
    get(&page.join("/done").unwrap());
    let ended = station.end();
    ended.is(&pipeline.sim.world(), 1, &["the login page returned server_error: No: ", "Nothing was stored."]);
    assert!(!ended.said.contains(&state), "{}", ended.said);
}
