//! The lines of `publishTo`: every place that is taken is named in one harmless line, and no place twice.

use rotate_pat::model::destination::Destination;
use rotate_pat::settings::Command;

use super::settings::{JOB, read};

pub(crate) fn fuzz(data: &[u8]) {
    let lines = String::from_utf8_lossy(data).into_owned();
    let inputs = [
        ("INPUT_PUBLISHTO", lines.as_str()),
        ("INPUT_ACCESSTOKEN", "hunter2hunter2"),
        ("INPUT_AZUREDEVOPSSERVICECONNECTION", super::settings::CONNECTION),
    ];
    let Ok(settings) = read(JOB.iter().copied().chain(inputs)) else { return };
    let Command::Rotate(rotate) = settings.command else { panic!("the command is to rotate") };
    for (index, place) in rotate.publish_to.iter().enumerate() {
        let shown = place.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        if let Destination::KeyVault(secret) = place {
            assert!(secret.url().path().starts_with("/secrets/"), "{}", secret.url());
        }
        assert!(!rotate.publish_to[..index].contains(place), "{shown}");
    }
}
