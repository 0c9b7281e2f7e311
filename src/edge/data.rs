//! The data folder: one process at a time, and the passwords that were made up for agents.

use crate::config::Secret;
use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, rename};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A data folder that is ours as long as this value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The lock goes with the open file, also when the process is killed.
    _lock: File,
}

/// An agent's account.
#[derive(Clone, Debug)]
pub struct Account {
    pub agent: String,
    pub password: Secret,
    /// Made up by us, now or at an earlier start; not by the operator.
    pub made_up: bool,
}

impl Folder {
    /// Makes the folder if it is not there, readable by its owner only, and locks it.
    ///
    /// # Errors
    ///
    /// It cannot be made or written, or another process has it.
    pub fn open(path: &Path) -> anyhow::Result<Folder> {
        let named = || format!("cannot use the data folder {} (`folder` in `[data]`)", path.display());
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(named)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path.join("lock"));
        let lock = lock.with_context(named)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Folder { path: path.to_owned(), _lock: lock }),
            Err(Errno::WOULDBLOCK) => bail!(
                "the data folder {} is in use by another vaxel; name another as `folder` in `[data]`, or stop that process",
                path.display()
            ),
            Err(error) => Err(error).with_context(named),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every agent with a password: the one that is given, else the one made up at an earlier start, else a new one, which
    /// is kept in `agents.toml`, readable by its owner only. What that file says of agents who are not asked for stays.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, or is not what we wrote.
    pub fn accounts<'a>(
        &self,
        agents: impl IntoIterator<Item = (&'a str, Option<&'a Secret>)>,
    ) -> anyhow::Result<Vec<Account>> {
        let file = self.path.join("agents.toml");
        let mut kept = read_passwords(&file)?;
        let known = kept.len();
        let mut accounts = Vec::new();
        for (agent, given) in agents {
            let (password, made_up) = match (given, kept.get(agent)) {
                (Some(given), _) => (given.clone(), false),
                (None, Some(password)) => (password.clone(), true),
                (None, None) => {
                    let password = make_up()?;
                    kept.insert(agent.to_owned(), password.clone());
                    (password, true)
                }
            };
            accounts.push(Account { agent: agent.to_owned(), password, made_up });
        }
        if kept.len() > known {
            write_passwords(&file, &kept)?;
        }
        Ok(accounts)
    }
}

const HEAD: &str = "\
# Passwords that vaxel made up for agents whose settings name none. A password in the settings beats the one here;
# remove a line to have a new one made up at the next start.
";

fn read_passwords(file: &Path) -> anyhow::Result<BTreeMap<String, Secret>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let document: toml_edit::DocumentMut = text.parse().with_context(|| format!("{} is no TOML", file.display()))?;
    let mut passwords = BTreeMap::new();
    for (agent, password) in document.iter() {
        match password.as_str().filter(|password| !password.is_empty()) {
            Some(password) => passwords.insert(agent.to_owned(), Secret::new(password)),
            None => bail!("{}: the password of `{agent}` must be text in quotes", file.display()),
        };
    }
    Ok(passwords)
}

/// The old file stays whole until the new one is.
fn write_passwords(file: &Path, passwords: &BTreeMap<String, Secret>) -> anyhow::Result<()> {
    let named = || format!("cannot write {}", file.display());
    let mut document = toml_edit::DocumentMut::new();
    for (agent, password) in passwords {
        document[agent] = toml_edit::value(password.expose());
    }
    let new = file.with_extension("new");
    let mut written =
        OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new).with_context(named)?;
    // One that was left behind by a crash may have other rights.
    written.set_permissions(Permissions::from_mode(0o600)).with_context(named)?;
    write!(written, "{HEAD}{document}").with_context(named)?;
    written.sync_all().with_context(named)?;
    rename(&new, file).with_context(named)
}

/// Without `0`, `O`, `1`, `l`, `I`: it is typed into phones.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Sixteen letters of 32: 80 bits.
fn make_up() -> anyhow::Result<Secret> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("the system gives no randomness")?;
    let letters = random.map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
    Ok(Secret::new(String::from_iter(letters)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::testing;

    fn passwords(folder: &Folder, agents: &[(&str, Option<&str>)]) -> Vec<(String, bool)> {
        let given: Vec<_> = agents.iter().map(|(name, given)| (*name, given.map(Secret::new))).collect();
        let accounts = folder.accounts(given.iter().map(|(name, given)| (*name, given.as_ref()))).unwrap();
        accounts.into_iter().map(|account| (account.password.expose().to_owned(), account.made_up)).collect()
    }

    #[test]
    fn two_processes_do_not_share_a_folder() {
        let folder = testing::Folder::new();
        let path = folder.path().join("deep/data");
        let first = Folder::open(&path).unwrap();
        let error = Folder::open(&path).unwrap_err().to_string();
        assert!(error.contains("in use by another vaxel"), "{error}");
        assert!(error.contains("`folder` in `[data]`"), "{error}");
        drop(first);
        Folder::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_password_is_made_up_once_and_kept_for_its_owner_only() {
        let folder = testing::Folder::new();
        let data = Folder::open(folder.path()).unwrap();
        let first = passwords(&data, &[("anna", None), ("bo", Some("given")), ("åsa.ek", None)]);
        assert_eq!(first[1], ("given".into(), false));
        assert!(first[0].1 && first[0].0.len() == 16 && first[0] != first[2]);
        let file = folder.path().join("agents.toml");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(&first[0].0) && !text.contains("given"), "{text}");
        // The next start, with one agent more and one away for a while.
        let second = passwords(&data, &[("new", None), ("åsa.ek", None)]);
        assert_eq!(second[1], first[2]);
        assert_eq!(passwords(&data, &[("anna", None), ("new", None)]), [first[0].clone(), second[0].clone()]);
    }

    #[test]
    fn nothing_is_written_when_nobody_needs_a_password() {
        let folder = testing::Folder::new();
        let data = Folder::open(folder.path()).unwrap();
        passwords(&data, &[("bo", Some("given"))]);
        assert!(!folder.path().join("agents.toml").exists());
    }

    #[test]
    fn a_file_that_is_not_ours_is_named() {
        let folder = testing::Folder::new();
        let data = Folder::open(folder.path()).unwrap();
        for text in ["anna = 7\n", "anna = \"\"\n", "anna\n"] {
            std::fs::write(folder.path().join("agents.toml"), text).unwrap();
            let error = data.accounts([("anna", None)]).unwrap_err().to_string();
            assert!(error.contains("agents.toml"), "{error}");
        }
    }
}
