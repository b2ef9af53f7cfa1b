//! The policy in force: the rules of the file and those of the database, together.

use std::sync::Arc;

use bonafide_mcp::{Directory, Tenant};
use bonafide_policy::{
    MappingStore, Policy, PolicyBuilder, PolicyStore, ReloadError, Rule, StoreError,
};

use crate::config::PolicyStoreConfig;
use crate::proxy::StartError;
use crate::stores::Stores;

/// What a file says of tenants and rules.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) policy: PolicyBuilder,
}

impl Base {
    /// Tenants and policy with the rules that `store` has now, or nothing: never some of them.
    pub(crate) async fn directory(
        &self,
        store: Option<&Arc<dyn PolicyStore>>,
    ) -> Result<Directory, ReloadError> {
        let policy = build(self.policy.clone(), store).await?;
        Ok(Directory::new(self.tenants.iter().cloned(), policy))
    }
}

/// The policy that the rules of the builder and those of the store make.
pub(crate) async fn build(
    policy: PolicyBuilder,
    store: Option<&Arc<dyn PolicyStore>>,
) -> Result<Policy, ReloadError> {
    let rules: Vec<Rule> = match store {
        Some(store) => store.load().await?,
        None => Vec::new(),
    };
    // A hundred thousand rules take a good part of a second.
    let build = move || policy.with_rules(rules).build();
    let built = tokio::task::spawn_blocking(build).await;
    Ok(built.map_err(|_| StoreError::Stopped)??)
}

/// Opens the table that a configuration names.
pub(crate) fn open(
    config: &PolicyStoreConfig,
    stores: &mut Stores,
) -> Result<Arc<dyn MappingStore>, StartError> {
    match config {
        PolicyStoreConfig::Sqlite(path) => {
            let file = stores.sqlite(path).map_err(StartError::PolicyStore)?;
            Ok(Arc::new(file.mapping()))
        }
        PolicyStoreConfig::Postgres(address) => {
            let database = stores.postgres(address.clone()).map_err(StartError::Postgres)?;
            Ok(Arc::new(database.mapping()))
        }
    }
}
