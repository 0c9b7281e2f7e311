//! Contact records in SQLite: `vaxel.db` in the data folder.
//!
//! Call handling never waits for the disk: records stand in a bounded queue before one writer task, which takes as many
//! as there are into one transaction and tries again for as long as the disk refuses. What waits meanwhile stands in a file
//! with room of its own (`held`), so a disk that is full makes the next start forget nothing. A record that finds the queue
//! full is written to the log as JSON and counted, so nothing is lost in silence.
//!
//! A call that is up has a row in `open_calls`, with what is known of it; and once in a while the time is written. At
//! the next start, rows that are still there are of calls that were up when the service was killed or lost its power:
//! they become contact records that say so. Which calls have a row is the recorder's business.
//!
//! `registrations` has who could be reached where, so that the next run need not wait for the phones, and `places` where DNS
//! last said that trunks are, in case it says nothing then. `tolls` has what agents and trunks have used up of their caps: a
//! restart gives none of it back.

mod held;
mod latest;
mod places;
mod reading;
mod registrations;
mod tolls;
mod writer;

pub use latest::{Asked, Call, contacts};
pub use places::{Keeper, Kept};

use super::Clock;
use super::metrics::{Store as Metrics, ender, exit_name};
use super::throttle::Throttle;
use crate::engine::tolls::{Spent, Toll};
use crate::ids::CallId;
use crate::record::Contact;
use crate::sip::registrar::{self, Binding, Name, Saved};
use crate::time::{Duration, Time};
use anyhow::{Context, bail};
use held::Held;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row as _, raw_sql};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use writer::Writer;

/// Records, of calls that are over or up, that may wait for the disk.
const WAITING_MAX: usize = 10_000;

/// Lost registrations are said in the log no more often than this.
const LOSSES: Duration = Duration::from_secs(10);

/// What brings a database from the version of its place in this list to the next. Only ever added to.
const MIGRATIONS: [&str; 5] = [
    "
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
",
    // `alive` has one row at most, its time in microseconds.
    "
    CREATE TABLE open_calls (id INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT;
    CREATE TABLE alive (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
",
    "
    CREATE TABLE registrations (
        user TEXT NOT NULL, contact TEXT NOT NULL, binding TEXT NOT NULL, PRIMARY KEY (user, contact)
    ) STRICT;
",
    "
    CREATE TABLE places (
        trunk TEXT PRIMARY KEY, destination TEXT NOT NULL, places TEXT NOT NULL, since INTEGER NOT NULL
    ) STRICT;
",
    // `what` is `call` (made `at`), `talk` (up since `at`) or `day` (talked for so long, in microseconds, since midnight `at`).
    "
    CREATE TABLE tolls (
        payer TEXT NOT NULL, what TEXT NOT NULL, at INTEGER NOT NULL, id INTEGER NOT NULL, talked INTEGER NOT NULL,
        PRIMARY KEY (payer, what, at, id)
    ) STRICT;
",
];

/// The store as the recorder sees it.
pub struct Store {
    rows: mpsc::Sender<Row>,
    /// When the writer has to give up, once it is closing.
    closing: watch::Sender<Option<Instant>>,
    writer: JoinHandle<()>,
    metrics: Metrics,
    /// As they were at the start.
    registrations: Vec<Binding>,
    places: Vec<Kept>,
    tolls: Vec<Spent>,
    tasks: Vec<Contact>,
    clock: Clock,
    /// Of registrations and calls, which phones can cause.
    losses: Throttle,
}

/// What is to be written.
#[derive(Debug, Serialize, Deserialize)]
enum Row {
    /// Of a call that is up.
    Open(Box<Contact>),
    /// Of a call that is over.
    Done(Box<Contact>),
    /// Of a phone that can be reached also after a restart; without a binding, of one that cannot.
    Registration(Box<(Name, Option<Saved>)>),
    /// Where a trunk is. Not held: DNS says it again.
    #[serde(skip)]
    Places(Box<Kept>),
    /// What somebody has used up.
    Toll(Box<Toll>),
    /// What all had used up at this start; all else that is known of it is of the runs before.
    Tolls(Box<(Time, Vec<Spent>)>),
    /// Nothing but the time, which is written with everything.
    Alive,
}

impl Row {
    fn call(&self) -> Option<CallId> {
        match self {
            Row::Open(contact) | Row::Done(contact) => Some(contact.id),
            Row::Registration(_) | Row::Places(_) | Row::Toll(_) | Row::Tolls(_) | Row::Alive => None,
        }
    }

    /// Whether it is held while the disk refuses.
    fn outlives(&self) -> bool {
        !matches!(self, Row::Places(_))
    }
}

impl Store {
    /// Opens the database, brings it up to this version of the program, and begins to write, on the current runtime.
    /// Calls that were up when the service last stopped get their records.
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
        // A transaction that is not committed needs no disk.
        raw_sql("PRAGMA cache_spill = OFF").execute(&mut database).await.with_context(named)?;
        migrate(&mut database, clock).await.with_context(named)?;
        let held_named = || format!("cannot use {}", held::file(&file).display());
        let (held, mut refused, alive) = Held::open(&file).with_context(held_named)?;
        // All in one transaction, which a full disk may not take: it is known all the same, and tried again.
        let mut transaction = database.begin().await.with_context(named)?;
        if !refused.is_empty() {
            insert_all(&mut transaction, &refused).await.with_context(held_named)?;
            let alive = alive.max(last_alive(&mut transaction).await.with_context(named)?);
            insert_time(&mut transaction, alive).await.with_context(named)?;
        }
        let now = clock.now();
        let (tasks, calls) = open_contacts(&mut transaction).await.with_context(named)?;
        let registrations = registrations::read(&mut transaction, now).await.with_context(named)?;
        let places = places::read(&mut transaction, now).await.with_context(named)?;
        let tolls = tolls::read(&mut transaction, now).await.with_context(named)?;
        tolls::settle(&mut transaction, now, &tolls).await.with_context(named)?;
        let taken = transaction.commit().await;
        let in_file = refused.len();
        metrics.reserve.set(i64::try_from(held.room()).unwrap_or(i64::MAX));
        let records = refused.iter().filter(|row| matches!(row, Row::Done(_))).count();
        let database = match taken {
            Ok(()) => {
                refused.clear();
                Some(database)
            }
            Err(error) => {
                tracing::error!(%error, rows = in_file, "what the last run left to be written cannot be written yet");
                metrics.waiting.add(i64::try_from(records).unwrap_or(i64::MAX));
                refused.push(Row::Tolls(Box::new((now, tolls.clone()))));
                None
            }
        };
        let (rows, waiting) = mpsc::channel(waiting_max);
        let (closing, deadline) = watch::channel(None);
        let held = Some(held);
        let metrics_ = metrics.clone();
        let writer = Writer {
            file,
            database,
            held,
            in_file,
            waiting,
            deadline,
            clock,
            metrics: metrics_,
            room: now,
            has_given_up: false,
        };
        let (writer, losses) = (tokio::spawn(writer.run(refused)), Throttle::new(LOSSES));
        let store = Store { rows, closing, writer, metrics, registrations, places, tolls, tasks, clock, losses };
        if !calls.is_empty() {
            tracing::warn!(calls = calls.len(), "calls were up when the service stopped; their records say so");
        }
        calls.into_iter().for_each(|contact| store.keep(contact));
        Ok(store)
    }

    /// What is known of a call that is up, in case this process does not live to its end. Never waits. False: too much
    /// waits for the disk already, and records of calls that are over go first.
    pub fn note(&self, contact: &Contact) -> bool {
        let room = self.rows.capacity() > self.rows.max_capacity() / 2;
        room && self.rows.try_send(Row::Open(Box::new(contact.clone()))).is_ok()
    }

    /// Who could be reached where when the service last stopped. Empty the second time.
    pub fn registrations(&mut self) -> Vec<Binding> {
        std::mem::take(&mut self.registrations)
    }

    /// Where DNS said that trunks are when the service last ran. Empty the second time.
    pub fn places(&mut self) -> Vec<Kept> {
        std::mem::take(&mut self.places)
    }

    /// What agents and trunks had used up of their caps when the service last stopped. Empty the second time.
    pub fn tolls(&mut self) -> Vec<Spent> {
        std::mem::take(&mut self.tolls)
    }

    /// Records of tasks that were not done when the service last stopped. Empty the second time.
    pub fn tasks(&mut self) -> Vec<Contact> {
        std::mem::take(&mut self.tasks)
    }

    /// Keeps what was used up. Never waits.
    pub fn toll(&self, toll: Box<Toll>) {
        if self.rows.try_send(Row::Toll(toll)).is_err() {
            self.metrics.tolls_lost.inc();
            if let Some(held_back) = self.losses.pass(self.clock.now()) {
                tracing::warn!(held_back, "the disk is too slow: what a call uses up is not kept for the next start");
            }
        }
    }

    /// For whoever asks DNS.
    pub fn keeper(&self) -> Keeper {
        Keeper(self.rows.downgrade())
    }

    /// Keeps who can be reached where. Never waits.
    pub fn registration(&self, change: &registrar::Change) {
        let row = match change {
            registrar::Change::Added(binding) | registrar::Change::Refreshed(binding, _) => {
                (binding.name(), binding.save())
            }
            registrar::Change::Removed(binding) => (binding.name(), None),
        };
        if self.rows.try_send(Row::Registration(Box::new(row))).is_err() {
            self.metrics.registrations_lost.inc();
            if let Some(held_back) = self.losses.pass(self.clock.now()) {
                tracing::warn!(held_back, "the disk is too slow: a registration is not kept for the next start");
            }
        }
    }

    /// Has the time written. Never waits.
    pub fn alive(&self) {
        if self.rows.try_send(Row::Alive).is_err() {
            tracing::debug!("the disk is too slow to be told the time");
        }
    }

    /// Never waits. A record that does not fit is logged.
    pub fn keep(&self, contact: Contact) {
        self.metrics.waiting.inc();
        if let Err(error) = self.rows.try_send(Row::Done(Box::new(contact))) {
            self.metrics.waiting.dec();
            if let Row::Done(contact) = error.into_inner() {
                lost(&self.metrics, &contact);
            }
        }
    }

    /// Writes what still waits; what the disk has not taken within `limit` is logged.
    pub async fn close(self, limit: Duration) {
        self.closing.send_replace(Some(Instant::now() + limit));
        drop(self.rows);
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the writer of contact records failed");
        }
    }
}

/// Where the records are.
pub fn file(folder: &Path) -> PathBuf {
    folder.join("vaxel.db")
}

async fn insert_all(database: &mut SqliteConnection, rows: &[Row]) -> sqlx::Result<()> {
    // Of several rows of one call only the last counts.
    let last: HashMap<_, _> = rows.iter().enumerate().map(|(n, row)| (row.call(), n)).collect();
    for (n, row) in rows.iter().enumerate() {
        match row {
            Row::Done(contact) => insert(database, contact).await?,
            Row::Open(contact) if last[&row.call()] == n => insert_open(database, contact).await?,
            Row::Registration(row) => registrations::insert(database, &row.0, row.1.as_ref()).await?,
            Row::Places(kept) => places::insert(database, kept).await?,
            Row::Toll(toll) => tolls::insert(database, toll).await?,
            Row::Tolls(all) => tolls::settle(database, all.0, &all.1).await?,
            Row::Open(_) | Row::Alive => {}
        }
    }
    Ok(())
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
    migrate_by(&MIGRATIONS, database, clock).await
}

async fn migrate_by(migrations: &[&'static str], database: &mut SqliteConnection, clock: Clock) -> anyhow::Result<()> {
    raw_sql("CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied TEXT NOT NULL) STRICT")
        .execute(&mut *database)
        .await?;
    let row = sqlx::query("SELECT COALESCE(MAX(version), 0) FROM schema_versions").fetch_one(&mut *database).await?;
    let version = usize::try_from(row.try_get::<i64, _>(0)?).context("the schema version is negative")?;
    if version > migrations.len() {
        bail!("they were written by a newer vaxel (schema {version}; this one knows {})", migrations.len());
    }
    for (number, migration) in (1_i64..).zip(migrations).skip(version) {
        let mut transaction = database.begin().await?;
        raw_sql(*migration).execute(&mut *transaction).await?;
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

/// The record of a call that is over, which is no open call any more.
async fn insert(database: &mut SqliteConnection, contact: &Contact) -> sqlx::Result<()> {
    let wait = contact.last_wait();
    sqlx::query(INSERT)
        .bind(whole(contact.id.0))
        .bind(contact.started.to_string())
        .bind(contact.answered.map(|at| at.to_string()))
        .bind(contact.ended.to_string())
        .bind(&contact.from)
        .bind(&contact.to)
        .bind(&*contact.trunk)
        .bind(wait.map(|wait| &*wait.queue))
        .bind(contact.served_by())
        .bind(whole(contact.waited_ms()))
        .bind(wait.and_then(|wait| wait.exit).map(exit_name))
        .bind(whole(contact.talked_ms()))
        .bind(ender(contact.ended_by))
        .bind(&contact.cause)
        .bind(json(contact))
        .execute(&mut *database)
        .await?;
    sqlx::query("DELETE FROM open_calls WHERE id = ?").bind(whole(contact.id.0)).execute(database).await?;
    Ok(())
}

async fn insert_open(database: &mut SqliteConnection, contact: &Contact) -> sqlx::Result<()> {
    sqlx::query("INSERT OR REPLACE INTO open_calls (id, record) VALUES (?, ?)")
        .bind(whole(contact.id.0))
        .bind(json(contact))
        .execute(database)
        .await?;
    Ok(())
}

async fn insert_time(database: &mut SqliteConnection, now: Time) -> sqlx::Result<()> {
    sqlx::query("INSERT OR REPLACE INTO alive (id, at) VALUES (1, ?)")
        .bind(whole(now.as_micros()))
        .execute(database)
        .await?;
    Ok(())
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// When the service last wrote anything.
async fn last_alive(database: &mut SqliteConnection) -> sqlx::Result<Time> {
    let alive = sqlx::query("SELECT at FROM alive").fetch_optional(&mut *database).await?;
    let alive = alive.map(|row| row.try_get::<i64, _>(0)).transpose()?;
    Ok(Time::from_micros(alive.and_then(|at| u64::try_from(at).ok()).unwrap_or(0)))
}

/// The records of tasks that were not done, and of calls that were up, when the service last wrote anything. Their rows go when the
/// records are written.
async fn open_contacts(database: &mut SqliteConnection) -> sqlx::Result<(Vec<Contact>, Vec<Contact>)> {
    let alive = last_alive(&mut *database).await?;
    let rows = sqlx::query("SELECT record FROM open_calls ORDER BY id").fetch_all(database).await?;
    let mut contacts = Vec::with_capacity(rows.len());
    for row in rows {
        let record: String = row.try_get(0)?;
        match serde_json::from_str::<Contact>(&record) {
            Ok(mut contact) => {
                if contact.task.is_none() {
                    contact.interrupt(alive);
                }
                contacts.push(contact);
            }
            Err(error) => tracing::error!(%error, record, "the record of a call that was up cannot be read; it stays"),
        }
    }
    Ok(contacts.into_iter().partition(|contact| contact.task.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acd::Exit;
    use crate::edge::metrics::{Metrics as All, Names};
    use crate::edge::testing::Folder;
    use crate::engine::tolls::Used;
    use crate::ids::{CallId, EntryId, LegId};
    use crate::record::{CallEvent, EndedBy, Recorder, What};
    use crate::time::Time;
    use std::time::Instant as Stopwatch;
    use tokio::time::sleep;
    use writer::GATHER;

    const LIMIT: Duration = Duration::from_secs(10);

    fn metrics() -> All {
        All::new(Clock::start(), &Names::default())
    }

    /// The events of a call that was answered, waited, talked and ended.
    fn story(n: u64) -> impl Iterator<Item = CallEvent> {
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
        let began = Time::from_micros(1_795_424_400_123_456);
        let at = move |what: &What| match what {
            What::CallStarted { .. } | What::CallAnswered { .. } | What::Queued { .. } => began,
            _ => began + second * 3,
        };
        events.into_iter().map(move |what| CallEvent { at: at(&what), what })
    }

    fn contact(n: u64) -> Contact {
        let mut recorder = Recorder::default();
        story(n).filter_map(|event| recorder.apply(&event)).last().expect("the call ended")
    }

    /// As it is known after so many events.
    fn open_call(n: u64, events: usize) -> Contact {
        let mut recorder = Recorder::default();
        assert!(story(n).take(events).all(|event| recorder.apply(&event).is_none()));
        recorder.get(CallId(n)).expect("it is up").clone()
    }

    async fn open_calls(folder: &Folder) -> Vec<i64> {
        let mut database = connect(&file(folder.path())).await.unwrap();
        let rows = sqlx::query("SELECT id FROM open_calls ORDER BY id").fetch_all(&mut database).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn open(folder: &Folder, metrics: &All) -> anyhow::Result<Store> {
        Store::open(folder.path(), Clock::start(), metrics.store.clone()).await
    }

    async fn rows(folder: &Folder) -> Vec<sqlx::sqlite::SqliteRow> {
        let mut database = connect(&file(folder.path())).await.unwrap();
        sqlx::query("SELECT * FROM contacts ORDER BY id").fetch_all(&mut database).await.unwrap()
    }

    #[test]
    fn the_calls_of_a_number_are_found_however_it_is_written_and_those_that_are_up_first() {
        let (folder, metrics) = (Folder::new(), metrics());
        let asked = |asked, most| super::contacts(folder.path(), asked, most);
        let error = format!("{:#}", asked(Asked::From("1"), 1).unwrap_err());
        assert!(error.contains("vaxel.db"), "{error}");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = open(&folder, &metrics).await.unwrap();
            for (n, from) in [(1, "+46701234567"), (3, "+46701234567"), (5, "+46701114567"), (6, "anna")] {
                store.keep(Contact { from: from.into(), ..contact(n) });
            }
            for (n, from) in [(2, "+46701114567"), (4, "+46701114567")] {
                assert!(store.note(&Contact { from: from.into(), ..open_call(n, 1) }));
            }
            store.close(LIMIT).await;
        });
        let found = |from, most| {
            let found = asked(Asked::From(from), most).unwrap();
            let calls = found.calls.iter().map(|call| (call.contact.id.0, call.is_up));
            (calls.collect::<Vec<_>>(), found.more)
        };
        for from in ["+46701234567", "0701-23 45 67", "0046701234567"] {
            assert_eq!(found(from, 2), (vec![(3, false), (1, false)], false), "{from}");
            assert_eq!(found(from, 1), (vec![(3, false)], true), "{from}");
        }
        assert_eq!(found("+46701114567", 9), (vec![(4, true), (2, true), (5, false)], false));
        assert_eq!(found("+46701114567", 1), (vec![(4, true)], true));
        assert_eq!(found("anna", 9).0, [(6, false)]);
        assert_eq!(["4567", ""].map(|from| found(from, 9).0.len()), [0, 0]);
        let call = |id| asked(Asked::Call(CallId(id)), 1).unwrap().calls.pop().map(|call| call.contact.from);
        assert_eq!((call(5), call(2), call(7)), (Some("+46701114567".into()), call(5), None));
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
    async fn calls_that_were_up_when_it_stopped_get_their_records_at_the_next_start() {
        let (folder, metrics) = (Folder::new(), metrics());
        let store = open(&folder, &metrics).await.unwrap();
        assert!(store.note(&open_call(1, 3)) && store.note(&open_call(2, 1)) && store.note(&open_call(3, 5)));
        assert!(store.note(&open_call(2, 3)));
        // This one ends in time.
        store.keep(contact(3));
        store.close(LIMIT).await;
        assert_eq!(open_calls(&folder).await, [1, 2]);
        assert_eq!(rows(&folder).await.len(), 1, "nobody takes an open call for a record");
        let alive = Time::from_micros(1_795_424_400_123_456) + Duration::from_secs(7);
        insert_time(&mut connect(&file(folder.path())).await.unwrap(), alive).await.unwrap();

        open(&folder, &metrics).await.unwrap().close(LIMIT).await;
        assert_eq!(open_calls(&folder).await, Vec::<i64>::new());
        let rows = rows(&folder).await;
        assert_eq!(rows.len(), 3);
        for row in &rows[..2] {
            let text = |column: &str| row.get::<String, _>(column);
            assert_eq!((text("ended_by"), text("exit")), ("system_fault".into(), "system_fault".into()));
            assert_eq!(text("cause"), "the service stopped while the call was up");
            assert_eq!((text("ended"), row.get::<i64, _>("waited_ms")), ("2026-11-23T09:00:07.123Z".into(), 7_000));
        }
        assert_eq!(rows[2].get::<String, _>("ended_by"), "caller");
    }

    #[tokio::test]
    async fn records_of_calls_that_are_over_go_before_those_of_calls_that_are_up() {
        let (folder, metrics) = (Folder::new(), metrics());
        let store = Store::open_with(folder.path(), Clock::start(), metrics.store.clone(), 4).await.unwrap();
        // The writer has no turn before the first await.
        let noted = (1..=4).filter(|n| store.note(&open_call(*n, 1))).count();
        assert_eq!(noted, 2);
        store.keep(contact(5));
        store.keep(contact(6));
        store.close(LIMIT).await;
        assert_eq!((metrics.store.written.get(), metrics.store.lost.get()), (2, 0));
    }

    #[tokio::test]
    async fn records_of_the_former_version_are_kept_and_written_on() {
        let (folder, metrics) = (Folder::new(), metrics());
        let mut former = connect(&file(folder.path())).await.unwrap();
        migrate_by(&MIGRATIONS[..1], &mut former, Clock::start()).await.unwrap();
        let of_then = "INSERT INTO contacts VALUES (1, '2026-11-22T09:00:00.000Z', NULL, '2026-11-22T09:00:09.000Z', \
            '+46701', '100', 'carrier', NULL, NULL, 0, NULL, 0, 'caller', 'hung up', '{}')";
        raw_sql(of_then).execute(&mut former).await.unwrap();
        former.close().await.unwrap();
        let store = open(&folder, &metrics).await.unwrap();
        store.keep(contact(2));
        assert!(store.note(&open_call(3, 2)));
        store.close(LIMIT).await;
        let ids: Vec<i64> = rows(&folder).await.iter().map(|row| row.get("id")).collect();
        assert_eq!((ids, open_calls(&folder).await), (vec![1, 2], vec![3]));
        let mut database = connect(&file(folder.path())).await.unwrap();
        let versions = sqlx::query("SELECT version FROM schema_versions").fetch_all(&mut database).await.unwrap();
        let versions: Vec<i64> = versions.iter().map(|row| row.get(0)).collect();
        assert_eq!(versions, (1..=MIGRATIONS.len() as i64).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn records_that_come_one_by_one_share_transactions() {
        let (folder, metrics) = (Folder::new(), metrics());
        let store = open(&folder, &metrics).await.unwrap();
        let began = Stopwatch::now();
        for n in 1..=100 {
            store.keep(contact(n));
            sleep(Duration::from_millis(2)).await;
        }
        store.close(LIMIT).await;
        let rests = began.elapsed().as_millis() / GATHER.as_millis();
        let transactions = metrics.store.batch_seconds.get_sample_count();
        assert!(u128::from(transactions) <= rests + 2, "{transactions} transactions, {rests} rests");
        assert_eq!(metrics.store.written.get(), 100);
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
        let counts = || (metrics.store.written.get(), metrics.store.lost.get(), metrics.store.waiting.get());
        assert_eq!(counts(), (0, 0, 0), "they are held for the next start");
        raw_sql(MIGRATIONS[0]).execute(&mut other).await.unwrap();
        open(&folder, &metrics).await.unwrap().close(LIMIT).await;
        assert_eq!((rows(&folder).await.len(), counts()), (2, (0, 0, 0)));
        // Nothing is held of what was written.
        raw_sql("DELETE FROM contacts").execute(&mut other).await.unwrap();
        open(&folder, &metrics).await.unwrap().close(LIMIT).await;
        assert_eq!(rows(&folder).await.len(), 0);
    }

    /// Neither the database nor the file beside it takes anything.
    #[tokio::test]
    async fn what_cannot_be_held_either_is_logged_and_counted_at_the_end() {
        let (folder, metrics) = (Folder::new(), metrics());
        std::os::unix::fs::symlink("/dev/full", held::file(&file(folder.path()))).unwrap();
        let store = open(&folder, &metrics).await.unwrap();
        let mut other = connect(&file(folder.path())).await.unwrap();
        raw_sql("DROP TABLE contacts").execute(&mut other).await.unwrap();
        store.keep(contact(1));
        store.keep(contact(2));
        tokio::time::timeout(LIMIT, store.close(Duration::from_millis(50))).await.unwrap();
        assert_eq!((metrics.store.written.get(), metrics.store.lost.get(), metrics.store.waiting.get()), (0, 2, 0));
    }

    /// As after `kill -9`: what was held is known to the next start, also where the database still refuses.
    #[tokio::test]
    async fn what_is_held_is_known_at_the_next_start_whether_the_database_takes_it_or_not() {
        let (folder, metrics) = (Folder::new(), metrics());
        let now = Clock::start().now();
        open(&folder, &metrics).await.unwrap().close(LIMIT).await;
        let hold = |rows: &[Row]| {
            let (mut held, ..) = Held::open_with(&file(folder.path()), 0).unwrap();
            let lines = held.lines(now, rows).unwrap();
            held.add(&lines).unwrap();
        };
        let midnight = crate::engine::tolls::midnight(now);
        let talked = Used::Talked { leg: LegId(1), since: midnight, midnight, sum: Duration::from_secs(60) };
        hold(&[Row::Done(Box::new(contact(1))), Row::Open(Box::new(open_call(2, 3)))]);
        hold(&[Row::Alive, Row::Toll(Box::new(Toll { payer: "anna".into(), used: talked }))]);
        // A transaction that is refused at its end: the constraint is looked at then.
        let mut other = connect(&file(folder.path())).await.unwrap();
        let is_full = "CREATE TABLE none (id INTEGER PRIMARY KEY) STRICT;
            CREATE TABLE fault (id INTEGER REFERENCES none (id) DEFERRABLE INITIALLY DEFERRED) STRICT;
            CREATE TRIGGER full AFTER INSERT ON contacts BEGIN INSERT INTO fault VALUES (1); END";
        raw_sql(is_full).execute(&mut other).await.unwrap();
        for _ in 0..2 {
            let mut store = open(&folder, &metrics).await.unwrap();
            let tolls = store.tolls();
            assert_eq!((tolls.len(), tolls[0].talked), (1, Duration::from_secs(60)));
            assert_eq!((open_calls(&folder).await, rows(&folder).await.len()), (vec![], 0), "nothing is written");
            store.close(Duration::ZERO).await;
        }
        raw_sql("DROP TRIGGER full").execute(&mut other).await.unwrap();
        open(&folder, &metrics).await.unwrap().close(LIMIT).await;
        let rows = rows(&folder).await;
        assert_eq!((rows.len(), open_calls(&folder).await), (2, vec![]));
        assert_eq!(rows[1].get::<String, _>("ended_by"), "system_fault");
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
