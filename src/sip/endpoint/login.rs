//! Answers to challenges that come for requests of ours.

use super::{Endpoint, InviteId};
use crate::sip::account::{Account, Unanswered};
use crate::sip::message::{Request, Response};
use crate::sip::usage::State;
use crate::time::Time;

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
