//! An audit in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bonafide_policy::{
    AuditEntry, AuditError, AuditEvent, AuditPage, AuditQuery, AuditSink, AuditTrail, TrailError,
};

use crate::world::CANARY;

/// What was written down, oldest first. Places are indexes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<AuditEntry>>>);

impl AuditSink for Written {
    fn write(&mut self, events: &[Arc<AuditEvent>]) -> Result<(), AuditError> {
        let entries = events.iter().map(|event| AuditEntry::from(&**event));
        self.0.lock().unwrap().extend(entries);
        Ok(())
    }
}

#[async_trait]
impl AuditTrail for Written {
    async fn recent(&self, query: &AuditQuery) -> Result<AuditPage, TrailError> {
        let all = self.0.lock().unwrap().clone();
        let end = match &query.before {
            Some(before) => before.parse().map_err(|_| TrailError::Place)?,
            None => all.len(),
        };
        let fits = |entry: &AuditEntry| {
            let subject = query.subject.as_ref().is_none_or(|subject| {
                *subject == entry.subject || Some(subject) == entry.owner_subject.as_ref()
            });
            subject && (query.tenant.is_none() || query.tenant == entry.tenant)
        };
        let found: Vec<(usize, &AuditEntry)> =
            all.iter().enumerate().take(end).rev().filter(|(_, entry)| fits(entry)).collect();
        let entries = found.iter().take(query.limit).map(|(_, entry)| (*entry).clone()).collect();
        let last = found.get(query.limit - 1).map(|(at, _)| at.to_string());
        Ok(AuditPage { entries, older: last.filter(|_| found.len() > query.limit) })
    }
}

impl Written {
    pub(crate) fn by(&self, subject: &str) -> Vec<String> {
        let entries = self.0.lock().unwrap();
        let text = |entry: &AuditEntry| {
            let parts = [&entry.tenant, &entry.variable, &entry.owner_subject, &entry.reason];
            let parts = parts.into_iter().flatten().map(|part| &**part);
            let outcome = Some(&*entry.outcome).filter(|outcome| *outcome != "allowed");
            let text: Vec<&str> =
                [&*entry.action].into_iter().chain(parts).chain(outcome).collect();
            assert!(!text.iter().any(|part| part.contains(CANARY)), "{text:?}");
            text.join(" ")
        };
        entries.iter().filter(|entry| entry.subject == subject).map(text).collect()
    }
}

/// An audit that does not answer.
#[derive(Debug)]
pub(crate) struct Away;

#[async_trait]
impl AuditTrail for Away {
    async fn recent(&self, _: &AuditQuery) -> Result<AuditPage, TrailError> {
        Err(TrailError::Store("the database is away".into()))
    }
}
