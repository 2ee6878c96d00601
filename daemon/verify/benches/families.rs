//! What it costs to verify a body of 2 KB, for each family, beside the bare hash of the same bytes.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use hookyard_verify::{Request, Secret, Settings, UnixTime, Verifier, profile, sign};
use http::{HeaderMap, HeaderValue, Method};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

const NOW: UnixTime = UnixTime::from_secs(1_750_000_000);

/// The secret of those whose secret is any text.
const TEXT: &str = "secret";

/// Senders whose signature is a keyed hash of the body and little else, by its hash, with their secrets.
/// The bare hash of the body alone is what they are compared with.
const HMACS: &[(&str, &str, &str)] = &[
    ("sha256", "github", TEXT),
    ("sha256", "stripe", TEXT),
    ("sha256", "shopify", TEXT),
    ("sha256", "slack", TEXT),
    ("sha256", "square", TEXT),
    ("sha256", "zoom", TEXT),
    ("sha256", "standard-webhooks", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ("sha1", "vercel", TEXT),
    ("sha512", "paystack", TEXT),
];

fn request() -> Request {
    let member = "\"repository\":{\"full_name\":\"octo/cat\",\"private\":false},";
    let body = format!("{{{}\"id\":1}}", member.repeat(2048 / member.len()));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    // What Standard Webhooks sign besides.
    headers.insert("webhook-id", HeaderValue::from_static("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    Request {
        method: Method::POST,
        url: "https://hooks.example.com/in".to_owned(),
        path: "/in".to_owned(),
        query: None,
        params: Vec::new(),
        headers,
        body: Bytes::from(body),
    }
}

fn bare<M: Mac + KeyInit + Clone>(criterion: &mut Criterion, name: &str) {
    let keyed = <M as KeyInit>::new_from_slice(b"secret").expect("any length");
    let request = request();
    let mut group = criterion.benchmark_group(format!("hmac-{name}"));
    group.throughput(Throughput::Bytes(request.body.len() as u64));
    group.bench_function("bare", |bencher| {
        bencher.iter(|| {
            let mut mac = keyed.clone();
            mac.update(black_box(&request.body));
            mac.finalize().into_bytes()
        });
    });
    for (_, sender, secret) in HMACS.iter().filter(|(hash, ..)| *hash == name) {
        let scheme = profile(sender).expect(sender).scheme;
        let secret = Secret::from(*secret);
        let settings = Settings::default();
        let signed = sign(scheme, &secret, request.clone(), NOW, &settings).expect(sender);
        let verifier = Verifier::new(scheme.clone(), [secret]).expect(sender);
        let mut waiting = Some(signed);
        group.bench_function(*sender, |bencher| {
            bencher.iter(|| {
                // What comes back is what went in, so that nothing is copied for the next round.
                let signed = waiting.take().expect("one is always waiting");
                let verified = verifier.verify(black_box(signed), NOW).expect("genuine");
                waiting = Some(verified.into_request());
            });
        });
    }
    group.finish();
}

/// A sender of each other family, with what its route is told and what it signs with.
struct Other {
    sender: &'static str,
    /// What the route is given; the public half where there is a pair.
    given: &'static str,
    /// What is signed with.
    private: &'static str,
    settings: &'static [(&'static str, &'static str)],
    body: Option<&'static str>,
    media: &'static str,
}

const JSON: &str = "application/json";

const OTHERS: &[Other] = &[
    Other {
        sender: "discord",
        given: include_str!("../tests/keys/ed25519.pub"),
        private: include_str!("../tests/keys/ed25519.pem"),
        settings: &[],
        body: None,
        media: JSON,
    },
    Other {
        sender: "sendgrid",
        given: include_str!("../tests/keys/p256.pub"),
        private: include_str!("../tests/keys/p256.pem"),
        settings: &[],
        body: None,
        media: JSON,
    },
    Other {
        sender: "postal",
        given: include_str!("../tests/keys/rsa.pub"),
        private: include_str!("../tests/keys/rsa.pem"),
        settings: &[],
        body: None,
        media: JSON,
    },
    Other {
        sender: "telegram",
        given: "open-sesame",
        private: "open-sesame",
        settings: &[],
        body: None,
        media: JSON,
    },
    Other {
        sender: "livekit",
        given: "open-sesame-open-sesame-open-sesame",
        private: "open-sesame-open-sesame-open-sesame",
        settings: &[("api_key", "APIkey")],
        body: None,
        media: JSON,
    },
    Other {
        sender: "twilio",
        given: "open-sesame",
        private: "open-sesame",
        settings: &[],
        body: Some("Body=Ahoy&From=%2B15017122661&MessageSid=SM1&MessageStatus=sent&To=%2B1501"),
        media: "application/x-www-form-urlencoded",
    },
    Other {
        sender: "mailgun",
        given: "open-sesame",
        private: "open-sesame",
        settings: &[],
        body: None,
        media: JSON,
    },
];

/// Families that are no keyed hash of the body in a header. Nothing is left out of the check. Those with
/// a keyed hash of something short (a token, a URL, a few values) spend their time on reading it.
fn others(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("others");
    for other in OTHERS {
        let profile = profile(other.sender).expect(other.sender);
        let mut settings = Settings::default();
        other.settings.iter().for_each(|(name, value)| settings.insert(*name, *value));
        let mut request = request();
        if let Some(body) = other.body {
            request.body = Bytes::from_static(body.as_bytes());
        }
        request.headers.insert("content-type", HeaderValue::from_static(other.media));
        let private = Secret::from(other.private);
        let signed = sign(profile.scheme, &private, request, NOW, &settings).expect(other.sender);
        let secrets = [Secret::from(other.given)];
        let verifier = Verifier::for_profile(profile, secrets, settings).expect(other.sender);
        group.bench_function(other.sender, |bencher| {
            // A credential is taken out of what comes back, so that each round has a copy.
            bencher.iter(|| verifier.verify(black_box(signed.clone()), NOW).expect("genuine"));
        });
    }
    group.finish();
}

fn families(criterion: &mut Criterion) {
    bare::<Hmac<Sha256>>(criterion, "sha256");
    bare::<Hmac<Sha1>>(criterion, "sha1");
    bare::<Hmac<Sha512>>(criterion, "sha512");
    others(criterion);
}

criterion_group!(benches, families);
criterion_main!(benches);
