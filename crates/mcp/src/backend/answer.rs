//! What a backend answered, as far as it must be looked at.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, HeaderName, Response, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::de::IgnoredAny;
use tokio::time::timeout;

use super::headers::remove_if;
use crate::limits::within;
use crate::rewrite::{Echo, EchoFilter, EventRewriter, Place, Rewriter};
use crate::{BodyError, GatewayBody, Limits};

/// A JSON answer up to this size is read whole, so that a broken one becomes an error that the client can read. A
/// longer one is passed on as it comes.
const CHECKED_JSON: usize = 64 * 1024;

const EVENT_STREAM: &str = "text/event-stream";

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
    response: Response<Incoming>,
    limits: &Limits,
    rewriter: Option<Rewriter>,
    echo: Echo,
) -> (Parts, Answer) {
    let (mut parts, body) = response.into_parts();
    let answer = match parts.status {
        StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            Answer::CredentialRefused
        }
        // RFC 6750, section 3.1: it asks for a token that may do more.
        StatusCode::FORBIDDEN if parts.headers.contains_key(header::WWW_AUTHENTICATE) => {
            Answer::CredentialRefused
        }
        status if status.is_redirection() => Answer::Redirect,
        status if status.is_informational() => Answer::Garbage("switched protocols"),
        status if status.is_success() && expected != Expected::Nothing => {
            let whole = rewriter.as_ref().is_some_and(|rewriter| !rewriter.is_lenient());
            read_success(expected, &parts, body, limits, whole).await
        }
        // What some proxy before the backend says in HTML is not an MCP server's answer.
        status if status.is_server_error() && !is_mcp(&parts.headers) => {
            Answer::Garbage("an error page")
        }
        _ => Answer::Passed(whole(body, limits)),
    };
    let answer = match (answer, rewriter) {
        (Answer::Passed(body), Some(rewriter)) if rewriter.is_lenient() => {
            mention(&mut parts.headers, body, rewriter, limits)
        }
        (Answer::Passed(body), Some(rewriter)) if expected != Expected::Nothing => {
            rewrite(&mut parts.headers, body, rewriter, limits).await
        }
        (answer, _) => answer,
    };
    let answer = match answer {
        Answer::Passed(body) if !echo.is_empty() => {
            remove_echoed(&mut parts.headers, &echo);
            Answer::Passed(without_echo(&parts, body, echo))
        }
        answer => answer,
    };
    (parts, answer)
}

/// An answer without the credentials that were sent, as far as it can be looked into.
fn without_echo(parts: &Parts, body: GatewayBody, echo: Echo) -> GatewayBody {
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        return body;
    }
    let place = match parts.status {
        status if status.is_client_error() || status.is_server_error() => Place::Error,
        _ if is_event_stream(&parts.headers) => Place::Events,
        _ => Place::Message,
    };
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
    body: GatewayBody,
    rewriter: Rewriter,
    limits: &Limits,
) -> Answer {
    let encoded = headers.contains_key(header::CONTENT_ENCODING);
    if is_event_stream(headers) && !encoded {
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

/// What the client may have of an answer: an event stream as it goes on, anything else when it is whole.
async fn rewrite(
    headers: &mut HeaderMap,
    body: GatewayBody,
    rewriter: Rewriter,
    limits: &Limits,
) -> Answer {
    if http_body::Body::is_end_stream(&body) {
        return Answer::Passed(body);
    }
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Answer::Garbage("an encoding that was not asked for");
    }
    forget_the_original(headers);
    let limit = limits.filtered_answer;
    let media_type = media_type(headers);
    if media_type.as_deref() == Some(EVENT_STREAM) {
        return Answer::Passed(body.with_events(EventRewriter::new(rewriter, limit)));
    }
    let whole = match body.whole() {
        Some(whole) => whole.clone(),
        None => match timeout(limits.answer_time, Limited::new(body, limit).collect()).await {
            Err(_) => return Answer::Stopped,
            Ok(Err(failure)) if failure.is::<LengthLimitError>() => return Answer::TooLong(limit),
            Ok(Err(failure)) if paused(&*failure) => return Answer::Stopped,
            Ok(Err(_)) => return Answer::Garbage("an answer that broke off"),
            Ok(Ok(whole)) => whole.to_bytes(),
        },
    };
    let Ok(text) = std::str::from_utf8(&whole) else { return Answer::Garbage("not UTF-8") };
    let rewritten = match media_type.as_deref() {
        Some("application/json") if !text.trim_ascii().is_empty() => {
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

fn paused(failure: &(dyn std::error::Error + 'static)) -> bool {
    matches!(failure.downcast_ref(), Some(BodyError::Paused))
}

async fn read_success(
    expected: Expected,
    parts: &Parts,
    body: Incoming,
    limits: &Limits,
    rewritten: bool,
) -> Answer {
    let headers = &parts.headers;
    // 202 for a notification, by some with a word in it, and 204 (Streamable HTTP, "sending messages", 4). A request that
    // is answered so would leave its client waiting.
    let nothing = parts.status == StatusCode::ACCEPTED || http_body::Body::is_end_stream(&body);
    match media_type(headers).as_deref() {
        _ if nothing && expected == Expected::Answer => Answer::Garbage("no answer to a request"),
        _ if nothing => Answer::Passed(whole(body, limits)),
        Some("text/event-stream") => {
            Answer::Passed(GatewayBody::stream(VecDeque::new(), body, None))
        }
        Some("application/json") if headers.contains_key(header::CONTENT_ENCODING) => {
            Answer::Passed(whole(body, limits))
        }
        Some("application/json") if rewritten => {
            within(limits.answer_time, read_whole(body, limits)).await.unwrap_or(Answer::Stopped)
        }
        // The pause between two frames has a limit, and so has the time for all of them.
        Some("application/json") => {
            within(limits.answer_time, read_json(body, limits)).await.unwrap_or(Answer::Stopped)
        }
        _ => Answer::Garbage("neither JSON nor an event stream"),
    }
}

fn whole(body: Incoming, limits: &Limits) -> GatewayBody {
    GatewayBody::stream(VecDeque::new(), body, Some(limits.pause_time))
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).as_deref() == Some(EVENT_STREAM)
}

fn is_mcp(headers: &HeaderMap) -> bool {
    matches!(media_type(headers).as_deref(), Some("application/json" | "text/event-stream"))
}

async fn read_json(mut body: Incoming, limits: &Limits) -> Answer {
    let Frames { frames, size, ended } = match read(&mut body, CHECKED_JSON, limits).await {
        Ok(frames) => frames,
        Err(answer) => return answer,
    };
    if !ended {
        return Answer::Passed(GatewayBody::stream(frames, body, Some(limits.pause_time)));
    }
    let whole = join(frames, size);
    match serde_json::from_slice::<IgnoredAny>(&whole) {
        Ok(_) => Answer::Passed(GatewayBody::full(whole)),
        Err(_) => Answer::Garbage("a body that is not JSON"),
    }
}

/// An answer that will be looked at as a whole.
async fn read_whole(mut body: Incoming, limits: &Limits) -> Answer {
    let limit = limits.filtered_answer;
    match read(&mut body, limit, limits).await {
        Ok(Frames { frames, size, ended: true }) => {
            Answer::Passed(GatewayBody::full(join(frames, size)))
        }
        Ok(_) => Answer::TooLong(limit),
        Err(answer) => answer,
    }
}

/// The beginning of a body.
struct Frames {
    frames: VecDeque<Bytes>,
    size: usize,
    /// Whether this is all of it.
    ended: bool,
}

/// Reads to the end, or until there are more than `most` bytes.
async fn read(body: &mut Incoming, most: usize, limits: &Limits) -> Result<Frames, Answer> {
    let (mut frames, mut size) = (VecDeque::new(), 0);
    loop {
        let frame = match within(limits.pause_time, body.frame()).await {
            Err(_) => return Err(Answer::Stopped),
            Ok(Some(Err(_))) => return Err(Answer::Garbage("an answer that broke off")),
            Ok(None) => return Ok(Frames { frames, size, ended: true }),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(bytes) = frame.into_data() else { continue };
        size += bytes.len();
        frames.push_back(bytes);
        if size > most {
            return Ok(Frames { frames, size, ended: false });
        }
    }
}

fn join(mut parts: VecDeque<Bytes>, size: usize) -> Bytes {
    match (parts.pop_front(), parts.is_empty()) {
        (None, _) => Bytes::new(),
        (Some(only), true) => only,
        (Some(first), false) => {
            let mut whole = BytesMut::with_capacity(size);
            whole.extend_from_slice(&first);
            parts.iter().for_each(|part| whole.extend_from_slice(part));
            whole.freeze()
        }
    }
}

/// The media type without its parameters, in lower case: RFC 9110, section 8.3.1.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let end = memchr::memchr(b';', value).unwrap_or(value.len());
    let media_type = std::str::from_utf8(value.get(..end)?.trim_ascii()).ok()?;
    if media_type.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some(media_type.to_ascii_lowercase().into());
    }
    Some(media_type.into())
}
