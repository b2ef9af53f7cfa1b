//! How much somebody may ask of us, and of the issuer, who is not signed in yet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use bonafide_tower::{Peer, PeerRange};

use crate::rate::Rate;

/// How many steps of sign-ins may come from one address at once, and how long until one more. A sign-in has two.
const BURST: u32 = 120;
const PAUSE: Duration = Duration::from_millis(500);

/// How many codes of one address are exchanged at once: a quarter of all places.
const OPEN: u32 = 8;

/// Counts those who sign in, by address. Where the address is not known nothing is counted.
#[derive(Debug)]
pub(crate) struct Strangers {
    proxies: Box<[PeerRange]>,
    rate: Rate<IpAddr>,
    open: Mutex<HashMap<IpAddr, u32>>,
}

/// A sign-in that is being completed. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Place<'s> {
    strangers: &'s Strangers,
    of: Option<IpAddr>,
}

/// Too much at once from one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Strangers {
    /// `proxies` are believed when they say for whom they ask.
    pub(crate) fn new(proxies: &[PeerRange]) -> Self {
        Self { proxies: proxies.into(), rate: Rate::new(BURST, PAUSE), open: Mutex::default() }
    }

    /// Counts a step of a sign-in.
    pub(crate) fn count(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), TooMany> {
        let Some(address) = self.address(peer, headers) else { return Ok(()) };
        self.rate.count(&address).map_err(|_| TooMany)
    }

    /// A place for one exchange with the issuer.
    pub(crate) fn enter(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Result<Place<'_>, TooMany> {
        let of = self.address(peer, headers);
        if let Some(address) = of {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(address).or_default();
            if *count >= OPEN {
                return Err(TooMany);
            }
            *count += 1;
        }
        Ok(Place { strangers: self, of })
    }

    /// The address that is counted: the one of the socket, or what a trusted proxy says. Of IPv6 the network, because whoever
    /// has one address there has 2^64.
    fn address(&self, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
        let Peer(mut address) = peer?;
        let forwarded: Vec<&str> = headers
            .get_all("x-forwarded-for")
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("?").split(','))
            .collect();
        // Each proxy adds at the end whom it was asked by. What stands before the last one that is not ours is hearsay.
        for said in forwarded.into_iter().rev() {
            if !self.proxies.iter().any(|proxy| proxy.contains(address)) {
                break;
            }
            let Some(next) = parse(said.trim()) else { break };
            address = next;
        }
        Some(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address => address,
        })
    }
}

/// An address, or one with a port as some proxies write it.
fn parse(text: &str) -> Option<IpAddr> {
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port)
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(address) = self.of else { return };
        let mut open = self.strangers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Option<Peer> {
        Some(Peer(text.parse().unwrap()))
    }

    fn forwarded(values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| value.parse().unwrap());
        values.map(|value| ("x-forwarded-for".parse().unwrap(), value)).collect()
    }

    #[test]
    fn a_header_counts_only_when_a_trusted_proxy_wrote_it() {
        let plain = Strangers::new(&[]);
        let behind = Strangers::new(&["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for (peer_address, header, without, with) in [
            ("203.0.113.7", &["198.51.100.1"][..], "203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1"], "10.0.0.1", "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.1, 198.51.100.1"], "10.0.0.1", "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.1", "198.51.100.1, 10.9.9.9"], "10.0.0.1", "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "10.0.0.1", "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1", "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8:1:2:3::4"], "10.0.0.1", "2001:db8:1:2::"),
            ("fd00::1", &["[2001:db8::7]:443"], "fd00::", "2001:db8::"),
        ] {
            let headers = forwarded(header);
            let found = |strangers: &Strangers| {
                strangers.address(peer(peer_address), &headers).unwrap().to_string()
            };
            assert_eq!((&*found(&plain), &*found(&behind)), (without, with), "{header:?}");
        }
        assert_eq!(behind.address(None, &forwarded(&["198.51.100.1"])), None);
    }

    #[test]
    fn one_address_takes_a_part_of_the_places_and_gives_them_back() {
        let (strangers, none) = (Strangers::new(&[]), HeaderMap::new());
        let one = peer("203.0.113.7");
        let places: Vec<_> = (0..OPEN).map(|_| strangers.enter(one, &none).unwrap()).collect();
        assert_eq!(strangers.enter(one, &none).unwrap_err(), TooMany);
        strangers.enter(peer("203.0.113.8"), &none).unwrap();
        strangers.enter(None, &none).unwrap();
        drop(places);
        strangers.enter(one, &none).unwrap();
        assert!(strangers.open.lock().unwrap().is_empty());
    }

    #[test]
    fn one_address_begins_so_many_sign_ins_and_then_has_to_wait() {
        let (strangers, none) = (Strangers::new(&[]), HeaderMap::new());
        for _ in 0..BURST {
            strangers.count(peer("2001:db8::1"), &none).unwrap();
        }
        // Another address of the same network.
        assert_eq!(strangers.count(peer("2001:db8::2"), &none), Err(TooMany));
        strangers.count(peer("2001:db8:0:1::1"), &none).unwrap();
        strangers.count(None, &none).unwrap();
    }
}
