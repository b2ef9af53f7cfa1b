//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be connected to.
///
/// The host that was configured may be anywhere: whoever writes the configuration may name a private
/// address. A host that was only learnt from the network (in a redirect, in a discovered `jwks_uri`) must
/// be public, or in the zone in which the configured host is: otherwise an issuer could point us at the
/// metadata service of a cloud or at a neighbour behind the firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reach(Allowed);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Allowed {
    Anywhere,
    Public,
    PublicAnd(Zone),
}

impl Reach {
    /// For a host that the configuration names.
    pub const ANYWHERE: Self = Self(Allowed::Anywhere);

    /// For a host that the network named.
    pub const PUBLIC: Self = Self(Allowed::Public);

    /// For a host that the network named, when the configured host is in `zone`.
    #[must_use]
    pub const fn public_and(zone: Zone) -> Self {
        Self(Allowed::PublicAnd(zone))
    }

    /// Whether this address may be connected to.
    #[must_use]
    pub fn allows(self, address: IpAddr) -> bool {
        match (self.0, Zone::of(address)) {
            (_, Zone::Reserved) => false,
            (Allowed::Anywhere, _) | (_, Zone::Public) => true,
            (Allowed::Public, _) => false,
            (Allowed::PublicAnd(also), zone) => also == zone,
        }
    }
}

/// What kind of network an address belongs to.
///
/// An IPv4 address within an IPv6 one (mapped, NAT64, 6to4) is what it is by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Zone {
    /// Reachable from everywhere.
    Public,
    /// This machine.
    Loopback,
    /// RFC 1918, RFC 4193 and the shared addresses of RFC 6598.
    Private,
    /// RFC 3927 and RFC 4291: the link, and the metadata services of clouds.
    LinkLocal,
    /// Never the address of a server: unspecified, multicast, broadcast, documentation, reserved.
    Reserved,
}

impl Zone {
    /// The zone of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [a, b, c, _] = address.octets();
        match (a, b, c) {
            (127, ..) => Self::Loopback,
            (169, 254, _) => Self::LinkLocal,
            (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Self::Private,
            (0 | 224..=255, ..) => Self::Reserved,
            (192, 0, 0 | 2) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => Self::Reserved,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if let Some(embedded) = embedded_v4(address) {
            return Self::of_v4(embedded);
        }
        if address == Ipv6Addr::LOCALHOST {
            return Self::Loopback;
        }
        let [first, second, ..] = address.segments();
        match (first, second) {
            (0xfc00..=0xfdff, _) => Self::Private,
            (0xfe80..=0xfebf, _) => Self::LinkLocal,
            // 2000::/3 is all that is given out for global use (RFC 4291), less Teredo, the identifiers
            // of RFC 7343 and the documentation prefixes of RFC 3849 and RFC 9637.
            (0x2001, 0 | 0x20..=0x2f | 0x0db8) | (0x3fff, 0..=0x0fff) => Self::Reserved,
            (0x2000..=0x3fff, _) => Self::Public,
            // The old site-local prefix, still routed by some.
            (0xfec0..=0xfeff, _) => Self::Private,
            _ => Self::Reserved,
        }
    }
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match address.segments() {
        // ::ffff:a.b.c.d, mapped; ::ffff:0:a.b.c.d, translated (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => {
            Some(v4(high, low))
        }
        // 64:ff9b::/96, NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        // 2002::/16, 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(address: &str) -> Zone {
        Zone::of(address.parse().unwrap())
    }

    #[test]
    fn sorts_addresses_into_zones() {
        for (address, expected) in [
            ("8.8.8.8", Zone::Public),
            ("127.0.0.1", Zone::Loopback),
            ("127.255.0.9", Zone::Loopback),
            ("10.0.0.1", Zone::Private),
            ("172.16.0.1", Zone::Private),
            ("172.31.255.255", Zone::Private),
            ("172.32.0.1", Zone::Public),
            ("192.168.1.1", Zone::Private),
            ("100.64.0.1", Zone::Private),
            ("100.128.0.1", Zone::Public),
            ("169.254.169.254", Zone::LinkLocal),
            ("0.0.0.0", Zone::Reserved),
            ("224.0.0.1", Zone::Reserved),
            ("255.255.255.255", Zone::Reserved),
            ("192.0.2.1", Zone::Reserved),
            ("::", Zone::Reserved),
            ("::1", Zone::Loopback),
            ("fd00::1", Zone::Private),
            ("fe80::1", Zone::LinkLocal),
            ("fec0::1", Zone::Private),
            ("ff02::1", Zone::Reserved),
            ("2606:4700::1111", Zone::Public),
            ("2001:db8::1", Zone::Reserved),
            ("::ffff:127.0.0.1", Zone::Loopback),
            ("::ffff:169.254.169.254", Zone::LinkLocal),
            ("::ffff:8.8.8.8", Zone::Public),
            ("64:ff9b::10.0.0.1", Zone::Private),
            ("64:ff9b:1::1", Zone::Reserved),
            ("2002:7f00:1::", Zone::Loopback),
            ("::127.0.0.1", Zone::Reserved),
        ] {
            assert_eq!(zone(address), expected, "{address}");
        }
    }

    #[test]
    fn a_learnt_host_reaches_the_public_and_the_own_zone_only() {
        let allows = |reach: Reach, address: &str| reach.allows(address.parse().unwrap());
        for address in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "0.0.0.0"] {
            assert!(!allows(Reach::PUBLIC, address), "{address}");
        }
        assert!(allows(Reach::PUBLIC, "8.8.8.8"));
        let private = Reach::public_and(Zone::Private);
        assert!(allows(private, "10.0.0.1") && allows(private, "8.8.8.8"));
        assert!(!allows(private, "169.254.169.254") && !allows(private, "127.0.0.1"));
        assert!(allows(Reach::ANYWHERE, "10.0.0.1") && !allows(Reach::ANYWHERE, "0.0.0.0"));
    }
}
