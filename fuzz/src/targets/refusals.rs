//! What a refusal means: whatever the code and the sentence, there is one thing to do about it.

use rotate_pat::advice::{Named, Seen, Service, of};
use rotate_pat::model::api_error::By;

const SERVICES: [Service; 6] =
    [Service::AzureDevOps, Service::Places, Service::Oidc, Service::Entra, Service::ManagedIdentity, Service::KeyVault];

pub(crate) fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(3, '\n');
    let mut next = || lines.next().unwrap_or_default();
    let (status, code, message) = (next().parse().unwrap_or(400), next(), next());
    let named = Named { user: Some(message), writer: Some(code), role: None };
    for service in SERVICES {
        for by in [None, Some(By::RefreshToken), Some(By::App), Some(By::Password)] {
            let row = of(service, by, Seen::Refused { status, code, message });
            let remedy = row.map(|row| row.remedy(named)).unwrap_or_else(|| panic!("{service:?} {status} {code:?}"));
            assert!(!remedy.is_empty());
        }
    }
}
