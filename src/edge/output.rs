//! What a command says: results on standard output, what is wrong on standard error.
//!
//! `println!` and `eprintln!` panic when the reader is gone; a reader who is gone has read enough.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes to standard output, now. That the reader is gone (`vaxel demo | head`) is no error: what the command does and
/// its exit code are results too.
///
/// # Errors
///
/// It cannot be written: the disk is full.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// A line on standard error. What cannot be said there can be said nowhere; the exit code remains.
pub fn complain(what: impl Display) {
    drop(io::stderr().write_all(format!("{what}\n").as_bytes()));
}
