//! `hookyard send`: a delivery signed exactly as a sender would sign it, for trying a route out.

mod delivery;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hookyard_verify::{Secret, Settings, SignError, Takes, generate_key_pair, profile, sign};
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;
use zeroize::Zeroizing;

use super::{EXIT_USAGE, now};
use crate::outbound::{
    AddressPolicy, Client, ClientParts, FetchLimits, Request, Resolver, Response, SystemResolver,
    platform_roots,
};
use delivery::Delivery;

/// The variable that holds the secret when nothing else is said.
const SECRET_VARIABLE: &str = "HOOKYARD_SECRET";

#[derive(Debug, clap::Args)]
pub(crate) struct SendArguments {
    /// The sender, as in a route: `github`, `stripe`, …
    provider: String,
    /// Where to send it.
    #[arg(long, required_unless_present = "new_key", default_value = "")]
    url: String,
    /// The URL that is signed, when the sender knows another: the `public_url` of the daemon and the
    /// path.
    #[arg(long, value_name = "URL")]
    signed_url: Option<String>,
    /// The event's type; put where this sender puts it.
    #[arg(long)]
    kind: Option<String>,
    /// The delivery's id; put where this sender puts it [default: a new one].
    #[arg(long)]
    id: Option<String>,
    /// The body; `-` for standard input [default: an empty JSON object].
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The body's type.
    #[arg(long, default_value = "application/json")]
    content_type: String,
    #[arg(long, default_value = "POST")]
    method: Method,
    /// One more header, as `NAME: VALUE`.
    #[arg(long = "header", value_name = "HEADER", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What this sender has to be told besides, as `NAME=VALUE`.
    #[arg(long = "setting", value_name = "SETTING", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// The environment variable with the secret, or the private key where the sender signs with one.
    #[arg(long, value_name = "NAME", default_value = SECRET_VARIABLE)]
    secret_env: String,
    /// The file with the secret or private key, instead of the variable.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Send nothing: make a key pair for a sender that signs with one, write its private half to this
    /// new file, for `--secret-file`, and print the public half, for the route's `public_key`.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    new_key: Option<PathBuf>,
    /// Print what would be sent and send nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Signs and sends. Exit code 0 for an answer of 2xx, 1 for another one or none, 2 for arguments
/// that cannot be used.
pub(crate) fn run(arguments: &SendArguments) -> anyhow::Result<ExitCode> {
    if let Some(file) = &arguments.new_key {
        return new_key(&arguments.provider, file);
    }
    let delivery = match signed(arguments) {
        Ok(delivery) => delivery,
        Err(error) => {
            eprintln!("hookyard: {error:#}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let mut out = std::io::stdout().lock();
    if arguments.dry_run {
        out.write_all(delivery.shown(&arguments.url, arguments.json).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let response = runtime.block_on(deliver(&arguments.url, &delivery))?;
    let body = String::from_utf8_lossy(&response.body);
    if arguments.json {
        let status = response.status.as_u16();
        writeln!(out, "{:#}", json!({ "status": status, "id": delivery.id(), "body": body }))?;
    } else {
        writeln!(out, "{}", response.status)?;
        if !body.is_empty() {
            writeln!(out, "{body}")?;
        }
    }
    Ok(if response.status.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes the private half of a new key pair and prints the public one.
fn new_key(provider: &str, file: &Path) -> anyhow::Result<ExitCode> {
    let made = profile(provider).map_err(anyhow::Error::new).and_then(|profile| {
        let pair = generate_key_pair(profile.scheme);
        pair.with_context(|| format!("there is no key pair for {}", profile.title))
    });
    let pair = match made {
        Ok(pair) => pair,
        Err(error) => {
            eprintln!("hookyard: {error:#}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut written = written.with_context(|| format!("failed to make {}", file.display()))?;
    written.write_all(pair.private.expose())?;
    written.write_all(b"\n")?;
    writeln!(std::io::stdout(), "{}", pair.public)?;
    Ok(ExitCode::SUCCESS)
}

fn signed(arguments: &SendArguments) -> anyhow::Result<Delivery> {
    let profile = profile(&arguments.provider)?;
    let mut settings = Settings::default();
    for (name, value) in &arguments.settings {
        if !profile.settings.iter().any(|setting| setting.name == name) {
            let known: Vec<&str> = profile.settings.iter().map(|setting| setting.name).collect();
            bail!("{} has no setting `{name}`; known: {}", profile.title, known.join(", "));
        }
        settings.insert(name.as_str(), value.as_str());
    }
    let url = arguments.signed_url.as_ref().unwrap_or(&arguments.url);
    let body = match &arguments.data {
        Some(file) => super::captured::text(file)
            .with_context(|| format!("failed to read {}", file.display()))?,
        None => b"{}".to_vec(),
    };
    let mut delivery = Delivery::new(profile, arguments.method.clone(), url, body)?;
    delivery.header(http::header::CONTENT_TYPE, arguments.content_type.parse()?);
    for (name, value) in &arguments.headers {
        delivery.header(name.clone(), value.clone());
    }
    delivery.name(arguments.kind.as_deref(), arguments.id.as_deref(), now())?;
    let secret = match profile.scheme.takes()? {
        // What is signed with a key that the sender publishes is signed with one of our own here.
        Takes::Nothing => secret(arguments).unwrap_or_else(|_| Secret::from("")),
        Takes::Secret | Takes::PublicKey => secret(arguments)?,
    };
    delivery.request = sign(profile.scheme, &secret, delivery.request, now(), &settings)
        .map_err(|error| explain(profile.title, error))?;
    Ok(delivery)
}

/// The secret, with what its file ends in.
fn secret(arguments: &SendArguments) -> anyhow::Result<Secret> {
    if let Some(file) = &arguments.secret_file {
        return secret_of(file).with_context(|| format!("failed to read {}", file.display()));
    }
    let name = &arguments.secret_env;
    let value = std::env::var(name).map(Zeroizing::new);
    match value {
        Ok(value) => Ok(Secret::from(value.as_str())),
        Err(_) => bail!(
            "there is no secret: set the environment variable {name}, or name a file with \
             `--secret-file`"
        ),
    }
}

fn secret_of(file: &Path) -> anyhow::Result<Secret> {
    let bytes = Zeroizing::new(std::fs::read(file)?);
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(Secret::new(text.strip_suffix(b"\r").unwrap_or(text)))
}

fn explain(title: &str, error: SignError) -> anyhow::Error {
    match error {
        SignError::Secret(problem) => {
            anyhow::anyhow!("this cannot be a secret or private key of {title}: {problem}")
        }
        // It has its source in its own text.
        other => anyhow::anyhow!("failed to sign as {title}: {other}"),
    }
}

/// Sends it, to any address: who runs this may reach what this machine may reach.
async fn deliver(url: &str, delivery: &Delivery) -> anyhow::Result<Response> {
    let everything = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|net| net.parse().ok());
    let client = Client::new(ClientParts {
        resolver: Resolver::new(Arc::new(SystemResolver)),
        policy: AddressPolicy::public_only().allowing(everything),
        plain_http: true,
        roots: platform_roots(),
        limits: FetchLimits { deadline: Duration::from_secs(60), ..FetchLimits::default() },
    })?;
    let signed = &delivery.request;
    let mut request = Request::new(signed.method.clone(), &delivery.address(url), &signed.body)?;
    for (name, value) in &signed.headers {
        request = request.header(name.clone(), value.clone());
    }
    Ok(client.fetch(request).await?)
}

fn header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("a header is written `NAME: VALUE`")?;
    Ok((name.trim().parse()?, value.trim().parse()?))
}

fn setting(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("a setting is written `NAME=VALUE`")?;
    Ok((name.to_owned(), value.to_owned()))
}
