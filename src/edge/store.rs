//! Contact records in SQLite: `vaxel.db` in the data folder.
//!
//! Call handling never waits for the disk: records stand in a bounded queue before one writer task, which takes as many
//! as there are into one transaction and tries again for as long as the disk refuses. A record that finds the queue
//! full is written to the log as JSON and counted, so nothing is lost in silence.

use super::Clock;
use super::metrics::{Store as Metrics, ender, exit_name};
use crate::record::Contact;
use crate::time::Duration;
use anyhow::{Context, bail};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row, raw_sql};
use std::path::{Path, PathBuf};
use std::time::Instant as Stopwatch;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Records that may wait for the disk.
const WAITING_MAX: usize = 10_000;

/// Records in one transaction.
const BATCH_MAX: usize = 500;

/// Between two tries at a disk that refuses; doubled up to the second.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What brings a database from the version of its place in this list to the next. Only ever added to.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE contacts (
        id INTEGER PRIMARY KEY,
        started TEXT NOT NULL,
        answered TEXT,
        ended TEXT NOT NULL,
        from_number TEXT NOT NULL,
        to_number TEXT NOT NULL,
        trunk TEXT NOT NULL,
        queue TEXT,
        agent TEXT,
        waited_ms INTEGER NOT NULL,
        exit TEXT,
        talk_ms INTEGER NOT NULL,
        ended_by TEXT NOT NULL,
        cause TEXT NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX contacts_started ON contacts (started);
    CREATE INDEX contacts_queue ON contacts (queue, started);
    CREATE INDEX contacts_agent ON contacts (agent, started);
    CREATE INDEX contacts_from ON contacts (from_number, started);
"];

/// The store as the recorder sees it.
pub struct Store {
    records: mpsc::Sender<Contact>,
    /// When the writer has to give up, once it is closing.
    closing: watch::Sender<Option<Instant>>,
    writer: JoinHandle<()>,
    metrics: Metrics,
}

impl Store {
    /// Opens the database, brings it up to this version of the program, and begins to write, on the current runtime.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is no database, or was written by a newer version of the program.
    pub async fn open(folder: &Path, clock: Clock, metrics: Metrics) -> anyhow::Result<Store> {
        Store::open_with(folder, clock, metrics, WAITING_MAX).await
    }

    async fn open_with(folder: &Path, clock: Clock, metrics: Metrics, waiting_max: usize) -> anyhow::Result<Store> {
        let file = file(folder);
        let named = || format!("cannot use the contact records in {}", file.display());
        let mut database = connect(&file).await.with_context(named)?;
        migrate(&mut database, clock).await.with_context(named)?;
        let (records, waiting) = mpsc::channel(waiting_max);
        let (closing, deadline) = watch::channel(None);
        let writer = Writer { file, database: Some(database), waiting, deadline, metrics: metrics.clone() };
        Ok(Store { records, closing, writer: tokio::spawn(writer.run()), metrics })
    }

    /// Never waits. A record that does not fit is logged.
    pub fn keep(&self, contact: Contact) {
        self.metrics.waiting.inc();
        if let Err(error) = self.records.try_send(contact) {
            self.metrics.waiting.dec();
            lost(&self.metrics, &error.into_inner());
        }
    }

    /// Writes what still waits; what the disk has not taken within `limit` is logged.
    pub async fn close(self, limit: Duration) {
        self.closing.send_replace(Some(Instant::now() + limit));
        drop(self.records);
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the writer of contact records failed");
        }
    }
}

/// Where the records are.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("vaxel.db")
}

struct Writer {
    file: PathBuf,
    /// `None` after an error: opened anew, because a broken connection may stay broken.
    database: Option<SqliteConnection>,
    waiting: mpsc::Receiver<Contact>,
    deadline: watch::Receiver<Option<Instant>>,
    metrics: Metrics,
}

impl Writer {
    async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while self.waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut deadline = self.deadline.clone();
            let written = tokio::select! {
                () = self.write_until_it_works(&batch) => true,
                () = passed(&mut deadline) => false,
            };
            for contact in batch.drain(..) {
                self.metrics.waiting.dec();
                if written {
                    self.metrics.written.inc();
                } else {
                    lost(&self.metrics, &contact);
                }
            }
        }
        if let Some(database) = self.database
            && let Err(error) = database.close().await
        {
            tracing::warn!(%error, "the contact records were not closed well");
        }
    }

    async fn write_until_it_works(&mut self, batch: &[Contact]) {
        let mut pause = RETRY;
        loop {
            let began = Stopwatch::now();
            match self.write(batch).await {
                Ok(()) => return self.metrics.batch_seconds.observe(began.elapsed().as_secs_f64()),
                Err(error) => {
                    self.metrics.retries.inc();
                    tracing::error!(%error, records = batch.len(), "contact records cannot be written; trying again");
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    async fn write(&mut self, batch: &[Contact]) -> sqlx::Result<()> {
        // Kept only if all went well.
        let mut database = match self.database.take() {
            Some(database) => database,
            None => connect(&self.file).await?,
        };
        let mut transaction = database.begin().await?;
        for contact in batch {
            insert(&mut transaction, contact).await?;
        }
        transaction.commit().await?;
        self.database = Some(database);
        Ok(())
    }
}

/// Returns when the writer has to give up, which may be never.
async fn passed(deadline: &mut watch::Receiver<Option<Instant>>) {
    match deadline.wait_for(Option::is_some).await.map(|at| *at) {
        Ok(Some(at)) => sleep_until(at).await,
        // The store was dropped without being closed.
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

fn lost(metrics: &Metrics, contact: &Contact) {
    metrics.lost.inc();
    let record = json(contact);
    tracing::error!(%record, "a contact record could not be stored");
}

fn json(contact: &Contact) -> String {
    serde_json::to_string(contact).expect("a record has only plain keys and values")
}

async fn connect(file: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        // Reports may be read while records are written.
        .journal_mode(SqliteJournalMode::Wal)
        // A record that was written is there after a power cut; batches make it cheap.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(5));
    SqliteConnection::connect_with(&options).await
}

async fn migrate(database: &mut SqliteConnection, clock: Clock) -> anyhow::Result<()> {
    raw_sql("CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied TEXT NOT NULL) STRICT")
        .execute(&mut *database)
        .await?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM schema_versions").fetch_one(&mut *database).await?;
    let version = usize::try_from(row.try_get::<i64, _>(0)?).context("the schema version is negative")?;
    if version > MIGRATIONS.len() {
        bail!("they were written by a newer vaxel (schema {version}; this one knows {})", MIGRATIONS.len());
    }
    for (number, migration) in (1_i64..).zip(MIGRATIONS).skip(version) {
        let mut transaction = database.begin().await?;
        raw_sql(migration).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO schema_versions (version, applied) VALUES (?, ?)")
            .bind(number)
            .bind(clock.now().to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}

/// Replaces: a batch may be tried again although its commit succeeded.
const INSERT: &str = "INSERT OR REPLACE INTO contacts (id, started, answered, ended, from_number, to_number, trunk, queue, \
    agent, waited_ms, exit, talk_ms, ended_by, cause, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

async fn insert(database: &mut SqliteConnection, contact: &Contact) -> sqlx::Result<()> {
    let wait = contact.last_wait();
    let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    sqlx::query(INSERT)
        .bind(whole(contact.id.0))
        .bind(contact.started.to_string())
        .bind(contact.answered.map(|at| at.to_string()))
        .bind(contact.ended.to_string())
        .bind(&contact.from)
        .bind(&contact.to)
        .bind(&*contact.trunk)
        .bind(wait.map(|wait| &*wait.queue))
        .bind(contact.talks.last().map(|talk| &*talk.with))
        .bind(whole(contact.waited_ms()))
        .bind(wait.and_then(|wait| wait.exit).map(exit_name))
        .bind(whole(contact.talked_ms()))
        .bind(ender(contact.ended_by))
        .bind(&contact.cause)
        .bind(json(contact))
        .execute(database)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::Exit;
    use crate::edge::metrics::{Metrics as All, Names};
    use crate::edge::testing::Folder;
    use crate::ids::{CallId, EntryId, LegId};
    use crate::record::{CallEvent, EndedBy, Recorder, What};
    use crate::time::Time;

    const LIMIT: Duration = Duration::from_secs(10);

    fn metrics() -> All {
        All::new(Clock::start(), &Names::default())
    }

    fn contact(n: u64) -> Contact {
        let (call, entry, leg) = (CallId(n), EntryId(n), LegId(n));
        let second = Duration::from_secs(1);
        let events = [
            What::CallStarted { call, from: "+46701".into(), to: "100".into(), trunk: "carrier".into() },
            What::CallAnswered { call },
            What::Queued { call, entry, queue: "sales".into(), priority: 0 },
            What::Dequeued {
                call,
                entry,
                queue: "sales".into(),
                exit: Exit::Answered,
                waited: second * 3,
                in_service_level: true,
            },
            What::Connected { call, leg, with: "anna".into() },
            What::Disconnected { call, leg, with: "anna".into(), talked: second * 5 },
            What::CallEnded { call, by: EndedBy::Caller, cause: "hung up".into() },
        ];
        let mut recorder = Recorder::default();
        let at = Time::from_micros(1_795_424_400_123_456);
        let mut record = None;
        for what in events {
            record = recorder.apply(&CallEvent { at, what });
        }
        record.expect("the call ended")
    }

    async fn open(folder: &Folder, metrics: &All) -> anyhow::Result<Store> {
        Store::open(folder.path(), Clock::start(), metrics.store.clone()).await
    }

    async fn rows(folder: &Folder) -> Vec<sqlx::sqlite::SqliteRow> {
        let mut database = connect(&file(folder.path())).await.unwrap();
        sqlx::query("SELECT * FROM contacts ORDER BY id").fetch_all(&mut database).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_kept_is_there_after_the_next_start() {
        let (folder, metrics) = (Folder::new(), metrics());
        let store = open(&folder, &metrics).await.unwrap();
        for n in [1, 2, 3] {
            store.keep(contact(n));
        }
        store.close(LIMIT).await;
        let store = open(&folder, &metrics).await.unwrap();
        // Once more: replaced, not doubled.
        store.keep(contact(3));
        store.keep(contact(4));
        store.close(LIMIT).await;
        let rows = rows(&folder).await;
        assert_eq!(rows.len(), 4);
        let text = |column: &str| rows[0].get::<String, _>(column);
        assert_eq!(text("started"), "2026-11-23T09:00:00.123Z");
        assert_eq!((text("from_number"), text("to_number")), ("+46701".into(), "100".into()));
        assert_eq!((text("queue"), text("agent"), text("exit")), ("sales".into(), "anna".into(), "answered".into()));
        assert_eq!((rows[0].get::<i64, _>("waited_ms"), rows[0].get::<i64, _>("talk_ms")), (3_000, 5_000));
        assert_eq!((text("ended_by"), text("cause")), ("caller".into(), "hung up".into()));
        assert_eq!(serde_json::from_str::<Contact>(&text("record")).unwrap(), contact(1));
        assert_eq!((metrics.store.written.get(), metrics.store.waiting.get()), (5, 0));
    }

    #[tokio::test]
    async fn a_disk_that_refuses_is_tried_again() {
        let (folder, metrics) = (Folder::new(), metrics());
        let store = open(&folder, &metrics).await.unwrap();
        let mut other = connect(&file(folder.path())).await.unwrap();
        raw_sql("ALTER TABLE contacts RENAME TO away").execute(&mut other).await.unwrap();
        store.keep(contact(1));
        let began = Stopwatch::now();
        while metrics.store.retries.get() == 0 {
            assert!(began.elapsed() < LIMIT);
            sleep(Duration::from_millis(5)).await;
        }
        raw_sql("ALTER TABLE away RENAME TO contacts").execute(&mut other).await.unwrap();
        store.close(LIMIT).await;
        assert_eq!(rows(&folder).await.len(), 1);
        assert_eq!((metrics.store.written.get(), metrics.store.lost.get()), (1, 0));
    }

    #[tokio::test]
    async fn closing_ends_although_the_disk_refuses() {
        let (folder, metrics) = (Folder::new(), metrics());
        let store = open(&folder, &metrics).await.unwrap();
        let mut other = connect(&file(folder.path())).await.unwrap();
        raw_sql("DROP TABLE contacts").execute(&mut other).await.unwrap();
        store.keep(contact(1));
        store.keep(contact(2));
        tokio::time::timeout(LIMIT, store.close(Duration::from_millis(50))).await.unwrap();
        assert_eq!((metrics.store.written.get(), metrics.store.lost.get(), metrics.store.waiting.get()), (0, 2, 0));
    }

    #[tokio::test]
    async fn a_record_that_finds_the_queue_full_is_counted_as_lost() {
        let (folder, metrics) = (Folder::new(), metrics());
        let store = Store::open_with(folder.path(), Clock::start(), metrics.store.clone(), 2).await.unwrap();
        // The writer has no turn before the first await.
        for n in 1..=5 {
            store.keep(contact(n));
        }
        assert_eq!((metrics.store.lost.get(), metrics.store.waiting.get()), (3, 2));
        store.close(LIMIT).await;
        assert_eq!(metrics.store.written.get(), 2);
    }

    #[tokio::test]
    async fn records_of_a_newer_version_are_left_alone() {
        let (folder, metrics) = (Folder::new(), metrics());
        open(&folder, &metrics).await.unwrap().close(LIMIT).await;
        let mut other = connect(&file(folder.path())).await.unwrap();
        raw_sql("INSERT INTO schema_versions VALUES (99, '')").execute(&mut other).await.unwrap();
        let error = open(&folder, &metrics).await.err().unwrap();
        assert!(format!("{error:#}").contains("newer vaxel (schema 99"), "{error:#}");
    }

    #[tokio::test]
    async fn what_is_no_database_is_named() {
        let (folder, metrics) = (Folder::new(), metrics());
        std::fs::write(file(folder.path()), "not a database, but long enough to be looked at".repeat(100)).unwrap();
        let error = open(&folder, &metrics).await.err().unwrap();
        assert!(format!("{error:#}").contains("vaxel.db"), "{error:#}");
    }
}
