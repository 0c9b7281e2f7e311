//! The task that writes: what it takes from the queue stands in the database, or in the file beside it, before it takes more for long.

use super::held::{self, Held};
use super::{Row, connect, insert_all, insert_time, lost};
use crate::edge::Clock;
use crate::edge::metrics::Store as Metrics;
use crate::time::{Duration, Time};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use std::io;
use std::path::PathBuf;
use std::time::Instant as Stopwatch;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

/// Records in one transaction; more, if the disk refused them before.
const BATCH_MAX: usize = 500;

/// Rows that are taken from the queue while the disk refuses.
const REFUSED_MAX: usize = 10_000;

/// Rest after each transaction that was not full, so that the next has more records: with one for each record, they would
/// be a quarter of a call's CPU time. What comes meanwhile is lost if the process is killed.
pub(super) const GATHER: Duration = Duration::from_millis(20);

/// Between two tries at a disk that refuses; doubled up to the second.
const RETRY: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A full disk is asked so often whether it has room again.
const ROOM_AGAIN: Duration = Duration::from_secs(5);

/// See [`super`].
pub(super) struct Writer {
    pub file: PathBuf,
    /// `None` after an error: opened anew, because a broken connection may stay broken.
    pub database: Option<SqliteConnection>,
    /// `None`: it cannot be written, or is just now.
    pub held: Option<Held>,
    /// So many of the rows that are to be written stand in `held`, the first ones.
    pub in_file: usize,
    pub waiting: mpsc::Receiver<Row>,
    pub deadline: watch::Receiver<Option<Instant>>,
    pub clock: Clock,
    pub metrics: Metrics,
    /// It has not taken all that it should.
    pub has_given_up: bool,
    /// When it is next to be given room, if it lacks any.
    pub room: Time,
}

impl Writer {
    /// `rows`: those that the last run left, of which the first stand in `held`.
    pub(super) async fn run(mut self, mut rows: Vec<Row>) {
        if self.in_file > 0 && rows.is_empty() {
            self.let_go().await;
        }
        // When it has to end: what stands in the file then is for the next start.
        let mut has_left_some = false;
        while !rows.is_empty() || self.waiting.recv_many(&mut rows, BATCH_MAX).await > 0 {
            let mut deadline = self.deadline.clone();
            let written = tokio::select! {
                () = self.write_until_it_works(&mut rows) => true,
                () = passed(&mut deadline) => false,
            };
            let was_full = rows.len() >= BATCH_MAX;
            let kept = if written { rows.len() } else { self.in_file };
            for (n, row) in rows.drain(..).enumerate() {
                let kept = n < kept;
                let contact = match row {
                    Row::Done(contact) => contact,
                    Row::Registration(_) if !kept => {
                        self.metrics.registrations_lost.inc();
                        continue;
                    }
                    Row::Toll(_) if !kept => {
                        self.metrics.tolls_lost.inc();
                        continue;
                    }
                    _ => continue,
                };
                self.metrics.waiting.dec();
                match written {
                    true => self.metrics.written.inc(),
                    false if kept => {}
                    false => lost(&self.metrics, &contact),
                }
            }
            if written && !has_left_some {
                self.let_go().await;
            } else if kept > 0 && !written {
                (has_left_some, self.in_file) = (true, 0);
                tracing::warn!(rows = kept, "what was not written to the database is written by the next start");
            }
            if !was_full && !self.waiting.is_closed() {
                sleep(GATHER).await;
            }
        }
        if let Some(database) = self.database
            && let Err(error) = database.close().await
        {
            tracing::warn!(%error, "the contact records were not closed well");
        }
    }

    /// `rows` grows while the disk refuses.
    async fn write_until_it_works(&mut self, rows: &mut Vec<Row>) {
        let mut pause = RETRY;
        loop {
            let began = Stopwatch::now();
            match self.write(rows).await {
                Ok(()) => return self.metrics.batch_seconds.observe(began.elapsed().as_secs_f64()),
                Err(error) => {
                    self.metrics.retries.inc();
                    tracing::error!(%error, rows = rows.len(), "contact records cannot be written; trying again");
                }
            }
            let again = Instant::now() + pause;
            self.hold(rows).await;
            while rows.len() < REFUSED_MAX && !self.waiting.is_closed() {
                tokio::select! {
                    taken = self.waiting.recv_many(rows, BATCH_MAX) => if taken == 0 { break },
                    () = sleep_until(again) => break,
                }
                self.hold(rows).await;
                sleep(GATHER).await;
            }
            sleep_until(again).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    /// Has those of the rows that do not yet stand in the file written to it, so that they outlive this process.
    async fn hold(&mut self, rows: &[Row]) {
        if self.has_given_up || self.in_file >= rows.len() {
            return;
        }
        let Some(mut held) = self.held.take() else { return };
        let added = match held.lines(self.clock.now(), &rows[self.in_file..]) {
            Ok(lines) => self.on_disk(held, move |held| held.add(&lines)).await,
            Err(error) => Err(error.into()),
        };
        match added {
            Ok(()) => self.in_file = rows.len(),
            // It is not tried again before the database has taken what stands there: rows are kept in their order, or not at all.
            Err(error) => {
                self.has_given_up = true;
                tracing::error!(%error, "what cannot be written from now on is lost if the service is killed before it can");
            }
        }
    }

    /// All that stands in the file was written to the database, or is known to be lost.
    async fn let_go(&mut self) {
        let lacks_room = self.held.as_ref().is_some_and(Held::lacks_room) && self.room <= self.clock.now();
        if self.in_file == 0 && !self.has_given_up && !lacks_room {
            return;
        }
        let held = match self.held.take() {
            Some(held) => Ok(held),
            None => Held::open(&self.file).map(|(held, ..)| held),
        };
        self.room = self.clock.now() + ROOM_AGAIN;
        let cleared = match held {
            Ok(held) => {
                let clear = |held: &mut Held| {
                    held.clear()?;
                    // A file system that cannot keep room may still have some.
                    drop(held.make_room());
                    Ok(())
                };
                self.on_disk(held, clear).await
            }
            Err(error) => Err(error),
        };
        self.has_given_up = cleared.is_err();
        match cleared {
            Ok(()) => self.in_file = 0,
            Err(error) => tracing::error!(%error, "{} cannot be cleared", held::file(&self.file).display()),
        }
    }

    /// The disk may take its time, and nobody else's.
    async fn on_disk(
        &mut self,
        mut held: Held,
        does: impl FnOnce(&mut Held) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let done = spawn_blocking(move || {
            let done = does(&mut held);
            (held, done)
        });
        let (held, done) = done.await.map_err(io::Error::other)?;
        self.metrics.reserve.set(i64::try_from(held.room()).unwrap_or(i64::MAX));
        self.held = Some(held);
        done
    }

    async fn write(&mut self, batch: &[Row]) -> sqlx::Result<()> {
        // Kept only if all went well.
        let mut database = match self.database.take() {
            Some(database) => database,
            None => connect(&self.file).await?,
        };
        let mut transaction = database.begin().await?;
        insert_all(&mut transaction, batch).await?;
        insert_time(&mut transaction, self.clock.now()).await?;
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
