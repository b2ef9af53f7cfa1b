//! Bodies that are read as a whole.

use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

/// What has come of a body, in one piece.
///
/// One that comes at once is not copied. Of one that comes in many small pieces, none is kept: each would hold on to the
/// buffer that it was read into.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    first: Bytes,
    more: BytesMut,
}

/// Why a body is not there as a whole.
#[derive(Debug)]
pub(crate) enum NotWhole<E> {
    /// It has more bytes than the limit.
    TooLong,
    /// It broke off.
    Broken(E),
}

impl Gathered {
    pub(crate) fn push(&mut self, bytes: Bytes) {
        if self.len() == 0 {
            self.first = bytes;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&bytes);
    }

    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.more.is_empty() { self.first } else { self.more.freeze() }
    }
}

/// All of a body that has at most `limit` bytes.
pub(crate) async fn gather<B>(
    mut body: Pin<&mut B>,
    limit: usize,
) -> Result<Bytes, NotWhole<B::Error>>
where
    B: Body<Data = Bytes>,
{
    let mut gathered = Gathered::default();
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let Ok(bytes) = frame.map_err(NotWhole::Broken)?.into_data() else { continue };
        if bytes.len() > limit - gathered.len() {
            return Err(NotWhole::TooLong);
        }
        gathered.push(bytes);
    }
    Ok(gathered.into_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::pin;
    use std::task::{Context, Poll};

    use http_body::Frame;

    use super::*;

    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|bytes| Ok(Frame::data(bytes))))
        }
    }

    async fn gathered(pieces: &[&'static str], limit: usize) -> Option<Bytes> {
        let pieces = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        gather(pin!(Pieces(pieces)), limit).await.ok()
    }

    #[tokio::test]
    async fn joins_what_comes_up_to_the_limit() {
        for (pieces, whole) in [
            (&[][..], ""),
            (&["abc"], "abc"),
            (&["", "a", "", "bc"], "abc"),
            (&["a", "b", "c"], "abc"),
        ] {
            assert_eq!(gathered(pieces, 3).await.unwrap(), whole);
        }
        for pieces in [&["abcd"][..], &["ab", "cd"], &["abc", "d"]] {
            assert!(gathered(pieces, 3).await.is_none(), "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn what_comes_at_once_is_not_copied_and_of_small_pieces_none_is_kept() {
        let large = Bytes::from(vec![7; 1 << 16]);
        let whole = gather(pin!(Pieces([large.clone()].into())), 1 << 16).await.unwrap();
        assert_eq!(whole.as_ptr(), large.as_ptr());
        drop(whole);
        let pieces = (0..100).map(|at| large.slice(at..=at)).collect();
        let whole = gather(pin!(Pieces(pieces)), 1 << 16).await.unwrap();
        assert_eq!(whole, vec![7; 100]);
        // Nobody else holds it now.
        assert!(large.is_unique());
    }
}
