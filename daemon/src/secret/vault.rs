//! The secrets in the store, as they were when the configuration was loaded: sealed, and opened one
//! at a time when a reference to one is resolved.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hookyard_store::SealedSecret;
use hookyard_store::sqlite::SqliteStore;
use hookyard_types::Timestamp;

use super::seal::MasterKey;
use super::{LARGEST, SecretError, SecretValue};
use crate::config::{self, SecretProblem, SecretRef, nearest};

/// Bytes of a name.
const LONGEST_NAME: usize = 128;
/// Secrets in one store: each is held in memory, encrypted.
const MOST: usize = 4096;

/// Why a secret cannot be kept. `Display` shows nothing of its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CannotKeep {
    #[error(
        "there is no key to encrypt it with: make one with `hookyard secrets new-key > secrets.key` \
         and write `key = {{ file = \"secrets.key\" }}` under [secrets]"
    )]
    NoKey,
    #[error("a secret's name is 1 to {LONGEST_NAME} letters, digits, `-`, `_` and `.`")]
    Name,
    #[error("the secret is empty")]
    Empty,
    #[error("the secret has {bytes} bytes: {LARGEST}, which are 64 KiB, is the most")]
    TooLarge { bytes: usize },
    #[error("there are {MOST} secrets, which is the most: `hookyard secrets rm` drops one")]
    TooMany,
    #[error("{0}")]
    Failed(String),
}

/// Stored secrets and what opens them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vault {
    /// Of `[secrets]`, the one that encrypts first.
    keys: Arc<[MasterKey]>,
    /// By name.
    sealed: BTreeMap<String, SealedSecret>,
    /// Whether `[secrets]` names a key that cannot be had, of which it is told itself.
    shut: bool,
}

/// Where references are looked up: files beside the configuration, and the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// The folder of config.toml, to which a relative file is relative.
    pub(crate) base: PathBuf,
    pub(crate) vault: Arc<Vault>,
}

impl Places {
    /// With no stored secrets.
    pub(crate) fn without_store(base: &Path) -> Self {
        Self { base: base.to_owned(), vault: Arc::default() }
    }
}

impl Vault {
    pub(crate) fn new(keys: impl Into<Arc<[MasterKey]>>, sealed: Vec<SealedSecret>) -> Self {
        let sealed = sealed.into_iter().map(|secret| (secret.name.clone(), secret)).collect();
        Self { keys: keys.into(), sealed, shut: false }
    }

    /// What there is while the keys of `[secrets]` cannot be had.
    pub(crate) fn shut() -> Self {
        Self { shut: true, ..Self::default() }
    }

    /// The secrets of the store with the keys of `[secrets]`; empty without a key. `base` is the
    /// folder of config.toml. Blocks on the file system.
    ///
    /// # Errors
    /// What is wrong with which of the keys; under the first, why the store cannot be read.
    pub(crate) fn load(
        secrets: &config::Secrets,
        store: &config::Store,
        base: &Path,
    ) -> Result<Self, Vec<(SecretRef, SecretProblem)>> {
        let Some(key) = &secrets.key else { return Ok(Self::default()) };
        let keys = Self::keys(secrets, base)?;
        let sealed = SqliteStore::sealed_secrets(&store.path).map_err(|error| {
            let mut message = format!("the stored secrets cannot be read: {error}");
            if let Some(source) = std::error::Error::source(&error) {
                message = format!("{message}: {source}");
            }
            let help = vec!["run commands as the user that the daemon runs as".to_owned()];
            vec![(key.clone(), SecretProblem { message, label: None, help })]
        })?;
        Ok(Self::new(keys, sealed))
    }

    /// The keys of `[secrets]`. `base` is the folder of config.toml. Blocks on the file system.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub(crate) fn keys(
        secrets: &config::Secrets,
        base: &Path,
    ) -> Result<Vec<MasterKey>, Vec<(SecretRef, SecretProblem)>> {
        let places = Places::without_store(base);
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for reference in secrets.key.iter().chain(&secrets.former_keys) {
            let read = super::resolve(reference, &[], &places)
                .map_err(|error| error.problem(base))
                .and_then(|text| MasterKey::read(&text).map_err(|what| malformed(reference, what)));
            match read {
                Ok(key) => keys.push(key),
                Err(problem) => problems.push((reference.clone(), problem)),
            }
        }
        if problems.is_empty() { Ok(keys) } else { Err(problems) }
    }

    /// The same keys, and these secrets.
    pub(crate) fn holding(&self, sealed: Vec<SealedSecret>) -> Self {
        Self::new(Arc::clone(&self.keys), sealed)
    }

    /// The key that encrypts.
    pub(crate) fn key(&self) -> Option<&MasterKey> {
        self.keys.first()
    }

    pub(crate) fn secrets(&self) -> impl Iterator<Item = &SealedSecret> {
        self.sealed.values()
    }

    /// Encrypts a secret, new or in place of one of its name.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub(crate) fn seal(
        &self,
        name: &str,
        value: &[u8],
        now: Timestamp,
    ) -> Result<SealedSecret, CannotKeep> {
        let key = self.key().ok_or(CannotKeep::NoKey)?;
        check_name(name)?;
        if value.is_empty() {
            return Err(CannotKeep::Empty);
        }
        if value.len() > LARGEST {
            return Err(CannotKeep::TooLarge { bytes: value.len() });
        }
        if self.sealed.len() >= MOST && !self.sealed.contains_key(name) {
            return Err(CannotKeep::TooMany);
        }
        Self::sealed_with(key, name, value, now)
    }

    /// Every secret that another key than the first encrypted, encrypted with the first.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub(crate) fn rekeyed(&self) -> anyhow::Result<Vec<SealedSecret>> {
        let key = self.key().ok_or(CannotKeep::NoKey)?;
        let others = self.sealed.values().filter(|secret| secret.key != key.fingerprint());
        let again = |secret: &SealedSecret| {
            let value = self.open(&secret.name, &SecretRef::Stored(secret.name.clone()))?;
            anyhow::Ok(Self::sealed_with(key, &secret.name, &value, secret.set_at)?)
        };
        others.map(again).collect()
    }

    fn sealed_with(
        key: &MasterKey,
        name: &str,
        value: &[u8],
        set_at: Timestamp,
    ) -> Result<SealedSecret, CannotKeep> {
        let sealed =
            key.seal(name, value).map_err(|error| CannotKeep::Failed(error.to_string()))?;
        let key = key.fingerprint().to_owned();
        Ok(SealedSecret { name: name.to_owned(), key, sealed, set_at })
    }

    /// Decrypts one. `reference` is for messages.
    pub(super) fn open(
        &self,
        name: &str,
        reference: &SecretRef,
    ) -> Result<SecretValue, SecretError> {
        let reference = || reference.clone();
        let Some(key) = self.key() else {
            return Err(match self.shut {
                true => SecretError::Shut { reference: reference() },
                false => SecretError::NoKey { reference: reference() },
            });
        };
        let Some(secret) = self.sealed.get(name) else {
            let near = nearest(name, self.sealed.keys().map(String::as_str)).map(str::to_owned);
            return Err(SecretError::NotStored { reference: reference(), near });
        };
        let Some(opener) = self.keys.iter().find(|key| key.fingerprint() == secret.key) else {
            return Err(SecretError::OtherKey {
                reference: reference(),
                sealed_by: secret.key.clone(),
                key: key.fingerprint().to_owned(),
            });
        };
        let opened = opener.open(name, &secret.sealed);
        opened.ok_or_else(|| SecretError::Tampered { reference: reference() })
    }
}

/// Whether a secret can have this name.
///
/// # Errors
/// What a name is.
pub(crate) fn check_name(name: &str) -> Result<(), CannotKeep> {
    if super::is_plain_segment(name) && name.len() <= LONGEST_NAME {
        return Ok(());
    }
    Err(CannotKeep::Name)
}

fn malformed(reference: &SecretRef, what: &str) -> SecretProblem {
    SecretProblem {
        message: format!("the value of {reference:?} is no key: {what}"),
        label: None,
        help: vec!["`hookyard secrets new-key` writes a new one to its standard output".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: &str) -> MasterKey {
        MasterKey::read(format!("{}00", digit.repeat(62)).as_bytes()).expect("a key")
    }

    fn sealed(name: &str, value: &str, by: &MasterKey) -> SealedSecret {
        SealedSecret {
            name: name.to_owned(),
            key: by.fingerprint().to_owned(),
            sealed: by.seal(name, value.as_bytes()).expect("seals"),
            set_at: Timestamp::from_millis(0),
        }
    }

    fn opened(vault: &Vault, name: &str) -> Result<String, String> {
        let value = vault.open(name, &SecretRef::Stored(name.to_owned()));
        let text = |value: SecretValue| String::from_utf8_lossy(&value).into_owned();
        value.map(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_stands_in_the_way_is_told_apart() {
        let (old, new) = (key("1"), key("2"));
        let secrets = || vec![sealed("stripe", "hunter2", &old), sealed("github", "abc", &new)];
        let only_new = Vault::new(vec![key("2")], secrets());
        assert_eq!(opened(&only_new, "github"), Ok("abc".to_owned()));
        assert_eq!(
            opened(&only_new, "stripe"),
            Err(format!(
                "stored secret stripe was encrypted with the key {}, and [secrets] key is {}",
                old.fingerprint(),
                new.fingerprint()
            ))
        );
        let both = Vault::new(vec![key("2"), key("1")], secrets());
        assert_eq!(opened(&both, "stripe"), Ok("hunter2".to_owned()));
        assert_eq!(opened(&both, "strip"), Err("stored secret strip is not set".to_owned()));

        // A row that was copied over another opens as neither.
        let mut copied = secrets();
        copied[0].name = "github".to_owned();
        let vault = Vault::new(vec![key("2"), key("1")], copied[..1].to_vec());
        let error = opened(&vault, "github").expect_err("is another's");
        assert!(error.contains("is not what was encrypted"), "{error}");

        let error = opened(&Vault::shut(), "stripe").expect_err("its key cannot be had");
        assert!(error.ends_with("while the key of [secrets] cannot be had"), "{error}");

        let error = opened(&Vault::new(Vec::new(), secrets()), "stripe").expect_err("no key");
        let no_key = "stored secret stripe cannot be opened: [secrets] has no key to open it with";
        assert_eq!(error, no_key);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_limit() {
        let now = Timestamp::from_millis(0);
        let vault = Vault::new(vec![key("1")], Vec::new());
        let refused = |name: &str, value: &[u8]| {
            vault.seal(name, value, now).expect_err("is refused").to_string()
        };
        assert!(vault.seal("a", &[b'x'; LARGEST], now).is_ok());
        let large = refused("a", &[b'x'; LARGEST + 1]);
        assert_eq!(large, "the secret has 65537 bytes: 65536, which are 64 KiB, is the most");
        assert_eq!(refused("a", b""), "the secret is empty");
        for wrong in ["", ".", "..", "a/b", "a b", "é", "{a}", &"x".repeat(129)] {
            assert!(refused(wrong, b"x").contains("1 to 128 letters"), "{wrong}");
        }
        let many = (0..MOST).map(|number| sealed(&number.to_string(), "x", &key("1"))).collect();
        let full = Vault::new(vec![key("1")], many);
        assert_eq!(full.seal("one-more", b"x", now), Err(CannotKeep::TooMany));
        assert!(full.seal("17", b"y", now).is_ok(), "one that is there can be set again");
        let none = Vault::default().seal("a", b"x", now);
        assert_eq!(none, Err(CannotKeep::NoKey));
    }

    #[test]
    fn a_new_key_takes_over_what_the_former_encrypted() {
        let old = key("1");
        let secrets = vec![sealed("stripe", "hunter2", &old), sealed("github", "abc", &key("2"))];
        let vault = Vault::new(vec![key("2"), key("1")], secrets.clone());
        let again = vault.rekeyed().expect("all can be opened");
        assert_eq!(again.len(), 1, "what the key itself encrypted stays");
        let after = Vault::new(vec![key("2")], again);
        assert_eq!(opened(&after, "stripe"), Ok("hunter2".to_owned()));
        let error = Vault::new(vec![key("2")], secrets).rekeyed().expect_err("no former key");
        assert!(error.to_string().contains("was encrypted with the key"), "{error}");
    }
}
