//! The claims of an access token: explained in words that show no control character and stay short.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rotate_pat::model::secret::Secret;
use rotate_pat::model::timestamp::Timestamp;
use rotate_pat::settings::Purpose;
use rotate_pat::sign_in::claims::Claims;

pub(crate) fn fuzz(data: &[u8]) {
    let now = Timestamp::from_unix(1_800_000_000).expect("a time");
    // As a token, and as the middle part of one.
    for token in [String::from_utf8_lossy(data).into_owned(), format!("h.{}.s", URL_SAFE_NO_PAD.encode(data))] {
        let Some(claims) = Claims::read(&Secret::new(token)) else { continue };
        for purpose in [Purpose::Rotation, Purpose::OwnReport, Purpose::OrganizationReport] {
            for tenant in [None, Some("22222222-2222-2222-2222-222222222222")] {
                let words = claims.explain(now, tenant, purpose).unwrap_or_default();
                assert!(words.chars().count() < 2000 && !words.chars().any(char::is_control), "{words:?}");
            }
        }
        let _read = (claims.is_app_only(), claims.user());
    }
}
