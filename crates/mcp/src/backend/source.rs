//! What a backend sends, without the coding where that is undone.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::coding::{Coding, Decoder, Undecodable};
use super::plain::Connection;

type Failure = Box<dyn Error + Send + Sync>;

/// The body of a backend's answer.
#[derive(Debug)]
pub(crate) struct Source {
    body: Incoming,
    /// What has to be driven, until all is read.
    connection: Option<Box<Connection>>,
    decoder: Option<Box<Decoder>>,
    ended: bool,
}

impl Source {
    /// As it comes.
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, connection: None, decoder: None, ended: false }
    }

    /// As it comes over this connection.
    pub(super) fn driven(connection: Box<Connection>, body: Incoming) -> Self {
        let mut source = Self::new(body);
        source.connection = Some(connection);
        source.release_if_read();
        source
    }

    fn release_if_read(&mut self) {
        if self.body.is_end_stream()
            && let Some(connection) = self.connection.take()
        {
            connection.release();
        }
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Some(connection) = &mut self.connection else {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        };
        let frame = ready!(connection.poll_frame(&mut self.body, cx));
        match &frame {
            Some(Ok(_)) => self.release_if_read(),
            Some(Err(_)) => self.connection = None,
            None => {
                if let Some(connection) = self.connection.take() {
                    connection.release();
                }
            }
        }
        Poll::Ready(frame)
    }

    /// What it means, and what `begun` means that came already.
    pub(crate) fn undone(mut self, coding: Coding, begun: Bytes) -> Result<Self, Undecodable> {
        let mut decoder = Decoder::new(coding)?;
        decoder.feed(begun);
        self.decoder = Some(Box::new(decoder));
        Ok(self)
    }
}

impl Source {
    fn poll_undone(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Failure>> {
        loop {
            if let Some(piece) = self.decoder.as_mut().map(|it| it.next()).transpose()?.flatten() {
                return Poll::Ready(Ok(Some(Frame::data(piece))));
            }
            let frame = ready!(self.poll_body(cx)).transpose()?;
            let Some(decoder) = &mut self.decoder else { return Poll::Ready(Ok(frame)) };
            let Some(frame) = frame else {
                let rest = decoder.finish()?;
                return Poll::Ready(Ok((!rest.is_empty()).then(|| Frame::data(rest))));
            };
            if let Ok(bytes) = frame.into_data() {
                decoder.feed(bytes);
            }
        }
    }
}

/// Of an answer that nobody wants, what is there already is read: if that is all, its connection can be used again.
impl Drop for Source {
    fn drop(&mut self) {
        let mut nobody = Context::from_waker(Waker::noop());
        // The last frame, and the end.
        for _ in 0..2 {
            if self.connection.is_none() || self.poll_body(&mut nobody).is_pending() {
                return;
            }
        }
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(self.poll_undone(cx)).transpose();
        // An error is the end of it, too.
        self.ended = !matches!(frame, Some(Ok(_)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.decoder {
            None => self.body.is_end_stream(),
            // Whether it was whole is known when it was asked for more.
            Some(decoder) => self.ended || !decoder.has_begun() && self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.decoder {
            None => self.body.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}
