//! baresip, a real softphone, as an agent: registers with digest, answers by itself or when told, plays a tone and
//! keeps what it heard.

use crate::SOON;
use crate::server::{Folder, free_port, free_ports, wait_for};
use crate::sound::Ear;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub struct Baresip {
    child: Child,
    folder: PathBuf,
    control: TcpStream,
    /// What the control port said that no wait has come past yet.
    said: String,
    /// Where it is called by TLS.
    pub tls: u16,
}

pub struct Options<'a> {
    pub user: &'a str,
    pub password: &'a str,
    /// `auto` or `manual`.
    pub answers: &'a str,
    /// The tone it speaks, in hertz; `None`: it repeats what it hears.
    pub tone: Option<f64>,
    /// `udp`, `tcp` or `tls`; for that the authority is `ca.pem` in the test's folder.
    pub transport: &'a str,
}

impl Baresip {
    pub fn start(folder: &Folder, server: SocketAddr, options: &Options) -> Baresip {
        Baresip::run(folder, server, options, None, true)
    }

    /// One that registers nowhere.
    pub fn start_unregistered(folder: &Folder, server: SocketAddr, options: &Options) -> Baresip {
        Baresip::run(folder, server, options, None, false)
    }

    /// One that registers nowhere, and shows this certificate, a file with its key in the test's folder.
    pub fn start_certified(folder: &Folder, server: SocketAddr, options: &Options, certificate: &str) -> Baresip {
        Baresip::run(folder, server, options, Some(certificate), false)
    }

    fn run(
        folder: &Folder,
        server: SocketAddr,
        options: &Options,
        certificate: Option<&str>,
        registers: bool,
    ) -> Baresip {
        let Options { user, password, answers, tone, transport } = options;
        let folder = folder.path().join(user);
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).expect("a folder for the phone");
        let (sip, control, rtp) = (free_ports(2), free_port(), free_ports(20));
        let place = folder.display();
        let sound = match tone {
            Some(tone) => {
                write_tone(&folder.join("tone.wav"), *tone);
                format!("module aufile.so\naudio_source aufile,{place}/tone.wav\n")
            }
            None => "module aubridge.so\naudio_source aubridge,echo\naudio_player aubridge,echo\n".to_owned(),
        };
        let home = server.ip();
        // It ends at once when that file is missing.
        let authority = match *transport {
            "tls" => format!("sip_cafile {place}/../ca.pem\nsip_verify_server yes\n"),
            _ => String::new(),
        };
        let shown = certificate.map_or(String::new(), |file| format!("sip_certificate {place}/../{file}\n"));
        let regint = if registers { 60 } else { 0 };
        let config = format!(
            "poll_method epoll\nsip_listen {}\nnet_interface {home}\naudio_srate 8000\naudio_channels 1\n\
             rtp_ports {rtp}-{}\nsnd_path {place}\nmodule_path /usr/lib/baresip/modules\n{sound}\
             {authority}{shown}module g711.so\nmodule sndfile.so\n\
             module account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n",
            SocketAddr::new(home, sip),
            rtp + 19
        );
        std::fs::write(folder.join("config"), config).expect("settings can be written");
        std::fs::write(folder.join("accounts"), "").expect("the accounts can be written");
        let account = format!(
            "<sip:{user}@{server};transport={transport}>;auth_user={user};auth_pass={password};answermode={answers};\
             regint={regint};audio_codecs=PCMU/8000/1,PCMA/8000/1"
        );
        let log = std::fs::File::create(folder.join("log")).expect("the log can be written");
        let child = Command::new("baresip")
            .arg("-f")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log can be shared"))
            .stderr(log)
            .spawn()
            .expect("baresip is not installed: tests/run installs it (Debian: baresip-core)");
        let control = SocketAddr::from(([127, 0, 0, 1], control));
        let control = wait_for("baresip's control port", SOON, || TcpStream::connect(control).ok());
        control.set_read_timeout(Some(Duration::from_millis(50))).expect("a socket option");
        let mut phone = Baresip { child, folder, control, said: String::new(), tls: sip + 1 };
        // Not from the file: it would register, and could be called, before anybody hears what the control port says.
        phone.command_with("uanew", &account);
        phone
    }

    /// Gives a command of baresip's menu: `hangup` hangs up or refuses, `accept` answers.
    pub fn command(&mut self, command: &str) {
        self.tell(&format!("{{\"command\":\"{command}\"}}"));
    }

    pub fn dial(&mut self, number: &str) {
        self.command_with("dial", number);
    }

    /// Sends the other end of the call elsewhere.
    pub fn transfer(&mut self, uri: &str) {
        self.command_with("transfer", uri);
    }

    /// From now on it does nothing at all, as a machine that lost its power.
    pub fn freeze(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("it runs");
    }

    pub fn ask_options(&mut self, uri: &str) {
        self.command_with("options", uri);
    }

    /// Ends the hold of a phone that repeats what it hears. Version 1.0 does so no more unless it is given a new bridge.
    pub fn resume(&mut self) {
        self.command("resume");
        self.wait_for_said("call: resume");
        self.command_with("ausrc", "aubridge,again");
        self.command_with("auplay", "aubridge,again");
    }

    fn command_with(&mut self, command: &str, parameter: &str) {
        self.tell(&format!("{{\"command\":\"{command}\",\"params\":\"{parameter}\"}}"));
    }

    /// In one piece: baresip forgets a command whose end it does not see at once.
    fn tell(&mut self, json: &str) {
        self.control.write_all(format!("{}:{json},", json.len()).as_bytes()).expect("baresip listens");
    }

    /// Waits until baresip says that this happened, later than what was waited for before: `CALL_INCOMING`,
    /// `CALL_ESTABLISHED`, `CALL_CLOSED`.
    pub fn wait_for(&mut self, event: &str, limit: Duration) {
        let wanted = format!("\"type\":\"{event}\"");
        wait_for(&format!("{event} of baresip"), limit, || {
            let mut piece = [0; 4096];
            if let Ok(n) = self.control.read(&mut piece) {
                self.said.push_str(&String::from_utf8_lossy(&piece[..n]));
            }
            let at = self.said.find(&wanted)?;
            self.said.drain(..at + wanted.len());
            Some(())
        });
    }

    /// Registration is over before the control port says anything, so the log tells.
    pub fn wait_until_registered(&self) {
        self.wait_for_said("200 OK");
    }

    fn wait_for_said(&self, text: &str) {
        wait_for(&format!("{text} in baresip's log"), SOON, || {
            std::fs::read_to_string(self.folder.join("log")).ok()?.contains(text).then_some(())
        });
    }
}

impl Ear for Baresip {
    /// In all calls until now, each until it was first held: version 1.0 records nothing after that.
    fn heard(&self) -> Vec<i16> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.folder)
            .expect("the phone's folder")
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        let mut heard = Vec::new();
        for file in files {
            // hound reads the length from the head, which baresip writes only at the end of the call; skip the head.
            let bytes = std::fs::read(file).expect("what was heard can be read");
            heard.extend(bytes.get(44..).unwrap_or_default().chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])));
        }
        heard
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking()
            && let Ok(log) = std::fs::read_to_string(self.folder.join("log"))
        {
            eprintln!("--- baresip in {}\n{log}", self.folder.display());
        }
    }
}

pub fn write_tone(path: &std::path::Path, frequency: f64) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = hound::WavWriter::create(path, spec).expect("a tone can be written");
    for sample in vaxel::audio::tone::sine(frequency, -12.0, Duration::from_secs(120), 8000) {
        wav.write_sample(sample).expect("a tone can be written");
    }
    wav.finalize().expect("a tone can be written");
}
