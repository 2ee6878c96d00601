"""Remembers how long GitLab's pipelines take, and says when one takes far longer than usual."""

import json
import statistics

from wit_world import exports
from wit_world.exports import manifest
from wit_world.imports import kv, log, settings, types

KEPT = 20
LEAST = 5
"""Pipelines that have to be known before one can be slow."""


class Manifest(exports.Manifest):
    def describe(self) -> manifest.Manifest:
        record = manifest.Handler(
            name="record",
            trigger="webhook",
            kinds=["Pipeline Hook"],
            description="Records how long a pipeline took, and warns when that is unusual.",
        )
        return manifest.Manifest(
            name="pipeline-times",
            version="0.1.0",
            handlers=[record],
            settings=[manifest.Setting(name="factor", required=False)],
            uses=[],
            attributes=[],
        )


class Webhook(exports.Webhook):
    def handle(
        self, handler: str, event: types.Event, attempt: types.Attempt
    ) -> types.Outcome:
        try:
            body = json.loads(event.body)
            pipeline, project = body["object_attributes"], body["project"]["path_with_namespace"]
            key = f"{project} {pipeline['ref']}"
            status, took = pipeline["status"], pipeline["duration"]
        except (ValueError, KeyError, TypeError) as error:
            return types.Outcome_Reject(f"the body is no pipeline event: {error!r}")
        if status != "success" or took is None:
            return types.Outcome_Ignored(f"the pipeline is {status}")

        times = kv.Namespace(scope=kv.Scope.PLUGIN, name="times")
        known = json.loads(kv.get(times, key) or b"[]")
        message = f"{key} took {took} s"
        if len(known) >= LEAST:
            usual = statistics.median(known)
            factor = json.loads(settings.get("factor") or "2")
            message += f", usually {usual:g} s"
            if took > factor * usual:
                log.write(log.Level.WARN, f"slow: {message}", [("project", project)])
                message = f"slow: {message}"
        kv.set(times, key, json.dumps([*known, took][-KEPT:]).encode(), None)
        return types.Outcome_Done(types.Done(reply=None, message=message, attributes=[]))
