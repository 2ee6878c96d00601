use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;
use crate::private_key::PrivateKey;

const ED25519: &str = include_str!("../../tests/keys/ed25519.pem");
const P256: &str = include_str!("../../tests/keys/p256.pem");
const RSA: &str = include_str!("../../tests/keys/rsa.pem");
const MESSAGE: [&[u8]; 3] = [b"what do ya want ", b"", b"for nothing?"];

/// Signatures of the message with these keys, made by OpenSSL.
const SIGNATURES: &[(SignatureAlgorithm, &str)] = &[
    (
        SignatureAlgorithm::Ed25519,
        "QApA9bFfFk3anp8v0S4Dxck+516bjWbsfbn9cPqlt10I4HwV7ak1rj+XGIMswY+Bao1/Kh/GCTVo7rSD89/uAQ==",
    ),
    (
        SignatureAlgorithm::EcdsaSha256,
        "MEUCIAUgSgibwQnTC3/OrEtPzDsVbHLWGbamVzspPEWrXpRAAiEAjcoBZULyFhx0eXN5SjE7/lowzugBPglsULve\
         Jrovizs=",
    ),
    (
        SignatureAlgorithm::EcdsaSha256Fixed,
        "BSBKCJvBCdMLf86sS0/MOxVsctYZtqZXOyk8RatelECNygFlQvIWHHR5c3lKMTv+WjDO6AE+CWxQu94mui+LOw==",
    ),
    (
        SignatureAlgorithm::EcdsaSha1,
        "MEYCIQCJjQDGYIr8u871ay4O177Qcb2AAVeobWFGf/ekm6MRzAIhAPqYuugEkFf7nL6Q7apWfEP4dSqy6IgVnVy7\
         aHT+1Eic",
    ),
    (
        SignatureAlgorithm::RsaSha1,
        "ajlbMoBRD6Nts5+i2knF90CQY300mxgMMuLeQP+qoCPhPsOAw4BKR4LVZc9dLGZc3/gv2PX34DkAEJn6HOBDgZRb\
         F0FUbOJdnluADKy1QxeUvewF+aUXiNb0jzoSVgp9PF4uoMgJXQTwq0TFrAolo5GyKs2c2bJuNMc3wYga1gu11RN1\
         OMZVJsp3zRiNnYIEfMUx+xlzcmsyuB0sIiKreOo7o72ae2Sc8vA3kR1RujTg99vxR/9SIrMm4HjmBcHim4MdL7Oj\
         WxyfDhBbBocXBZLpeRXZ9E6UByxEHkhFKbjg/XUkT80mUl7U0cpY/vIGaI+ShrMu2pwsZMR3YVnR0Q==",
    ),
    (
        SignatureAlgorithm::RsaSha256,
        "g54trh7i+e5TyBDFGnVFzqaJfzg37M+TMSH0n6y4q8U5GCx31LExaa+5UrmXpTcG0NrGkDoTylO3MN1Nv98d/B4v\
         kUEBD0SpsECSV7pPzh6Kr1h0dZxza2T7pZXnqMsatRrMGM5moy42hcvgKWQBN6CQjMwhpElq8bzhzjQYDZgnYv0U\
         FoZaCwq+B8bUT78213Pq72ZEL8XXq8BnMSicpdaDR2Nez9y64uNB1rPkiXPmxBGq0bEX13pTmA4wzONOS3YKxmgz\
         j+7/+Nl6DpHM4Dxmaxu+n/GeZMPQas0gvJkljT2gFsbkNIFONN6Z5j23XXcEwn/SoHCWGUwdIg4z6g==",
    ),
    (
        SignatureAlgorithm::RsaSha256Twice,
        "heMfJa1phJZIj2RfimsMTPQO3GuAto8pzrgaeV4UuHoIfnnrf2wtUFzvS8+xKuS2XBV1PqzAN96jFm28irQH0WWY\
         oQw31I2tvxFhMYvcNmxH4fdu5mEaxMZlXOw9V8Br7fftoKf3JPwTuwAfheT3Ty9PvGiaT5RcsCcSNsuW3/UzIh5Y\
         kncV7Ix0bCjlpCWqQY8X/HZ0O9Rcd4ixuN8Z8n4fQ/g8H1dMhOeWNTRRO8SwJ67Hz1QhOdeGRvhMqdOPDpuhrdwe\
         QPxQlMbeCon3fycKDYDtPiDIeR79f0sG2bKsKswKTyO42WaVnFYzVt/S9JU/Zwy0Q27g+nIqY7id8A==",
    ),
    (
        SignatureAlgorithm::RsaSha384,
        "jrqYapI0A/w83kR3ppqWuDtfNId0tkig3zu4Qj5l5D7zfuATJbr8IUzsajK2v6l+avv8vXJt1BaOdlbKxO7vlBdo\
         e581vR7ptXEBUvcmEjiXD65hM6iQBK9hLpEriNnFoERq0Z1dQlQ/2CmgvdA69RWNDgd7+Jp0SATo/Kn7Gsr49OGZ\
         vxDukfyAs9MUjluvmyMNnYSk2ENMmLIrr8YUnYld/kj84X6W7+ldFwLMUpef3uUxMZtd7H6rFaEIFf3zBFROi6FC\
         jW16iW65ryDLj6qTcXcffHm/nYUGq7GkTc3ZZWjIzuKoAVkrXtJHXMQmRjEjOalldIVe+rDB6Y7EaQ==",
    ),
    (
        SignatureAlgorithm::RsaSha512,
        "HmXSMz+6oVfSL8HJSiDW3c+adRmOsvEGTDGCQMMU6dhhA7jsiyyaxipp5pdBFM0h3MWbaDjyL3VXb3gRmtS9kvBP\
         lj/Iy4VFz4mhJWiFqxVy2Ml/5cpE3Gf+lUZhrRDcbn2woTfccEmyMlno06o3OdyzUezPNntpfx/dQj16LG3rBT2w\
         2O43pWG3dKT7/j8pla6HmRwkUQZyP4Zr+hLz8R8HSdJosZbbFjdXDbvU2/CQ8ya0rON4czwprQ5pjJQp/ZuSFnq6\
         nZlkNzF089XLNCmPnK4GozZeS1Me+PlOq3/ofAMctS3MjaxWmg2mcWYQfTdgw65nOBpvuSGxlzxw9g==",
    ),
    (
        SignatureAlgorithm::RsaPssSha512,
        "dacB4uUGCQ7Z39rt9MPMge9nsgHUFaKYVBeESQgGD8UysrjDk1SaT9OVWY1o12L3V5p4v0aMEbANuBF5q/3irt/2\
         Ua5sFNZlXnsFo01KfrbFozDRpz74gDn9jPn1g5fvycfrLQhtSbjAFAI30b2V7xX4YEYG3mVDU8J8oFimCO2T+9mz\
         sHTLubMPUaEq0PjqLFHN2qz29c50IQm7/McWP3EzXuvlHFG3fSf1VC9K917ElQ/WnRUATLFv3Ak1UwxsVyGM7urD\
         O5Wb8hkkWeVgI925hKcoNzLr/YW+ArYyJIAHWHwWT2jmgAnOPXtSC2rUzqXMTY5AwGh5BlHKsRu6dQ==",
    ),
];

/// PSS with a salt of 20 bytes, which is another scheme.
const SHORT_SALT: &str = "YjUgZUUXDRTmf8QGRFNBYZsrUBQyXDDLsOJARy2qfI0oZBa0UVz8xUtENUuXf3q6YIpl1hdlub88P/p9KnfUPIo/9R72\
     dtwvluJIJLc5Zd2flwHr5jxJ3WSpQrMtcy/kuUCoi1PG/Pwtz76WaRSY16nY7uN+v6dDuYAv0KbDM4bR0jnpC5OFyuXu\
     sG3ILo8/4advpl2D2mm03Jab/sp3gf0KWMmZ/pTxVJFX7++gCIRYq2g7QM5L9hrene0mHeWjV6EgE/jTxR7CjN809Y6D\
     nqy06c8Dq9Z79PcwXpI6GIRTHpyKpopzXPaCOv/7weiNAv8Jd6Cs2vjqs3X1jK7/Ug==";

const KINDS: [(KeyKind, &str); 3] =
    [(KeyKind::Ed25519, ED25519), (KeyKind::P256, P256), (KeyKind::Rsa, RSA)];

fn private(kind: KeyKind) -> PrivateKey {
    let (_, text) = KINDS.iter().find(|(other, _)| *other == kind).expect("a key");
    PrivateKey::read(text.as_bytes(), kind).expect("a private key")
}

fn public(kind: KeyKind) -> PublicKey {
    private(kind).public()
}

/// The DER of a key, which for Ed25519 has a fixed beginning (RFC 8410).
fn spki(key: &PublicKey) -> Vec<u8> {
    let bytes = key.to_bytes().expect("encodable");
    match key.kind() {
        KeyKind::Ed25519 => {
            let beginning = HEXLOWER.decode(b"302a300506032b6570032100").expect("hexadecimal");
            [beginning, bytes].concat()
        }
        KeyKind::P256 | KeyKind::Rsa => bytes,
    }
}

fn decoded(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).expect("base64")
}

fn error(text: &str, kind: KeyKind) -> SecretError {
    PublicKey::read(text.as_bytes(), kind).expect_err(text)
}

#[test]
fn signatures_of_another_implementation_hold_and_changed_ones_do_not() {
    let whole = MESSAGE.concat();
    for (algorithm, text) in SIGNATURES {
        let key = public(algorithm.key_kind());
        let signature = decoded(text);
        assert!(key.verify(*algorithm, &MESSAGE, &signature), "{algorithm}");
        assert!(key.verify(*algorithm, &[&whole], &signature), "{algorithm}");
        assert!(!key.verify(*algorithm, &MESSAGE[1..], &signature), "{algorithm}");
        for at in 0..signature.len() {
            let mut changed = signature.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(!key.verify(*algorithm, &MESSAGE, &changed), "{algorithm}, byte {at}");
        }
        for wrong in [&signature[1..], &signature[..signature.len() - 1], &[]] {
            assert!(!key.verify(*algorithm, &MESSAGE, wrong), "{algorithm}");
        }
        assert!(!key.verify(*algorithm, &MESSAGE, &[&signature[..], &[0]].concat()));
        assert!(!key.verify(*algorithm, &MESSAGE, &[&[0], &signature[..]].concat()));
        for (other, _) in SIGNATURES.iter().filter(|(other, _)| other != algorithm) {
            assert!(!key.verify(*other, &MESSAGE, &signature), "{algorithm} as {other}");
        }
    }
    let rsa = public(KeyKind::Rsa);
    assert!(!rsa.verify(SignatureAlgorithm::RsaPssSha512, &MESSAGE, &decoded(SHORT_SALT)));
}

#[test]
fn what_is_signed_here_is_verified_here_and_is_what_others_sign() {
    for (algorithm, text) in SIGNATURES {
        let key = private(algorithm.key_kind());
        let signature = key.sign(*algorithm, &MESSAGE).expect("the key fits");
        assert!(key.public().verify(*algorithm, &MESSAGE, &signature), "{algorithm}");
        // Those without anything random are the same everywhere.
        let fixed = algorithm.key_kind() == KeyKind::Ed25519
            || (algorithm.key_kind() == KeyKind::Rsa
                && *algorithm != SignatureAlgorithm::RsaPssSha512);
        assert!(!fixed || signature == decoded(text), "{algorithm}");
    }
    let ed25519 = private(KeyKind::Ed25519);
    assert!(ed25519.sign(SignatureAlgorithm::RsaSha256, &MESSAGE).is_none());
}

#[test]
fn a_key_is_read_in_every_spelling() {
    for (kind, _) in KINDS {
        let key = public(kind);
        let spki = spki(&key);
        let base64 = BASE64.encode(&spki);
        let wrapped: Vec<&str> = base64
            .as_bytes()
            .chunks(64)
            .filter_map(|line| std::str::from_utf8(line).ok())
            .collect();
        let wrapped = wrapped.join("\n");
        for text in [
            base64.clone(),
            wrapped.clone(),
            wrapped.replace('\n', "\r\n"),
            format!("-----BEGIN PUBLIC KEY-----\n{wrapped}\n-----END PUBLIC KEY-----\n"),
            format!("-----BEGIN PUBLIC KEY-----{base64}-----END PUBLIC KEY-----"),
            format!("-----BEGIN PUBLIC KEY----- {base64} -----END PUBLIC KEY-----"),
        ] {
            assert_eq!(PublicKey::read(text.as_bytes(), kind).as_ref(), Ok(&key), "{text}");
        }
        assert_eq!(PublicKey::from_spki(&spki), Ok(key.clone()));
        for (other, _) in KINDS.iter().filter(|(other, _)| *other != kind) {
            let expected = other.expected();
            assert_eq!(error(&base64, *other), SecretError::NotAPublicKey { expected });
        }
        assert!(PublicKey::from_spki(&spki[..spki.len() - 1]).is_err());
        assert!(PublicKey::from_spki(&[&spki[..], &[0]].concat()).is_err());
    }
}

#[test]
fn raw_keys_and_those_of_json_web_keys_are_read() {
    let PublicKey::Ed25519(key) = public(KeyKind::Ed25519) else { panic!("the kind") };
    let raw = key.as_bytes();
    for text in [
        HEXLOWER.encode(raw),
        HEXLOWER.encode(raw).to_uppercase(),
        BASE64.encode(raw),
        BASE64_NOPAD.encode(raw),
        BASE64URL.encode(raw),
        BASE64URL_NOPAD.encode(raw),
    ] {
        let read = PublicKey::read(text.as_bytes(), KeyKind::Ed25519);
        assert_eq!(read, Ok(PublicKey::Ed25519(key)), "{text}");
    }
    let PublicKey::P256(key) = public(KeyKind::P256) else { panic!("the kind") };
    let point = key.to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    assert_eq!(PublicKey::p256(x, y), Ok(PublicKey::P256(key)));
    assert!(PublicKey::p256(&x[1..], y).is_err() && PublicKey::p256(y, x).is_err());
    let PublicKey::Rsa(key) = public(KeyKind::Rsa) else { panic!("the kind") };
    let (n, e) = (key.n_bytes(), key.e_bytes());
    assert_eq!(PublicKey::rsa(&n, &e), Ok(PublicKey::Rsa(key)));
    for (n, e) in [(&n[..], &[][..]), (&[], &e), (&n, &n), (&n, &[2]), (&[0xff; 1025], &e)] {
        assert!(PublicKey::rsa(n, e).is_err());
    }
}

#[test]
fn what_cannot_be_right_is_refused() {
    for (kind, private) in KINDS {
        assert_eq!(error(private, kind), SecretError::PrivateKey);
        assert_eq!(error("  \n", kind), SecretError::Empty);
        let no_key = SecretError::NotAPublicKey { expected: kind.expected() };
        for text in [
            "hunter2 hunter2",
            "-----BEGIN PUBLIC KEY-----\n-----END PRIVATE KEY-----",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
        ] {
            assert_eq!(error(text, kind), no_key, "{text}");
        }
        assert!(PublicKey::read(b"\xff\xfe", kind).is_err());
    }
    // The neutral element, for which a signature of zeros would hold.
    let neutral = format!("01{}", "00".repeat(31));
    assert_eq!(error(&neutral, KeyKind::Ed25519), SecretError::WeakKey);
    assert_eq!(error("whsk_QUJD", KeyKind::Ed25519), SecretError::PrivateKey);
    let short = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCz91PlfzLVxeB+c1L4X0tdyAm5OC5ik3PFOoa1hFTuO77K\
                 S4J50oXc8yUs+xzLvfNE9yohR/Bu06Ms84UVSUyRibusvUjzR+f3uO83Y+TR6Uyx8anPTOMtWRvnAxs8xjqZ\
                 VAc8mq1go/kZYrotW9HW3UFP2tfBfeGnyqfEbJohpQIDAQAB";
    assert_eq!(error(short, KeyKind::Rsa), SecretError::ShortRsaKey { bits: 1024 });
}

#[test]
fn signatures_have_one_spelling() {
    let ed25519 = public(KeyKind::Ed25519);
    let mut signature = decoded(SIGNATURES[0].1);
    // The order of the group, added to the scalar: the equation holds just as well.
    let order = HEXLOWER
        .decode(b"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        .expect("hexadecimal");
    let mut carry = 0;
    for (byte, more) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        (*byte, carry) = (sum.to_le_bytes()[0], sum >> 8);
    }
    assert_eq!(carry, 0);
    assert!(!ed25519.verify(SignatureAlgorithm::Ed25519, &MESSAGE, &signature));
    // DER in which a number has a zero more, or the length another form.
    let p256 = public(KeyKind::P256);
    let der = decoded(SIGNATURES[1].1);
    let longer = [&[0x30, der[1] + 1, 2, der[3] + 1, 0], &der[4..]].concat();
    let long_form = [&[0x30, 0x81, der[1]], &der[2..]].concat();
    for other in [longer, long_form] {
        assert!(!p256.verify(SignatureAlgorithm::EcdsaSha256, &MESSAGE, &other));
    }
}

/// Bytes, at times in the shape of a signature in DER.
fn any_signature() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let der = (bytes(36), bytes(36), any::<u8>(), 0u8..4).prop_map(|(r, s, len, break_it)| {
        let number =
            |bytes: &[u8]| [&[2, u8::try_from(bytes.len()).expect("short")], bytes].concat();
        let numbers = [number(&r), number(&s)].concat();
        let len = if break_it == 0 { len } else { u8::try_from(numbers.len()).expect("short") };
        [&[0x30, len], &numbers[..]].concat()
    });
    let sizes = prop_oneof![Just(64usize), Just(256), 0usize..1100];
    prop_oneof![der, sizes.prop_flat_map(|size| prop::collection::vec(any::<u8>(), size)),]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_signature_panics_and_none_holds_by_chance(
        signature in any_signature(), which in any::<prop::sample::Index>(),
    ) {
        let (algorithm, _) = SIGNATURES[which.index(SIGNATURES.len())];
        let key = public(algorithm.key_kind());
        prop_assert!(!key.verify(algorithm, &MESSAGE, &signature));
    }

    /// Keys are read from answers of senders' APIs too.
    #[test]
    fn no_key_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        flip in any::<(prop::sample::Index, u8)>(), cut in any::<prop::sample::Index>(),
        label in "(PUBLIC KEY|RSA PUBLIC KEY|PRIVATE KEY|EC PRIVATE KEY|[A-Z -]{0,9})",
    ) {
        for (kind, _) in KINDS {
            let _ = PublicKey::read(&bytes, kind);
            let _ = PrivateKey::read(&bytes, kind);
            let pem = format!("-----BEGIN {label}-----{}-----END {label}-----", BASE64.encode(&bytes));
            let _ = PublicKey::read(pem.as_bytes(), kind);
            let _ = PrivateKey::read(pem.as_bytes(), kind);
            let mut der = spki(&public(kind));
            let at = flip.0.index(der.len());
            der[at] ^= flip.1;
            let _ = PublicKey::from_spki(&der);
            der.truncate(cut.index(der.len()));
            prop_assert!(PublicKey::from_spki(&der).is_err());
        }
        let (x, y) = bytes.split_at(cut.index(bytes.len() + 1));
        let _ = PublicKey::p256(x, y);
        let _ = PublicKey::rsa(x, y);
        let _ = PublicKey::ed25519(x);
    }
}
