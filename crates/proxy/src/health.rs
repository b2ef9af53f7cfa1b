//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use bonafide_claims::{Issuer, UserId};
use bonafide_jwks::KeySource;
use bonafide_vault::{Owner, SecretStore, Vault};
use metrics::{counter, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tokio::time::timeout;

/// 1 while the policy in force is not the newest there is.
const STALE: &str = "bonafide_policy_stale";

/// How long a check may take.
const CHECK_TIME: Duration = Duration::from_secs(2);

/// What became of the configuration file as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    /// It is in force.
    Used,
    /// Its tenants and policy are in force; something else in it is not.
    NeedsRestart,
    /// It can't be used.
    Refused,
}

/// What became of the rules in the database as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolicyState {
    /// They are in force.
    Used,
    /// They can't be read, or make no policy.
    Refused,
}

/// What readiness depends on.
#[derive(Clone)]
pub(crate) struct Health {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Vec<(Issuer, Arc<dyn KeySource>)>,
    secrets: SecretStore,
    metrics: Option<PrometheusHandle>,
    file: Mutex<FileState>,
    policy: Mutex<PolicyState>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("keys", &self.inner.keys).finish_non_exhaustive()
    }
}

/// Takes the place of the process's recorder of metrics. `None` if another one has it: then that one exports them.
pub(crate) fn install_recorder() -> Option<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok().map(|()| handle)
}

impl Health {
    pub(crate) fn new(
        keys: Vec<(Issuer, Arc<dyn KeySource>)>,
        secrets: SecretStore,
        metrics: Option<PrometheusHandle>,
    ) -> Self {
        let (file, policy) = (Mutex::new(FileState::Used), Mutex::new(PolicyState::Used));
        gauge!(STALE).set(0.0);
        Self { inner: Arc::new(Inner { keys, secrets, metrics, file, policy }) }
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/metrics", get(render_metrics))
            .with_state(self.clone())
    }

    /// What became of the configuration file as it is now.
    pub(crate) fn set_file(&self, state: FileState) {
        *self.inner.file.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// What became of the rules in the database as they are now.
    pub(crate) fn set_policy(&self, state: PolicyState) {
        let (outcome, stale) = match state {
            PolicyState::Used => ("used", 0.0),
            PolicyState::Refused => ("refused", 1.0),
        };
        counter!("bonafide_policy_reloads_total", "outcome" => outcome).increment(1);
        gauge!(STALE).set(stale);
        *self.inner.policy.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Asks each issuer for its keys, so that the first user need not wait. A dead issuer is asked again when a
    /// token of its comes.
    pub(crate) async fn fetch_keys(self) {
        for (issuer, keys) in &self.inner.keys {
            if let Err(error) = keys.refresh(None).await {
                tracing::warn!(%issuer, %error, "no keys yet");
            }
        }
    }

    /// Why requests can't be served as they should; empty when they can.
    async fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        for (issuer, keys) in &self.inner.keys {
            if keys.current().is_none()
                && timeout(CHECK_TIME, keys.refresh(None)).await.is_ok_and(|r| r.is_ok())
            {
                continue;
            }
            if keys.current().is_none() {
                reasons.push(format!("no keys of `{issuer}`"));
            }
        }
        if !vault_answers(&**self.inner.secrets.vault()).await {
            reasons.push("the vault can't be read".to_owned());
        }
        match *self.inner.file.lock().unwrap_or_else(PoisonError::into_inner) {
            FileState::Used => {}
            FileState::Refused => reasons.push(
                "the configuration file can't be used: the one before is in force".to_owned(),
            ),
            FileState::NeedsRestart => reasons.push(
                "the configuration file has changes that take effect at a restart".to_owned(),
            ),
        }
        if *self.inner.policy.lock().unwrap_or_else(PoisonError::into_inner) == PolicyState::Refused
        {
            let reason = "the rules in the database can't be used: the policy before is in force, the log says why";
            reasons.push(reason.to_owned());
        }
        reasons
    }
}

/// Reads as a request does: one row, of nobody, since every issuer is an address. It may come from the rows that the
/// store has at hand, for as long as the store believes those.
async fn vault_answers(vault: &dyn Vault) -> bool {
    let user = ("readyz".parse(), "nobody".parse(), "nobody".parse(), "NOTHING".parse());
    let (Ok(issuer), Ok(subject), Ok(tenant), Ok(name)) = user else { return false };
    let user = UserId::new(issuer, None, subject);
    let read = vault.read(Owner::new(&user, &tenant), std::slice::from_ref(&name));
    timeout(CHECK_TIME, read).await.is_ok_and(|read| read.is_ok())
}

async fn ready(State(health): State<Health>) -> Response {
    let reasons = health.reasons().await;
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response()
}

async fn render_metrics(State(health): State<Health>) -> Response {
    match &health.inner.metrics {
        Some(metrics) => {
            let content_type = (header::CONTENT_TYPE, "text/plain; version=0.0.4");
            ([content_type], metrics.render()).into_response()
        }
        None => {
            (StatusCode::NOT_FOUND, "this process exports its metrics elsewhere\n").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bonafide_vault::{MemoryVault, Record, Replacement, SecretId, SecretName, StoreError};

    use super::*;

    /// Fails, or takes for ever; and has so many users that nobody may list them.
    #[derive(Debug)]
    struct Broken {
        hangs: bool,
    }

    #[async_trait]
    impl Vault for Broken {
        async fn read(
            &self,
            _: Owner<'_>,
            _: &[SecretName],
        ) -> Result<Vec<Option<Record>>, StoreError> {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Err(StoreError::unavailable("away"))
        }

        async fn list(&self, _: Owner<'_>) -> Result<Vec<(SecretName, Record)>, StoreError> {
            unreachable!()
        }

        async fn write(&self, _: Owner<'_>, _: &SecretName, _: Record) -> Result<(), StoreError> {
            unreachable!()
        }

        async fn remove(&self, _: Owner<'_>, _: &SecretName) -> Result<bool, StoreError> {
            unreachable!()
        }

        async fn remove_user(&self, _: &UserId) -> Result<u64, StoreError> {
            unreachable!()
        }

        async fn scan(
            &self,
            _: Option<&SecretId>,
            _: usize,
        ) -> Result<Vec<(SecretId, Record)>, StoreError> {
            unreachable!()
        }

        async fn replace(&self, _: Vec<Replacement>) -> Result<Vec<bool>, StoreError> {
            unreachable!()
        }
    }

    #[tokio::test]
    async fn a_vault_answers_if_it_reads_in_time_and_is_not_asked_for_more() {
        assert!(vault_answers(&MemoryVault::new()).await);
        assert!(!vault_answers(&Broken { hangs: false }).await);
        assert!(!vault_answers(&Broken { hangs: true }).await);
    }
}
