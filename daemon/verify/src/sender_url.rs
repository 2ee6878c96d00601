//! URLs that a request names and that somebody is going to fetch. Each sender has its own rule for
//! them, and what does not match the rule character by character is not fetched.

/// An `https` URL that consists of a host and a path, and of a query where one is allowed. Without
/// user information, port, fragment, escapes in the path, or anything else by which two readers could
/// come to two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SenderUrl<'u> {
    pub(crate) host: &'u str,
    /// Starts with `/`.
    pub(crate) path: &'u str,
    pub(crate) query: Option<&'u str>,
}

/// The longest URL that counts, in bytes.
const LONGEST: usize = 1024;

impl<'u> SenderUrl<'u> {
    /// The parts of `url`, when it has the plain form that senders write.
    pub(crate) fn read(url: &'u str) -> Option<Self> {
        let rest = url.strip_prefix("https://").filter(|_| url.len() <= LONGEST)?;
        let (host, rest) = rest.split_at_checked(rest.find('/')?)?;
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let plain_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let plain_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
        let plain_query = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
        let plain = !host.is_empty()
            && host.bytes().all(plain_host)
            && path.bytes().all(plain_path)
            && !path.contains("//")
            && !path.split('/').any(|segment| segment == "." || segment == "..")
            && query.unwrap_or_default().bytes().all(plain_query);
        plain.then_some(Self { host, path, query })
    }

    /// The labels of the host before `suffix`, which starts with a dot.
    pub(crate) fn labels_before(&self, suffix: &str) -> Option<impl Iterator<Item = &'u str>> {
        let front = self.host.strip_suffix(suffix)?;
        let sound =
            |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
        front.split('.').all(sound).then(|| front.split('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_urls_fall_into_their_parts() {
        let url = SenderUrl::read("https://a.b.example/c/d-1.pem?x=1&y=a:b").expect("plain");
        let parts = (url.host, url.path, url.query);
        assert_eq!(parts, ("a.b.example", "/c/d-1.pem", Some("x=1&y=a:b")));
        let labels = url.labels_before(".example").map(Iterator::collect::<Vec<_>>);
        assert_eq!(labels, Some(vec!["a", "b"]));
        assert!(url.labels_before(".org").is_none());
        assert_eq!(SenderUrl::read("https://x/").map(|url| url.query), Some(None));
    }

    #[test]
    fn whatever_two_readers_could_read_in_two_ways_is_not_read() {
        for url in [
            "http://a.example/c",
            "HTTPS://a.example/c",
            "https://a.example",
            "https:///c",
            "https://a.example:443/c",
            "https://user@a.example/c",
            "https://a.example@evil.example/c",
            "https://a.example\\@evil.example/c",
            "https://evil.example\\.a.example/c",
            "https://a.example/c#d",
            "https://a.example/c?d#e",
            "https://a.example/%63",
            "https://a.example/../c",
            "https://a.example/./c",
            "https://a.example//c",
            "https://a.example/c d",
            "https://a.example/c\n",
            "https://a.example/c?d e",
            "https://[::1]/c",
            "https://ex\u{e4}mple/c",
            " https://a.example/c",
            "",
        ] {
            assert_eq!(SenderUrl::read(url), None, "{url}");
        }
        let long = format!("https://a.example/{}", "c".repeat(LONGEST));
        assert_eq!(SenderUrl::read(&long), None);
    }

    #[test]
    fn labels_are_whole() {
        for host in [".example", "..example", "-a.example", "a-.example", "a..b.example"] {
            let url = format!("https://{host}/c");
            let url = SenderUrl::read(&url).expect("plain");
            assert!(url.labels_before(".example").is_none(), "{host}");
        }
    }
}
