//! Samples into samples: G.711 (ITU-T), tones, resampling at load time, measuring.
//!
//! No packets, no time, no files.
