//! Where changes are reported: any service that takes a text in a JSON object.

use hookyard_sdk::prelude::*;
use hookyard_sdk::serde_json::{self, Map};

/// The setting `report`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    connection: String,
    #[serde(default)]
    path: String,
    /// The member of the body that takes the text: `text` for Slack, `content` for Discord.
    #[serde(default = "text")]
    field: String,
    /// The other members, `{ channel = "#ops" }`.
    #[serde(default)]
    body: Map<String, Value>,
}

fn text() -> String {
    "text".to_owned()
}

impl Report {
    pub(crate) fn send(&self, host: &Host, text: &str) -> Result<(), Failure> {
        let mut body = self.body.clone();
        body.insert(self.field.clone(), Value::from(text));
        let request = host.connection(&self.connection).post(&self.path).json(&body);
        let response = request.send()?.expect_success()?;
        // Slack says no with the status 200.
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if answer.get("ok") == Some(&Value::Bool(false)) {
            let error = answer.get("error").and_then(Value::as_str).unwrap_or("no reason given");
            return retry(format!("the report was refused: {error}"));
        }
        Ok(())
    }
}
