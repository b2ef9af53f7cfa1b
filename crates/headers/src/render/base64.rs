//! Base64 (RFC 4648, section 4) that takes its input in pieces.
//!
//! `basic` encodes three texts as one. A crate would want them in one buffer, which would be a second copy of the
//! secret and a second allocation; here at most three bytes are kept, and wiped.

use zeroize::Zeroize;

use super::json::Sink;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3) * 4
}

pub(super) struct Encoder<'a, S: Sink> {
    out: &'a mut S,
    kept: [u8; 3],
    count: usize,
}

impl<'a, S: Sink> Encoder<'a, S> {
    pub(super) fn new(out: &'a mut S) -> Self {
        Self { out, kept: [0; 3], count: 0 }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while self.count > 0
            && let [byte, rest @ ..] = bytes
        {
            self.keep(*byte);
            bytes = rest;
        }
        let (triples, rest) = bytes.as_chunks::<3>();
        self.out.put_base64(triples);
        rest.iter().for_each(|byte| self.keep(*byte));
    }

    pub(super) fn finish(mut self) {
        let [first, second, ..] = self.kept;
        match self.count {
            1 => {
                let [a, b, ..] = encode([first, 0, 0]);
                self.out.put(&[a, b, b'=', b'=']);
            }
            2 => {
                let [a, b, c, _] = encode([first, second, 0]);
                self.out.put(&[a, b, c, b'=']);
            }
            _ => {}
        }
        self.kept.zeroize();
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.kept.get_mut(self.count) {
            *place = byte;
        }
        self.count += 1;
        if self.count == self.kept.len() {
            self.out.put(&encode(self.kept));
            self.count = 0;
        }
    }
}

/// Three bytes as four letters.
#[inline]
pub(super) fn encode([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
    [18, 12, 6, 0].map(|shift| letter(bits >> shift))
}

#[inline]
fn letter(bits: u32) -> u8 {
    ALPHABET.get((bits & 63) as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_the_base64_crate_however_the_input_is_cut(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5)
        ) {
            let mut out = Vec::new();
            let mut encoder = Encoder::new(&mut out);
            pieces.iter().for_each(|piece| encoder.feed(piece));
            encoder.finish();
            let whole = pieces.concat();
            prop_assert_eq!(out.len(), encoded_len(whole.len()));
            prop_assert_eq!(String::from_utf8(out).unwrap(), STANDARD.encode(whole));
        }
    }
}
