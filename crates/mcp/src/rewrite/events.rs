//! Event streams, looked at event by event.

use bytes::{Bytes, BytesMut};

use super::Rewriter;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Rewrites the messages in an event stream (HTML, "server-sent events", section 9.2.6).
///
/// What is no data goes on at once, so that a comment keeps a connection alive. Data waits for the end of its event.
/// An event that is not changed goes on byte for byte.
#[derive(Debug)]
pub(crate) struct EventRewriter {
    rewriter: Rewriter,
    /// The longest event, in bytes.
    limit: usize,
    pending: BytesMut,
    /// How much of `pending` is whole lines of an event with data.
    held: usize,
    /// How much of the line after that has no end in it.
    searched: usize,
    started: bool,
    /// Whether the event has begun to go on without being looked at.
    passing: bool,
}

/// An event that can't be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventError {
    TooLong,
    Unreadable,
}

impl EventRewriter {
    pub(crate) fn new(rewriter: Rewriter, limit: usize) -> Self {
        let (pending, held, searched) = (BytesMut::new(), 0, 0);
        Self { rewriter, limit, pending, held, searched, started: false, passing: false }
    }

    /// What can go on once these bytes are there.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Bytes, EventError> {
        self.pending.extend_from_slice(bytes);
        let mut ready = BytesMut::new();
        if !self.started && !self.start() {
            return Ok(Bytes::new());
        }
        while let Some(line) = self.next_line() {
            self.line(line, &mut ready)?;
        }
        if self.pending.len() > self.limit {
            if !self.rewriter.is_lenient() {
                return Err(EventError::TooLong);
            }
            ready.extend_from_slice(&self.pending.split());
            (self.held, self.searched, self.passing) = (0, 0, true);
        }
        Ok(ready.freeze())
    }

    /// What is left when the stream has ended. An event without its blank line is none, but not for everybody.
    pub(crate) fn finish(&mut self) -> Result<Bytes, EventError> {
        let rest = self.pending.split();
        self.held = 0;
        self.event(&rest)
    }

    /// Removes the mark that may stand in front of a stream and belongs to no line. `false` if more must come to tell.
    fn start(&mut self) -> bool {
        if self.pending.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.pending)
        {
            return false;
        }
        if self.pending.starts_with(BYTE_ORDER_MARK) {
            let _ = self.pending.split_to(BYTE_ORDER_MARK.len());
        }
        self.started = true;
        true
    }

    /// The next line that has its end.
    fn next_line(&mut self) -> Option<Line> {
        let unread = self.pending.get(self.held + self.searched..)?;
        let Some(end) = unread.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched += unread.len();
            return None;
        };
        let terminator = match unread.get(end..)? {
            [b'\r', b'\n', ..] => 2,
            // Whether a line feed belongs to it is known when the next byte is there.
            [b'\r'] => {
                self.searched += end;
                return None;
            }
            _ => 1,
        };
        let content = self.searched + end;
        self.searched = 0;
        Some(Line { content, whole: content + terminator })
    }

    fn line(&mut self, line: Line, ready: &mut BytesMut) -> Result<(), EventError> {
        let content = self.pending.get(self.held..self.held + line.content).unwrap_or_default();
        if self.passing {
            self.passing = !content.is_empty();
            ready.extend_from_slice(&self.pending.split_to(line.whole));
        } else if content.is_empty() {
            let event = self.pending.split_to(self.held + line.whole);
            self.held = 0;
            ready.extend_from_slice(&self.event(&event)?);
        } else if self.held > 0 || data(content).is_some() {
            self.held += line.whole;
        } else {
            ready.extend_from_slice(&self.pending.split_to(line.whole));
        }
        Ok(())
    }

    /// An event as the client may have it.
    fn event(&self, event: &[u8]) -> Result<Bytes, EventError> {
        let text = std::str::from_utf8(event).map_err(|_| EventError::Unreadable);
        let text = if event.len() > self.limit { Err(EventError::TooLong) } else { text };
        let text = match text {
            Err(_) if self.rewriter.is_lenient() => return Ok(Bytes::copy_from_slice(event)),
            text => text?,
        };
        let data = event_data(text);
        if data.trim().is_empty() {
            return Ok(Bytes::copy_from_slice(event));
        }
        let rewritten = self.rewriter.rewrite(&data).map_err(|_| EventError::Unreadable)?;
        if *rewritten == *data {
            return Ok(Bytes::copy_from_slice(event));
        }
        let mut changed = String::with_capacity(text.len());
        let mut written = false;
        for line in lines(text) {
            if line_is_data(line) {
                if !std::mem::replace(&mut written, true) {
                    for line in rewritten.split('\n') {
                        changed.push_str("data: ");
                        changed.push_str(line);
                        changed.push('\n');
                    }
                }
            } else {
                changed.push_str(line);
                changed.push('\n');
            }
        }
        Ok(changed.into())
    }
}

/// What an event says.
pub(super) fn event_data(event: &str) -> String {
    let data: Vec<&str> =
        lines(event).filter_map(|line| data(line.as_bytes()).map(|_| value(line))).collect();
    data.join("\n")
}

/// How long a line is, without and with its end.
struct Line {
    content: usize,
    whole: usize,
}

/// The lines of an event, each without its end: the blank one that ends the event included.
fn lines(event: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(event);
    std::iter::from_fn(move || {
        let text = rest.take().filter(|text| !text.is_empty())?;
        let Some(end) = text.find(['\n', '\r']) else { return Some(text) };
        let (line, after) = text.split_at_checked(end)?;
        rest = after.strip_prefix("\r\n").or_else(|| after.get(1..));
        Some(line)
    })
}

fn line_is_data(line: &str) -> bool {
    data(line.as_bytes()).is_some()
}

/// What follows the name of the field, if it is `data`.
fn data(line: &[u8]) -> Option<&[u8]> {
    match line.strip_prefix(b"data")? {
        [] => Some(&[]),
        [b':', value @ ..] => Some(value),
        _ => None,
    }
}

/// The value of a line that is data: one space in front is not part of it.
fn value(line: &str) -> &str {
    let value = line.strip_prefix("data").unwrap_or_default();
    let value = value.strip_prefix(':').unwrap_or(value);
    value.strip_prefix(' ').unwrap_or(value)
}
