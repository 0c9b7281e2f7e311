//! Metrics and health over HTTP: `/metrics`, `/healthz`, `/readyz`.
//!
//! One request per connection, small heads, few connections at a time, and a limit on how long each may take: nothing
//! that stands here can grow, and a scraper that hangs holds one place for some seconds. Who has a place and asks
//! nothing makes room for the next.

use super::door::Door;
use super::metrics::Metrics;
use super::sip::why_not;
use crate::time::Duration;
use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus::IntCounter;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

/// Connections served at a time. One more takes the place of the oldest that has not asked yet; if all have, it waits.
const CONNECTIONS_MAX: usize = 64;

/// Bytes of a request's head.
const HEAD_MAX: usize = 16 * 1024;

const HEAD_TIME: Duration = Duration::from_secs(5);

/// From the connection to the last byte of the answer.
const WHOLE_TIME: Duration = Duration::from_secs(20);

/// An engine that does not answer within this is not alive.
const ALIVE_TIME: Duration = Duration::from_secs(2);

/// Metrics are told without what the engine does not say within this.
const FIGURES_TIME: Duration = Duration::from_secs(1);

/// What the answers are made of.
#[derive(Clone)]
pub(super) struct Sources {
    pub metrics: Arc<Metrics>,
    pub door: Door,
    /// All that can be asked of the service can be.
    pub started: Arc<AtomicBool>,
    /// No new calls are taken any more.
    pub draining: Arc<AtomicBool>,
}

/// Begins to answer, on the current runtime; where, with the port that the system chose.
pub(super) async fn start(bind: SocketAddr, sources: Sources) -> anyhow::Result<SocketAddr> {
    let named = || format!("cannot listen for HTTP on {bind} (`listen` in `[http]`)");
    let listener = TcpListener::bind(bind).await;
    let listener = listener.map_err(|error| {
        let why = why_not(&error);
        anyhow::Error::new(error).context(format!("cannot listen for HTTP on {bind} (`listen` in `[http]`{why})"))
    })?;
    let bound = listener.local_addr().with_context(named)?;
    let dropped = sources.metrics.http_dropped.clone();
    let service = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(sources);
    tokio::spawn(accept(listener, TowerToHyperService::new(service), dropped));
    Ok(bound)
}

async fn accept(listener: TcpListener, service: TowerToHyperService<Router>, dropped: IntCounter) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let silent = Arc::new(Silent::default());
    for id in 0_u64.. {
        match listener.accept().await {
            Ok((stream, _)) => {
                if places.available_permits() == 0 && silent.drop_oldest() {
                    dropped.inc();
                }
                let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
                silent.spawn(id, serve(stream, service.clone(), Heard { id, silent: silent.clone() }, place));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// The connections that have not asked anything yet, by age.
#[derive(Default)]
struct Silent(Mutex<BTreeMap<u64, AbortHandle>>);

impl Silent {
    fn spawn(&self, id: u64, connection: impl Future<Output = ()> + Send + 'static) {
        // Locked before the connection can say that it was heard.
        self.lock().insert(id, tokio::spawn(connection).abort_handle());
    }

    /// False: there is none.
    fn drop_oldest(&self) -> bool {
        let oldest = self.lock().pop_first();
        oldest.inspect(|(_, connection)| connection.abort()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the silence of a connection: when it asks, or when it is dropped.
struct Heard {
    id: u64,
    silent: Arc<Silent>,
}

impl Heard {
    fn now(&self) {
        self.silent.lock().remove(&self.id);
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.now();
    }
}

async fn serve(stream: TcpStream, service: TowerToHyperService<Router>, heard: Heard, _place: OwnedSemaphorePermit) {
    let service = service_fn(move |request| {
        heard.now();
        service.call(request)
    });
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_MAX).keep_alive(false);
    match timeout(WHOLE_TIME, protocol.serve_connection(TokioIo::new(stream), service)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection failed"),
        Err(_) => tracing::debug!("an HTTP connection took too long"),
    }
}

async fn metrics(State(sources): State<Sources>) -> Response {
    let figures = sources.door.figures(FIGURES_TIME).await;
    let text = sources.metrics.text_with(figures.as_deref());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn healthz(State(sources): State<Sources>) -> (StatusCode, &'static str) {
    if sources.door.ping(ALIVE_TIME).await {
        (StatusCode::OK, "alive\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the engine does not answer\n")
    }
}

async fn readyz(State(sources): State<Sources>) -> (StatusCode, &'static str) {
    if sources.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else if !sources.started.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    } else if sources.door.ping(ALIVE_TIME).await {
        (StatusCode::OK, "taking calls\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the engine does not answer\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Clock;
    use crate::edge::door::{Entrance, What, door};
    use crate::edge::metrics::Names;
    use std::thread::JoinHandle;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    struct Bench {
        bound: SocketAddr,
        started: Arc<AtomicBool>,
        draining: Arc<AtomicBool>,
        door: Door,
        entrance: Option<Entrance>,
    }

    async fn bench() -> Bench {
        let clock = Clock::start();
        let (door, entrance) = door(clock, 1);
        let (started, draining) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let metrics = Arc::new(Metrics::new(clock, &Names::default()));
        let sources = Sources { metrics, door: door.clone(), started: started.clone(), draining: draining.clone() };
        let bound = start("127.0.0.1:0".parse().unwrap(), sources).await.unwrap();
        Bench { bound, started, draining, door, entrance: Some(entrance) }
    }

    impl Bench {
        /// An engine that does nothing but answer pings.
        fn engine(&mut self) -> JoinHandle<()> {
            let entrance = self.entrance.take().expect("one engine");
            std::thread::spawn(move || {
                while let Ok(knock) = entrance.wait(Duration::from_secs(20)) {
                    match knock.map(|knock| knock.what) {
                        Some(What::Ping(answer)) => assert_eq!(answer.send(()), Ok(())),
                        Some(What::Figures(answer)) => assert_eq!(answer.send(Vec::new()), Ok(())),
                        Some(What::Stop) | None => return,
                        Some(What::Input(_) | What::Wish(..)) => panic!("no input was sent"),
                    }
                }
            })
        }

        async fn say(&self, request: &[u8]) -> String {
            let mut stream = TcpStream::connect(self.bound).await.unwrap();
            // The other side may have heard enough and be gone.
            if let Err(error) = stream.write_all(request).await {
                eprintln!("not all was read: {error}");
            }
            let mut answer = Vec::new();
            if let Err(error) = timeout(Duration::from_secs(15), stream.read_to_end(&mut answer)).await.unwrap() {
                eprintln!("cut: {error}");
            }
            String::from_utf8(answer).unwrap()
        }

        async fn get(&self, path: &str) -> String {
            self.say(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await
        }
    }

    #[tokio::test]
    async fn metrics_are_served_as_prometheus_wants_them() {
        let answer = bench().await.get("/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
        assert!(answer.contains("vaxel_build_info{"), "{answer}");
    }

    #[tokio::test]
    async fn alive_is_who_answers_and_ready_is_who_takes_calls() {
        let mut bench = bench().await;
        let engine = bench.engine();
        bench.started.store(false, Ordering::Relaxed);
        let answer = bench.get("/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("starting\n"), "{answer}");
        bench.started.store(true, Ordering::Relaxed);
        assert!(bench.get("/healthz").await.starts_with("HTTP/1.1 200 "));
        assert!(bench.get("/readyz").await.starts_with("HTTP/1.1 200 "));
        bench.draining.store(true, Ordering::Relaxed);
        assert!(bench.get("/healthz").await.starts_with("HTTP/1.1 200 "));
        let answer = bench.get("/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("draining\n"), "{answer}");
        bench.door.stop().unwrap();
        engine.join().unwrap();
    }

    #[tokio::test]
    async fn an_engine_that_hangs_or_is_gone_is_not_alive() {
        let mut bench = bench().await;
        let answer = bench.get("/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("does not answer\n"), "{answer}");
        drop(bench.entrance.take());
        assert!(bench.get("/readyz").await.starts_with("HTTP/1.1 503 "));
    }

    #[tokio::test]
    async fn strange_requests_are_refused() {
        let bench = bench().await;
        assert!(bench.get("/").await.starts_with("HTTP/1.1 404 "));
        assert!(bench.say(b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.starts_with("HTTP/1.1 405 "));
        assert!(bench.say(b"\xff\xfe\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
        let long = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(2 * HEAD_MAX));
        let answer = bench.say(long.as_bytes()).await;
        assert!(!answer.contains("vaxel_"), "{answer}");
    }

    #[tokio::test]
    async fn who_asks_nothing_makes_room_for_who_asks() {
        let bench = bench().await;
        let mut idle = Vec::new();
        for _ in 0..150 {
            idle.push(TcpStream::connect(bench.bound).await.unwrap());
        }
        let began = std::time::Instant::now();
        let answer = bench.get("/metrics").await;
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let dropped = 151 - CONNECTIONS_MAX;
        assert!(answer.contains(&format!("\nvaxel_http_connections_dropped_total {dropped}\n")), "{answer}");
        // The oldest were, and no others.
        for (age, stream) in idle.iter_mut().enumerate() {
            let read =
                timeout(Duration::from_millis(if age < dropped { 2000 } else { 10 }), stream.read(&mut [0])).await;
            assert_eq!(read.is_ok(), age < dropped, "{age}");
        }
    }

    #[tokio::test]
    async fn who_has_asked_keeps_its_place() {
        // The answer takes its time, because the engine does not answer.
        let bench = bench().await;
        let mut asking = TcpStream::connect(bench.bound).await.unwrap();
        asking.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        sleep(Duration::from_millis(200)).await;
        let mut idle = Vec::new();
        for _ in 0..2 * CONNECTIONS_MAX {
            idle.push(TcpStream::connect(bench.bound).await.unwrap());
        }
        let mut answer = String::new();
        asking.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }

    #[tokio::test]
    async fn half_a_head_is_not_waited_for_for_ever() {
        let bench = bench().await;
        let began = std::time::Instant::now();
        let answer = bench.say(b"GET /metrics HTTP/1.1\r\nHost:").await;
        assert!(!answer.contains("vaxel_"), "{answer}");
        assert!(began.elapsed() >= HEAD_TIME - Duration::from_millis(100));
    }
}
