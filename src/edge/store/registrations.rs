//! Registrations from one run to the next.

use crate::sip::registrar::{Binding, Name, Saved};
use crate::time::Time;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, Row as _};

/// Keeps a registration, or forgets it.
pub(super) async fn insert(database: &mut SqliteConnection, name: &Name, binding: Option<&Saved>) -> sqlx::Result<()> {
    let statement = match binding {
        Some(_) => "INSERT OR REPLACE INTO registrations (user, contact, binding) VALUES (?, ?, ?)",
        None => "DELETE FROM registrations WHERE user = ? AND contact = ?",
    };
    let query = sqlx::query(statement).bind(&name.user).bind(&name.contact);
    let query = match binding {
        Some(binding) => query.bind(serde_json::to_string(binding).expect("a binding has only plain keys and values")),
        None => query,
    };
    query.execute(database).await?;
    Ok(())
}

/// Those that are still good. Rows of those that ended while nobody was there to notice are deleted, and so are rows that cannot
/// be used, with a word in the log; the phone's next REGISTER writes them anew.
pub(super) async fn read(database: &mut SqliteConnection, now: Time) -> sqlx::Result<Vec<Binding>> {
    let query = sqlx::query("SELECT rowid, binding FROM registrations ORDER BY user, contact");
    let rows = query.fetch_all(&mut *database).await?;
    let mut bindings = Vec::with_capacity(rows.len());
    let (mut ended, mut bad) = (Vec::new(), None);
    for row in rows {
        let (id, text): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        let binding = serde_json::from_str::<Saved>(&text).map_err(anyhow::Error::from);
        match binding.and_then(|saved| Ok(Binding::try_from(saved)?)) {
            Ok(binding) if binding.expires > now => bindings.push(binding),
            Ok(_) => ended.push(id),
            Err(error) => {
                bad.get_or_insert((error, 0)).1 += 1;
                ended.push(id);
            }
        }
    }
    if let Some((error, count)) = bad {
        tracing::warn!(%error, count, "registrations of the last run cannot be used; this is what is wrong with the first");
    }
    // A full disk takes not even that; the next start tries again.
    if let Err(error) = forget(database, &ended).await {
        tracing::warn!(%error, count = ended.len(), "registrations that have ended cannot be deleted yet");
    }
    Ok(bindings)
}

async fn forget(database: &mut SqliteConnection, ended: &[i64]) -> sqlx::Result<()> {
    let mut transaction = database.begin().await?;
    for id in ended {
        sqlx::query("DELETE FROM registrations WHERE rowid = ?").bind(id).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::super::{Store, connect, file};
    use crate::edge::Clock;
    use crate::edge::metrics::{Metrics, Names};
    use crate::edge::testing::Folder;
    use crate::sip::{Change, Hop, Message, Registrar, Transport, registrar};
    use crate::time::Duration;
    use sqlx::Row as _;
    use sqlx::raw_sql;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn open(folder: &Folder, clock: Clock) -> Store {
        Store::open(folder.path(), clock, Metrics::new(clock, &Names::default()).store.clone()).await.unwrap()
    }

    #[tokio::test]
    async fn who_could_be_reached_is_known_at_the_next_start() {
        let folder = Folder::new();
        let clock = Clock::start();
        let now = clock.now();
        let mut registrar = Registrar::new(registrar::Settings::default());
        let mut register = |cseq: u32, contacts: &str| -> Vec<Change> {
            let text = format!(
                "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:anna@h>;tag=1\r\n\
                 To: <sip:anna@h>\r\nCall-ID: 1\r\nCSeq: {cseq} REGISTER\r\nContact: {contacts}\r\n\r\n"
            );
            let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else { panic!("no request") };
            let (local, remote) = ("192.0.2.1:5060".parse().unwrap(), "198.51.100.7:5060".parse().unwrap());
            let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
            registrar.register(now - Duration::from_secs(600), "anna", &request, &hop).1
        };
        let known = |store: &mut Store| -> Vec<String> {
            store.registrations().iter().map(|b| b.uri.user().unwrap().to_owned()).collect()
        };
        let mut store = open(&folder, clock).await;
        assert_eq!(known(&mut store), Vec::<String>::new());
        register(1, "<sip:a@h>, <sip:b@h>").iter().for_each(|change| store.registration(change));
        store.close(LIMIT).await;
        let mut store = open(&folder, clock).await;
        assert_eq!(known(&mut store), ["a", "b"]);
        let changes = register(2, "<sip:a@h>;expires=0, <sip:c@h>");
        assert_eq!(changes.len(), 2);
        changes.iter().for_each(|change| store.registration(change));
        store.close(LIMIT).await;
        // One that nobody can read does not stand in the way of the others.
        let mut other = connect(&file(folder.path())).await.unwrap();
        raw_sql("INSERT INTO registrations VALUES ('anna', 'x', '{}')").execute(&mut other).await.unwrap();
        let mut store = open(&folder, clock).await;
        assert_eq!(known(&mut store), ["b", "c"]);
        // Nor does one that cannot be deleted, for the disk is full.
        let is_full = "CREATE TRIGGER full BEFORE DELETE ON registrations BEGIN SELECT RAISE(ABORT, 'full'); END";
        raw_sql(is_full).execute(&mut other).await.unwrap();
        raw_sql("INSERT INTO registrations VALUES ('anna', 'y', '{}')").execute(&mut other).await.unwrap();
        store.close(LIMIT).await;
        let mut store = open(&folder, clock).await;
        assert_eq!(known(&mut store), ["b", "c"]);
        raw_sql("DROP TRIGGER full").execute(&mut other).await.unwrap();
        // One that ends before the next start is not kept for ever, and neither is what nobody can read.
        register(3, "<sip:d@h>;expires=300").iter().for_each(|change| store.registration(change));
        store.close(LIMIT).await;
        let mut store = open(&folder, clock).await;
        assert_eq!(known(&mut store), ["b", "c"]);
        let rows = sqlx::query("SELECT COUNT(*) FROM registrations").fetch_one(&mut other).await.unwrap();
        assert_eq!(rows.get::<i64, _>(0), 2);
        store.close(LIMIT).await;
    }
}
