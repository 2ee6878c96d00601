//! The API's view of stored secrets: their names and who uses them, never a value.

use std::sync::Arc;

use hookyard_store::{SealedSecret, Store};
use hookyard_types::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::problem::Problem;
use crate::config::Config;
use crate::keeping::{NotChanged, SecretKeeper};
use crate::moment;
use crate::secret;

/// The body of `DELETE /v1/secrets/{name}`. No body is one without members.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// Also when something uses it.
    #[serde(default)]
    force: bool,
}

/// Stored secrets as the API and the command line show them.
pub(crate) fn describe_secrets(secrets: &[SealedSecret], config: &Config) -> Value {
    let shown = secrets.iter().map(|secret| {
        json!({
            "name": secret.name,
            "set_at": moment::text(secret.set_at),
            "key": secret.key,
            "used_by": config.users_of_secret(&secret.name),
        })
    });
    json!({ "secrets": shown.collect::<Vec<_>>() })
}

/// `GET /v1/secrets`.
pub(super) async fn list(config: &Config, store: &dyn Store) -> Result<Value, Problem> {
    Ok(describe_secrets(&store.secrets().await?, config))
}

/// `PUT /v1/secrets/{name}`, the body being the secret.
pub(super) async fn set(
    keeper: &Arc<SecretKeeper>,
    name: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<Value, Problem> {
    secret::check_name(name).map_err(NotChanged::from)?;
    let users = keeper.set(name.to_owned(), Zeroizing::new(body.to_vec()), now).await?;
    Ok(json!({ "name": name, "used_by": users }))
}

/// `DELETE /v1/secrets/{name}`.
pub(super) async fn remove(
    keeper: &Arc<SecretKeeper>,
    name: &str,
    body: &[u8],
) -> Result<Value, Problem> {
    let removal: Removal = super::routes::read(body, r#"{"force": false}"#)?;
    let users = keeper.remove(name.to_owned(), removal.force).await?;
    Ok(json!({ "name": name, "used_by": users }))
}

/// `POST /v1/secrets/rekey`.
pub(super) async fn rekey(keeper: &Arc<SecretKeeper>) -> Result<Value, Problem> {
    Ok(json!({ "encrypted": keeper.rekey().await? }))
}

impl From<NotChanged> for Problem {
    fn from(error: NotChanged) -> Self {
        let status = match &error {
            NotChanged::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            NotChanged::Unknown(_) => StatusCode::NOT_FOUND,
            NotChanged::CannotKeep(_) => StatusCode::BAD_REQUEST,
            NotChanged::Useless(_) => StatusCode::UNPROCESSABLE_ENTITY,
            NotChanged::Used { .. } | NotChanged::Key(_) => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}
