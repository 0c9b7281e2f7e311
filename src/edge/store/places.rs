//! Where DNS last said that trunks are, from one run to the next.

use super::Row;
use crate::sip::Transport;
use crate::sip::locate::Place;
use crate::time::{Duration, Time};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// What is older is nobody's address any more, or somebody else's.
pub const KEPT_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What DNS said about one trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub trunk: String,
    /// What it was asked for; another `to` in the settings makes it worthless.
    pub to: String,
    /// Never empty.
    pub places: Vec<Place>,
    /// When the oldest answer came that it rests on.
    pub since: Time,
}

/// Keeps it as long as the store is open.
#[derive(Clone, Debug)]
pub struct Keeper(pub(super) mpsc::WeakSender<Row>);

impl Keeper {
    /// Never waits: what the disk is too slow for is said again with a later lookup, ten minutes on at the earliest.
    pub fn keep(&self, kept: Kept) {
        let told = self.0.upgrade().map(|rows| rows.try_send(Row::Places(Box::new(kept))));
        if !matches!(told, Some(Ok(()))) {
            tracing::debug!("what DNS says is not kept for the next start");
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Saved {
    priority: u16,
    transport: String,
    address: SocketAddr,
    weight: u32,
}

pub(super) async fn insert(database: &mut SqliteConnection, kept: &Kept) -> sqlx::Result<()> {
    let save = |place: &Place| Saved {
        priority: place.priority,
        transport: place.transport.word().to_owned(),
        address: place.address,
        weight: place.weight,
    };
    let places: Vec<Saved> = kept.places.iter().map(save).collect();
    let places = serde_json::to_string(&places).expect("places have only plain keys and values");
    sqlx::query("INSERT OR REPLACE INTO places (trunk, destination, places, since) VALUES (?, ?, ?, ?)")
        .bind(&kept.trunk)
        .bind(&kept.to)
        .bind(places)
        .bind(i64::try_from(kept.since.as_micros()).unwrap_or(i64::MAX))
        .execute(database)
        .await?;
    Ok(())
}

/// All that are not too old; the others, and those that nobody can read, are forgotten.
pub(super) async fn read(database: &mut SqliteConnection, now: Time) -> sqlx::Result<Vec<Kept>> {
    let rows = sqlx::query("SELECT trunk, destination, places, since FROM places ORDER BY trunk");
    let mut all = Vec::new();
    let mut useless: Vec<String> = Vec::new();
    for row in rows.fetch_all(&mut *database).await? {
        let (trunk, to, text): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let since = Time::from_micros(u64::try_from(row.try_get::<i64, _>(3)?).unwrap_or_default());
        match places(&text) {
            Some(places) if since + KEPT_MAX > now => all.push(Kept { trunk, to, places, since }),
            _ => useless.push(trunk),
        }
    }
    let mut transaction = database.begin().await?;
    for trunk in useless {
        sqlx::query("DELETE FROM places WHERE trunk = ?").bind(trunk).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(all)
}

fn places(text: &str) -> Option<Vec<Place>> {
    let saved: Vec<Saved> = serde_json::from_str(text).ok()?;
    let read = |saved: &Saved| {
        let Saved { priority, address, weight, .. } = *saved;
        Some(Place { priority, transport: Transport::named(&saved.transport)?, address, weight })
    };
    saved.iter().map(read).collect::<Option<Vec<Place>>>().filter(|places| !places.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::{Store, connect, file};
    use super::*;
    use crate::edge::Clock;
    use crate::edge::metrics::{Metrics, Names};
    use crate::edge::testing::Folder;
    use sqlx::raw_sql;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn open(folder: &Folder, clock: Clock) -> Store {
        Store::open(folder.path(), clock, Metrics::new(clock, &Names::default()).store.clone()).await.unwrap()
    }

    #[tokio::test]
    async fn the_last_answer_of_each_trunk_is_known_at_the_next_start_unless_it_is_too_old() {
        let folder = Folder::new();
        let clock = Clock::start();
        let place = |address: &str| Place {
            priority: 1,
            transport: Transport::Tls,
            address: address.parse().unwrap(),
            weight: 840,
        };
        let kept = |trunk: &str, address, since| Kept {
            trunk: trunk.into(),
            to: "sips:carrier.example".into(),
            places: vec![place(address), place("[2001:db8::1]:5061")],
            since,
        };
        let now = clock.now();
        let old = now - KEPT_MAX;
        let mut store = open(&folder, clock).await;
        assert_eq!(store.places(), []);
        let keeper = store.keeper();
        keeper.keep(kept("a", "192.0.2.1:5061", now));
        keeper.keep(kept("a", "192.0.2.2:5061", now));
        keeper.keep(kept("b", "192.0.2.3:5061", old));
        store.close(LIMIT).await;
        keeper.keep(kept("c", "192.0.2.4:5061", now));
        // What nobody can read does not stand in the way.
        let mut other = connect(&file(folder.path())).await.unwrap();
        raw_sql("INSERT INTO places VALUES ('x', 'y', '[]', 9), ('z', 'y', '{', 9)").execute(&mut other).await.unwrap();
        let mut store = open(&folder, clock).await;
        assert_eq!(store.places(), [kept("a", "192.0.2.2:5061", now)]);
        let rows = sqlx::query("SELECT COUNT(*) FROM places").fetch_one(&mut other).await.unwrap();
        assert_eq!(rows.get::<i64, _>(0), 1);
        store.close(LIMIT).await;
    }
}
