//! Header names: known ones are small numbers that stand for one way to write them (RFC 3261 §7.3.1, §7.3.3).

/// A name that the RFCs give. Compared as a number, and written in its long form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Known(u8);

impl Known {
    pub const VIA: Known = Known::named("Via");
    pub const FROM: Known = Known::named("From");
    pub const TO: Known = Known::named("To");
    pub const CALL_ID: Known = Known::named("Call-ID");
    pub const CSEQ: Known = Known::named("CSeq");
    pub const MAX_FORWARDS: Known = Known::named("Max-Forwards");
    pub const EXPIRES: Known = Known::named("Expires");
    pub const CONTACT: Known = Known::named("Contact");
    pub const ROUTE: Known = Known::named("Route");
    pub const RECORD_ROUTE: Known = Known::named("Record-Route");
    /// Those above, for which the reader has rules, have a lower index.
    pub const RULED: usize = Known::RECORD_ROUTE.index() + 1;
    pub const CONTENT_LENGTH: Known = Known::named("Content-Length");

    /// `None`: not a name this program has ever heard of. Any case and the short forms are understood.
    #[inline]
    pub fn find(name: &[u8]) -> Option<Known> {
        let mut at = *TABLE.first.get(slot(name)?)?;
        while at != NONE {
            let known = Known(at);
            let of_known = known.as_str().as_bytes();
            // Nearly everybody writes them as the RFCs do, and this is quickly seen.
            if of_known == name || of_known.eq_ignore_ascii_case(name) || name.len() == 1 {
                return Some(known);
            }
            at = TABLE.next[at as usize];
        }
        None
    }

    /// As the RFCs write it, in its long form.
    pub const fn as_str(self) -> &'static str {
        NAMES[self.0 as usize]
    }

    /// Its name, colon and space.
    pub const fn beginning(self) -> &'static str {
        BEGINNINGS[self.0 as usize]
    }

    /// Its place among all names.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    const fn named(name: &str) -> Known {
        let mut at = 0;
        while at < NAMES.len() {
            if same(NAMES[at].as_bytes(), name.as_bytes()) {
                return Known(at as u8);
            }
            at += 1;
        }
        panic!("not among the names")
    }
}

/// Each as it is, and as it begins a line.
macro_rules! names {
    ($($name:literal,)*) => {
        const NAMES: [&str; [$($name),*].len()] = [$($name),*];
        const BEGINNINGS: [&str; NAMES.len()] = [$(concat!($name, ": ")),*];
    };
}

names! {
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Max-Forwards",
    "Expires",
    "Contact",
    "Route",
    "Record-Route",
    "Accept",
    "Accept-Contact",
    "Accept-Encoding",
    "Accept-Language",
    "Alert-Info",
    "Allow",
    "Allow-Events",
    "Authentication-Info",
    "Authorization",
    "Call-Info",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Length",
    "Content-Type",
    "Date",
    "Diversion",
    "Error-Info",
    "Event",
    "Flow-Timer",
    "History-Info",
    "Identity",
    "Identity-Info",
    "In-Reply-To",
    "Join",
    "MIME-Version",
    "Min-Expires",
    "Min-SE",
    "Organization",
    "P-Asserted-Identity",
    "P-Associated-URI",
    "P-Preferred-Identity",
    "Path",
    "Priority",
    "Privacy",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Proxy-Require",
    "RAck",
    "RSeq",
    "Reason",
    "Refer-To",
    "Referred-By",
    "Reject-Contact",
    "Replaces",
    "Reply-To",
    "Request-Disposition",
    "Require",
    "Retry-After",
    "SIP-ETag",
    "SIP-If-Match",
    "Server",
    "Service-Route",
    "Session-Expires",
    "Session-ID",
    "Subject",
    "Subscription-State",
    "Supported",
    "Timestamp",
    "Unsupported",
    "User-Agent",
    "User-to-User",
    "WWW-Authenticate",
    "Warning",
}

/// The registered single letters.
const SHORT: [(u8, &str); 20] = [
    (b'a', "Accept-Contact"),
    (b'b', "Referred-By"),
    (b'c', "Content-Type"),
    (b'd', "Request-Disposition"),
    (b'e', "Content-Encoding"),
    (b'f', "From"),
    (b'i', "Call-ID"),
    (b'j', "Reject-Contact"),
    (b'k', "Supported"),
    (b'l', "Content-Length"),
    (b'm', "Contact"),
    (b'n', "Identity-Info"),
    (b'o', "Event"),
    (b'r', "Refer-To"),
    (b's', "Subject"),
    (b't', "To"),
    (b'u', "Allow-Events"),
    (b'v', "Via"),
    (b'x', "Session-Expires"),
    (b'y', "Identity"),
];

/// Names of one length with the same first letter are in one slot.
struct Table {
    first: [u8; SLOTS],
    /// The next name of the same slot.
    next: [u8; NAMES.len()],
}

const LETTERS: usize = 32;
/// For names up to 20 letters.
const SLOTS: usize = 21 * LETTERS;
const NONE: u8 = u8::MAX;

static TABLE: Table = table();

/// `None`: it does not begin with a letter, as every known name does.
const fn slot(name: &[u8]) -> Option<usize> {
    match name {
        // Both cases of a letter share their low five bits; what else shares them is told apart by comparing.
        [first, ..] if first.is_ascii_alphabetic() => Some(name.len() * LETTERS + (*first % 32) as usize),
        _ => None,
    }
}

const fn table() -> Table {
    let mut table = Table { first: [NONE; SLOTS], next: [NONE; NAMES.len()] };
    let mut at = 0;
    while at < NAMES.len() {
        let slot = slot(NAMES[at].as_bytes()).expect("names begin with a letter");
        table.next[at] = table.first[slot];
        table.first[slot] = at as u8;
        at += 1;
    }
    let mut at = 0;
    while at < SHORT.len() {
        let slot = slot(&[SHORT[at].0]).expect("a letter");
        table.first[slot] = Known::named(SHORT[at].1).0;
        at += 1;
    }
    table
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(name: &str) -> Option<&'static str> {
        Known::find(name.as_bytes()).map(Known::as_str)
    }

    #[test]
    fn every_name_is_found_in_any_case_and_none_stands_twice() {
        for (at, name) in NAMES.into_iter().enumerate() {
            assert!(Known::find(name.as_bytes()) == Some(Known(at as u8)), "{name}");
            assert_eq!(find(&name.to_ascii_uppercase()), Some(name));
            assert_eq!(find(&name.to_ascii_lowercase()), Some(name));
        }
    }

    #[test]
    fn short_forms_become_long_and_unknown_names_are_unknown() {
        for (letter, name) in SHORT {
            assert_eq!(find(&char::from(letter).to_string()), Some(name));
            assert_eq!(find(&char::from(letter.to_ascii_uppercase()).to_string()), Some(name));
        }
        for unknown in
            ["", "q", "V1", "6", "x-MiXed", "Vib", "-ia", "Proxy-Authorizatiom", "P-Preferred-Identity-Or-So"]
        {
            assert_eq!(find(unknown), None, "{unknown}");
        }
    }
}
