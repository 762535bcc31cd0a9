//! A text from outside that may hold a secret in any spelling: nothing of it is left, and nothing else is lost.

use rotate_pat::model::redaction::Redactor;
use rotate_pat::model::secret::Secret;

pub(crate) fn fuzz(data: &[u8]) {
    let given = String::from_utf8_lossy(data);
    let (value, text) = given.split_once('\n').unwrap_or(("8Q~ab+cd\"ef/g", &given));
    // As short as the shortest that is hidden.
    if value.len() < 8 {
        return;
    }
    let secret = Secret::new(value.to_owned());
    let hidden = Redactor::default();
    hidden.redact(&secret);
    let forms = [secret.clone(), secret.as_base64(), secret.as_basic_password()];
    for form in &forms {
        let shown = hidden.redacted(&format!("{text}{}{text}", form.reveal()));
        // A mask itself may be what a value consists of.
        assert!(forms.iter().all(|form| !shown.contains(form.reveal()) || form.reveal().contains("***")), "{shown:?}");
    }
    let harmless = "there is nothing in this sentence";
    assert!(harmless.contains(value) || hidden.redacted(harmless) == harmless);
}
