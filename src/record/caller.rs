//! What is kept of a caller besides the number: how it is known, who sent the call here, what came along.

use serde::{Deserialize, Serialize};

/// Read by other programs: fields are added, never renamed. Of bounded size.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Caller {
    /// The display name; empty: none, or the caller wants to stay unknown.
    pub name: String,
    /// The number was vouched for by a trusted trunk (P-Asserted-Identity, RFC 3325).
    pub asserted: bool,
    /// The caller wants to stay unknown (RFC 3323): `from` of the contact is `anonymous`.
    pub withheld: bool,
    /// The number of such a caller, where it is known and the settings keep it.
    pub number: Option<String>,
    /// Who sent the call here, the latest first (RFC 5806).
    pub diversions: Vec<Diversion>,
    /// Where the call was sent until now, the first first (RFC 7044).
    pub history: Vec<Target>,
    /// As it came: hexadecimal unless its parameters say otherwise (RFC 7433).
    pub user_to_user: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Diversion {
    /// `anonymous`: not to be told, and not kept.
    pub number: String,
    /// In the words of RFC 5806, such as `unconditional`, `user-busy`, `no-answer`; empty: not said.
    pub reason: String,
    /// How many diversions it stands for.
    pub counter: Option<u32>,
}

/// An entry of History-Info.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its place in the tree of targets, such as `1.2`.
    pub index: String,
    /// `anonymous`: not to be told, and not kept.
    pub number: String,
    /// Why the call was sent there (RFC 4458), or on from there (RFC 3326): a SIP code.
    pub cause: Option<u16>,
}
