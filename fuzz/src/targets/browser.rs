//! A request to the workstation's listener: refused, or an address of this very host.

use rotate_pat::workstation::asked_for;

pub(crate) fn fuzz(data: &[u8]) {
    let redirect = "http://127.0.0.1:4711";
    if let Some(target) = asked_for(data, redirect) {
        assert_eq!(target.origin().ascii_serialization(), redirect, "{target}");
        assert!(target.username().is_empty() && target.password().is_none(), "{target}");
    }
}
