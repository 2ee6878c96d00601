//! Which plugins may serve: what config.toml says, asked by the loader.

use std::sync::Arc;

use hookyard_runtime::{Admission, Grant, KvGrant, Limits, Manifest, Plugins};

use crate::config::Config;
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
        let Self { config, granted } = self;
        let kv = self.kv(manifest)?;
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
        for route in &config.routes {
            for handler in route.handlers.iter().filter(|h| h.name.plugin == manifest.name) {
                if manifest.handler(&handler.name.handler).is_none() {
                    return Err(format!(
                        "route `{route}` ({file}:{line}) uses the handler `{name}`, which version \
                         {version} of the plugin does not have; it has: {has}",
                        route = route.name,
                        file = config.file.display(),
                        line = route.line,
                        name = handler.name,
                        version = manifest.version,
                        has = handler_names(manifest),
                    ));
                }
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
            },
            secrets: granted.get(&manifest.name).cloned().unwrap_or_default(),
            kv,
            settings: settings.cloned().unwrap_or_default(),
        })
    }

    fn wanted(&self) -> Vec<String> {
        self.config.plugins_used()
    }
}

impl ConfigAdmission {
    pub(crate) fn of(generation: &Generation) -> Self {
        Self { config: Arc::clone(&generation.config), granted: Arc::clone(&generation.granted) }
    }

    /// What the plugin may do with `kv`, or what it needs and is not granted.
    fn kv(&self, manifest: &Manifest) -> Result<Option<KvGrant>, String> {
        let Self { config, .. } = self;
        let Manifest { name, shared, .. } = manifest;
        let granted = config.plugins.get(name).and_then(|plugin| plugin.kv.clone());
        let Some(granted) = granted else {
            if !manifest.kv {
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
        let missing = shared.iter().find(|shared| !granted.contains(*shared));
        if let Some(missing) = missing.filter(|_| manifest.kv) {
            let all: std::collections::BTreeSet<&String> = granted.iter().chain(shared).collect();
            return Err(format!(
                "plugin `{name}` uses the shared namespace `{missing}`, which {file} does not grant: \
                 write `kv = {{ shared = {all:?} }}` in [plugin.{name}]",
                all = all.iter().collect::<Vec<_>>(),
                file = config.file.display(),
            ));
        }
        Ok(Some(KvGrant { shared: granted }))
    }
}

/// What routes miss: a sentence for each plugin that they use and that is not loaded.
pub(crate) fn missing_plugins(config: &Config, plugins: &Plugins) -> Vec<String> {
    let missing = config.plugins_used().into_iter().filter(|name| plugins.plugin(name).is_none());
    let sentence = |name: String| {
        let routes = config.routes.iter();
        let users = routes.filter(|route| route.handlers.iter().any(|h| h.name.plugin == name));
        let users: Vec<String> = users.map(|route| format!("`{}`", route.name)).collect();
        format!(
            "plugin `{name}` is not loaded and is used by the route {}: put its file into {}, or \
             mend the name in `handlers`",
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
