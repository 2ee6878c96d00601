//! Where a request goes: a URL that has been taken apart and found usable.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use http::Uri;
use http::uri::PathAndQuery;
use rustls::pki_types::{DnsName, ServerName};

/// Characters of a path that messages show.
const LONGEST_SHOWN: usize = 200;

/// Why a text is not a URL to ask. The text is not part of it: it may hold a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the URL cannot be used: {0}")]
pub(crate) struct BadUrl(&'static str);

/// A URL's parts. `Display` leaves out the query, in which tokens travel.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) https: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    path: PathAndQuery,
}

/// The host of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// In lower case.
    Name(DnsName<'static>),
    Address(IpAddr),
}

impl Target {
    /// Parses an absolute URL. A fragment is dropped: it is never sent.
    ///
    /// # Errors
    ///
    /// Schemes but `http` and `https`, hosts that are neither a DNS name nor an address as it is
    /// written in full (name servers' libraries take `127.1` and `0x7f000001` for addresses too), and
    /// URLs with a user.
    pub(crate) fn parse(url: &str) -> Result<Self, BadUrl> {
        let uri: Uri = url.parse().map_err(|_| BadUrl("it is malformed"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadUrl("it is neither https nor http")),
        };
        let authority = uri.authority().ok_or(BadUrl("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(BadUrl("it has a user or a password"));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("" | ":") if https => 443,
            Some("" | ":") => 80,
            Some(port) => match port.strip_prefix(':').and_then(|port| port.parse().ok()) {
                Some(0) | None => return Err(BadUrl("its port is not a number from 1 to 65535")),
                Some(port) => port,
            },
            None => return Err(BadUrl("it is malformed")),
        };
        let path = uri.path_and_query().cloned();
        let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
        Ok(Self { https, host: Host::parse(authority.host())?, port, path })
    }

    /// The value of the `Host` header: the default port is left out.
    pub(super) fn authority(&self) -> String {
        let default = if self.https { 443 } else { 80 };
        match self.port {
            port if port == default => self.host.to_string(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// `https://api.example.com`, with the port unless it is the scheme's own: equal for two URLs of
    /// one origin.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    pub(super) fn path(&self) -> &str {
        self.path.path()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.path.query()
    }

    /// The same server at this path and query.
    pub(super) fn at(&self, path_and_query: &str) -> Result<Self, BadUrl> {
        let path = path_and_query.parse().map_err(|_| BadUrl("it is malformed"))?;
        Ok(Self { path, ..self.clone() })
    }

    pub(crate) fn is_https(&self) -> bool {
        self.https
    }

    /// With one parameter more in its query, both parts of it encoded.
    pub(crate) fn with_parameter(&self, name: &str, value: &str) -> Result<Self, BadUrl> {
        let begun = if self.query().is_some() { '&' } else { '?' };
        self.at(&format!("{}{begun}{name}={value}", self.path))
    }

    /// Where the answer's `location` leads from here. A fragment is dropped.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self, BadUrl> {
        let location = location.split('#').next().unwrap_or_default();
        if location.contains("://") && !location.starts_with(['/', '?']) {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            let scheme = if self.https { "https" } else { "http" };
            return Self::parse(&format!("{scheme}:{location}"));
        }
        if location.starts_with('/') {
            return self.at(location);
        }
        let path = self.path();
        if location.starts_with('?') || location.is_empty() {
            return self.at(&format!("{path}{location}"));
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.at(&format!("{folder}/{location}"))
    }

    /// The whole of it, for the client.
    pub(super) fn to_uri(&self) -> Result<Uri, BadUrl> {
        let whole = format!("{}{}", self.origin(), self.path);
        whole.parse().map_err(|_| BadUrl("it is malformed"))
    }

    /// What stands in the request line.
    pub(super) fn path_and_query(&self) -> Uri {
        Uri::from(self.path.clone())
    }
}

impl Host {
    fn parse(text: &str) -> Result<Self, BadUrl> {
        if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            let address: Result<Ipv6Addr, _> = inner.parse();
            return match address {
                Ok(address) => Ok(Self::Address(address.into())),
                Err(_) => Err(BadUrl("its host is not an IPv6 address")),
            };
        }
        // Brackets are the only way to write an IPv6 address.
        if let Ok(address) = text.parse::<std::net::Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        // A final dot names the same host, and compares as another one.
        match DnsName::try_from(text) {
            Ok(name) if !text.ends_with('.') => Ok(Self::Name(name.to_lowercase_owned())),
            _ => Err(BadUrl("its host is neither a DNS name nor an address")),
        }
    }

    /// What the server's certificate must be for.
    pub(super) fn server_name(&self) -> ServerName<'static> {
        match self {
            Self::Name(name) => ServerName::DnsName(name.clone()),
            Self::Address(address) => ServerName::from(*address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name.as_ref()),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let path: String = self.path.path().chars().take(LONGEST_SHOWN).collect();
        let dots = if path.len() < self.path.path().len() { "…" } else { "" };
        write!(f, "{scheme}://{}{}{dots}", self.authority(), path.escape_debug())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (url, shown, authority, asked) in [
            ("https://keys.test", "https://keys.test/", "keys.test", "/"),
            ("https://keys.test:443/a", "https://keys.test/a", "keys.test", "/a"),
            ("https://keys.test:/a", "https://keys.test/a", "keys.test", "/a"),
            ("HTTPS://Keys.Test/A#b", "https://keys.test/A", "keys.test", "/A"),
            ("https://keys.test:8443/a", "https://keys.test:8443/a", "keys.test:8443", "/a"),
            ("http://keys.test:443/", "http://keys.test:443/", "keys.test:443", "/"),
            ("http://10.0.0.1/", "http://10.0.0.1/", "10.0.0.1", "/"),
            ("https://[::1]:8443/", "https://[::1]:8443/", "[::1]:8443", "/"),
            ("https://[::FFFF:7f00:1]/", "https://[::ffff:127.0.0.1]/", "[::ffff:127.0.0.1]", "/"),
            ("https://a_b.test?x=y", "https://a_b.test/", "a_b.test", "/?x=y"),
            ("https://a.test/p?Token=s3cret", "https://a.test/p", "a.test", "/p?Token=s3cret"),
        ] {
            let target = Target::parse(url).expect(url);
            assert_eq!(target.to_string(), shown);
            assert_eq!(format!("{target:?}"), shown);
            assert_eq!(target.authority(), authority);
            assert_eq!(target.path_and_query().to_string(), asked);
        }
        let long = Target::parse(&format!("https://a.test/{}", "a".repeat(5000))).expect("long");
        assert!(long.to_string().len() < 250);
    }

    #[test]
    fn what_is_no_plain_url_is_refused_without_repeating_it() {
        for url in [
            "",
            "/s3cret",
            "keys.test/s3cret",
            "keys.test:443",
            "//keys.test/s3cret",
            "ftp://keys.test/s3cret",
            "file:///etc/passwd",
            "https://",
            "https:///s3cret",
            "https://me:s3cret@keys.test/",
            "https://s3cret@keys.test/",
            "https://keys.test@evil.test/",
            "https://keys.test:0/s3cret",
            "https://keys.test:65536/s3cret",
            "https://keys.test:-1/s3cret",
            "https://keys.test:4a/s3cret",
            "https://keys.test./s3cret",
            "https://keys..test/",
            "https://-keys.test/",
            "https://*.test/",
            "https://keys%2etest/",
            "https://kéys.test/",
            "https://keys.test/ s3cret",
            "https://keys.test/\r\nx: s3cret",
            "https://keys.test\\evil.test/",
            // Spellings that a resolver takes for 127.0.0.1.
            "https://127.1/",
            "https://127.0.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://127.0.0.01/",
            "https://127.0.0.1./",
            "https://017700000001/",
            "https://0/",
            "https://::1/",
            "https://[127.0.0.1]/",
            "https://[::1%25lo]/",
            "https://[fe80::1%lo]/",
            "https://[::1/",
            "https://[]/",
        ] {
            let error = Target::parse(url).expect_err(url).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}", prefix in "(https?://)?\\[?") {
            if let Ok(target) = Target::parse(&format!("{prefix}{text}")) {
                let _ = (target.to_string(), target.path_and_query(), target.host.server_name());
            }
        }
    }
}
