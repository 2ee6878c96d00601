//! Schemes in words, for people: the documentation's table and the explanations of
//! `hookyard verify` are made of these.

use std::fmt;

use crate::jwt_scheme::{Claim, JwtScheme, TokenForm, TokenKeys, TokenPlace};
use crate::scheme::{
    BodyHmacScheme, Construction, KeyForm, Layout, Scheme, SignatureAlgorithm, TemplateScheme,
    TimestampPlace,
};
use crate::values::BodyValues;

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(template) => template.fmt(f),
            Self::Token { header } => write!(f, "the secret itself in `{header}`"),
            Self::Bearer => f.write_str("the secret itself as a bearer token"),
            Self::Basic { user } => write!(f, "basic authentication as `{user}`"),
            Self::BasicPair => f.write_str("basic authentication"),
            Self::Twilio => f.write_str(
                "HMAC-SHA1 of the public URL and a form's sorted parameters, or of the URL with the \
                 body's hash in it, base64 in `x-twilio-signature`; HMAC-SHA256 where a shared key \
                 says so",
            ),
            Self::BodyHmac(hmac) => hmac.fmt(f),
            Self::BodySecret { values, name } => {
                write!(f, "the secret itself as `{name}` in {values}")
            }
            Self::Braintree => f.write_str(
                "HMAC-SHA1 of the form's `bt_payload`, keyed with the secret's SHA-1, hex in \
                 `bt_signature` after the public key and `\\|`",
            ),
            Self::ExactOnline => f.write_str(
                "HMAC-SHA256 of the bytes of `json:/Content`, hex-upper in `json:/HashCode`",
            ),
            Self::Mandrill => f.write_str(
                "HMAC-SHA1 of the public URL and the form's sorted parameters, base64 in \
                 `x-mandrill-signature`",
            ),
            Self::UnisenderGo => f.write_str(
                "plain MD5 of the body with the secret in the place of the hash, hex in \
                 `json:/auth`",
            ),
            Self::WeChat { tolerance } => write!(
                f,
                "plain SHA1 of the sorted secret, `query:timestamp` and `query:nonce`, hex in \
                 `query:signature`; seconds, {} s either way",
                tolerance.as_secs()
            ),
            Self::Ebay => f.write_str(
                "ECDSA-SHA1 on P-256 of `{body}`, in a JSON object in base64 in `x-ebay-signature`; \
                 public key fetched from eBay by its id in there",
            ),
            Self::Jwt(token) => token.fmt(f),
            Self::Paypal => f.write_str(
                "RSA-SHA256 of `{id}|{timestamp}|WEBHOOK_ID|CRC32(body)`, base64 in \
                 `paypal-transmission-sig`; by a certificate of PayPal's that leads to a root; id in \
                 `paypal-transmission-id`; rfc3339 in `paypal-transmission-time`, at most 4 days old",
            ),
            Self::Sns => f.write_str(
                "RSA-SHA1 or RSA-SHA256 of the envelope's members, in the envelope; by a certificate \
                 of Amazon's; the topic has to be the one that is set",
            ),
            Self::FirstOf(ways) => {
                for (index, way) in ways.iter().enumerate() {
                    let between = if index == 0 { "" } else { "; else " };
                    write!(f, "{between}{way}")?;
                }
                Ok(())
            }
            Self::None => f.write_str("nothing"),
        }
    }
}

impl fmt::Display for BodyValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = |at: &str| match at {
            "" => "the JSON body".to_owned(),
            _ if at.contains('*') => format!("each `json:{at}`"),
            _ => format!("`json:{at}`"),
        };
        match self {
            Self::Json(at) => f.write_str(&object(at)),
            Self::JsonInForm { field, at } => {
                write!(f, "{} of the form's field `{field}`", object(at))
            }
            Self::JsonOrForm(at) => write!(f, "{} or in the form", object(at)),
        }
    }
}

impl fmt::Display for BodyHmacScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithm = self.algorithm.as_str().to_uppercase();
        write!(f, "HMAC-{algorithm} of `")?;
        for (index, value) in self.signed.iter().enumerate() {
            let between = if index == 0 { "" } else { self.between.as_ref() };
            write!(f, "{between}{{{}}}", value.name)?;
        }
        let signatures: Vec<String> =
            self.signatures.iter().map(|name| format!("`{name}`")).collect();
        let signatures = signatures.join(" or ");
        write!(f, "`, {} in {signatures}, all in {}", self.encoding, self.values)?;
        if let Some(rule) = &self.timestamp {
            let seconds = rule.tolerance.as_secs();
            write!(f, "; {} in `{}`, {seconds} s either way", rule.format, rule.name)?;
        }
        f.write_str(key_words(&self.key))
    }
}

impl fmt::Display for TemplateScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of `{}`, {} in `{}`",
            self.construction,
            self.signed.to_string().replace('\n', "\\n"),
            self.encoding,
            self.header
        )?;
        if !self.prefix.is_empty() {
            let optional = if self.prefix_optional { " or without" } else { "" };
            write!(f, " after `{}`{optional}", self.prefix)?;
        }
        if let Layout::Entries { version, joint, .. } | Layout::Groups { version, joint, .. } =
            &self.layout
        {
            write!(f, " as `{version}{joint}`")?;
            for version in self.versions.iter() {
                write!(f, ", or {} as `{}{joint}`", version.construction, version.name)?;
            }
        }
        if let Layout::Beside { label, between } = &self.layout {
            write!(f, " after `{label}…{between}`")?;
        }
        if let [first, ..] = self.also.as_ref() {
            let more = if self.also.len() > 1 { " and so on" } else { "" };
            write!(f, " or `{first}`{more}")?;
        }
        if let Some(header) = &self.id_header {
            write!(f, "; id in `{header}`")?;
        }
        for (header, value) in self.fixed.iter() {
            write!(f, ", `{header}: {value}`")?;
        }
        if let Some(rule) = &self.timestamp {
            let place = match &rule.at {
                TimestampPlace::Header(name) => format!("`{name}`"),
                TimestampPlace::Entry(name) => format!("the entry `{name}`"),
                TimestampPlace::Body(pointer) => format!("`json:{pointer}`"),
                TimestampPlace::First => "the first item".to_owned(),
            };
            let seconds = rule.tolerance.as_secs();
            write!(f, "; {} in {place}, {seconds} s either way", rule.format)?;
        }
        f.write_str(key_words(&self.key))?;
        match &self.key_id_header {
            Some(header) => write!(f, ", named by `{header}`"),
            None => Ok(()),
        }
    }
}

fn key_words(key: &KeyForm) -> &'static str {
    match key {
        KeyForm::Text | KeyForm::Sized { .. } => "",
        KeyForm::Hex => "; key in hexadecimal",
        KeyForm::Nfkd => "; key in normalization form KD",
        KeyForm::Base64 { .. } => "; key in base64",
        KeyForm::TaggedBase64 { or_text: true, .. } => "; key in base64 after its tag, else text",
        KeyForm::TaggedBase64 { .. } => "; key in base64 after its tag",
        KeyForm::PublicKey { .. } => "; public key",
    }
}

impl fmt::Display for Construction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hmac(algorithm) => write!(f, "HMAC-{}", algorithm.as_str().to_uppercase()),
            Self::Digest(algorithm) => write!(f, "plain {}", algorithm.as_str().to_uppercase()),
            Self::KeyPair(algorithm) => f.write_str(match algorithm {
                SignatureAlgorithm::Ed25519 => "Ed25519",
                SignatureAlgorithm::EcdsaSha256 => "ECDSA-SHA256 on P-256",
                SignatureAlgorithm::EcdsaSha256Fixed => {
                    "ECDSA-SHA256 on P-256, its numbers side by side,"
                }
                SignatureAlgorithm::EcdsaSha1 => "ECDSA-SHA1 on P-256",
                SignatureAlgorithm::RsaSha1 => "RSA-SHA1",
                SignatureAlgorithm::RsaSha256 => "RSA-SHA256",
                SignatureAlgorithm::RsaSha256Twice => "RSA-SHA256 of the SHA-256",
                SignatureAlgorithm::RsaSha384 => "RSA-SHA384",
                SignatureAlgorithm::RsaSha512 => "RSA-SHA512",
                SignatureAlgorithm::RsaPssSha512 => "RSA-PSS-SHA512",
            }),
        }
    }
}

impl fmt::Display for JwtScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detached = matches!(self.form, TokenForm::Detached { .. });
        let what = if detached { "detached JSON Web Signature" } else { "JSON Web Token" };
        write!(f, "{what}, {}, ", self.algorithm)?;
        match &self.place {
            TokenPlace::Header(name) => write!(f, "in `{name}`")?,
            TokenPlace::Bearer => f.write_str("as a bearer token")?,
            TokenPlace::Body { .. } => f.write_str("as the body")?,
        }
        match &self.keys {
            TokenKeys::Configured => {}
            TokenKeys::Jwks(url) => write!(f, "; keys of {url}")?,
            TokenKeys::JwksSetting(setting) => write!(f, "; keys of the setting `{setting}`")?,
            TokenKeys::Plaid => f.write_str("; keys of Plaid's, one by one")?,
        }
        if let TokenForm::Detached { timestamp, .. } = &self.form {
            let seconds = timestamp.tolerance.as_secs();
            f.write_str("; of `{timestamp}.{body}`")?;
            if let TimestampPlace::Header(name) = &timestamp.at {
                write!(f, "; {} in `{name}`, {seconds} s either way", timestamp.format)?;
            }
        }
        for claim in self.claims.iter() {
            match claim {
                Claim::Expires => f.write_str("; `exp`")?,
                Claim::NotBefore => f.write_str("; `nbf`")?,
                Claim::Issued { within } => {
                    write!(f, "; `iat`, {} s either way", within.as_secs())?;
                }
                Claim::OneOf { claim, texts } => {
                    write!(f, "; `{claim}` is `{}`", texts.join("` or `"))?;
                }
                Claim::Setting { claim, setting } => write!(f, "; `{claim}` is `{setting}`")?,
                Claim::SettingOrUrl { claim, setting } => {
                    write!(f, "; `{claim}` is `{setting}` or the public URL")?;
                }
                Claim::True { claim } => write!(f, "; `{claim}`")?,
                Claim::BodyHash { claim, .. } => write!(f, "; `{claim}` is the body's hash")?,
                Claim::UrlHash { claim, .. } => write!(f, "; `{claim}` is the URL's hash")?,
                Claim::Once { claim } => write!(f, "; `{claim}` is used once")?,
            }
        }
        Ok(())
    }
}
