//! What to do about a secret that cannot be used, for the person who wrote the reference to it.

use std::io::ErrorKind;
use std::path::Path;

use super::SecretError;
use crate::config::{SecretProblem, SecretRef, nearest};

impl SecretError {
    /// The error with its advice. `base` is the folder of config.toml.
    pub(crate) fn problem(&self, base: &Path) -> SecretProblem {
        let (label, help) = match self {
            Self::NotSet { reference } => not_set(reference),
            Self::Unreadable { reference, source } => {
                (None, vec![unreadable(reference, source.kind(), base)])
            }
            Self::TooLarge { .. } => (
                None,
                vec!["it is to hold the secret and nothing else; is it another file?".into()],
            ),
            Self::Empty { reference } => (None, vec![put_it(reference, base)]),
            Self::NoCredentials { reference } => (None, no_credentials(reference)),
            Self::NotStored { reference, near } => (
                near.as_ref().map(|near| format!("did you mean `{near}`, which is set?")),
                vec![
                    put_it(reference, base),
                    "it works while the daemon runs and while it does not".to_owned(),
                ],
            ),
            Self::Shut { .. } => (
                None,
                vec!["mend `key` under [secrets]; a new key could not open it".to_owned()],
            ),
            Self::NoKey { .. } => (
                None,
                vec![
                    "make a key with `(umask 077; hookyard secrets new-key > secrets.key)`, where there \
                     is none yet, and write `key = { file = \"secrets.key\" }` under [secrets]"
                        .to_owned(),
                ],
            ),
            Self::OtherKey { reference, .. } => (
                None,
                vec![
                    "add the key from before to `former_keys` under [secrets], and run `hookyard \
                     secrets rekey`"
                        .to_owned(),
                    format!("if it is lost, so is the secret: {}", put_it(reference, base)),
                ],
            ),
            Self::Tampered { reference } => (
                None,
                vec![format!(
                    "the database was damaged or changed by another program: restore a backup, or \
                     {}",
                    put_it(reference, base)
                )],
            ),
            // Of a request, which is no matter of the file.
            Self::NoParam { .. } | Self::BadParam { .. } => (None, Vec::new()),
        };
        SecretProblem { message: self.to_string(), label, help }
    }
}

/// The secret is there and `what` says why it cannot be right.
pub(crate) fn cannot_be_right(reference: &SecretRef, what: &str, base: &Path) -> SecretProblem {
    SecretProblem {
        message: format!("the value of {reference:?} cannot be right: {what}"),
        label: None,
        help: vec![format!("{}, exactly as its sender shows it", put_it(reference, base))],
    }
}

fn not_set(reference: &SecretRef) -> (Option<String>, Vec<String>) {
    let SecretRef::Env(name) = reference else { return (None, Vec::new()) };
    // Only names: a value is somebody's secret.
    let set: Vec<String> = std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        .collect();
    let near = nearest(name, set.iter().map(String::as_str));
    let help = vec![
        format!(
            "set it in the environment of the daemon: `export {name}=…` in the shell that starts \
             it, `EnvironmentFile=` in its systemd unit"
        ),
        "`hookyard check` looks into its own environment, and that of a running daemon never \
         changes; a `{ file = … }` can change while it runs"
            .to_owned(),
    ];
    (near.map(|near| format!("did you mean `{near}`, which is set?")), help)
}

fn unreadable(reference: &SecretRef, kind: ErrorKind, base: &Path) -> String {
    match (reference, kind) {
        (SecretRef::File(path), ErrorKind::IsADirectory) => {
            format!("{} is a folder; name a file in it", base.join(path).display())
        }
        (SecretRef::File(path), ErrorKind::PermissionDenied) => format!(
            "let the user that the daemon runs as read {} and enter its folders",
            base.join(path).display()
        ),
        (SecretRef::Credential(name), ErrorKind::NotFound) => {
            format!("add `LoadCredential={name}:/path/of/the/secret` to the systemd unit")
        }
        _ => put_it(reference, base),
    }
}

fn no_credentials(reference: &SecretRef) -> Vec<String> {
    let SecretRef::Credential(name) = reference else { return Vec::new() };
    vec![
        format!("systemd sets it for a unit with `LoadCredential={name}:/path/of/the/secret`"),
        "outside of the unit, where `hookyard check` may run, use `{ file = … }` or `{ env = … }`"
            .to_owned(),
    ]
}

fn put_it(reference: &SecretRef, base: &Path) -> String {
    match reference {
        SecretRef::Env(name) => format!("set {name} to the secret"),
        SecretRef::File(path) => {
            let full = base.join(path);
            format!("put the secret into {}", std::path::absolute(&full).unwrap_or(full).display())
        }
        SecretRef::Credential(name) => {
            format!("put the secret into the file that the unit's `LoadCredential={name}:…` names")
        }
        SecretRef::Stored(name) => format!("set it: `hookyard secrets set {name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::resolve;

    fn problem(reference: &SecretRef, base: &Path) -> SecretProblem {
        let places = super::super::Places::without_store(base);
        resolve(reference, &[], &places).expect_err("an error").problem(base)
    }

    #[test]
    fn a_variable_that_is_set_and_nearly_the_same_is_named() {
        // Cargo sets CARGO_MANIFEST_DIR for every test.
        let near = problem(&SecretRef::Env("CARGO_MANIFST_DIR".into()), Path::new(""));
        assert_eq!(near.label.as_deref(), Some("did you mean `CARGO_MANIFEST_DIR`, which is set?"));
        assert!(near.help[0].contains("export CARGO_MANIFST_DIR=…"), "{near:?}");
        let none = problem(&SecretRef::Env("WHOLLY_UNLIKE_ANYTHING_SET".into()), Path::new(""));
        assert_eq!(none.label, None);
    }

    #[test]
    fn a_file_is_named_with_the_folder_that_it_was_looked_for_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path();
        std::fs::write(base.join("empty"), "").expect("written");
        let full = |name: &str| format!("put the secret into {}", base.join(name).display());
        for name in ["missing", "empty"] {
            let found = problem(&SecretRef::File(name.into()), base);
            assert_eq!(found.help, [full(name)]);
        }
        let is_folder = problem(&SecretRef::File(".".into()), base);
        assert!(is_folder.help[0].ends_with("is a folder; name a file in it"), "{is_folder:?}");
    }

    #[test]
    fn a_credential_says_what_the_unit_needs() {
        let error = SecretError::NoCredentials { reference: SecretRef::Credential("gh".into()) };
        let found = error.problem(Path::new(""));
        assert_eq!(found.message, "credential gh: $CREDENTIALS_DIRECTORY is not set");
        assert!(found.help[0].contains("`LoadCredential=gh:/path/of/the/secret`"), "{found:?}");
    }
}
