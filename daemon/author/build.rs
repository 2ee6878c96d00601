//! Puts the SDK's sources into the crate, so that `hookyard plugins new` can write them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugin-sdk").canonicalize()?;
    let mut list = String::from("&[\n");
    for folder in ["src", "wit", "macros/src"] {
        println!("cargo::rerun-if-changed={}", sdk.join(folder).display());
        let mut files = files(&sdk.join(folder))?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(&sdk).map_err(io::Error::other)?;
            let _ = writeln!(list, "    ({name:?}, include_str!({file:?})),");
        }
    }
    list.push(']');
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or(io::ErrorKind::NotFound)?;
    fs::write(out.join("sdk.rs"), list)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
