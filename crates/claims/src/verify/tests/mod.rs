mod accepts;
mod mint;
mod refuses;
