//! Any bytes as a key set, and its keys used on a signature.
#![no_main]

use bonafide_jwks::{Algorithm, KeySet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(keys) = KeySet::from_jwks(bytes) else { return };
    assert!(!keys.is_empty() && keys.len() <= bonafide_jwks::MAX_KEYS);
    for algorithm in Algorithm::PUBLIC {
        for kid in [None, Some(""), Some("a"), Some("1")] {
            if let Ok(candidates) = keys.candidates(kid, algorithm) {
                // Zeros sign nothing: not for a point of small order, not for an odd modulus.
                for len in [64, 96, 256] {
                    assert!(candidates.verify(b"message", &vec![0; len]).is_err());
                }
            }
        }
    }
    for algorithm in Algorithm::SHARED {
        assert!(keys.candidates(None, algorithm).is_err());
    }
});
