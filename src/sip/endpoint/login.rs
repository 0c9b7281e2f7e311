//! Answers to challenges that come for requests of ours.

use super::{Endpoint, Hop, InviteId};
use crate::sip::account::{Account, Unanswered};
use crate::sip::message::{Request, Response};
use crate::sip::network::Network;
use crate::sip::showing::Showing;
use crate::sip::usage::State;
use crate::time::Time;
use std::sync::Arc;

impl Endpoint {
    /// Answers the challenge of an INVITE: it is sent again to where it was sent before, and nowhere else.
    ///
    /// # Errors
    ///
    /// The challenge is not for this account, or its answer was refused; the INVITE still waits for `cancel`.
    pub fn log_in(&mut self, now: Time, id: InviteId, account: &Account) -> Result<(), Unanswered> {
        let cnonce = self.draw();
        let Some(State::Challenged(challenged)) = self.usages.get(&id).map(|usage| &usage.state) else {
            return Err(Unanswered::Unreadable);
        };
        let (name, value) = account.answer(&challenged.invite, &challenged.response, challenged.challenges, cnonce)?;
        self.authorize(now, id, name, value);
        Ok(())
    }

    /// Challenges to what we ask inside this dialog are answered with `account`: a re-INVITE, an UPDATE or a BYE is sent again.
    /// Where the request went to none of `places` it is as if there were no account.
    pub fn show(&mut self, id: InviteId, account: Arc<Account>, places: Vec<Network>) {
        if let Some(usage) = self.usages.get_mut(&id) {
            usage.showing = Some(Box::new(Showing::new(account, places)));
        }
    }

    /// Writes credentials into a request inside the dialog that goes by `hop`, if the peer has asked for them before.
    pub(super) fn show_in(&mut self, id: InviteId, hop: &Hop, request: &mut Request) {
        let showing = self.usages.get_mut(&id).and_then(|usage| usage.showing.as_mut());
        if let Some(showing) = showing.filter(|showing| showing.is_for(hop)) {
            showing.show(request, || self.table.secrets.next());
        }
    }

    /// Whether this, which came for a request inside the dialog, is a challenge that the next one will answer.
    pub(super) fn is_challenged(&mut self, id: InviteId, response: &Response) -> bool {
        let Some(usage) = self.usages.get_mut(&id) else { return false };
        let way = usage.dialog_with(response.headers.to_tag().unwrap_or_default()).map(|dialog| dialog.hop());
        let Some(showing) = &mut usage.showing else { return false };
        if !matches!(response.code, 401 | 407) || !way.is_some_and(|way| showing.is_for(&way)) {
            showing.settled();
            return false;
        }
        showing.challenged(response).is_ok()
    }

    /// The header that answers the challenge `response` of a request that was sent by [`Endpoint::request`]; `answered`: as in
    /// [`Account::answer`].
    ///
    /// # Errors
    ///
    /// As for [`Endpoint::log_in`].
    pub fn credentials(
        &mut self,
        account: &Account,
        request: &Request,
        response: &Response,
        answered: u32,
    ) -> Result<(&'static str, String), Unanswered> {
        let cnonce = self.draw();
        account.answer(request, response, answered, cnonce)
    }

    /// An unpredictable number, from the seed.
    pub fn draw(&mut self) -> u64 {
        self.table.secrets.next()
    }
}
