//! Files and databases that several parts of the configuration name, each opened once.

use std::path::Path;

use bonafide_postgres::{Address, BuildError, Postgres};
use bonafide_sqlite::{OpenError, SqliteFile};

/// What is open. Secrets, policy and audit may be in one file: then they share it.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    sqlite: Vec<SqliteFile>,
    postgres: Vec<Postgres>,
    /// A file that is not there is an error.
    existing: bool,
}

impl Stores {
    /// For what makes sense only with a file that is there already.
    pub(crate) fn existing() -> Self {
        Self { existing: true, ..Self::default() }
    }

    /// The SQLite file at `path`.
    pub(crate) fn sqlite(&mut self, path: &Path) -> Result<SqliteFile, OpenError> {
        // By the name that an open file has. One that is not there yet cannot be open.
        let real = std::fs::canonicalize(path).ok();
        let open = self.sqlite.iter().find(|file| real.as_deref() == Some(file.path()));
        if let Some(file) = open {
            return Ok(file.clone());
        }
        if self.existing {
            // Without opening it, which could cost another handle its locks.
            std::fs::metadata(path)
                .map_err(|source| OpenError::File { path: path.to_owned(), source })?;
        }
        let file = SqliteFile::open(path)?;
        if real.is_none() {
            // A volume that was not mounted, or a path with a mistake in it, looks just like a first start.
            tracing::warn!(path = %file.path().display(), "there was no such database: made an empty one");
        }
        self.sqlite.push(file.clone());
        Ok(file)
    }

    /// The PostgreSQL database at `address`: one pool of connections for all that use it.
    pub(crate) fn postgres(&mut self, address: Address) -> Result<Postgres, BuildError> {
        let open = self.postgres.iter().find(|database| *database.address() == address);
        if let Some(database) = open {
            return Ok(database.clone());
        }
        let database = Postgres::new(address)?;
        self.postgres.push(database.clone());
        Ok(database)
    }

    /// Says in the log what is wrong with a database, before anybody has to wait for it.
    pub(crate) fn check(&self) {
        for database in &self.postgres {
            let database = database.clone();
            tokio::spawn(async move {
                if let Err(error) = database.prepare().await {
                    let address = database.address();
                    tracing::error!(%address, %error, "the database can't be used yet");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_must_be_there_is_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bonafide.db");
        let refused = Stores::existing().sqlite(&path);
        assert!(matches!(refused, Err(OpenError::File { .. })), "{refused:?}");
        assert!(!path.exists());
        Stores::default().sqlite(&path).unwrap();
        Stores::existing().sqlite(&path).unwrap();
    }

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
