//! Reads what refers to something else: paths and their `{parameters}`, hosts, secrets.

use toml::de::DeValue;

use super::diagnostic::Span;
use super::keys;
use super::model::SecretRef;
use super::reader::{Entry, Problems, Table, nearest, show};

/// The names of a path's parameters, in order.
pub(super) type PathParams = Vec<String>;

/// Checks a route's path. Segments are literal text or one `{parameter}` each.
pub(super) fn path(entry: &Entry<'_>, problems: &mut Problems) -> Option<PathParams> {
    const EXAMPLE: &str = "\"/hooks/github\"";
    let text = problems.text(entry, EXAMPLE)?;
    let Some(rest) = text.strip_prefix('/') else {
        let what = format!("{} does not start with `/`", show(text));
        problems.invalid(entry, what, EXAMPLE);
        return None;
    };
    if text.len() > 1024 {
        problems.invalid(entry, "the path is longer than 1024 bytes", EXAMPLE);
        return None;
    }
    let mut params = PathParams::new();
    let segments: Vec<&str> = rest.split('/').collect();
    for (at, segment) in segments.iter().enumerate() {
        let wrong = if let Some(inner) = segment.strip_prefix('{') {
            match inner.strip_suffix('}') {
                Some(name) if is_param(name) && params.iter().any(|param| param == name) => {
                    Some(format!("the parameter {{{name}}} is there twice"))
                }
                Some(name) if is_param(name) => {
                    params.push(name.to_owned());
                    None
                }
                Some(name) if name.starts_with('*') => Some(format!(
                    "{} would match several segments; a parameter is one segment",
                    show(segment)
                )),
                _ => Some(format!(
                    "{} is not a parameter; its name is letters, digits and `_`, as in {{tenant}}",
                    show(segment)
                )),
            }
        } else if segment.contains(['{', '}']) {
            Some(format!("{} is not a whole segment in braces; a parameter is one", show(segment)))
        } else if segment.is_empty() && at + 1 < segments.len() {
            Some("`//` has nothing between its slashes".to_owned())
        } else if matches!(*segment, "." | "..") {
            Some(format!("no request has a segment {}", show(segment)))
        } else {
            segment
                .chars()
                .find(|c| !(c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(*c)))
                .map(|c| {
                    format!("{} cannot be in a path; write it %-encoded", show(&c.to_string()))
                })
        };
        if let Some(wrong) = wrong {
            problems.invalid(entry, wrong, EXAMPLE);
            return None;
        }
    }
    Some(params)
}

/// A host name, in lower case, without a port.
pub(super) fn host(entry: &Entry<'_>, problems: &mut Problems) -> Option<String> {
    const EXAMPLE: &str = "\"hooks.example.com\"";
    let text = problems.text(entry, EXAMPLE)?;
    let valid = (1..=253).contains(&text.len())
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        });
    if !valid {
        problems
            .invalid(entry, format!("{} is not a host name", show(text)), EXAMPLE)
            .help("without scheme, port and path; international names in their xn-- form");
        return None;
    }
    Some(text.to_ascii_lowercase())
}

/// Text with `{parameters}`; what remains are characters that a tenant's name may have.
pub(super) fn tenant(
    entry: &Entry<'_>,
    params: Option<&PathParams>,
    problems: &mut Problems,
) -> Option<String> {
    const EXAMPLE: &str = "\"{tenant}\"";
    let text = problems.text(entry, EXAMPLE)?;
    let literal = substituted(text, entry, params, EXAMPLE, problems)?;
    let valid = (1..=128).contains(&text.len())
        && literal.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !valid {
        let what = format!("{} cannot name a tenant", show(text));
        problems
            .invalid(entry, what, EXAMPLE)
            .help("a tenant's name is letters, digits, `-`, `_`, `.` and {parameters} of the path");
        return None;
    }
    Some(text.to_owned())
}

/// One reference that no request has a part in.
pub(super) fn fixed_secret(
    entry: &Entry<'_>,
    problems: &mut Problems,
) -> Option<(SecretRef, Span)> {
    let (secret, place) = secret(entry, None, problems)?;
    if secret.has_params() {
        let key = entry.key;
        problems
            .error(entry.span.clone(), format!("`{key}` cannot have {{parameters}}"))
            .label("there is no route whose path could have them");
        return None;
    }
    Some((secret, place))
}

/// As [`fixed_secret`], for what is needed before, or without, the store of secrets; `why` says so.
pub(super) fn secret_outside_the_store(
    entry: &Entry<'_>,
    why: &str,
    problems: &mut Problems,
) -> Option<(SecretRef, Span)> {
    let (secret, place) = fixed_secret(entry, problems)?;
    if matches!(secret, SecretRef::Stored(_)) {
        let key = entry.key;
        problems.error(place, format!("`{key}` cannot be a stored secret: {why}")).help(format!(
            "use `{key} = {{ file = … }}`, `{{ env = … }}` or `{{ credential = … }}`"
        ));
        return None;
    }
    Some((secret, place))
}

/// Notes when `name` is not a parameter of the path. `params` is nothing when the path is wrong.
pub(super) fn check_param(
    name: &str,
    params: Option<&PathParams>,
    entry: &Entry<'_>,
    problems: &mut Problems,
) {
    let Some(params) = params else { return };
    if params.iter().any(|param| param == name) {
        return;
    }
    let message = format!("`{}`: the path has no parameter {}", entry.key, show(name));
    let draft = problems.error(entry.span.clone(), message);
    match nearest(name, params.iter().map(String::as_str)) {
        Some(near) => draft.label(format!("did you mean {{{near}}}?")),
        None if params.is_empty() => draft.help(format!(
            "add it to `path`, for example \"/events/{{{}}}\"",
            if is_param(name) { name } else { "tenant" }
        )),
        None => draft.help(format!("its parameters are {{{}}}", params.join("}, {"))),
    };
}

/// One reference, with the place of its name or path.
pub(super) fn secret(
    entry: &Entry<'_>,
    params: Option<&PathParams>,
    problems: &mut Problems,
) -> Option<(SecretRef, Span)> {
    const EXAMPLE: &str = "{ env = \"WEBHOOK_SECRET\" }";
    let key = entry.key;
    if !matches!(entry.value, DeValue::Table(_)) {
        // Whatever it is, it may be the secret itself.
        problems.hide(entry.span.clone());
        problems
            .error(entry.span.clone(), "a secret is a reference, never the value itself")
            .label("not shown here")
            .help(format!(
                "put it into the environment and write `{key} = {EXAMPLE}`, or `{{ file = \
                 \"/run/secrets/webhook\" }}`, or `{{ credential = \"webhook\" }}` (systemd)"
            ))
            .help("if this was a real secret, treat it as known and make a new one");
        return None;
    }
    let table = Table::open(entry, &keys::SECRET, problems)?;
    let known = keys::SECRET.names.iter().filter_map(|key| table.entry(key)).collect::<Vec<_>>();
    let [entry] = known.as_slice() else {
        let (span, several) = (table.span, known.len() > 1);
        let what = "a secret is exactly one of `env`, `file`, `credential` and `stored`";
        let draft = problems.error(span, what);
        draft.help(if several && key == "secret" {
            "for several secrets write a list of references".to_owned()
        } else {
            format!("for example `{key} = {EXAMPLE}`")
        });
        return None;
    };
    let example = match entry.key {
        "env" => "\"WEBHOOK_SECRET\"",
        "file" => "\"/run/secrets/webhook\"",
        _ => "\"webhook\"",
    };
    let text = problems.text(entry, example)?;
    let secret = match entry.key {
        "env" if is_variable(text) => Some(SecretRef::Env(text.to_owned())),
        "env" => {
            problems.hide(entry.span.clone());
            problems
                .invalid(entry, "this is not the name of an environment variable", example)
                .help("the name goes here; the secret itself goes into the variable");
            None
        }
        "file" => {
            if text.is_empty() || text.contains('\0') {
                problems.invalid(entry, "the path is empty or has a NUL in it", example);
                return None;
            }
            substituted(text, entry, params, example, problems)?;
            Some(SecretRef::File(text.to_owned()))
        }
        "stored" => {
            let literal = substituted(text, entry, params, example, problems)?;
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if !(1..=128).contains(&text.len()) || !literal.bytes().all(plain) {
                problems.hide(entry.span.clone());
                problems.invalid(entry, "this cannot be the name of a stored secret", example).help(
                    "it is a name given to `hookyard secrets set`: letters, digits, `-`, `_`, `.` \
                     and {parameters} of the path",
                );
                return None;
            }
            Some(SecretRef::Stored(text.to_owned()))
        }
        _ if is_file_name(text) => Some(SecretRef::Credential(text.to_owned())),
        _ => {
            problems.hide(entry.span.clone());
            problems.invalid(entry, "this cannot be the name of a credential", example).help(
                "it is the name given to LoadCredential= in the systemd unit: letters, \
                     digits, `-`, `_` and `.`",
            );
            None
        }
    };
    Some((secret?, entry.span.clone()))
}

/// The text without its `{parameters}`, each of which the path must have.
fn substituted(
    text: &str,
    entry: &Entry<'_>,
    params: Option<&PathParams>,
    example: &str,
    problems: &mut Problems,
) -> Option<String> {
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        literal.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            problems.invalid(entry, "a `{` is never closed", example);
            return None;
        };
        check_param(name, params, entry, problems);
        rest = after;
    }
    if rest.contains('}') || literal.contains('}') {
        problems.invalid(entry, "a `}` closes nothing", example);
        return None;
    }
    literal.push_str(rest);
    Some(literal)
}

fn is_param(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_variable(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Whether the text can be one segment of a file's path, and no way out of a folder.
fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && !matches!(name, "." | "..")
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
