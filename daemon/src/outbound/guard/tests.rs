//! The address policy, by tables of spellings.

use proptest::prelude::*;

use super::*;

fn checked(address: &str) -> Result<(), Refused> {
    let parsed = address.parse().unwrap_or_else(|_| panic!("{address} is no address"));
    AddressPolicy::public_only().check("host.test", parsed)
}

#[test]
fn what_is_not_public_is_refused_by_its_kind() {
    for (kind, addresses) in [
        (
            METADATA,
            &[
                "169.254.169.254",
                "169.254.170.2",
                "192.0.0.192",
                "100.100.100.200",
                "168.63.129.16",
                "fd00:ec2::254",
                "FD00:0EC2:0000::0254",
                "fd20:ce::254",
                "::ffff:169.254.169.254",
                "::ffff:a9fe:a9fe",
                "64:ff9b::169.254.169.254",
                "64:ff9b::a9fe:a9fe",
            ][..],
        ),
        (
            LOOPBACK,
            &[
                "127.0.0.1",
                "127.0.0.0",
                "127.1.2.3",
                "127.255.255.255",
                "::1",
                "0:0:0:0:0:0:0:1",
                "0000:0000::0001",
                "::0.0.0.1",
                "::ffff:127.0.0.1",
                "::FFFF:7f00:1",
                "0:0:0:0:0:ffff:127.0.0.1",
                "64:ff9b::127.0.0.1",
                "64:ff9b::7f00:1",
                "0064:ff9b:0:0:0:0:7f00:0001",
            ],
        ),
        (
            PRIVATE,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "::ffff:10.0.0.1",
                "::ffff:c0a8:1",
                "64:ff9b::10.0.0.1",
                "64:ff9b::192.168.0.1",
                "64:ff9b::172.20.0.1",
            ],
        ),
        (
            "a shared (carrier-grade NAT) address",
            &["100.64.0.0", "100.127.255.255", "::ffff:100.64.0.1", "64:ff9b::100.64.0.1"],
        ),
        (
            LINK_LOCAL,
            &[
                "169.254.0.0",
                "169.254.255.255",
                "::ffff:169.254.1.1",
                "fe80::",
                "fe80::1",
                "febf:ffff::1",
                "fe80::a9fe:a9fe",
                "fe80::5efe:127.0.0.1",
            ],
        ),
        ("a unique local address", &["fc00::", "fc00::1", "fd12:3456::1", "fdff:ffff::1"]),
        ("a site-local address", &["fec0::1", "feff::1"]),
        (
            UNSPECIFIED,
            &["0.0.0.0", "0.0.0.1", "0.255.255.255", "::", "::ffff:0.0.0.0", "64:ff9b::0.0.0.0"],
        ),
        (
            MULTICAST,
            &["224.0.0.0", "224.0.0.251", "239.255.255.255", "ff00::", "ff02::1", "ffff::ffff"],
        ),
        ("the broadcast address", &["255.255.255.255", "::ffff:255.255.255.255"]),
        (
            RESERVED,
            &[
                "192.0.0.0",
                "192.0.0.8",
                "192.0.0.170",
                "240.0.0.0",
                "255.255.255.254",
                // IPv4-translated, of a stateless translator.
                "::ffff:0:127.0.0.1",
                "64:ff9b:0:1::7f00:1",
                "64:ff9b:2::1",
                "100:0:0:1::1",
                "200::1",
                "1fff:ffff::1",
                "2001:1::1",
                "2001:20::1",
                "2001:1ff:ffff::1",
                "4000::1",
                "5f00::1",
                "8000::1",
                "e000::1",
                "fbff::1",
                "fe00::1",
            ],
        ),
        (
            DOCUMENTATION,
            &[
                "192.0.2.1",
                "198.51.100.1",
                "203.0.113.255",
                "2001:db8::1",
                "2001:db8:ffff::1",
                "3fff::1",
                "3fff:fff:ffff::1",
                "64:ff9b::192.0.2.1",
            ],
        ),
        ("a benchmarking address", &["198.18.0.0", "198.19.255.255", "2001:2::1"]),
        ("a 6to4 relay's address", &["192.88.99.1"]),
        (
            "an IPv4-compatible address",
            &["::127.0.0.1", "::8.8.8.8", "::7f00:1", "::2", "::10.0.0.1", "::169.254.169.254"],
        ),
        (
            "an address of a local NAT64",
            &["64:ff9b:1::", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::", "64:ff9b:1::8.8.8.8"],
        ),
        ("a discard-only address", &["100::", "100::1"]),
        (
            "a Teredo address",
            // The last carries 127.0.0.1, its bits turned over.
            &["2001::", "2001:0:1:2::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"],
        ),
        (
            "a 6to4 address",
            &["2002::", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1", "2002:a00:1::1"],
        ),
    ] {
        for address in addresses {
            let refused = checked(address).expect_err(address);
            assert_eq!(refused.kind, kind, "{address}");
        }
    }
}

#[test]
fn what_is_public_is_not_refused() {
    for address in [
        "1.0.0.0",
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "52.94.5.1",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "64:ff9b::808:808",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7:ffff::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffe:ffff::1",
        "3fff:1000::1",
    ] {
        assert_eq!(checked(address), Ok(()), "{address}");
    }
}

#[test]
fn a_network_that_was_allowed_is() {
    let networks = ["10.1.0.0/16", "fd00::/8"].map(|text| text.parse().expect("a network"));
    let policy = AddressPolicy::public_only().allowing(networks);
    let check = |text: &str| policy.check("host.test", text.parse().expect("an address"));
    for address in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "8.8.8.8"] {
        assert_eq!(check(address), Ok(()), "{address}");
    }
    // The forms that go through a gateway are other addresses, which nobody allowed.
    for address in ["10.2.0.1", "127.0.0.1", "64:ff9b::10.1.2.3", "2002:a01:203::", "::10.1.2.3"] {
        check(address).expect_err(address);
    }
}

#[test]
fn what_is_of_one_machine_is_no_private_network() {
    let policy = AddressPolicy::public_only().allowing_private();
    let check = |text: &str| policy.check("host.test", text.parse().expect("an address"));
    for address in
        ["10.1.2.3", "127.0.0.1", "::1", "192.168.1.1", "100.64.0.1", "fd12::1", "8.8.8.8"]
    {
        assert_eq!(check(address), Ok(()), "{address}");
    }
    for address in [
        "169.254.169.254",
        "169.254.170.23",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "100.100.100.200",
        "168.63.129.16",
        "fe80::1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "64:ff9b::10.1.2.3",
        "2002:a01:203::",
    ] {
        check(address).expect_err(address);
    }
}

#[test]
fn the_message_says_what_was_asked_for_and_what_can_be_set() {
    let policy = AddressPolicy::public_only();
    let error = |policy: &AddressPolicy, host: &str, address: &str| {
        policy.check(host, address.parse().expect("an address")).expect_err(host).to_string()
    };
    assert_eq!(
        error(&policy, "keys.test", "::ffff:10.0.0.1"),
        "keys.test is at 10.0.0.1, a private address, and no setting allows that"
    );
    let named = policy.naming("`[outbound] resolve`");
    assert_eq!(
        error(&named, "keys.test", "10.0.0.1"),
        "keys.test is at 10.0.0.1, a private address; if that is meant, `[outbound] resolve` can \
         allow it"
    );
    assert_eq!(
        error(&named, "127.0.0.1", "127.0.0.1"),
        "127.0.0.1 is a loopback address, and no setting allows that"
    );
}

proptest! {
    /// Every form that carries an IPv4 address is at most as public as the address.
    #[test]
    fn no_form_of_a_guarded_address_is_public(bits in any::<u32>()) {
        let address = Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = address.octets();
        let low = u128::from(bits);
        let forms = [
            low | 0xffff << 32,                                     // mapped
            low | 0x0064_ff9b << 96,                                // NAT64
            low,                                                    // compatible
            low | 0xffff << 48,                                     // translated
            0x0064_ff9b_0001 << 80 | low,                           // local NAT64, /96
            u128::from_be_bytes([0, 0x64, 0xff, 0x9b, 0, 1, a, b, 0, c, d, 0, 0, 0, 0, 0]),
            u128::from_be_bytes([0x20, 2, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            0x2001_0000 << 96 | u128::from(!bits),                  // Teredo
        ];
        for form in forms {
            let form = IpAddr::from(Ipv6Addr::from_bits(form)).to_canonical();
            if not_public_v4(address).is_some() {
                prop_assert!(not_public(form).is_some(), "{form} carries {address}");
            }
        }
    }
}
