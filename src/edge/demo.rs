//! `vaxel demo`: the service shown working, without any phone. A scripted caller and two scripted agents, with real SIP
//! and RTP over loopback.

use super::clock::Clock;
use super::data::Folder;
use super::service::Service;
use super::softphone::{Do, SoftPhone};
use super::{output, sip};
use crate::audio::{measure, tone};
use crate::config::{Config, Listen};
use crate::engine::directory::Pattern;
use crate::sim::PhoneEvent;
use crate::sip::Transport;
use crate::time::{Duration, Time};
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};

/// The tones that the three speak, in hertz: far enough apart to be told from each other, and none a DTMF tone.
const CALLER: f64 = 440.0;
const FIRST_AGENT: f64 = 550.0;
const SECOND_AGENT: f64 = 660.0;
/// Where the demonstration listens besides.
const SECURE: [Listen; 1] = [Listen {
    transport: Transport::Tls,
    address: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5061),
    advertise: None,
}];
/// How long anything may take before the demonstration has failed.
const LIMIT: Duration = Duration::from_secs(15);
/// A tone is heard when it is louder than this, in dBFS, for this long without a hole.
const LOUD: f64 = -20.0;
const LONG: Duration = Duration::from_millis(1000);

#[derive(Clone, Debug)]
pub struct Options {
    /// Leave the service running afterwards, until it is told to stop.
    pub keep: bool,
    /// Where the WAV of what the caller heard is written; `None`: `demo-caller.wav` in the data folder.
    pub wav: Option<PathBuf>,
    /// Made-up passwords may stand in the announcement.
    pub show_passwords: bool,
}

/// Starts the service, plays the story, and says whether each step happened.
///
/// # Errors
///
/// The service does not start, or a step of the story did not happen; the error names it.
pub fn run(config: &Config, options: &Options) -> Result<()> {
    let wav = options.wav.clone().unwrap_or_else(|| config.data.folder.join("demo-caller.wav"));
    let number = config.numbers.iter().find_map(|number| match &number.number {
        Pattern::One(one) if number.trunk.is_none() => Some(one.clone()),
        _ => None,
    });
    let number = number.context("the demonstration needs a number that can be dialled")?;
    ensure!(config.agents.len() >= 2, "the demonstration needs two agents in the settings");
    let service = Service::start(&with_tls(config)?)?;
    show(&service.announcement(options.show_passwords));
    let story = Story::new(&service, &number)?;
    let outcome = story.play(&wav);
    match &outcome {
        Ok(()) => show(&format!("\nEverything happened as it should. What the caller heard: {}\n", wav.display())),
        Err(err) => show(&format!("\nNot everything happened: {err:#}\n")),
    }
    if options.keep && outcome.is_ok() {
        service.run_until_told(|_| show("The service goes on; Ctrl-C stops it.\n"))?;
    } else if outcome.is_ok() {
        drop(story);
        service.drain();
        service.wait();
    } else {
        // The story broke off with its call up, perhaps: nobody is left to end it, and nobody is to be waited for.
        drop(story);
        drop(service);
    }
    outcome
}

/// With the built-in listeners TLS can be tried as well, by the operator's certificate or one that nobody but itself vouches for.
fn with_tls(config: &Config) -> Result<Config> {
    let mut config = config.clone();
    if config.sip.listen_is_built_in {
        if config.sip.tls.certificate.is_none() {
            // The lock is given back: the service takes it.
            let folder = Folder::open(&config.data.folder)?;
            let own = sip::self_signed(folder.path())?;
            (config.sip.tls.certificate, config.sip.tls.key) = (Some(own.certificate), Some(own.key));
        }
        config.sip.listen.extend(SECURE);
    }
    Ok(config)
}

struct Story<'a> {
    service: &'a Service,
    clock: Clock,
    began: Time,
    number: String,
    caller: SoftPhone,
    first: SoftPhone,
    second: SoftPhone,
}

impl<'a> Story<'a> {
    fn new(service: &'a Service, number: &str) -> Result<Story<'a>> {
        let clock = Clock::start();
        let server = service
            .sip()
            .iter()
            .find(|(transport, address)| *transport == Transport::Udp && address.ip().is_loopback())
            .context("the demonstration needs a UDP listener on loopback")?
            .1;
        let accounts = service.accounts();
        let [first, second, ..] = accounts else { bail!("the demonstration needs two agents") };
        let seed = clock.now().as_micros();
        let phone = |name: &str, password: Option<&str>, tone: f64, n: u64| {
            SoftPhone::start(server, name, password, tone, clock, seed.wrapping_add(n))
        };
        Ok(Story {
            service,
            clock,
            began: clock.now(),
            number: number.to_owned(),
            caller: phone("+46700000000", None, CALLER, 1)?,
            first: phone(&first.agent, Some(first.password.expose()), FIRST_AGENT, 2)?,
            second: phone(&second.agent, Some(second.password.expose()), SECOND_AGENT, 3)?,
        })
    }

    fn say(&self, at: Time, who: &str, what: &str) {
        show(&format!("{:9.3} s  {who:<14} {what}\n", at.since(self.began).as_secs_f64()));
    }

    fn now(&self, who: &str, what: &str) {
        self.say(self.clock.now(), who, what);
    }

    fn play(&self, wav: &Path) -> Result<()> {
        let outcome = self.calls();
        // Written also when something failed: it may tell what.
        write_wav(wav, &self.caller.heard()).with_context(|| format!("writing {}", wav.display()))?;
        outcome
    }

    fn calls(&self) -> Result<()> {
        let Story { caller, first, second, .. } = self;
        // More than none if calls were up when the service was last killed.
        let written = records(&self.metrics()?);
        show("\n");
        for agent in [first, second] {
            agent.act(Do::Register);
            let (at, _) = agent.until("to be registered", LIMIT, |e| *e == PhoneEvent::Registered)?;
            self.say(at, &agent.name, "registered with digest: ready");
        }
        self.now("caller", &format!("dials {}", self.number));
        caller.act(Do::Call(self.number.clone()));
        let (at, event) = caller.until("an answer", LIMIT, |e| matches!(e, PhoneEvent::Connected { .. }))?;
        if let PhoneEvent::Connected { stream } = event {
            self.say(at, "caller", &format!("is answered, sound by {:?} to {}", stream.codec, stream.remote));
        }
        self.wait("the menu's voice", || {
            let heard = caller.heard();
            heard.len() >= 12_000 && measure::loudness(&heard[heard.len() - 8000..]) > -40.0
        })?;
        self.now("caller", "hears the menu");
        caller.act(Do::Key('1'));
        self.now("caller", "presses 1 (RFC 4733)");

        // Whoever is rung first is in a meeting, so that the caller has something to wait for.
        let (at, busy, other) = self.who_rings(first, second)?;
        self.say(at, &busy.name, "is rung, lets it ring a moment, and declines");
        let before = caller.heard().len();
        self.wait("music while waiting", || {
            let heard = caller.heard();
            heard.len() >= before + 12_000 && measure::loudness(&heard[before + 4000..]) > -45.0
        })?;
        self.now("caller", "hears music while waiting");
        busy.act(Do::Decline(603));
        let (at, event) = other.until("to be rung next", LIMIT, |e| matches!(e, PhoneEvent::Rings { .. }))?;
        if let PhoneEvent::Rings { from } = event {
            self.say(at, &other.name, &format!("is rung; the display shows \"{from}\""));
        }
        other.act(Do::Answer);
        let (at, _) = other.until("to be connected", LIMIT, |e| matches!(e, PhoneEvent::Connected { .. }))?;
        self.say(at, &other.name, "answers");

        let speaks = if std::ptr::eq(other, first) { FIRST_AGENT } else { SECOND_AGENT };
        self.wait("the caller to hear the agent", || has_tone(&caller.heard(), speaks))?;
        self.now("caller", &format!("hears {} ({speaks} Hz for {} ms without a hole)", other.name, LONG.as_millis()));
        self.wait("the agent to hear the caller", || has_tone(&other.heard(), CALLER))?;
        self.now(&other.name, &format!("hears the caller ({CALLER} Hz for {} ms without a hole)", LONG.as_millis()));

        other.act(Do::HangUp);
        self.now(&other.name, "hangs up");
        let (at, _) = caller.until("the end of the call", LIMIT, |e| *e == PhoneEvent::Ended)?;
        self.say(at, "caller", "hears thanks and good-bye; the call is over");

        self.wait("the metrics to count the call", || {
            let metrics = self.metrics().unwrap_or_default();
            let answered: f64 = metrics
                .lines()
                .filter(|line| line.starts_with("vaxel_queue_exits_total{exit=\"answered\""))
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum();
            answered >= 1.0 && records(&metrics) > written
        })?;
        self.now("vaxel", "counts one answered call in /metrics, and has written its contact record");
        Ok(())
    }

    /// What `/metrics` says, as Prometheus would read it.
    fn metrics(&self) -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.service.http(), LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// The phone that rings, and the one that does not.
    fn who_rings<'b>(&self, a: &'b SoftPhone, b: &'b SoftPhone) -> Result<(Time, &'b SoftPhone, &'b SoftPhone)> {
        let end = self.clock.now() + LIMIT;
        while self.clock.now() < end {
            for (rung, other) in [(a, b), (b, a)] {
                if let Ok((at, PhoneEvent::Rings { .. })) = rung.event(Duration::from_millis(20)) {
                    return Ok((at, rung, other));
                }
            }
        }
        bail!("no agent was rung within {LIMIT:?}")
    }

    /// Looks again and again until it holds, with a limit.
    fn wait(&self, what: &str, holds: impl Fn() -> bool) -> Result<()> {
        let end = self.clock.now() + LIMIT;
        while !holds() {
            ensure!(self.clock.now() < end, "waited {LIMIT:?} for {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// The story goes on when it cannot be told: its exit code says how it ended.
fn show(text: &str) {
    if let Err(error) = output::print(text) {
        tracing::warn!(%error, "standard output cannot be written");
    }
}

/// How many contact records were written, by what `/metrics` says.
fn records(metrics: &str) -> f64 {
    let written = metrics.lines().find_map(|line| line.strip_prefix("vaxel_store_records_total "));
    written.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

fn has_tone(heard: &[i16], frequency: f64) -> bool {
    u128::from(measure::longest_tone_millis(heard, frequency, LOUD, tone::RATE)) >= LONG.as_millis()
}

fn write_wav(path: &Path, samples: &[i16]) -> Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: tone::RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for sample in samples {
        writer.write_sample(*sample)?;
    }
    writer.finalize()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn the_operators_certificate_is_shown_if_there_is_one() {
        let pem = |_: &Path| Ok("-----BEGIN CERTIFICATE-----\n".to_owned());
        let files = [("VAXEL_SIP__TLS__CERTIFICATE", "own.pem"), ("VAXEL_SIP__TLS__KEY", "own.key")];
        let variables = files.map(|(name, file)| (name.to_owned(), file.to_owned()));
        let loaded = config::load(None, variables, &pem).expect("good settings");
        let config = with_tls(&loaded.config).expect("nothing has to be made");
        assert_eq!(config.sip.tls.certificate, loaded.config.sip.tls.certificate);
        assert_eq!(config.sip.tls.key, Some("own.key".into()));
        assert!(config.sip.listen.iter().any(|listen| listen.transport == Transport::Tls));
    }
}
