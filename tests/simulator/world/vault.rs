//! One Azure Key Vault: secrets with versions, attributes and tags.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{World, ids};

/// A version of a secret.
#[derive(Clone, Debug)]
pub struct SecretVersion {
    /// 32 hexadecimal digits.
    pub version: String,
    /// The secret itself.
    pub value: String,
    /// A disabled version refuses to be read.
    pub enabled: bool,
    /// When it ends, in Unix seconds. The service lets an ended one be read all the same.
    pub expires: Option<i64>,
    /// Not before, in Unix seconds.
    pub not_before: Option<i64>,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
    /// Free text.
    pub content_type: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// What a client sends to make or change a version; what is absent is left as it is.
#[derive(Clone, Debug, Default)]
pub struct SecretChange {
    /// Whether it may be read.
    pub enabled: Option<bool>,
    /// When it ends.
    pub expires: Option<i64>,
    /// Not before.
    pub not_before: Option<i64>,
    /// Free text.
    pub content_type: Option<String>,
    /// All tags: they replace the ones that are there.
    pub tags: Option<BTreeMap<String, String>>,
}

/// A secret with all its versions, oldest first.
#[derive(Clone, Debug)]
pub struct VaultSecret {
    /// Its name.
    pub name: String,
    /// Its versions, oldest first; the last is the current one.
    pub versions: Vec<SecretVersion>,
    /// Soft-deleted: reads find nothing, writes meet a conflict.
    pub deleted: bool,
}

/// The vault.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    /// Its name.
    pub name: String,
    /// The tenant whose tokens it takes.
    pub tenant: String,
    /// Its secrets.
    pub secrets: Vec<VaultSecret>,
    /// Short names of the apps and users that may read.
    pub readers: Vec<String>,
    /// Short names of the apps and users that may write.
    pub writers: Vec<String>,
    /// Why it lets nobody in, or nobody but readers and writers.
    pub denial: VaultDenial,
    /// Tags that a policy puts on every version that is written.
    pub policy_tags: BTreeMap<String, String>,
    /// An Azure Policy denies every write.
    pub writes_denied_by_policy: bool,
    /// Versions made so far.
    made: u64,
}

/// Why the vault lets somebody not in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VaultDenial {
    /// The caller has no role on it.
    #[default]
    Role,
    /// The caller has no access policy: vaults from before roles.
    AccessPolicy,
    /// Nobody gets through its firewall.
    Firewall,
    /// Nobody gets in but by a private connection.
    PrivateConnection,
}

/// Why the vault does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultRefusal {
    /// No such secret or version.
    NotFound,
    /// The version is disabled.
    Disabled,
    /// The name belongs to a soft-deleted secret.
    SoftDeleted,
}

impl Vault {
    /// An empty vault that these may read and write.
    pub fn new(name: &str, tenant: &str, allowed: &[&str]) -> Self {
        let allowed: Vec<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        Self {
            name: name.to_owned(),
            tenant: tenant.to_owned(),
            readers: allowed.clone(),
            writers: allowed,
            ..Self::default()
        }
    }

    /// The secret of that name, deleted or not.
    pub fn secret(&self, name: &str) -> Option<&VaultSecret> {
        self.secrets.iter().find(|secret| secret.name.eq_ignore_ascii_case(name))
    }

    /// The current version, whatever its state: what a test looks at.
    pub fn current(&self, name: &str) -> Option<&SecretVersion> {
        self.secret(name).filter(|secret| !secret.deleted)?.versions.last()
    }

    /// The current version, to change it by hand.
    pub fn current_mut(&mut self, name: &str) -> Option<&mut SecretVersion> {
        self.secrets.iter_mut().find(|secret| secret.name.eq_ignore_ascii_case(name))?.versions.last_mut()
    }

    /// The value of the current version; empty when there is none.
    pub fn value(&self, name: &str) -> &str {
        self.current(name).map_or("", |version| &version.value)
    }

    /// Soft-deletes a secret.
    pub fn delete(&mut self, name: &str) {
        for secret in self.secrets.iter_mut().filter(|secret| secret.name.eq_ignore_ascii_case(name)) {
            secret.deleted = true;
        }
    }

    /// Reads a version, or the current one.
    pub fn read(&self, name: &str, version: Option<&str>) -> Result<&SecretVersion, VaultRefusal> {
        let secret = self.secret(name).filter(|secret| !secret.deleted).ok_or(VaultRefusal::NotFound)?;
        let found = match version {
            Some(wanted) => secret.versions.iter().find(|candidate| candidate.version.eq_ignore_ascii_case(wanted)),
            None => secret.versions.last(),
        };
        match found {
            Some(found) if found.enabled => Ok(found),
            Some(_) => Err(VaultRefusal::Disabled),
            None => Err(VaultRefusal::NotFound),
        }
    }

    /// Adds a version and makes it the current one.
    pub fn write(
        &mut self,
        name: &str,
        value: &str,
        with: SecretChange,
        now: Timestamp,
    ) -> Result<&SecretVersion, VaultRefusal> {
        if self.secret(name).is_none() {
            self.secrets.push(VaultSecret { name: name.to_owned(), versions: Vec::new(), deleted: false });
        }
        let mut tags = with.tags.unwrap_or_default();
        tags.extend(self.policy_tags.clone());
        self.made += 1;
        let version = ids::hex32("version", self.made);
        let secret = self
            .secrets
            .iter_mut()
            .find(|secret| secret.name.eq_ignore_ascii_case(name))
            .filter(|secret| !secret.deleted)
            .ok_or(VaultRefusal::SoftDeleted)?;
        secret.versions.push(SecretVersion {
            version,
            value: value.to_owned(),
            enabled: with.enabled.unwrap_or(true),
            expires: with.expires,
            not_before: with.not_before,
            created: now,
            updated: now,
            content_type: with.content_type,
            tags,
        });
        secret.versions.last().ok_or(VaultRefusal::NotFound)
    }

    /// Changes what is not the value.
    pub fn change(
        &mut self,
        name: &str,
        version: &str,
        change: SecretChange,
        now: Timestamp,
    ) -> Result<&SecretVersion, VaultRefusal> {
        let found = self
            .secrets
            .iter_mut()
            .find(|secret| secret.name.eq_ignore_ascii_case(name) && !secret.deleted)
            .and_then(|secret| {
                secret.versions.iter_mut().find(|candidate| candidate.version.eq_ignore_ascii_case(version))
            })
            .ok_or(VaultRefusal::NotFound)?;
        let SecretChange { enabled, expires, not_before, content_type, tags } = change;
        found.enabled = enabled.unwrap_or(found.enabled);
        found.expires = expires.or(found.expires);
        found.not_before = not_before.or(found.not_before);
        found.content_type = content_type.or_else(|| found.content_type.take());
        if let Some(tags) = tags {
            found.tags = tags;
        }
        found.updated = now;
        Ok(found)
    }
}

impl World {
    /// Puts a secret into the vault by hand and returns the new version's id.
    pub fn set_secret(&mut self, name: &str, value: &str, tags: &[(&str, &str)]) -> String {
        let tags = tags.iter().map(|&(key, text)| (key.to_owned(), text.to_owned())).collect();
        let now = self.now();
        let change = SecretChange { tags: Some(tags), ..SecretChange::default() };
        let written = self.vault.write(name, value, change, now);
        written.unwrap_or_else(|why| panic!("could not set the secret {name:?}: {why:?}")).version.clone()
    }
}
