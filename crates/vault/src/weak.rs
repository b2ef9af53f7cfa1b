//! Keys that nobody should use.

use std::fmt;

use aws_lc_rs::digest;

use crate::key::MASTER_KEY_LEN;

/// Why a master key cannot be random.
///
/// A random key has one of these with a probability of less than 1 in 10¹³. A key without them is not
/// therefore a good one: use [`MasterKey::generate`](crate::MasterKey::generate).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Weakness {
    /// All bytes are zero.
    Zero,
    /// The second half of the key, or more, repeats what is before it.
    Repeating,
    /// Each byte is the one before plus the same number.
    Sequential,
    /// All bytes are printable ASCII, as in a passphrase or a hexadecimal string cut to length.
    Text,
    /// Only a few different bytes.
    FewValues,
    /// It stands in documentation that everybody can read.
    Published,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "is all zeros",
            Self::Repeating => "repeats itself",
            Self::Sequential => "is a sequence of numbers",
            Self::Text => "is text and not random bytes",
            Self::FewValues => "has too few different bytes",
            Self::Published => "stands in published documentation",
        })
    }
}

/// The SHA-256 of every key that our documentation shows. Digests, so that this list is not one more place
/// to copy a key from.
const PUBLISHED: [[u8; 32]; 2] = [
    [
        0xec, 0x67, 0x76, 0x9b, 0x38, 0x70, 0x49, 0x74, 0x2f, 0xd7, 0x40, 0x14, 0x18, 0xf2, 0xa7,
        0xe3, 0x8f, 0xe6, 0xc8, 0xd2, 0xb8, 0xd8, 0xbc, 0x78, 0xd3, 0xc2, 0x2c, 0x95, 0xa9, 0x29,
        0xa7, 0x21,
    ],
    [
        0x99, 0xb9, 0xcd, 0xeb, 0xc7, 0x72, 0x7f, 0xb7, 0x5d, 0x51, 0xed, 0x49, 0x93, 0x33, 0xa8,
        0x52, 0xfa, 0x31, 0x18, 0xb3, 0xbe, 0x7c, 0x14, 0x18, 0x78, 0x79, 0x9d, 0xf9, 0xad, 0x8c,
        0x96, 0xb0,
    ],
];

/// 32 random bytes have fewer different ones than this with a probability of 3·10⁻¹⁷.
const MIN_DIFFERENT: usize = 16;

pub(crate) fn weakness(key: &[u8; MASTER_KEY_LEN]) -> Option<Weakness> {
    if key.iter().all(|&byte| byte == 0) {
        return Some(Weakness::Zero);
    }
    if (1..=MASTER_KEY_LEN / 2).any(|period| repeats(key, period)) {
        return Some(Weakness::Repeating);
    }
    if is_sequence(key) {
        return Some(Weakness::Sequential);
    }
    if key.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')) {
        return Some(Weakness::Text);
    }
    if different(key) < MIN_DIFFERENT {
        return Some(Weakness::FewValues);
    }
    is_published(key).then_some(Weakness::Published)
}

fn repeats(key: &[u8], period: usize) -> bool {
    key.iter().zip(key.iter().skip(period)).all(|(a, b)| a == b)
}

fn is_sequence(key: &[u8]) -> bool {
    let mut steps = key.iter().zip(key.iter().skip(1)).map(|(a, b)| b.wrapping_sub(*a));
    let first = steps.next();
    steps.all(|step| Some(step) == first)
}

fn different(key: &[u8]) -> usize {
    let mut seen = [false; 256];
    for &byte in key {
        if let Some(seen) = seen.get_mut(usize::from(byte)) {
            *seen = true;
        }
    }
    seen.iter().filter(|&&seen| seen).count()
}

fn is_published(key: &[u8]) -> bool {
    let digest = digest::digest(&digest::SHA256, key);
    PUBLISHED.iter().any(|published| published == digest.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::MasterKey;

    #[test]
    fn finds_each_weakness() {
        let from = |f: fn(u8) -> u8| std::array::from_fn(|i| f(u8::try_from(i).unwrap()));
        for (key, expected) in [
            ([0; 32], Weakness::Zero),
            ([0xff; 32], Weakness::Repeating),
            (from(|i| [0xde, 0xad, 0xbe, 0xef][usize::from(i % 4)]), Weakness::Repeating),
            (from(|i| i % 16), Weakness::Repeating),
            (from(|i| i), Weakness::Sequential),
            (from(|i| 200_u8.wrapping_add(i)), Weakness::Sequential),
            (from(|i| 255 - i), Weakness::Sequential),
            (from(|i| i.wrapping_mul(37)), Weakness::Sequential),
            (*b"correct horse battery staple 123", Weakness::Text),
            (*b"0123456789abcdef0123456789abcde\n", Weakness::Text),
            (from(|i| if i < 18 { 0x80 } else { i }), Weakness::FewValues),
        ] {
            assert_eq!(weakness(&key), Some(expected), "{key:02x?}");
        }
    }

    #[test]
    fn lets_random_keys_pass() {
        for _ in 0..2000 {
            assert_eq!(weakness(MasterKey::generate().unwrap().expose()), None);
        }
    }
}
