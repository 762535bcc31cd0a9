//! Identities of the machine that the job runs on: its own, and those lent to it.

use super::{EntraRefusal, Managed, World, entra::known_resource, ids};

/// Why the machine gives no token.
#[derive(Clone, Debug)]
pub enum IdentityRefusal {
    /// It has no such identity.
    NotFound,
    /// It has several, and none was named.
    Several,
    /// Entra refuses.
    Entra(EntraRefusal),
}

impl World {
    /// A token for this resource as the identity of that client id, or as the one that needs no naming: with its life
    /// in seconds and the identity's client id.
    pub fn managed_token(
        &mut self,
        resource: &str,
        client_id: Option<&str>,
    ) -> Result<(String, i64, String), IdentityRefusal> {
        let mut known = self.apps.iter().filter(|app| app.managed.is_some());
        let found = match client_id {
            Some(wanted) => known.find(|app| app.client_id.eq_ignore_ascii_case(wanted)),
            None => {
                let known: Vec<_> = known.collect();
                let own = known.iter().find(|app| app.managed == Some(Managed::System)).copied();
                match (own, known.as_slice()) {
                    (Some(own), _) => Some(own),
                    (None, &[one]) => Some(one),
                    (None, &[]) => None,
                    (None, _) => return Err(IdentityRefusal::Several),
                }
            }
        };
        let Some((name, client_id)) = found.map(|app| (app.name.clone(), app.client_id.clone())) else {
            return Err(IdentityRefusal::NotFound);
        };
        let audience = known_resource(resource).map_err(IdentityRefusal::Entra)?;
        let minutes = self.managed_token_hours * 60;
        let token = self.app_token_for(&name, audience, minutes);
        Ok((token, minutes * 60 - 1, client_id))
    }

    /// Runs the job in an App Service, and returns what its identity endpoint wants to see.
    pub fn run_in_app_service(&mut self) -> String {
        let number = self.count("identity header");
        self.identity_header = ids::secret("SIMULATEDIDENTITYHEADER", number, 36);
        let value = self.identity_header.clone();
        self.remember(format!("identity header {number}"), &value);
        value
    }
}
