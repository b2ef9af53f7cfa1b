//! The published test vectors. They were made with another implementation (Python's `cryptography`).

use std::collections::HashMap;

use bonafide_claims::UserId;
use secrecy::{ExposeSecret, SecretString};

use crate::context;
use crate::envelope::Envelope;
use crate::key::{KeyError, MasterKey};
use crate::keyring::Keyring;
use crate::owner::Owner;
use crate::seal::Sealer;
use crate::state::StateSealer;
use crate::weak::Weakness;

struct Vector<'a>(HashMap<&'a str, &'a str>);

impl<'a> Vector<'a> {
    fn text(&self, field: &str) -> &'a str {
        self.0[field]
    }

    fn bytes<const N: usize>(&self, field: &str) -> [u8; N] {
        hex(self.text(field)).try_into().unwrap()
    }

    fn user(&self) -> UserId {
        let directory = Some(self.text("directory")).filter(|text| !text.is_empty());
        UserId::new(
            self.text("issuer").parse().unwrap(),
            directory.map(|text| text.parse().unwrap()),
            self.text("subject").parse().unwrap(),
        )
    }

    fn key(&self) -> MasterKey {
        MasterKey::from_known_bytes(self.bytes("master key"))
    }
}

fn envelopes() -> Vec<Vector<'static>> {
    vectors("envelopes", 3)
}

fn states() -> Vec<Vector<'static>> {
    vectors("states", 2)
}

fn vectors(of: &str, count: usize) -> Vec<Vector<'static>> {
    let text = include_str!("../FORMAT.md");
    let (_, vectors) = text.split_once(&format!("# Test vectors of {of}\n")).unwrap();
    let vectors = vectors.split("\n# ").next().unwrap();
    let vectors: Vec<_> = vectors
        .split("\n[")
        .skip(1)
        .map(|part| Vector(part.lines().filter_map(|line| line.split_once(" =")).collect()))
        .map(|Vector(fields)| {
            Vector(fields.into_iter().map(|(field, value)| (field, value.trim())).collect())
        })
        .collect();
    assert_eq!(vectors.len(), count);
    vectors
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

#[test]
fn seals_and_opens_the_published_vectors() {
    for vector in envelopes() {
        let (user, tenant) = (vector.user(), vector.text("tenant").parse().unwrap());
        let (owner, name) = (Owner::new(&user, &tenant), vector.text("name").parse().unwrap());
        let sealer = Sealer::new(Keyring::new(&vector.key()).unwrap());
        assert_eq!(sealer.keyring().newest().to_string(), vector.text("key id"));

        let value = SecretString::from(vector.text("value"));
        let sealed = sealer.seal_with(vector.bytes("nonce"), owner, &name, &value).unwrap();
        assert_eq!(sealed.as_bytes(), hex(vector.text("envelope")));

        let published = Envelope::from_bytes(hex(vector.text("envelope")));
        let opened = sealer.opener(owner).open(&name, &published).unwrap();
        assert_eq!(opened.expose_secret(), vector.text("value"));
    }
}

/// As RFC 5869 has it, and not through `Prk`.
#[test]
fn derives_the_published_keys() {
    use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
    for vector in envelopes() {
        let root = sign(&Key::new(HMAC_SHA256, b"bonafide-vault/1"), vector.key().expose());
        let mut info = context::user_key_info(&vector.user());
        info.push(1);
        let key = sign(&Key::new(HMAC_SHA256, root.as_ref()), &info);
        assert_eq!(key.as_ref(), hex(vector.text("user key")));
    }
    for vector in states() {
        let root = sign(&Key::new(HMAC_SHA256, b"bonafide-vault/1"), vector.key().expose());
        let mut info = context::state_key_info(vector.text("purpose"));
        info.push(1);
        let key = sign(&Key::new(HMAC_SHA256, root.as_ref()), &info);
        assert_eq!(key.as_ref(), hex(vector.text("state key")));
    }
}

#[test]
fn seals_and_opens_the_published_states() {
    for vector in states() {
        let keyring = Keyring::new(&vector.key()).unwrap();
        assert_eq!(keyring.newest().to_string(), vector.text("key id"));
        let sealer = StateSealer::new(&keyring, vector.text("purpose")).unwrap();
        let fields = vector.text("fields");
        let fields = fields.split('|').map(str::trim).map(str::as_bytes);
        let fields: Vec<_> = fields.filter(|_| !vector.text("fields").is_empty()).collect();

        let state = vector.text("state").as_bytes();
        let text = sealer.seal_with(vector.bytes("nonce"), &fields, state).unwrap();
        assert_eq!(text, vector.text("text"));
        let opened = sealer.open(&fields, vector.text("text")).unwrap();
        assert_eq!(opened.expose_secret(), state);

        let subkeys = keyring.subkeys(vector.text("purpose")).unwrap();
        assert_eq!(subkeys[0].1.expose_secret().as_slice(), hex(vector.text("subkey")));
    }
}

#[test]
fn refuses_the_published_keys() {
    for vector in envelopes().into_iter().chain(states()) {
        let refused = MasterKey::from_base64(vector.key().to_base64()).unwrap_err();
        assert_eq!(refused, KeyError::Weak { weakness: Weakness::Published });
    }
}
