// One readable line for each alert of Prometheus's Alertmanager, and how long it fired.

import { get, set, delete as remove } from "hookyard:plugin/kv@0.1.0";
import { write } from "hookyard:plugin/log@0.1.0";
import { get as setting } from "hookyard:plugin/settings@0.1.0";

const FIRING = { scope: "plugin", name: "firing" };
const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

export const manifest = {
  describe() {
    return {
      name: "alert-lines",
      version: "0.1.0",
      handlers: [
        {
          name: "tell",
          trigger: "webhook",
          kinds: [],
          description: "Logs one line for each alert that began or ended.",
        },
      ],
      settings: [{ name: "label", required: false }],
      uses: [],
      attributes: [],
    };
  },
};

export const webhook = {
  handle(_handler, event) {
    let alerts;
    try {
      ({ alerts } = JSON.parse(DECODER.decode(event.body)));
    } catch (error) {
      return { tag: "reject", val: `the body is not JSON: ${error.message}` };
    }
    if (!Array.isArray(alerts)) {
      return { tag: "reject", val: "the body has no list `alerts`: is it Alertmanager's?" };
    }
    const label = JSON.parse(setting("label") ?? '"instance"');
    const lines = alerts.map((alert) => line(alert, label)).filter((text) => text !== undefined);
    if (lines.length === 0) {
      return { tag: "ignored", val: "nothing began or ended" };
    }
    return { tag: "done", val: { message: lines.join("; "), attributes: [] } };
  },
};

// What there is to say of an alert; Alertmanager repeats what still fires, and that is nothing new.
function line({ status, labels = {}, annotations = {}, startsAt, endsAt, fingerprint }, label) {
  const name = [labels.alertname ?? "alert", labels[label]].filter(Boolean).join(" on ");
  const key = fingerprint || JSON.stringify(labels);
  const before = get(FIRING, key);
  if (status === "resolved") {
    const since = before ? DECODER.decode(before) : startsAt;
    remove(FIRING, key);
    const text = `resolved: ${name} after ${span(Date.parse(endsAt) - Date.parse(since))}`;
    write("info", text, fields(labels));
    return text;
  }
  if (before) {
    return undefined;
  }
  set(FIRING, key, ENCODER.encode(startsAt), 30n * 86_400_000n);
  const text = `firing: ${name}${annotations.summary ? `: ${annotations.summary}` : ""}`;
  write(labels.severity === "critical" ? "error" : "warn", text, fields(labels));
  return text;
}

function fields(labels) {
  return Object.entries(labels).map(([name, value]) => [name, String(value)]);
}

function span(milliseconds) {
  const minutes = Math.round(milliseconds / 60_000);
  if (!Number.isFinite(minutes)) {
    return "an unknown time";
  }
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
