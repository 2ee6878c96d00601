//! Reads `[queue.TOPIC]` tables, and which plugins may send to them.

use std::collections::{BTreeMap, BTreeSet};

use hookyard_types::HandlerName;
use toml::de::DeValue;

use super::diagnostic::line_of;
use super::keys;
use super::model::Queue;
use super::reader::{Entry, Problems, Table, bare, nearest, show};
use super::route::{Handlers, handlers};

/// Attempts of a topic's messages at one time, unless its table says otherwise.
const CONCURRENCY: usize = 8;
/// Messages that wait, unless its table says otherwise.
const MAX_PENDING: usize = 10_000;

pub(super) fn queues(
    root: &Table<'_>,
    text: &str,
    problems: &mut Problems,
) -> BTreeMap<String, Queue> {
    let mut queues = BTreeMap::new();
    let Some(entry) = root.entry("queue") else { return queues };
    let DeValue::Table(tables) = entry.value else {
        problems
            .error(entry.key_span, "`queue` must be tables by topic")
            .help("write a table `[queue.TOPIC]` for each topic");
        return queues;
    };
    for (name, value) in tables {
        let topic = name.get_ref();
        if !HandlerName::is_valid_part(topic) {
            problems
                .error(name.span(), format!("{} cannot name a topic", show(topic)))
                .help("a name is 1 to 64 lower-case letters, digits, `-` and `_`");
        }
        let DeValue::Table(entries) = value.get_ref() else {
            let message = format!("`{}` is not the table of a topic", bare(topic));
            problems.error(name.span(), message).help(
                match nearest(topic, keys::QUEUE.names.iter().copied()) {
                    Some(key) => {
                        format!("`{key}` belongs in the table of one topic: `[queue.TOPIC]`")
                    }
                    None => format!("write `[queue.{}]` and its keys under it", bare(topic)),
                },
            );
            continue;
        };
        let table = Table::of(entries, value.span(), &keys::QUEUE, problems);
        let what = Handlers { of: "topic", keys: &keys::CONSUMER, taken: &[] };
        let max_pending = table.count("max_pending", MAX_PENDING, 1..=100_000, problems);
        let queue = Queue {
            line: line_of(text, table.span.start),
            handlers: handlers(&table, what, problems),
            concurrency: table.count("concurrency", CONCURRENCY, 1..=4_096, problems),
            max_pending: u64::try_from(max_pending).unwrap_or(u64::MAX),
        };
        queues.insert(topic.to_string(), queue);
    }
    queues
}

/// The `topics` that a plugin may send to, each of which has a table.
pub(super) fn topics(
    entry: &Entry<'_>,
    queues: &BTreeMap<String, Queue>,
    problems: &mut Problems,
) -> BTreeSet<String> {
    let mut topics = BTreeSet::new();
    for (topic, element) in problems.texts(entry, "[\"emails\"]") {
        if !queues.contains_key(topic) {
            let message = format!("there is no topic {}", show(topic));
            let draft = problems.error(element.span, message);
            if let Some(near) = nearest(topic, queues.keys().map(String::as_str)) {
                draft.label(format!("did you mean {}?", show(near)));
            }
            if HandlerName::is_valid_part(topic) {
                draft.help(format!("a topic has a table: `[queue.{topic}]`, with its `handlers`"));
            }
        }
        topics.insert(topic.to_owned());
    }
    topics
}
