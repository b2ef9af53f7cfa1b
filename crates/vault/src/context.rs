//! What a secret or a state is bound to: its associated data, and the labels of derived keys.
//!
//! Every field has its length in front (four bytes, big endian), so that no two lists of fields give the
//! same bytes: `ab` and `c` are not `a` and `bc`.

use bonafide_claims::UserId;

use crate::envelope::FORMAT_VERSION;
use crate::key::KeyId;
use crate::name::{MAX_NAME_LEN, SecretName};
use crate::owner::Owner;

const LEN_BYTES: usize = 4;

/// The associated data of one owner's envelopes, built once for all names.
pub(crate) struct AssociatedData {
    bytes: Vec<u8>,
    owner_len: usize,
}

impl AssociatedData {
    pub(crate) fn new(key: KeyId, owner: Owner<'_>) -> Self {
        let version = [FORMAT_VERSION];
        let [issuer, directory, subject, tenant] = owner.parts().map(str::as_bytes);
        let fields = [&version, key.as_bytes().as_slice(), issuer, directory, subject, tenant];
        let bytes = fields_with_room(&fields, LEN_BYTES + MAX_NAME_LEN);
        Self { owner_len: bytes.len(), bytes }
    }

    pub(crate) fn of(&mut self, name: &SecretName) -> &[u8] {
        self.bytes.truncate(self.owner_len);
        push(&mut self.bytes, name.as_str().as_bytes());
        &self.bytes
    }
}

pub(crate) fn key_id_info() -> Vec<u8> {
    fields_with_room(&[b"key id", &[FORMAT_VERSION]], 0)
}

pub(crate) fn user_key_info(user: &UserId) -> Vec<u8> {
    let [issuer, directory, subject] = user.parts().map(str::as_bytes);
    fields_with_room(&[b"user key", &[FORMAT_VERSION], issuer, directory, subject], 0)
}

pub(crate) fn state_key_info(purpose: &str) -> Vec<u8> {
    fields_with_room(&[b"state key", &[FORMAT_VERSION], purpose.as_bytes()], 0)
}

pub(crate) fn subkey_info(purpose: &str) -> Vec<u8> {
    fields_with_room(&[b"subkey", &[FORMAT_VERSION], purpose.as_bytes()], 0)
}

/// The associated data of a sealed state.
pub(crate) fn state_data(key: KeyId, purpose: &str, fields: &[&[u8]]) -> Vec<u8> {
    let version = [FORMAT_VERSION];
    let first = [b"state".as_slice(), &version, key.as_bytes(), purpose.as_bytes()];
    let mut bytes =
        fields_with_room(&first, fields.iter().map(|field| LEN_BYTES + field.len()).sum());
    fields.iter().for_each(|field| push(&mut bytes, field));
    bytes
}

fn fields_with_room(fields: &[&[u8]], room: usize) -> Vec<u8> {
    let len: usize = fields.iter().map(|field| LEN_BYTES + field.len()).sum();
    let mut bytes = Vec::with_capacity(len + room);
    for field in fields {
        push(&mut bytes, field);
    }
    bytes
}

fn push(bytes: &mut Vec<u8>, field: &[u8]) {
    // Ids have at most 1024 bytes and names 64, so their length always fits. A longer field, which only a
    // caller with more than 4 GiB of associated data has, still binds every byte with a length that saturates.
    let len = u32::try_from(field.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(field);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_fields_changes_the_bytes() {
        let user = |issuer: &str, directory: Option<&str>, subject: &str| {
            UserId::new(
                issuer.parse().unwrap(),
                directory.map(|d| d.parse().unwrap()),
                subject.parse().unwrap(),
            )
        };
        let key = KeyId::from_bytes([7; 8]);
        let data = |user: &UserId, tenant: &str, name: &str| {
            let tenant = tenant.parse().unwrap();
            let mut data = AssociatedData::new(key, Owner::new(user, &tenant));
            data.of(&name.parse().unwrap()).to_vec()
        };
        let all = [
            data(&user("ab", Some("cd"), "ef"), "gh", "ij"),
            data(&user("abc", Some("d"), "ef"), "gh", "ij"),
            data(&user("ab", Some("cde"), "f"), "gh", "ij"),
            data(&user("ab", Some("cd"), "efg"), "h", "ij"),
            data(&user("ab", Some("cd"), "ef"), "ghi", "j"),
            data(&user("ab", None, "cdef"), "gh", "ij"),
            data(&user("abcd", None, "ef"), "gh", "ij"),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one), "{i}");
        }
    }

    #[test]
    fn a_name_leaves_nothing_behind_for_the_next() {
        let user = UserId::new("i".parse().unwrap(), None, "s".parse().unwrap());
        let tenant = "t".parse().unwrap();
        let mut data = AssociatedData::new(KeyId::from_bytes([7; 8]), Owner::new(&user, &tenant));
        let short = data.of(&"A".parse().unwrap()).to_vec();
        let _long = data.of(&"A_LONGER_NAME".parse().unwrap()).to_vec();
        assert_eq!(data.of(&"A".parse().unwrap()), short);
    }
}
