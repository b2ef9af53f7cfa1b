//! What a backend answered, as far as it must be looked at.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::pin::{Pin, pin};

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use serde::de::IgnoredAny;
use tokio::time::timeout;

use super::coding::{Coding, Encoding, undo};
use super::headers::remove_if;
use super::source::Source;
use crate::gather::{Gathered, NotWhole, gather};
use crate::limits::within;
use crate::rewrite::{Echo, EchoFilter, EventRewriter, Place, Rewriter};
use crate::{BodyError, GatewayBody, Limits};

/// A JSON answer up to this size is read whole, so that a broken one becomes an error that the client can read. A
/// longer one is passed on as it comes.
const CHECKED_JSON: usize = 64 * 1024;

const NOT_IN_ITS_ENCODING: &str = "an answer that is not in its encoding";

/// Tells which bytes a body has, or when they changed.
fn is_of_the_original(name: &str) -> bool {
    matches!(
        name,
        "accept-ranges"
            | "content-digest"
            | "content-length"
            | "content-md5"
            | "content-range"
            | "digest"
            | "etag"
            | "last-modified"
            | "repr-digest"
            | "signature"
            | "signature-input"
    )
}

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Answer {
    /// To be passed on.
    Passed(GatewayBody),
    /// The backend does not accept the credential that it was sent.
    CredentialRefused,
    /// It sends the caller elsewhere, where no secret may go.
    Redirect,
    /// It is no MCP server, or a broken one.
    Garbage(&'static str),
    /// It stopped in the middle of its answer.
    Stopped,
    /// It would have to be looked at, and is longer than this many bytes.
    TooLong(usize),
}

/// What a request of this kind is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A request has an answer, JSON or a stream.
    Answer,
    /// A notification, a response and a standing stream may or may not have one.
    Anything,
    /// Whatever comes is of no interest.
    Nothing,
}

/// Looks at an answer as far as needed and gives what can be passed on, as `rewriter` wants it, and without what `echo`
/// must not let through.
pub(crate) async fn read_answer(
    expected: Expected,
    response: Response<Source>,
    limits: &Limits,
    rewriter: Option<Rewriter>,
    echo: Echo,
) -> (Parts, Answer) {
    let (mut parts, body) = response.into_parts();
    let media_type = media_type(&parts.headers);
    if let Some(answer) = never_passed(&parts, media_type) {
        return (parts, answer);
    }
    let strict = rewriter.as_ref().is_some_and(|rewriter| !rewriter.is_lenient());
    let (body, encoded) = match undone(&mut parts, media_type, body, rewriter.as_ref(), &echo) {
        Ok(undone) => undone,
        Err(answer) => return (parts, *answer),
    };
    let answer = match parts.status {
        status if status.is_success() && expected != Expected::Nothing => {
            read_success(expected, &parts, media_type, body, limits, strict).await
        }
        _ => Answer::Passed(whole(body, limits)),
    };
    let answer = match (answer, rewriter) {
        (Answer::Passed(body), Some(rewriter)) if rewriter.is_lenient() => {
            mention(&mut parts.headers, media_type, body, rewriter, limits)
        }
        (Answer::Passed(body), Some(rewriter)) if expected != Expected::Nothing => {
            rewrite(&mut parts.headers, media_type, body, rewriter, limits).await
        }
        (answer, _) => answer,
    };
    let answer = match answer {
        Answer::Passed(body) if !echo.is_empty() => {
            remove_echoed(&mut parts.headers, &echo);
            let place = place(parts.status, media_type);
            match encoded {
                Some(coding) => look_into(&mut parts, place, body, coding, echo, limits).await,
                None => Answer::Passed(without_echo(place, body, echo)),
            }
        }
        answer => answer,
    };
    (parts, answer)
}

/// What an answer says by its head alone.
fn never_passed(parts: &Parts, media_type: MediaType) -> Option<Answer> {
    match parts.status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Some(Answer::CredentialRefused)
        }
        // RFC 6750, section 3.1: it asks for a token that may do more.
        StatusCode::FORBIDDEN if parts.headers.contains_key(header::WWW_AUTHENTICATE) => {
            Some(Answer::CredentialRefused)
        }
        status if status.is_redirection() => Some(Answer::Redirect),
        status if status.is_informational() => Some(Answer::Garbage("switched protocols")),
        // What some proxy before the backend says in HTML is not an MCP server's answer.
        status if status.is_server_error() && media_type == MediaType::Other => {
            Some(Answer::Garbage("an error page"))
        }
        _ => None,
    }
}

/// The body without its coding, if it has to be looked at as it comes; with the coding, if only once it is there.
fn undone(
    parts: &mut Parts,
    media_type: MediaType,
    body: Source,
    rewriter: Option<&Rewriter>,
    echo: &Echo,
) -> Result<(Source, Option<Coding>), Box<Answer>> {
    let encoding = match body.is_end_stream() {
        true => Encoding::None,
        false => Encoding::of(&parts.headers),
    };
    let looked_at = !echo.is_empty() || rewriter.is_some_and(|rewriter| !rewriter.is_lenient());
    match encoding {
        Encoding::Unknown if looked_at => Err(Box::new(unseen(parts, echo))),
        Encoding::Known(coding)
            if rewriter.is_some() || !echo.is_empty() && media_type == MediaType::Events =>
        {
            forget_the_coding(&mut parts.headers);
            match body.undone(coding, Bytes::new()) {
                Ok(body) => Ok((body, None)),
                Err(_) => Err(Box::new(Answer::Garbage(NOT_IN_ITS_ENCODING))),
            }
        }
        Encoding::Known(coding) if !echo.is_empty() => Ok((body, Some(coding))),
        _ => Ok((body, None)),
    }
}

/// An answer that would have to be looked at, in a coding that can't be undone and was not asked for. What a status
/// says is left of an error.
fn unseen(parts: &mut Parts, echo: &Echo) -> Answer {
    if parts.status.is_success() {
        return Answer::Garbage("an encoding that was not asked for");
    }
    forget_the_coding(&mut parts.headers);
    parts.headers.remove(header::CONTENT_TYPE);
    remove_echoed(&mut parts.headers, echo);
    Answer::Passed(GatewayBody::default())
}

/// An encoded answer: as it came if it is short and no credential is in it, else what it means, without them.
async fn look_into(
    parts: &mut Parts,
    place: Place,
    mut body: GatewayBody,
    coding: Coding,
    echo: Echo,
    limits: &Limits,
) -> Answer {
    let Begun { bytes: encoded, whole } = match timeout(limits.answer_time, begin(&mut body)).await
    {
        Err(_) | Ok(Err(BodyError::Paused)) => return Answer::Stopped,
        Ok(Err(_)) => return Answer::Garbage("an answer that broke off"),
        Ok(Ok(begun)) => begun,
    };
    if !whole {
        forget_the_coding(&mut parts.headers);
        return match body.undone(coding, encoded) {
            Ok(body) => Answer::Passed(without_echo(place, body, echo)),
            Err(_) => Answer::Garbage(NOT_IN_ITS_ENCODING),
        };
    }
    let meaning = match undo(coding, encoded.clone(), limits.filtered_answer) {
        Ok(Some(meaning)) => meaning,
        Ok(None) => return Answer::TooLong(limits.filtered_answer),
        Err(_) => return Answer::Garbage(NOT_IN_ITS_ENCODING),
    };
    let masked = echo.mask(meaning.clone(), place);
    if masked == meaning {
        return Answer::Passed(GatewayBody::full(encoded));
    }
    forget_the_coding(&mut parts.headers);
    Answer::Passed(GatewayBody::full(masked))
}

/// As much of a body as is read before any of it goes on.
async fn begin(body: &mut GatewayBody) -> Result<Begun, BodyError> {
    let mut gathered = Gathered::default();
    while gathered.len() <= CHECKED_JSON {
        let Some(frame) = body.frame().await else {
            return Ok(Begun { bytes: gathered.into_bytes(), whole: true });
        };
        if let Ok(bytes) = frame?.into_data() {
            gathered.push(bytes);
        }
    }
    Ok(Begun { bytes: gathered.into_bytes(), whole: false })
}

fn place(status: StatusCode, media_type: MediaType) -> Place {
    match media_type {
        _ if status.is_client_error() || status.is_server_error() => Place::Error,
        MediaType::Events => Place::Events,
        MediaType::Json | MediaType::Other => Place::Message,
    }
}

/// An answer without the credentials that were sent.
fn without_echo(place: Place, body: GatewayBody, echo: Echo) -> GatewayBody {
    match body.whole() {
        Some(whole) => GatewayBody::full(echo.mask(whole.clone(), place)),
        None => body.with_echo(EchoFilter::new(echo, place)),
    }
}

/// No header needs a credential of ours to be understood.
fn remove_echoed(headers: &mut HeaderMap, echo: &Echo) {
    let echoed = headers.iter().filter(|(_, value)| echo.is_in(value.as_bytes()));
    let echoed: Vec<HeaderName> = echoed.map(|(name, _)| name.clone()).collect();
    for name in echoed {
        headers.remove(name);
    }
}

/// The answer with the client's names for tasks, if it is an event stream or short: the handle of a task is both.
fn mention(
    headers: &mut HeaderMap,
    media_type: MediaType,
    body: GatewayBody,
    rewriter: Rewriter,
    limits: &Limits,
) -> Answer {
    let encoded = Encoding::of(headers) != Encoding::None;
    if media_type == MediaType::Events && !encoded {
        forget_the_original(headers);
        let events = EventRewriter::new(rewriter, limits.filtered_answer);
        return Answer::Passed(body.with_events(events));
    }
    let text = body.whole().and_then(|whole| std::str::from_utf8(whole).ok());
    match text.filter(|_| !encoded).map(|text| rewriter.rewrite(text)) {
        Some(Ok(Cow::Owned(changed))) => {
            forget_the_original(headers);
            Answer::Passed(GatewayBody::full(changed))
        }
        _ => Answer::Passed(body),
    }
}

/// What the headers say of the bytes that the backend sent: of hidden things too.
fn forget_the_original(headers: &mut HeaderMap) {
    remove_if(headers, |name| is_of_the_original(name.as_str()));
}

fn forget_the_coding(headers: &mut HeaderMap) {
    forget_the_original(headers);
    headers.remove(header::CONTENT_ENCODING);
}

/// What the client may have of an answer: an event stream as it goes on, anything else when it is whole.
async fn rewrite(
    headers: &mut HeaderMap,
    media_type: MediaType,
    mut body: GatewayBody,
    rewriter: Rewriter,
    limits: &Limits,
) -> Answer {
    if body.is_end_stream() {
        return Answer::Passed(body);
    }
    forget_the_original(headers);
    let limit = limits.filtered_answer;
    if media_type == MediaType::Events {
        return Answer::Passed(body.with_events(EventRewriter::new(rewriter, limit)));
    }
    let whole = match body.whole() {
        Some(whole) => whole.clone(),
        None => match timeout(limits.answer_time, gather(Pin::new(&mut body), limit)).await {
            Err(_) | Ok(Err(NotWhole::Broken(BodyError::Paused))) => return Answer::Stopped,
            Ok(Err(NotWhole::TooLong)) => return Answer::TooLong(limit),
            Ok(Err(NotWhole::Broken(_))) => return Answer::Garbage("an answer that broke off"),
            Ok(Ok(whole)) => whole,
        },
    };
    let Ok(text) = std::str::from_utf8(&whole) else { return Answer::Garbage("not UTF-8") };
    let rewritten = match media_type {
        MediaType::Json if !text.trim_ascii().is_empty() => {
            let Ok(rewritten) = rewriter.rewrite(text) else {
                return Answer::Garbage("a body that is not JSON");
            };
            rewritten
        }
        _ => rewriter.restore(text),
    };
    match rewritten {
        Cow::Borrowed(_) => Answer::Passed(GatewayBody::full(whole)),
        Cow::Owned(rewritten) => Answer::Passed(GatewayBody::full(rewritten)),
    }
}

async fn read_success(
    expected: Expected,
    parts: &Parts,
    media_type: MediaType,
    body: Source,
    limits: &Limits,
    rewritten: bool,
) -> Answer {
    // 202 for a notification, by some with a word in it, and 204 (Streamable HTTP, "sending messages", 4). A request that
    // is answered so would leave its client waiting.
    let nothing = parts.status == StatusCode::ACCEPTED || body.is_end_stream();
    match media_type {
        _ if nothing && expected == Expected::Answer => Answer::Garbage("no answer to a request"),
        _ if nothing => Answer::Passed(whole(body, limits)),
        MediaType::Events => Answer::Passed(GatewayBody::stream(VecDeque::new(), body, None)),
        MediaType::Json if Encoding::of(&parts.headers) != Encoding::None => {
            Answer::Passed(whole(body, limits))
        }
        MediaType::Json if rewritten => {
            let answer = pin!(read_whole(body, limits));
            within(limits.answer_time, answer).await.unwrap_or(Answer::Stopped)
        }
        // The pause between two frames has a limit, and so has the time for all of them.
        MediaType::Json => {
            let answer = pin!(read_json(body, limits));
            within(limits.answer_time, answer).await.unwrap_or(Answer::Stopped)
        }
        MediaType::Other => Answer::Garbage("neither JSON nor an event stream"),
    }
}

fn whole(body: Source, limits: &Limits) -> GatewayBody {
    GatewayBody::stream(VecDeque::new(), body, Some(limits.pause_time))
}

async fn read_json(mut body: Source, limits: &Limits) -> Answer {
    let begun = match read(&mut body, CHECKED_JSON, limits).await {
        Ok(begun) => begun,
        Err(answer) => return answer,
    };
    if !begun.whole {
        let begun = VecDeque::from([begun.bytes]);
        return Answer::Passed(GatewayBody::stream(begun, body, Some(limits.pause_time)));
    }
    match serde_json::from_slice::<IgnoredAny>(&begun.bytes) {
        Ok(_) => Answer::Passed(GatewayBody::full(begun.bytes)),
        Err(_) => Answer::Garbage("a body that is not JSON"),
    }
}

/// An answer that will be looked at as a whole.
async fn read_whole(mut body: Source, limits: &Limits) -> Answer {
    let limit = limits.filtered_answer;
    match read(&mut body, limit, limits).await {
        Ok(Begun { bytes, whole: true }) => Answer::Passed(GatewayBody::full(bytes)),
        Ok(_) => Answer::TooLong(limit),
        Err(answer) => answer,
    }
}

/// As much of a body as was read.
struct Begun {
    bytes: Bytes,
    whole: bool,
}

/// Reads to the end, or until there are more than `most` bytes.
async fn read(body: &mut Source, most: usize, limits: &Limits) -> Result<Begun, Answer> {
    let mut gathered = Gathered::default();
    while gathered.len() <= most {
        if body.is_end_stream() {
            return Ok(Begun { bytes: gathered.into_bytes(), whole: true });
        }
        let frame = match within(limits.pause_time, pin!(body.frame())).await {
            Err(_) => return Err(Answer::Stopped),
            Ok(Some(Err(_))) => return Err(Answer::Garbage("an answer that broke off")),
            Ok(None) => return Ok(Begun { bytes: gathered.into_bytes(), whole: true }),
            Ok(Some(Ok(frame))) => frame,
        };
        if let Ok(bytes) = frame.into_data() {
            gathered.push(bytes);
        }
    }
    Ok(Begun { bytes: gathered.into_bytes(), whole: false })
}

/// What an answer says that it is, whatever the parameters: RFC 9110, section 8.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    Json,
    Events,
    Other,
}

pub(crate) fn media_type(headers: &HeaderMap) -> MediaType {
    let value = headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    match value.get(..end).unwrap_or_default().trim_ascii() {
        name if name.eq_ignore_ascii_case(b"application/json") => MediaType::Json,
        name if name.eq_ignore_ascii_case(b"text/event-stream") => MediaType::Events,
        _ => MediaType::Other,
    }
}
