//! A disk that others have filled under the running service: a file system of its own, which no other program sees.

use crate::house::{self, Folder, PATIENCE, carrier};
use crate::journal::{CODES, SOON, anna, bjorn, stands};
use crate::person::{Person, until};
use crate::program::{Program, seen_by};
use crate::report::sales;
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use vaxel::sim::phone::PhoneEvent;

/// The data folder of a service: in memory, in a mount namespace that is its holder's, and of those who enter it.
struct Disk {
    holder: Child,
    /// As everybody sees it.
    root: PathBuf,
}

impl Disk {
    /// `None`, which is said: this machine lets nobody mount one.
    fn new(folder: &Folder, megabytes: u32) -> Option<Disk> {
        let data = folder.0.join("data");
        std::fs::create_dir(&data).expect("a folder");
        let mut unshare = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        let mount = "mount -t tmpfs -o size=\"$0\" none \"$1\" && echo mounted && exec cat";
        unshare.args(["--mount", "sh", "-c", mount]).arg(format!("{megabytes}m")).arg(&data);
        // It ends when this process does, and with it the disk.
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare");
        let mut said = String::new();
        BufReader::new(holder.stdout.as_mut().expect("it is piped")).read_line(&mut said).expect("text");
        if said != "mounted\n" {
            let untested =
                b"NOT TESTED: the service on a disk that is full (only root can mount one on this machine)\n";
            std::io::stderr().write_all(untested).expect("somebody listens");
            holder.wait().expect("it has ended");
            return None;
        }
        let root = seen_by(Some(holder.id()), &data);
        Some(Disk { holder, root })
    }

    /// Takes all that is left.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.root.join("fill")).expect("a file");
        let full = std::iter::repeat_with(|| file.write_all(&[0; 512])).find_map(Result::err).expect("endless");
        assert_eq!(full.kind(), ErrorKind::StorageFull);
    }

    /// Whether a line of what the database has not taken has both.
    fn holds(&self, one: &str, other: &str) -> bool {
        let held = std::fs::read(self.root.join("vaxel.db.held")).expect("it is there");
        String::from_utf8_lossy(&held).lines().any(|line| line.contains(one) && line.contains(other))
    }

    fn make_room(&self) {
        std::fs::remove_file(self.root.join("fill")).expect("it is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        self.holder.wait().expect("it has ended");
    }
}

/// Once this series is as wanted; meanwhile the phones are served.
fn shown(program: &Program, people: &mut [&mut Person], series: &str, wanted: impl Fn(f64) -> bool) {
    let began = Instant::now();
    loop {
        let value = house::metrics(program.http)[series];
        if wanted(value) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{series} is still {value}");
        people.iter_mut().for_each(|person| person.turn());
    }
}

fn caller(program: &Program, number: &str) -> Person {
    let mut caller = Person::new(vaxel::sip::Transport::Udp, carrier(true), program.sip, number, None);
    caller.does(|phone, now| phone.call(now, "300"));
    caller
}

/// What agents do, and since when.
fn kept(stood: &str) -> Vec<String> {
    let agents = stood.lines().filter(|line| ["anna ", "bjorn "].iter().any(|name| line.trim().starts_with(name)));
    agents.map(str::to_owned).collect()
}

/// Who came to the queue today, and whose talk or notes are not over.
fn counted(program: &Program) -> [serde_json::Value; 3] {
    let report = program.command(&["report", "--json"]).expect("a journal");
    let report = serde_json::from_str(&report).expect("JSON");
    ["offered", "answered", "in_hand"].map(|name| sales(&report)[name].clone())
}

const RESERVE: f64 = (16 << 20) as f64;

#[test]
fn on_a_full_disk_calls_go_on_and_nothing_is_forgotten_by_a_kill() {
    let folder = Folder::new();
    let Some(disk) = Disk::new(&folder, 48) else { return };
    let logs = Folder::new();
    let log = logs.0.join("log");
    let file = || File::options().create(true).append(true).open(&log).expect("a file");
    let program = Program::start_there(folder, Some(disk.holder.id()), file(), "info", CODES);
    program.rewrites(|text| text.replace("wrap_up = \"0s\"", "wrap_up = \"10m\""));
    program.command(&["reload"]).expect("it is taken");
    let mut anna = anna(&program);
    let mut first = caller(&program, "+46701234567");
    until(&mut [&mut first, &mut anna], 1, |event| matches!(event, PhoneEvent::Rings { .. }));
    shown(&program, &mut [], "vaxel_store_reserve_bytes", |bytes| bytes == RESERVE);
    shown(&program, &mut [], "vaxel_journal_reserve_bytes", |bytes| bytes > 0.9 * RESERVE);

    // All that follows happens on a disk that takes nothing more.
    disk.fill();
    anna.does(|phone, now| phone.answer(now));
    until(&mut [&mut anna, &mut first], 1, |event| matches!(event, PhoneEvent::Connected { .. }));
    first.does(|phone, now| phone.hang_up(now));
    until(&mut [&mut anna, &mut first], 0, |event| *event == PhoneEvent::Ended);
    let mut bjorn = bjorn(&program);
    bjorn.does(|phone, now| phone.call(now, "*2"));
    until(&mut [&mut bjorn], 0, |event| *event == PhoneEvent::Ended);
    let mut second = caller(&program, "+46701234568");
    until(&mut [&mut second, &mut anna, &mut bjorn], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    let people = &mut [&mut second, &mut anna, &mut bjorn];
    shown(&program, people, "vaxel_store_retries_total", |count| count > 0.0);
    shown(&program, people, "vaxel_journal_reserve_bytes", |bytes| bytes > 0.0 && bytes < RESERVE - 1000.0);
    shown(&program, people, "vaxel_store_reserve_bytes", |bytes| bytes > 0.0 && bytes < RESERVE - 1000.0);
    assert_eq!(house::get(program.http, "/readyz").0, 200);
    let metrics = house::metrics(program.http);
    for lost in ["journal_events", "store_records", "store_registrations"] {
        assert_eq!(metrics[&format!("vaxel_{lost}_lost_total")], 0.0);
    }
    assert_eq!(metrics["vaxel_journal_writing"], 1.0);
    let before =
        stands(&program, people, &["sales: 1 waiting", "anna   wrap_up, since ", "bjorn  paused: break, since "]);
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("database or disk is full") && said.contains("contact records cannot be written"), "{said}");

    // Killed once it is noted that the caller waits, which may take a second, and started where there is no room yet.
    let began = Instant::now();
    while !disk.holds("+46701234568", "sales") {
        assert!(began.elapsed() < PATIENCE, "the second call is not noted");
        people.iter_mut().for_each(|person| person.turn());
    }
    disk.fill();
    let killed = Instant::now();
    let program = program.killed_and_started_again(file());
    assert_eq!(house::get(program.http, "/readyz").0, 200);
    assert!(killed.elapsed() < SOON, "it took {:?} to be back", killed.elapsed());
    drop(second);
    let after =
        stands(&program, &mut [], &["sales: nobody waits", "anna   wrap_up, since ", "bjorn  paused: break, since "]);
    assert_eq!(kept(&after), kept(&before));
    assert_eq!(counted(&program), [2, 1, 1]);
    let mut third = caller(&program, "+46701234569");
    until(&mut [&mut third, &mut anna, &mut bjorn], 0, |event| matches!(event, PhoneEvent::Connected { .. }));
    third.does(|phone, now| phone.hang_up(now));
    shown(&program, &mut [&mut third], "vaxel_store_records_waiting", |records| records > 0.0);

    // Once there is room, all is in the database, and room is kept again.
    disk.make_room();
    shown(&program, &mut [&mut anna, &mut bjorn], "vaxel_store_records_waiting", |records| records == 0.0);
    shown(&program, &mut [], "vaxel_store_reserve_bytes", |bytes| bytes == RESERVE);
    shown(&program, &mut [], "vaxel_journal_reserve_bytes", |bytes| bytes > 0.9 * RESERVE);
    let program = program.killed_and_started_again(file());
    let after =
        stands(&program, &mut [], &["sales: nobody waits", "anna   wrap_up, since ", "bjorn  paused: break, since "]);
    assert_eq!(kept(&after), kept(&before));
    for (number, ended) in [("67", "answered after 0s"), ("68", "was lost by a fault of the system"), ("69", "hung up")]
    {
        let told = program.command(&["why", &format!("+467012345{number}")]).expect("it has a record");
        assert!(told.contains(ended), "{ended} is not in {told}");
    }
    assert_eq!(counted(&program), [3, 1, 1]);
}
