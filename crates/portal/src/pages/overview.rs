//! `/connections`: what this user may use.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use bonafide_claims::Groups;

use super::{Frame, page_with, problem, stranger};
use crate::portal::{Browser, Shared};
use crate::session::Visitor;
use crate::state::{Connection, Field};
use crate::texts::fill;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    f: Frame<'a>,
    cards: Vec<Card>,
    groups_unknown: bool,
}

struct Card {
    id: String,
    title: String,
    condition: Condition,
    text: String,
    endpoint: String,
}

/// How a connection is, by the name of its style.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Ready,
    Incomplete,
    Refused,
}

impl Condition {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Incomplete => "incomplete",
            Self::Refused => "refused",
        }
    }

    pub(super) fn label(self, t: &crate::Texts) -> &str {
        match self {
            Self::Ready => &t.state_ready,
            Self::Incomplete => &t.state_incomplete,
            Self::Refused => &t.state_refused,
        }
    }
}

/// How a connection is, and a sentence about it.
pub(super) fn describe(t: &crate::Texts, connection: &Connection<'_>) -> (Condition, String) {
    let (expired, missing): (Vec<_>, Vec<_>) =
        connection.missing().partition(|field| field.status.is_expired());
    let names = |fields: &[&Field<'_>]| {
        fields.iter().map(|field| field.variable.title()).collect::<Vec<_>>().join(", ")
    };
    if !missing.is_empty() {
        let text = fill(&t.incomplete_text, &[("names", &names(&missing))]);
        return (Condition::Incomplete, text);
    }
    if !expired.is_empty() {
        return (Condition::Incomplete, fill(&t.expired_text, &[("names", &names(&expired))]));
    }
    if connection.fields.iter().any(|field| field.status.refused_at().is_some()) {
        let text = fill(&t.refused_text, &[("tenant", connection.tenant.title())]);
        return (Condition::Refused, text);
    }
    let text = if connection.fields.is_empty() { &t.nothing_needed } else { &t.ready_text };
    (Condition::Ready, text.clone().into_owned())
}

pub(crate) async fn overview(
    State(shared): State<Arc<Shared>>,
    Extension(browser): Extension<Arc<Browser>>,
    Extension(visitor): Extension<Visitor>,
    uri: Uri,
) -> Response {
    let Visitor::User(session) = &visitor else {
        return stranger(&shared, &browser, &visitor, uri.path());
    };
    let t = &browser.look.texts;
    let directory = shared.directory.load();
    let mut cards = Vec::new();
    for tenant in directory.tenants() {
        // The same decision that guards a call: what is listed can be reached.
        let Ok(permit) = directory.policy().permit(&session.user, tenant.id()) else { continue };
        let connection = match Connection::read(&shared.secrets, tenant, &permit).await {
            Ok(connection) => connection,
            Err(error) => {
                tracing::error!(%error, "the vault failed");
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let text = t.vault_text.clone().into_owned();
                return problem(&shared, &browser, Some(session), status, &t.vault_title, text);
            }
        };
        let (condition, text) = describe(t, &connection);
        let endpoint = shared.endpoint(tenant.id());
        let (id, title) = (tenant.id().as_str().to_owned(), tenant.title().to_owned());
        cards.push(Card { id, title, condition, text, endpoint });
    }
    let groups_unknown = matches!(session.user.groups(), Groups::Unknown(_));
    let f = Frame::new(&shared, &browser, Some(session), &t.connections);
    page_with(StatusCode::OK, &Overview { f, cards, groups_unknown })
}
