//! Log lines on their way to standard error, where a journal, a container or a file takes them.
//!
//! Whoever logs never waits and never fails: a full disk, a closed pipe or a reader that has stopped costs log lines, not
//! calls. Lines go into a bounded buffer that one thread writes out; those that do not fit or cannot be written are
//! lost, and counted.
//!
//! What comes from the network stands in it only as we write it: other crates are not heard where they show it as it came.

use crate::config::{self, Problem};
use crate::time::Duration;
use prometheus::IntCounter;
use rustix::event::{PollFd, PollFlags, poll};
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Bytes that may wait to be written; as many more are being written.
const WAITING_MAX: usize = 1 << 20;

/// At the end of the process, for whoever reads the log to take the last lines.
const FLUSH: Duration = Duration::from_secs(1);

static LOST: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Log lines lost: standard error could not be written, or was not read in time.";
    IntCounter::new("vaxel_log_lines_lost_total", help).expect("a valid name")
});

/// One in the process, as standard error is; with the thread that writes it out.
static STANDARD_ERROR: OnceLock<Arc<Buffer>> = OnceLock::new();

/// What of the log is wanted.
///
/// # Errors
///
/// What of the filter cannot be read.
pub fn filter(log: &config::Log) -> Result<EnvFilter, Box<Problem>> {
    // Commas inside brackets divide nothing.
    let bad = |what: &str| Box::new(log.problem(what));
    let parts = if log.filter.contains('[') { vec![&*log.filter] } else { log.filter.split(',').collect() };
    for part in parts.iter().map(|part| part.trim()) {
        // A word alone would be taken for the name of a room, and the log would be empty.
        let is_word = !part.contains(['=', '[', ':']) && part != "vaxel";
        if is_word && part.parse::<LevelFilter>().is_err() {
            return Err(bad(&format!("`{part}` is none of error, warn, info, debug, trace, off")));
        }
        EnvFilter::try_new(part).map_err(|error| bad(&format!("`{part}`: {error}")))?;
    }
    EnvFilter::try_new(&log.filter).map_err(|error| bad(&error.to_string()))
}

/// Begins the log of this process, once.
pub fn begin(filter: EnvFilter) {
    subscriber(filter, || Lines, io::stderr().is_terminal()).init();
}

fn subscriber<W>(filter: EnvFilter, lines: W, in_colour: bool) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines)
        .with_ansi(in_colour)
        // By `eprintln!`, which panics when nobody reads.
        .log_internal_errors(false)
        .finish()
        .with(filter_fn(is_fit))
}

/// Whatever the operator's filter says: at these levels other crates show what came as it came, credentials and line breaks
/// that look like lines of the log among it. WebSockets do from DEBUG on.
fn is_fit(metadata: &Metadata<'_>) -> bool {
    let most = match metadata.target().split("::").next() {
        Some("vaxel") => Level::TRACE,
        Some("tungstenite" | "tokio_tungstenite") => Level::INFO,
        _ => Level::DEBUG,
    };
    *metadata.level() <= most
}

/// Takes log lines; for [`tracing_subscriber`], which makes one for each.
#[derive(Clone, Copy, Debug, Default)]
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        standard_error().push(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A line beside the log, on the same way.
pub(super) fn say(line: &str) {
    standard_error().push(format!("{line}\n").as_bytes());
}

/// Waits until everything is written, for a second at most. To be called before the process ends.
pub fn flush() {
    if let Some(buffer) = STANDARD_ERROR.get() {
        buffer.flush(FLUSH);
    }
}

/// `vaxel_log_lines_lost_total`.
pub(super) fn lost() -> IntCounter {
    LOST.clone()
}

fn standard_error() -> &'static Buffer {
    STANDARD_ERROR.get_or_init(|| {
        let buffer = Arc::new(Buffer::new(lost()));
        let write = {
            let buffer = buffer.clone();
            move || {
                // A descriptor of our own: a write that hangs would hold the lock of `std::io::stderr`.
                let Ok(own) = io::stderr().as_fd().try_clone_to_owned() else { return };
                let (mut sink, mut taken) = (Patient(own.into()), Vec::new());
                loop {
                    buffer.write_next(&mut sink, &mut taken);
                }
            }
        };
        // Without the thread the lines are lost as if nobody read them, and counted.
        drop(std::thread::Builder::new().name("log".into()).spawn(write));
        buffer
    })
}

struct Buffer {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
    lost: IntCounter,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines that did not fit behind those that wait.
    missing: u64,
    writing: bool,
}

impl Buffer {
    fn new(lost: IntCounter) -> Buffer {
        Buffer { state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new(), lost }
    }

    fn push(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let idle = state.idle();
        // After a gap nothing is taken until the gap is written down, so that lines stay in order.
        if state.missing > 0 || state.waiting.len() + bytes.len() > WAITING_MAX {
            let lines = lines(bytes);
            state.missing += lines;
            self.lost.inc_by(lines);
        } else {
            state.waiting.extend_from_slice(bytes);
        }
        drop(state);
        if idle {
            self.filled.notify_one();
        }
    }

    /// Waits for lines and writes them to `sink`. `taken`: a buffer to be used again.
    fn write_next(&self, sink: &mut impl Write, taken: &mut Vec<u8>) {
        let mut state =
            self.filled.wait_while(self.lock(), |state| state.idle()).unwrap_or_else(PoisonError::into_inner);
        taken.clear();
        std::mem::swap(&mut state.waiting, taken);
        let missing = std::mem::take(&mut state.missing);
        state.writing = true;
        drop(state);
        self.lost.inc_by(lines(unwritten(sink, taken)));
        if missing > 0 {
            // No log line that could be lost: it only says where lines were.
            unwritten(
                sink,
                format!("vaxel: {missing} log lines are missing here: they were not read in time\n").as_bytes(),
            );
        }
        self.lock().writing = false;
        self.emptied.notify_all();
    }

    fn flush(&self, limit: Duration) {
        let busy = |state: &mut State| state.writing || !state.idle();
        drop(self.emptied.wait_timeout_while(self.lock(), limit, busy));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn idle(&self) -> bool {
        self.waiting.is_empty() && self.missing == 0
    }
}

/// Lines that `bytes` holds or is the end of.
fn lines(bytes: &[u8]) -> u64 {
    let ends = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
    ends + u64::from(bytes.last().is_some_and(|last| *last != b'\n'))
}

/// Writes, and gives what the sink did not take.
fn unwritten<'b>(sink: &mut impl Write, mut bytes: &'b [u8]) -> &'b [u8] {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => break,
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    bytes
}

/// A descriptor that is waited for: whoever started us may have left it non-blocking.
struct Patient(File);

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn other_crates_do_not_show_what_came_whatever_the_filter_says() {
        for wanted in [
            "trace",
            "vaxel=trace,tungstenite=trace,tokio_tungstenite=trace,rustls=trace",
            "vaxel=trace,tungstenite::protocol=trace,rustls::server=trace",
        ] {
            let (mut reader, writer) = io::pipe().unwrap();
            let writer = File::from(std::os::fd::OwnedFd::from(writer));
            let subscriber = subscriber(EnvFilter::new(wanted), Arc::new(writer), false);
            tracing::subscriber::with_default(subscriber, || {
                tracing::trace!(target: "tungstenite::protocol::frame", "secret");
                tracing::debug!(target: "tungstenite::protocol", "secret");
                tracing::trace!(target: "tokio_tungstenite", "secret");
                tracing::trace!(target: "rustls::server::hs", "secret");
                tracing::warn!(target: "tungstenite::protocol", "first");
                tracing::trace!(target: "vaxel::sip", "second");
            });
            let mut said = String::new();
            reader.read_to_string(&mut said).unwrap();
            assert!(!said.contains("secret"), "{wanted}: {said}");
            assert!(said.contains("first") && said.contains("second"), "{wanted}: {said}");
        }
    }

    fn buffer() -> Buffer {
        Buffer::new(IntCounter::new("lost", "Lines.").unwrap())
    }

    /// A disk with room for some bytes.
    struct Disk {
        room: usize,
        written: String,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let length = bytes.len().min(self.room);
            if length == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= length;
            self.written += std::str::from_utf8(&bytes[..length]).unwrap();
            Ok(length)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order() {
        let (buffer, mut sink, mut taken) = (buffer(), Vec::new(), Vec::new());
        for turn in 0..3 {
            buffer.push(format!("{turn} a\n").as_bytes());
            buffer.push(format!("{turn} b\n").as_bytes());
            buffer.write_next(&mut sink, &mut taken);
        }
        assert_eq!(sink, b"0 a\n0 b\n1 a\n1 b\n2 a\n2 b\n");
        assert_eq!(buffer.lost.get(), 0);
    }

    #[test]
    fn a_reader_that_has_stopped_costs_lines_and_the_gap_is_shown() {
        let (buffer, mut sink, mut taken) = (buffer(), Vec::new(), Vec::new());
        let long = format!("{}\n", "x".repeat(WAITING_MAX / 4));
        for _ in 0..5 {
            buffer.push(long.as_bytes());
        }
        // It would fit, but not in order.
        buffer.push(b"short\n");
        assert_eq!(buffer.lost.get(), 3);
        buffer.write_next(&mut sink, &mut taken);
        buffer.push(b"after\n");
        buffer.write_next(&mut sink, &mut taken);
        let said = String::from_utf8(sink).unwrap();
        let rest = said.strip_prefix(&long.repeat(3)).expect("what fitted is there");
        assert_eq!(rest, "vaxel: 3 log lines are missing here: they were not read in time\nafter\n");
        assert_eq!(buffer.lost.get(), 3);
    }

    #[test]
    fn a_line_longer_than_everything_does_not_stop_the_others() {
        let (buffer, mut sink, mut taken) = (buffer(), Vec::new(), Vec::new());
        buffer.push(&vec![b'x'; WAITING_MAX + 1]);
        buffer.write_next(&mut sink, &mut taken);
        buffer.push(b"after\n");
        buffer.write_next(&mut sink, &mut taken);
        assert!(sink.starts_with(b"vaxel: 1 log lines are missing") && sink.ends_with(b"\nafter\n"));
    }

    #[test]
    fn what_the_disk_does_not_take_is_counted_by_lines() {
        let (buffer, mut taken) = (buffer(), Vec::new());
        let mut disk = Disk { room: 6, written: String::new() };
        buffer.push(b"one\ntwo\nthree\n");
        buffer.write_next(&mut disk, &mut taken);
        assert_eq!((disk.written.as_str(), buffer.lost.get()), ("one\ntw", 2));
        disk.room = 100;
        buffer.push(b"four\n");
        buffer.write_next(&mut disk, &mut taken);
        assert_eq!((disk.written.as_str(), buffer.lost.get()), ("one\ntwfour\n", 2));
    }

    #[test]
    fn a_flush_waits_for_the_last_line_but_not_for_ever() {
        let buffer = Arc::new(buffer());
        buffer.push(b"last\n");
        buffer.flush(Duration::from_millis(20));
        assert!(!buffer.lock().idle(), "nobody has written it");
        let writer = {
            let buffer = buffer.clone();
            std::thread::spawn(move || {
                let mut sink = Vec::new();
                buffer.write_next(&mut sink, &mut Vec::new());
                sink
            })
        };
        buffer.flush(Duration::from_secs(20));
        assert!(buffer.lock().idle() && !buffer.lock().writing);
        assert_eq!(writer.join().unwrap(), b"last\n");
    }

    #[test]
    fn a_pipe_that_does_not_block_is_waited_for() {
        let (mut reader, writer) = io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&writer, true).unwrap();
        let lines = "line\n".repeat(100_000);
        let read = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        let mut sink = Patient(File::from(std::os::fd::OwnedFd::from(writer)));
        assert!(unwritten(&mut sink, lines.as_bytes()).is_empty());
        drop(sink);
        assert_eq!(read.join().unwrap(), lines);
    }
}
