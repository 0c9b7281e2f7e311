//! What proofs by random histories share: steps from a seed, and rules that are broken one at a time.

use std::fmt::Debug;

/// One step in four small numbers: what, to whom, how, and how much later. Whatever the numbers are, the step makes
/// sense most of the time and sometimes on purpose does not.
pub type Step = [u8; 4];

/// Steps from a seed, for histories of any length (splitmix64).
pub fn steps(mut seed: u64) -> impl Iterator<Item = Step> {
    std::iter::from_fn(move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [a, b, c, d, ..] = (bits ^ (bits >> 31)).to_le_bytes();
        Some([a, b, c, d])
    })
}

/// The mistakes that a model can make, and the list of all of them.
macro_rules! mistakes {
    ($($name:ident,)*) => {
        /// One rule left out or turned round.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mistake {
            $($name,)*
        }

        impl Mistake {
            pub const ALL: &[Mistake] = &[$(Mistake::$name,)*];
        }
    };
}
pub(in crate::acd) use mistakes;

/// A model with any one mistake differs somewhere, and without one nowhere.
pub fn each_is_found<M: Copy + Debug>(mistakes: &[M], differs: impl Fn(Option<M>) -> bool) {
    assert!(!differs(None), "the model without a mistake differs");
    let missed: Vec<M> = mistakes.iter().copied().filter(|mistake| !differs(Some(*mistake))).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// Where two things of one shape differ, a line for each; empty if they do not.
pub fn differences<T: Debug + PartialEq>(one: &T, other: &T) -> String {
    if one == other {
        return String::new();
    }
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let mut within: Vec<&str> = Vec::new();
    let mut differ = String::new();
    for (one, other) in one.lines().zip(other.lines()) {
        let depth = one.len() - one.trim_start().len();
        within.truncate(depth / 4);
        if one != other {
            differ += &format!("{}: {} and {}\n", within.join(" "), one.trim(), other.trim());
        }
        within.push(one.trim());
    }
    if differ.is_empty() { format!("{one}\nand\n{other}") } else { differ }
}
