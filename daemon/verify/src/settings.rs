//! What a sender needs to be told about besides its secret: a topic, an audience, an account.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

use crate::names::nearest;
use crate::setup::SetupError;

/// One thing that a [`Profile`](crate::Profile) takes besides the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name in configuration.
    pub name: &'static str,
    /// Whether nothing can be verified without it.
    pub required: bool,
    /// Whether it is confidential: then configuration takes a reference, not the value.
    pub secret: bool,
    /// The only value that it may have, where setting it means to agree to something.
    pub only: Option<&'static str>,
    /// Another setting and its value, without which this one says nothing and is refused.
    pub only_with: Option<(&'static str, &'static str)>,
    /// What it is and where a person finds it, in half a sentence.
    pub summary: &'static str,
}

impl Setting {
    /// A setting without which nothing can be verified.
    pub(crate) const fn required(name: &'static str, summary: &'static str) -> Self {
        Self { name, required: true, secret: false, only: None, only_with: None, summary }
    }

    /// A setting that may be left out.
    pub(crate) const fn optional(name: &'static str, summary: &'static str) -> Self {
        Self { name, required: false, secret: false, only: None, only_with: None, summary }
    }

    /// A setting that has to be `true`: its summary says what is agreed to by that.
    pub(crate) const fn agreed(name: &'static str, summary: &'static str) -> Self {
        Self { name, required: true, secret: false, only: Some("true"), only_with: None, summary }
    }

    /// The same, for where another setting has this value.
    pub(crate) const fn only_with(mut self, name: &'static str, value: &'static str) -> Self {
        self.only_with = Some((name, value));
        self
    }

    /// The same, confidential.
    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// The values of a sender's settings, by name. `Debug` shows the names alone; memory is wiped on
/// drop.
///
/// ```
/// use hookyard_verify::Settings;
///
/// let settings = Settings::from([("topic_arn", "arn:aws:sns:us-east-1:123456789012:orders")]);
/// assert!(settings.get("topic_arn").is_some());
/// ```
#[derive(Clone, Default)]
pub struct Settings(BTreeMap<String, Zeroizing<String>>);

impl Settings {
    /// Sets one value; the last of one name counts.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), Zeroizing::new(value.into()));
    }

    /// The value of a setting, when it is there and not blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str()).filter(|value| !value.trim().is_empty())
    }

    /// Makes sure that a setting is there without which a check would hold for too many, and that it is
    /// `sound`.
    pub(crate) fn need(
        &self,
        name: &'static str,
        summary: &'static str,
        sound: impl Fn(&str) -> bool,
        problem: &'static str,
    ) -> Result<(), SetupError> {
        match sound(self.get(name).ok_or(SetupError::MissingSetting { name, summary })?) {
            true => Ok(()),
            false => Err(SetupError::InvalidSetting { name, problem }),
        }
    }

    /// Makes sure that every value is of a known setting, and every required one is there.
    pub(crate) fn check(&self, known: &'static [Setting]) -> Result<(), SetupError> {
        if let Some(found) = self.0.keys().find(|name| known.iter().all(|k| k.name != **name)) {
            let names: Vec<&'static str> = known.iter().map(|setting| setting.name).collect();
            let nearest = nearest(found, &names);
            return Err(SetupError::UnknownSetting { found: found.clone(), nearest });
        }
        for setting in known {
            let Setting { name, required, only, only_with, summary, .. } = *setting;
            match self.get(name) {
                None if required => return Err(SetupError::MissingSetting { name, summary }),
                Some(value) if only.is_some_and(|only| only != value) => {
                    return Err(SetupError::InvalidSetting { name, problem: summary });
                }
                Some(_) if only_with.is_some_and(|(other, is)| self.get(other) != Some(is)) => {
                    let problem = "it says nothing without the setting that it belongs to";
                    return Err(SetupError::InvalidSetting { name, problem });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<N: Into<String>, V: Into<String>, const L: usize> From<[(N, V); L]> for Settings {
    fn from(values: [(N, V); L]) -> Self {
        let mut settings = Self::default();
        values.into_iter().for_each(|(name, value)| settings.insert(name, value));
        settings
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
