//! Webhook signatures, checked: bytes, headers and the time in, a typed verdict out.
//!
//! This crate does no I/O, starts nothing, and reads no clock. It takes a [`Request`] as it was
//! received and gives back either a [`Verified`], which cannot be made in any other way, or a
//! [`Refused`] with the [`Reason`].
//!
//! ```
//! use hookyard_verify::{Request, Secret, Settings, UnixTime, Verifier, profile};
//!
//! let github = profile("github")?;
//! let verifier = Verifier::for_profile(github, [Secret::from("It's a Secret to Everybody")], Settings::default())?;
//!
//! let mut headers = http::HeaderMap::new();
//! headers.insert(
//!     "x-hub-signature-256",
//!     "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17".parse()?,
//! );
//! headers.insert("x-github-event", "push".parse()?);
//! let request = Request {
//!     method: http::Method::POST,
//!     url: "https://hooks.example.com/hooks/github".to_owned(),
//!     path: "/hooks/github".to_owned(),
//!     query: None,
//!     params: Vec::new(),
//!     headers,
//!     body: "Hello, World!".into(),
//! };
//!
//! let now = UnixTime::from_secs(1_750_000_000);
//! let verified = verifier.verify(request.clone(), now)?;
//! assert_eq!(verified.kind().as_deref(), Some("push"));
//!
//! let refused = verifier.verify(Request { body: "Hello, Mars!".into(), ..request }, now);
//! assert_eq!(refused.unwrap_err().reason.label(), "mismatch");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Senders are data
//!
//! A [`Profile`] is a table entry: the scheme, where the kind and the delivery id are, how long the
//! sender retries. The code is written once for each family of schemes. A [`Scheme`] that a user
//! writes goes through the same code:
//!
//! ```
//! use hookyard_verify::{TemplateScheme, Scheme, Secret, TimestampRule, Verifier};
//!
//! let mut scheme = TemplateScheme::new("sha256".parse()?, "x-signature");
//! scheme.encoding = "base64".parse()?;
//! scheme.prefix = "sha256=".into();
//! scheme.signed = "{timestamp}.{body}".parse()?;
//! scheme.timestamp = Some(TimestampRule::header("x-timestamp"));
//! let verifier = Verifier::new(Scheme::Template(scheme), [Secret::from("new"), Secret::from("old")])?
//!     .with_kind(vec!["json:/type".parse()?])
//!     .with_delivery_id(vec!["header:x-request-id".parse()?]);
//! // The id is in a header that is not signed.
//! assert!(verifier.unauthenticated().iter().any(|part| part.as_str() == "delivery-id"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - The signature is checked over the received bytes, before anything in them is parsed, and the
//!   body of a [`Verified`] is those bytes. Where the sender puts the signature into the body, only
//!   it and what it is about are read first, and what could be read in two ways is refused. (A
//!   token's header has to be read before, and of Amazon's envelopes all: what is signed there is
//!   what they say.)
//! - The scheme is fixed by whoever sets it up. Nothing in a request chooses an algorithm, a
//!   version or a key, with exceptions that are the senders' own: where one sends in several ways
//!   ([`Scheme::FirstOf`]), the best that is there decides alone; an entry of a list says which of
//!   the scheme's versions it is of, and is checked with the secrets of that version alone; a header
//!   names one of the configured public keys, or one that the sender's API gives out; a token names
//!   one key of the sender's set; Amazon and PayPal say which certificate of theirs it is; and Twilio
//!   names one of two HMACs, as Amazon does one of two hashes.
//! - Signatures have their exact length and one spelling (hexadecimal in lower case, unless the
//!   scheme says capitals; base64 in its canonical form).
//! - What is made from a shared secret is compared in constant time, by the `subtle` crate, every
//!   secret with every candidate: hashes, credentials, tokens of handshakes. The signature of a key
//!   pair is checked by the crate that implements it (`ed25519-dalek`, strictly; `p256`; `rsa`); the
//!   public key, the message and the signature are all public, so there is nothing for the time to
//!   tell.
//! - Public keys that could be broken are refused when the verifier is made: RSA below 2048 bits, and
//!   Ed25519 of low order. So are private keys, which nobody but the sender should have.
//! - A header that decides something is there once and is not empty. A second line of it is
//!   refused, because software on the way joins or picks.
//! - Timestamps are plain digits or a date of RFC 3339, signed, and within a tolerance in both
//!   directions.
//! - What looks like a [handshake] is one, with an exact answer that echoes little and cleanly, or is
//!   refused. It never becomes an event.
//! - A scheme that could not protect anything is refused when the verifier is made: no secret, a
//!   blank one, a timestamp outside the signature, a template that signs nothing.
//! - Secrets and what is derived from them are wiped on drop, and are in no `Debug` output and in no
//!   message. Nor is an expected signature.
//!
//! What a signature does not cover is told by [`Verified::unauthenticated`]. Most senders sign the
//! body alone; with [`Scheme::Token`], [`Scheme::Bearer`], [`Scheme::Basic`], [`Scheme::BasicPair`]
//! and [`Scheme::BodySecret`] nothing is covered, and only TLS keeps the request together.
//!
//! A template without separators, such as `{timestamp}{body}`, lets the bytes at the seam belong to
//! either side. The strict reading of timestamps leaves no room for that in practice; prefer a
//! separator all the same. The value of a header or an entry must not contain the text that follows
//! it in the template, and beside `{body}` without a text between them it has no braces, brackets,
//! quotes or `<`. Where the URL stands right before the body, as for Square and HubSpot, nothing is
//! refused: whoever has one genuine request could send the start of its body as the end of the URL.
//! What is left of a JSON object after that is none, and a handler that reads it fails.
//!
//! # Keys that are fetched
//!
//! Some senders give their keys out themselves: [`Reason::KeyNeeded`] says where one is, and the
//! request is judged again when a [`Keyring`] has it. Where that is is fixed by the sender's entry,
//! by a setting, or by a rule for the sender's own hosts and paths that is read strictly; no request
//! leads elsewhere. Only certificates that have to lead to a root need [`Keyring::trusting`].
//!
//! Where a sender is to be asked about each request, as PayPal can be, [`Reason::AnswerNeeded`] has the
//! [`Question`], and the answer goes into the keyring too. It is good for that question alone, in which
//! the whole request is that the sender looks at.
//!
//! # Key pairs
//!
//! Where a sender signs with a key pair ([`Takes::PublicKey`]), the public key is given in the place
//! of the secret, in the form in which the sender hands it out. To sign as it would, for tests and
//! for trying things out, make a pair of your own:
//!
//! ```
//! use hookyard_verify::{
//!     Request, Secret, Settings, UnixTime, Verifier, generate_key_pair, profile, sign,
//! };
//!
//! let telnyx = profile("telnyx")?;
//! let pair = generate_key_pair(telnyx.scheme)?;
//! let request = Request {
//!     method: http::Method::POST,
//!     url: "https://hooks.example.com/hooks/telnyx".to_owned(),
//!     path: "/hooks/telnyx".to_owned(),
//!     query: None,
//!     params: Vec::new(),
//!     headers: http::HeaderMap::new(),
//!     body: "{}".into(),
//! };
//! let now = UnixTime::from_secs(1_750_000_000);
//! let signed = sign(telnyx.scheme, &pair.private, request, now, &Settings::default())?;
//! let verifier =
//!     Verifier::for_profile(telnyx, [Secret::from(pair.public)], Settings::default())?;
//! verifier.verify(signed, now)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Verification asks for no randomness. Making a pair does, of the operating system, and so does
//! signing with RSA.
#![forbid(unsafe_code)]

mod body_hmac_check;
mod body_secret_check;
mod braintree_check;
mod carrier;
mod certificate;
mod credential_check;
mod describe;
mod ebay_check;
mod exact_check;
mod explain;
mod family;
mod form;
pub mod handshake;
mod header;
mod json;
mod json_items;
mod json_object;
mod jwks;
mod jwt_check;
mod jwt_scheme;
mod key_pair;
mod keyring;
mod location;
mod mac;
mod mandrill_check;
mod moment;
mod multipart;
mod names;
mod paypal_check;
mod paypal_postback;
mod plaid;
mod private_key;
mod profile;
mod public_key;
mod question;
mod reason;
mod request;
mod scheme;
mod sealed;
mod secret;
mod sender_url;
mod settings;
mod setup;
mod sign;
mod signed_text;
mod sns_check;
mod template;
mod template_check;
mod template_key;
mod twilio_check;
mod unisender_check;
mod values;
mod verified;
mod verifier;
mod wechat_check;

pub use explain::{Case, Check, Explanation, Outcome, explain};
pub use family::Takes;
pub use handshake::{Handshake, HandshakeReply, HandshakeRule};
pub use jwt_scheme::{
    Claim, DEFAULT_LEEWAY, JwtScheme, TokenAlgorithm, TokenForm, TokenKeys, TokenPlace,
};
pub use key_pair::{KeyPair, KeyPairError, generate_key_pair};
pub use keyring::{KeySource, Keyring};
pub use location::{Location, LocationError};
pub use names::UnknownName;
pub use profile::{Profile, SuccessBody, profile, profiles};
pub use question::{Question, Verdict};
pub use reason::{Reason, Refused};
pub use request::{Request, UnixTime};
pub use scheme::{
    Algorithm, BodyHmacScheme, BodyTimestamp, Construction, DEFAULT_TOLERANCE, Encoding, KeyForm,
    Layout, Scheme, SignatureAlgorithm, SignedValue, TemplateScheme, TimestampFormat,
    TimestampPlace, TimestampRule, Version,
};
pub use sealed::Seal;
pub use secret::{Secret, SecretError};
pub use settings::{Setting, Settings};
pub use setup::SetupError;
pub use sign::{SignError, sign};
pub use template::{Piece, Template, TemplateError};
pub use values::BodyValues;
pub use verified::{Part, Verified};
pub use verifier::{Received, Verifier};
