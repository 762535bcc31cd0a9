//! The settings of the command `signIn`: where the refresh token of the person who signs in is kept.

use crate::model::destination::Store;
use crate::settings::command::SignInSettings;
use crate::settings::inputs::Inputs;
use crate::settings::reader::{Reader, Seen};

impl Reader<'_> {
    pub(super) fn sign_in(&mut self, inputs: &Inputs, seen: Seen<'_>) -> Option<SignInSettings> {
        for (input, is_given) in [
            ("refreshToken", inputs.refresh_token.is_some()),
            ("entraAgentId", inputs.entra_agent_id.is_some()),
            ("password", inputs.password.is_some()),
            ("accessToken", inputs.access_token.is_some()),
        ] {
            if is_given {
                self.fault(input, "cannot be used with `signIn`, where a person signs in");
            }
        }
        if inputs.user_name.is_none() && !self.is_rejected("userName") {
            self.required("userName", "the sign-in name or object id of the user who signs in");
        }
        let meaning = "the Key Vault secret that stores the refresh token; or set `refreshTokenStore`";
        let store = match (&inputs.refresh_token_secret, &inputs.refresh_token_store) {
            (Some(_), Some(_)) => {
                self.fault("refreshTokenSecret", "cannot be used together with `refreshTokenStore`");
                None
            }
            (Some(_), None) => {
                if !seen.has_connection {
                    self.required("serviceConnection", "the service connection whose app may write the vault");
                }
                self.vault_secret(inputs, seen).map(Store::Vault)
            }
            (None, Some(_)) => self.store(inputs, seen),
            (None, None) => {
                if !self.is_rejected("refreshTokenStore") {
                    self.required("refreshTokenSecret", meaning);
                }
                None
            }
        };
        if inputs.client_id.is_none() && !self.is_rejected("clientId") && !seen.has_connection {
            self.required("clientId", "the client id of the app that the user signs in to");
        }
        Some(SignInSettings { store: store? })
    }
}
