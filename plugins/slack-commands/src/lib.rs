//! A plugin that answers a Slack slash command which remembers things: `/notes remember wifi …`,
//! `recall`, `list` and `forget`.
#![forbid(unsafe_code)]

mod command;
mod things;

use hookyard_sdk::prelude::*;

use command::{Command, Verb};
use things::{Scope, Things};

/// Remembers, recalls, lists and forgets things for a channel or a person.
#[handler]
fn remember(event: Event, host: Host) -> Outcome {
    let form = event.form();
    let command = Command::read(&form)?;
    let scope = host.setting_or("scope", Scope::Channel)?;
    let things = Things::of(&host, scope, &command);

    let answer = match Verb::parse(command.text) {
        Ok(Verb::Remember { name, text }) => things.remember(&name, &text, command.user)?,
        Ok(Verb::Recall { name }) => things.recall(&name)?,
        Ok(Verb::List { prefix }) => things.list(&prefix),
        Ok(Verb::Forget { name }) => things.forget(&name)?,
        Ok(Verb::Help) => command::usage(command.name, scope),
        Err(wrong) => format!("{wrong}\n{}", command::usage(command.name, scope)),
    };
    // Only who asked sees it.
    reply(200).json(&json!({ "response_type": "ephemeral", "text": answer }))
}

hookyard_sdk::plugin!(remember, settings(optional scope));

#[cfg(test)]
mod tests;
