//! What the contact records know of one call. Only reads, beside the service or without it.

use super::{file, whole};
use crate::ids::CallId;
use crate::record::Contact;
use crate::sip::capture::is_same;
use anyhow::Context;
use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};
use std::path::Path;

/// Digits at the end of a number that all ways to write it have.
const END: usize = 4;

/// Which call is meant.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Call(CallId),
    /// The last one from this number, however it is written, or from this agent.
    LastFrom(&'a str),
}

/// The record of a call, also of one that is up, of which the last second may be missing. `folder`: the data folder.
///
/// # Errors
///
/// There are no contact records, or they cannot be read.
pub fn contact(folder: &Path, asked: Asked) -> anyhow::Result<Option<Contact>> {
    let file = file(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let read = async {
        let options = SqliteConnectOptions::new().filename(&file).read_only(true);
        let mut database = options.connect().await?;
        let contact = find(&mut database, asked).await?;
        database.close().await?;
        Ok::<_, sqlx::Error>(contact)
    };
    runtime.block_on(read).with_context(|| format!("cannot read the contact records in {}", file.display()))
}

async fn find(database: &mut SqliteConnection, asked: Asked<'_>) -> sqlx::Result<Option<Contact>> {
    let parsed = |record: &str| serde_json::from_str::<Contact>(record).ok();
    let is_it = |contact: &Contact| match asked {
        Asked::Call(call) => contact.id == call,
        Asked::LastFrom(from) => is_same(&contact.from, from),
    };
    let up = sqlx::query("SELECT record FROM open_calls").fetch_all(&mut *database).await?;
    let up = up.iter().filter_map(|row| parsed(row.try_get(0).ok()?)).filter(is_it).max_by_key(|contact| contact.id);
    let over = match asked {
        Asked::Call(call) => {
            let query = sqlx::query("SELECT record FROM contacts WHERE id = ?").bind(whole(call.0));
            query.fetch_optional(database).await?.and_then(|row| parsed(row.try_get(0).ok()?))
        }
        Asked::LastFrom(from) => {
            let digits: String = from.chars().filter(char::is_ascii_digit).collect();
            // What does not end so is neither the same name nor the same number.
            let end = if digits.len() > END { &digits[digits.len() - END..] } else { from };
            let query = "SELECT record FROM contacts WHERE substr(from_number, -length(?1)) = ?1 ORDER BY id DESC";
            let mut rows = sqlx::query(query).bind(end).fetch(database);
            loop {
                match rows.try_next().await? {
                    None => break None,
                    Some(row) => match parsed(row.try_get(0)?).filter(is_it) {
                        Some(contact) => break Some(contact),
                        None => continue,
                    },
                }
            }
        }
    };
    // Numbers of later calls are higher.
    Ok(up.into_iter().chain(over).max_by_key(|contact| contact.id))
}
