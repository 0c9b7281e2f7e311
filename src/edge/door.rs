//! The way to the engine thread: one bounded queue that everybody else puts things into.

use super::Clock;
use crate::engine::Input;
use crate::media;
use crate::time::{Duration, Time};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use tokio::sync::{Semaphore, oneshot};

/// The outer side; cheap to clone.
///
/// SIP messages need a place, of which there are as many as [`door`] was told, and media events need one of as many
/// others, so that neither keeps the other out. What is an answer to the engine's own doing (lost connections, draining)
/// gets in without: there cannot be more of it than the engine asked for.
#[derive(Clone)]
pub struct Door {
    knocks: mpsc::Sender<Knock>,
    places: Arc<Semaphore>,
    media_places: Arc<Semaphore>,
    clock: Clock,
}

/// The engine's side.
pub struct Entrance {
    knocks: mpsc::Receiver<Knock>,
    places: Arc<Semaphore>,
    media_places: Arc<Semaphore>,
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
    Media,
}

pub enum What {
    Input(Input),
    /// Is the engine alive? Answered in its turn.
    Ping(oneshot::Sender<()>),
    /// Nothing that comes later matters.
    Stop,
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
    let (places, media_places) = (Arc::new(Semaphore::new(places)), Arc::new(Semaphore::new(places)));
    let entrance = Entrance { knocks: receiver, places: places.clone(), media_places: media_places.clone() };
    (Door { knocks: sender, places, media_places, clock }, entrance)
}

impl Door {
    /// For those who cannot wait: what does not get in is lost, and the sender has to say so.
    pub fn try_enter(&self, input: Input) -> Result<(), Refused> {
        match self.places.try_acquire() {
            Ok(place) => {
                place.forget();
                self.knock(What::Input(input), Place::Sip)
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
    pub async fn enter(&self, input: Input) -> Result<(), Refused> {
        let place = self.places.acquire().await.map_err(|_| Refused::Gone)?;
        place.forget();
        self.knock(What::Input(input), Place::Sip)
    }

    /// Without a place; see the type's documentation.
    pub fn tell(&self, input: Input) -> Result<(), Refused> {
        self.knock(What::Input(input), Place::None)
    }

    /// True when the engine answers within `limit`.
    pub async fn ping(&self, limit: Duration) -> bool {
        let (answer, answered) = oneshot::channel();
        self.knock(What::Ping(answer), Place::None).is_ok()
            && matches!(tokio::time::timeout(limit, answered).await, Ok(Ok(())))
    }

    pub fn stop(&self) -> Result<(), Refused> {
        self.knock(What::Stop, Place::None)
    }

    fn knock(&self, what: What, place: Place) -> Result<(), Refused> {
        self.knocks.send(Knock { at: self.clock.now(), what, place }).map_err(|_| Refused::Gone)
    }
}

impl Entrance {
    /// The next knock; `None` when there was none within `limit`. `Err`: nobody is left who could knock.
    pub fn wait(&self, limit: Duration) -> Result<Option<Knock>, ()> {
        match self.knocks.recv_timeout(limit) {
            Ok(knock) => Ok(Some(self.admit(knock))),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        }
    }

    /// One that already stands there.
    pub fn next(&self) -> Option<Knock> {
        match self.knocks.try_recv() {
            Ok(knock) => Some(self.admit(knock)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }

    fn admit(&self, knock: Knock) -> Knock {
        match knock.place {
            Place::None => {}
            Place::Sip => self.places.add_permits(1),
            Place::Media => self.media_places.add_permits(1),
        }
        knock
    }
}

/// Those who wait for a place are told that there will be none.
impl Drop for Entrance {
    fn drop(&mut self) {
        self.places.close();
        // Nothing waits for these.
        self.media_places.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> Input {
        Input::Drain { until: Time::NEVER }
    }

    #[test]
    fn a_full_door_refuses_until_somebody_was_let_in() {
        let (door, entrance) = door(Clock::start(), 2);
        assert_eq!(door.try_enter(input()), Ok(()));
        assert_eq!(door.try_enter(input()), Ok(()));
        assert_eq!(door.try_enter(input()), Err(Refused::Full));
        // What needs no place still gets in, and takes none.
        assert_eq!(door.tell(input()), Ok(()));
        assert!(entrance.next().is_some());
        assert_eq!(door.try_enter(input()), Ok(()));
        assert_eq!(door.try_enter(input()), Err(Refused::Full));
        for _ in 0..3 {
            assert!(entrance.next().is_some());
        }
        assert!(entrance.next().is_none());
    }

    #[test]
    fn media_and_sip_do_not_keep_each_other_out() {
        let (door, entrance) = door(Clock::start(), 1);
        let digit = |digit| media::Event::Digit { leg: crate::ids::LegId(1), digit };
        assert_eq!(door.try_enter(input()), Ok(()));
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
        door.enter(input()).await.unwrap();
        let waiting = tokio::spawn({
            let door = door.clone();
            async move { door.enter(input()).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert!(entrance.next().is_some());
        assert_eq!(waiting.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn without_an_engine_nobody_waits() {
        let (door, entrance) = door(Clock::start(), 1);
        door.enter(input()).await.unwrap();
        let waiting = tokio::spawn({
            let door = door.clone();
            async move { door.enter(input()).await }
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
