//! Changing what is stored, and writing down who did. Never a value.
//!
//! What is changed is written down in any case, also when its user is gone before the store has answered, which may still
//! make the change: then as failed. Nobody changes anything unseen by hanging up.

use std::future::Future;

use bonafide_policy::{Action, AuditEvent, Outcome, Permit};
use bonafide_vault::{SecretName, VaultError};
use secrecy::SecretString;

use crate::links::OnceLink;
use crate::portal::Shared;
use crate::storing;

/// Stores several values at once.
pub(crate) async fn store(
    shared: &Shared,
    permit: &Permit,
    values: &[(&SecretName, &SecretString)],
) -> Result<(), VaultError> {
    let entering = values.iter().map(|(name, _)| event(shared, Action::Enter, permit, name));
    let entering = entering.collect();
    let stored = watched(shared, entering, storing::store(shared, permit, values)).await;
    for (index, (name, _)) in values.iter().enumerate() {
        let replaced = stored.as_ref().is_ok_and(|stored| stored.get(index) == Some(&true));
        note(shared, event(shared, entered(replaced), permit, name), stored.is_ok());
    }
    stored.map(drop)
}

/// Stores a value by a link. Says whether the link was good; one that was not is not written down.
pub(crate) async fn store_by_link(
    shared: &Shared,
    permit: &Permit,
    link: OnceLink,
    name: &SecretName,
    value: &SecretString,
) -> Result<bool, VaultError> {
    let actions = [Action::UseLink, entered(link.replaces())];
    let events = actions.map(|action| event(shared, action, permit, name));
    let now = shared.clock.now();
    let write = link.write(&shared.used_links, &shared.secrets, permit, name, value, now);
    let stored = watched(shared, events.to_vec(), write).await;
    if !matches!(stored, Ok(false)) {
        events.into_iter().for_each(|event| note(shared, event, stored.is_ok()));
    }
    stored
}

/// Removes a value. That there was none is not written down.
pub(crate) async fn remove(
    shared: &Shared,
    permit: &Permit,
    name: &SecretName,
) -> Result<(), VaultError> {
    let event = event(shared, Action::Remove, permit, name);
    let vault = shared.secrets.open(permit);
    let removed = watched(shared, vec![event.clone()], vault.remove(name)).await;
    if !matches!(removed, Ok(false)) {
        note(shared, event, removed.is_ok());
    }
    removed.map(drop)
}

/// Changes what `event` says.
pub(crate) async fn change<T, E>(
    shared: &Shared,
    event: AuditEvent,
    change: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let changed = watched(shared, vec![event.clone()], change).await;
    note(shared, event, changed.is_ok());
    changed
}

/// A link to a variable.
pub(crate) fn link_made(shared: &Shared, permit: &Permit, name: &SecretName) {
    note(shared, event(shared, Action::MakeLink, permit, name), true);
}

fn entered(replaced: bool) -> Action {
    if replaced { Action::Replace } else { Action::Enter }
}

fn event(shared: &Shared, action: Action, permit: &Permit, name: &SecretName) -> AuditEvent {
    let event = shared.event(action, permit.user());
    event.with_tenant(permit.tenant()).with_variable(name.as_str())
}

/// Writes it down, here and in the log.
fn note(shared: &Shared, event: AuditEvent, done: bool) {
    let event = if done { event } else { event.with_outcome(Outcome::Failed) };
    let (action, outcome) = (event.action().as_str(), event.outcome().as_str());
    let tenant = event.tenant().map(|tenant| tenant.as_str());
    tracing::info!(action, tenant, name = event.variable(), outcome, "a user changed something");
    shared.record(event);
}

/// What a change comes to. If nobody waits for it any more, `events` are written down as failed.
async fn watched<T>(
    shared: &Shared,
    events: Vec<AuditEvent>,
    change: impl Future<Output = T>,
) -> T {
    let mut watch = Watch { shared, events };
    let changed = change.await;
    watch.events.clear();
    changed
}

struct Watch<'s> {
    shared: &'s Shared,
    events: Vec<AuditEvent>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.events.drain(..).for_each(|event| note(self.shared, event, false));
    }
}
