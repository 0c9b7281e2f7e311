//! Replaces (RFC 3891): the dialog whose place an INVITE takes.

use crate::sip::lex;
use crate::sip::params::Params;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaces {
    pub call_id: String,
    /// The tag of whoever receives the INVITE.
    pub to_tag: String,
    /// The tag of whoever the new call replaces.
    pub from_tag: String,
    /// Only a dialog that is not confirmed may be replaced.
    pub early_only: bool,
}

impl Replaces {
    /// `None` if it is not one Replaces: a tag is missing, or something stands behind.
    pub fn parse(s: &str) -> Option<Replaces> {
        let (call_id, params) = s.split_at(s.find(';')?);
        let call_id = lex::trim(call_id);
        let params = Params::parse(params).ok()?;
        let tag = |name| params.get(name).filter(|tag| lex::is_token(tag)).map(str::to_string);
        let is_call_id = !call_id.is_empty() && !call_id.contains([' ', '\t', ',', '"']);
        is_call_id.then_some(())?;
        Some(Replaces {
            call_id: call_id.to_string(),
            to_tag: tag("to-tag")?,
            from_tag: tag("from-tag")?,
            early_only: params.has("early-only"),
        })
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};to-tag={};from-tag={}", self.call_id, self.to_tag, self.from_tag)?;
        if self.early_only { f.write_str(";early-only") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written_again() {
        for text in ["12@x.example;to-tag=a;from-tag=b", "a84b;to-tag=1;from-tag=2;early-only"] {
            assert_eq!(Replaces::parse(text).unwrap().to_string(), text);
        }
        let spaced = Replaces::parse(" 1@h ; From-Tag = f ; to-tag=t ; early-only ").unwrap();
        assert_eq!(spaced.to_string(), "1@h;to-tag=t;from-tag=f;early-only");
    }

    #[test]
    fn both_tags_and_one_call_id_must_be_there() {
        for bad in ["", "1@h", "1@h;to-tag=a", "1@h;from-tag=a", ";to-tag=a;from-tag=b", "1, 2;to-tag=a;from-tag=b"] {
            assert_eq!(Replaces::parse(bad), None, "{bad}");
        }
        assert_eq!(Replaces::parse("1@h;to-tag=a;from-tag=b,2@h;to-tag=a;from-tag=b"), None);
    }
}
