//! How many requests ended how.

use ::metrics::{Counter, counter, describe_counter};

/// How a request to a tenant ended. The label `outcome` of `bonafide_mcp_requests_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Forwarded,
    Unauthenticated,
    Denied,
    Invalid,
    NotFound,
    TooMany,
    CredentialNeeded,
    Held,
    VaultFailed,
    BackendFailed,
    BackendTimeout,
    /// The user's token, their permit or the gateway ended first.
    Ended,
    Failed,
}

impl Outcome {
    const ALL: [(Self, &'static str); 13] = [
        (Self::Forwarded, "forwarded"),
        (Self::Unauthenticated, "unauthenticated"),
        (Self::Denied, "denied"),
        (Self::Invalid, "invalid"),
        (Self::NotFound, "not_found"),
        (Self::TooMany, "too_many"),
        (Self::CredentialNeeded, "credential_needed"),
        (Self::Held, "held"),
        (Self::VaultFailed, "vault_failed"),
        (Self::BackendFailed, "backend_failed"),
        (Self::BackendTimeout, "backend_timeout"),
        (Self::Ended, "ended"),
        (Self::Failed, "failed"),
    ];
}

/// A counter for each outcome, looked up once.
#[derive(Debug)]
pub(super) struct Metrics {
    counters: [(Outcome, Counter); 13],
}

impl Metrics {
    pub(super) fn new() -> Self {
        describe_counter!("bonafide_mcp_requests_total", "Requests to MCP endpoints by outcome");
        let counter =
            |(outcome, name)| (outcome, counter!("bonafide_mcp_requests_total", "outcome" => name));
        Self { counters: Outcome::ALL.map(counter) }
    }

    pub(super) fn name(outcome: Outcome) -> &'static str {
        let mut all = Outcome::ALL.into_iter();
        all.find(|(known, _)| *known == outcome).map_or("", |(_, name)| name)
    }

    pub(super) fn count(&self, outcome: Outcome) {
        if let Some((_, counter)) = self.counters.iter().find(|(known, _)| *known == outcome) {
            counter.increment(1);
        }
    }
}
