//! INFO and PRACK of ours. Where one found nobody, or was challenged, what it carries is sent once more, with the next number.

use super::{Endpoint, Hop, InviteId};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Request, Response};
use crate::sip::method::Method;
use crate::sip::transaction::table::{Owner, Passed};
use crate::sip::usage::{INFOS_MAX, State};
use crate::time::Time;

impl Endpoint {
    /// The final answer to one.
    pub(super) fn aside_answered(&mut self, now: Time, passed: Passed, answer: &Response) {
        let (Owner::Info(id) | Owner::Prack(id)) = passed.owner else { return };
        if self.is_challenged(id, answer) {
            passed.refused.iter().for_each(|refused| self.send_aside_again(now, passed.owner, refused));
        } else if matches!((passed.owner, answer.code), (Owner::Info(_), 408 | 481)) {
            self.peer_gone(now, id);
        } else {
            self.aside_over(now, passed.owner);
        }
    }

    pub(super) fn send_info(&mut self, now: Time, id: InviteId, content_type: String, body: Vec<u8>) {
        let Some(usage) = self.usages.get_mut(&id).filter(|usage| matches!(usage.state, State::Answered)) else {
            return;
        };
        if usage.infos.len() < INFOS_MAX {
            usage.infos.push_back((content_type, body));
            self.next_info(now, id);
        } else {
            self.table.counters.infos_lost += 1;
        }
    }

    /// The first that waits, if it need not any more.
    pub(super) fn next_info(&mut self, now: Time, id: InviteId) {
        let Some(usage) = self.usages.get_mut(&id).filter(|usage| usage.may_inform()) else { return };
        let Some(dialog) = &mut usage.dialog else { return };
        let Some((content_type, body)) = usage.infos.pop_front() else { return };
        usage.informs = true;
        let mut info = dialog.request(Method::Info);
        let hop = dialog.hop();
        info.set_body(&content_type, body);
        self.start_request(now, hop, info, Owner::Info(id));
    }

    /// Nothing more comes of it.
    fn aside_over(&mut self, now: Time, owner: Owner) {
        if let Owner::Info(id) = owner
            && let Some(usage) = self.usages.get_mut(&id)
        {
            usage.informs = false;
            self.next_info(now, id);
        }
    }

    /// It could not be sent by `failed`.
    pub(super) fn aside_unreachable(&mut self, now: Time, owner: Owner, failed: &Hop, lost: &Request) {
        if self.dialog_of(owner, lost).is_some_and(|dialog| dialog.has_other_way(failed)) {
            self.send_aside_again(now, owner, lost);
        } else {
            self.aside_over(now, owner);
        }
    }

    /// Who wanted the PRACK may have given up by now; or it has answered, and its dialog is known.
    pub(super) fn prack_unanswered(&mut self, now: Time, owner: Owner, lost: &Request) {
        if self.dialog_of(owner, lost).is_some_and(Dialog::turn_back) {
            self.send_aside_again(now, owner, lost);
        }
    }

    pub(super) fn send_aside_again(&mut self, now: Time, owner: Owner, lost: &Request) {
        let Some(dialog) = self.dialog_of(owner, lost) else { return };
        let mut again = dialog.request(lost.method.clone());
        let hop = dialog.hop();
        for name in ["RAck", "Content-Type"] {
            lost.headers.copy(name, &mut again.headers);
        }
        again.body.clone_from(&lost.body);
        let key = self.start_request(now, hop, again, owner);
        if let (Owner::Prack(id), Some(tag)) = (owner, lost.headers.to_tag()) {
            self.note_prack(id, tag, key);
        }
    }

    /// The dialog to which this belongs, while there is a reason to go on.
    fn dialog_of(&mut self, owner: Owner, lost: &Request) -> Option<&mut Dialog> {
        let (Owner::Info(id) | Owner::Prack(id)) = owner else { return None };
        let usage =
            self.usages.get_mut(&id).filter(|usage| matches!(usage.state, State::Calling(_) | State::Answered))?;
        let peer = lost.headers.to_tag()?;
        usage.dialog_with(peer).filter(|dialog| dialog.id().2 == peer)
    }
}
