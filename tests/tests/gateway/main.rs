//! One request at a time: who is let through, what reaches the backend, what the others are told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod assertions;
mod audit;
mod backends;
mod bodies;
mod credentials;
mod echo;
mod elicitation;
mod held;
mod hop;
mod lists;
mod quotas;
mod refusals;
mod scopes;
mod sessions;
mod stand_in;
mod tasks;
