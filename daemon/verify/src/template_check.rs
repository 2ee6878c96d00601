//! The family of keyed hashes and signatures over a template: made ready once, then checked per
//! request.

use std::borrow::Cow;
use std::time::Duration;

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::carrier::{Candidates, Carrier, Marks};
use crate::family::{Family, Seen, Takes};
use crate::handshake::Alphabet;
use crate::header::{at_most_one, insert, single};
use crate::json;
use crate::location::Location;
use crate::moment;
use crate::reason::Reason;
use crate::request::{Request, UnixTime};
use crate::scheme::{Construction, KeyForm, Layout, TemplateScheme, TimestampPlace, TimestampRule};
use crate::secret::{Secret, SecretError};
use crate::settings::Settings;
use crate::setup::{SetupError, header_name};
use crate::sign::SignError;
use crate::signed_text::{decoded_url, listed_headers, only_field};
use crate::template::Piece;
use crate::template_key::{TemplateKey, TemplateSigner};
use crate::values::{needed, one};

/// What is signed, in parts; as many as most senders have find room without an allocation.
type Message<'r> = SmallVec<[Cow<'r, [u8]>; 6]>;

/// The headers with signatures and their values: one, save where a sender has a header a key.
type Values<'s, 'r> = SmallVec<[(&'s HeaderName, &'r [u8]); 1]>;

/// A [`TemplateScheme`] that makes sense, with its header names read.
#[derive(Debug)]
pub(crate) struct TemplateCheck {
    scheme: TemplateScheme,
    header: HeaderName,
    timestamp_header: Option<HeaderName>,
    /// Headers with the one value that they may have.
    fixed: Vec<(HeaderName, Cow<'static, str>)>,
    /// The header that lists signed headers.
    list: Option<HeaderName>,
    also: Vec<HeaderName>,
    id_header: Option<HeaderName>,
    /// The names of the template's `{header:NAME}` pieces, in their order.
    template_headers: Vec<HeaderName>,
    /// The header that names the key.
    key_id_header: Option<HeaderName>,
    /// Whether a body would count that somebody made longer who knows one signature: where it stands
    /// after the secret in a plain hash.
    extensible: bool,
    /// Whether the body has to be a JSON object, since another text is signed with the same key.
    only_objects: bool,
}

impl TemplateCheck {
    pub(crate) fn new(scheme: TemplateScheme) -> Result<Self, SetupError> {
        let pieces = scheme.signed.pieces();
        let signs = |piece: &Piece| pieces.contains(piece);
        let of_the_request = |piece: &Piece| {
            !matches!(piece, Piece::Text(_) | Piece::Secret | Piece::Setting(_) | Piece::Entry(_))
        };
        if !pieces.iter().any(of_the_request) {
            return Err(SetupError::NothingSigned);
        }
        let list = pieces.iter().find_map(|piece| match piece {
            Piece::ListedHeaders(name) => Some(name),
            _ => None,
        });
        let place = scheme.timestamp.as_ref().map(|rule| &rule.at);
        match (place, signs(&Piece::Timestamp)) {
            (None | Some(TimestampPlace::Body(_)), true) => {
                return Err(SetupError::TimestampWithoutPlace);
            }
            (Some(TimestampPlace::Body(_)), false) if signs(&Piece::Body) => {}
            (Some(TimestampPlace::Header(_)), false) if list.is_some() => {}
            (Some(_), false) => return Err(SetupError::UnsignedTimestamp),
            _ => {}
        }
        match (&scheme.id_header, signs(&Piece::Id)) {
            (None, true) => return Err(SetupError::IdWithoutHeader),
            (Some(_), false) => return Err(SetupError::UnsignedId),
            _ => {}
        }
        let body = |piece: &Piece| matches!(piece, Piece::Body | Piece::BodyOrField(_));
        let extensible = pieces
            .iter()
            .position(|piece| *piece == Piece::Secret)
            .is_some_and(|secret| pieces.iter().skip(secret).any(body));
        let secrets = pieces.iter().filter(|piece| **piece == Piece::Secret).count();
        for (construction, form) in scheme.ways() {
            let inside = matches!(construction, Construction::Digest(_));
            if secrets != usize::from(inside) {
                return Err(SetupError::SecretInTemplate);
            }
            let pair = matches!(construction, Construction::KeyPair(_));
            if pair != matches!(form, KeyForm::PublicKey { .. }) {
                return Err(SetupError::KeyFormMismatch);
            }
        }
        Carrier::of(&scheme).check()?;
        let mut timestamp_header = None;
        if let Some(rule) = &scheme.timestamp {
            if rule.tolerance.is_zero() {
                return Err(SetupError::NoTolerance);
            }
            if let TimestampPlace::Header(name) = &rule.at {
                timestamp_header = Some(header_name(name)?);
            }
        }
        let template_headers = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Header(name) => Some(header_name(name)),
                _ => None,
            })
            .collect::<Result<Vec<_>, _>>()?;
        let header = header_name(&scheme.header)?;
        let also =
            scheme.also.iter().map(|name| header_name(name)).collect::<Result<Vec<_>, _>>()?;
        if template_headers.iter().any(|name| *name == header || also.contains(name)) {
            return Err(SetupError::SignedSignature);
        }
        let fixed = scheme
            .fixed
            .iter()
            .map(|(name, value)| Ok((header_name(name)?, value.clone())))
            .collect::<Result<Vec<_>, SetupError>>()?;
        let made = Self {
            list: list.map(|name| header_name(name)).transpose()?,
            id_header: scheme.id_header.as_deref().map(header_name).transpose()?,
            header,
            timestamp_header,
            fixed,
            also,
            template_headers,
            key_id_header: scheme.key_id_header.as_deref().map(header_name).transpose()?,
            extensible,
            only_objects: false,
            scheme,
        };
        let one_time = made.scheme.one_time.as_ref();
        match one_time.is_none_or(|location| made.covers_location(location)) {
            true => Ok(made),
            false => Err(SetupError::UnsignedId),
        }
    }

    /// The same for bodies that are JSON objects. Where a sender signs bodies in one way and a text
    /// made of values in another, with one key, neither may pass for the other.
    pub(crate) fn only_objects(self) -> Self {
        Self { only_objects: true, ..self }
    }

    /// Makes sure that the body is what this sender may have signed, however it was signed.
    fn check_body(&self, request: &Request) -> Result<(), Reason> {
        if self.only_objects && !json::is_object(&request.body) {
            return Err(Reason::MalformedBody { expected: "a JSON object" });
        }
        // What makes a message longer starts with a byte that cannot be there in UTF-8, and goes on
        // with others that cannot be there in JSON.
        if self.extensible {
            let mut pieces = self.scheme.signed.pieces().iter();
            let text = match pieces.find(|piece| matches!(piece, Piece::BodyOrField(_))) {
                Some(Piece::BodyOrField(field)) => only_field(request, field)?,
                _ => Cow::Borrowed(&*request.body),
            };
            if !text.is_empty() && !json::is_json(&text) {
                return Err(Reason::MalformedBody { expected: "one JSON text in UTF-8" });
            }
        }
        Ok(())
    }

    /// Makes sure that a value from a header can be told from what stands beside it: else the same
    /// bytes could be cut in another place, with the same signature.
    fn check_seams(
        &self,
        index: usize,
        value: &[u8],
        at: impl Fn() -> String,
    ) -> Result<(), Reason> {
        let pieces = self.scheme.signed.pieces();
        let body = |piece: &Piece| matches!(piece, Piece::Body | Piece::BodyOrField(_));
        let before = index.checked_sub(1).and_then(|before| pieces.get(before));
        let after = pieces.get(index + 1);
        let malformed = |expected| Reason::MalformedValue { at: at(), expected };
        if let Some(Piece::Text(text)) = after {
            // Its first place is where the value ends, not one that begins in the value.
            let first = match text.as_bytes() {
                [byte] => memchr::memchr(*byte, value),
                text => memchr::memmem::find(&[value, text].concat(), text)
                    .filter(|first| *first < value.len()),
            };
            if first.is_some() {
                return Err(malformed(format!("a text that `{text}` ends")));
            }
        }
        let beside = before.is_some_and(body) || after.is_some_and(body);
        let plain = |byte: &u8| *byte == b' ' || Alphabet::Unquoted.has(*byte);
        match beside && !value.iter().all(plain) {
            true => Err(malformed("a text without braces, brackets, quotes and `<`".to_owned())),
            false => Ok(()),
        }
    }

    /// The headers that may carry a signature.
    fn carriers(&self) -> impl Iterator<Item = &HeaderName> {
        std::iter::once(&self.header).chain(&self.also)
    }

    /// Whether the signature covers the header `name` as a whole.
    fn covers_header(&self, name: &str) -> bool {
        self.template_headers
            .iter()
            .chain(&self.id_header)
            .chain(&self.timestamp_header)
            .chain(&self.list)
            .any(|covered| covered.as_str().eq_ignore_ascii_case(name))
    }

    /// The values of the signature headers that are there, of which at least one has to be.
    fn values<'r>(&self, headers: &'r HeaderMap) -> Result<Values<'_, 'r>, Reason> {
        let mut values = Values::new();
        for name in self.carriers() {
            values.extend(at_most_one(headers, name)?.map(|value| (name, value)));
        }
        match values.is_empty() {
            true => Err(Reason::MissingHeader(self.header.clone())),
            false => Ok(values),
        }
    }

    /// The signed bytes, as the pieces they consist of.
    fn message<'r>(
        &'r self,
        request: &'r Request,
        settings: &'r Settings,
        marks: Marks<'r>,
    ) -> Result<Message<'r>, Reason> {
        let mut template_headers = self.template_headers.iter();
        let mut part = |index: usize, piece: &'r Piece| {
            let header = |name: &HeaderName| {
                let value = single(&request.headers, name)?;
                self.check_seams(index, value, || format!("header:{name}"))?;
                Ok(value)
            };
            Ok(Cow::Borrowed(match piece {
                Piece::Text(text) => text.as_bytes(),
                // `new` made sure that a signed timestamp, id or header has its place.
                Piece::Timestamp => marks.timestamp.unwrap_or_default(),
                Piece::Entry(name) => {
                    let value = marks.nonce.unwrap_or_default();
                    let at = || format!("header:{}, entry {name}", self.header);
                    self.check_seams(index, value, at)?;
                    value
                }
                Piece::BodySha256 => {
                    let hash = HEXLOWER.encode(&Sha256::digest(&request.body));
                    return Ok(Cow::Owned(hash.into_bytes()));
                }
                Piece::At(location) => {
                    return Ok(Cow::Owned(needed(request, location)?.into_bytes()));
                }
                // The table's required settings are made sure of when a verifier is made.
                Piece::Setting(name) => match settings.get(name) {
                    Some(value) => value.as_bytes(),
                    None => return Err(Reason::MissingValue { at: name.clone().into_owned() }),
                },
                Piece::Optional { before, at, lower, after } => {
                    let found = between(request, before, at, *lower, after)?;
                    return Ok(Cow::Owned(found.into_bytes()));
                }
                Piece::Body => &request.body,
                Piece::Method => request.method.as_str().as_bytes(),
                Piece::Path => request.path.as_bytes(),
                Piece::Url => request.url.as_bytes(),
                Piece::DecodedUrl => return Ok(decoded_url(&request.url)),
                Piece::BodyOrField(field) => return only_field(request, field),
                Piece::PathAndQuery => {
                    return Ok(match &request.query {
                        Some(query) => Cow::Owned(format!("{}?{query}", request.path).into_bytes()),
                        None => Cow::Borrowed(request.path.as_bytes()),
                    });
                }
                Piece::ListedHeaders(_) => {
                    let Some(list) = &self.list else { return Ok(Cow::Borrowed(b"")) };
                    let required: Vec<&HeaderName> =
                        std::iter::once(list).chain(&self.timestamp_header).collect();
                    return listed_headers(&request.headers, list, &required).map(Cow::Owned);
                }
                // The key stands here; `TemplateKey` has it.
                Piece::Secret => b"",
                Piece::Id => match &self.id_header {
                    Some(name) => header(name)?,
                    None => b"",
                },
                Piece::Header(_) => match template_headers.next() {
                    Some(name) => header(name)?,
                    None => b"",
                },
            }))
        };
        let mut message = Message::new();
        for (index, piece) in self.scheme.signed.pieces().iter().enumerate() {
            message.push(part(index, piece)?);
        }
        Ok(message)
    }

    /// Makes sure that a timestamp is near enough to now.
    fn near(
        &self,
        text: &[u8],
        rule: &TimestampRule,
        now: UnixTime,
        malformed: impl FnOnce() -> Reason,
    ) -> Result<(), Reason> {
        moment::near(text, rule.format, (rule.tolerance, rule.tolerance), now, malformed)
    }
}

impl Family for TemplateCheck {
    type Key = TemplateKey;

    /// The key that a secret stands for, absorbed.
    fn key(&self, secret: &Secret) -> Result<TemplateKey, SecretError> {
        TemplateKey::read(&self.scheme, secret)
    }

    fn takes(&self) -> Takes {
        let public = |how| matches!(how, Construction::KeyPair(_));
        match self.scheme.ways().all(|(construction, _)| public(construction)) {
            true => Takes::PublicKey,
            false => Takes::Secret,
        }
    }

    /// Whether the request has a signature header and the fixed headers of this scheme.
    fn is_carried(&self, request: &Request) -> bool {
        let headers = &request.headers;
        let fixed = |(name, value): &(HeaderName, Cow<'static, str>)| {
            headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes())
        };
        self.carriers().any(|name| headers.contains_key(name)) && self.fixed.iter().all(fixed)
    }

    /// The place of the key that one of the request's signatures matches.
    fn check(&self, keys: &[TemplateKey], seen: Seen<'_>) -> Result<Option<usize>, Reason> {
        let Seen { request, now, .. } = seen;
        let headers = &request.headers;
        for (name, expected) in &self.fixed {
            if single(headers, name)? != expected.as_bytes() {
                let (header, expected) = (name.clone(), expected.clone().into_owned());
                return Err(Reason::UnexpectedHeader { header, expected });
            }
        }
        let near = |text: &[u8], rule: &TimestampRule, header: &HeaderName| {
            self.near(text, rule, now, || Reason::MalformedTimestamp {
                header: header.clone(),
                expected: moment::describe(rule.format),
            })
        };
        // The signature's absence is what people have to hear of first.
        let values = self.values(headers)?;
        let mut in_header = None;
        if let (Some(rule), Some(name)) = (&self.scheme.timestamp, &self.timestamp_header) {
            let text = single(headers, name)?;
            near(text, rule, name)?;
            in_header = Some(text);
        }
        let key_id = self.key_id_header.as_ref();
        let named = key_id.map(|header| single(headers, header)).transpose()?;
        let usable = || {
            let called = move |key: &TemplateKey| named.is_none_or(|name| key.is_called(name));
            keys.iter().enumerate().filter(move |(_, key)| called(key))
        };
        if let (Some(header), None) = (key_id, usable().next()) {
            return Err(Reason::UnknownKey { header: header.clone() });
        }
        // Entries of a version that no secret is of say nothing.
        let wanted = |way| usable().any(|(_, key)| key.way() == way);
        let mut offers: SmallVec<[Candidates<'_>; 1]> = SmallVec::new();
        let mut refused = None;
        let mut beside = None;
        let carrier = Carrier::of(&self.scheme);
        for (header, value) in values {
            for offer in carrier.offers(header, value)? {
                let offer = offer.and_then(|mut offer| {
                    let own = offer.marks.timestamp;
                    if let (Some(text), Some(rule)) = (own, &self.scheme.timestamp) {
                        near(text, rule, header)?;
                    }
                    offer.marks.timestamp = own.or(in_header);
                    if let Layout::Beside { .. } = self.scheme.layout {
                        beside = offer.marks.timestamp.take().map(|text| (header, text));
                    }
                    offer.read(&carrier, header, &wanted)
                });
                match offer {
                    Ok(offer) => offers.push(offer),
                    Err(reason) => refused = refused.or(Some(reason)),
                }
            }
        }
        if let (true, Some(reason)) = (offers.is_empty(), refused) {
            return Err(reason);
        }
        // Every key is tried with every candidate, so that the time taken says nothing about which
        // of them came close. What was signed with the same timestamp is hashed once.
        let mut matched = None;
        while let Some((marks, mut candidates)) = offers.pop() {
            offers.retain_mut(|(other, more)| {
                let apart = *other != marks;
                if !apart {
                    candidates.append(more);
                }
                apart
            });
            let message = self.message(request, seen.settings, marks)?;
            for (index, key) in usable() {
                if key.signed(&message, &candidates) {
                    matched = Some(matched.map_or(index, |first: usize| first.min(index)));
                }
            }
        }
        let matched = matched.ok_or(Reason::Mismatch { secrets: usable().count() })?;
        self.check_body(request)?;
        if let Some(location) = &self.scheme.one_time {
            needed(request, location)?;
        }
        if let Some(rule) = &self.scheme.timestamp
            && let TimestampPlace::Body(pointer) = &rule.at
        {
            let missing = || Reason::MissingBodyTimestamp {
                pointer: pointer.clone().into_owned(),
                expected: moment::describe(rule.format),
            };
            let text = json::text_at(&request.body, pointer).ok_or_else(missing)?;
            self.near(text.as_bytes(), rule, now, missing)?;
            if let Some((header, beside)) = beside
                && beside != text.as_bytes()
            {
                let header = header.clone();
                return Err(Reason::MalformedTimestamp { header, expected: "the one in the body" });
            }
        }
        Ok(Some(matched))
    }

    fn covers(&self, piece: &Piece) -> bool {
        self.scheme.signed.pieces().iter().any(|signed| {
            signed == piece
                || match signed {
                    Piece::BodyOrField(_) | Piece::BodySha256 => *piece == Piece::Body,
                    // All of the URL that a request has of its own.
                    Piece::PathAndQuery => *piece == Piece::Url,
                    _ => false,
                }
        })
    }

    fn covers_location(&self, location: &Location) -> bool {
        let signed = self.scheme.signed.pieces().iter().any(|piece| match piece {
            Piece::At(at) => at == location,
            // Only when it is the first place can nothing be put before it.
            Piece::Optional { at, .. } => at.first() == Some(location),
            _ => false,
        });
        match location {
            _ if signed => true,
            Location::Header(name) => self.covers_header(name),
            Location::Json(_) | Location::Form(_) => self.covers(&Piece::Body),
            Location::Param(_) => self.covers(&Piece::Path) || self.covers(&Piece::Url),
            Location::Query(_) => self.covers(&Piece::Url),
        }
    }

    fn one_time_token(&self, request: &Request) -> Option<String> {
        one(request, self.scheme.one_time.as_ref()?).ok()?
    }

    /// A timestamp may be ahead when the request is first taken, and as far behind at last.
    fn repeatable_for(&self) -> Option<Duration> {
        self.scheme.timestamp.as_ref().map(|rule| rule.tolerance.saturating_mul(2))
    }

    fn sign(
        &self,
        secret: &Secret,
        mut request: Request,
        now: UnixTime,
        settings: &Settings,
    ) -> Result<Request, SignError> {
        let scheme = &self.scheme;
        let signer = TemplateSigner::read(scheme, secret)?;
        self.check_body(&request)?;
        let timestamp = match (&scheme.timestamp, &scheme.layout) {
            (
                Some(TimestampRule { at: TimestampPlace::Body(pointer), format, .. }),
                Layout::Beside { .. },
            ) => {
                let (pointer, expected) = (pointer.to_string(), moment::describe(*format));
                let text = json::text_at(&request.body, &pointer);
                Some(text.ok_or(Reason::MissingBodyTimestamp { pointer, expected })?)
            }
            (rule, _) => rule.as_ref().map(|rule| moment::write(now, rule.format)),
        };
        // What is signed besides has to be there before it is signed.
        if let Some(list) = &self.list {
            let names: Vec<&str> = std::iter::once(list)
                .chain(&self.timestamp_header)
                .map(HeaderName::as_str)
                .collect();
            insert(&mut request.headers, list, names.join(",").as_bytes())?;
        }
        if let (Some(name), Some(text)) = (&self.timestamp_header, &timestamp) {
            insert(&mut request.headers, name, text.as_bytes())?;
        }
        for (name, value) in &self.fixed {
            insert(&mut request.headers, name, value.as_bytes())?;
        }
        if let (Some(header), Some(name)) = (&self.key_id_header, &signer.name) {
            insert(&mut request.headers, header, name)?;
        }
        // Nothing here is random; what is signed at another moment gets another one.
        let nonce = Sha256::new().chain_update(&request.body);
        let nonce = HEXLOWER.encode(&nonce.chain_update(now.as_millis().to_be_bytes()).finalize());
        let marks = Marks {
            timestamp: timestamp.as_deref().map(str::as_bytes),
            nonce: Some(nonce.as_bytes()),
        };
        let signature = signer
            .sign(&self.message(&request, settings, marks)?, scheme.encoding)
            .ok_or(SignError::Unsignable)?;
        let signature = format!("{}{signature}", scheme.prefix);
        let carrier = Carrier::of(scheme);
        let value = carrier.write(signer.way, &signature, timestamp.as_deref(), Some(&nonce));
        insert(&mut request.headers, &self.header, value.as_bytes())?;
        Ok(request)
    }
}

/// What is at the first of `places` that has something, between two texts; nothing when none has.
fn between(
    request: &Request,
    before: &str,
    places: &[Location],
    lower: bool,
    after: &str,
) -> Result<String, Reason> {
    for place in places {
        let Some(mut found) = one(request, place)? else { continue };
        // With the text that ends it inside, one part could be taken for two.
        if found.is_empty() || found.contains(after) {
            let expected = format!("a text without `{after}`");
            return Err(Reason::MalformedValue { at: place.to_string(), expected });
        }
        if lower {
            found.make_ascii_lowercase();
        }
        return Ok(format!("{before}{found}{after}"));
    }
    Ok(String::new())
}
