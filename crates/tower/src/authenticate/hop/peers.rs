//! Addresses that requests may come from.

use std::net::IpAddr;
use std::str::FromStr;

/// The address that a connection comes from, as the server sees it. A server that uses [`TrustedHop`](super::TrustedHop)
/// puts it into the extensions of each request.
///
/// # Security
///
/// The address of the socket, never one that stands in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer(pub IpAddr);

/// An address, or a network: `10.0.0.7`, `10.1.0.0/16`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerRange {
    network: IpAddr,
    bits: u8,
}

/// A text that is no address and no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an address and not a network: write `10.0.0.7` or `10.1.0.0/16`, with at least 8 bits"
)]
pub struct PeerRangeError;

/// A network of half the world is a mistake.
const LEAST_BITS: u8 = 8;

impl PeerRange {
    /// Whether the address is in it. An IPv4 address that comes as IPv6 (`::ffff:10.0.0.7`) is what it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.bits);
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.bits);
                network.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl FromStr for PeerRange {
    type Err = PeerRangeError;

    fn from_str(text: &str) -> Result<Self, PeerRangeError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| PeerRangeError)?;
        let network = network.to_canonical();
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| PeerRangeError)?;
        let range = Self { network, bits };
        if (LEAST_BITS..=most).contains(&bits) { Ok(range) } else { Err(PeerRangeError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_what_shares_its_first_bits() {
        for (range, address, within) in [
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "::ffff:10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.1.2.3/16", "10.1.9.9", true),
            ("127.0.0.0/8", "127.1.2.3", true),
            ("127.0.0.0/8", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "::1", true),
            ("::1", "::2", false),
        ] {
            let range: PeerRange = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), within, "{range:?} {address}");
        }
    }

    #[test]
    fn rejects_what_is_no_range_or_nearly_everybody() {
        for text in [
            "",
            "10.0.0",
            "host",
            "10.0.0.0/33",
            "10.0.0.0/",
            "0.0.0.0/0",
            "10.0.0.0/7",
            "::/0",
            "10.0.0.0/-8",
        ] {
            assert_eq!(text.parse::<PeerRange>(), Err(PeerRangeError), "{text}");
        }
    }
}
