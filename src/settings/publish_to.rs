//! The lines of `publishTo`: `kind: place`, or the address of a vault's secret alone.

use std::fmt;

use super::address::VaultSecret;
use crate::text::quoted;

/// A place that gets the new value, besides the job's variable. Variable groups and service connections belong here.
#[derive(Clone, PartialEq, Debug)]
pub enum Destination {
    /// A secret in Azure Key Vault.
    KeyVault(VaultSecret),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyVault(secret) => secret.fmt(f),
        }
    }
}

/// Reads the lines; what is wrong with them comes beside what is right.
pub(super) fn read(lines: &str) -> (Vec<Destination>, Vec<String>) {
    let (mut destinations, mut faults) = (Vec::new(), Vec::new());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match parse(line) {
            Ok(known) if destinations.contains(&known) => {
                faults.push(format!("each place once: {known} is there twice"))
            }
            Ok(destination) => destinations.push(destination),
            Err(fault) => faults.push(fault),
        }
    }
    (destinations, faults)
}

fn parse(line: &str) -> Result<Destination, String> {
    if line.contains("://") && !line.to_ascii_lowercase().starts_with("keyvault:") {
        return VaultSecret::parse(line).map(Destination::KeyVault);
    }
    let (kind, place) = line.split_once(':').unwrap_or((line, ""));
    let place = place.trim();
    match kind.trim().to_ascii_lowercase().as_str() {
        "keyvault" if place.contains("://") => VaultSecret::parse(place).map(Destination::KeyVault),
        "keyvault" => {
            let (vault, name) = place.split_once('/').unwrap_or((place, ""));
            let is_vault = !vault.is_empty() && vault.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !is_vault || name.is_empty() {
                return Err(format!("lines such as `keyVault: contoso-kv/nuget-pat`: {} is not", quoted(line)));
            }
            VaultSecret::parse(&format!("https://{vault}.vault.azure.net/secrets/{name}")).map(Destination::KeyVault)
        }
        "variablegroup" | "serviceconnection" => Err(format!(
            "lines such as `keyVault: contoso-kv/nuget-pat`: this version cannot write to {}",
            quoted(line)
        )),
        _ => Err(format!("lines such as `keyVault: contoso-kv/nuget-pat`: {} is of no known kind", quoted(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vaults_secret_may_be_named_in_three_ways() {
        let (destinations, faults) = read(
            "\n keyVault: contoso-kv/a \nkeyvault: https://contoso-kv.vault.azure.net/secrets/b\nhttps://contoso-kv.vault.azure.net/secrets/c\n",
        );
        assert_eq!(faults, Vec::<String>::new());
        let shown: Vec<String> = destinations.iter().map(Destination::to_string).collect();
        assert_eq!(shown, ["a", "b", "c"].map(|name| format!("secret \"{name}\" in vault \"contoso-kv\"")));
    }

    #[test]
    fn every_wrong_line_is_named() {
        let lines =
            "keyVault: contoso-kv\nvault: x/y\nkeyVault: contoso-kv/a\nkeyVault: contoso-kv/a\nkeyVault: a.b/c\n";
        let (destinations, faults) = read(lines);
        assert_eq!((destinations.len(), faults.len()), (1, 4), "{faults:?}");
    }
}
