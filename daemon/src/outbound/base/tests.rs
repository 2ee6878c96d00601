use proptest::prelude::*;

use super::*;

fn base(url: &str) -> BaseUrl {
    BaseUrl::parse(url).expect(url)
}

fn joined(path: &str) -> Result<String, BadPath> {
    let target = base("https://api.test/v1").join(path, &[])?;
    Ok(format!("{}{}", target.origin(), target.path_and_query()))
}

#[test]
fn a_path_is_below_its_base() {
    for (path, whole) in [
        ("", "https://api.test/v1/"),
        ("/", "https://api.test/v1/"),
        ("users", "https://api.test/v1/users"),
        ("/users", "https://api.test/v1/users"),
        ("users/", "https://api.test/v1/users/"),
        ("users/@me", "https://api.test/v1/users/@me"),
        // After a host without a path these would be a user and a port.
        ("@evil.test/", "https://api.test/v1/@evil.test/"),
        (":8443/", "https://api.test/v1/:8443/"),
        (".evil.test", "https://api.test/v1/.evil.test"),
        ("javascript:alert(1)", "https://api.test/v1/javascript:alert(1)"),
        ("projects/a%2Fb/issues", "https://api.test/v1/projects/a%2Fb/issues"),
        ("a...b/..c/d..", "https://api.test/v1/a...b/..c/d.."),
        ("100%25", "https://api.test/v1/100%25"),
        ("%C3%A9%E0%A4%85%F0%9F%A6%80%20a", "https://api.test/v1/%C3%A9%E0%A4%85%F0%9F%A6%80%20a"),
        ("a?b=c&d=%20", "https://api.test/v1/a?b=c&d=%20"),
        ("a?next=../../x", "https://api.test/v1/a?next=../../x"),
        ("a?", "https://api.test/v1/a"),
        ("?page=2", "https://api.test/v1/?page=2"),
        // The whole URL that a link of an answer is.
        ("https://api.test/v1/a?page=2", "https://api.test/v1/a?page=2"),
        ("https://API.test:443/v1/a", "https://api.test/v1/a"),
    ] {
        assert_eq!(joined(path).as_deref(), Ok(whole), "{path}");
    }
    let query = [("a b".to_owned(), "c&d=é".to_owned()), ("x".to_owned(), String::new())];
    let target = base("https://api.test/").join("s?q=1", &query).expect("joins");
    assert_eq!(target.path_and_query().to_string(), "/s?q=1&a+b=c%26d%3D%C3%A9&x=");
    assert_eq!(without_values(&target), "https://api.test/s?q=…&a+b=…&x=…");
    let target = base("https://api.test/").join("s?token", &[]).expect("joins");
    assert_eq!(without_values(&target), "https://api.test/s?…");
}

#[test]
fn what_could_leave_the_base_is_refused() {
    for (path, why) in [
        ("..", BadPath::Dots),
        ("../x", BadPath::Dots),
        ("a/../../x", BadPath::Dots),
        ("a/..", BadPath::Dots),
        ("./a", BadPath::Dots),
        ("a/./b", BadPath::Dots),
        ("%2e%2e/x", BadPath::Dots),
        (".%2E/x", BadPath::Dots),
        ("%252e%252e/x", BadPath::Dots),
        ("%25252e%25252e/x", BadPath::Dots),
        ("..%2fx", BadPath::Dots),
        ("a%2f..%2f..%2fx", BadPath::Dots),
        ("..;/x", BadPath::Dots),
        ("..;a=b/x", BadPath::Dots),
        ("%2e%2e%3b/x", BadPath::Dots),
        ("..%20/x", BadPath::Dots),
        ("%2e%20", BadPath::Dots),
        ("%c0%ae%c0%ae/x", BadPath::Overlong),
        ("%25c0%25ae/x", BadPath::Overlong),
        ("a%e0%80%af", BadPath::Overlong),
        ("a%F0%80%80%AF", BadPath::Overlong),
        ("//evil.test/x", BadPath::Empty),
        ("///evil.test", BadPath::Empty),
        ("a//b", BadPath::Empty),
        ("%2f%2fevil.test", BadPath::Empty),
        ("/%2fevil.test", BadPath::Empty),
        ("%252f%252fevil.test", BadPath::Empty),
        ("a%2f", BadPath::Empty),
        ("\\\\evil.test", BadPath::Backslash),
        ("a\\..\\b", BadPath::Backslash),
        ("%5c%5cevil.test", BadPath::Backslash),
        ("%255cevil.test", BadPath::Backslash),
        ("..%5cx", BadPath::Backslash),
        ("a#b", BadPath::Fragment),
        ("#", BadPath::Fragment),
        ("a?b#c", BadPath::Fragment),
        ("a\r\nhost: evil.test", BadPath::Control),
        ("a\n", BadPath::Control),
        ("a\0b", BadPath::Control),
        ("a\tb", BadPath::Control),
        ("a%0d%0ahost:%20evil.test", BadPath::Control),
        ("a%00", BadPath::Control),
        ("a%250a", BadPath::Control),
        ("a?b=\r\nc", BadPath::Control),
        ("a b", BadPath::Character),
        ("a?b c", BadPath::Character),
        ("é", BadPath::Character),
        ("a\"b", BadPath::Character),
        ("a%", BadPath::Percent),
        ("a%2", BadPath::Percent),
        ("a%zz", BadPath::Percent),
        ("a?b=%", BadPath::Percent),
        ("a%2525252525252525", BadPath::Percent),
        ("https://evil.test/", BadPath::Elsewhere),
        ("https://evil.test/v1/", BadPath::Elsewhere),
        ("http://api.test/v1/a", BadPath::Elsewhere),
        ("https://api.test:8443/v1/a", BadPath::Elsewhere),
        ("https://api.test/v2/a", BadPath::Elsewhere),
        ("https://api.test/v1", BadPath::Elsewhere),
        ("https://api.test/v1x/a", BadPath::Elsewhere),
        ("https://api.test/v1/../a", BadPath::Dots),
        ("https://api.test/v1//evil.test", BadPath::Empty),
        ("https://api.test@evil.test/v1/a", BadPath::Elsewhere),
        ("https://me:pass@api.test/v1/a", BadPath::Elsewhere),
        ("https://api.test\\@evil.test/v1/", BadPath::Elsewhere),
        ("https://api.test?/v1/", BadPath::Elsewhere),
        ("file:///etc/passwd", BadPath::Elsewhere),
        ("ftp://api.test/v1/", BadPath::Elsewhere),
    ] {
        assert_eq!(joined(path), Err(why), "{path}");
    }
    assert_eq!(joined(&"a".repeat(LONGEST + 1)), Err(BadPath::Long));
    let query = [("a".to_owned(), "b".repeat(LONGEST))];
    assert_eq!(base("https://api.test/").join("a", &query).map(drop), Err(BadPath::Long));
}

#[test]
fn a_base_is_a_plain_url() {
    for (url, shown) in [
        ("https://api.test", "https://api.test/"),
        ("https://api.test/v1", "https://api.test/v1/"),
        ("http://10.0.0.1:8080/a/b/", "http://10.0.0.1:8080/a/b/"),
    ] {
        assert_eq!(base(url).to_string(), shown);
    }
    for url in [
        "api.test",
        "/v1",
        "ftp://api.test/",
        "https://me:pass@api.test/",
        "https://api.test/?key=s3cret",
        "https://api.test/#a",
        "https://api.test/../a",
        "https://api.test//a",
        "https://api.test/%2e%2e/a",
    ] {
        let error = BaseUrl::parse(url).expect_err(url).to_string();
        assert!(!error.contains("s3cret") && !error.contains("pass@"), "{error}");
    }
    assert_eq!(
        BaseUrl::exactly("https://api.test/token").expect("is one").to_string(),
        "https://api.test/token"
    );
}

/// What servers do to a path before they look at it: any of these, in any order and number.
fn as_a_server_sees_it(path: &str, steps: &[u8]) -> String {
    let mut path = path.to_owned();
    for step in steps {
        path = match step % 3 {
            0 => String::from_utf8_lossy(&decode(path.as_bytes())).into_owned(),
            1 => path.replace('\\', "/"),
            _ => {
                // Removal of dot segments, parameters included.
                let mut kept: Vec<&str> = Vec::new();
                for part in path.split('/') {
                    match part.split(';').next().unwrap_or_default() {
                        "." => {}
                        ".." => {
                            kept.pop();
                        }
                        _ => kept.push(part),
                    }
                }
                kept.join("/")
            }
        };
    }
    path
}

/// Segments that mean something, joined by what means something.
fn a_path() -> impl Strategy<Value = String> {
    let segments: &[&str] = &[
        "a",
        "b",
        ".",
        "..",
        "%2e%2e",
        ".%2E",
        "%252e%252e",
        "..;x",
        "..%3bx",
        "@evil.test",
        "a%2f..",
        "%2f",
        "%5c..",
        "...",
        "x?y=../..",
        "#z",
        "a%0ab",
        "evil.test:80",
        "v1",
        "",
    ];
    let joints: &[&str] = &["/", "/", "/", "/", "%2f", "%5c", "//", "\\"];
    let starts: &[&str] =
        &["", "", "/", "https://api.test/v1/", "https://api.test/v1", "https://evil.test/v1/"];
    let part =
        (proptest::sample::select(segments.to_vec()), proptest::sample::select(joints.to_vec()));
    let parts = proptest::collection::vec(part, 1..6);
    (proptest::sample::select(starts.to_vec()), parts).prop_map(|(start, parts)| {
        let parts = parts.into_iter().map(|(segment, joint)| format!("{segment}{joint}"));
        format!("{start}{}", parts.collect::<String>())
    })
}

proptest! {
    #[test]
    fn nothing_leaves_the_base(
        path in prop_oneof![a_path(), "([a-z.@:;%/\\\\?#&=]|%2e|%2f|%5c|%25|%0a|\\.\\.|//|https://|api\\.test|/v1/|evil|\r|\n){0,12}"],
        steps in proptest::collection::vec(0_u8..3, 0..6),
    ) {
        let base = base("https://api.test/v1/");
        if let Ok(target) = base.join(&path, &[]) {
            prop_assert_eq!(target.origin(), "https://api.test");
            prop_assert!(target.path().starts_with("/v1/"), "{}", target.path());
            let seen = as_a_server_sees_it(target.path(), &steps);
            prop_assert!(seen.starts_with("/v1/") || seen == "/v1", "{} is seen as {}", path, seen);
            prop_assert!(!seen.contains("//"), "{} is seen as {}", path, seen);
            prop_assert!(!seen.chars().any(char::is_control));
            // What is sent is one line, and means the same when it is parsed again.
            let uri = target.to_uri().expect("is a URL");
            prop_assert_eq!(uri.host(), Some("api.test"));
            let again = Target::parse(&uri.to_string()).expect("is a URL");
            prop_assert_eq!(&again, &target);
        }
    }

    #[test]
    fn no_text_panics(path in "\\PC{0,40}|.{0,40}", name in ".{0,10}", value in ".{0,10}") {
        let base = base("https://api.test/v1/");
        if let Ok(target) = base.join(&path, &[(name, value)]) {
            prop_assert!(target.path().starts_with("/v1/"));
            prop_assert!(!without_values(&target).contains(['\r', '\n']));
        }
    }
}
