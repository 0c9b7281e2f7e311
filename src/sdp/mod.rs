//! Session descriptions (RFC 8866) and the offer/answer model (RFC 3264) for audio.
//!
//! Text and decisions only: no socket, no clock, no call state.
