//! A disk that is small enough to fill.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Yard;

/// A tmpfs of its own on a folder, unmounted when dropped.
///
/// Root mounts it for everybody. Anybody else gets it in a user and mount namespace, which only
/// the daemon that is started through [`SmallDisk::wrap`] is in; the test reaches into it by
/// `/proc/PID/root`.
#[derive(Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    mounted: bool,
    size: String,
}

impl SmallDisk {
    /// `size` as tmpfs takes it: `16m`.
    pub fn new(folder: &Path, size: &str) -> Self {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder)
            .output()
            .is_ok_and(|output| output.status.success());
        Self { folder: folder.to_owned(), mounted, size: size.to_owned() }
    }

    /// Makes `command` run where the disk is. Its pid stays the daemon's.
    ///
    /// # Panics
    /// When this machine allows neither way.
    pub fn wrap(&self, command: &mut Command) {
        if self.mounted {
            return;
        }
        let allowed = Command::new("unshare").args(["-rm", "true"]).status();
        assert!(
            allowed.is_ok_and(|status| status.success()),
            "the full-disk test mounts a small tmpfs: run it as root, or allow user namespaces \
             (sysctl kernel.unprivileged_userns_clone=1, or --cap-add SYS_ADMIN for a container)"
        );
        let script = "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && shift 2 && exec \"$@\"";
        let mut wrapped = Command::new("unshare");
        wrapped.args(["-rm", "sh", "-c", script, "sh", &self.size]).arg(&self.folder);
        wrapped.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped.stdin(std::process::Stdio::null());
        wrapped.stdout(std::process::Stdio::null());
        wrapped.stderr(std::process::Stdio::piped());
        *command = wrapped;
    }

    /// The folder as this process sees it, given the daemon's pid; from now on the commands of
    /// `yard` see it as well.
    pub fn seen_from_here(&self, yard: &Yard, pid: u32) -> PathBuf {
        if self.mounted {
            return self.folder.clone();
        }
        yard.see_through(pid);
        let inside = self.folder.strip_prefix("/").expect("the folder is absolute");
        Path::new(&format!("/proc/{pid}/root")).join(inside)
    }

    /// A file of `bytes` bytes, or as many as fit.
    pub fn fill(path: &Path, bytes: usize) {
        let mut file = File::options().create(true).append(true).open(path).expect("create a file");
        let mut left = bytes;
        let mut step = 64 * 1024;
        let zeros = vec![0; step];
        while left > 0 {
            match file.write(&zeros[..step.min(left)]) {
                Ok(written) => left -= written,
                Err(error) if error.kind() == ErrorKind::StorageFull && step > 1 => step /= 2,
                Err(error) if error.kind() == ErrorKind::StorageFull => return,
                Err(error) => panic!("filling the disk: {error}"),
            }
        }
    }

    /// Removes a file made by [`SmallDisk::fill`].
    pub fn free(path: &Path) {
        fs::remove_file(path).expect("remove the file that fills the disk");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a daemon that is about to be dropped may still hold files there.
            let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        }
    }
}
