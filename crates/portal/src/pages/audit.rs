//! `/connections/-/audit`: what was decided and done, for administrators.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use bonafide_policy::{AuditEntry, AuditPage, AuditQuery, TrailError};
use url::form_urlencoded::{self, Serializer};

use super::overview::Condition;
use super::users::{administrator, nothing};
use super::{Frame, page_with, problem};
use crate::Texts;
use crate::portal::{Browser, Shared};
use crate::session::Session;
use crate::session::Visitor;
use crate::texts::fill;

/// How many entries a page has.
const ENTRIES: usize = 50;

#[derive(Template)]
#[template(path = "audit.html")]
struct ActivityPage<'a> {
    f: Frame<'a>,
    /// Whether there is anything to read from.
    kept: bool,
    user: String,
    /// All tenants, and which one is asked for.
    tenants: Vec<(String, bool)>,
    filtered: bool,
    entries: Vec<Row>,
    /// The query of the page with older entries.
    older: Option<String>,
    first: bool,
}

struct Row {
    at: String,
    /// The time without what a person does not read.
    time: String,
    who: String,
    /// The query that shows what this user did.
    query: String,
    /// What the issuer calls them, if they are shown under another name.
    subject: Option<String>,
    issuer: String,
    what: String,
    about: String,
    owner: Option<String>,
    outcome: String,
    class: &'static str,
    why: String,
}

/// What was asked for.
struct Asked {
    user: String,
    tenant: String,
    before: String,
}

pub(crate) async fn audit(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Response {
    let session = match administrator(&shared, &browser, &visitor, uri.path()) {
        Ok(session) => session,
        Err(page) => return *page,
    };
    let asked = Asked::read(&query.unwrap_or_default());
    let found = match &shared.trail {
        Some(trail) => trail.recent(&asked.query()).await.map(Some),
        None => Ok(None),
    };
    match found {
        Ok(page) => show(&shared, &browser, session, asked, page),
        Err(TrailError::Place) => nothing(&shared, &browser, session),
        Err(error) => {
            tracing::error!(error = %super::with_causes(&error), "the audit can't be read");
            let (t, status) = (&browser.look.texts, StatusCode::SERVICE_UNAVAILABLE);
            let text = t.audit_failed_text.clone().into_owned();
            problem(&shared, &browser, Some(session), status, &t.audit_failed_title, text)
        }
    }
}

fn show(
    shared: &Shared,
    browser: &Browser,
    session: &Session,
    asked: Asked,
    page: Option<AuditPage>,
) -> Response {
    let t = &browser.look.texts;
    let kept = page.is_some();
    let page = page.unwrap_or_default();
    let older = page.older.as_deref().map(|place| asked.to_query(place));
    let page = ActivityPage {
        f: Frame::new(shared, browser, Some(session), &t.audit_title),
        kept,
        tenants: tenants(shared, &asked.tenant),
        filtered: !asked.user.is_empty() || !asked.tenant.is_empty(),
        entries: page.entries.iter().map(|entry| row(t, entry)).collect(),
        older,
        first: asked.before.is_empty(),
        user: asked.user,
    };
    page_with(StatusCode::OK, &page)
}

/// Those that there are, and the one that is asked for, which may be gone.
fn tenants(shared: &Shared, asked: &str) -> Vec<(String, bool)> {
    let directory = shared.directory.load();
    let mut all: Vec<_> =
        directory.tenants().map(|tenant| tenant.id().as_str().to_owned()).collect();
    if !asked.is_empty() && !all.iter().any(|tenant| tenant == asked) {
        all.push(asked.to_owned());
    }
    all.sort();
    let chosen = |tenant: String| {
        let chosen = tenant == asked;
        (tenant, chosen)
    };
    all.into_iter().map(chosen).collect()
}

impl Asked {
    fn read(query: &str) -> Self {
        let mut pairs: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
        let mut take =
            |name: &str| pairs.remove(name).map_or(String::new(), |it| it.trim().to_owned());
        Self { user: take("user"), tenant: take("tenant"), before: take("before") }
    }

    fn query(&self) -> AuditQuery {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let mut query = AuditQuery::newest(ENTRIES);
        query.before = given(&self.before);
        query.subject = given(&self.user);
        query.tenant = given(&self.tenant);
        query
    }

    /// The same from another place on.
    fn to_query(&self, before: &str) -> String {
        let pairs = [("user", &*self.user), ("tenant", &*self.tenant), ("before", before)];
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty());
        Serializer::new(String::new()).extend_pairs(pairs).finish()
    }
}

fn row(t: &Texts, entry: &AuditEntry) -> Row {
    let who = entry.username.clone().unwrap_or_else(|| entry.subject.clone());
    let parts = [&entry.tenant, &entry.tool, &entry.variable];
    let about: Vec<&str> = parts.into_iter().flatten().map(|part| &**part).collect();
    let (outcome, class) = match &*entry.outcome {
        "allowed" => (&*t.outcome_allowed, Condition::Ready.class()),
        "denied" => (&*t.outcome_denied, Condition::Refused.class()),
        "failed" => (&*t.outcome_failed, Condition::Incomplete.class()),
        other => (other, Condition::Incomplete.class()),
    };
    Row {
        // `2026-11-22T00:00:01.042Z`
        time: entry.at.get(..19).unwrap_or(&entry.at).replace('T', " "),
        at: entry.at.clone(),
        query: Serializer::new(String::new()).append_pair("user", &entry.subject).finish(),
        subject: Some(entry.subject.clone()).filter(|subject| *subject != who),
        who,
        issuer: entry.issuer.clone(),
        what: action(t, &entry.action).to_owned(),
        about: about.join(" / "),
        owner: entry.owner_subject.as_ref().map(|of| fill(&t.action_of, &[("user", of)])),
        outcome: outcome.to_owned(),
        class,
        why: why(t, entry),
    }
}

/// What was done, in words. What a newer gateway wrote is shown as it is.
fn action<'t>(t: &'t Texts, action: &'t str) -> &'t str {
    match action {
        "use" => &t.action_use,
        "enter" => &t.action_enter,
        "replace" => &t.action_replace,
        "remove" => &t.action_remove,
        "make_link" => &t.action_make_link,
        "use_link" => &t.action_use_link,
        "reset" => &t.action_reset,
        "remove_user" => &t.action_remove_user,
        "administer" => &t.action_administer,
        "sign_in" => &t.action_sign_in,
        "sign_out" => &t.action_sign_out,
        other => other,
    }
}

/// The reason, and the rules by their ids.
fn why(t: &Texts, entry: &AuditEntry) -> String {
    let reason = entry.reason.as_deref().map(|reason| match reason {
        "no_rule" => &*t.reason_no_rule,
        "rule" => &*t.reason_rule,
        "groups_unknown" => &*t.reason_groups,
        "scopes_missing" => &*t.reason_scopes,
        "unknown_tenant" => &*t.reason_tenant,
        other => other,
    });
    let rules = entry.rules.join(", ");
    let parts = [reason.unwrap_or_default(), &rules];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}
