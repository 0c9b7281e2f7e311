//! Sends what passes the tap to a capture server (Homer and its kin), while that is switched on.

use super::tap::{Tap, Tapped};
use super::throttle::Throttle;
use crate::sip::capture::hep;
use crate::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UdpSocket;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The way to the capture server, on or off.
pub(super) struct Homer {
    tap: Arc<Tap>,
    /// `None`: the settings name no server, so it stays off.
    server: Option<SocketAddr>,
    /// By which the server knows this vaxel.
    agent: u32,
    runtime: Handle,
    sending: Mutex<Option<JoinHandle<()>>>,
}

impl Homer {
    pub fn new(tap: Arc<Tap>, server: Option<SocketAddr>, agent: u32, runtime: Handle) -> Homer {
        Homer { tap, server, agent, runtime, sending: Mutex::default() }
    }

    pub fn server(&self) -> Option<SocketAddr> {
        self.server
    }

    pub fn is_on(&self) -> bool {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Does nothing if it is so already.
    ///
    /// # Errors
    ///
    /// There is no server, or no socket towards it; said for the operator.
    pub fn switch(&self, on: bool) -> anyhow::Result<()> {
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        match (on, sending.take()) {
            (true, Some(running)) => *sending = Some(running),
            (false, running) => {
                if let Some(running) = running {
                    running.abort();
                }
                self.tap.counts.on.set(0);
            }
            (true, None) => {
                let Some(server) = self.server else {
                    anyhow::bail!("the settings name no capture server: write `server` into [capture] and restart");
                };
                let any: IpAddr =
                    if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let _current = self.runtime.enter();
                let socket = std::net::UdpSocket::bind((any, 0))?;
                socket.connect(server)?;
                socket.set_nonblocking(true)?;
                let socket = UdpSocket::from_std(socket)?;
                *sending = Some(self.runtime.spawn(send(self.tap.clone(), socket, self.agent)));
                self.tap.counts.on.set(1);
            }
        }
        Ok(())
    }
}

async fn send(tap: Arc<Tap>, socket: UdpSocket, agent: u32) {
    let mut listener = tap.listen(tap.counts.server_lost.clone());
    let failures = Throttle::new(LOG_INTERVAL);
    loop {
        let heard = listener.next().await;
        let Tapped::Message(captured) = &*heard else { continue };
        let sent = match hep(captured, agent) {
            Some(packet) => socket.send(&packet).await.map(|_| ()).map_err(|error| error.to_string()),
            None => Err("a message is too large for a datagram".to_owned()),
        };
        match sent {
            Ok(()) => tap.counts.sent.inc(),
            Err(error) => {
                tap.counts.server_lost.inc();
                if let Some(held_back) = failures.pass(tap.clock.now()) {
                    tracing::warn!(error, held_back, "the capture server does not get everything");
                }
            }
        }
    }
}
