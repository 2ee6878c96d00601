//! Known senders, as data: one table entry each, no code.

mod asking;
mod body_base64;
mod body_hex;
mod body_secret;
mod body_values;
mod certificates;
mod challenged;
mod credentials;
mod ebay;
mod entries;
mod github;
mod key_pairs;
mod meta;
mod own_header;
mod own_ways;
mod parts;
mod several_ways;
mod standard_senders;
mod standard_webhooks;
mod table;
mod teaching;
mod tokens;
mod unsigned;

use std::time::Duration;

use crate::handshake::HandshakeRule;
use crate::location::Location;
use crate::names::UnknownName;
use crate::scheme::Scheme;
use crate::settings::Setting;

/// What is known about a sender.
#[derive(Debug)]
#[non_exhaustive]
pub struct Profile {
    /// Its name in configuration.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How it signs. A route that needs another tolerance clones this and changes it.
    pub scheme: &'static Scheme,
    /// Where the event's type is; the first location that has one counts.
    pub kind: &'static [Location],
    /// Where the delivery's id is; the first location that has one counts.
    pub delivery_id: &'static [Location],
    /// How long after the first try the sender may send the same delivery again: duplicates have to
    /// be recognised for at least as long.
    pub retry_span: Duration,
    /// The status that tells the sender that the event was taken.
    pub success_status: u16,
    /// The text that has to be in the answer then, for senders that look for it.
    pub success_body: &'static str,
    /// The status that tells the sender that the event was refused.
    pub refusal_status: u16,
    /// What a person who sets up a route has to know, in a sentence or two.
    pub summary: &'static str,
    /// What has to be said besides the secret, or can be.
    pub settings: &'static [Setting],
    /// The requests with which it tries a URL out, and their answers.
    pub handshakes: &'static [HandshakeRule],
}

impl Profile {
    /// What holds for most senders; an entry of the table says what differs.
    pub(crate) const DEFAULTS: Self = Self {
        name: "",
        title: "",
        scheme: &Scheme::None,
        kind: &[],
        delivery_id: &[],
        retry_span: table::UNTOLD,
        success_status: 200,
        success_body: "",
        refusal_status: 401,
        summary: "",
        settings: &[],
        handshakes: &[],
    };

    /// Whether the sender tells its secret itself, in a handshake. Such a route starts without one.
    pub fn teaches_secret(&self) -> bool {
        self.handshakes.iter().any(HandshakeRule::teaches)
    }

    /// The methods with which the sender tries a URL out, each once, besides `POST`, by which its
    /// deliveries come. What comes by one of them is a handshake or is refused.
    pub fn handshake_methods(&self) -> impl Iterator<Item = http::Method> {
        let mut methods = Vec::new();
        for method in self.handshakes.iter().map(HandshakeRule::method) {
            if method != http::Method::POST && !methods.contains(&method) {
                methods.push(method);
            }
        }
        methods.into_iter()
    }
}

const PROFILES: &[Profile] = &[
    body_values::ADYEN,
    body_hex::AIRTABLE,
    own_header::AIRWALLEX,
    own_header::AKENEO,
    body_hex::ALCHEMY,
    standard_senders::ANTHROPIC,
    teaching::ASANA,
    body_hex::ATTIO,
    credentials::AUTH0,
    body_hex::AUTHORIZE_NET,
    certificates::AWS_SNS,
    standard_senders::BIGCOMMERCE,
    body_hex::BITBUCKET,
    own_header::BOX,
    own_ways::BRAINTREE,
    standard_senders::BREX,
    key_pairs::BRIDGE,
    entries::BUILDKITE,
    body_hex::CAL_COM,
    entries::CALENDLY,
    own_header::CASHFREE,
    credentials::CHARGEBEE,
    body_hex::CHECKOUT_COM,
    key_pairs::CIRCLE,
    body_hex::CIRCLECI,
    standard_senders::CLERK,
    teaching::CLIO,
    credentials::CLOUDFLARE_NOTIFICATIONS,
    entries::CLOUDFLARE_STREAM,
    own_header::CLOUDINARY,
    body_secret::CLOUDPRINTER,
    body_hex::COINBASE_COMMERCE,
    body_base64::COMMERCELAYER,
    several_ways::CONTENTFUL,
    own_header::CUSTOMERIO,
    key_pairs::DISCORD,
    body_base64::DOCUSIGN,
    challenged::DROPBOX,
    body_values::DROPBOX_SIGN,
    body_hex::EASYPOST,
    ebay::EBAY,
    entries::ELEVENLABS,
    standard_senders::ETSY,
    own_ways::EXACT_ONLINE,
    parts::FAVRO,
    body_secret::FIGMA,
    standard_senders::FINCH,
    key_pairs::FIREBLOCKS,
    asking::FRONT,
    tokens::FUSIONAUTH,
    standard_senders::GEMINI,
    body_hex::GITEA,
    github::GITHUB,
    several_ways::GITLAB,
    body_hex::GOCARDLESS,
    credentials::GOOGLE_DRIVE,
    tokens::GOOGLE_PUBSUB,
    standard_senders::GRANOLA,
    body_base64::HEROKU,
    body_base64::HOOKDECK,
    several_ways::HUBSPOT,
    credentials::HUGGING_FACE,
    standard_senders::INCIDENT_IO,
    standard_senders::INCREASE,
    entries::INFISICAL,
    meta::INSTAGRAM,
    body_hex::INTERCOM,
    body_hex::JIRA,
    parts::KLAVIYO,
    entries::KNOCK,
    parts::LARK,
    body_hex::LAUNCHDARKLY,
    body_hex::LEMONSQUEEZY,
    body_base64::LINE,
    body_hex::LINEAR,
    challenged::LINKEDIN,
    standard_senders::LITHIC,
    standard_senders::LIVEBLOCKS,
    tokens::LIVEKIT,
    standard_senders::LOOPS,
    unsigned::MAILCHIMP,
    body_hex::MAILERSEND,
    body_values::MAILGUN,
    own_ways::MANDRILL,
    body_secret::MERAKI,
    parts::MERCADO_PAGO,
    tokens::MESSAGEBIRD,
    meta::META,
    parts::METRONOME,
    body_secret::MICROSOFT_GRAPH,
    body_hex::MODERN_TREASURY,
    body_hex::MOLLIE,
    tokens::MONDAY,
    body_base64::MS_TEAMS_OUTGOING,
    entries::MUX,
    tokens::NEON,
    parts::NMI,
    teaching::NOTION,
    challenged::NYLAS,
    challenged::OKTA,
    standard_senders::OPENAI,
    own_header::ORB,
    challenged::OURA,
    entries::PADDLE,
    body_hex::PAGERDUTY,
    certificates::PAYPAL,
    body_hex::PAYSTACK,
    entries::PERSONA,
    credentials::PIPEDRIVE,
    tokens::PLAID,
    body_hex::PLAIN,
    body_hex::PLANETSCALE,
    standard_senders::POLAR,
    key_pairs::POSTAL,
    credentials::POSTMARK,
    body_hex::PUSHER,
    body_base64::QUICKBOOKS,
    body_hex::RAZORPAY,
    parts::RECHARGE,
    entries::RECURLY,
    standard_senders::RENDER,
    standard_senders::REPLICATE,
    standard_senders::RESEND,
    entries::RETELL,
    own_header::REVOLUT,
    asking::RINGCENTRAL,
    entries::SANITY,
    body_hex::SEGMENT,
    key_pairs::SENDGRID,
    body_hex::SENTRY,
    body_secret::SHAREPOINT,
    standard_senders::SHIPBOB,
    entries::SHIPPO,
    several_ways::SHOPIFY,
    asking::SLACK,
    parts::SMARTCAR,
    parts::SOLIDGATE,
    several_ways::SQUARE,
    standard_webhooks::STANDARD_WEBHOOKS,
    unsigned::STRAVA,
    entries::STRIPE,
    standard_senders::STYTCH,
    standard_senders::SUPABASE,
    standard_webhooks::SVIX,
    entries::TAILSCALE,
    body_base64::TALLY,
    parts::TEBEX,
    credentials::TELEGRAM,
    key_pairs::TELNYX,
    body_hex::TERRAFORM_CLOUD,
    entries::TIKTOK,
    parts::TIKTOK_SHOP,
    key_pairs::TOKEN_IO,
    challenged::TRELLO,
    several_ways::TWILIO,
    asking::TWITCH,
    body_base64::TYPEFORM,
    body_hex::UBER,
    own_ways::UNISENDER_GO,
    key_pairs::UTILA,
    standard_senders::VANTA,
    body_hex::VERCEL,
    parts::WALMART,
    own_header::WEBFLOW,
    own_ways::WECHAT,
    key_pairs::WECHAT_PAY,
    meta::WHATSAPP,
    tokens::WIX,
    asking::WOOCOMMERCE,
    entries::WORKOS,
    challenged::X_TWITTER,
    body_base64::XERO,
    own_header::ZENDESK,
    asking::ZOOM,
];

/// The names of all profiles, in the order of [`profiles`].
static NAMES: [&str; PROFILES.len()] = {
    let mut names = [""; PROFILES.len()];
    let mut at = 0;
    while at < PROFILES.len() {
        // Both have the same length.
        #[expect(clippy::indexing_slicing)]
        {
            names[at] = PROFILES[at].name;
        }
        at += 1;
    }
    names
};

/// Every known sender, ordered by name.
pub fn profiles() -> &'static [Profile] {
    PROFILES
}

/// The sender called `name`, exactly.
///
/// ```
/// use hookyard_verify::profile;
///
/// assert_eq!(profile("github")?.title, "GitHub");
/// let slip = profile("git-hub").unwrap_err().to_string();
/// assert!(slip.starts_with("unknown provider `git-hub`; did you mean `github`?; known: adyen,"));
/// # Ok::<(), hookyard_verify::UnknownName>(())
/// ```
pub fn profile(name: &str) -> Result<&'static Profile, UnknownName> {
    PROFILES
        .iter()
        .find(|profile| profile.name == name)
        .ok_or_else(|| UnknownName::new("provider", name, &NAMES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Secret, Settings, Verifier, generate_key_pair};

    #[test]
    fn the_table_is_sorted_and_its_names_are_listed() {
        let names: Vec<_> = PROFILES.iter().map(|profile| profile.name).collect();
        assert_eq!(names, NAMES);
        assert!(names.is_sorted());
    }

    #[test]
    fn every_entry_makes_a_verifier_and_prints_its_places() {
        for profile in PROFILES {
            let mut settings = Settings::default();
            for setting in profile.settings.iter().filter(|setting| setting.required) {
                let value = setting.only.unwrap_or(match setting.name {
                    "environment" => "sandbox",
                    "jwks_url" => "https://auth.example.com/jwks.json",
                    "topic_arn" => "arn:aws:sns:us-east-1:123456789012:orders",
                    _ => "something",
                });
                settings.insert(setting.name, value);
            }
            let secrets = ["MDEyMzQ1Njc4OWFiY2RlZg", "user:password", "00ff"].map(Secret::from);
            let pair = generate_key_pair(profile.scheme).ok().map(|pair| Secret::from(pair.public));
            let mut made = secrets
                .into_iter()
                .chain(pair)
                .map(|secret| vec![secret])
                .chain([Vec::new()])
                .map(|secrets| Verifier::for_profile(profile, secrets, settings.clone()));
            assert!(made.any(|made| made.is_ok()), "{}", profile.name);
            for location in profile.kind.iter().chain(profile.delivery_id) {
                assert_eq!(location.to_string().parse().as_ref(), Ok(location), "{}", profile.name);
            }
            assert!((200..300).contains(&profile.success_status), "{}", profile.name);
            assert!(!profile.retry_span.is_zero() && !profile.summary.is_empty());
        }
    }
}
