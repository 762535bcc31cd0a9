//! The scopes of a personal access token.

use std::collections::BTreeSet;
use std::fmt;

use crate::model::text;

/// What a personal access token may do: `vso.…` scopes separated by spaces, or `app_token` for everything. The
/// server defines the scopes and adds new ones, so only the form is checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scopes(String);

impl Scopes {
    /// Parses scopes from an input, separated by spaces, commas or line breaks. An error completes "must be …".
    pub fn parse(text: &str) -> Result<Self, String> {
        let scopes: Vec<&str> = text.split([' ', ',', '\n', '\r', '\t']).filter(|scope| !scope.is_empty()).collect();
        let is_scope = |scope: &str| {
            let name = scope.strip_prefix("vso.").unwrap_or(if scope == "app_token" { scope } else { "" });
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        match scopes.iter().find(|scope| !is_scope(scope)) {
            Some(wrong) => Err(format!(
                "scopes such as `vso.packaging_write`, separated by spaces, or `app_token`; got {}",
                text::quoted(wrong)
            )),
            None if scopes.is_empty() => Err("at least one scope, such as `vso.packaging_write`".to_owned()),
            None => Ok(Self(scopes.join(" "))),
        }
    }

    /// Unchecked, as the server lists them.
    pub fn as_listed(text: String) -> Self {
        Self(text)
    }

    /// Whether both have the same scopes, in any order.
    pub fn is_same(&self, other: &Self) -> bool {
        let all = |scopes: &Self| -> BTreeSet<String> {
            scopes.0.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
        };
        all(self) == all(other)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::one_line(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_scopes_means_nothing() {
        let scopes = |text: &str| Scopes::as_listed(text.to_owned());
        assert!(scopes("vso.code vso.build").is_same(&scopes("vso.build vso.code")));
        assert!(!scopes("vso.code").is_same(&scopes("vso.code vso.build")));
        assert!(!scopes("vso.code").is_same(&scopes("app_token")));
    }

    #[test]
    fn scopes_are_an_open_vocabulary_of_a_checked_shape() {
        assert_eq!(Scopes::parse(" vso.code,vso.packaging_write\n").unwrap().as_str(), "vso.code vso.packaging_write");
        assert_eq!(Scopes::parse("app_token").unwrap().as_str(), "app_token");
        for wrong in ["", " , ", "code", "vso.", "vso.code\u{7}", "vso.a;b"] {
            assert!(Scopes::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
