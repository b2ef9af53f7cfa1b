//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use bonafide_claims::Issuer;
use bonafide_jwks::KeySource;
use bonafide_vault::SecretStore;
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
        let scan = self.inner.secrets.vault().scan(None, 1);
        if !timeout(CHECK_TIME, scan).await.is_ok_and(|read| read.is_ok()) {
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
