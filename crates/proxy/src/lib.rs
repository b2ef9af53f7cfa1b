//! The whole proxy as a library: configuration file, wiring, server, reload, health.

mod config;
mod health;
mod proxy;
mod reload;
mod server;

pub use config::{
    Config, ConfigError, Environment, IssuerConfig, PortalConfig, Problem, StoreConfig, VaultConfig,
};
pub use proxy::{Proxy, StartError};
