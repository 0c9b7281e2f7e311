//! What an operator, or a program of theirs, asks of the running service, by a socket in the data folder: the ladder of one call,
//! capture on or off, an agent's pause, other settings, tasks.
//!
//! A line of JSON asks, lines of JSON answer. Only the user that runs the service, and root, are answered: what passes
//! here are people's numbers.

use super::floor::{Done, Floor, TaskName, done_for, waits_in_vain};
use super::homer::Homer;
use super::output::{complain, print};
use super::tap::{Tap, Tapped};
pub use crate::engine::AgentAct;
use crate::engine::tasks::{Listed, TaskAct};
use crate::engine::{self, Wish};
use crate::ids::{CallId, EntryId};
use crate::sip::capture::{Captured, Follow};
use crate::sip::ladder::Ladder;
use crate::sip::{Hop, Message, Transport};
use crate::time::{Duration, Time};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader as SyncReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as SyncStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// Operators who trace at a time; one more is told so.
pub const OPERATORS_MAX: usize = 8;

/// Who asks anything at a time; one more is told so. Programs file tasks, many at once.
pub const ASKERS_MAX: usize = 256;

/// Bytes of a question: a task with all that may be known of it has some 12,000.
const QUESTION_MAX: u64 = 32_768;

/// For an operator to ask, and to take what was asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// After a call is over: for answers to what was said about its end.
const LINGER: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Question {
    /// The messages of the next call, or of the next from or to `who` (a number, a name, or a Call-ID).
    Trace {
        who: Option<String>,
    },
    /// Switches, or only asks.
    Capture {
        on: Option<bool>,
    },
    /// Pauses an agent, or ends that.
    Agent {
        agent: String,
        act: AgentAct,
    },
    Task(TaskAct),
    /// Changes the priority of a call or task that waits.
    Priority {
        contact: CallId,
        priority: i32,
    },
    /// Reads the settings again.
    Reload,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// From now on the call will be seen.
    Watching,
    Message(Line),
    /// This many messages of all calls were not seen: too many came at once.
    Lost(u64),
    /// The call that was followed is over.
    Over,
    Capture {
        server: Option<SocketAddr>,
        on: bool,
        sent: u64,
        lost: u64,
    },
    /// What was wished was done; in words, if it was for an agent. `is_kept`: it will be known after `kill -9`.
    Done {
        what: String,
        is_kept: bool,
    },
    /// The task has this id.
    /// `warning`: it waits, but probably not as meant.
    Filed {
        task: EntryId,
        is_kept: bool,
        warning: Option<String>,
    },
    Tasks(Vec<Listed>),
    Refused(String),
}

/// A message on its way from the service to whoever draws it. Without credentials.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Time,
    received: bool,
    transport: String,
    local: SocketAddr,
    remote: SocketAddr,
    text: String,
}

impl Line {
    fn of(captured: &Captured) -> Line {
        let Hop { transport, local, remote, .. } = captured.hop;
        let text = String::from_utf8_lossy(&captured.message().to_bytes()).into_owned();
        Line {
            at: captured.at,
            received: captured.is_received,
            transport: transport.name().into(),
            local,
            remote,
            text,
        }
    }

    /// `None`: not what [`Line::of`] writes.
    fn captured(&self) -> Option<Captured> {
        let transport = Transport::named(&self.transport)?;
        let hop = Hop { transport, local: self.local, remote: self.remote, connection: None };
        let message = Message::parse(self.text.as_bytes()).ok()?;
        Some(Captured::new(self.at, hop, self.received, None, message))
    }
}

/// Whether a service runs whose data folder this is.
pub(super) fn is_answered(folder: &Path) -> bool {
    SyncStream::connect(socket(folder)).is_ok()
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("control")
}

/// Begins to answer. Where that cannot be, it is said in the log, and calls are taken all the same.
pub(super) fn listen(folder: &Path, tap: Arc<Tap>, homer: Arc<Homer>, floor: Floor, runtime: &Handle) {
    let path = socket(folder);
    let _current = runtime.enter();
    // The folder is locked: if there is one, it is that of a run which was killed.
    drop(std::fs::remove_file(&path));
    let listener = UnixListener::bind(&path)
        .and_then(|listener| std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map(|()| listener));
    match listener {
        Ok(listener) => drop(runtime.spawn(accept(listener, tap, homer, Arc::new(floor)))),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "`vaxel trace`, `vaxel capture`, `vaxel agent` and `vaxel task` will not work")
        }
    }
}

async fn accept(listener: UnixListener, tap: Arc<Tap>, homer: Arc<Homer>, floor: Arc<Floor>) {
    let (places, traces) = (Arc::new(Semaphore::new(ASKERS_MAX)), Arc::new(Semaphore::new(OPERATORS_MAX)));
    let us = rustix::process::geteuid().as_raw();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let who = stream.peer_cred().map(|credentials| credentials.uid());
                let place = places.clone().try_acquire_owned();
                let (tap, homer, floor, traces) = (tap.clone(), homer.clone(), floor.clone(), traces.clone());
                tokio::spawn(async move {
                    let mut operator = Operator { stream: BufReader::new(stream) };
                    match (who, place) {
                        (Ok(uid), Ok(_place)) if uid == us || uid == 0 => {
                            operator.serve(&tap, &homer, &floor, &traces).await
                        }
                        (Ok(uid), Ok(_)) => operator.refuse(format!("user {uid} may not ask user {us}'s vaxel")).await,
                        (Err(error), _) => operator.refuse(format!("nobody knows who you are: {error}")).await,
                        (_, Err(_)) => operator.refuse(format!("{ASKERS_MAX} others ask already")).await,
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take an operator's question");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

struct Operator {
    stream: BufReader<UnixStream>,
}

/// The operator is gone, or does not read.
struct Gone;

impl Operator {
    async fn refuse(&mut self, why: String) {
        // Who is gone needs no reason.
        if let Err(Gone) = self.say(&Answer::Refused(why)).await {
            tracing::debug!("an operator did not wait for the answer");
        }
    }

    async fn say(&mut self, answer: &Answer) -> Result<(), Gone> {
        let mut line = serde_json::to_vec(answer).expect("it has no maps");
        line.push(b'\n');
        match timeout(PATIENCE, self.stream.write_all(&line)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }

    async fn serve(&mut self, tap: &Arc<Tap>, homer: &Homer, floor: &Arc<Floor>, traces: &Semaphore) {
        let mut line = String::new();
        let read = async { (&mut self.stream).take(QUESTION_MAX).read_line(&mut line).await };
        let Ok(Ok(_)) = timeout(PATIENCE, read).await else { return };
        let done = match serde_json::from_str(&line) {
            Ok(Question::Trace { who }) => match traces.try_acquire() {
                Ok(_place) => {
                    tracing::info!("an operator traces a call");
                    self.trace(tap, who).await
                }
                Err(_) => self.say(&Answer::Refused(format!("{OPERATORS_MAX} others watch already"))).await,
            },
            Ok(Question::Capture { on }) => self.capture(homer, tap, on).await,
            Ok(Question::Agent { agent, act }) => {
                let done = done_for(&agent, &act);
                self.grant(floor, Wish::Agent { agent, act }, done).await
            }
            Ok(Question::Reload) => {
                let floor = floor.clone();
                let reloaded = spawn_blocking(move || floor.reload()).await;
                let answer = reloaded.unwrap_or_else(|_| Err("the settings could not be read".to_owned()));
                self.say(&answer.map_or_else(Answer::Refused, |what| Answer::Done { what, is_kept: true })).await
            }
            Ok(Question::Priority { contact, priority }) => {
                let done = format!("it waits with priority {priority} from now on");
                self.grant(floor, Wish::Priority { contact, priority }, done).await
            }
            Ok(Question::Task(act)) => self.grant(floor, Wish::Task(act), String::new()).await,
            Err(error) => self.say(&Answer::Refused(format!("this is no question that vaxel knows: {error}"))).await,
        };
        if let Err(Gone) = done {
            tracing::debug!("an operator left");
        }
    }

    async fn grant(&mut self, floor: &Floor, wish: Wish, what: String) -> Result<(), Gone> {
        let answer = match floor.grant(wish).await {
            Ok(Done { answer: engine::Answer::Done, is_kept }) => Answer::Done { what, is_kept },
            Ok(Done { answer: engine::Answer::Filed { task, lacking }, is_kept }) => {
                Answer::Filed { task, is_kept, warning: lacking.map(|lacking| waits_in_vain(task, &lacking)) }
            }
            Ok(Done { answer: engine::Answer::Tasks(tasks), .. }) => Answer::Tasks(tasks),
            Err(why) => Answer::Refused(why),
        };
        self.say(&answer).await
    }

    async fn capture(&mut self, homer: &Homer, tap: &Tap, on: Option<bool>) -> Result<(), Gone> {
        if let Some(on) = on {
            if let Err(error) = homer.switch(on) {
                return self.say(&Answer::Refused(format!("{error:#}"))).await;
            }
            tracing::info!(on, "an operator switches the capture of SIP");
        }
        let (sent, lost) = (tap.counts.sent.get(), tap.counts.server_lost.get());
        self.say(&Answer::Capture { server: homer.server(), on: homer.is_on(), sent, lost }).await
    }

    /// Until the call is over, or the operator leaves.
    async fn trace(&mut self, tap: &Arc<Tap>, who: Option<String>) -> Result<(), Gone> {
        let mut listener = tap.listen(tap.counts.trace_lost.clone());
        let mut follow = Follow::new(who);
        self.say(&Answer::Watching).await?;
        let mut end = None;
        loop {
            let over = async {
                match end {
                    Some(end) => tokio::time::sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            let heard = tokio::select! {
                heard = listener.next() => heard,
                () = over => return self.say(&Answer::Over).await,
                // Nothing more is expected from there: it is the end.
                _ = self.stream.read_u8() => return Err(Gone),
            };
            match listener.lost() {
                0 => {}
                lost => self.say(&Answer::Lost(lost)).await?,
            }
            let is_over = match &*heard {
                Tapped::Message(captured) => {
                    for captured in follow.takes(captured) {
                        self.say(&Answer::Message(Line::of(&captured))).await?;
                    }
                    follow.is_over(None)
                }
                Tapped::Ended(call) => follow.is_over(Some(*call)),
            };
            // Its end may be among those that were missed: better a short ladder than one without an end.
            let may_be_over = listener.missed_end() && follow.has_begun();
            if is_over || may_be_over {
                end.get_or_insert_with(|| tokio::time::Instant::now() + LINGER);
            }
        }
    }
}

/// Asks the service whose data folder this is.
fn ask(folder: &Path, question: &Question) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Answer>>> {
    let path = socket(folder);
    let mut stream = SyncStream::connect(&path).with_context(|| {
        let path = path.display();
        format!("no vaxel answers at {path}; is it running, and with these settings? (`--config FILE` names others)")
    })?;
    let mut line = serde_json::to_vec(question).expect("it has no maps");
    line.push(b'\n');
    let asked = stream.write_all(&line);
    let mut answers = SyncReader::new(stream).lines().map(|line| Ok(serde_json::from_str(&line?)?)).peekable();
    if let Err(error) = asked {
        // Who is refused unheard finds the reason written already.
        let has_reason = matches!(answers.peek(), Some(Ok::<_, anyhow::Error>(_)));
        if !has_reason {
            return Err(error).context("vaxel does not listen");
        }
    }
    Ok(answers)
}

/// Draws the ladder of the next call, or of the next call from or to `who`, while it runs. `whole`: with every message in full.
///
/// # Errors
///
/// No service runs, or it ended before the call; it answers something that this version does not know.
pub fn trace(folder: &Path, who: Option<String>, whole: bool, waiting: impl FnOnce()) -> anyhow::Result<()> {
    let (mut ladder, mut waiting) = (Ladder::default(), Some(waiting));
    for answer in ask(folder, &Question::Trace { who })? {
        match answer? {
            Answer::Watching => {
                if let Some(waiting) = waiting.take() {
                    waiting();
                }
            }
            Answer::Message(line) => {
                let captured = line.captured().context("the service sent what this version cannot read")?;
                print(&ladder.draw(&captured))?;
                if whole {
                    print(&indented(&line.text))?;
                }
            }
            Answer::Lost(lost) => print(&format!("({lost} messages of all calls were not seen)\n"))?,
            Answer::Over => return Ok(()),
            Answer::Refused(why) => bail!(why),
            Answer::Capture { .. } | Answer::Done { .. } | Answer::Filed { .. } | Answer::Tasks(_) => {
                bail!("the service answered another question")
            }
        }
    }
    bail!("the service ended")
}

/// What a peer wrote moves no cursor.
fn indented(text: &str) -> String {
    let clean = |line: &str| line.replace(|c: char| c.is_control(), "?");
    text.lines().map(|line| format!("    {}\n", clean(line))).collect()
}

/// Switches the capture server's feed, or only asks; says how it is then.
///
/// # Errors
///
/// No service runs, or the settings name no capture server.
pub fn capture(folder: &Path, on: Option<bool>) -> anyhow::Result<String> {
    match ask(folder, &Question::Capture { on })?.next().context("the service ended")?? {
        Answer::Capture { server, on, sent, lost } => {
            let server = server.map_or("none (`server` in [capture])".into(), |server| format!("udp {server}"));
            let on = if on { "on" } else { "off" };
            Ok(format!("capture {on}\n  server {server}\n  sent   {sent}\n  lost   {lost}\n"))
        }
        Answer::Refused(why) => bail!(why),
        other => bail!("the service answered another question: {other:?}"),
    }
}

/// Has the service read its settings again; says what is otherwise from now on, and what waits for the next start.
///
/// # Errors
///
/// No service runs, or the settings are wrong and it goes on with those it has.
pub fn reload(folder: &Path) -> anyhow::Result<String> {
    match ask(folder, &Question::Reload)?.next().context("the service ended")?? {
        Answer::Done { what, .. } => Ok(what),
        Answer::Refused(why) => bail!(why),
        other => bail!("the service answered another question: {other:?}"),
    }
}

/// Does something for an agent; says what was done.
///
/// # Errors
///
/// No service runs, or it has no such agent or pause reason.
pub fn agent(folder: &Path, agent: String, act: AgentAct) -> anyhow::Result<String> {
    match ask(folder, &Question::Agent { agent, act })?.next().context("the service ended")?? {
        Answer::Done { what, is_kept } => Ok(format!("{what}{}\n", doubt(is_kept))),
        Answer::Refused(why) => bail!(why),
        other => bail!("the service answered another question: {other:?}"),
    }
}

/// Changes the priority of a call or task that waits; says what was done.
///
/// # Errors
///
/// No service runs, or nothing of that id waits.
pub fn priority(folder: &Path, contact: CallId, priority: i32) -> anyhow::Result<String> {
    match ask(folder, &Question::Priority { contact, priority })?.next().context("the service ended")?? {
        Answer::Done { what, is_kept } => Ok(format!("{what}{}\n", doubt(is_kept))),
        Answer::Refused(why) => bail!(why),
        other => bail!("the service answered another question: {other:?}"),
    }
}

/// Files a task, or does something with one; says what was done.
///
/// # Errors
///
/// No service runs, or it cannot be done; says what can.
pub fn task(folder: &Path, act: TaskAct) -> anyhow::Result<String> {
    let done = match &act {
        TaskAct::Withdraw(task) => format!("{} waits no more", TaskName(*task)),
        TaskAct::Accept { agent, task } => format!("{agent} works on {}", TaskName(*task)),
        TaskAct::Decline { agent, task } => format!("{agent} has declined {}", TaskName(*task)),
        TaskAct::Done(task) => format!("{} is done", TaskName(*task)),
        TaskAct::File(_) | TaskAct::List => String::new(),
    };
    match ask(folder, &Question::Task(act))?.next().context("the service ended")?? {
        Answer::Done { is_kept, .. } => Ok(format!("{done}{}\n", doubt(is_kept))),
        Answer::Filed { task, is_kept, warning } => {
            // Beside the id, which programs read.
            warning.iter().for_each(complain);
            Ok(format!("{}{}\n", TaskName(task), doubt(is_kept)))
        }
        Answer::Refused(why) => bail!(why),
        other => bail!("the service answered another question: {other:?}"),
    }
}

/// Every task that is not done.
///
/// # Errors
///
/// No service runs.
pub fn tasks(folder: &Path) -> anyhow::Result<Vec<Listed>> {
    match ask(folder, &Question::Task(TaskAct::List))?.next().context("the service ended")?? {
        Answer::Tasks(tasks) => Ok(tasks),
        Answer::Refused(why) => bail!(why),
        other => bail!("the service answered another question: {other:?}"),
    }
}

fn doubt(is_kept: bool) -> &'static str {
    if is_kept { "" } else { "\n(!) the journal could not be written: a restart would forget this; see the log" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::metrics::{Metrics, Names};
    use crate::edge::{Clock, testing::Folder};
    use crate::ids::CallId;
    use std::io::Read;
    use tokio::runtime::Runtime;

    struct Bench {
        folder: Folder,
        tap: Arc<Tap>,
        runtime: Runtime,
        server: std::net::UdpSocket,
        _metrics: Metrics,
    }

    fn bench(with_server: bool) -> Bench {
        let runtime = Runtime::new().unwrap();
        let clock = Clock::start();
        let metrics = Metrics::new(clock, &Names::default());
        let tap = Tap::new(clock, metrics.capture.clone());
        let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = with_server.then(|| server.local_addr().unwrap());
        let homer = Arc::new(Homer::new(tap.clone(), to, 2001, runtime.handle().clone()));
        let folder = Folder::new();
        let (door, _) = crate::edge::door::door(clock, 4);
        let floor = Floor { reasons: ["lunch".to_owned()].into(), door, reloader: None };
        listen(folder.path(), tap.clone(), homer, floor, runtime.handle());
        Bench { folder, tap, runtime, server, _metrics: metrics }
    }

    fn send(tap: &Tap, start: &str, method: &str, call: Option<CallId>) {
        let text = format!(
            "{start}\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: c\r\nCSeq: 1 {method}\r\nMax-Forwards: 70\r\nAuthorization: Digest response=\"secret\"\r\n\
             Content-Length: 0\r\n\r\n"
        );
        let (local, remote) = ("127.0.0.1:5060".parse().unwrap(), "127.0.0.1:9".parse().unwrap());
        let hop = Hop { transport: Transport::Udp, local, remote, connection: None };
        let message = Message::parse(text.as_bytes()).unwrap();
        if start.starts_with("SIP/2.0") {
            tap.sent(&crate::sip::Transmit::new(hop, text.into_bytes()), |_| call);
        } else {
            tap.received(hop, &message);
        }
    }

    #[test]
    fn who_wishes_for_what_is_not_there_is_told_what_is() {
        let bench = bench(false);
        let error = agent(bench.folder.path(), "anna".into(), AgentAct::Pause("golf".into())).unwrap_err().to_string();
        assert_eq!(error, "there is no pause reason `golf`; there are lunch");
        let error = agent(bench.folder.path(), "anna".into(), AgentAct::Resume).unwrap_err().to_string();
        assert_eq!(error, "vaxel is about to end", "there is no engine here");
        let error = tasks(bench.folder.path()).unwrap_err().to_string();
        assert_eq!(error, "vaxel is about to end");
    }

    #[test]
    fn a_call_is_told_from_its_invite_to_its_end_without_credentials() {
        let bench = bench(false);
        let question = Question::Trace { who: Some("100".into()) };
        let mut answers = ask(bench.folder.path(), &question).unwrap();
        let mut next = || answers.next().expect("an answer").unwrap();
        assert!(matches!(next(), Answer::Watching));
        send(&bench.tap, "INVITE sip:999@b SIP/2.0", "INVITE", None);
        send(&bench.tap, "INVITE sip:100@b SIP/2.0", "INVITE", None);
        send(&bench.tap, "SIP/2.0 100 Trying", "INVITE", Some(CallId(1)));
        bench.tap.ended(CallId(2));
        bench.tap.ended(CallId(1));
        send(&bench.tap, "SIP/2.0 200 OK", "BYE", None);
        for start in ["INVITE sip:100@b", "SIP/2.0 100", "SIP/2.0 200 OK"] {
            let Answer::Message(line) = next() else { panic!("no message") };
            assert!(line.text.starts_with(start) && !line.text.contains("secret"), "{}", line.text);
            assert!(line.captured().is_some());
        }
        assert!(matches!(next(), Answer::Over));
        assert!(answers.next().is_none());
    }

    #[test]
    fn capture_is_switched_on_and_off_while_running() {
        let bench = bench(true);
        let folder = bench.folder.path();
        let told = |on| capture(folder, on).unwrap();
        let server = bench.server.local_addr().unwrap();
        assert_eq!(told(None), format!("capture off\n  server udp {server}\n  sent   0\n  lost   0\n"));
        assert!(told(Some(true)).starts_with("capture on\n") && told(Some(true)).starts_with("capture on\n"));
        let mut packet = [0; 2000];
        // The task that sends may not listen yet.
        bench.server.set_nonblocking(true).unwrap();
        let end = std::time::Instant::now() + Duration::from_secs(5);
        let length = loop {
            send(&bench.tap, "INVITE sip:100@b SIP/2.0", "INVITE", None);
            match bench.server.recv(&mut packet) {
                Ok(length) => break length,
                Err(_) => assert!(std::time::Instant::now() < end, "nothing came"),
            }
        };
        assert!(packet.starts_with(b"HEP3") && !packet[..length].windows(6).any(|part| part == b"secret"));
        assert!(told(Some(false)).starts_with("capture off\n"));
        // Who sends hears no more: its listener is gone.
        while bench.tap.is_on() {
            assert!(std::time::Instant::now() < end, "it still listens");
            std::thread::yield_now();
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        let bench = bench(false);
        let folder = bench.folder.path();
        let error = capture(folder, Some(true)).unwrap_err().to_string();
        assert!(error.contains("write `server` into [capture]"), "{error}");
        assert!(capture(folder, None).unwrap().contains("server none"));
        let error = trace(&folder.join("away"), None, false, || ()).unwrap_err().to_string();
        assert!(error.contains("away/control") && error.contains("--config"), "{error}");
        let mode = std::fs::metadata(socket(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let mut stream = SyncStream::connect(socket(folder)).unwrap();
        stream.write_all(b"what?\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.contains("no question that vaxel knows"), "{text}");

        let asked = Question::Trace { who: None };
        let mut watching: Vec<_> = (0..OPERATORS_MAX).map(|_| ask(folder, &asked).unwrap()).collect();
        for answers in &mut watching {
            assert!(matches!(answers.next(), Some(Ok(Answer::Watching))));
        }
        let error = trace(folder, None, false, || ()).unwrap_err().to_string();
        assert!(error.contains("8 others watch already"), "{error}");
        drop(watching);
        drop(bench.runtime);
    }

    #[test]
    fn a_peer_s_words_move_no_cursor() {
        assert_eq!(indented("a\u{1b}[2J\r\nb\n"), "    a?[2J\n    b\n");
    }
}
