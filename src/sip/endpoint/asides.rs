//! INFO and PRACK of ours that found nobody, or that were challenged: what they carry is sent once more, with the next number.

use super::{Endpoint, Hop};
use crate::sip::dialog::Dialog;
use crate::sip::message::{Request, Response};
use crate::sip::transaction::table::{Owner, Passed};
use crate::sip::usage::State;
use crate::time::Time;

impl Endpoint {
    /// The final answer to one.
    pub(super) fn aside_answered(&mut self, now: Time, passed: Passed, answer: &Response) {
        let (Owner::Info(id) | Owner::Prack(id)) = passed.owner else { return };
        if self.is_challenged(id, answer) {
            passed.refused.iter().for_each(|refused| self.send_aside_again(now, passed.owner, refused));
        } else if matches!((passed.owner, answer.code), (Owner::Info(_), 408 | 481)) {
            self.peer_gone(now, id);
        }
    }

    /// It could not be sent by `failed`.
    pub(super) fn aside_unreachable(&mut self, now: Time, owner: Owner, failed: &Hop, lost: &Request) {
        if self.dialog_of(owner, lost).is_some_and(|dialog| dialog.has_other_way(failed)) {
            self.send_aside_again(now, owner, lost);
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
