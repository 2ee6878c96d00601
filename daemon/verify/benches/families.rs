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

/// A sender of each HMAC family, by its hash.
const HMACS: &[(&str, &str)] = &[
    ("sha256", "github"),
    ("sha256", "stripe"),
    ("sha256", "shopify"),
    ("sha256", "slack"),
    ("sha256", "square"),
    ("sha1", "vercel"),
    ("sha512", "paystack"),
];

fn request() -> Request {
    let member = "\"repository\":{\"full_name\":\"octo/cat\",\"private\":false},";
    let body = format!("{{{}\"id\":1}}", member.repeat(2048 / member.len()));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
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
    for (_, sender) in HMACS.iter().filter(|(hash, _)| *hash == name) {
        let scheme = profile(sender).expect(sender).scheme;
        let secret = Secret::from("secret");
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

fn families(criterion: &mut Criterion) {
    bare::<Hmac<Sha256>>(criterion, "sha256");
    bare::<Hmac<Sha1>>(criterion, "sha1");
    bare::<Hmac<Sha512>>(criterion, "sha512");
}

criterion_group!(benches, families);
criterion_main!(benches);
