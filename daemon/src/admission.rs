//! Which plugins may serve: what config.toml says, asked by the loader.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hookyard_runtime::{
    ANY_CONNECTION, Admission, Grant, KvGrant, Limits, Manifest, Plugins, SecretText,
};
use hookyard_types::{HandlerName, Trigger};

use crate::config::{Config, Feed};
use crate::granted::Granted;
use crate::live::{Generation, Live};

/// Answers from the configuration in force at each question.
pub(crate) struct LiveAdmission(pub(crate) Arc<Live>);

impl Admission for LiveAdmission {
    fn admit(&self, manifest: &Manifest) -> Result<Grant, String> {
        ConfigAdmission::of(&self.0.load()).admit(manifest)
    }

    fn wanted(&self) -> Vec<String> {
        ConfigAdmission::of(&self.0.load()).wanted()
    }
}

/// Answers from one configuration: to try it before it is in force.
pub(crate) struct ConfigAdmission {
    config: Arc<Config>,
    granted: Arc<Granted>,
}

impl Admission for ConfigAdmission {
    fn admit(&self, manifest: &Manifest) -> Result<Grant, String> {
        let Self { config, .. } = self;
        let kv = self.kv(manifest)?;
        let connections = self.connections(manifest)?;
        self.secrets(manifest)?;
        let topics = self.topics(manifest)?;
        let settings = config.plugins.get(&manifest.name).map(|plugin| &plugin.settings);
        for setting in manifest.settings.iter().filter(|setting| setting.required) {
            if settings.is_none_or(|settings| !settings.contains_key(&setting.name)) {
                return Err(format!(
                    "plugin `{plugin}` needs the setting `{setting}`, which {file} does not give: \
                     add `settings = {{ {setting} = … }}` to [plugin.{plugin}]",
                    plugin = manifest.name,
                    setting = setting.name,
                    file = config.file.display(),
                ));
            }
        }
        for feed in config.feeds() {
            for handler in feed.handlers.iter().filter(|h| h.name.plugin == manifest.name) {
                fits(config, &feed, &handler.name, manifest)?;
            }
        }
        let limits = config.plugin_limits(&manifest.name);
        Ok(Grant {
            limits: Limits {
                timeout: limits.timeout,
                cpu: limits.cpu,
                memory: limits.memory,
                log_bytes: limits.log_bytes,
                reply_bytes: limits.reply_bytes,
                kv_key_bytes: limits.kv_key_bytes,
                kv_value_bytes: limits.kv_value_bytes,
                kv_attempt_bytes: limits.kv_attempt_bytes,
                requests: limits.requests,
                request_bytes: limits.request_bytes,
                queue_message_bytes: limits.queue_message_bytes,
                queue_attempt_bytes: limits.queue_attempt_bytes,
            },
            secrets: self.named_secrets(manifest),
            kv,
            connections,
            topics,
            settings: settings.cloned().unwrap_or_default(),
        })
    }

    fn wanted(&self) -> Vec<String> {
        self.config.plugins_used()
    }
}

impl ConfigAdmission {
    /// The connections that the plugin may use, or what it needs and is not granted.
    fn connections(&self, manifest: &Manifest) -> Result<BTreeSet<String>, String> {
        let Self { config, .. } = self;
        let name = &manifest.name;
        let granted = config.plugins.get(name).map(|plugin| plugin.connections.clone());
        let granted = granted.unwrap_or_default();
        let file = config.file.display();
        if manifest.imports("connection") {
            // With `*` it uses whichever its settings name.
            let named = || manifest.uses_of("connection").filter(|name| *name != ANY_CONNECTION);
            if let Some(missing) = named().find(|named| !granted.contains(*named)) {
                let all: BTreeSet<&str> =
                    granted.iter().map(String::as_str).chain(named()).collect();
                return Err(format!(
                    "plugin `{name}` uses the connection `{missing}`, which {file} does not grant: \
                     write `connections = {all:?}` in [plugin.{name}]",
                    all = all.iter().collect::<Vec<_>>(),
                ));
            }
            if granted.is_empty() {
                return Err(format!(
                    "plugin `{name}` makes requests through connections, and {file} grants it none: \
                     add `connections = [\"NAME\"]` to [plugin.{name}], and name it in the plugin's \
                     manifest, `connections(NAME)`"
                ));
            }
        }
        Ok(granted)
    }

    /// By a configuration whose secrets were not read: what it admits has none.
    pub(crate) fn unresolved(config: Config) -> Self {
        Self { config: Arc::new(config), granted: Arc::default() }
    }

    pub(crate) fn of(generation: &Generation) -> Self {
        Self { config: Arc::clone(&generation.config), granted: Arc::clone(&generation.granted) }
    }

    /// Whether every secret that the plugin uses is granted to it.
    fn secrets(&self, manifest: &Manifest) -> Result<(), String> {
        let Self { config, .. } = self;
        let name = &manifest.name;
        let file = config.file.display();
        let uses: Vec<&str> = manifest.uses_of("secret").collect();
        if manifest.imports("secret") && uses.is_empty() {
            return Err(format!(
                "plugin `{name}` imports `secret`, and its manifest names no secret that it reads, \
                 so that {file} cannot grant it one: name them in `plugin!(…, secrets(api_key))`"
            ));
        }
        let granted = config.plugins.get(name).map(|plugin| &plugin.secrets);
        let missing = uses
            .into_iter()
            .find(|used| granted.is_none_or(|granted| !granted.contains_key(*used)));
        match missing {
            None => Ok(()),
            Some(missing) => Err(format!(
                "plugin `{name}` uses the secret `{missing}`, which {file} does not grant: say where \
                 it is, `secrets = {{ {missing} = {{ env = \"…\" }} }}` in [plugin.{name}]"
            )),
        }
    }

    /// The values of the secrets that both the manifest and the configuration name.
    fn named_secrets(&self, manifest: &Manifest) -> BTreeMap<String, SecretText> {
        let granted = self.granted.get(&manifest.name);
        let granted = granted.into_iter().flatten();
        let named =
            granted.filter(|(name, _)| manifest.uses_of("secret").any(|used| used == *name));
        named.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// What the plugin may do with `kv`, or what it needs and is not granted.
    fn kv(&self, manifest: &Manifest) -> Result<Option<KvGrant>, String> {
        let Self { config, .. } = self;
        let name = &manifest.name;
        let shared: Vec<&str> = manifest.uses_of("kv").collect();
        let granted = config.plugins.get(name).and_then(|plugin| plugin.kv.clone());
        let Some(granted) = granted else {
            if !manifest.imports("kv") {
                return Ok(None);
            }
            let grant = if shared.is_empty() {
                "kv = true".to_owned()
            } else {
                format!("kv = {{ shared = {shared:?} }}")
            };
            return Err(format!(
                "plugin `{name}` uses `kv`, which {file} does not grant: add `{grant}` to \
                 [plugin.{name}]",
                file = config.file.display(),
            ));
        };
        let missing = shared.iter().find(|shared| !granted.contains(**shared));
        if let Some(missing) = missing.filter(|_| manifest.imports("kv")) {
            let granted = granted.iter().map(String::as_str);
            let all: BTreeSet<&str> = granted.chain(shared.clone()).collect();
            return Err(format!(
                "plugin `{name}` uses the shared namespace `{missing}`, which {file} does not grant: \
                 write `kv = {{ shared = {all:?} }}` in [plugin.{name}]",
                all = all.iter().collect::<Vec<_>>(),
                file = config.file.display(),
            ));
        }
        Ok(Some(KvGrant { shared: granted }))
    }

    /// The topics that the plugin may send to, or what it needs and is not granted.
    fn topics(&self, manifest: &Manifest) -> Result<BTreeSet<String>, String> {
        let Self { config, .. } = self;
        let (name, file) = (&manifest.name, config.file.display());
        let granted = config.plugins.get(name).map(|plugin| &plugin.topics);
        let granted = granted.cloned().unwrap_or_default();
        if !manifest.imports("queue") {
            return Ok(granted);
        }
        let used: BTreeSet<&str> = manifest.uses_of("queue").collect();
        if used.is_empty() {
            return Err(format!(
                "plugin `{name}` sends to topics and its manifest names none: list them as \
                 `topics(…)` in `plugin!(…)`"
            ));
        }
        let Some(missing) = used.iter().find(|topic| !granted.contains(**topic)) else {
            return Ok(granted);
        };
        let table = match config.queues.contains_key(*missing) {
            true => "",
            false => " and a table [queue.TOPIC] with its handlers",
        };
        let all: BTreeSet<&str> = granted.iter().map(String::as_str).chain(used.clone()).collect();
        Err(format!(
            "plugin `{name}` sends to the topic `{missing}`, which {file} does not grant: add \
             `topics = {all:?}` to [plugin.{name}]{table}",
            all = all.iter().collect::<Vec<_>>(),
        ))
    }
}

/// Whether the plugin has the handler, and it handles what the feed makes.
fn fits(
    config: &Config,
    feed: &Feed<'_>,
    name: &HandlerName,
    manifest: &Manifest,
) -> Result<(), String> {
    let Feed { source, line, .. } = feed;
    let (file, version) = (config.file.display(), &manifest.version);
    let wanted = source.trigger();
    match manifest.handler(&name.handler) {
        None => Err(format!(
            "{source} ({file}:{line}) uses the handler `{name}`, which version {version} of the \
             plugin does not have; it has: {has}",
            has = handler_names(manifest),
        )),
        Some(handler) if handler.trigger != wanted => Err(format!(
            "{source} ({file}:{line}) needs a `{wanted}`, and its handler `{name}` is a \
             `{is}` in version {version} of the plugin: name it under {place}, or name another here",
            is = handler.trigger,
            place = place(handler.trigger),
        )),
        Some(_) => Ok(()),
    }
}

/// Where config.toml names handlers of this trigger.
fn place(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Webhook => "[[route]]",
        Trigger::Consumer => "[queue.TOPIC]",
        Trigger::Schedule => "[[schedule]]",
    }
}

/// What is missing: a sentence for each plugin that config.toml uses and that is not loaded.
pub(crate) fn missing_plugins(config: &Config, plugins: &Plugins) -> Vec<String> {
    let missing = config.plugins_used().into_iter().filter(|name| plugins.plugin(name).is_none());
    let sentence = |name: String| {
        let feeds = config.feeds();
        let users = feeds.iter().filter(|feed| feed.handlers.iter().any(|h| h.name.plugin == name));
        let users: Vec<String> = users.map(|feed| feed.source.to_string()).collect();
        format!(
            "plugin `{name}` is not loaded and is used by the {}: put its file into {}, or mend the \
             name in `handlers`",
            users.join(", "),
            config.runtime.plugins_dir.display()
        )
    };
    missing.map(sentence).collect()
}

fn handler_names(manifest: &Manifest) -> String {
    let names: Vec<&str> = manifest.handlers.iter().map(|handler| handler.name.as_str()).collect();
    names.join(", ")
}
