//! Answers that a backend has compressed.

use std::io::{self, Write as _};
use std::{fmt, mem};

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, HeaderValue, header};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, Operation as _};

/// How much comes out at once, in bytes: an answer that grows without end is never in memory as a whole.
const PIECE: usize = 32 * 1024;

/// The window of a zstd frame has at most 8 MiB: RFC 9659, section 3.
const WINDOW_LOG: u32 = 23;

/// A coding that can be undone: RFC 9110, section 8.4.1.3, and RFC 8878.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Zstd,
}

/// What an answer says of its coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    None,
    Known(Coding),
    /// Another, or several.
    Unknown,
}

/// What came is not in the coding that it is said to be in, or broke off.
#[derive(Debug, thiserror::Error)]
#[error("the answer is not in its `Content-Encoding`")]
pub(crate) struct Undecodable(#[source] Option<io::Error>);

impl From<io::Error> for Undecodable {
    fn from(error: io::Error) -> Self {
        Self(Some(error))
    }
}

impl Coding {
    fn named(name: &str) -> Option<Self> {
        let names = [("gzip", Self::Gzip), ("x-gzip", Self::Gzip), ("zstd", Self::Zstd)];
        names.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, it)| it)
    }
}

impl Encoding {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut encoding = Self::None;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let Ok(value) = value.to_str() else { return Self::Unknown };
            for name in value.split(',').map(str::trim) {
                if name.is_empty() || name.eq_ignore_ascii_case("identity") {
                    continue;
                }
                encoding = match (encoding, Coding::named(name)) {
                    (Self::None, Some(coding)) => Self::Known(coding),
                    _ => return Self::Unknown,
                };
            }
        }
        encoding
    }
}

/// Asks for no coding but those that can be undone: of an answer that may say a credential back.
pub(crate) fn accept_known_codings(headers: &mut HeaderMap) {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let items = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let known = items.map(str::trim).filter(|item| {
        let name = item.split_once(';').map_or(*item, |(name, _)| name);
        Coding::named(name.trim_end()).is_some()
    });
    let known = known.collect::<Vec<_>>().join(", ");
    let known = HeaderValue::from_str(&known).ok().filter(|known| !known.is_empty());
    let known = known.unwrap_or_else(|| HeaderValue::from_static("identity"));
    headers.insert(header::ACCEPT_ENCODING, known);
}

/// Undoes a coding as the answer comes, in little memory.
pub(super) struct Decoder {
    inner: Inner,
    input: Bytes,
    /// Whether anything came at all: nothing is an empty answer in every coding.
    begun: bool,
}

enum Inner {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd {
        decoder: ZstdDecoder<'static>,
        /// Whether more may come out without more going in.
        full: bool,
        /// Whether a frame has just ended.
        whole: bool,
    },
}

impl Decoder {
    pub(super) fn new(coding: Coding) -> Result<Self, Undecodable> {
        let inner = match coding {
            Coding::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            Coding::Zstd => {
                let mut decoder = ZstdDecoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
                Inner::Zstd { decoder, full: false, whole: false }
            }
        };
        Ok(Self { inner, input: Bytes::new(), begun: false })
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// Takes what came.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        self.begun |= !bytes.is_empty();
        self.input = match mem::take(&mut self.input) {
            input if input.is_empty() => bytes,
            input => [input, bytes].concat().into(),
        };
    }

    /// The next piece of what it means. `None` if more must come.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Undecodable> {
        let piece = match &mut self.inner {
            Inner::Gzip(decoder) => {
                while !self.input.is_empty() && decoder.get_ref().len() < PIECE {
                    match decoder.write(&self.input)? {
                        0 => return Err(Undecodable(None)),
                        used => self.input.advance(used),
                    }
                }
                if self.input.is_empty() {
                    decoder.flush()?;
                }
                mem::take(decoder.get_mut())
            }
            Inner::Zstd { decoder, full, whole } => {
                let (mut piece, mut len) = (Vec::new(), 0);
                // A run ends with its frame, however little that means.
                while len < PIECE && (*full || !self.input.is_empty()) {
                    piece.resize(PIECE, 0);
                    let room = piece.get_mut(len..).unwrap_or_default();
                    let status = decoder.run_on_buffers(&self.input, room)?;
                    if status.bytes_read == 0 && status.bytes_written == 0 && !*full {
                        return Err(Undecodable(None));
                    }
                    self.input.advance(status.bytes_read);
                    // Without input, it speaks of a frame that has not begun.
                    if status.bytes_read > 0 || status.bytes_written > 0 {
                        *whole = status.remaining == 0;
                    }
                    len += status.bytes_written;
                    *full = len == PIECE;
                }
                piece.truncate(len);
                // Whoever reads the answer as a whole keeps all pieces.
                piece.shrink_to_fit();
                piece
            }
        };
        Ok((!piece.is_empty()).then(|| piece.into()))
    }

    /// What is left when nothing comes any more.
    pub(super) fn finish(&mut self) -> Result<Bytes, Undecodable> {
        match &mut self.inner {
            _ if !self.begun => Ok(Bytes::new()),
            Inner::Gzip(decoder) => {
                decoder.try_finish()?;
                Ok(mem::take(decoder.get_mut()).into())
            }
            Inner::Zstd { whole: true, .. } => Ok(Bytes::new()),
            Inner::Zstd { .. } => Err(Undecodable(None)),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").finish_non_exhaustive()
    }
}

/// All of a short answer. `None` if it means more than `limit` bytes.
pub(super) fn undo(
    coding: Coding,
    encoded: Bytes,
    limit: usize,
) -> Result<Option<Bytes>, Undecodable> {
    let mut decoder = Decoder::new(coding)?;
    let mut whole = BytesMut::new();
    decoder.feed(encoded);
    while let Some(piece) = decoder.next()? {
        if whole.len() + piece.len() > limit {
            return Ok(None);
        }
        whole.extend_from_slice(&piece);
    }
    whole.extend_from_slice(&decoder.finish()?);
    Ok((whole.len() <= limit).then(|| whole.freeze()))
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).unwrap()
    }

    /// What comes out, fed so many bytes at a time.
    fn undone(coding: Coding, encoded: &[u8], step: usize) -> Result<Vec<u8>, Undecodable> {
        let mut decoder = Decoder::new(coding)?;
        let mut out = Vec::new();
        for bytes in encoded.chunks(step) {
            decoder.feed(Bytes::copy_from_slice(bytes));
            while let Some(piece) = decoder.next()? {
                assert!(piece.len() <= 3 * PIECE, "{}", piece.len());
                out.extend_from_slice(&piece);
            }
        }
        out.extend_from_slice(&decoder.finish()?);
        Ok(out)
    }

    fn noise() -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..2 * PIECE).map(|_| next()).collect()
    }

    #[test]
    fn undoes_what_came_however_it_came() {
        for text in [b"x".to_vec(), Vec::new(), b"sk-canary ".repeat(PIECE / 5), noise()] {
            for (coding, encoded) in [(Coding::Gzip, gzip(&text)), (Coding::Zstd, zstd(&text))] {
                for step in [1, 1000, usize::MAX] {
                    assert!(undone(coding, &encoded, step).unwrap() == text, "{coding:?} {step}");
                }
                // Members and frames may follow each other: RFC 1952, section 2.2, and RFC 8878, section 3.
                let twice = [&*encoded, &*encoded].concat();
                for step in [1000, usize::MAX] {
                    let twice = undone(coding, &twice, step).unwrap();
                    assert!(twice == [&*text, &*text].concat(), "{coding:?} {step}");
                }
            }
        }
        for coding in [Coding::Gzip, Coding::Zstd] {
            assert_eq!(undone(coding, b"", 1).unwrap(), b"");
        }
    }

    #[test]
    fn refuses_what_is_cut_short_or_goes_on_or_is_something_else() {
        let text = b"sk-canary ".repeat(100);
        for (coding, encoded) in [(Coding::Gzip, gzip(&text)), (Coding::Zstd, zstd(&text))] {
            for step in [1, usize::MAX] {
                for len in 1..encoded.len() {
                    assert!(undone(coding, &encoded[..len], step).is_err(), "{coding:?} {len}");
                }
                for tail in [&b"sk-canary"[..], b"\0", b"{", &encoded[..5]] {
                    let long = [&*encoded, tail].concat();
                    assert!(undone(coding, &long, step).is_err(), "{coding:?} {tail:?}");
                }
                assert!(undone(coding, b"{\"error\":\"sk-canary\"}", step).is_err());
            }
        }
        let mut broken = gzip(&text);
        *broken.last_mut().unwrap() ^= 1;
        assert!(undone(Coding::Gzip, &broken, 100).is_err());
        assert!(undone(Coding::Gzip, &zstd(&text), 100).is_err());
        assert!(undone(Coding::Zstd, &gzip(&text), 100).is_err());
    }

    #[test]
    fn what_is_flushed_comes_out_at_once() {
        let events = ["data: 1\n\n", "data: 2\n\n"];
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        let gzip = events.map(|event| {
            gzip.write_all(event.as_bytes()).unwrap();
            gzip.flush().unwrap();
            mem::take(gzip.get_mut())
        });
        let zstd = events.map(|event| {
            zstd.write_all(event.as_bytes()).unwrap();
            zstd.flush().unwrap();
            mem::take(zstd.get_mut())
        });
        for (coding, flushed) in [(Coding::Gzip, gzip), (Coding::Zstd, zstd)] {
            let mut decoder = Decoder::new(coding).unwrap();
            for (event, bytes) in events.into_iter().zip(flushed) {
                decoder.feed(bytes.into());
                assert_eq!(decoder.next().unwrap().unwrap(), event, "{coding:?}");
                assert!(decoder.next().unwrap().is_none());
            }
        }
    }

    #[test]
    fn a_bomb_stays_small() {
        let zeros = vec![0; 10 << 20];
        for (coding, bomb) in [(Coding::Gzip, gzip(&zeros)), (Coding::Zstd, zstd(&zeros))] {
            let bomb = Bytes::from(bomb);
            assert!(bomb.len() < 20_000);
            assert!(undo(coding, bomb.clone(), (10 << 20) - 1).unwrap().is_none());
            assert_eq!(undo(coding, bomb, 10 << 20).unwrap().unwrap().len(), 10 << 20);
        }
        // A window of 128 MiB, which would have to be kept.
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(b"x").unwrap();
        assert!(undone(Coding::Zstd, &encoder.finish().unwrap(), 10).is_err());
    }

    #[test]
    fn many_small_parts_take_little_memory() {
        for (coding, part) in [(Coding::Gzip, gzip(b"x")), (Coding::Zstd, zstd(b"x"))] {
            // In one frame of the body, and in one each.
            for step in [usize::MAX, part.len()] {
                let parts = part.repeat(1000);
                let mut decoder = Decoder::new(coding).unwrap();
                let mut kept = 0;
                for bytes in parts.chunks(step) {
                    decoder.feed(Bytes::copy_from_slice(bytes));
                    while let Some(piece) = decoder.next().unwrap() {
                        kept += Vec::from(piece).capacity();
                    }
                }
                assert!(kept <= 16 * 1000, "{coding:?} {step}: {kept} bytes for 1000");
            }
        }
    }

    #[test]
    fn one_coding_is_known_and_others_are_not() {
        for (values, encoding) in [
            (&[][..], Encoding::None),
            (&["identity"], Encoding::None),
            (&[""], Encoding::None),
            (&["gzip"], Encoding::Known(Coding::Gzip)),
            (&["X-GZip"], Encoding::Known(Coding::Gzip)),
            (&["identity, ZSTD"], Encoding::Known(Coding::Zstd)),
            (&["br"], Encoding::Unknown),
            (&["deflate"], Encoding::Unknown),
            (&["gzip, gzip"], Encoding::Unknown),
            (&["gzip", "zstd"], Encoding::Unknown),
            (&["gzip;q=1"], Encoding::Unknown),
            (&["g\u{e9}"], Encoding::Unknown),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
                headers.append(header::CONTENT_ENCODING, value);
            }
            assert_eq!(Encoding::of(&headers), encoding, "{values:?}");
        }
    }

    #[test]
    fn only_known_codings_are_asked_for() {
        for (values, asked) in [
            (&[][..], "identity"),
            (&["br"], "identity"),
            (&["*"], "identity"),
            (&["identity"], "identity"),
            (&["gzip, deflate, br, zstd"], "gzip, zstd"),
            (&["br;q=1", "GZIP; q=0.5"], "GZIP; q=0.5"),
            (&["gzip;q=0, identity"], "gzip;q=0"),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            accept_known_codings(&mut headers);
            let all: Vec<_> = headers.get_all(header::ACCEPT_ENCODING).iter().collect();
            assert_eq!(all, [asked], "{values:?}");
        }
    }
}
