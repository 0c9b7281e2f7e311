//! Whom the dialogs of a usage are with, as the user of this room knows it.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// A phone; whose.
    Phone(u32),
    /// A carrier; which.
    Trunk(usize),
}
