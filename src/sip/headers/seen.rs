//! What the reader saw in the lines that decide where a message goes: who asks for it later does not go through them again.

use super::via::TopVia;
use super::{Headers, Line, Span};
use crate::sip::params::ParamsRef;
use crate::sip::uri::HostRef;
use std::net::IpAddr;

/// It holds for a line whose value still stands where it stood then. What is written later stands elsewhere, because text is only
/// ever added; so nobody who changes a line needs to know of this.
#[derive(Clone, Copy, Default)]
pub(in crate::sip) struct Seen {
    pub via: Option<SeenVia>,
    pub from: Option<SeenTag>,
    pub to: Option<SeenTag>,
}

#[derive(Clone, Copy)]
pub(in crate::sip) struct SeenTag {
    value: Span,
    tag: Option<Span>,
}

/// The first item of the value.
#[derive(Clone, Copy)]
pub(in crate::sip) struct SeenVia {
    value: Span,
    transport: Span,
    host: SeenHost,
    port: Option<u16>,
    params: Span,
    branch: Option<Span>,
}

#[derive(Clone, Copy)]
enum SeenHost {
    Name(Span),
    Ip(IpAddr),
}

impl Headers {
    /// `via`: the first item of this line.
    pub(in crate::sip) fn see_via(&self, line: usize, via: TopVia<'_>) -> SeenVia {
        let place = |part| self.place(part);
        SeenVia {
            value: self.lines[line].value,
            transport: place(via.transport),
            host: match via.host {
                HostRef::Name(name) => SeenHost::Name(place(name)),
                HostRef::Ip(ip) => SeenHost::Ip(ip),
            },
            port: via.port,
            params: place(via.params.as_str()),
            branch: via.branch.map(place),
        }
    }

    /// `tag`: that of the address in this line.
    pub(in crate::sip) fn see_tag(&self, line: usize, tag: Option<&str>) -> SeenTag {
        SeenTag { value: self.lines[line].value, tag: tag.map(|tag| self.place(tag)) }
    }

    /// Where a part of the text is.
    fn place(&self, part: &str) -> Span {
        Span::new(part.as_ptr() as usize - self.text.as_ptr() as usize, part.len())
    }

    pub(in crate::sip) fn set_seen(&mut self, seen: Seen) {
        self.seen = seen;
    }
}

impl SeenVia {
    /// `None`: this line is another one.
    pub(super) fn of<'a>(&self, line: &Line, text: &'a str) -> Option<TopVia<'a>> {
        (line.value == self.value).then(|| TopVia {
            transport: self.transport.of(text),
            host: match self.host {
                SeenHost::Name(name) => HostRef::Name(name.of(text)),
                SeenHost::Ip(ip) => HostRef::Ip(ip),
            },
            port: self.port,
            params: ParamsRef::parsed_before(self.params.of(text)),
            branch: self.branch.map(|branch| branch.of(text)),
        })
    }
}

impl SeenTag {
    /// `None`: this line is another one.
    pub(super) fn of<'a>(&self, line: &Line, text: &'a str) -> Option<Option<&'a str>> {
        (line.value == self.value).then(|| self.tag.map(|tag| tag.of(text)))
    }
}
