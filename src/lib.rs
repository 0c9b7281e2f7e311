//! vaxel: a call-centre telephony and queue engine.

pub mod acd;
pub mod audio;
pub mod call;
pub mod config;
pub mod edge;
pub mod engine;
pub mod flow;
pub mod ids;
pub mod media;
pub mod record;
pub mod rtp;
pub mod sdp;
pub mod sim;
pub mod sip;
pub mod time;
