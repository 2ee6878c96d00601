//! What is sent: GitHub's `push`, signed as GitHub signs.

use data_encoding::HEXLOWER;
use hookyard_tests::{SECRET, hmac_sha256};

/// The body's size: that of a push of two commits.
pub(crate) const BODY_BYTES: usize = 1900;

/// A signed delivery. Its delivery id is not under the signature, so that every request can have its own.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) body: String,
    /// Name and value, in the order sent; without the delivery id and the length.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// What the delivery ids of one run begin with.
    pub(crate) prefix: String,
}

/// The header that tells deliveries apart.
pub(crate) const ID_HEADER: &str = "X-GitHub-Delivery";

impl Delivery {
    pub(crate) fn push() -> Self {
        let body = body();
        let signature = HEXLOWER.encode(&hmac_sha256(SECRET.as_bytes(), &[body.as_bytes()]));
        let headers = vec![
            ("Host", "hooks.example.com".to_owned()),
            ("User-Agent", "GitHub-Hookshot/044aadd".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("Content-Type", "application/json".to_owned()),
            ("X-GitHub-Event", "push".to_owned()),
            ("X-GitHub-Hook-ID", "292430182".to_owned()),
            ("X-Hub-Signature-256", format!("sha256={signature}")),
        ];
        Self { body, headers, prefix: format!("{:016x}", fastrand::u64(..)) }
    }

    /// The same, with delivery ids of its own.
    pub(crate) fn anew(&self) -> Self {
        Self { prefix: format!("{:016x}", fastrand::u64(..)), ..self.clone() }
    }

    pub(crate) fn id(&self, number: u64) -> String {
        format!("{}-{number:012}", self.prefix)
    }
}

fn body() -> String {
    let commit = |id: &str, message: &str| {
        serde_json::json!({
            "id": id, "message": message, "timestamp": "2026-11-28T10:00:00Z",
            "author": { "name": "Mona Octocat", "email": "mona@example.com", "username": "mona" },
            "added": ["src/lib.rs"], "removed": [], "modified": ["Cargo.toml", "README.md"],
        })
    };
    let mut push = serde_json::json!({
        "ref": "refs/heads/main",
        "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
        "after": "b8f9a1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8",
        "deleted": false,
        "repository": {
            "id": 186853002, "full_name": "octo/hello", "private": false, "default_branch": "main",
            "owner": { "name": "octo", "email": "octo@example.com" },
        },
        "pusher": { "name": "mona", "email": "mona@example.com" },
        "commits": [
            commit("6113728f27ae82c7b1a177c8d03f9e96e0adf246", "Fix the door\n\nIt did not close."),
            commit("b8f9a1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8", "Paint it"),
        ],
        "compare": "",
    });
    let missing = BODY_BYTES - push.to_string().len();
    push["compare"] = "x".repeat(missing).into();
    push.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_has_the_stated_size_and_ids_of_its_own() {
        let delivery = Delivery::push();
        assert_eq!(delivery.body.len(), BODY_BYTES);
        assert_ne!(delivery.id(1), delivery.id(2));
        assert_ne!(delivery.id(1), delivery.anew().id(1));
    }
}
