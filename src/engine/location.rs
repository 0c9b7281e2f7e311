//! Where somebody in need is (RFC 6442): what the INVITE of an emergency call says of it goes on with the call.

use super::identity::{ENTRIES_MAX, Ignored, VALUE_MAX};
use crate::sip::body::{Body, Enclosed};
use crate::sip::{Headers, Request};

/// Most bytes of locations (PIDF-LO) that one call brings.
pub(super) const BYTES_MAX: usize = 32 * 1024;

/// What names a location, or says who may look at it on the way.
const HEADERS: [&str; 2] = ["Geolocation", "Geolocation-Routing"];

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Location {
    pub headers: Headers,
    pub enclosed: Vec<Enclosed>,
}

impl Location {
    /// What is too much is left out and named; the call goes on.
    pub fn of(invite: &Request) -> (Location, Vec<(&'static str, Ignored)>) {
        let (mut location, mut ignored) = (Location::default(), Vec::new());
        for name in HEADERS {
            for (n, item) in invite.headers.items(name).enumerate() {
                match (n < ENTRIES_MAX, item.len() <= VALUE_MAX) {
                    (true, true) => location.headers.push(name, item),
                    (true, false) => ignored.push((name, Ignored::TooLong)),
                    (false, _) => {
                        ignored.push((name, Ignored::TooMany));
                        break;
                    }
                }
            }
        }
        let mut left = BYTES_MAX;
        for part in &Body::of(&invite.headers, &invite.body).locations {
            match left.checked_sub(part.bytes.len()) {
                Some(rest) => {
                    left = rest;
                    location.enclosed.push(part.enclosed());
                }
                None => ignored.push(("PIDF-LO", Ignored::TooLong)),
            }
        }
        ignored.dedup();
        (location, ignored)
    }

    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.enclosed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::body::{LOCATION, compose};
    use crate::sip::{Method, Uri};

    fn place(length: usize) -> Enclosed {
        Enclosed { content_type: LOCATION.into(), id: "<here@phone>".into(), bytes: vec![b'x'; length] }
    }

    fn invite(lines: &[(&str, &str)], places: &[Enclosed]) -> Request {
        let mut invite = Request::new(Method::Invite, Uri::Other("urn:service:sos".into()));
        lines.iter().for_each(|(name, value)| invite.headers.push(name, *value));
        let (content_type, body) = compose(b"v=0", places);
        invite.set_body(&content_type, body);
        invite
    }

    #[test]
    fn a_location_is_taken_by_value_and_by_reference_and_nothing_else_is() {
        let lines = [
            ("Geolocation", "<cid:here@phone>, <https://lis.example/1>"),
            ("Geolocation-Routing", "yes"),
            ("Subject", "x"),
        ];
        let (location, ignored) = Location::of(&invite(&lines, &[place(3)]));
        assert_eq!(
            location.headers.get_all("Geolocation").collect::<Vec<_>>(),
            ["<cid:here@phone>", "<https://lis.example/1>"]
        );
        assert_eq!((location.headers.get("Geolocation-Routing"), location.headers.len()), (Some("yes"), 3));
        assert_eq!((location.enclosed, ignored), (vec![place(3)], vec![]));
        assert!(Location::of(&invite(&[("Subject", "x")], &[])).0.is_empty());
    }

    #[test]
    fn what_is_too_much_is_left_out_and_told() {
        let (location, ignored) = Location::of(&invite(&[], &[place(BYTES_MAX - 1), place(2), place(1)]));
        assert_eq!(
            (location.enclosed, ignored),
            (vec![place(BYTES_MAX - 1), place(1)], vec![("PIDF-LO", Ignored::TooLong)])
        );
        let (long, many) = (format!("<https://{}>", "x".repeat(VALUE_MAX)), ["<cid:a>"; ENTRIES_MAX + 2].join(","));
        let (location, ignored) = Location::of(&invite(&[("Geolocation", &many), ("Geolocation-Routing", &long)], &[]));
        assert_eq!(location.headers.len(), ENTRIES_MAX);
        assert_eq!(ignored, [("Geolocation", Ignored::TooMany), ("Geolocation-Routing", Ignored::TooLong)]);
    }
}
