//! Reason (RFC 3326): why a request is sent.

use crate::sip::lex;
use crate::sip::params::Params;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, or another token.
    pub protocol: String,
    pub cause: Option<u16>,
    /// Without quotes and escapes.
    pub text: Option<String>,
}

impl Reason {
    pub fn sip(cause: u16, text: &str) -> Reason {
        Reason { protocol: "SIP".into(), cause: Some(cause), text: Some(text.into()) }
    }

    /// The losing branch of a call that someone else answered (RFC 3326 §2).
    pub fn completed_elsewhere() -> Reason {
        Reason::sip(200, "Call completed elsewhere")
    }

    /// `None` if it is not a Reason.
    pub fn parse(s: &str) -> Option<Reason> {
        let (protocol, params) = s.split_at(s.find(';').unwrap_or(s.len()));
        let protocol = lex::trim(protocol);
        let params = Params::parse(params).ok()?;
        lex::is_token(protocol).then(|| Reason {
            protocol: protocol.to_string(),
            cause: params.get("cause").and_then(|c| lex::number(c, 999)).map(|c| c as u16),
            text: params.get("text").map(lex::unquote),
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        if let Some(text) = &self.text {
            f.write_str(";text=")?;
            lex::write_quoted(f, text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_and_written_again() {
        for text in
            ["SIP;cause=200;text=\"Call completed elsewhere\"", "Q.850;cause=16;text=\"a;b\\\"c\"", "preemption"]
        {
            assert_eq!(Reason::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Reason::parse(" SIP ; cause = 480 "), Some(Reason { text: None, ..Reason::sip(480, "") }));
        assert_eq!(Reason::parse("S IP;cause=1"), None);
    }
}
