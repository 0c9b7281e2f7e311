//! One `[[trunks]]`: what it brings, what it takes, and who is who by password.

use super::agent::password;
use super::read::Table;
use super::values::{Beginning, CertificateName, Dialled, Domain, Name, To};
use super::{Account, CALLS, Login, Trunk, numbers};
use crate::engine::numbering::Numbering;
use crate::engine::settings::Caps;
use crate::sip::Host;
use crate::time::Duration;
use std::io;
use std::path::Path;

const REGISTER: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(86_400);

/// OPTIONS more often than that is what carriers block for.
const PROBE: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(3600);

pub(super) fn trunk(table: &Table, house: &Numbering, read: &dyn Fn(&Path) -> io::Result<String>) -> Trunk {
    let to: Option<To> = table.optional("to");
    if to.as_ref().and_then(To::transport).is_some_and(|transport| transport.is_websocket()) {
        let help = "use udp, tcp or tls".into();
        table.wrong("to", "nobody can be connected to by a WebSocket from here".into(), help);
    }
    let mut takes: Vec<String> = table.list::<Beginning>("takes").into_iter().map(|beginning| beginning.0).collect();
    takes.sort_by_key(|beginning| std::cmp::Reverse(beginning.len()));
    if to.is_none() && !takes.is_empty() {
        table.wrong("takes", "numbers are to be sent there, but `to` does not say where".into(), "add `to`".into());
    }
    let account = part(table, "account", |account| {
        let (user, realm) = (account.get("user"), account.get("realm"));
        Some(Account { user, realm, password: secret(account, read)? })
    });
    let login = part(table, "login", |login| {
        let user = login.get::<Name>("user").0;
        Some(Login { user, password: secret(login, read)? })
    });
    let register = table.within("register", REGISTER);
    for key in ["account", "register"] {
        if to.is_none() && table.has(key) {
            table.wrong(key, "it is for the carrier, but `to` does not say where that is".into(), "add `to`".into());
        }
    }
    if table.has("register") && !table.has("account") {
        let help = r#"add `account = { user = "…", password_file = "…", realm = "…" }`"#.into();
        table.wrong("register", "nobody can register without an account".into(), help);
    }
    if table.has("shows_callers") && !table.has("shows") {
        let help = "without `shows` each caller is shown with the own number".into();
        table.wrong("shows_callers", "there is nothing else that could be shown".into(), help);
    }
    let named = to.as_ref().and_then(To::named).map(|destination| destination.host.clone());
    let from_dns = table.optional("from_dns").unwrap_or(false);
    if from_dns && named.is_none() {
        let help = r#"write a name into `to`, such as "sip:carrier.example", or addresses into `from`"#.into();
        table.wrong("from_dns", "`to` is no name that DNS could be asked for".into(), help);
    }
    let name = table.get::<Name>("name").0;
    Trunk {
        name,
        from: table.list("from"),
        from_dns,
        certificate: table.optional::<CertificateName>("certificate").map(|name| name.0),
        login,
        to,
        by: table.optional("by"),
        takes,
        priority: table.within("priority", 0..=u16::MAX).unwrap_or(0),
        weight: table.within("weight", 0..=u16::MAX).unwrap_or(1),
        calls: table.within("calls", CALLS),
        calls_per_second: table.within("calls_per_second", 0.1..=1000.0),
        out: caps(table).unwrap_or_default(),
        emergency: table.optional("emergency").unwrap_or(false),
        probe: table.within("probe", PROBE),
        domain: table.optional("domain").or(named.map(|host| Domain(Host::Name(host)))),
        account,
        register,
        dialect: numbers::dialect(table, house),
        trusted: table.optional("trusted").unwrap_or(false),
        passes: table.list("passes"),
        shows: table.optional::<Dialled>("shows").map(|number| number.0),
        shows_callers: table.optional("shows_callers").unwrap_or(false),
    }
}

/// `out` of a trunk, of an agent, or of all agents.
pub(super) fn caps(table: &Table) -> Option<Caps> {
    // Read also where it is not there: what is asked for is what a variable can set.
    let (there, out) = (table.has("out"), table.table("out"));
    let beginnings = |key| out.list::<Beginning>(key).into_iter().map(|beginning| beginning.0).collect();
    // Some would mean nothing by it, and some everything: what may cost a fortune is not guessed.
    if out.is_empty_list("allowed") {
        let help = r#"expected the beginnings of numbers, for example "+46"; leave `allowed` out to allow all that is not `denied`, or write `calls = 0` to allow none"#;
        out.wrong("allowed", "`allowed` is empty".into(), help.into());
    }
    let caps = Caps {
        allowed: beginnings("allowed"),
        denied: beginnings("denied"),
        calls: out.within("calls", 0..=1_000_000),
        calls_per_hour: out.within("calls_per_hour", 0..=100_000),
        minutes_per_day: out.within("minutes_per_day", 0..=1_000_000),
    };
    out.finish();
    there.then_some(caps)
}

/// A table of a trunk that may be absent, read to its end.
fn part<T>(table: &Table, key: &'static str, read: impl Fn(&Table) -> Option<T>) -> Option<T> {
    let there = table.has(key);
    let part = table.table(key);
    let read = if there { read(&part) } else { None };
    if there {
        part.finish();
    }
    read
}

fn secret(table: &Table, read: &dyn Fn(&Path) -> io::Result<String>) -> Option<super::Secret> {
    let found = password(table, read);
    if found.is_none() && !table.has("password") && !table.has("password_file") {
        let help = "add `password_file`, a file of one line beside the settings".into();
        table.wrong("user", "there is no password for it".into(), help);
    }
    found
}
