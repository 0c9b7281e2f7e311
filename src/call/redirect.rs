//! Where a 3xx wants to have a call (RFC 3261 §8.1.3.4).

use crate::sip::{Headers, NameAddr, Uri};

/// Places that one redirection may name; what are more are not looked at.
const TARGETS_MAX: usize = 10;

/// The Contacts, the best first.
pub(super) fn elsewhere(headers: &Headers) -> Vec<Uri> {
    let preference = |contact: &NameAddr| {
        contact.params.get("q").and_then(|q| q.parse::<f32>().ok()).map_or(1000, |q| (q.clamp(0.0, 1.0) * 1e3) as u16)
    };
    let mut contacts = headers.contacts().unwrap_or_default();
    contacts.sort_by_key(|contact| std::cmp::Reverse(preference(contact)));
    contacts.truncate(TARGETS_MAX);
    contacts.into_iter().map(|contact| contact.uri).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(contacts: &str) -> Vec<String> {
        let mut headers = Headers::new();
        headers.push("Contact", contacts);
        elsewhere(&headers).iter().filter_map(|uri| uri.user().map(str::to_owned)).collect()
    }

    #[test]
    fn the_best_places_come_first_and_are_not_too_many() {
        assert_eq!(users("<sip:a@h>;q=0.2, <sip:b@h>;q=0.9, <sip:c@h>, <sip:d@h>;q=much"), ["c", "d", "b", "a"]);
        assert_eq!(users(&vec!["<sip:a@h>"; 40].join(", ")).len(), TARGETS_MAX);
        assert_eq!(users("<no end"), [""; 0]);
    }
}
