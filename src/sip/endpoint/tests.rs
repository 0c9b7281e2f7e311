//! The whole endpoint: each race, each refusal, and random calls.

mod races;
mod refusals;
mod sessions;
mod stories;
