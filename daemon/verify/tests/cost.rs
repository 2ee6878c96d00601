//! Verification stands in the way of every request. The bound is loose enough for a busy machine
//! and an unoptimised build, so that only a mistake of an order of magnitude fails; `--nocapture`
//! shows the numbers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hookyard_verify::{Request, Secret, Settings, UnixTime, Verifier, profile, sign};
use http::{HeaderMap, Method};

#[test]
fn a_small_body_takes_microseconds() {
    const ROUNDS: u32 = 2_000;
    let github = profile("github").expect("known");
    let verifier = Verifier::for_profile(github, [Secret::from("s")], Settings::default())
        .expect("a verifier");
    let now = UnixTime::from_secs(1_750_000_000);
    for size in [100, 1_000, 10_000] {
        let mut request = Request {
            method: Method::POST,
            url: "https://hooks.example.com/in".to_owned(),
            path: "/in".to_owned(),
            query: None,
            params: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'x'; size]),
        };
        request = sign(github.scheme, &Secret::from("s"), request, now, &Settings::default())
            .expect("signed");
        let best = (0..5)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..ROUNDS {
                    request = verifier.verify(request.clone(), now).expect("valid").into_request();
                }
                start.elapsed() / ROUNDS
            })
            .min()
            .expect("five tries");
        println!("{size} bytes: {best:?}");
        assert!(best < Duration::from_micros(500), "{size} bytes took {best:?}");
    }
}
