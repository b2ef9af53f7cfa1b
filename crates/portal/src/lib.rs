//! Where users enter their credentials: the API and the page, as an axum router.

mod api;
mod page;
mod portal;
mod problem;

pub use portal::Portal;
