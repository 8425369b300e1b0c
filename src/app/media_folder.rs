//! The folder `store.media`: pictures, recordings and videos that followers sent, one file for each message that has one.
//!
//! The folder is the store's own: a hidden file in it has the key of the store, and only where that is right anything is
//! written or removed. So neither the owner's pictures nor those of another account can be taken for old ones.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::random;
use crate::store::{Reader, Store, StoreError};

/// The file with the key of the store.
const OWNER: &str = ".wechatd";

/// The end of the name of a file that is not complete yet.
const PART: &str = "part";

/// A folder that belongs to the store.
#[derive(Debug)]
pub struct MediaFolder {
    path: PathBuf,
}

/// A file that is being fetched. Dropping it unfinished removes it.
#[derive(Debug)]
pub struct Part {
    file: File,
    path: PathBuf,
}

impl MediaFolder {
    /// Makes the folder if it is missing, and takes it for this store if it is empty.
    ///
    /// # Errors
    /// When it cannot be written, or holds something else; the text says which and what to do.
    pub fn take(path: &Path, store: &Store) -> Result<MediaFolder, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let fresh = random::bytes::<16>().map_err(|error| failed(&error))?;
        let fresh: String = fresh.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = store
            .made_media_key(&fresh)
            .map_err(|error| failed(&error))?;
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(format!(
                    "{}; create the folder that it is in",
                    failed(&error)
                ));
            }
            Err(error) => return Err(failed(&error)),
        }
        if is_free(path, Some(&key))? {
            write_new(&path.join(OWNER), key.as_bytes()).map_err(|error| failed(&error))?;
        }
        // A disk that became read-only is told at once.
        let folder = MediaFolder {
            path: path.to_owned(),
        };
        folder.start("0").map_err(|error| failed(&error))?;
        Ok(folder)
    }

    /// The folder, if it belongs to this store already.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn if_taken(path: &Path, reader: &Reader) -> Result<Option<MediaFolder>, StoreError> {
        let key = reader.media_key()?;
        let owner = fs::read_to_string(path.join(OWNER)).ok();
        let is_ours = key.is_some() && owner.as_deref().map(str::trim) == key.as_deref();
        Ok(is_ours.then(|| MediaFolder {
            path: path.to_owned(),
        }))
    }

    /// What would keep the server from using this folder, for `wechatd check`; leaves nothing behind.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn problem(path: &Path, reader: Option<&Reader>) -> Result<Option<String>, StoreError> {
        let key = reader.map(Reader::media_key).transpose()?.flatten();
        if !path.exists() {
            let parent = path.parent().unwrap_or(path);
            let parent = match parent.as_os_str().is_empty() {
                true => Path::new("."),
                false => parent,
            };
            let is_made = rustix::fs::access(parent, rustix::fs::Access::WRITE_OK);
            return Ok(is_made
                .err()
                .map(|error| format!("{}: it cannot be made: {error}", path.display())));
        }
        let written = is_free(path, key.as_deref()).and_then(|_| {
            let probe = path.join(".wechatd-check");
            fs::remove_file(&probe).ok();
            let written =
                write_new(&probe, b"").map_err(|error| format!("{}: {error}", path.display()));
            fs::remove_file(&probe).ok();
            written
        });
        Ok(written.err())
    }

    /// Starts the file of a message; what an earlier try left is removed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn start(&self, message: &str) -> io::Result<Part> {
        let path = self.path.join(format!("{message}.{PART}"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Part { file, path })
    }

    /// The bytes of a file with a name that is made here.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        match read_name(name) {
            Some((name, ..)) => fs::read(self.path.join(name)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When it is there, and stays.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes the files whose message is gone, and returns how many. Only names that are made here count.
    ///
    /// # Errors
    /// When the folder or the store cannot be read, or a file stays.
    pub fn sweep(&self, reader: &Reader) -> Result<usize, String> {
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", self.path.display());
        let mut removed = 0;
        for entry in fs::read_dir(&self.path).map_err(|error| failed(&error))? {
            let entry = entry.map_err(|error| failed(&error))?.file_name();
            let Some((name, message, extension)) = entry.to_str().and_then(read_name) else {
                continue;
            };
            let file = (extension != PART).then_some(name);
            let is_known = reader.has_media(message, file);
            if !is_known.map_err(|error| failed(&error))? {
                self.remove(name).map_err(|error| failed(&error))?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl Part {
    /// The first bytes of what was written, by which its kind is known.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn start_of_content(&self) -> io::Result<Vec<u8>> {
        use std::os::unix::fs::FileExt;
        let mut start = vec![0; 512];
        let read = self.file.read_at(&mut start, 0)?;
        start.truncate(read);
        Ok(start)
    }

    /// Gives the file its name in the folder, once it is on the disk.
    ///
    /// # Errors
    /// When it cannot be written, or was removed.
    pub fn finish(self, name: &str) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, self.path.with_file_name(name))
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After `finish` it is no longer there.
        fs::remove_file(&self.path).ok();
    }
}

/// The name, the message and the extension of a file like `12.jpg`; `None` for every other name.
fn read_name(name: &str) -> Option<(&str, i64, &str)> {
    let (message, extension) = name.split_once('.')?;
    let digits = message.bytes().all(|byte| byte.is_ascii_digit());
    let letters = extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let message = message.parse().ok().filter(|_| digits && letters)?;
    Some((name, message, extension))
}

/// Whether the folder may be taken: it is empty. False: it belongs to the store with this key already.
fn is_free(path: &Path, key: Option<&str>) -> Result<bool, String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("{shown}: {error}");
    match fs::read_to_string(path.join(OWNER)) {
        Ok(owner) if Some(owner.trim()) == key => return Ok(false),
        Ok(_) => {
            return Err(format!(
                "{shown}: the folder belongs to another store; each has one of its own, name an empty or a new one"
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    match fs::read_dir(path).map_err(failed)?.next() {
        None => Ok(true),
        Some(_) => Err(format!(
            "{shown}: the folder is not empty, and files of others would be among those that are removed with their message: name an empty or a new one"
        )),
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_are_made_here_are_known() {
        assert_eq!(read_name("12.jpg"), Some(("12.jpg", 12, "jpg")));
        assert_eq!(read_name("12.part"), Some(("12.part", 12, "part")));
        for name in [
            "+12.jpg",
            "-1.jpg",
            "12",
            "12.tar.gz",
            "a.jpg",
            ".jpg",
            ".wechatd",
            "12.j g",
        ] {
            assert_eq!(read_name(name), None, "{name}");
        }
    }
}
