"""A Hookyard plugin. What it may import and must export is in ../wit/world.wit."""

import json

from wit_world import exports
from wit_world.exports import manifest
from wit_world.imports import log, settings, types


class Manifest(exports.Manifest):
    def describe(self) -> manifest.Manifest:
        note = manifest.Handler(
            name="note", trigger="webhook", kinds=[], description="Notes each event."
        )
        return manifest.Manifest(
            name="NAME",
            version="0.1.0",
            handlers=[note],
            settings=[manifest.Setting(name="greeting", required=False)],
            uses=[],
            attributes=[],
        )


class Webhook(exports.Webhook):
    def handle(
        self, handler: str, event: types.Event, attempt: types.Attempt
    ) -> types.Outcome:
        """Called with the name of a handler. An exception is a failed attempt."""
        greeting = json.loads(settings.get("greeting") or '"got"')
        try:
            body = json.loads(event.body)
        except ValueError as error:
            return types.Outcome_Reject(f"the body is not JSON: {error}")
        message = f"{greeting} {len(body)} members"
        log.write(log.Level.INFO, message, [("kind", event.kind)])
        return types.Outcome_Done(types.Done(reply=None, message=message, attributes=[]))
