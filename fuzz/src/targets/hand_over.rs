//! What one stage leaves for the other: refused, or written again as it was read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rotate_pat::agent::environment::Environment;
use rotate_pat::agent::handoff::take;

pub(crate) fn fuzz(data: &[u8]) {
    let read = |state: &str| {
        let variables = [("ROTATEPATSTATE", state), ("ROTATEPATNEW", "new"), ("ROTATEPATUSERTOKEN", "user")]
            .map(|(name, value)| (format!("VSTS_TASKVARIABLE_{name}"), value.to_owned()));
        take(&variables.into_iter().collect::<Environment>())
    };
    let _any = read(&String::from_utf8_lossy(data));
    let Ok(Some(handed)) = read(&URL_SAFE_NO_PAD.encode(data)) else { return };
    let _words = format!("{:?} {:?}", handed.state, handed.state.granted());
    let Ok(encoded) = handed.state.encode() else { return };
    let again = read(&encoded).expect("what was encoded can be read").expect("and is there");
    assert_eq!(again.state.encode().expect("as before"), encoded);
}
