//! Spoken numbers, from recorded words.
//!
//! A number is said as a *label* ("number 21"), not as a count of something: so Swedish and Norwegian need no choice
//! between *en* and *ett*, Polish no case and no gender, and one recording serves every sentence. The sentences of the
//! prompts are written to fit: they end with the number.
//!
//! Each number up to 99 is one recording: in all five languages they are irregular enough (Dutch *eenentwintig*,
//! Norwegian *tjueen*) that joined words would sound joined. Above that hundreds and rest are two or three recordings,
//! with an *and* between them where the language has one.
//!
//! Minutes are counted, so a wait has words of its own: "two to" and "four minutes" are a recording each, in the case that
//! the sentences before them ask for (Polish *od dwóch do czterech minut*, *poniżej jednej minuty*). A wait is said in steps
//! that people use, so these are few.

/// Languages whose numbers can be spoken.
pub const LANGUAGES: [&str; 5] = ["en", "nb", "nl", "pl", "sv"];

/// The largest number that can be spoken; say "more than" for others.
pub const LARGEST: u32 = 999;

/// The minutes that a wait is said in.
pub const MINUTES: [u32; 19] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, 90, 120];

/// The sentences that begin what is said of a wait.
pub const WAIT: [&str; 3] = [FROM_TO, LESS_THAN, MORE_THAN];

const FROM_TO: &str = "you-will-wait";
const LESS_THAN: &str = "you-will-wait-less-than";
const MORE_THAN: &str = "you-will-wait-more-than";

/// The recordings that say a wait of so many minutes: "two to four", "less than one" from 0, "more than ninety" without an end.
/// `None` if the language has no grammar or one of them is not of [`MINUTES`].
pub fn wait(language: &str, from: u32, to: Option<u32>) -> Option<Vec<String>> {
    grammar(language)?;
    let said = |minutes: u32| MINUTES.contains(&minutes).then_some(minutes);
    let words = match (from, to) {
        (0, to) => vec![LESS_THAN.to_string(), minutes(said(to?)?)],
        (from, None) => vec![MORE_THAN.to_string(), minutes(said(from)?)],
        (from, Some(to)) if from < to => vec![FROM_TO.to_string(), minutes_from(said(from)?), minutes(said(to)?)],
        _ => return None,
    };
    Some(words)
}

/// Every recording the waits of `language` need beside [`WAIT`]; `None` without a grammar.
pub fn wait_words(language: &str) -> Option<Vec<String>> {
    grammar(language)?;
    let (_, before) = MINUTES.split_last()?;
    Some(before.iter().map(|from| minutes_from(*from)).chain(MINUTES.map(minutes)).collect())
}

/// The recordings that say `number` in `language`, or `None` if that language has no grammar or the number is too large.
pub fn number(language: &str, number: u32) -> Option<Vec<String>> {
    let joint = grammar(language)?;
    if number > LARGEST {
        return None;
    }
    let (hundreds, rest) = (number / 100 * 100, number % 100);
    let mut words = Vec::new();
    if hundreds > 0 {
        words.push(word(hundreds));
    }
    if hundreds > 0 && rest > 0 && joint == Joint::And {
        words.push(AND.to_string());
    }
    if hundreds == 0 || rest > 0 {
        words.push(word(rest));
    }
    Some(words)
}

/// The recordings that say each digit of `text` by itself, as one reads a customer number; other signs are passed over.
pub fn digits(language: &str, text: &str) -> Option<Vec<String>> {
    grammar(language)?;
    Some(text.chars().filter_map(|c| c.to_digit(10)).map(word).collect())
}

/// Every recording the numbers of `language` need; `None` without a grammar.
pub fn words(language: &str) -> Option<Vec<String>> {
    let joint = grammar(language)?;
    let mut words: Vec<String> = (0..100).chain((100..=LARGEST).step_by(100)).map(word).collect();
    if joint == Joint::And {
        words.push(AND.to_string());
    }
    Some(words)
}

const AND: &str = "number/and";

#[derive(Clone, Copy, PartialEq)]
enum Joint {
    /// "one hundred *and* five", "ett hundre *og* fem".
    And,
    /// "etthundra fem", "sto pięć", "honderd vijf".
    Nothing,
}

fn grammar(language: &str) -> Option<Joint> {
    match language {
        "en" | "nb" => Some(Joint::And),
        "sv" | "pl" | "nl" => Some(Joint::Nothing),
        _ => None,
    }
}

fn word(number: u32) -> String {
    format!("number/{number}")
}

/// "four minutes", after "to", "less than" and "more than".
fn minutes(minutes: u32) -> String {
    format!("minutes/{minutes}")
}

/// "two to".
fn minutes_from(minutes: u32) -> String {
    format!("minutes/from-{minutes}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn said(language: &str, n: u32) -> String {
        number(language, n).expect("in range").join(" ").replace("number/", "")
    }

    #[test]
    fn hundreds_are_joined_as_the_language_does() {
        assert_eq!(said("en", 0), "0");
        assert_eq!(said("en", 21), "21");
        assert_eq!(said("en", 100), "100");
        assert_eq!(said("en", 305), "300 and 5");
        assert_eq!(said("nb", 999), "900 and 99");
        assert_eq!(said("sv", 305), "300 5");
        assert_eq!(said("pl", 211), "200 11");
        assert_eq!(said("nl", 121), "100 21");
    }

    #[test]
    fn nothing_is_said_without_grammar_or_beyond_the_largest() {
        assert_eq!(number("fi", 1), None);
        assert_eq!(number("en", LARGEST + 1), None);
        assert_eq!(words("fi"), None);
        assert_eq!(digits("fi", "1"), None);
    }

    #[test]
    fn digits_are_said_one_by_one() {
        let names = ["number/4", "number/0", "number/7"].map(String::from);
        assert_eq!(digits("sv", "4-0 7"), Some(names.to_vec()));
    }

    #[test]
    fn a_wait_is_a_range_or_less_or_more() {
        let said = |from, to| wait("pl", from, to).map(|words| words.join(" "));
        assert_eq!(said(2, Some(4)).as_deref(), Some("you-will-wait minutes/from-2 minutes/4"));
        assert_eq!(said(0, Some(1)).as_deref(), Some("you-will-wait-less-than minutes/1"));
        assert_eq!(said(90, None).as_deref(), Some("you-will-wait-more-than minutes/90"));
        for (from, to) in [(0, None), (0, Some(0)), (4, Some(4)), (4, Some(2)), (7, Some(8)), (6, Some(7)), (7, None)] {
            assert_eq!(said(from, to), None, "{from} to {to:?}");
        }
        assert_eq!(wait("fi", 2, Some(4)), None);
        assert_eq!(wait_words("fi"), None);
    }

    #[test]
    fn every_wait_that_can_be_said_is_recorded() {
        let recorded = recorded();
        for language in LANGUAGES {
            let words = wait_words(language).expect("has a grammar");
            let known = |name: &String| words.contains(name) || WAIT.contains(&name.as_str());
            for name in words.iter().map(String::as_str).chain(WAIT) {
                assert!(recorded.contains_key(&(language.to_string(), name.to_string())), "{language} {name}");
            }
            for from in std::iter::once(0).chain(MINUTES) {
                let ends = MINUTES.into_iter().filter(|to| *to > from).map(Some);
                for to in ends.chain((from > 0).then_some(None)) {
                    let said = wait(language, from, to).expect("of these minutes");
                    assert!(said.iter().all(known), "{language} {from} to {to:?}: {said:?}");
                }
            }
        }
    }

    #[test]
    fn waits_are_worded_by_the_grammar_of_their_language() {
        let recorded = recorded();
        let said = |language: &str, from, to| {
            let words = wait(language, from, to).expect("of these minutes").into_iter();
            let texts = words.map(|name| recorded[&(language.to_string(), name)].as_str());
            texts.collect::<Vec<_>>().join(" ")
        };
        for (language, from, to, text) in [
            ("en", 2, Some(4), "You will probably wait two to four minutes."),
            ("en", 0, Some(1), "You will probably wait less than one minute."),
            ("sv", 1, Some(2), "Du får troligen vänta en till två minuter."),
            ("sv", 90, None, "Du får troligen vänta mer än nittio minuter."),
            ("nb", 0, Some(1), "Du må trolig vente mindre enn ett minutt."),
            ("nb", 20, Some(30), "Du må trolig vente tjue til tretti minutter."),
            ("pl", 1, Some(2), "Przewidywany czas oczekiwania wynosi od jednej do dwóch minut."),
            ("pl", 0, Some(1), "Przewidywany czas oczekiwania wynosi poniżej jednej minuty."),
            ("pl", 15, Some(25), "Przewidywany czas oczekiwania wynosi od piętnastu do dwudziestu pięciu minut."),
            ("pl", 120, None, "Przewidywany czas oczekiwania wynosi powyżej stu dwudziestu minut."),
            ("nl", 0, Some(1), "U wacht waarschijnlijk minder dan één minuut."),
            ("nl", 6, Some(8), "U wacht waarschijnlijk zes tot acht minuten."),
        ] {
            assert_eq!(said(language, from, to), text);
        }
    }

    /// The table from which the recordings are made.
    fn recorded() -> BTreeMap<(String, String), String> {
        let table = include_str!("../../sounds/prompts.tsv");
        let mut recorded = BTreeMap::new();
        for line in table.lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [name, language, text] = columns[..] else { panic!("three columns: {line}") };
            let old = recorded.insert((language.to_string(), name.to_string()), text.to_string());
            assert!(old.is_none() && !text.trim().is_empty(), "{line}");
        }
        recorded
    }

    #[test]
    fn every_word_that_can_be_asked_for_is_recorded() {
        let recorded = recorded();
        for language in LANGUAGES {
            let words = words(language).expect("has a grammar");
            for name in &words {
                assert!(recorded.contains_key(&(language.to_string(), name.clone())), "{language} {name}");
            }
            for n in 0..=LARGEST {
                for name in number(language, n).expect("in range") {
                    assert!(words.contains(&name), "{language} {n} needs {name}");
                }
            }
        }
    }

    #[test]
    fn recordings_are_worded_by_the_grammar_of_their_language() {
        let recorded = recorded();
        let text = |language: &str, n: u32| recorded[&(language.to_string(), word(n))].as_str();
        let table = [
            ("en", 21, "twenty-one"),
            ("sv", 1, "ett"),
            ("sv", 21, "tjugoett"),
            ("sv", 18, "arton"),
            ("nb", 1, "én"),
            ("nb", 7, "sju"),
            ("nb", 21, "tjueen"),
            ("nb", 100, "ett hundre"),
            ("nl", 1, "één"),
            ("nl", 21, "eenentwintig"),
            ("nl", 32, "tweeëndertig"),
            ("nl", 83, "drieëntachtig"),
            ("nl", 99, "negenennegentig"),
            ("pl", 19, "dziewiętnaście"),
            ("pl", 22, "dwadzieścia dwa"),
            ("pl", 90, "dziewięćdziesiąt"),
            ("pl", 400, "czterysta"),
            ("pl", 500, "pięćset"),
        ];
        for (language, n, expected) in table {
            assert_eq!(text(language, n), expected, "{language} {n}");
        }
        for language in LANGUAGES {
            let mut all: Vec<&str> = (0..100).map(|n| text(language, n)).collect();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), 100, "{language}: two numbers with one text");
        }
    }
}
