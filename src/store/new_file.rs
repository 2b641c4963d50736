//! Creates a new database under a temporary name and moves it into place, so that a kill leaves no partial file.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use duckdb::Connection;

use super::{ATTACHED, StoreError, attach, runs};

/// Creates the file with its ledger. If another process creates it first, that file stays.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let partial = partial(path);
    // Files left by a killed process.
    for left in [partial.clone(), with_end(&partial, ".wal")] {
        let _ = fs::remove_file(left);
    }
    let connection = Connection::open_in_memory()?;
    attach(&connection, &partial).map_err(|error| StoreError::opening(path, &error))?;
    connection.execute_batch(&format!("USE {ATTACHED}"))?;
    runs::create(&connection, path)?;
    connection.execute_batch(&format!("USE memory; DETACH {ATTACHED}"))?;
    // Unlike a rename, a hard link replaces nothing.
    let linked = match fs::hard_link(&partial, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        // The file system does not support hard links.
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
        // The second process leaves it unchanged.
        create(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), written);
        let connection = Connection::open(&path).unwrap();
        let runs: i64 = connection.query_row("SELECT count(*) FROM etl.runs", [], |row| row.get(0)).unwrap();
        assert_eq!(runs, 0);
    }
}
