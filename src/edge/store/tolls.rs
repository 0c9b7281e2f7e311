//! What agents and trunks have used up of their caps, from one run to the next.
//!
//! Bounded: of calls those of the last hour, which a cap limits; of talks those that are up, and one sum for each payer.

use super::{last_alive, whole};
use crate::engine::tolls::{Spent, Toll, Used, midnight};
use crate::time::{Duration, Time};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};
use std::collections::BTreeMap;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn insert(database: &mut SqliteConnection, toll: &Toll) -> sqlx::Result<()> {
    let payer = &toll.payer;
    match toll.used {
        Used::Call { call, at } => {
            put(database, payer, "call", at, call.0, Duration::ZERO).await?;
            forget(database, payer, "call", at - HOUR).await
        }
        Used::Talk { leg, since } => put(database, payer, "talk", since, leg.0, Duration::ZERO).await,
        Used::Talked { leg, since, midnight, sum } => {
            put(database, payer, "day", midnight, 0, sum).await?;
            forget(database, payer, "day", midnight - Duration::from_micros(1)).await?;
            let query = sqlx::query("DELETE FROM tolls WHERE payer = ? AND what = 'talk' AND at = ? AND id = ?");
            query.bind(payer).bind(whole(since.as_micros())).bind(whole(leg.0)).execute(database).await?;
            Ok(())
        }
    }
}

async fn put(
    database: &mut SqliteConnection,
    payer: &str,
    what: &str,
    at: Time,
    id: u64,
    talked: Duration,
) -> sqlx::Result<()> {
    sqlx::query("INSERT OR REPLACE INTO tolls (payer, what, at, id, talked) VALUES (?, ?, ?, ?, ?)")
        .bind(payer)
        .bind(what)
        .bind(whole(at.as_micros()))
        .bind(whole(id))
        .bind(whole(u64::try_from(talked.as_micros()).unwrap_or(u64::MAX)))
        .execute(database)
        .await?;
    Ok(())
}

/// What is no later than `until`.
async fn forget(database: &mut SqliteConnection, payer: &str, what: &str, until: Time) -> sqlx::Result<()> {
    let query = sqlx::query("DELETE FROM tolls WHERE payer = ? AND what = ? AND at <= ?");
    query.bind(payer).bind(what).bind(whole(until.as_micros())).execute(database).await?;
    Ok(())
}

/// What still counts. Talks that were up when the service last wrote anything are over, and counted until then.
pub(super) async fn read(database: &mut SqliteConnection, now: Time) -> sqlx::Result<Vec<Spent>> {
    let alive = last_alive(&mut *database).await?;
    let today = midnight(now);
    let mut all: BTreeMap<String, Spent> = BTreeMap::new();
    let rows = sqlx::query("SELECT payer, what, at, talked FROM tolls ORDER BY payer, at").fetch_all(&mut *database);
    for row in rows.await? {
        let (payer, what): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let number = |at: usize| row.try_get::<i64, _>(at).map(|number| u64::try_from(number).unwrap_or_default());
        let (at, talked) = (Time::from_micros(number(2)?), Duration::from_micros(number(3)?));
        let new = || Spent { payer: payer.clone(), calls: Vec::new(), midnight: today, talked: Duration::ZERO };
        let spent = all.entry(payer.clone()).or_insert_with(new);
        match what.as_str() {
            "call" if at + HOUR > now => spent.calls.push(at),
            "talk" => spent.talked += alive.since(at.max(today)),
            "day" if at == today => spent.talked += talked,
            // Of an hour or a day that is over.
            _ => {}
        }
    }
    Ok(all.into_values().filter(|spent| !spent.calls.is_empty() || !spent.talked.is_zero()).collect())
}

/// Nothing but this, which was [read] then, is counted from then on.
pub(super) async fn settle(database: &mut SqliteConnection, now: Time, all: &[Spent]) -> sqlx::Result<()> {
    let mut transaction = database.begin().await?;
    sqlx::query("DELETE FROM tolls WHERE what <> 'call' OR at <= ?")
        .bind(whole((now - HOUR).as_micros()))
        .execute(&mut *transaction)
        .await?;
    for spent in all.iter().filter(|spent| !spent.talked.is_zero()) {
        put(&mut transaction, &spent.payer, "day", spent.midnight, 0, spent.talked).await?;
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::super::{Store, connect, file};
    use super::*;
    use crate::edge::Clock;
    use crate::edge::metrics::{Metrics, Names};
    use crate::edge::testing::Folder;
    use crate::ids::{CallId, LegId};

    const LIMIT: Duration = Duration::from_secs(10);
    const MINUTE: Duration = Duration::from_secs(60);

    async fn open(folder: &Folder, clock: Clock) -> Store {
        Store::open(folder.path(), clock, Metrics::new(clock, &Names::default()).store.clone()).await.unwrap()
    }

    /// Rows of a database at a moment of a day's noon; the clock of the machine may stand at midnight.
    async fn database(folder: &Folder) -> SqliteConnection {
        open(folder, Clock::start()).await.close(LIMIT).await;
        connect(&file(folder.path())).await.unwrap()
    }

    fn toll(payer: &str, used: Used) -> Toll {
        Toll { payer: payer.into(), used }
    }

    #[tokio::test]
    async fn what_was_used_up_counts_until_its_hour_or_day_is_over_also_of_talks_that_were_up() {
        let folder = Folder::new();
        let mut database = database(&folder).await;
        let noon = Time::from_secs(20_000 * 86_400 + 43_200);
        let today = midnight(noon);
        let call = |n: u64, at| Used::Call { call: CallId(n), at };
        let talked = |leg, since, sum| Used::Talked { leg: LegId(leg), since, midnight: today, sum };
        for (payer, used) in [
            ("agent anna", call(1, noon - HOUR)),
            ("agent anna", call(2, noon - MINUTE)),
            ("agent anna", call(3, noon - MINUTE)),
            ("agent anna", Used::Talk { leg: LegId(1), since: noon - 9 * MINUTE }),
            ("agent anna", talked(1, noon - 9 * MINUTE, 2 * MINUTE)),
            ("agent anna", Used::Talk { leg: LegId(2), since: noon - 8 * MINUTE }),
            ("trunk carrier", Used::Talk { leg: LegId(2), since: today - MINUTE }),
            ("trunk old", Used::Talked { leg: LegId(9), since: today - HOUR, midnight: today - HOUR * 24, sum: HOUR }),
        ] {
            insert(&mut database, &toll(payer, used)).await.unwrap();
        }
        let begins = async |database: &mut SqliteConnection, now| {
            let all = read(database, now).await.unwrap();
            settle(database, now, &all).await.unwrap();
            all
        };
        super::super::insert_time(&mut database, noon - 3 * MINUTE).await.unwrap();
        let anna = Spent {
            payer: "agent anna".into(),
            calls: vec![noon - MINUTE; 2],
            midnight: today,
            talked: (2 + 5) * MINUTE,
        };
        let spent = |payer: &str, talked| Spent { payer: payer.into(), calls: Vec::new(), midnight: today, talked };
        let carrier = spent("trunk carrier", (noon - 3 * MINUTE).since(today));
        assert_eq!(begins(&mut database, noon).await, [anna.clone(), carrier.clone()]);
        // Nothing is counted twice by the start after that.
        super::super::insert_time(&mut database, noon + MINUTE).await.unwrap();
        assert_eq!(begins(&mut database, noon + MINUTE).await, [anna.clone(), carrier.clone()]);
        let later = Spent { calls: Vec::new(), ..anna };
        assert_eq!(begins(&mut database, noon + HOUR).await, [later, carrier]);
        assert_eq!(begins(&mut database, noon + HOUR * 12).await, []);
        let rows = sqlx::query("SELECT COUNT(*) FROM tolls").fetch_one(&mut database).await.unwrap();
        assert_eq!(rows.get::<i64, _>(0), 0, "nothing is kept for ever");
    }

    #[tokio::test]
    async fn the_store_keeps_what_is_used_up() {
        let folder = Folder::new();
        let clock = Clock::start();
        let mut store = open(&folder, clock).await;
        assert_eq!(store.tolls(), []);
        let at = clock.now();
        store.toll(Box::new(toll("agent anna", Used::Call { call: CallId(1), at })));
        store.close(LIMIT).await;
        let mut store = open(&folder, clock).await;
        let calls: Vec<_> = store.tolls().into_iter().map(|spent| (spent.payer, spent.calls)).collect();
        assert_eq!(calls, [("agent anna".to_owned(), vec![at])]);
        store.close(LIMIT).await;
    }
}
