//! Requests of senders as they were recorded for the verifiers' own tests.

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use serde_json::Value;

use crate::Request;

/// A recorded request and what belongs to it.
#[derive(Clone, Debug)]
pub struct Recorded(Value);

impl Recorded {
    /// The one called `id` of those of `provider`.
    ///
    /// # Panics
    /// When there is none.
    pub fn find(provider: &str, id: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon/verify/tests/vectors");
        let text = fs::read(folder.join(format!("{provider}.json"))).expect("recorded requests");
        let all: Vec<Value> = serde_json::from_slice(&text).expect("a list of requests");
        let found = all.into_iter().find(|recorded| recorded["id"] == id);
        Self(found.unwrap_or_else(|| panic!("{provider} has no recorded request {id}")))
    }

    /// A member that is text.
    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.0["id"]))
    }

    /// What its sender serves, by URL.
    pub fn served(&self) -> Vec<(String, String)> {
        self.texts("served_certs")
    }

    /// Its sender's keys, by their names.
    pub fn public_keys(&self) -> Vec<(String, String)> {
        self.texts("public_keys")
    }

    fn texts(&self, name: &str) -> Vec<(String, String)> {
        let texts = self.0[name].as_object().unwrap_or_else(|| panic!("no {name}"));
        texts.iter().map(|(key, text)| (key.clone(), text.as_str().unwrap().to_owned())).collect()
    }

    /// The request, for a route at `path`.
    pub fn request(&self, path: &str) -> Request {
        let url = self.text("url");
        let query = url.split_once('?').map(|(_, query)| format!("?{query}")).unwrap_or_default();
        let mut request = Request::new(self.text("method"), &format!("{path}{query}"));
        for (name, value) in self.0["headers"].as_object().expect("headers") {
            let value = value.as_str().expect("one line of each header");
            if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
                request = request.header(name, value);
            }
        }
        let body = match self.0["body_base64"].as_str() {
            Some(text) => BASE64.decode(text.as_bytes()).expect("base64"),
            None => self.0["body_utf8"].as_str().unwrap_or_default().as_bytes().to_vec(),
        };
        request.body(body)
    }
}
