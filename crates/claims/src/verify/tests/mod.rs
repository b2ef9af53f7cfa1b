mod accepts;
mod errors;
mod incidents;
mod issuers;
mod mint;
mod peers;
mod profiles;
mod refuses;
