//! What opens, and above all what does not.

use bonafide_claims::UserId;
use bonafide_policy::TenantId;
use secrecy::{ExposeSecret, SecretString};

use crate::envelope::{Envelope, HEADER_LEN, TAG_LEN};
use crate::key::MasterKey;
use crate::keyring::Keyring;
use crate::name::SecretName;
use crate::owner::Owner;
use crate::seal::{MAX_SECRET_LEN, OpenError, SealError, Sealer};

const VALUE: &str = "ghp_canary";

struct Place {
    user: UserId,
    tenant: TenantId,
    name: SecretName,
}

impl Place {
    fn new(issuer: &str, directory: Option<&str>, subject: &str, tenant: &str, name: &str) -> Self {
        let directory = directory.map(|directory| directory.parse().unwrap());
        let user = UserId::new(issuer.parse().unwrap(), directory, subject.parse().unwrap());
        Self { user, tenant: tenant.parse().unwrap(), name: name.parse().unwrap() }
    }

    fn alice() -> Self {
        Self::new("https://idp.example", None, "alice", "github", "TOKEN")
    }

    fn owner(&self) -> Owner<'_> {
        Owner::new(&self.user, &self.tenant)
    }

    fn seal(&self, sealer: &Sealer, value: &str) -> Envelope {
        sealer.seal(self.owner(), &self.name, &SecretString::from(value)).unwrap()
    }

    fn open(&self, sealer: &Sealer, envelope: &Envelope) -> Result<String, OpenError> {
        let opened = sealer.opener(self.owner()).open(&self.name, envelope)?;
        Ok(opened.expose_secret().to_owned())
    }
}

fn sealer() -> Sealer {
    Sealer::new(Keyring::new(&MasterKey::generate().unwrap()).unwrap())
}

#[test]
fn opens_what_it_sealed() {
    let (sealer, alice) = (sealer(), Place::alice());
    let longest = "ä".repeat(MAX_SECRET_LEN / 2);
    for value in ["x", VALUE, "\0\r\n\u{10ffff}", &longest] {
        let envelope = alice.seal(&sealer, value);
        assert_eq!(envelope.as_bytes().len(), HEADER_LEN + value.len() + TAG_LEN);
        assert_eq!(alice.open(&sealer, &envelope).as_deref(), Ok(value));
        assert_eq!(sealer.check(alice.owner(), &alice.name, &envelope), Ok(()));
    }
}

#[test]
fn refuses_values_that_nobody_can_mean() {
    let (sealer, alice) = (sealer(), Place::alice());
    let seal = |value: &str| sealer.seal(alice.owner(), &alice.name, &SecretString::from(value));
    assert_eq!(seal(""), Err(SealError::Empty));
    let len = MAX_SECRET_LEN + 1;
    assert_eq!(seal(&"x".repeat(len)), Err(SealError::TooLong { len }));
}

#[test]
fn never_opens_with_a_bit_flipped() {
    let (sealer, alice) = (sealer(), Place::alice());
    let envelope = alice.seal(&sealer, VALUE);
    for bit in 0..envelope.as_bytes().len() * 8 {
        let mut bytes = envelope.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = alice.open(&sealer, &Envelope::from_bytes(bytes)).unwrap_err();
        match bit / 8 {
            0 => assert!(matches!(error, OpenError::Version { .. }), "bit {bit}: {error:?}"),
            1..=8 => assert!(matches!(error, OpenError::UnknownKey { .. }), "bit {bit}: {error:?}"),
            _ => assert_eq!(error, OpenError::Refused, "bit {bit}"),
        }
    }
}

#[test]
fn never_opens_cut_off_or_extended() {
    let (sealer, alice) = (sealer(), Place::alice());
    let envelope = alice.seal(&sealer, VALUE);
    let bytes = envelope.as_bytes();
    for len in 0..bytes.len() {
        for part in [&bytes[..len], &bytes[bytes.len() - len..]] {
            alice.open(&sealer, &Envelope::from_bytes(part)).unwrap_err();
        }
    }
    let longer = [bytes, &[0]].concat();
    assert_eq!(alice.open(&sealer, &Envelope::from_bytes(longer)), Err(OpenError::Refused));
}

#[test]
fn never_opens_in_another_place() {
    let issuer = "https://idp.example";
    let places = [
        Place::alice(),
        Place::new(issuer, None, "bob", "github", "TOKEN"),
        Place::new(issuer, None, "Alice", "github", "TOKEN"),
        Place::new(issuer, Some("alice"), "alice", "github", "TOKEN"),
        Place::new(issuer, Some("d"), "alice", "github", "TOKEN"),
        Place::new("https://idp.example/", None, "alice", "github", "TOKEN"),
        Place::new("https://other.example", None, "alice", "github", "TOKEN"),
        Place::new(issuer, None, "alice", "jira", "TOKEN"),
        Place::new(issuer, None, "alice", "github", "OTHER"),
        Place::new(issuer, None, "alice", "github", "TOKEN_"),
        Place::new(issuer, None, "alicegithub", "t", "TOKEN"),
    ];
    let sealer = sealer();
    for (from, sealed) in places.iter().enumerate() {
        let envelope = sealed.seal(&sealer, VALUE);
        for (to, place) in places.iter().enumerate() {
            let expected = if from == to { Ok(VALUE.to_owned()) } else { Err(OpenError::Refused) };
            assert_eq!(place.open(&sealer, &envelope), expected, "from {from} to {to}");
        }
    }
}

#[test]
fn never_opens_with_another_master_key() {
    let (ours, theirs, alice) = (sealer(), sealer(), Place::alice());
    let envelope = alice.seal(&ours, VALUE);
    let key = ours.keyring().newest();
    assert_eq!(alice.open(&theirs, &envelope), Err(OpenError::UnknownKey { key }));
    // Also not when the envelope is made to name that other key.
    let mut bytes = envelope.as_bytes().to_vec();
    bytes[1..9].copy_from_slice(theirs.keyring().newest().as_bytes());
    assert_eq!(alice.open(&theirs, &Envelope::from_bytes(bytes)), Err(OpenError::Refused));
}

#[test]
fn seals_with_the_newest_key_and_opens_with_any() {
    let (old, new) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let before = Sealer::new(Keyring::new(&old).unwrap());
    let after = Sealer::new(Keyring::new(&new).unwrap().with_older(&old).unwrap());
    let alice = Place::alice();
    let (first, second) = (alice.seal(&before, "first"), alice.seal(&after, "second"));
    assert_eq!(second.key_id(), Some(new.id().unwrap()));
    // One opener for both, as one read meets both in the middle of a rotation.
    let mut opener = after.opener(alice.owner());
    for (envelope, value) in [(&first, "first"), (&second, "second"), (&first, "first")] {
        assert_eq!(opener.open(&alice.name, envelope).unwrap().expose_secret(), value);
    }
    let key = new.id().unwrap();
    assert_eq!(alice.open(&before, &second), Err(OpenError::UnknownKey { key }));
}

#[test]
fn the_same_value_never_gives_the_same_envelope() {
    let (sealer, alice) = (sealer(), Place::alice());
    let mut seen: Vec<_> =
        (0..1000).map(|_| alice.seal(&sealer, VALUE).as_bytes().to_vec()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 1000);
}

#[test]
fn nothing_shows_the_value() {
    let (sealer, alice) = (sealer(), Place::alice());
    let envelope = alice.seal(&sealer, VALUE);
    let canary = b"canary";
    assert!(!envelope.as_bytes().windows(canary.len()).any(|part| part == canary));
    let bob = Place::new("https://idp.example", None, "bob", "github", "TOKEN");
    let error = bob.open(&sealer, &envelope).unwrap_err();
    let long = SecretString::from("canary".repeat(MAX_SECRET_LEN));
    let refused = sealer.seal(alice.owner(), &alice.name, &long).unwrap_err();
    let shown = format!("{envelope:?} {sealer:?} {error} {error:?} {refused} {refused:?}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn refuses_what_is_not_text() {
    let (sealer, alice) = (sealer(), Place::alice());
    let envelope = sealer.seal_bytes(alice.owner(), &alice.name, b"\xff\xfe").unwrap();
    assert_eq!(alice.open(&sealer, &envelope), Err(OpenError::NotText));
}
