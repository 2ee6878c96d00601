// A Hookyard plugin. What it may import and must export is in ../wit/world.wit.

import { write as log } from "hookyard:plugin/log@0.1.0";
import { get as setting } from "hookyard:plugin/settings@0.1.0";

export const manifest = {
  describe() {
    return {
      name: "NAME",
      version: "0.1.0",
      handlers: [{ name: "note", trigger: "webhook", kinds: [], description: "Notes each event." }],
      settings: [{ name: "greeting", required: false }],
      uses: [],
      attributes: [],
    };
  },
};

export const webhook = {
  // Called with the name of a handler of the manifest. An error that is thrown is a failed attempt.
  handle(handler, event, attempt) {
    const greeting = JSON.parse(setting("greeting") ?? '"got"');
    let body;
    try {
      body = JSON.parse(new TextDecoder().decode(event.body));
    } catch (error) {
      return { tag: "reject", val: `the body is not JSON: ${error.message}` };
    }
    const message = `${greeting} ${Object.keys(body).length} members`;
    log("info", message, [["kind", event.kind]]);
    return { tag: "done", val: { message, attributes: [] } };
  },
};
