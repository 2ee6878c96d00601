//! The secrets that plugins are granted: read where their references point, and fit to be kept out
//! of logs.

use std::collections::BTreeMap;

use hookyard_runtime::SecretText;

use crate::config::{SecretProblem, SecretRef};
use crate::secret::{self, Places};

/// By plugin, and by the names under which each asks for them. One that the configuration names and
/// that is not here was taken away by force.
pub(crate) type Granted = BTreeMap<String, BTreeMap<String, SecretText>>;

/// Reads one. Blocks on the file system.
///
/// # Errors
/// It cannot be had, is no text, or is too short to be told from other text of a log.
pub(crate) fn read(reference: &SecretRef, places: &Places) -> Result<SecretText, SecretProblem> {
    let value = secret::resolve(reference, &[], places);
    let value = value.map_err(|error| error.problem(&places.base))?;
    SecretText::new(&value).map_err(|error| SecretProblem {
        message: format!("the value of {reference:?} cannot be given to a plugin: {error}"),
        label: None,
        help: Vec::new(),
    })
}
