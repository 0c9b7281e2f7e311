//! The contact records for those who only read: opening them makes, changes and leaves no file, so the folder may be read-only.
//!
//! SQLite makes two files beside a database that it opens in WAL mode, also to read, and fails where it may not. Which way it can do
//! without depends on what is there (<https://sqlite.org/wal.html>, "Read-Only Databases").

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteLockingMode};
use sqlx::{ConnectOptions as _, Connection as _};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// So often it is read again when a service began or ended meanwhile.
const TRIES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// No changes stand beside the file: no service has it open, and the last one ended as told.
    Whole,
    /// Changes and their index: a service runs, or was killed.
    WithChanges,
    /// Changes alone: a copy from which the index was left out. The changes have all that it has.
    WithoutIndex,
}

impl Stands {
    fn of(file: &Path) -> Stands {
        let beside = |ending: &str| {
            let mut name = OsString::from(file);
            name.push(ending);
            PathBuf::from(name).exists()
        };
        match (beside("-wal"), beside("-shm")) {
            (false, _) => Stands::Whole,
            (true, true) => Stands::WithChanges,
            (true, false) => Stands::WithoutIndex,
        }
    }

    fn options(self, file: &Path) -> SqliteConnectOptions {
        let path: String = file.as_os_str().as_bytes().iter().map(|byte| format!("%{byte:02X}")).collect();
        let how = match self {
            Stands::Whole => "immutable=1",
            Stands::WithChanges => "readonly_shm=1",
            Stands::WithoutIndex => "vfs=unix-none",
        };
        let options = SqliteConnectOptions::new().filename(format!("file:{path}?mode=ro&{how}")).read_only(true);
        match self {
            Stands::Whole | Stands::WithChanges => options,
            // For one reader alone the index is made in memory; a lock on the file would be one to write.
            Stands::WithoutIndex => options.locking_mode(SqliteLockingMode::Exclusive),
        }
    }
}

/// What `read` finds in it.
pub(super) async fn with<T>(
    file: &Path,
    mut read: impl AsyncFnMut(&mut SqliteConnection) -> sqlx::Result<T>,
) -> sqlx::Result<T> {
    let mut tries = 1;
    loop {
        let stands = Stands::of(file);
        let found = async {
            let mut database = stands.options(file).connect().await?;
            let found = read(&mut database).await?;
            database.close().await?;
            Ok(found)
        };
        let found = found.await;
        if tries == TRIES || Stands::of(file) == stands {
            return found;
        }
        tries += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{connect, file};
    use super::*;
    use crate::edge::testing::Folder;
    use sqlx::raw_sql;
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::fs;

    /// Every file and what is in it.
    fn content(folder: &Path) -> BTreeMap<OsString, Vec<u8>> {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        files.map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap())).collect()
    }

    fn copy(from: &Folder, without: &str) -> Folder {
        let to = Folder::new();
        for (name, bytes) in content(from.path()).into_iter().filter(|(name, _)| name != without) {
            fs::write(to.path().join(name), bytes).unwrap();
        }
        to
    }

    async fn count(folder: &Folder) -> i64 {
        let query = "SELECT COUNT(*) FROM kept";
        let read = async |database: &mut SqliteConnection| sqlx::query_scalar(query).fetch_one(database).await;
        with(&file(folder.path()), read).await.unwrap()
    }

    #[tokio::test]
    async fn whoever_reads_leaves_the_folder_as_it_was_and_sees_all_changes() {
        // A `?` begins no settings, and a `%` no other letter.
        let folder = Folder::new();
        let inside = folder.path().join("a?mode=rw%41");
        fs::create_dir(&inside).unwrap();
        assert!(with(&file(&inside), async |_| Ok(())).await.is_err());
        assert!(content(&inside).is_empty(), "what is not there is not made");

        let folder = Folder::new();
        let mut service = connect(&file(folder.path())).await.unwrap();
        raw_sql("CREATE TABLE kept (id INTEGER); INSERT INTO kept VALUES (1)").execute(&mut service).await.unwrap();
        let live = folder.path();
        let (killed, copied) = (copy(&folder, ""), copy(&folder, "vaxel.db-shm"));
        for (folder, stands, names) in [
            (&folder, Stands::WithChanges, vec!["vaxel.db", "vaxel.db-shm", "vaxel.db-wal"]),
            (&killed, Stands::WithChanges, vec!["vaxel.db", "vaxel.db-shm", "vaxel.db-wal"]),
            (&copied, Stands::WithoutIndex, vec!["vaxel.db", "vaxel.db-wal"]),
        ] {
            let mut before = content(folder.path());
            assert_eq!(before.keys().collect::<Vec<_>>(), names);
            assert_eq!(Stands::of(&file(folder.path())), stands);
            assert_eq!(count(folder).await, 1, "{stands:?}");
            let mut after = content(folder.path());
            if folder.path() == live {
                // Readers in the service's own process share its index.
                let index = OsStr::new("vaxel.db-shm");
                assert!(before.remove(index).is_some() && after.remove(index).is_some());
            }
            assert!(after == before, "{stands:?}");
        }
        // The service goes on as if nobody had looked.
        raw_sql("INSERT INTO kept VALUES (2)").execute(&mut service).await.unwrap();
        assert_eq!(count(&folder).await, 2);
        service.close().await.unwrap();
        let before = content(folder.path());
        assert_eq!(before.keys().collect::<Vec<_>>(), ["vaxel.db"]);
        assert_eq!(count(&folder).await, 2);
        assert!(content(folder.path()) == before);
    }

    #[tokio::test]
    async fn what_changes_hands_meanwhile_is_read_again() {
        let folder = Folder::new();
        let file = file(folder.path());
        let mut service = connect(&file).await.unwrap();
        raw_sql("CREATE TABLE kept (id INTEGER); INSERT INTO kept VALUES (1)").execute(&mut service).await.unwrap();
        service.close().await.unwrap();
        let mut service = None;
        let found = with(&file, async |database| {
            if service.is_none() {
                // One begins, and writes.
                let mut begun = connect(&file).await?;
                raw_sql("INSERT INTO kept VALUES (2)").execute(&mut begun).await?;
                service = Some(begun);
            }
            sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM kept").fetch_one(database).await
        });
        assert_eq!(found.await.unwrap(), 2);
    }
}
