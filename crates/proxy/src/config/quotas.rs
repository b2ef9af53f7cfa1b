//! `[quotas]`

use std::num::NonZeroU32;

use bonafide_mcp::Quotas;

use super::problem::Problems;
use super::section::Section;

/// How much one user may ask of one tenant. Without the section: any number of requests.
pub(super) fn read(root: &mut Section<'_, '_>, problems: &mut Problems<'_>) -> Quotas {
    let Some(mut section) = root.table(problems, "quotas") else { return Quotas::default() };
    let mut quotas = Quotas::default();
    if let Some(requests) = number(&mut section, "requests_per_minute", problems) {
        quotas = quotas.with_per_minute(requests);
    }
    if let Some(requests) = number(&mut section, "burst", problems) {
        quotas = quotas.with_burst(requests);
    }
    if let Some(requests) = number(&mut section, "open_requests", problems) {
        quotas = quotas.with_open(requests);
    }
    if quotas.burst.is_some() && quotas.per_minute.is_none() {
        section.problem(problems, "`burst` has no effect without `requests_per_minute`: add it");
    }
    section.finish(problems);
    quotas
}

fn number(
    section: &mut Section<'_, '_>,
    name: &'static str,
    problems: &mut Problems<'_>,
) -> Option<NonZeroU32> {
    let count = section.count(problems, name)?.value;
    let number = u32::try_from(count).ok().and_then(NonZeroU32::new);
    if number.is_none() {
        section.problem(problems, format!("`{name}` is at least 1: leave it out for no limit"));
    }
    number
}
