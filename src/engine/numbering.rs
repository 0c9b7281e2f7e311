//! Telephone numbers in one form. What phones and carriers write in many ways (`08-12 34 56`, `0046 8 123456`, `468123456`) is
//! compared, capped and recorded as E.164 with its plus: `+468123456`.
//!
//! Numbers that are none of the whole world (`100`, `118118`, `*1`) stay as they are, without visual separators.

use crate::sip::keys;
use std::ops::RangeInclusive;

/// Digits of a number of the whole world (ITU-T E.164 §6); the shortest in use, on Niue, have seven.
const DIGITS: RangeInclusive<usize> = 7..=15;

/// How numbers are written at a place: in the house, or by a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// Without plus; empty: national numbers stay as they are.
    pub country_code: String,
    /// In front of national numbers; empty: nothing is.
    pub national_prefix: String,
    /// In front of international numbers; empty: nothing is.
    pub international_prefix: String,
    pub bare: Bare,
}

/// What a number is that begins with neither a plus nor a prefix, and has seven digits at least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bare {
    /// Not known: it stays as it is.
    #[default]
    Unchanged,
    /// Of our country.
    National,
    /// It begins with a country code.
    International,
}

/// How a trunk wants to have a number written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `+468123456`.
    #[default]
    E164,
    /// `468123456`.
    Digits,
    /// `00468123456`.
    International,
    /// `08123456` for numbers of the country, the others as `International`.
    National,
}

/// How a trunk writes numbers, and how it wants them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// `None`: as in the house.
    pub numbering: Option<Numbering>,
    pub form: Form,
    /// What is taken off the front of a number that goes out, if it is there, after it was written in `form`.
    pub strip: String,
    /// What is put in front of it then.
    pub add: String,
}

impl Default for Numbering {
    /// Most of the world's prefixes, and no country.
    fn default() -> Numbering {
        Numbering {
            country_code: String::new(),
            national_prefix: "0".into(),
            international_prefix: "00".into(),
            bare: Bare::Unchanged,
        }
    }
}

/// Where a number that is written without it belongs, as the beginning of its form for the whole world: `;phone-context=+46`
/// (RFC 3966 §5.1.5), without the plus. `None`: nowhere, or in a network that has a name.
fn context(written: &str) -> Option<String> {
    let mut params = written.split(';').skip(1).filter_map(|param| param.split_once('='));
    let (_, value) = params.find(|(name, _)| name.trim().eq_ignore_ascii_case("phone-context"))?;
    let prefix = value.trim().strip_prefix('+')?.replace(['-', '.', '(', ')'], "");
    let is_prefix = (1..=15).contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_digit());
    is_prefix.then_some(prefix)
}

/// Whether this is a number of the whole world in its one form.
pub fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(is_of_the_world)
}

/// No country's code begins with a zero: what does is a number of one country behind a prefix that is none of its own.
fn is_of_the_world(digits: &str) -> bool {
    is_long_enough(digits) && !digits.starts_with('0')
}

fn is_long_enough(digits: &str) -> bool {
    DIGITS.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

/// `None` also for an empty prefix.
fn after<'a>(number: &'a str, prefix: &str) -> Option<&'a str> {
    number.strip_prefix(prefix).filter(|_| !prefix.is_empty())
}

impl Numbering {
    /// The number in its one form; a name stays as it is. Idempotent.
    pub fn inner(&self, written: &str) -> String {
        let Some(number) = keys(written) else { return written.to_owned() };
        match context(written).filter(|_| number.bytes().all(|b| b.is_ascii_digit())) {
            Some(context) => self.in_context(&context, &number),
            None => self.world(&number).unwrap_or_else(|| number.into_owned()),
        }
    }

    /// A number that is local where numbers begin with `context`. One of another country is none of ours, however short it is.
    fn in_context(&self, context: &str, number: &str) -> String {
        let is_here = context.starts_with(&*self.country_code);
        // Keyed as from a telephone there, prefix and all, with which no number of the plan begins.
        let is_dialled = number.starts_with('0')
            && [&self.international_prefix, &self.national_prefix].iter().any(|prefix| after(number, prefix).is_some());
        // Services and extensions: "911" belongs to "+1", and "+1911" is nobody (RFC 3966 §5.1.5).
        let is_short = !is_long_enough(number) && (self.country_code.is_empty() || context == self.country_code);
        if is_here && (is_dialled || is_short) {
            return self.world(number).unwrap_or_else(|| number.to_owned());
        }
        format!("+{}", self.without_national_prefix(format!("{context}{number}")))
    }

    /// `None`: it stays as it is.
    fn world(&self, number: &str) -> Option<String> {
        let digits =
            if let Some(digits) = number.strip_prefix('+').or_else(|| after(number, &self.international_prefix)) {
                digits.to_owned()
            } else if let Some(rest) = after(number, &self.national_prefix) {
                self.of_our_country(rest)?
            } else if is_long_enough(number) {
                match self.bare {
                    Bare::Unchanged => return None,
                    Bare::National => self.of_our_country(number)?,
                    Bare::International => number.to_owned(),
                }
            } else {
                return None;
            };
        let digits = self.without_national_prefix(digits);
        is_of_the_world(&digits).then(|| format!("+{digits}"))
    }

    /// `+46 (0)8 123456` is `+468123456`: the prefix is for those who dial without the country's code. Only one of zeros is taken off;
    /// another (the 8 of Russia) may as well begin a number.
    fn without_national_prefix(&self, mut digits: String) -> String {
        let prefix = &*self.national_prefix;
        if !prefix.is_empty() && prefix.bytes().all(|b| b == b'0') && !self.country_code.is_empty() {
            let code = self.country_code.len();
            while digits.strip_prefix(&*self.country_code).is_some_and(|rest| rest.starts_with(prefix)) {
                digits.replace_range(code..code + prefix.len(), "");
            }
        }
        digits
    }

    /// A number of our country as it is dialled within.
    fn of_those_here(&self, rest: &str) -> String {
        format!("{}{rest}", self.national_prefix)
    }

    fn of_our_country(&self, rest: &str) -> Option<String> {
        (!self.country_code.is_empty()).then(|| format!("{}{rest}", self.country_code))
    }

    /// The beginning of numbers, in the form that [`Numbering::inner`] gives those numbers.
    pub fn beginning(&self, written: &str) -> String {
        let world = |digits: String| format!("+{}", self.without_national_prefix(digits));
        let national = |rest: &str| self.of_our_country(rest).map(world);
        let inner = if let Some(rest) = written.strip_prefix('+').or_else(|| after(written, &self.international_prefix))
        {
            Some(world(rest.to_owned()))
        } else if let Some(rest) = after(written, &self.national_prefix) {
            national(rest)
        } else {
            match self.bare {
                Bare::Unchanged => None,
                Bare::National => national(written),
                Bare::International => Some(world(written.to_owned())),
            }
        };
        inner.unwrap_or_else(|| written.to_owned())
    }

    /// All beginnings that somebody who dials may write for one in its one form, itself among them.
    pub fn spellings(&self, beginning: &str) -> Vec<String> {
        let Some(digits) = beginning.strip_prefix('+') else { return vec![beginning.to_owned()] };
        let mut all = vec![format!("{}{digits}", self.international_prefix)];
        // Of our country is what begins with its code, and what may go on to be its code.
        let national = digits.strip_prefix(&*self.country_code).or(self.country_code.starts_with(digits).then_some(""));
        if let (false, Some(rest)) = (self.country_code.is_empty(), national) {
            all.push(self.of_those_here(rest));
            if self.bare == Bare::National {
                all.push(rest.to_owned());
            }
        }
        if self.bare == Bare::International {
            all.push(digits.to_owned());
        }
        // One that is left with no prefix of its own could be anybody's.
        all.retain(|spelling| self.beginning(spelling).starts_with(beginning));
        all.insert(0, beginning.to_owned());
        all
    }

    /// Whether this, in its one form, may be called outside: no name, and nothing behind a plus or the international prefix that
    /// is no international number, for that is compared with nothing.
    pub fn is_callable(&self, number: &str) -> bool {
        keys(number).is_some_and(|keys| keys == number)
            && after(number, &self.international_prefix).is_none()
            && (!number.starts_with('+') || is_e164(number))
    }

    /// A number in its one form, written in another. What is no number of the whole world stays as it is.
    pub fn written(&self, number: &str, form: Form) -> String {
        let Some(digits) = number.strip_prefix('+').filter(|digits| is_of_the_world(digits)) else {
            return number.to_owned();
        };
        match (form, after(digits, &self.country_code)) {
            (Form::E164, _) => number.to_owned(),
            (Form::Digits, _) => digits.to_owned(),
            // Not where it would be read as a number of another country.
            (Form::National, Some(rest)) if after(&self.of_those_here(rest), &self.international_prefix).is_none() => {
                self.of_those_here(rest)
            }
            (Form::International | Form::National, _) => format!("{}{digits}", self.international_prefix),
        }
    }
}

impl Dialect {
    /// What the trunk brings, in its one form.
    pub fn inner(&self, house: &Numbering, written: &str) -> String {
        self.numbering.as_ref().unwrap_or(house).inner(written)
    }

    /// Who calls, as the trunk wants it: `strip` and `add` are for what is called.
    pub fn caller(&self, house: &Numbering, number: &str) -> String {
        self.numbering.as_ref().unwrap_or(house).written(number, self.form)
    }

    /// A number in its one form, as the trunk wants to have it called.
    pub fn outer(&self, house: &Numbering, number: &str) -> String {
        let written = self.caller(house, number);
        let rest = written.strip_prefix(&*self.strip).filter(|rest| !rest.is_empty()).unwrap_or(&written);
        format!("{}{rest}", self.add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::KEYS_MAX;
    use proptest::prelude::*;

    #[test]
    fn a_number_belongs_where_its_context_says() {
        for (written, inner) in [
            ("812345600;phone-context=+46", "+46812345600"),
            ("12345600;phone-context=+46-8", "+46812345600"),
            ("0812345600;phone-context=+46", "+46812345600"),
            ("0812345600;Phone-Context=+47", "+470812345600"),
            ("22334455;isub=1;phone-context=+47", "+4722334455"),
            ("+46812345600;phone-context=+47", "+46812345600"),
            // A network of a name, and what is no number there: as it would be dialled here.
            ("0812345600;phone-context=carrier.example", "+46812345600"),
            ("0812345600;phone-context=+", "+46812345600"),
            ("112;phone-context=+46", "112"),
            ("*21;phone-context=+46", "*21"),
            // Keyed with a prefix of the country.
            ("0812345600;phone-context=+468", "+46812345600"),
            ("0046812345600;phone-context=+46", "+46812345600"),
            // A service of ours, which is no number behind +46; what has that name elsewhere; the extension of a house.
            ("118118;phone-context=+46", "118118"),
            ("118118;phone-context=+47", "+47118118"),
            ("100;phone-context=+47", "+47100"),
            ("100;phone-context=+46855500", "+46855500100"),
        ] {
            assert_eq!(sweden().inner(written), inner, "{written}");
            let tel: crate::sip::Uri = format!("tel:{written}").parse().expect("a URI");
            assert_eq!(sweden().inner(&tel.number().expect("a number")), inner, "{written}");
        }
    }

    #[test]
    fn what_is_short_elsewhere_is_nobody_here() {
        assert!(!sweden().is_callable(&sweden().inner("100;phone-context=+47")));
        // Of which country we are is not known.
        assert_eq!(Numbering::default().inner("100;phone-context=+46"), "100");
        assert_eq!(Numbering::default().inner("812345600;phone-context=+46"), "+46812345600");
        assert_eq!(america().inner("4085550123;phone-context=+1"), "+14085550123");
        assert_eq!(america().inner("5550123;phone-context=+1408"), "+14085550123");
    }

    fn sweden() -> Numbering {
        Numbering { country_code: "46".into(), ..Numbering::default() }
    }

    fn america() -> Numbering {
        Numbering {
            country_code: "1".into(),
            national_prefix: "1".into(),
            international_prefix: "011".into(),
            bare: Bare::National,
        }
    }

    fn norway() -> Numbering {
        let national_prefix = String::new();
        Numbering { country_code: "47".into(), national_prefix, bare: Bare::National, ..Numbering::default() }
    }

    #[test]
    fn whatever_way_a_number_is_written_it_is_one() {
        for written in [
            "+468123456",
            "00468123456",
            "08123456",
            "08-12 34 56",
            "+46 (8) 12.34.56",
            "08123456;npdi",
            "+46 (0)8 123456",
            "0046 (0)8 123456",
        ] {
            assert_eq!(sweden().inner(written), "+468123456", "{written}");
        }
        for written in ["+14085550123", "14085550123", "4085550123", "(408) 555-0123", "01114085550123"] {
            assert_eq!(america().inner(written), "+14085550123", "{written}");
        }
        for written in ["22123456", "004722123456", "+47 22 12 34 56"] {
            assert_eq!(norway().inner(written), "+4722123456", "{written}");
        }
        let digits = Numbering { bare: Bare::International, ..sweden() };
        assert_eq!(digits.inner("468123456"), "+468123456");
        assert_eq!(digits.inner("08123456"), "+468123456");
    }

    #[test]
    fn what_is_short_or_a_name_or_a_code_stays() {
        for numbering in [sweden(), america(), norway(), Numbering { bare: Bare::International, ..sweden() }] {
            for number in ["100", "112", "911", "118118", "*1", "**21*08123456#", "anna", "anna-maria.2", "", "+", "0"]
            {
                assert_eq!(numbering.inner(number), number, "{numbering:?}");
            }
        }
        assert_eq!(sweden().inner("2-0-1"), "201");
        assert_eq!(sweden().inner("00123"), "00123", "too short for the world: somebody's extension");
        assert_eq!(Numbering::default().inner("08123456"), "08123456", "of which country?");
        assert_eq!(Numbering::default().inner("00468123456"), "+468123456");
        let long = "9".repeat(40);
        assert_eq!(sweden().inner(&long), long);
    }

    #[test]
    fn beginnings_become_what_their_numbers_become() {
        for (written, inner) in [("00", "+"), ("+", "+"), ("0046", "+46"), ("0", "+46"), ("0900", "+46900"), ("2", "2")]
        {
            assert_eq!(sweden().beginning(written), inner, "{written}");
        }
        assert_eq!(Numbering::default().beginning("0"), "0");
        assert_eq!(america().beginning("900"), "+1900");
        let mut spelt = sweden().spellings("+468");
        spelt.sort();
        assert_eq!(spelt, ["+468", "00468", "08"]);
        assert_eq!(sweden().spellings("+"), ["+", "00", "0"]);
        assert_eq!(sweden().spellings("+47"), ["+47", "0047"]);
        assert_eq!(sweden().spellings("118"), ["118"]);
    }

    #[test]
    fn what_follows_the_international_prefix_and_is_no_number_goes_nowhere() {
        for (number, may) in [
            ("+8821234", true),
            ("+882123", false),
            ("00882123", false),
            ("118118", true),
            ("anna", false),
            ("1-2", false),
            // An emergency number in disguise, and one that a carrier would read as national.
            ("+112", false),
            ("+0900123456", false),
        ] {
            assert_eq!(sweden().is_callable(number), may, "{number}");
        }
        // Keyed to look like another: three zeros, a plus before the prefix.
        for disguised in ["000900123456", "+00469001234", "+0900123456"] {
            let inner = sweden().inner(disguised);
            assert!(!sweden().is_callable(&inner) && !is_e164(&inner), "{disguised}: {inner}");
        }
    }

    #[test]
    fn a_trunk_gets_numbers_as_it_wants_them() {
        let dialect =
            |form, strip: &str, add: &str| Dialect { form, strip: strip.into(), add: add.into(), ..Dialect::default() };
        for (form, ours, theirs) in [
            (Form::E164, "+468123456", "+4722123456"),
            (Form::Digits, "468123456", "4722123456"),
            (Form::International, "00468123456", "004722123456"),
            (Form::National, "08123456", "004722123456"),
        ] {
            let dialect = dialect(form, "", "");
            assert_eq!(dialect.outer(&sweden(), "+468123456"), ours);
            assert_eq!(dialect.outer(&sweden(), "+4722123456"), theirs);
            assert_eq!(dialect.outer(&sweden(), "118118"), "118118");
        }
        assert_eq!(dialect(Form::National, "0", "9").outer(&sweden(), "+468123456"), "98123456");
        assert_eq!(dialect(Form::E164, "+", "1001#").outer(&sweden(), "+468123456"), "1001#468123456");
        assert_eq!(dialect(Form::E164, "118118", "").outer(&sweden(), "118118"), "118118", "nothing would be left");
        let of_norway = Dialect { numbering: Some(norway()), form: Form::National, ..Dialect::default() };
        assert_eq!(of_norway.outer(&sweden(), "+4722123456"), "22123456");
        assert_eq!(of_norway.inner(&sweden(), "22123456"), "+4722123456");
    }

    fn any_numbering() -> impl Strategy<Value = Numbering> {
        let countries = prop_oneof![Just(sweden()), Just(america()), Just(norway()), Just(Numbering::default())];
        let bare = prop_oneof![Just(Bare::Unchanged), Just(Bare::National), Just(Bare::International)];
        (countries, bare).prop_map(|(numbering, bare)| Numbering { bare, ..numbering })
    }

    proptest! {
        #[test]
        fn one_form_is_enough(numbering in any_numbering(), written in "[+]?[-0-9*#.() ]{0,20}(;phone-context=[+]?[-0-9]{0,9})?|[a-z0-9.-]{1,12}|\\PC{0,9}") {
            let inner = numbering.inner(&written);
            prop_assert_eq!(&numbering.inner(&inner), &inner);
            prop_assert!(inner.len() <= written.len().max(KEYS_MAX + 8));
        }

        #[test]
        fn separators_change_nothing(
            numbering in any_numbering(),
            number in "[+]?[0-9]{1,15}",
            separators in proptest::collection::vec((0usize..16, "[-. ()]"), 0..6),
        ) {
            let mut written = number.clone();
            for (at, separator) in separators {
                written.insert_str(at.min(written.len()), &separator);
            }
            prop_assert_eq!(numbering.inner(&written), numbering.inner(&number));
        }

        #[test]
        fn what_a_trunk_is_given_it_may_give_back(
            numbering in any_numbering(),
            digits in "[1-9][0-9]{8,14}",
            form in prop_oneof![Just(Form::E164), Just(Form::International), Just(Form::National)],
        ) {
            let number = format!("+{digits}");
            let written = numbering.written(&number, form);
            // A prefix behind the country's code is taken off when the number comes in.
            prop_assume!(numbering.inner(&number) == number);
            // Without a national prefix only the trunk knows that a bare number is national.
            prop_assume!(!numbering.national_prefix.is_empty() || !written.starts_with("00") && written.starts_with('+'));
            // A subscriber's number does not begin with the prefix of others.
            let rest = digits.strip_prefix(&*numbering.country_code).unwrap_or("x");
            prop_assume!(form != Form::National || numbering.country_code.is_empty() || !rest.starts_with(['0', '1']));
            prop_assert_eq!(numbering.inner(&written), number);
        }

        #[test]
        fn no_trunk_is_given_another_number_than_was_capped(
            numbering in any_numbering(),
            written in "[+]?[0-9]{7,15}",
            form in prop_oneof![Just(Form::E164), Just(Form::International), Just(Form::National)],
        ) {
            let inner = numbering.inner(&written);
            prop_assume!(is_e164(&inner));
            let given = numbering.written(&inner, form);
            // Bare, it is whatever the trunk takes bare numbers for.
            if given.starts_with('+') || after(&given, &numbering.international_prefix).is_some() || after(&given, &numbering.national_prefix).is_some() {
                prop_assert_eq!(numbering.inner(&given), inner, "{}", given);
            }
        }

        #[test]
        fn a_number_begins_as_its_beginning_says(numbering in any_numbering(), number in "(\\+|00|0|011|1)?[2-9][0-9]{7,10}", cut in 1usize..14) {
            // Whoever names the whole beginning of what is dialled, prefix included, has named the number.
            let beginning = &number[..cut.max(4).min(number.len())];
            let (inner, begins) = (numbering.inner(&number), numbering.beginning(beginning));
            if is_e164(&inner) {
                prop_assert!(inner.starts_with(&begins), "{} {}", inner, begins);
            }
        }

        #[test]
        fn every_spelling_of_a_beginning_is_that_beginning(numbering in any_numbering(), digits in "[0-9]{0,6}") {
            let beginning = numbering.beginning(&format!("+{digits}"));
            let spellings = numbering.spellings(&beginning);
            prop_assert!(spellings.contains(&beginning));
            for spelling in &spellings {
                prop_assert!(numbering.beginning(spelling).starts_with(&beginning), "{}", spelling);
            }
        }
    }
}
