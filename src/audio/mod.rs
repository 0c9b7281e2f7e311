//! Samples into samples: G.711 (ITU-T), tones and the keys among them, resampling at load time, measuring.
//!
//! No packets, no time, no files.

pub mod dtmf;
pub mod g711;
pub mod measure;
pub mod resample;
pub mod tone;
