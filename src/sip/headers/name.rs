//! Header names: known ones are written in one way and cost no allocation (RFC 3261 §7.3.1, §7.3.3).

use std::borrow::Cow;

/// The name as the RFCs write it: compact forms become long, known names get their usual case, unknown stay as they are.
pub(crate) fn canonical(name: &str) -> Cow<'static, str> {
    match known(name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_string()),
    }
}

/// `None`: not a name this program has ever heard of.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    let same_length: &[&'static str] = match name.len() {
        1 => return compact(name.as_bytes()[0]),
        2 => &["To"],
        3 => &["Via"],
        4 => &["From", "CSeq", "Date", "Path", "RAck", "RSeq", "Join"],
        5 => &["Allow", "Route", "Event"],
        6 => &["Accept", "Reason", "Server", "Min-SE"],
        7 => &["Call-ID", "Contact", "Expires", "Require", "Subject", "Warning", "Privacy"],
        8 => &["Priority", "Refer-To", "Reply-To", "Replaces", "Identity", "SIP-ETag"],
        9 => &["Supported", "Timestamp", "Diversion", "Call-Info"],
        10 => &["User-Agent", "Alert-Info", "Error-Info", "Session-ID", "Flow-Timer"],
        11 => &["Retry-After", "Min-Expires", "Referred-By", "Unsupported", "In-Reply-To"],
        12 => &[
            "Max-Forwards",
            "User-to-User",
            "Content-Type",
            "Record-Route",
            "Organization",
            "MIME-Version",
            "History-Info",
            "Allow-Events",
            "SIP-If-Match",
        ],
        13 => &["Authorization", "Proxy-Require", "Service-Route", "Identity-Info"],
        14 => &["Content-Length", "Accept-Contact", "Reject-Contact"],
        15 => &["Accept-Language", "Accept-Encoding", "Session-Expires"],
        16 => &["WWW-Authenticate", "Content-Encoding", "Content-Language", "P-Associated-URI"],
        18 => &["Proxy-Authenticate", "Subscription-State"],
        19 => &[
            "Authentication-Info",
            "Content-Disposition",
            "Proxy-Authorization",
            "P-Asserted-Identity",
            "Request-Disposition",
        ],
        20 => &["P-Preferred-Identity"],
        _ => &[],
    };
    same_length.iter().find(|known| known.eq_ignore_ascii_case(name)).copied()
}

/// The registered single letters.
fn compact(letter: u8) -> Option<&'static str> {
    Some(match letter.to_ascii_lowercase() {
        b'a' => "Accept-Contact",
        b'b' => "Referred-By",
        b'c' => "Content-Type",
        b'd' => "Request-Disposition",
        b'e' => "Content-Encoding",
        b'f' => "From",
        b'i' => "Call-ID",
        b'j' => "Reject-Contact",
        b'k' => "Supported",
        b'l' => "Content-Length",
        b'm' => "Contact",
        b'n' => "Identity-Info",
        b'o' => "Event",
        b'r' => "Refer-To",
        b's' => "Subject",
        b't' => "To",
        b'u' => "Allow-Events",
        b'v' => "Via",
        b'x' => "Session-Expires",
        b'y' => "Identity",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_stands_under_its_length() {
        for name in ["Via", "RSeq", "CSeq", "Min-SE", "Session-ID", "Authentication-Info", "Proxy-Authenticate"] {
            assert_eq!(known(&name.to_ascii_uppercase()), Some(name));
        }
    }

    #[test]
    fn compact_forms_become_long_and_unknown_names_stay() {
        assert_eq!(canonical("V"), "Via");
        assert_eq!(canonical("m"), "Contact");
        assert_eq!(canonical("q"), "q");
        assert_eq!(canonical("x-MiXed"), "x-MiXed");
    }
}
