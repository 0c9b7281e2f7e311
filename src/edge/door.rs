//! The way to the engine thread: one bounded queue that everybody else puts things into.

use super::Clock;
use crate::engine::{Answer, Input, QueueFigures, Refusal, Wish};
use crate::media;
use crate::time::{Duration, Time};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use tokio::sync::{Semaphore, oneshot};

/// The outer side; cheap to clone.
///
/// SIP messages need a place, of which there are as many as [`door`] was told, and media events need one of as many
/// others, so that neither keeps the other out. Strangers have few places of their own ([`STRANGERS_MAX`]), so that however
/// many they are, nobody waits long behind them. What is an answer to the engine's own doing (lost connections, draining)
/// gets in without: there cannot be more of it than the engine asked for. So do wishes, of which operators have few at a time.
#[derive(Clone)]
pub struct Door {
    knocks: mpsc::Sender<Knock>,
    places: Arc<Semaphore>,
    media_places: Arc<Semaphore>,
    stranger_places: Arc<Semaphore>,
    max: usize,
    lateness: Arc<Lateness>,
    clock: Clock,
}

/// An engine that lets others wait for so long is behind. A call is answered after two or three such waits.
const BEHIND: Duration = Duration::from_millis(50);
/// One that is behind for so long without a break is late. A machine that stood still for a moment, or a few hundred calls at
/// once, make it behind, not late.
const LATE: Duration = Duration::from_millis(200);
/// One that was late so lately is late as soon as it is behind again: while too many call for long, the others wait for
/// [`BEHIND`] and not for that and [`LATE`].
const RELAPSE: Duration = Duration::from_secs(1);
/// One that has let nobody in for so long, while somebody stands there, is late too, and cannot say so itself. A caller that hears
/// nothing asks again after as long (T1).
const STUCK: Duration = Duration::from_millis(500);

/// How the engine does; it says so itself, with what it lets in.
#[derive(Default)]
struct Lateness {
    /// [`Time::as_micros`] of since when it is behind; 0: it is not.
    behind_since: AtomicU64,
    /// When it was late last; 0: never.
    late_at: AtomicU64,
    /// Since when somebody stands before the door and nobody was let in; 0: nobody does. Who comes in the moment in which the engine
    /// finds nobody may be missed, and is not in the next.
    stands_since: AtomicU64,
}

impl Lateness {
    fn is_late(&self, now: Time) -> bool {
        let since = self.behind_since.load(Ordering::Relaxed);
        let late_at = self.late_at.load(Ordering::Relaxed);
        let relapses = late_at > 0 && now.since(Time::from_micros(late_at)) < RELAPSE;
        let stands_since = self.stands_since.load(Ordering::Relaxed);
        let is_stuck = stands_since > 0 && now.since(Time::from_micros(stands_since)) > STUCK;
        is_stuck || since > 0 && (relapses || now.since(Time::from_micros(since)) > LATE)
    }

    /// Somebody comes to the door.
    fn stands(&self, now: Time) {
        if self.stands_since.load(Ordering::Relaxed) == 0 {
            self.stands_since.store(now.as_micros(), Ordering::Relaxed);
        }
    }

    /// Somebody was let in after so long.
    fn admitted(&self, now: Time, waited: Duration) {
        // There may be others.
        self.stands_since.store(now.as_micros(), Ordering::Relaxed);
        if waited < BEHIND {
            return self.behind_since.store(0, Ordering::Relaxed);
        }
        if self.behind_since.load(Ordering::Relaxed) == 0 {
            self.behind_since.store(now.as_micros(), Ordering::Relaxed);
        }
        if self.is_late(now) {
            self.late_at.store(now.as_micros(), Ordering::Relaxed);
        }
    }

    /// Nobody waits.
    fn rests(&self) {
        self.behind_since.store(0, Ordering::Relaxed);
        self.stands_since.store(0, Ordering::Relaxed);
    }
}

/// Messages of strangers that may stand before the door: some milliseconds of the engine's time.
pub const STRANGERS_MAX: usize = 64;

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    Known,
    Stranger,
}

/// The engine's side.
pub struct Entrance {
    knocks: mpsc::Receiver<Knock>,
    places: Arc<Semaphore>,
    media_places: Arc<Semaphore>,
    stranger_places: Arc<Semaphore>,
    lateness: Arc<Lateness>,
    clock: Clock,
}

/// What stands before the door.
pub struct Knock {
    /// When it came.
    pub at: Time,
    pub what: What,
    place: Place,
}

/// What is given back when it is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    None,
    Sip,
    Stranger,
    Media,
}

pub enum What {
    Input(Input),
    /// Answered in its turn.
    Wish(Wish, oneshot::Sender<Granted>),
    /// Is the engine alive? Answered in its turn.
    Ping(oneshot::Sender<()>),
    /// How do the queues stand? Also answered in its turn.
    Figures(oneshot::Sender<Vec<QueueFigures>>),
    /// Nothing that comes later matters.
    Stop,
}

/// What became of a wish.
#[derive(Debug)]
pub struct Granted {
    pub answer: Result<Answer, Refusal>,
    /// Says, soon, whether what follows from it will be known after a restart.
    pub kept: oneshot::Receiver<bool>,
}

/// The input did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// All places are taken.
    Full,
    /// There is no engine any more.
    Gone,
}

pub fn door(clock: Clock, places: usize) -> (Door, Entrance) {
    let (sender, receiver) = mpsc::channel();
    let (max, lateness) = (places, Arc::new(Lateness::default()));
    let (places, media_places) = (Arc::new(Semaphore::new(max)), Arc::new(Semaphore::new(max)));
    let stranger_places = Arc::new(Semaphore::new(STRANGERS_MAX.min(max)));
    let entrance = Entrance {
        knocks: receiver,
        places: places.clone(),
        media_places: media_places.clone(),
        stranger_places: stranger_places.clone(),
        lateness: lateness.clone(),
        clock,
    };
    (Door { knocks: sender, places, media_places, stranger_places, max, lateness, clock }, entrance)
}

impl Door {
    /// For those who cannot wait: what does not get in is lost, and the sender has to say so.
    pub fn try_enter(&self, guest: Guest, input: Input) -> Result<(), Refused> {
        let (places, kind) = self.places_of(guest);
        match places.try_acquire() {
            Ok(place) => {
                place.forget();
                self.knock(What::Input(input), kind)
            }
            Err(_) => Err(Refused::Full),
        }
    }

    /// For a media worker, which keeps what does not get in and tries again.
    pub fn try_media(&self, event: media::Event) -> Result<(), media::Event> {
        let Ok(place) = self.media_places.try_acquire() else { return Err(event) };
        place.forget();
        // Without an engine there is nobody to be told.
        self.knock(What::Input(Input::Media(event)), Place::Media).or(Ok(()))
    }

    /// Waits for a place.
    pub async fn enter(&self, guest: Guest, input: Input) -> Result<(), Refused> {
        let (places, kind) = self.places_of(guest);
        let place = places.acquire().await.map_err(|_| Refused::Gone)?;
        place.forget();
        self.knock(What::Input(input), kind)
    }

    fn places_of(&self, guest: Guest) -> (&Semaphore, Place) {
        match guest {
            Guest::Known => (&self.places, Place::Sip),
            Guest::Stranger => (&self.stranger_places, Place::Stranger),
        }
    }

    /// Without a place; see the type's documentation.
    pub fn tell(&self, input: Input) -> Result<(), Refused> {
        self.knock(What::Input(input), Place::None)
    }

    /// The engine has more to do than it can: for some time all who were let in had to wait, or half the places are taken.
    pub fn is_late(&self) -> bool {
        self.lateness.is_late(self.clock.now()) || self.places.available_permits() < self.max / 2
    }

    /// What becomes of this wish; nothing, if the engine is gone before it comes to it.
    pub fn wish(&self, wish: Wish) -> Result<oneshot::Receiver<Granted>, Refused> {
        let (answer, answered) = oneshot::channel();
        self.knock(What::Wish(wish, answer), Place::None).map(|()| answered)
    }

    /// True when the engine answers within `limit`.
    pub async fn ping(&self, limit: Duration) -> bool {
        let (answer, answered) = oneshot::channel();
        self.knock(What::Ping(answer), Place::None).is_ok()
            && matches!(tokio::time::timeout(limit, answered).await, Ok(Ok(())))
    }

    /// How the queues stand; `None` if the engine does not say so within `limit`.
    pub async fn figures(&self, limit: Duration) -> Option<Vec<QueueFigures>> {
        let (answer, answered) = oneshot::channel();
        self.knock(What::Figures(answer), Place::None).ok()?;
        tokio::time::timeout(limit, answered).await.ok()?.ok()
    }

    pub fn stop(&self) -> Result<(), Refused> {
        self.knock(What::Stop, Place::None)
    }

    fn knock(&self, what: What, place: Place) -> Result<(), Refused> {
        let at = self.clock.now();
        // Before it is seen: whoever is let in at once must not seem to stand there still.
        self.lateness.stands(at);
        self.knocks.send(Knock { at, what, place }).map_err(|_| Refused::Gone)
    }
}

impl Entrance {
    /// The next knock; `None` when there was none within `limit`. `Err`: nobody is left who could knock.
    pub fn wait(&self, limit: Duration) -> Result<Option<Knock>, ()> {
        match self.knocks.recv_timeout(limit) {
            Ok(knock) => Ok(Some(self.admit(knock))),
            Err(RecvTimeoutError::Timeout) => {
                self.lateness.rests();
                Ok(None)
            }
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    /// One that already stands there.
    pub fn next(&self) -> Option<Knock> {
        match self.knocks.try_recv() {
            Ok(knock) => Some(self.admit(knock)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {
                self.lateness.rests();
                None
            }
        }
    }

    fn admit(&self, knock: Knock) -> Knock {
        match knock.place {
            Place::None => {}
            Place::Sip => self.places.add_permits(1),
            Place::Stranger => self.stranger_places.add_permits(1),
            Place::Media => self.media_places.add_permits(1),
        }
        let now = self.clock.now();
        self.lateness.admitted(now, now.since(knock.at));
        knock
    }
}

/// Those who wait for a place are told that there will be none.
impl Drop for Entrance {
    fn drop(&mut self) {
        self.places.close();
        self.stranger_places.close();
        // Nothing waits for these.
        self.media_places.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn input() -> Input {
        Input::Drain { until: Time::NEVER }
    }

    #[test]
    fn a_full_door_refuses_until_somebody_was_let_in() {
        let (door, entrance) = door(Clock::start(), 2);
        assert_eq!(door.try_enter(Guest::Known, input()), Ok(()));
        assert_eq!(door.try_enter(Guest::Known, input()), Ok(()));
        assert_eq!(door.try_enter(Guest::Known, input()), Err(Refused::Full));
        // What needs no place still gets in, and takes none.
        assert_eq!(door.tell(input()), Ok(()));
        assert!(entrance.next().is_some());
        assert_eq!(door.try_enter(Guest::Known, input()), Ok(()));
        assert_eq!(door.try_enter(Guest::Known, input()), Err(Refused::Full));
        for _ in 0..3 {
            assert!(entrance.next().is_some());
        }
        assert!(entrance.next().is_none());
    }

    #[test]
    fn strangers_keep_nobody_out() {
        let (door, entrance) = door(Clock::start(), 100);
        for _ in 0..STRANGERS_MAX {
            assert_eq!(door.try_enter(Guest::Stranger, input()), Ok(()));
        }
        assert_eq!(door.try_enter(Guest::Stranger, input()), Err(Refused::Full));
        for _ in 0..100 {
            assert_eq!(door.try_enter(Guest::Known, input()), Ok(()));
        }
        assert!(entrance.next().is_some());
        assert_eq!(door.try_enter(Guest::Known, input()), Err(Refused::Full));
        assert_eq!(door.try_enter(Guest::Stranger, input()), Ok(()));
    }

    #[test]
    fn an_engine_is_late_when_half_the_places_are_taken_or_somebody_waited_long() {
        let (door, entrance) = door(Clock::start(), 10);
        for _ in 0..6 {
            assert!(!door.is_late());
            assert_eq!(door.try_enter(Guest::Known, input()), Ok(()));
        }
        assert!(door.is_late());
        assert!(entrance.next().is_some());
        assert!(!door.is_late());
        // Whoever is let in at once says so, and so does an empty door.
        let now = door.clock.now();
        door.lateness.behind_since.store((now - 2 * LATE).as_micros(), Ordering::Relaxed);
        assert!(door.is_late());
        while entrance.next().is_some() {}
        assert!(!door.is_late());
        door.lateness.behind_since.store((now - 2 * LATE).as_micros(), Ordering::Relaxed);
        assert!(matches!(entrance.wait(Duration::ZERO), Ok(None)));
        assert!(!door.is_late(), "nobody waits");
    }

    #[test]
    fn a_moment_is_nothing_unless_it_was_late_just_before() {
        let lateness = Lateness::default();
        let mut now = Time::from_secs(1_800_000_000);
        lateness.admitted(now, BEHIND);
        assert!(!lateness.is_late(now + LATE));
        assert!(lateness.is_late(now + LATE + MOMENT));
        now = now + LATE + MOMENT;
        lateness.admitted(now, BEHIND);
        lateness.admitted(now, BEHIND - MOMENT);
        assert!(!lateness.is_late(now), "whoever comes now waits no longer than others should");
        now = now + RELAPSE - MOMENT;
        lateness.admitted(now, BEHIND);
        assert!(lateness.is_late(now), "too many call still");
        lateness.rests();
        now += RELAPSE;
        lateness.admitted(now, BEHIND);
        assert!(!lateness.is_late(now), "that was another time");
    }

    #[test]
    fn an_engine_that_lets_nobody_in_is_late_although_it_cannot_say_so() {
        let lateness = Lateness::default();
        let mut now = Time::from_secs(1_800_000_000);
        assert!(!lateness.is_late(now), "nobody ever came");
        lateness.stands(now);
        lateness.stands(now + STUCK);
        assert!(!lateness.is_late(now + STUCK));
        now = now + STUCK + MOMENT;
        assert!(lateness.is_late(now));
        // It goes on, and there may be more of them.
        lateness.admitted(now, Duration::ZERO);
        assert!(!lateness.is_late(now + STUCK) && lateness.is_late(now + STUCK + MOMENT));
        lateness.rests();
        assert!(!lateness.is_late(now + 2 * STUCK), "nobody stands there");
    }

    #[test]
    fn media_and_sip_do_not_keep_each_other_out() {
        let (door, entrance) = door(Clock::start(), 1);
        let digit = |digit| media::Event::Digit { leg: crate::ids::LegId(1), digit };
        assert_eq!(door.try_enter(Guest::Known, input()), Ok(()));
        assert_eq!(door.try_media(digit('1')), Ok(()));
        assert_eq!(door.try_media(digit('2')), Err(digit('2')));
        assert!(entrance.next().is_some());
        assert_eq!(door.try_media(digit('2')), Err(digit('2')));
        assert!(entrance.next().is_some());
        assert_eq!(door.try_media(digit('2')), Ok(()));
    }

    #[tokio::test]
    async fn waiting_for_a_place_ends_when_there_is_one() {
        let (door, entrance) = door(Clock::start(), 1);
        door.enter(Guest::Known, input()).await.unwrap();
        let waiting = tokio::spawn({
            let door = door.clone();
            async move { door.enter(Guest::Known, input()).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert!(entrance.next().is_some());
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn without_an_engine_nobody_waits() {
        let (door, entrance) = door(Clock::start(), 1);
        door.enter(Guest::Known, input()).await.unwrap();
        let waiting = tokio::spawn({
            let door = door.clone();
            async move { door.enter(Guest::Known, input()).await }
        });
        tokio::task::yield_now().await;
        drop(entrance);
        assert_eq!(waiting.await.unwrap(), Err(Refused::Gone));
        assert_eq!(door.tell(input()), Err(Refused::Gone));
        assert!(!door.ping(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_ping_is_answered_only_by_a_living_engine() {
        let (door, entrance) = door(Clock::start(), 1);
        let engine = std::thread::spawn(move || match entrance.wait(Duration::from_secs(5)) {
            Ok(Some(Knock { what: What::Ping(answer), .. })) => {
                assert_eq!(answer.send(()), Ok(()));
                entrance
            }
            _ => panic!("no ping came"),
        });
        assert!(door.ping(Duration::from_secs(5)).await);
        let _entrance = engine.join().unwrap();
        assert!(!door.ping(Duration::from_millis(20)).await);
    }
}
