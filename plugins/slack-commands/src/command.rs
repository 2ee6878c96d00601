//! What Slack sends for a slash command, and what a person wrote after it.

use hookyard_sdk::prelude::*;

use crate::things::Scope;

/// Of a name, in bytes.
pub(crate) const LONGEST_NAME: usize = 64;

/// Of a text, in bytes. A hundred of them are listed within one attempt's share of `kv`.
pub(crate) const LONGEST_TEXT: usize = 1000;

/// The fields of the form that are read.
pub(crate) struct Command<'f> {
    /// With its slash.
    pub(crate) name: &'f str,
    pub(crate) text: &'f str,
    pub(crate) team: &'f str,
    pub(crate) channel: &'f str,
    pub(crate) user: &'f str,
}

impl<'f> Command<'f> {
    pub(crate) fn read(form: &'f Form<'_>) -> Result<Self, Failure> {
        let field = |name: &str| {
            form.field(name).ok_or_else(|| {
                Failure::reject(format!("this is no slash command: it has no field `{name}`"))
            })
        };
        // They become parts of keys.
        let id = |name: &str| {
            let id = field(name)?;
            let sound =
                (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
            if sound { Ok(id) } else { reject(format!("the field `{name}` is no id of Slack's")) }
        };
        Ok(Self {
            name: field("command")?,
            text: form.field("text").unwrap_or_default(),
            team: id("team_id")?,
            channel: id("channel_id")?,
            user: id("user_id")?,
        })
    }
}

/// What a person asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Remember {
        name: String,
        text: String,
    },
    Recall {
        name: String,
    },
    /// Of the names that begin so; of all, when it is empty.
    List {
        prefix: String,
    },
    Forget {
        name: String,
    },
    Help,
}

impl Verb {
    /// An error is a sentence for the person, ready to be shown.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (verb, rest) = first_word(text);
        let only_name = |what: &str| {
            let (word, more) = first_word(rest);
            if !more.is_empty() {
                return Err(format!("`{what}` takes one word."));
            }
            name(word)
        };
        match verb.to_lowercase().as_str() {
            "" | "help" => Ok(Self::Help),
            "remember" => {
                let (word, text) = first_word(rest);
                Ok(Self::Remember { name: name(word)?, text: shown(text)? })
            }
            "recall" => Ok(Self::Recall { name: only_name("recall")? }),
            "forget" => Ok(Self::Forget { name: only_name("forget")? }),
            "list" if rest.is_empty() => Ok(Self::List { prefix: String::new() }),
            "list" => Ok(Self::List { prefix: only_name("list")? }),
            _ => Err("That is none of the things that I can do.".to_owned()),
        }
    }
}

/// How it is used, for a person.
pub(crate) fn usage(command: &str, scope: Scope) -> String {
    let command = quoted(command);
    let whose = match scope {
        Scope::Channel => "Everybody in this channel sees the same things.",
        Scope::User => "Only you see your things.",
    };
    format!(
        "`{command} remember NAME TEXT` keeps a text under a name of one word\n\
         `{command} recall NAME` shows it\n\
         `{command} list` shows all, `{command} list PREFIX` those whose names begin so\n\
         `{command} forget NAME` removes it\n{whose}"
    )
}

fn first_word(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn name(word: &str) -> Result<String, String> {
    let name = quoted(&word.to_lowercase());
    if name.is_empty() {
        return Err("A name is missing.".to_owned());
    }
    if name.len() > LONGEST_NAME {
        return Err(format!(
            "A name has at most {LONGEST_NAME} bytes; this one has {}.",
            name.len()
        ));
    }
    Ok(name)
}

/// Fit to stand between backticks, where Slack reads no markup but `<…>`.
fn quoted(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_control()).map(|c| if c == '`' { '\'' } else { c });
    escaped(&plain.collect::<String>())
}

/// The text as it is shown, or why it cannot be kept.
fn shown(text: &str) -> Result<String, String> {
    let text: String = text.chars().filter(|&c| c == '\n' || !c.is_control()).collect();
    let text = escaped(text.trim());
    match text.len() {
        0 => Err("There is nothing to remember.".to_owned()),
        1..=LONGEST_TEXT => Ok(text),
        length => Err(format!("A text has at most {LONGEST_TEXT} bytes; this one has {length}.")),
    }
}

/// Without Slack's markup of the form `<…>`, but for mentions of people and channels: a link that
/// shows another address, or a call of everybody in the channel, would be shown in our name. What
/// Slack has escaped already stays as it is.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '>', '&']) {
        let (before, found) = rest.split_at(at);
        out.push_str(before);
        let taken = if let Some(token) = mention(found) {
            out.push_str(token);
            token.len()
        } else if let Some(entity) =
            ["&amp;", "&lt;", "&gt;"].into_iter().find(|&entity| found.starts_with(entity))
        {
            out.push_str(entity);
            entity.len()
        } else {
            out.push_str(match found.as_bytes().first() {
                Some(b'<') => "&lt;",
                Some(b'>') => "&gt;",
                _ => "&amp;",
            });
            1
        };
        rest = found.get(taken..).unwrap_or_default();
    }
    out + rest
}

/// `<@U012AB3CD>` or `<#C012AB3CD|general>` at the beginning of the text.
fn mention(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('<')?;
    let id = inner.strip_prefix(['@', '#'])?;
    let end = inner.find('>')?;
    let id = id.get(..end - 1)?;
    let (id, label) = id.split_once('|').unwrap_or((id, ""));
    let plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    let sound = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric()) && plain(label);
    sound.then(|| text.get(..end + 2)).flatten()
}
