//! The daemon: every part built in order, run until it is told to stop, and taken down in order.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use hookyard_runtime::{Compiler, Options, Plugins};
use hookyard_store::Store;
use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
use hookyard_verify::Keyring;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::admin::{Admin, Guard};
use crate::admission::{LiveAdmission, missing_plugins};
use crate::cli::EXIT_BAD_CONFIG;
use crate::config::{Config, Limits, MAX_PLUGIN_MEMORY};
use crate::connections::LiveConnections;
use crate::dispatch::Dispatcher;
use crate::ingress::{self, Drain, Listener, Receiver, ServeOptions, TlsReloader};
use crate::keeping::SecretKeeper;
use crate::keys::{Inquiries, KeyCache, Online};
use crate::kv::{self, StoredKv};
use crate::learned::Learned;
use crate::live::Live;
use crate::outbound;
use crate::reload::{self, Followed, Reloader};
use crate::schedule::Scheduler;
use crate::supervise::Tasks;

/// Runs the daemon with the configuration in `file` until a signal ends it.
pub(crate) fn serve(file: &Path) -> anyhow::Result<ExitCode> {
    let followed = Followed::begin(file);
    let generation = match reload::prepare(file) {
        Ok(generation) => generation,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(EXIT_BAD_CONFIG));
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the I/O threads")?;
    let code = runtime.block_on(run(Live::new(generation), followed));
    // A blocking call that hangs (a disk, a name server) must not hold up the exit.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

async fn run(live: Live, followed: Followed) -> anyhow::Result<ExitCode> {
    let live = Arc::new(live);
    let config = live.config();
    let mut signals = Signals::listen()?;

    // Sockets first: an address that is taken must not cost a migration.
    let public = Listener::bind(config.server.listen).with_context(|| {
        format!(
            "failed to listen on [server] {}: is another hookyard running?",
            config.server.listen
        )
    })?;
    let admin = Listener::bind(config.admin.listen)
        .with_context(|| format!("failed to listen on [admin] {}", config.admin.listen))?;
    let tls = match &config.server.tls {
        Some(tls) => {
            Some(TlsReloader::load(&tls.cert, &tls.key).context("failed to load [server.tls]")?)
        }
        None => None,
    };
    let (outbound, keyring) = outbound(&config).await?;
    let store: Arc<dyn Store> = Arc::new(open_store(&config).await?);
    let guard = Guard::new(Arc::clone(&live));
    if let Some(file) = guard.prepare()? {
        tracing::info!(file = %file.display(), "the token of the admin API is in this file");
    }
    let plugins = tokio::select! {
        started = start_plugins(&config, &live, &store) => started?,
        // Compiling many plugins takes a while; the compiler's processes end with this one.
        () = signals.stop() => {
            tracing::info!("stopped before the plugins were loaded");
            store.close().await;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let dispatcher = Dispatcher::new(Arc::clone(&store), Arc::clone(&plugins), Arc::clone(&live));
    let scheduler = Scheduler::new(Arc::clone(&store), Arc::clone(&live));
    let limits = Arc::new(ArcSwap::from_pointee(config.server.limits.clone()));
    let proxies = Arc::new(ArcSwap::from_pointee(config.server.trusted_proxies.clone()));

    let mut tasks = Tasks::default();
    let (stop, stopped) = watch::channel(false);
    let drain = Drain::new();
    let draining = Arc::new(AtomicBool::new(false));
    let addresses = (public.local_addr(), admin.local_addr());

    let learned = Learned::new(Arc::clone(&store));
    let receiver = Receiver {
        live: Arc::clone(&live),
        store: Arc::clone(&store),
        plugins: Arc::clone(&plugins),
        dispatcher: Arc::clone(&dispatcher),
        keys: KeyCache::new(Arc::new(Online::new(outbound.clone())), keyring),
        inquiries: Inquiries::new(outbound.clone()),
        learned: Arc::clone(&learned),
        outbound,
    };
    if let Some(tls) = &tls {
        tasks.start("certificate", Arc::clone(tls).follow(drain.token()));
    }
    let public_options = ServeOptions {
        name: "public",
        limits: Arc::clone(&limits),
        trusted_proxies: Arc::clone(&proxies),
        tls,
        drain: drain.token(),
    };
    tasks.start("public listener", ingress::serve(public, public_options, Arc::new(receiver)));

    // One place: what is asked for while one waits is answered by the same reload.
    let (ask_reload, reload_asked) = mpsc::channel(1);
    let secrets = Arc::new(SecretKeeper {
        live: Arc::clone(&live),
        store: Arc::clone(&store),
        plugins: Arc::clone(&plugins),
        reload: ask_reload.clone(),
    });
    let admin_service = Admin {
        live: Arc::clone(&live),
        store: Arc::clone(&store),
        plugins: Arc::clone(&plugins),
        dispatcher: Arc::clone(&dispatcher),
        draining: Arc::clone(&draining),
        learned,
        scheduler: Arc::clone(&scheduler),
        secrets,
        guard,
    };
    let admin_drain = Drain::new();
    let admin_options = ServeOptions {
        name: "admin",
        limits: Arc::new(ArcSwap::from_pointee(Limits::ADMIN)),
        trusted_proxies: Arc::default(),
        tls: None,
        drain: admin_drain.token(),
    };
    // Apart from the others: it answers until the end of a stop.
    let mut admin_tasks = Tasks::default();
    let admin_listener = ingress::serve(admin, admin_options, Arc::new(admin_service));
    admin_tasks.start("admin listener", admin_listener);

    tasks.start("dispatcher", Arc::clone(&dispatcher).run(stopped.clone()));
    tasks.start("schedules", Arc::clone(&scheduler).run(stopped.clone()));
    tasks.start("expiry", kv::sweep(Arc::clone(&store), stopped.clone()));
    let reloader = Reloader {
        live: Arc::clone(&live),
        plugins: Arc::clone(&plugins),
        dispatcher: Arc::clone(&dispatcher),
        scheduler,
        limits,
        proxies,
    };
    tasks.start("reload", reloader.run(followed, reload_asked, stopped));

    for missing in missing_plugins(&config, &plugins) {
        tracing::warn!("{missing}");
    }
    tracing::info!(
        public = %addresses.0,
        admin = %addresses.1,
        version = env!("CARGO_PKG_VERSION"),
        "ready"
    );

    let end = loop {
        tokio::select! {
            // First: tasks that end because the store failed must not make this an orderly stop.
            biased;
            reason = store.failed() => break End::StoreFailed(reason),
            signal = signals.next() => match signal {
                Signal::Stop => break End::Asked,
                Signal::Reload => {
                    let _ = ask_reload.try_send(());
                }
            },
            ended = tasks.ended() => break End::TaskEnded(ended.to_string()),
            ended = admin_tasks.ended() => break End::TaskEnded(ended.to_string()),
        }
    };

    match &end {
        End::Asked => tracing::info!("stopping"),
        End::StoreFailed(reason) => {
            // What is in memory cannot be trusted either: the next start reads the disk.
            tracing::error!(reason, "the store failed; exiting for recovery at the next start");
            return Ok(ExitCode::FAILURE);
        }
        End::TaskEnded(which) => tracing::error!("{which}; stopping"),
    }
    draining.store(true, Ordering::Relaxed);
    let deadline = Instant::now() + config.server.drain;
    let orderly = async {
        drain.begin(config.server.drain);
        stop.send_replace(true);
        tasks.all_ended().await;
        dispatcher.finish(deadline).await;
        store.close().await;
        admin_drain.begin(Duration::ZERO);
    };
    tokio::select! {
        () = orderly => tracing::info!("stopped"),
        () = signals.stop() => tracing::warn!("a second signal: stopping at once"),
    }
    Ok(if matches!(end, End::Asked) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Why the daemon ends.
enum End {
    Asked,
    StoreFailed(String),
    TaskEnded(String),
}

/// The client for what the daemon itself fetches, and a keyring that trusts whom it trusts.
async fn outbound(config: &Arc<Config>) -> anyhow::Result<(outbound::Client, Keyring)> {
    let config = Arc::clone(config);
    // Reads the platform's certificates.
    let made = tokio::task::spawn_blocking(move || {
        let roots = outbound::trusted_roots(&config.outbound)?;
        let keyring = Keyring::new().trusting(roots.roots.iter().cloned());
        Ok((outbound::Client::from_config(&config.outbound, roots)?, keyring))
    });
    made.await?.map_err(|error: outbound::RootsError| error).context("failed to set up [outbound]")
}

/// Opens the store for writing; makes it, and its folder, when there is none.
pub(crate) async fn open_store(config: &Config) -> anyhow::Result<SqliteStore> {
    let path = &config.store.path;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        // Events can hold personal data: the folder is the daemon's alone.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("failed to make the store's folder {}", folder.display()))?;
    }
    let mut options = SqliteOptions::new(path);
    options.wal_max = config.store.wal_max;
    options.max_size = config.store.max_size;
    options.min_free = config.store.min_free;
    SqliteStore::open(options).await.context("failed to open the store")
}

async fn start_plugins(
    config: &Config,
    live: &Arc<Live>,
    store: &Arc<dyn Store>,
) -> anyhow::Result<Arc<Plugins>> {
    let runtime = &config.runtime;
    let program = std::env::current_exe().context("failed to find the daemon's own program")?;
    let compiler = Compiler::child(program, ["compile-plugin"]);
    let mut options = Options::new(&runtime.plugins_dir, &runtime.cache_dir, compiler);
    options.concurrency = runtime.concurrency;
    options.max_memory = MAX_PLUGIN_MEMORY;
    options.compile_timeout = runtime.compile_timeout;
    options.compile_memory = runtime.compile_memory;
    options.kv = Some(Arc::new(StoredKv(Arc::clone(store))));
    options.connections = Some(Arc::new(LiveConnections(Arc::clone(live))));
    let admission = Arc::new(LiveAdmission(Arc::clone(live)));
    // Blocks while plugins compile.
    let started = tokio::task::spawn_blocking(move || Plugins::start(options, admission));
    started.await?.context("failed to start the plugin engine")
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Stop,
    Reload,
}

/// The signals that the daemon answers.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("failed to listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}
