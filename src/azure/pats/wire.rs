//! Personal access tokens as the service writes them, and what is read of them.

use serde::Deserialize;
use serde_json::Value;

use crate::model::html;
use crate::model::inventory::{End, ListedPat};
use crate::model::pat::{AuthorizationId, OrganizationId, Pat, Reach};
use crate::model::scopes::Scopes;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireResult {
    pub(super) pat_token: Option<WirePat>,
    #[serde(flatten)]
    pub(super) pat_token_error: Refusal,
}

/// An open enumeration: absent, null and `none` are a success, anything else is not.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    pub(super) pat_token_error: Option<Value>,
}

impl Refusal {
    pub(super) fn refusal(&self) -> Option<&str> {
        match &self.pat_token_error {
            None | Some(Value::Null) => None,
            Some(Value::String(code)) if code.eq_ignore_ascii_case("none") => None,
            Some(Value::String(code)) => Some(code),
            Some(_) => Some("unknown"),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WirePat {
    pub(super) authorization_id: String,
    pub(super) display_name: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) target_accounts: Option<Vec<Value>>,
    pub(super) valid_from: Option<String>,
    pub(super) valid_to: Option<String>,
    pub(super) token: Option<Secret>,
}

impl WirePat {
    pub(super) fn for_report(self) -> ListedPat {
        let given = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let time = |text: Option<String>| text.as_deref().and_then(Timestamp::parse);
        ListedPat {
            authorization_id: self.authorization_id,
            display_name: given(self.display_name).map(|name| html::decoded(&name)),
            scope: given(self.scope),
            is_for_all_organizations: Some(reach(self.target_accounts.as_deref()) == Reach::All),
            valid_from: time(self.valid_from),
            valid_to: End::read(self.valid_to.as_deref()),
            is_valid: None,
        }
    }

    pub(super) fn read(self) -> Result<Pat, String> {
        let Some(id) = AuthorizationId::parse(&self.authorization_id) else {
            return Err("a token whose authorizationId is not a GUID".to_owned());
        };
        let time = |text: Option<String>| text.as_deref().and_then(Timestamp::parse);
        let (valid_from, valid_to) = (time(self.valid_from), time(self.valid_to));
        Ok(Pat {
            unreadable: match (valid_from, valid_to) {
                (None, _) => Some("validFrom"),
                (_, None) => Some("validTo"),
                (Some(_), Some(_)) => None,
            },
            // The stand-ins are those that retire nothing: the oldest of rivals, and never at its end.
            valid_from: valid_from.unwrap_or(Timestamp::FIRST),
            valid_to: valid_to.unwrap_or(Timestamp::NEVER),
            id,
            display_name: html::decoded(&self.display_name.unwrap_or_default()),
            scopes: Scopes::as_listed(self.scope.unwrap_or_default()),
            reach: reach(self.target_accounts.as_deref()),
        })
    }
}

impl Pat {
    /// # Errors
    /// That a date cannot be read.
    pub(super) fn whole(self) -> Result<Self, String> {
        match self.unreadable {
            Some(field) => Err(format!("a token {} without a readable {field}", self.id)),
            None => Ok(self),
        }
    }
}

/// Documented: null stands for all of the user's organizations. An empty list names none that would be ours alone.
fn reach(target_accounts: Option<&[Value]>) -> Reach {
    match target_accounts {
        None | Some([]) => Reach::All,
        Some(ids) => {
            let id = |id: &Value| OrganizationId::parse(id.as_str().unwrap_or("an id that is not text"));
            let ids: Vec<OrganizationId> = ids.iter().filter_map(id).collect();
            if ids.is_empty() { Reach::All } else { Reach::Organizations(ids) }
        }
    }
}
