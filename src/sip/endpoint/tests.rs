//! The whole endpoint: each race, each refusal, and random calls.

mod bodies;
mod early;
mod follows;
mod moves;
mod pracks;
mod races;
mod refers;
mod refusals;
mod sessions;
mod shows;
mod stories;
