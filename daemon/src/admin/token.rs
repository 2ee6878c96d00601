//! The token of the admin API: the configuration's, or one that is made at the first start and
//! kept in a file beside the store.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, bail};
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderValue, header};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::config::{Config, SecretProblem, SecretRef};
use crate::live::Live;
use crate::secret::{self, Places, SecretValue};

/// Whoever shows it may use the API. `Debug` shows nothing of it.
pub(crate) struct Token(SecretValue);

impl Token {
    fn new(value: SecretValue) -> Result<Self, String> {
        if value.iter().all(u8::is_ascii_graphic) {
            return Ok(Self(value));
        }
        Err("a token has no spaces and no characters outside ASCII: a header carries it".to_owned())
    }

    /// Takes the same time wherever the difference is.
    fn is(&self, shown: &[u8]) -> bool {
        self.0.ct_eq(shown).into()
    }

    /// The value of `Authorization` that shows it.
    pub(crate) fn authorization(&self) -> anyhow::Result<HeaderValue> {
        let mut value = Zeroizing::new(b"Bearer ".to_vec());
        value.extend_from_slice(&self.0);
        let mut value = HeaderValue::from_bytes(&value)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The token that a reference refers to. `base` is the folder of config.toml. Blocks on the file
/// system.
pub(crate) fn token(reference: &SecretRef, base: &Path) -> Result<Token, SecretProblem> {
    // The configuration's reader lets no stored one be the token.
    let places = Places::without_store(base);
    let value = secret::resolve(reference, &[], &places).map_err(|error| error.problem(base))?;
    Token::new(value).map_err(|what| SecretProblem {
        // The advice for secrets is about senders.
        help: Vec::new(),
        ..secret::cannot_be_right(reference, &what, base)
    })
}

/// The token that `[admin] token` refers to, if it is there. Blocks on the file system.
pub(crate) fn configured(config: &Config) -> anyhow::Result<Option<Token>> {
    let base = config.file.parent().unwrap_or(Path::new(""));
    let configured = config.admin.token.as_ref().map(|reference| token(reference, base));
    configured.transpose().map_err(|problem| {
        let message = problem.message;
        anyhow::anyhow!("{}: [admin] token: {message}", config.file.display())
    })
}

/// Where the token lies that is made when the configuration names none.
pub(crate) fn file(config: &Config) -> PathBuf {
    config.store.path.with_file_name("admin-token")
}

/// The token in that file; nothing while there is no file.
pub(crate) fn made(path: &Path) -> anyhow::Result<Option<Token>> {
    let reference = SecretRef::File(path.display().to_string());
    match secret::read(path, &reference) {
        Ok(value) if value.is_empty() => {
            bail!("{} is empty: delete it, and the next start makes another", path.display())
        }
        Ok(value) => {
            Token::new(value).map(Some).map_err(|error| anyhow::anyhow!("{reference:?}: {error}"))
        }
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error).context("failed to read the admin API's token"),
    }
}

/// Says who may use the API.
pub(crate) struct Guard {
    live: Arc<Live>,
    made: OnceLock<Token>,
    /// Held while the file is read or made: of two that come first at once, one makes it.
    making: Mutex<()>,
}

impl Guard {
    pub(crate) fn new(live: Arc<Live>) -> Self {
        Self { live, made: OnceLock::new(), making: Mutex::new(()) }
    }

    /// Makes the file with the token when the configuration names none and there is no file yet.
    /// Returns the file in use. The store's folder must exist, and its lock be held.
    pub(crate) fn prepare(&self) -> anyhow::Result<Option<PathBuf>> {
        let live = self.live.load();
        if live.admin_token.is_some() {
            return Ok(None);
        }
        let path = file(&live.config);
        self.made_token(&path)?;
        Ok(Some(path))
    }

    /// Whether the request shows the token.
    pub(crate) fn lets_in(&self, headers: &HeaderMap) -> bool {
        let Some(shown) = bearer(headers) else { return false };
        let live = self.live.load();
        if let Some(token) = &live.admin_token {
            return token.is(shown);
        }
        // A reload can take the configured one away; then the file is made now.
        match self.made_token(&file(&live.config)) {
            Ok(token) => token.is(shown),
            Err(error) => {
                tracing::error!("the admin API lets nobody in: {error:#}");
                false
            }
        }
    }

    fn made_token(&self, path: &Path) -> anyhow::Result<&Token> {
        if let Some(token) = self.made.get() {
            return Ok(token);
        }
        let _alone = self.making.lock();
        if let Some(token) = self.made.get() {
            return Ok(token);
        }
        let token = read_or_make(path)?;
        Ok(self.made.get_or_init(|| token))
    }
}

fn read_or_make(path: &Path) -> anyhow::Result<Token> {
    if let Some(token) = made(path)? {
        if let Some(mode) = open_to_others(path) {
            // Whether a group is meant to read it, only its owner knows.
            tracing::warn!(
                path = %path.display(),
                mode = format!("{mode:o}"),
                "others than the owner may read the admin API's token: `chmod 600` its file, or \
                 delete it, and the next start makes another"
            );
        }
        return Ok(token);
    }
    let text = make(path)
        .with_context(|| format!("failed to write the admin API's token to {}", path.display()))?;
    Ok(Token(text))
}

/// The file's mode when others than its owner may open it.
fn open_to_others(path: &Path) -> Option<u32> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, shown) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(shown)
}

/// Writes a new token, whole or not at all, for the owner's eyes only.
fn make(path: &Path) -> anyhow::Result<SecretValue> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice())?;
    let text = Zeroizing::new(HEXLOWER.encode(bytes.as_slice()).into_bytes());
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(&text)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Generation;

    #[test]
    fn a_token_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("admin-token");
        assert!(made(&path).expect("reads").is_none());
        let text = make(&path).expect("is made");
        assert_eq!(text.len(), 64);
        let token = made(&path).expect("reads").expect("is there");
        assert!(token.is(&text) && !token.is(b"") && !token.is(&text[1..]));
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).expect("lists").count(), 1, "something is left");
        assert_eq!(format!("{token:?}"), "Token(…)");
        assert_ne!(make(&path).expect("is made"), text, "it is not random");

        fs::write(&path, "\n").expect("written");
        let error = made(&path).expect_err("is empty").to_string();
        assert!(error.contains("delete it"), "{error}");
    }

    #[test]
    fn a_token_that_others_may_read_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("admin-token");
        make(&path).expect("is made");
        assert_eq!(open_to_others(&path), None);
        for mode in [0o644, 0o640, 0o604] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(open_to_others(&path), Some(mode));
        }
    }

    #[test]
    fn those_that_come_first_at_once_are_shown_one_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config.toml");
        fs::write(&file, "").expect("written");
        let (generation, _) = Generation::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let guard = Guard::new(Arc::new(Live::new(generation)));
        let path = folder.path().join("admin-token");
        let (threads, start) = (8, std::sync::Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    start.wait();
                    guard.made_token(&path).map(drop).expect("a token");
                });
            }
        });
        let kept = fs::read(&path).expect("is there");
        assert!(guard.made_token(&path).expect("a token").is(kept.trim_ascii()));
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_nothing_else_is() {
        let shown = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            bearer(&headers).map(<[u8]>::to_vec)
        };
        assert_eq!(shown("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(shown("bearer abc"), Some(b"abc".to_vec()));
        for wrong in ["", "abc", "Bearer", "Basic abc=", "Bearerabc"] {
            assert_eq!(shown(wrong), None, "{wrong}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    #[test]
    fn what_no_header_carries_is_no_token() {
        for wrong in ["two words", "line\nbreak", "é"] {
            let error = Token::new(Zeroizing::new(wrong.as_bytes().to_vec())).expect_err(wrong);
            assert!(!error.contains(wrong), "{error}");
        }
    }
}
