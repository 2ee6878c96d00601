//! The exclusive hold on a store: one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::OpenError;

/// Held while it lives. The kernel lets go of it when the process ends, however it ends; the file
/// stays, because deleting it would let two processes hold two files of one name.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the store at `store`, in the file beside it with `.lock` appended.
    pub(super) fn take(store: &Path) -> Result<Self, OpenError> {
        let path = lock_path(store);
        let io = |source| OpenError::Io { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                // The holder may not have written it yet.
                let pid = match file.read_to_string(&mut text) {
                    Ok(_) => text.trim().parse().ok(),
                    Err(_) => None,
                };
                return Err(OpenError::Held { path: store.to_owned(), pid });
            }
            Err(errno) => return Err(io(errno.into())),
        }
        file.set_len(0).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        // A disk without room for a pid must not keep the daemon from working off its queue.
        if let Err(error) = writeln!(file, "{}", std::process::id()) {
            tracing::warn!(path = %path.display(), %error, "cannot note the pid in the lock file");
        }
        Ok(Self { _file: file })
    }
}

fn lock_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}
