//! Which addresses an outgoing connection may go to: public ones, and networks that were allowed
//! explicitly.
//!
//! A URL can come from a stranger, and so can the answer of a name server. What must not be reached
//! through the daemon is what trusts its place in the network: its own machine, its neighbours, the
//! cloud's metadata service. So the check is on the address that is connected to, after the name was
//! looked up, and what is not known to be public is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Where connections may go.
#[derive(Clone, Debug)]
pub(crate) struct AddressPolicy {
    allowed: Vec<IpNet>,
    private: bool,
    setting: Option<&'static str>,
    /// Whether the setting is about addresses in URLs too.
    literals: bool,
    /// Whether public addresses have to be allowed too.
    closed: bool,
}

/// An address that the policy does not let a request go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The host of the URL, a name or an address.
    host: String,
    address: IpAddr,
    kind: &'static str,
    /// The setting by which an operator can allow it.
    setting: Option<&'static str>,
}

impl AddressPolicy {
    /// Only addresses that everybody reaches.
    pub(crate) fn public_only() -> Self {
        Self { allowed: Vec::new(), private: false, setting: None, literals: false, closed: false }
    }

    /// Every address in `networks` too, whatever it is.
    pub(crate) fn allowing(mut self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.allowed.extend(networks);
        self
    }

    /// What a network of one's own has: loopback, private, shared and unique local addresses. Not
    /// link-local ones and those of metadata services, which `allowing` has to name.
    pub(crate) fn allowing_private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Only what was allowed explicitly, for what must not cross the internet.
    pub(super) fn closed(mut self) -> Self {
        self.closed = true;
        self
    }

    /// As [`naming`](Self::naming), about addresses in URLs too.
    pub(crate) fn naming_for_all(mut self, setting: &'static str) -> Self {
        self.literals = true;
        self.naming(setting)
    }

    /// Errors about names say that `setting` can allow the address.
    pub(crate) fn naming(mut self, setting: &'static str) -> Self {
        self.setting = Some(setting);
        self
    }

    /// Whether a connection for `host` may go to `address`.
    ///
    /// # Errors
    ///
    /// One that names both and says what kind of address it is.
    pub(crate) fn check(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        // A connection to the mapped form of an IPv4 address is one to that address.
        let address = address.to_canonical();
        let kind = match not_public(address) {
            Some(kind) => kind,
            None if self.closed => CLEAR,
            None => return Ok(()),
        };
        if self.allowed.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        if self.private && OWN_NETWORK.contains(&kind) && !is_nat64(address) {
            return Ok(());
        }
        // A setting that is about names is none for an address in the URL.
        let literal = host.parse::<IpAddr>().is_ok();
        let setting = self.setting.filter(|_| self.literals || !literal);
        Err(Refused { host: host.to_owned(), address, kind, setting })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address, kind, setting } = self;
        if host.parse::<IpAddr>().is_ok() {
            write!(f, "{host} is {kind}")?;
        } else {
            write!(f, "{host} is at {address}, {kind}")?;
        }
        match setting {
            Some(setting) => write!(f, "; if that is meant, {setting} can allow it"),
            None => f.write_str(", and no setting allows that"),
        }
    }
}

impl std::error::Error for Refused {}

/// Whether a gateway makes another address of it.
fn is_nat64(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if NAT64.contains(&address))
}

/// What an address is that is not public.
fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => not_public_v4(address),
        IpAddr::V6(address) => not_public_v6(address),
    }
}

fn not_public_v4(address: Ipv4Addr) -> Option<&'static str> {
    let found = NOT_PUBLIC_V4.iter().find(|(network, _)| network.contains(&address));
    found.map(|(_, kind)| *kind)
}

fn not_public_v6(address: Ipv6Addr) -> Option<&'static str> {
    // On an IPv6-only network a DNS64 gives every IPv4 host this form: it is as public as what is
    // embedded.
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return not_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let found = NOT_PUBLIC_V6.iter().find(|(network, _)| network.contains(&address));
    let outside = || (!GLOBAL_UNICAST.contains(&address)).then_some("a reserved address");
    found.map(|(_, kind)| *kind).or_else(outside)
}

const CLEAR: &str = "a public address, to which a credential would go in the clear";
const METADATA: &str = "a cloud metadata address";
const DOCUMENTATION: &str = "a documentation address";
const LINK_LOCAL: &str = "a link-local address";
const LOOPBACK: &str = "a loopback address";
const MULTICAST: &str = "a multicast address";
const PRIVATE: &str = "a private address";
const SHARED: &str = "a shared (carrier-grade NAT) address";
const UNIQUE_LOCAL: &str = "a unique local address";
const RESERVED: &str = "a reserved address";
const UNSPECIFIED: &str = "an unspecified address";

/// Kinds of addresses that a network of one's own has.
const OWN_NETWORK: [&str; 4] = [LOOPBACK, PRIVATE, SHARED, UNIQUE_LOCAL];

/// After IANA's registry of special-purpose addresses. The first that contains an address names it.
const NOT_PUBLIC_V4: [(Ipv4Net, &str); 21] = [
    (v4([169, 254, 169, 254], 32), METADATA),
    // Amazon's container credentials, Oracle, Alibaba.
    (v4([169, 254, 170, 2], 32), METADATA),
    (v4([192, 0, 0, 192], 32), METADATA),
    (v4([100, 100, 100, 200], 32), METADATA),
    // Azure's platform, at an address that looks public and is a neighbour of every machine there.
    (v4([168, 63, 129, 16], 32), METADATA),
    (v4([0, 0, 0, 0], 8), UNSPECIFIED),
    (v4([10, 0, 0, 0], 8), PRIVATE),
    (v4([100, 64, 0, 0], 10), SHARED),
    (v4([127, 0, 0, 0], 8), LOOPBACK),
    (v4([169, 254, 0, 0], 16), LINK_LOCAL),
    (v4([172, 16, 0, 0], 12), PRIVATE),
    (v4([192, 0, 0, 0], 24), RESERVED),
    (v4([192, 0, 2, 0], 24), DOCUMENTATION),
    (v4([192, 88, 99, 0], 24), "a 6to4 relay's address"),
    (v4([192, 168, 0, 0], 16), PRIVATE),
    (v4([198, 18, 0, 0], 15), "a benchmarking address"),
    (v4([198, 51, 100, 0], 24), DOCUMENTATION),
    (v4([203, 0, 113, 0], 24), DOCUMENTATION),
    (v4([224, 0, 0, 0], 4), MULTICAST),
    (v4([255, 255, 255, 255], 32), "the broadcast address"),
    (v4([240, 0, 0, 0], 4), RESERVED),
];

/// As above. What carries an IPv4 address is refused whatever it carries, NAT64 excepted: the ways
/// are given up (compatible, 6to4, Teredo), or where in the address it is depends on the network
/// (local NAT64).
const NOT_PUBLIC_V6: [(Ipv6Net, &str); 18] = [
    // Amazon, whose other services for one machine are in the same network; Google.
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32), METADATA),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), METADATA),
    (v6([0; 8], 128), UNSPECIFIED),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), LOOPBACK),
    (v6([0; 8], 96), "an IPv4-compatible address"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "an address of a local NAT64"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "a discard-only address"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "a Teredo address"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "a benchmarking address"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), DOCUMENTATION),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), RESERVED),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a 6to4 address"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), DOCUMENTATION),
    (v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16), RESERVED),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), UNIQUE_LOCAL),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), LINK_LOCAL),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a site-local address"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), MULTICAST),
];

/// The well-known prefix of RFC 6052.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
/// All that has been given out for hosts to be reached at.
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

#[cfg(test)]
mod tests;
