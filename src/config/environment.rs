//! Variables that begin with `VAXEL_`: which give a setting, which a container platform put there, and which were
//! meant to give one.

use super::problem::{Place, Problem, nearest};
use std::collections::BTreeSet;

pub(super) const PREFIX: &str = "VAXEL_";

/// What a variable can set, by dotted paths: `sip`, `sip.realm`. Behind a path that ends with a dot, such as
/// `codes.pauses.`, any name may follow.
pub(super) type Known = BTreeSet<String>;

/// The setting that the variable of this name would give.
pub(super) fn path(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX).filter(|rest| !rest.is_empty())?;
    // `config` would read dots and brackets as its own syntax; in a variable they mean nothing.
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    Some(rest.chars().map(plain).collect::<String>().replace("__", "."))
}

/// Whether the variable begins almost with our prefix: in small letters, or with a slip of the finger.
pub(super) fn is_alike(name: &str) -> bool {
    let Some((word, _)) = name.split_once('_') else { return false };
    let ours = PREFIX.trim_end_matches('_');
    path(name).is_none() && (word.eq_ignore_ascii_case(ours) || strsim::damerau_levenshtein(word, ours) == 1)
}

/// The warning about such a variable, if what follows is a setting or near one.
pub(super) fn meant(known: &Known, name: &str) -> Option<Problem> {
    let (_, rest) = name.split_once('_')?;
    let written = format!("{PREFIX}{}", rest.to_ascii_uppercase());
    let path = path(&written)?;
    let right = match stranger(known, &path, &written, "") {
        None => written,
        Some(problem) => problem.help?.strip_prefix("did you mean ")?.strip_suffix('?')?.to_owned(),
    };
    let problem = Problem::warning(Place::Variable(name.to_owned()), format!("{name} is no setting and is ignored"));
    Some(problem.help(format!("did you mean {right}?")))
}

/// What is to be said about a variable that gives no setting.
///
/// A warning if a container platform made it, which the operator cannot help; else it was meant for us, and to pass it
/// over would let the service run with another setting than was asked for.
pub(super) fn stranger(known: &Known, path: &str, name: &str, text: &str) -> Option<Problem> {
    let any_name =
        |known: &String| known.ends_with('.') && path.len() > known.len() && path.starts_with(known.as_str());
    if known.contains(path) || known.iter().any(any_name) {
        return None;
    }
    let place = Place::Variable(name.to_owned());
    if is_of_platform(name, text) {
        let problem = Problem::warning(place, format!("{name} names no setting and is ignored"));
        return Some(problem.help("container platforms set such variables for a service named vaxel"));
    }
    Some(Problem::error(place, format!("{name} names no setting")).help(help(known, path)))
}

fn help(known: &Known, path: &str) -> String {
    let settings = || known.iter().map(String::as_str).filter(|known| !known.ends_with('.'));
    // One `_` or many, a dot for them: all mean the same to who typed it.
    let typed = squashed(path);
    let same = settings().find(|known| squashed(known) == typed);
    let near = || {
        let all: Vec<(String, &str)> = settings().map(|known| (squashed(known), known)).collect();
        let nearest = nearest(&typed, all.iter().map(|(squashed, _)| squashed.as_str()))?;
        all.iter().find(|(squashed, _)| squashed == nearest).map(|(_, known)| *known)
    };
    let inside = |section: &str| known.range(format!("{section}.")..).next().is_some_and(|k| is_inside(k, section));
    let top = path.split('.').next().expect("a split text has a first part");
    if known.contains(top) && path != top && !inside(top) {
        return format!("a list is given whole: {}='[{{ … }}, {{ … }}]'", variable(top));
    }
    match same.or_else(near) {
        Some(section) if inside(section) => format!("did you mean {}__…?", variable(section)),
        Some(setting) => format!("did you mean {}?", variable(setting)),
        None if inside(top) => {
            let there: Vec<String> = settings().filter(|known| is_inside(known, top)).map(variable).collect();
            format!("known there: {}", there.join(", "))
        }
        None => {
            let all: Vec<&str> = settings().filter(|known| !known.contains('.')).collect();
            format!("a setting is written VAXEL_SECTION__SETTING; known sections and lists: {}", all.join(", "))
        }
    }
}

fn is_inside(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

fn squashed(path: &str) -> String {
    let words = path.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

/// Whether Kubernetes makes such a variable for a service named `vaxel` or `vaxel-…`, as it does for each service of a
/// namespace in all containers there: `VAXEL_SERVICE_HOST`, `VAXEL_SERVICE_PORT_SIP`, `VAXEL_PORT` with an URL,
/// `VAXEL_PORT_5060_TCP_ADDR`.
fn is_of_platform(name: &str, text: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || (name.ends_with("_PORT") && text.contains("://")) {
        return true;
    }
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let of_service = |at: usize| name[at + "_SERVICE_PORT".len()..].chars().next().is_none_or(|c| c == '_');
    if number && name.match_indices("_SERVICE_PORT").any(|(at, _)| of_service(at)) {
        return true;
    }
    name.match_indices("_PORT_").any(|(at, mark)| {
        let Some((port, rest)) = name[at + mark.len()..].split_once('_') else { return false };
        let (protocol, part) = rest.split_once('_').map_or((rest, None), |(protocol, part)| (protocol, Some(part)));
        !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
            && ["TCP", "UDP", "SCTP"].contains(&protocol)
            && part.is_none_or(|part| ["PROTO", "PORT", "ADDR"].contains(&part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        ["sip", "sip.realm", "sip.listen", "limits", "limits.calls", "codes", "codes.pauses", "codes.pauses.", "queues"]
            .map(String::from)
            .into()
    }

    /// Severity and help for the variable, if anything is said.
    fn said(name: &str, text: &str) -> Option<(bool, String)> {
        let problem = stranger(&known(), &path(name).unwrap(), name, text)?;
        assert_eq!(problem.place, Place::Variable(name.to_owned()));
        Some((problem.is_error(), problem.help.unwrap()))
    }

    #[test]
    fn settings_are_known() {
        for name in ["VAXEL_SIP__REALM", "VAXEL_SIP", "VAXEL_QUEUES", "VAXEL_CODES__PAUSES__21"] {
            assert_eq!(said(name, "x"), None, "{name}");
        }
        assert_eq!(path("VAXEL_"), None);
        assert_eq!(path("HOME"), None);
    }

    #[test]
    fn a_misspelt_variable_is_an_error_that_names_the_right_one() {
        for (name, help) in [
            ("VAXEL_SIP_REALM", "did you mean VAXEL_SIP__REALM?"),
            ("VAXEL_SIP___REALM", "did you mean VAXEL_SIP__REALM?"),
            ("VAXEL_SIP.REALM", "did you mean VAXEL_SIP__REALM?"),
            ("VAXEL_SIP__RELM", "did you mean VAXEL_SIP__REALM?"),
            ("VAXEL_SPI__REALM", "did you mean VAXEL_SIP__REALM?"),
            ("VAXEL_LIMTS__CALLS", "did you mean VAXEL_LIMITS__CALLS?"),
            ("VAXEL_LIMTS_CALLS", "did you mean VAXEL_LIMITS__CALLS?"),
            ("VAXEL_SIP__REALM__X", "did you mean VAXEL_SIP__REALM?"),
            ("VAXEL_LIMTS", "did you mean VAXEL_LIMITS__…?"),
            ("VAXEL_QUEUE", "did you mean VAXEL_QUEUES?"),
            ("VAXEL_QUEUES__0__NAME", "a list is given whole: VAXEL_QUEUES='[{ … }, { … }]'"),
            ("VAXEL_SIP__COLOUR", "known there: VAXEL_SIP__LISTEN, VAXEL_SIP__REALM"),
            (
                "VAXEL_COLOUR",
                "a setting is written VAXEL_SECTION__SETTING; known sections and lists: codes, limits, queues, sip",
            ),
        ] {
            assert_eq!(said(name, "x"), Some((true, help.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_variable_that_was_meant_for_us_is_not_passed_over_in_silence() {
        for (name, right) in [
            ("vaxel_sip__listen", Some("VAXEL_SIP__LISTEN")),
            ("Vaxel_Sip_Realm", Some("VAXEL_SIP__REALM")),
            ("VAXLE_SIP__REALM", Some("VAXEL_SIP__REALM")),
            ("VAXL_LIMTS__CALLS", Some("VAXEL_LIMITS__CALLS")),
            ("vaxel_codes__pauses__21", Some("VAXEL_CODES__PAUSES__21")),
            ("vaxel_home", None),
            ("VAX_SIP__REALM", None),
            ("PIXEL_SIP__REALM", None),
            ("HOME", None),
        ] {
            let said = if is_alike(name) { meant(&known(), name) } else { None };
            let help = said.map(|problem| {
                assert_eq!((problem.is_error(), &problem.place), (false, &Place::Variable(name.to_owned())));
                problem.help.expect("the right name")
            });
            assert_eq!(help, right.map(|right| format!("did you mean {right}?")), "{name}");
        }
        assert!(!is_alike("VAXEL_SIP__RELM"), "that one is an error");
    }

    #[test]
    fn what_a_container_platform_sets_is_a_warning() {
        for (name, text) in [
            ("VAXEL_SERVICE_HOST", "10.0.0.1"),
            ("VAXEL_SERVICE_PORT", "5060"),
            ("VAXEL_SERVICE_PORT_SIP_UDP", "5060"),
            ("VAXEL_PORT", "udp://10.0.0.1:5060"),
            ("VAXEL_PORT_5060_UDP", "udp://10.0.0.1:5060"),
            ("VAXEL_PORT_5060_TCP_PROTO", "tcp"),
            ("VAXEL_PORT_5060_TCP_PORT", "5060"),
            ("VAXEL_PORT_5060_TCP_ADDR", "10.0.0.1"),
            ("VAXEL_SIP_SERVICE_HOST", "10.0.0.1"),
            ("VAXEL_SIP_PORT", "tcp://10.0.0.1:5060"),
            ("VAXEL_SIP_PORT_5060_TCP_ADDR", "10.0.0.1"),
        ] {
            let (error, help) = said(name, text).expect("something is said");
            assert!(!error && help.contains("container"), "{name}: {help}");
        }
        for (name, text) in [
            ("VAXEL_PORT", "5060"),
            ("VAXEL_SERVICE_PORT", "high"),
            ("VAXEL_SERVICE_PORTS", "5060"),
            ("VAXEL_SERVICE_LEVEL", "20s"),
            ("VAXEL_PORT_5060", "x"),
            ("VAXEL_PORT_SIP_TCP", "x"),
            ("VAXEL_PORT_5060_TLS", "x"),
            ("VAXEL_PORT_5060_TCP_HOST", "x"),
        ] {
            assert!(said(name, text).expect("something is said").0, "{name}");
        }
    }
}
