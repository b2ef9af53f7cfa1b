//! The policy in force.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::ReloadError;
use crate::policy::Policy;

/// The policy in force: read by every request, replaced as a whole.
///
/// Cloning costs a reference count, and all clones see the same policy. Reading takes no lock. A request
/// calls [`current`](Self::current) once and goes by what it got, so that it never sees half of two policies.
#[derive(Clone)]
pub struct PolicyHandle {
    state: Arc<ArcSwap<State>>,
}

#[derive(Clone)]
struct State {
    policy: Policy,
    status: PolicyStatus,
}

/// How the policy came to be, for readiness checks and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PolicyStatus {
    /// How often the policy was replaced.
    pub replaced: u64,
    /// How often a new policy was refused.
    pub refused: u64,
    /// Why the last new policy was refused. `None` once one is accepted.
    pub problem: Option<Arc<str>>,
}

impl PolicyHandle {
    /// Puts `policy` in force.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        let state = State { policy, status: PolicyStatus::default() };
        Self { state: Arc::new(ArcSwap::from_pointee(state)) }
    }

    /// The policy in force.
    #[must_use]
    pub fn current(&self) -> Policy {
        self.state.load().policy.clone()
    }

    /// Whether the policy in force is the newest there is, and if not, why.
    #[must_use]
    pub fn status(&self) -> PolicyStatus {
        self.state.load().status.clone()
    }

    /// Puts `policy` in force. Decisions that have begun end under the old one.
    pub fn replace(&self, policy: Policy) {
        tracing::info!(rules = policy.rule_count(), "policy replaced");
        self.state.rcu(|old| State {
            policy: policy.clone(),
            status: PolicyStatus {
                replaced: old.status.replaced.saturating_add(1),
                refused: old.status.refused,
                problem: None,
            },
        });
    }

    /// Says that there is a new policy that cannot be used. The old one stays in force.
    pub fn refuse(&self, error: &ReloadError) {
        let problem: Arc<str> = chain(error).into();
        tracing::error!(%problem, "new policy refused, the old one stays in force");
        self.state.rcu(|old| State {
            policy: old.policy.clone(),
            status: PolicyStatus {
                replaced: old.status.replaced,
                refused: old.status.refused.saturating_add(1),
                problem: Some(problem.clone()),
            },
        });
    }
}

/// An error and what it came from, in one text.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}

impl fmt::Debug for PolicyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.load();
        f.debug_struct("PolicyHandle")
            .field("policy", &state.policy)
            .field("status", &state.status)
            .finish()
    }
}
