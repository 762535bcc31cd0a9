//! What a service connection holds as a certificate: refused, or a key that signs.

use rotate_pat::model::certificate::Certificate;
use rotate_pat::model::timestamp::Timestamp;

pub(crate) fn fuzz(data: &[u8]) {
    // Seeds with a blank there would look like secrets in the repository.
    let text = String::from_utf8_lossy(data).replace("PRIVATE_KEY", "PRIVATE KEY");
    let Ok(certificate) = Certificate::parse(&text) else { return };
    let now = Timestamp::from_unix(1_800_000_000).expect("a time");
    let assertion = certificate.assertion("a-client", "https://login.microsoftonline.com/", now);
    if let Ok(assertion) = assertion {
        assert_eq!(assertion.reveal().split('.').count(), 3);
    }
}
