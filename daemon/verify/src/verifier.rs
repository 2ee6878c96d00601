//! A scheme and its secrets, ready to check requests.

use std::fmt;
use std::sync::Arc;

use http::Method;

use crate::body_hmac_check::BodyHmacCheck;
use crate::body_secret_check::BodySecretCheck;
use crate::braintree_check::BraintreeCheck;
use crate::credential_check::CredentialCheck;
use crate::ebay_check::EbayCheck;
use crate::exact_check::ExactCheck;
use crate::family::{AnyFamily, Keys, Seen, Takes, Unchecked};
use crate::handshake::{Handshake, HandshakeRule, Known, Proof};
use crate::jwt_check::JwtCheck;
use crate::keyring::Keyring;
use crate::location::Location;
use crate::mandrill_check::MandrillCheck;
use crate::paypal_check::PaypalCheck;
use crate::profile::Profile;
use crate::reason::{Reason, Refused};
use crate::request::{Request, UnixTime};
use crate::scheme::Scheme;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::setup::{SetupError, header_name};
use crate::sns_check::SnsCheck;
use crate::template::Piece;
use crate::template_check::TemplateCheck;
use crate::twilio_check::TwilioCheck;
use crate::unisender_check::UnisenderCheck;
use crate::verified::{Facts, Part, Verified};
use crate::wechat_check::WeChatCheck;

/// Checks requests by one scheme, with one or several secrets. Cheap to clone and to share.
#[derive(Clone)]
pub struct Verifier {
    /// One, or the alternatives in their order.
    families: Families,
    /// The secrets that fit each of them.
    fitting: Arc<[Fitting]>,
    /// All of them, for what a handshake is answered with.
    secrets: Arc<[Secret]>,
    settings: Arc<Settings>,
    handshakes: &'static [HandshakeRule],
    facts: Arc<Facts>,
}

type Families = Arc<[Box<dyn AnyFamily>]>;

/// The secrets that fit one of several alternatives.
struct Fitting {
    /// Their places in the verifier's list.
    places: Vec<usize>,
    keys: Keys,
}

/// What a request turned out to be.
#[derive(Debug)]
pub enum Received {
    /// A delivery whose signature held.
    Event(Verified),
    /// The sender tries the URL out: there is nothing to handle and something to answer.
    Handshake(Handshake),
}

/// Which of the alternatives held, 0 without any, and with which secret.
type Match = (usize, Option<usize>);

/// The same as [`Received`], before the request is moved.
enum Told {
    Event(Match),
    Handshake(Handshake),
}

impl Verifier {
    /// Makes a verifier for `scheme` that takes any of `secrets`; [`Scheme::None`] takes no secret.
    /// It knows no kind and no delivery id: see [`with_kind`](Self::with_kind) and
    /// [`with_delivery_id`](Self::with_delivery_id).
    pub fn new(
        scheme: Scheme,
        secrets: impl IntoIterator<Item = Secret>,
    ) -> Result<Self, SetupError> {
        Self::build(scheme, secrets.into_iter().collect(), Settings::default(), &[])
    }

    /// Makes a verifier for a known provider, with its kind, delivery id and handshakes. `settings`
    /// has what [`Profile::settings`] asks for.
    ///
    /// A provider that [teaches its secret](Profile::teaches_secret) may be set up without one.
    pub fn for_profile(
        profile: &Profile,
        secrets: impl IntoIterator<Item = Secret>,
        settings: Settings,
    ) -> Result<Self, SetupError> {
        settings.check(profile.settings)?;
        let secrets = secrets.into_iter().collect();
        let made = Self::build(profile.scheme.clone(), secrets, settings, profile.handshakes)?;
        Ok(made.with_kind(profile.kind.to_vec()).with_delivery_id(profile.delivery_id.to_vec()))
    }

    fn build(
        scheme: Scheme,
        secrets: Vec<Secret>,
        settings: Settings,
        handshakes: &'static [HandshakeRule],
    ) -> Result<Self, SetupError> {
        let families: Families = families(scheme)?.into();
        families.iter().try_for_each(|family| family.check_settings(&settings))?;
        let taught = handshakes.iter().any(HandshakeRule::teaches);
        let fitting = fit(&families, &secrets, taught)?;
        let facts = Arc::new(facts(&families, Vec::new(), Vec::new()));
        let (secrets, settings) = (secrets.into(), Arc::new(settings));
        Ok(Self { families, fitting, secrets, settings, handshakes, facts })
    }

    /// The same scheme and locations with other secrets, such as those of one tenant. The secrets
    /// are read anew, the scheme is shared.
    pub fn with_secrets(
        &self,
        secrets: impl IntoIterator<Item = Secret>,
    ) -> Result<Self, SetupError> {
        let secrets: Vec<Secret> = secrets.into_iter().collect();
        let taught = self.handshakes.iter().any(HandshakeRule::teaches);
        let fitting = fit(&self.families, &secrets, taught)?;
        Ok(Self { fitting, secrets: secrets.into(), ..self.clone() })
    }

    /// Sets where the kind is looked for; the first location that has one counts.
    #[must_use]
    pub fn with_kind(mut self, locations: Vec<Location>) -> Self {
        self.facts = Arc::new(facts(&self.families, locations, self.facts.delivery_id.clone()));
        self
    }

    /// Sets where the delivery id is looked for; the first location that has one counts.
    #[must_use]
    pub fn with_delivery_id(mut self, locations: Vec<Location>) -> Self {
        self.facts = Arc::new(facts(&self.families, self.facts.kind.clone(), locations));
        self
    }

    /// What the signature will not cover in any request: see [`Verified::unauthenticated`].
    pub fn unauthenticated(&self) -> &[Part] {
        &self.facts.unauthenticated
    }

    /// Checks a request as of `now`, with the keys that are at hand, and tells deliveries from
    /// handshakes.
    ///
    /// A request that carries a signature has to pass, whatever else it says. What looks like a
    /// handshake is one or is refused: one that the sender signs has to be signed, one that it does
    /// not sign must not be. Refused are also a request with a method that the sender has for
    /// handshakes alone, and an event with a body that anyone could have had signed by asking for a
    /// handshake.
    ///
    /// When the reason of a refusal is [`Reason::KeyNeeded`], fetch that key and ask again with the
    /// request that comes back; when the key is at hand already and does not have it, the request is
    /// not genuine.
    pub fn receive(
        &self,
        request: Request,
        now: UnixTime,
        keyring: &Keyring,
    ) -> Result<Received, Refused> {
        match self.tell(&request, now, keyring) {
            Ok(Told::Event(held)) => Ok(Received::Event(self.verified(request, held))),
            Ok(Told::Handshake(handshake)) => Ok(Received::Handshake(handshake)),
            Err(reason) => Err(Refused { reason, request: Box::new(request) }),
        }
    }

    fn tell(&self, request: &Request, now: UnixTime, keyring: &Keyring) -> Result<Told, Reason> {
        let held = match self.families.iter().any(|family| family.is_carried(request)) {
            true => Some(self.check(request, now, keyring)?),
            false => None,
        };
        let mut rules = self.handshakes.iter();
        if let Some(rule) =
            rules.find(|rule| rule.describes(request, held.is_some(), &self.secrets))
        {
            if rule.proof == Proof::Signature && held.is_none() {
                // What is missing is what people have to hear of.
                self.check(request, now, keyring)?;
            }
            return self.handshake(rule, request, held).map(Told::Handshake);
        }
        let of_method = |rule: &HandshakeRule| rule.method() == request.method;
        if request.method != Method::POST && self.handshakes.iter().any(of_method) {
            return Err(Reason::NoHandshake);
        }
        let held = match held {
            Some(held) => held,
            None => self.check(request, now, keyring)?,
        };
        Ok(Told::Event(held))
    }

    /// The answer to a request that `rule` describes and of whose signature `held` is left.
    fn handshake(
        &self,
        rule: &HandshakeRule,
        request: &Request,
        held: Option<Match>,
    ) -> Result<Handshake, Reason> {
        match (&rule.proof, held) {
            (Proof::Signature, Some(_)) | (Proof::MaybeSigned | Proof::Sealed(..), _) => {}
            (Proof::Shows(..) | Proof::Nothing | Proof::Teaches(_), None) => {}
            (Proof::Signature, None) => return Err(Reason::BadHandshake("it is not signed")),
            (Proof::Shows(..) | Proof::Nothing | Proof::Teaches(_), Some(_)) => {
                return Err(Reason::BadHandshake(
                    "it is signed, which those of the sender are not",
                ));
            }
        }
        let signed_with = held.and_then(|(_, place)| place);
        let known = Known { secrets: &self.secrets, signed_with, settings: &self.settings };
        let handshake = rule.answer(request, known)?;
        match &handshake.teaches {
            Some(secret) if !self.families.iter().any(|family| family.fits(secret).is_ok()) => {
                Err(Reason::BadHandshake("the secret that it brings cannot be right"))
            }
            _ => Ok(handshake),
        }
    }

    /// Checks the signature alone, with no fetched keys. A handshake that the sender signs passes as
    /// well: see [`receive`](Self::receive).
    pub fn verify(&self, request: Request, now: UnixTime) -> Result<Verified, Refused> {
        match self.check(&request, now, &Keyring::default()) {
            Ok(held) => Ok(self.verified(request, held)),
            Err(reason) => Err(Refused { reason, request: Box::new(request) }),
        }
    }

    #[inline]
    fn verified(&self, request: Request, held: Match) -> Verified {
        let family = self.families.get(held.0);
        let token = family.and_then(|family| family.one_time_token(&request));
        let repeatable_for = family.and_then(|family| family.repeatable_for());
        Verified::new(request, held, (token, repeatable_for), Arc::clone(&self.facts))
    }

    /// The body is hashed where it lies; nothing of the request is parsed beyond what the scheme
    /// names.
    fn check(&self, request: &Request, now: UnixTime, keyring: &Keyring) -> Result<Match, Reason> {
        let seen = Seen { request, now, keyring, settings: &self.settings };
        let all = self.families.iter().zip(self.fitting.iter()).enumerate();
        let usable = || {
            let fits = |family: &dyn AnyFamily, fitting: &Fitting| {
                family.takes() == Takes::Nothing || !fitting.places.is_empty()
            };
            all.clone().filter(move |(_, (family, fitting))| fits(family.as_ref(), fitting))
        };
        let (index, (family, fitting)) = usable()
            .find(|(_, (family, _))| family.is_carried(request))
            .or_else(|| usable().next())
            .ok_or(Reason::NotTaught)?;
        let place = family.check(&fitting.keys, seen)?;
        if self.handshakes.iter().any(|rule| rule.signs_for_anyone(&request.body)) {
            return Err(Reason::BadHandshake("its body is one that handshakes are signed for"));
        }
        Ok((index, place.and_then(|place| fitting.places.get(place)).copied()))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("families", &self.families)
            .field("settings", &self.settings)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// The families that a scheme is of: one, or its alternatives.
pub(crate) fn families(scheme: Scheme) -> Result<Vec<Box<dyn AnyFamily>>, SetupError> {
    let Scheme::FirstOf(schemes) = scheme else { return Ok(vec![family(scheme)?]) };
    let sound = |scheme: &Scheme| !matches!(scheme, Scheme::FirstOf(_) | Scheme::None);
    if schemes.is_empty() || !schemes.iter().all(sound) {
        return Err(SetupError::InvalidAlternatives);
    }
    let joins = schemes.iter().any(|scheme| matches!(scheme, Scheme::BodyHmac(_)));
    let alternative = |scheme: &Scheme| match scheme {
        Scheme::Template(scheme) if joins => {
            Ok(Box::new(TemplateCheck::new(scheme.clone())?.only_objects()) as Box<dyn AnyFamily>)
        }
        scheme => family(scheme.clone()),
    };
    schemes.iter().map(alternative).collect()
}

/// Whether a request has what the scheme looks at, right or wrong.
pub(crate) fn is_carried(scheme: &Scheme, request: &Request) -> bool {
    families(scheme.clone()).is_ok_and(|all| all.iter().any(|family| family.is_carried(request)))
}

fn family(scheme: Scheme) -> Result<Box<dyn AnyFamily>, SetupError> {
    Ok(match scheme {
        Scheme::Template(scheme) => Box::new(TemplateCheck::new(scheme)?),
        Scheme::Token { header } => {
            Box::new(CredentialCheck::Token { header: header_name(&header)? })
        }
        Scheme::Bearer => Box::new(CredentialCheck::Bearer),
        Scheme::Basic { user } => {
            if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
                return Err(SetupError::InvalidUser);
            }
            Box::new(CredentialCheck::Basic { user: user.into_owned() })
        }
        Scheme::BasicPair => Box::new(CredentialCheck::BasicPair),
        Scheme::Twilio => Box::new(TwilioCheck),
        Scheme::BodyHmac(scheme) => Box::new(BodyHmacCheck::new(scheme)?),
        Scheme::BodySecret { values, name } => Box::new(BodySecretCheck { values, name }),
        Scheme::Braintree => Box::new(BraintreeCheck),
        Scheme::ExactOnline => Box::new(ExactCheck),
        Scheme::Mandrill => Box::new(MandrillCheck),
        Scheme::UnisenderGo => Box::new(UnisenderCheck),
        Scheme::WeChat { tolerance } if tolerance.is_zero() => return Err(SetupError::NoTolerance),
        Scheme::WeChat { tolerance } => Box::new(WeChatCheck { tolerance }),
        Scheme::Ebay => Box::new(EbayCheck),
        Scheme::Jwt(scheme) => Box::new(JwtCheck::new(scheme)?),
        Scheme::Paypal => Box::new(PaypalCheck),
        Scheme::Sns => Box::new(SnsCheck),
        Scheme::None => Box::new(Unchecked),
        Scheme::FirstOf(_) => return Err(SetupError::InvalidAlternatives),
    })
}

/// Gives each family the secrets that could be its own. A secret that fits none is an error.
fn fit(
    families: &[Box<dyn AnyFamily>],
    secrets: &[Secret],
    taught: bool,
) -> Result<Arc<[Fitting]>, SetupError> {
    let takes = families.iter().any(|family| family.takes() != Takes::Nothing);
    match (takes, secrets.is_empty()) {
        (true, true) if !taught => return Err(SetupError::NoSecret),
        (false, false) => return Err(SetupError::UnusedSecret),
        _ => {}
    }
    let of = secrets.len();
    let mut fitting = vec![(Vec::new(), Vec::new()); families.len()];
    for (index, secret) in secrets.iter().enumerate() {
        let mut problem = None;
        let mut placed = false;
        for (family, (places, fits)) in families.iter().zip(&mut fitting) {
            if family.takes() == Takes::Nothing {
                continue;
            }
            match family.fits(secret) {
                Ok(()) => {
                    placed = true;
                    places.push(index);
                    fits.push(secret.clone());
                }
                Err(error) => problem = problem.or(Some(error)),
            }
        }
        if let (false, Some(problem)) = (placed, problem) {
            return Err(SetupError::Secret { index, of, problem });
        }
    }
    let keyed = families.iter().zip(fitting);
    keyed
        .map(|(family, (places, fits))| Ok(Fitting { places, keys: family.keys(&fits)? }))
        .collect()
}

fn facts(
    families: &[Box<dyn AnyFamily>],
    kind: Vec<Location>,
    delivery_id: Vec<Location>,
) -> Facts {
    let by_alternative: Vec<Vec<Part>> = families
        .iter()
        .map(|family| {
            let open = |part: &Part| leaves_open(family.as_ref(), *part, &kind, &delivery_id);
            Part::ALL.iter().copied().filter(open).collect()
        })
        .collect();
    let somewhere = |part: &Part| by_alternative.iter().any(|open| open.contains(part));
    let unauthenticated = Part::ALL.iter().copied().filter(somewhere).collect();
    let credentials = families.iter().filter_map(|family| family.credential().cloned()).collect();
    Facts { kind, delivery_id, unauthenticated, by_alternative, credentials }
}

/// Whether `part` is not covered.
fn leaves_open(
    family: &dyn AnyFamily,
    part: Part,
    kind: &[Location],
    delivery_id: &[Location],
) -> bool {
    let covered =
        |locations: &[Location]| locations.iter().all(|location| family.covers_location(location));
    match part {
        Part::Kind => !covered(kind),
        Part::DeliveryId => !covered(delivery_id),
        Part::Method => !family.covers(&Piece::Method),
        Part::Path | Part::Params => !family.covers(&Piece::Path) && !family.covers(&Piece::Url),
        Part::Query => !family.covers(&Piece::Url),
        Part::Headers => true,
        Part::Body => !family.covers(&Piece::Body),
    }
}
