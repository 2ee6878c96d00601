//! Reads secrets from where their references point. Values are wiped when they go and are never
//! part of an error.

mod advice;
mod seal;
mod vault;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::SecretRef;
pub(crate) use advice::cannot_be_right;
pub(crate) use seal::MasterKey;
pub(crate) use vault::{CannotKeep, Places, Vault, check_name};

/// No secret's file is larger, in bytes.
pub(crate) const LARGEST: usize = 64 << 10;

/// Why a secret cannot be had. `Display` names the reference and never the value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("{reference:?} is not set")]
    NotSet { reference: SecretRef },
    #[error("{reference:?}: {source}")]
    Unreadable { reference: SecretRef, source: io::Error },
    #[error("{reference:?} is larger than {} KiB", LARGEST >> 10)]
    TooLarge { reference: SecretRef },
    #[error("{reference:?} is empty")]
    Empty { reference: SecretRef },
    #[error("{reference:?}: $CREDENTIALS_DIRECTORY is not set")]
    NoCredentials { reference: SecretRef },
    #[error("{reference:?} is not set")]
    NotStored {
        reference: SecretRef,
        /// The name of one that is.
        near: Option<String>,
    },
    #[error("{reference:?} cannot be opened: [secrets] has no key to open it with")]
    NoKey { reference: SecretRef },
    #[error("{reference:?} cannot be opened while the key of [secrets] cannot be had")]
    Shut { reference: SecretRef },
    #[error("{reference:?} was encrypted with the key {sealed_by}, and [secrets] key is {key}")]
    OtherKey {
        reference: SecretRef,
        /// Fingerprints.
        sealed_by: String,
        key: String,
    },
    #[error(
        "{reference:?} cannot be opened: what is stored under its name is not what was encrypted"
    )]
    Tampered { reference: SecretRef },
    #[error("{reference:?}: the request has no parameter {{{param}}}")]
    NoParam { reference: SecretRef, param: String },
    #[error(
        "{reference:?}: the value of {{{param}}} cannot be part of a path; it is letters, digits, \
         `-`, `_` and `.`"
    )]
    BadParam { reference: SecretRef, param: String },
}

impl SecretError {
    /// There is no file of that name.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// A secret's bytes, wiped when they go.
pub(crate) type SecretValue = Zeroizing<Vec<u8>>;

/// Reads the secret. `params` are what the route's path matched, decoded. Blocks on the file system.
///
/// One line break at the end of a file or credential is not part of the secret. An empty one is an
/// error.
pub(crate) fn resolve(
    reference: &SecretRef,
    params: &[(String, String)],
    places: &Places,
) -> Result<SecretValue, SecretError> {
    let value = match reference {
        SecretRef::Env(name) => {
            use std::os::unix::ffi::OsStringExt;
            let value = std::env::var_os(name)
                .ok_or_else(|| SecretError::NotSet { reference: reference.clone() })?;
            Zeroizing::new(value.into_vec())
        }
        SecretRef::File(path) => {
            read(&places.base.join(substitute(reference, path, params)?), reference)?
        }
        SecretRef::Credential(name) => {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                .map(PathBuf::from)
                .ok_or_else(|| SecretError::NoCredentials { reference: reference.clone() })?;
            read(&folder.join(name), reference)?
        }
        SecretRef::Stored(name) => {
            places.vault.open(&substitute(reference, name, params)?, reference)?
        }
    };
    if value.is_empty() {
        return Err(SecretError::Empty { reference: reference.clone() });
    }
    Ok(value)
}

/// Tells one state of a file from another without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    inode: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

/// The state of the file that holds a secret for all requests; `None` for other places, for a file
/// that depends on parameters, and while there is no such file. Blocks on the file system.
pub(crate) fn stamp(reference: &SecretRef, base: &Path) -> Option<Stamp> {
    let SecretRef::File(path) = reference else { return None };
    if reference.has_params() {
        return None;
    }
    stamp_of(&base.join(path))
}

/// The state of a file; `None` while there is none. Blocks on the file system.
pub(crate) fn stamp_of(path: &Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;
    // Follows links: what they point to may be exchanged.
    let file = std::fs::metadata(path).ok()?;
    Some(Stamp {
        inode: (file.dev(), file.ino()),
        size: file.size(),
        changed: (file.ctime(), file.ctime_nsec()),
    })
}

/// Whether `value` is one segment of a path, of harmless characters, and no way out of a folder.
pub(crate) fn is_plain_segment(value: &str) -> bool {
    (1..=255).contains(&value.len())
        && !matches!(value, "." | "..")
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Reads a file as [`resolve`] does; an empty one is no error. `reference` is for messages.
pub(crate) fn read(path: &Path, reference: &SecretRef) -> Result<SecretValue, SecretError> {
    let unreadable = |source| SecretError::Unreadable { reference: reference.clone(), source };
    let file = File::open(path).map_err(unreadable)?;
    // At its full size from the start: a vector that grows leaves copies that nobody wipes.
    let mut value = Zeroizing::new(Vec::with_capacity(LARGEST + 2));
    file.take(LARGEST as u64 + 2).read_to_end(&mut value).map_err(unreadable)?;
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    if value.len() > LARGEST {
        return Err(SecretError::TooLarge { reference: reference.clone() });
    }
    Ok(value)
}

/// The path with its `{parameters}` replaced, each by one validated piece.
fn substitute(
    reference: &SecretRef,
    path: &str,
    params: &[(String, String)],
) -> Result<String, SecretError> {
    let mut result = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((param, after)) = after.split_once('}')
    {
        let Some((_, value)) = params.iter().find(|(name, _)| name == param) else {
            return Err(SecretError::NoParam {
                reference: reference.clone(),
                param: param.to_owned(),
            });
        };
        if !is_plain_segment(value) {
            return Err(SecretError::BadParam {
                reference: reference.clone(),
                param: param.to_owned(),
            });
        }
        result.push_str(before);
        result.push_str(value);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(value: &str) -> Vec<(String, String)> {
        vec![("tenant".to_owned(), value.to_owned())]
    }

    fn places(base: &Path) -> Places {
        Places::without_store(base)
    }

    fn file(path: &str) -> SecretRef {
        SecretRef::File(path.to_owned())
    }

    #[test]
    fn a_file_is_read_without_its_last_line_break() {
        let folder = tempfile::tempdir().expect("a folder");
        for (content, secret) in
            [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), ("a\n\n", "a\n"), ("a ", "a ")]
        {
            std::fs::write(folder.path().join("acme"), content).expect("written");
            let read =
                resolve(&file("{tenant}"), &params("acme"), &places(folder.path())).expect("read");
            assert_eq!(*read, secret.as_bytes());
        }
    }

    #[test]
    fn errors_name_the_reference_and_not_the_value() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("empty"), "\n").expect("written");
        std::fs::write(folder.path().join("large"), vec![b'x'; LARGEST + 1]).expect("written");
        let error = |reference: &SecretRef| {
            resolve(reference, &[], &places(folder.path())).expect_err("an error").to_string()
        };
        assert_eq!(error(&file("empty")), "file empty is empty");
        assert_eq!(error(&file("large")), "file large is larger than 64 KiB");
        assert_eq!(error(&file("missing")), "file missing: No such file or directory (os error 2)");
        assert_eq!(error(&file(".")), "file .: Is a directory (os error 21)");
        assert_eq!(
            error(&SecretRef::Env("HOOKYARD_TEST_UNSET".to_owned())),
            "environment variable HOOKYARD_TEST_UNSET is not set"
        );
        assert_eq!(
            error(&file("{tenant}")),
            "file {tenant}: the request has no parameter {tenant}"
        );
    }

    #[test]
    fn a_parameter_cannot_leave_the_folder() {
        for value in ["", ".", "..", "a/b", "../etc/passwd", "a\0", "a b", "é", "%2e%2e"] {
            let nowhere = places(Path::new(""));
            let error =
                resolve(&file("/run/secrets/{tenant}"), &params(value), &nowhere).expect_err(value);
            assert!(matches!(error, SecretError::BadParam { .. }), "{value}: {error}");
        }
    }
}
