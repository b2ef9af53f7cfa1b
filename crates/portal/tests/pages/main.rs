//! The pages, as a browser without JavaScript uses them, and as somebody uses them who means no good.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod administration;
mod audit;
mod browser;
mod checking;
mod forms;
mod links;
mod look;
mod sessions;
mod sign_in;
mod storing;
mod world;
mod written;
