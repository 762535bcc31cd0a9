//! A request to the workstation's listener: refused, or an address of this very host.

use rotate_pat::workstation::asked_for;

pub(crate) fn fuzz(data: &[u8]) {
    let address = "http://localhost:4711";
    let text = String::from_utf8_lossy(data);
    let (target, host) = text.split_once('\n').unwrap_or((&text, "localhost:4711"));
    if let Some(target) = asked_for(target, host, address) {
        assert_eq!(target.origin().ascii_serialization(), address, "{target}");
        assert!(target.username().is_empty() && target.password().is_none(), "{target}");
    }
}
