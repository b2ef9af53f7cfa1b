//! `[limits]`

use std::ops::RangeInclusive;
use std::time::Duration;

use bonafide_mcp::Limits;

use super::problem::Problems;
use super::section::Section;
use super::values;
use crate::server::Settings;

/// Beyond it, an instant plus a time could overflow. What takes longer is a task.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Less is a number of megabytes by mistake.
const BYTES: RangeInclusive<usize> = 1024..=1024 * 1024 * 1024;
const CONNECTIONS: RangeInclusive<usize> = 1..=1024 * 1024;

/// How much and how long. What the file leaves out has its default.
pub(super) fn read(root: &mut Section<'_, '_>, problems: &mut Problems<'_>) -> (Limits, Settings) {
    let (mut limits, mut server) = (Limits::default(), Settings::default());
    let Some(mut section) = root.table(problems, "limits") else { return (limits, server) };
    for (name, limit) in [
        ("request_time", &mut limits.request_time),
        ("connect_time", &mut limits.connect_time),
        ("answer_time", &mut limits.answer_time),
        ("pause_time", &mut limits.pause_time),
        ("credential_time", &mut limits.credential_time),
        ("head_time", &mut server.head_time),
        ("stall_time", &mut server.stall_time),
        ("drain_time", &mut server.drain_time),
    ] {
        if let Some(found) = time(&mut section, name, problems) {
            *limit = found;
        }
    }
    for (name, limit, allowed) in [
        ("request_body", &mut limits.request_body, BYTES),
        ("filtered_answer", &mut limits.filtered_answer, BYTES),
        ("connections", &mut server.connections, CONNECTIONS),
    ] {
        if let Some(found) = number(&mut section, name, allowed, problems) {
            *limit = found;
        }
    }
    section.finish(problems);
    (limits, server)
}

fn time(
    section: &mut Section<'_, '_>,
    name: &'static str,
    problems: &mut Problems<'_>,
) -> Option<Duration> {
    let found = section.string(problems, name)?;
    let time = values::duration(&found, problems)?;
    let allowed = !time.is_zero() && time <= LONGEST;
    if !allowed {
        found.problem(problems, "this is from `\"1s\"` to `\"24h\"`: leave it out for the default");
    }
    allowed.then_some(time)
}

fn number(
    section: &mut Section<'_, '_>,
    name: &'static str,
    allowed: RangeInclusive<usize>,
    problems: &mut Problems<'_>,
) -> Option<usize> {
    let found = section.count(problems, name)?;
    let fits = allowed.contains(&found.value);
    if !fits {
        let (least, most) = (allowed.start(), allowed.end());
        let message = match name {
            "connections" => format!("this is from {least} to {most}"),
            _ => format!("this is a number of bytes, from {least} to {most}"),
        };
        found.problem(problems, format!("{message}: leave it out for the default"));
    }
    fits.then_some(found.value)
}
