//! Deliveries as GitHub makes them: its headers, its payload, its signature.

use anyhow::Context;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// A `push` payload as GitHub sends it, byte for byte on one line.
pub(crate) const PUSH: &[u8] = include_bytes!("../../fixtures/github-push.json");

/// One delivery, ready to be sent any number of times.
#[derive(Clone)]
pub(crate) struct Delivery {
    /// `X-GitHub-Delivery`: GitHub's own id, the same when it sends a delivery again.
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
    /// `X-Hub-Signature-256`.
    signature: String,
}

/// What the sender got back.
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) body: String,
}

impl Delivery {
    /// A push, signed with `secret` and with a delivery id of its own.
    pub(crate) fn push(secret: &str) -> anyhow::Result<Self> {
        let signature = format!("sha256={}", sign(secret, PUSH)?);
        Ok(Self { id: random_uuid()?, body: PUSH.to_vec(), signature })
    }

    /// The same headers over another body: what a forger who has seen a delivery can send.
    pub(crate) fn tampered(&self) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(&self.body)?;
        let changed = text.replacen("\"mona\"", "\"mallory\"", 1);
        anyhow::ensure!(changed != text, "the payload names no pusher to change");
        Ok(Self {
            id: random_uuid()?,
            body: changed.into_bytes(),
            signature: self.signature.clone(),
        })
    }

    /// Sends it to `url` and waits for the answer, which no correct daemon takes ten seconds for.
    pub(crate) fn send(&self, url: &str) -> anyhow::Result<Answer> {
        let response = minreq::post(url)
            .with_header("User-Agent", "GitHub-Hookshot/044aadd")
            .with_header("Accept", "*/*")
            .with_header("Content-Type", "application/json")
            .with_header("X-GitHub-Event", "push")
            .with_header("X-GitHub-Delivery", self.id.as_str())
            .with_header("X-GitHub-Hook-ID", "486153921")
            .with_header("X-GitHub-Hook-Installation-Target-Type", "repository")
            .with_header("X-GitHub-Hook-Installation-Target-ID", "186853002")
            .with_header("X-Hub-Signature-256", self.signature.as_str())
            .with_body(self.body.clone())
            .with_timeout(10)
            .send()
            .with_context(|| format!("POST {url}"))?;
        let body = String::from_utf8_lossy(response.as_bytes()).into_owned();
        Ok(Answer { status: response.status_code, body })
    }
}

impl Answer {
    /// The event's id in an accepted answer.
    pub(crate) fn event_id(&self) -> anyhow::Result<String> {
        let body: Value = serde_json::from_str(&self.body)
            .with_context(|| format!("the answer's body is not JSON: {:?}", self.body))?;
        let id = body["id"].as_str().with_context(|| format!("no id in {}", self.body))?;
        Ok(id.to_owned())
    }
}

/// Lower-case hex of HMAC-SHA256 over the body, keyed with the secret's bytes. Not the daemon's
/// own code, so that a mistake there is not made twice.
fn sign(secret: &str, body: &[u8]) -> anyhow::Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(body);
    Ok(HEXLOWER.encode(&mac.finalize().into_bytes()))
}

/// A random UUID, from the kernel.
fn random_uuid() -> anyhow::Result<String> {
    let path = "/proc/sys/kernel/random/uuid";
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in GitHub's documentation.
    #[test]
    fn signs_as_github_does() {
        assert_eq!(
            sign("It's a Secret to Everybody", b"Hello, World!").unwrap(),
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }

    #[test]
    fn a_tampered_copy_keeps_the_signature_and_changes_the_body() {
        let delivery = Delivery::push("secret").unwrap();
        let tampered = delivery.tampered().unwrap();
        assert_eq!(tampered.signature, delivery.signature);
        assert_ne!(tampered.body, delivery.body);
    }

    #[test]
    fn the_payload_is_a_push() {
        let push: Value = serde_json::from_slice(PUSH).unwrap();
        assert_eq!(push["ref"], "refs/heads/main");
        assert_eq!(push["commits"].as_array().unwrap().len(), 2);
    }
}
