//! Which flow answers which number: single numbers, ranges, and beginnings.
//!
//! The most exact one counts: a single number, then the smallest range round it, then the longest beginning. Looking one up costs
//! the same however many there are.

use super::numbering::Numbering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::str::FromStr;

/// Numbers that one flow answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    One(String),
    /// All of one length from `first` to `last`, behind a `+` if `plus`.
    Range {
        plus: bool,
        length: u8,
        first: u64,
        last: u64,
    },
    /// All that begin so, with one more key at least.
    Beginning(String),
}

impl FromStr for Pattern {
    type Err = String;

    /// `100`, `+46812345XX`, `+4681234500-99`, `+46812345...`.
    fn from_str(text: &str) -> Result<Pattern, String> {
        /// More would not be a range of anybody's.
        const WILD_MAX: usize = 9;
        let is_number = |text: &str| {
            let keys = text.strip_prefix('+').unwrap_or(text);
            (1..=32).contains(&keys.len()) && keys.chars().all(|c| c.is_ascii_digit() || "*#".contains(c))
        };
        let range = |stem: &str, first: &str, last: &str| {
            let plus = stem.starts_with('+');
            let digits = stem.strip_prefix('+').unwrap_or(stem);
            let number = |end: &str| format!("{digits}{end}").parse::<u64>().ok();
            match (u8::try_from(digits.len() + first.len()), number(first), number(last)) {
                (Ok(length @ 1..=18), Some(first), Some(last)) if first < last => {
                    Ok(Pattern::Range { plus, length, first, last })
                }
                (_, Some(first), Some(last)) if first >= last => Err("it ends before it begins".into()),
                _ => Err("a range has digits only, 18 at most".into()),
            }
        };
        if let Some(beginning) = text.strip_suffix("...") {
            return match beginning == "+" || is_number(beginning) {
                true => Ok(Pattern::Beginning(beginning.to_owned())),
                false => Err(String::new()),
            };
        }
        if let Some((first, end)) = text.split_once('-') {
            let stem = first.len().checked_sub(end.len()).filter(|_| first.is_ascii() && !end.is_empty());
            let Some(stem) = stem.filter(|_| end.bytes().all(|b| b.is_ascii_digit())) else {
                return Err(String::new());
            };
            if end.len() > WILD_MAX {
                return Err(format!("the end of a range is its last digits, {WILD_MAX} at most"));
            }
            let (stem, begin) = first.split_at(stem);
            return range(stem, begin, end);
        }
        let stem = text.trim_end_matches(['X', 'x']);
        match text.len() - stem.len() {
            0 if is_number(text) => Ok(Pattern::One(text.to_owned())),
            0 => Err(String::new()),
            wild @ 1..=WILD_MAX => range(stem, &"0".repeat(wild), &"9".repeat(wild)),
            _ => Err(format!("an X is one digit, and there are {WILD_MAX} at most")),
        }
    }
}

/// As it was written, or like it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::One(number) => f.write_str(number),
            Pattern::Beginning(beginning) => write!(f, "{beginning}..."),
            Pattern::Range { plus, length, first, last } => {
                let (first, last) = (padded(*first, *length), padded(*last, *length));
                let same = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
                write!(f, "{}{first}-{}", if *plus { "+" } else { "" }, &last[same..])
            }
        }
    }
}

fn padded(number: u64, length: u8) -> String {
    format!("{number:0length$}", length = usize::from(length))
}

impl Pattern {
    /// How all of its numbers begin.
    pub fn stem(&self) -> String {
        match self {
            Pattern::One(stem) | Pattern::Beginning(stem) => stem.clone(),
            Pattern::Range { plus, length, first, last } => {
                let (first, last) = (padded(*first, *length), padded(*last, *length));
                let same = first.bytes().zip(last.bytes()).take_while(|(a, b)| a == b).count();
                format!("{}{}", if *plus { "+" } else { "" }, &first[..same])
            }
        }
    }

    /// The same numbers in the form that they are compared in.
    pub fn inner(&self, numbering: &Numbering) -> Pattern {
        match self {
            Pattern::One(number) => Pattern::One(numbering.inner(number)),
            Pattern::Beginning(beginning) => Pattern::Beginning(numbering.beginning(beginning)),
            Pattern::Range { plus, length, first, last } => {
                let inner = |number: u64| {
                    numbering.inner(&format!("{}{}", if *plus { "+" } else { "" }, padded(number, *length)))
                };
                let ends = (split(&inner(*first)), split(&inner(*last)));
                match ends {
                    (Some((plus, length, first)), Some((p, l, last))) if (plus, length) == (p, l) && first < last => {
                        Pattern::Range { plus, length, first, last }
                    }
                    _ => self.clone(),
                }
            }
        }
    }

    /// A range of one is a number.
    fn interval(&self) -> Option<(bool, u8, u64, u64)> {
        match self {
            Pattern::One(number) => split(number).map(|(plus, length, number)| (plus, length, number, number)),
            Pattern::Range { plus, length, first, last } => Some((*plus, *length, *first, *last)),
            Pattern::Beginning(_) => None,
        }
    }
}

/// Plus or not, digits, and their value; `None`: too long, or not digits alone.
fn split(number: &str) -> Option<(bool, u8, u64)> {
    let digits = number.strip_prefix('+').unwrap_or(number);
    let length = u8::try_from(digits.len()).ok().filter(|length| (1..=18).contains(length))?;
    let value = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some((digits.len() < number.len(), length, value))
}

/// The first two of these, by their places, of which neither is the more exact one though some number is in both.
pub fn clash(patterns: &[Pattern]) -> Option<(usize, usize)> {
    let pair = |a: usize, b: usize| (a.min(b), a.max(b));
    let mut seen = HashMap::new();
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (at, pattern) in patterns.iter().enumerate() {
        match seen.entry(pattern) {
            Entry::Vacant(free) => _ = free.insert(at),
            Entry::Occupied(first) => found.push(pair(*first.get(), at)),
        }
    }
    let mut intervals: Vec<_> = patterns
        .iter()
        .enumerate()
        .filter(|(_, pattern)| matches!(pattern, Pattern::Range { .. }))
        .filter_map(|(at, pattern)| {
            pattern.interval().map(|(plus, length, first, last)| (plus, length, first, last, at))
        })
        .collect();
    // Whatever comes next begins inside the innermost open one or behind it; inside, it must end there too.
    intervals.sort_by_key(|(plus, length, first, last, at)| (*plus, *length, *first, std::cmp::Reverse(*last), *at));
    let mut open: Vec<(bool, u8, u64, usize)> = Vec::new();
    for (plus, length, first, last, at) in intervals {
        open.retain(|(p, l, end, _)| (*p, *l) == (plus, length) && *end >= first);
        if let Some((.., other)) =
            open.iter().find(|(_, _, end, other)| *end < last && patterns[*other] != patterns[at])
        {
            found.push(pair(*other, at));
        }
        open.push((plus, length, last, at));
    }
    found.into_iter().min_by_key(|(a, b)| (*b, *a))
}

/// First and last number of each, and what they stand for.
type Ranges<T> = Vec<(u64, u64, T)>;

/// See the module's documentation. `T`: what a pattern stands for.
#[derive(Clone, Debug)]
pub struct Directory<T> {
    one: HashMap<String, T>,
    /// By plus and length, in order and apart from each other.
    ranges: HashMap<(bool, u8), Ranges<T>>,
    beginnings: HashMap<String, T>,
    /// Of the longest beginning.
    longest: usize,
}

impl<T> Default for Directory<T> {
    fn default() -> Directory<T> {
        Directory { one: HashMap::new(), ranges: HashMap::new(), beginnings: HashMap::new(), longest: 0 }
    }
}

impl<T: Clone> Directory<T> {
    /// Of patterns that [`clash`], the first counts.
    pub fn new(patterns: impl IntoIterator<Item = (Pattern, T)>) -> Directory<T> {
        let mut directory = Directory::default();
        let mut ranges: HashMap<(bool, u8), Ranges<T>> = HashMap::new();
        for (pattern, value) in patterns {
            match pattern {
                Pattern::One(number) => _ = directory.one.entry(number).or_insert(value),
                Pattern::Beginning(beginning) => {
                    directory.longest = directory.longest.max(beginning.len());
                    directory.beginnings.entry(beginning).or_insert(value);
                }
                Pattern::Range { plus, length, first, last } => {
                    ranges.entry((plus, length)).or_default().push((first, last, value));
                }
            }
        }
        directory.ranges = ranges.into_iter().map(|(key, ranges)| (key, apart(ranges))).collect();
        directory
    }

    /// The single number.
    pub fn one(&self, number: &str) -> Option<&T> {
        self.one.get(number)
    }

    /// The smallest range or else the longest beginning.
    pub fn among(&self, number: &str) -> Option<&T> {
        let in_range = || {
            let (plus, length, value) = split(number)?;
            let ranges = self.ranges.get(&(plus, length))?;
            let at = ranges.partition_point(|(_, last, _)| *last < value);
            ranges.get(at).filter(|(first, ..)| *first <= value).map(|(.., value)| value)
        };
        let begins = || {
            let longest = self.longest.min(number.len().checked_sub(1)?);
            (1..=longest).rev().find_map(|end| self.beginnings.get(number.get(..end)?))
        };
        in_range().or_else(begins)
    }
}

/// The same ranges, those inside others cut out of them.
fn apart<T: Clone>(mut ranges: Ranges<T>) -> Ranges<T> {
    // Stable: of equal ones the first stays innermost by being laid down last.
    ranges.reverse();
    ranges.sort_by_key(|(first, last, _)| std::cmp::Reverse(last - first));
    let mut edges: Vec<u64> = ranges.iter().flat_map(|(first, last, _)| [*first, last + 1]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut owner: Vec<Option<usize>> = vec![None; edges.len()];
    for (index, (first, last, _)) in ranges.iter().enumerate() {
        let from = edges.partition_point(|edge| edge < first);
        let to = edges.partition_point(|edge| edge <= last);
        owner[from..to].fill(Some(index));
    }
    let pieces = edges
        .windows(2)
        .zip(&owner)
        .filter_map(|(ends, owner)| owner.map(|owner| (ends[0], ends[1] - 1, ranges[owner].2.clone())));
    pieces.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn found<'a>(directory: &'a Directory<&'a str>, number: &str) -> Option<&'a str> {
        directory.one(number).or_else(|| directory.among(number)).copied()
    }

    #[test]
    fn the_most_exact_one_counts() {
        let all = ["+46812345XX", "+4681234500-49", "+4681234507", "+468...", "+46...", "+4681234520-22", "2XX", "100"];
        let directory = Directory::new(all.map(|text| (pattern(text), text)));
        for (number, text) in [
            ("+4681234507", Some("+4681234507")),
            ("+4681234508", Some("+4681234500-49")),
            ("+4681234521", Some("+4681234520-22")),
            ("+4681234523", Some("+4681234500-49")),
            ("+4681234550", Some("+46812345XX")),
            ("+46812345500", Some("+468...")),
            ("+4681", Some("+468...")),
            ("+468", Some("+46...")),
            ("+46", None),
            ("+47812345678", None),
            ("4681234507", None),
            ("217", Some("2XX")),
            ("+217", None),
            ("100", Some("100")),
            ("", None),
        ] {
            assert_eq!(found(&directory, number), text, "{number}");
        }
    }

    #[test]
    fn patterns_are_read_and_shown() {
        for (text, shown) in [
            ("100", "100"),
            ("*1", "*1"),
            ("+46812345XX", "+4681234500-99"),
            ("+4681234500-99", "+4681234500-99"),
            ("007xx", "00700-99"),
            ("+468...", "+468..."),
            ("+...", "+..."),
        ] {
            assert_eq!(pattern(text).to_string(), shown);
            assert_eq!(pattern(shown), pattern(text));
        }
        for wrong in
            ["", "+", "...", "X5", "5X5", "100-", "-99", "100-1000", "199-50", "50-50", "1*0-9", "anna", "+XX-9"]
        {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
        assert!("1XXXXXXXXXX".parse::<Pattern>().is_err(), "a billion numbers are nobody's");
        assert!("é-9".parse::<Pattern>().is_err());
    }

    #[test]
    fn patterns_are_compared_in_the_form_of_the_numbers() {
        let sweden = Numbering { country_code: "46".into(), ..Numbering::default() };
        for (written, inner) in [
            ("0812345XX", "+46812345XX"),
            ("0046812345XX", "+46812345XX"),
            ("08123...", "+468123..."),
            ("0812345678", "+46812345678"),
            ("2XX", "2XX"),
            ("*1", "*1"),
        ] {
            assert_eq!(pattern(written).inner(&sweden), pattern(inner), "{written}");
        }
    }

    #[test]
    fn ranges_that_overlap_without_one_being_inside_the_other_clash() {
        let clashes = |all: &[&str]| clash(&all.iter().map(|text| pattern(text)).collect::<Vec<_>>());
        assert_eq!(clashes(&["100", "1XX", "10X", "1...", "10...", "100-49"]), None);
        assert_eq!(clashes(&["100-49", "5XX", "130-70"]), Some((0, 2)));
        assert_eq!(clashes(&["1XX", "120-30", "100-99"]), Some((0, 2)), "the same, in other words");
        assert_eq!(clashes(&["100", "200", "100"]), Some((0, 2)));
        assert_eq!(clashes(&["1...", "2...", "1..."]), Some((0, 2)));
        assert_eq!(clashes(&["100-20", "120-40"]), Some((0, 1)));
        assert_eq!(clashes(&["100-20", "121-40", "+100-30", "0100-20"]), None);
    }

    fn any_pattern() -> impl Strategy<Value = Pattern> {
        let ends = (0u64..40, 1u64..20);
        prop_oneof![
            (0u64..60).prop_map(|n| Pattern::One(padded(n, 2))),
            ends.prop_map(|(first, more)| Pattern::Range { plus: false, length: 2, first, last: first + more }),
            "[0-9]{1,2}".prop_map(Pattern::Beginning),
        ]
    }

    /// How exact a pattern is for this number, by its words.
    fn exactness(pattern: &Pattern, number: &str) -> Option<(u8, u64)> {
        match pattern {
            Pattern::One(one) => (one == number).then_some((2, 0)),
            Pattern::Beginning(beginning) => {
                (number.starts_with(beginning) && number != beginning).then_some((0, beginning.len() as u64))
            }
            Pattern::Range { first, last, .. } => {
                let value = number.parse().ok().filter(|_| number.len() == 2)?;
                (*first..=*last).contains(&value).then(|| (1, u64::MAX - (last - first)))
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_looking_at_each_would_find(
            patterns in proptest::collection::vec(any_pattern(), 0..12), number in "[0-9]{1,3}",
        ) {
            prop_assume!(clash(&patterns).is_none());
            let directory = Directory::new(patterns.iter().map(|pattern| (pattern.clone(), pattern.clone())));
            let best = patterns.iter().filter_map(|p| Some((exactness(p, &number)?, p))).max_by_key(|(rank, _)| *rank);
            let found = directory.one(&number).or_else(|| directory.among(&number));
            prop_assert_eq!(found, best.map(|(_, pattern)| pattern));
        }

        #[test]
        fn clashes_are_those_that_comparing_all_pairs_finds(patterns in proptest::collection::vec(any_pattern(), 0..8)) {
            let clashes = |a: &Pattern, b: &Pattern| match (a, b) {
                (Pattern::Range { first: a, last: b, .. }, Pattern::Range { first: c, last: d, .. }) => {
                    let disjoint = b < c || d < a;
                    let inside = (a <= c && d <= b) || (c <= a && b <= d);
                    (a, b) == (c, d) || !disjoint && !inside
                }
                (a, b) => a == b,
            };
            let all = (0..patterns.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
            let any = all.clone().any(|(a, b)| clashes(&patterns[a], &patterns[b]));
            prop_assert_eq!(clash(&patterns).is_some(), any);
            if let Some((a, b)) = clash(&patterns) {
                prop_assert!(clashes(&patterns[a], &patterns[b]), "{} {}", a, b);
            }
        }
    }
}
