//! Files that several parts of the configuration name, each opened once.

use std::path::Path;

use bonafide_sqlite::{OpenError, SqliteFile};

/// What is open. Secrets, policy and audit may be in one file: then they share it.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    sqlite: Vec<SqliteFile>,
}

impl Stores {
    /// The SQLite file at `path`.
    pub(crate) fn sqlite(&mut self, path: &Path) -> Result<SqliteFile, OpenError> {
        // By the name that an open file has. One that is not there yet cannot be open.
        let real = std::fs::canonicalize(path).ok();
        let open = self.sqlite.iter().find(|file| real.as_deref() == Some(file.path()));
        if let Some(file) = open {
            return Ok(file.clone());
        }
        let file = SqliteFile::open(path)?;
        self.sqlite.push(file.clone());
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_is_opened_once_whatever_it_is_called() {
        let directory = tempfile::tempdir().unwrap();
        let [path, link] = ["bonafide.db", "link.db"].map(|name| directory.path().join(name));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut stores = Stores::default();
        let dotted = directory.path().join(".").join("bonafide.db");
        for path in [&path, &path, &link, &dotted] {
            stores.sqlite(path).unwrap();
        }
        assert_eq!(stores.sqlite.len(), 1);
        stores.sqlite(&directory.path().join("other.db")).unwrap();
        assert_eq!(stores.sqlite.len(), 2);
    }
}
