//! A new database: made beside its place and put there whole, as a file of which a kill left a part is none.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use duckdb::Connection;

use super::{ATTACHED, StoreError, attach, ledger};

/// Makes the file with its ledger. Another process that makes it at the same time may come first: then its file stays.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let partial = partial(path);
    // What a process that was killed has left.
    for left in [partial.clone(), with_end(&partial, ".wal")] {
        let _ = fs::remove_file(left);
    }
    let connection = Connection::open_in_memory()?;
    attach(&connection, &partial).map_err(|error| StoreError::opening(path, &error))?;
    connection.execute_batch(&format!("USE {ATTACHED}"))?;
    ledger::create(&connection, path)?;
    connection.execute_batch(&format!("USE memory; DETACH {ATTACHED}"))?;
    // Unlike a rename, a link replaces nothing.
    let linked = match fs::hard_link(&partial, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // A file system without links.
        Err(_) => fs::rename(&partial, path),
        Ok(()) => Ok(()),
    };
    let _ = fs::remove_file(&partial);
    linked.map_err(|source| StoreError::Folder { folder: path.to_owned(), source })
}

fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.new", std::process::id()))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_is_there_whole_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it's new.duckdb");
        create(&path).unwrap();
        let written = fs::read(&path).unwrap();
        let names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["it's new.duckdb"]);
        // Whoever comes second leaves it as it is.
        create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), written);
        let connection = Connection::open(&path).unwrap();
        let runs: i64 = connection.query_row("SELECT count(*) FROM etl.runs", [], |row| row.get(0)).unwrap();
        assert_eq!(runs, 0);
    }
}
