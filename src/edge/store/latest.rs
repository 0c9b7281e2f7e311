//! What the contact records know of one call. Only reads, beside the service or without it.

use super::{file, reading, whole};
use crate::ids::CallId;
use crate::record::Contact;
use crate::sip::capture::is_same;
use anyhow::Context;
use futures_util::TryStreamExt as _;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use std::path::Path;

/// Digits at the end of a number that all ways to write it have.
const END: usize = 4;

/// Which calls are meant.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Call(CallId),
    /// Those from this number, however it is written, or from this agent.
    From(&'a str),
}

/// What the records know of the calls that were asked for.
#[derive(Debug)]
pub struct Found {
    /// Those that are up first; of each the last first.
    pub calls: Vec<Call>,
    /// There are more, from before these.
    pub more: bool,
}

#[derive(Debug)]
pub struct Call {
    pub contact: Contact,
    /// Not over yet. What was heard of it in the last second may be missing.
    pub is_up: bool,
}

/// The records of these calls, `most` of them. `folder`: the data folder.
///
/// # Errors
///
/// There are no contact records, or they cannot be read.
pub fn contacts(folder: &Path, asked: Asked, most: usize) -> anyhow::Result<Found> {
    let file = file(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let read = reading::with(&file, async |database| find(database, asked, most).await);
    runtime.block_on(read).with_context(|| format!("cannot read the contact records in {}", file.display()))
}

async fn find(database: &mut SqliteConnection, asked: Asked<'_>, most: usize) -> sqlx::Result<Found> {
    let parsed = |record: &str| serde_json::from_str::<Contact>(record).ok();
    let is_it = |contact: &Contact| match asked {
        Asked::Call(call) => contact.id == call,
        Asked::From(from) => is_same(&contact.from, from),
    };
    let up = sqlx::query("SELECT record FROM open_calls ORDER BY id DESC").fetch_all(&mut *database).await?;
    let up = up.iter().filter_map(|row| parsed(row.try_get(0).ok()?)).filter(is_it);
    let mut calls: Vec<Call> = up.map(|contact| Call { contact, is_up: true }).collect();
    let mut rows = match asked {
        Asked::Call(call) => sqlx::query("SELECT record FROM contacts WHERE id = ?").bind(whole(call.0)),
        Asked::From(from) => {
            let digits: String = from.chars().filter(char::is_ascii_digit).collect();
            // What does not end so is neither the same name nor the same number.
            let end = if digits.len() > END { digits[digits.len() - END..].to_owned() } else { from.to_owned() };
            let query = "SELECT record FROM contacts WHERE substr(from_number, -length(?1)) = ?1 ORDER BY id DESC";
            sqlx::query(query).bind(end)
        }
    }
    .fetch(database);
    // One more than is wanted: whether there are more is to be known.
    while calls.len() <= most
        && let Some(row) = rows.try_next().await?
    {
        let contact = parsed(row.try_get(0)?).filter(is_it);
        // It ended between the two looks.
        let contact = contact.filter(|contact| calls.iter().all(|call| call.contact.id != contact.id));
        calls.extend(contact.map(|contact| Call { contact, is_up: false }));
    }
    let more = calls.len() > most;
    calls.truncate(most);
    Ok(Found { calls, more })
}
