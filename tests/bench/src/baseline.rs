//! What the daemon is compared with: the same work with less around it.

use std::convert::Infallible;
use std::io::BufRead as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use hookyard_store::sqlite::{SqliteOptions, SqliteStore};
use hookyard_store::{Dedupe, DedupeKey, Ingested, NewEvent, NewJob, Store};
use hookyard_types::{Event, EventId, Source, Target, Timestamp};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};

use crate::delivery::{Delivery, ID_HEADER};
use crate::wrk::CONNECTIONS;

/// A server of the bare kind in a process of its own; killed when dropped.
pub(crate) struct BareHyper {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl BareHyper {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut child = this_program().arg("bare-hyper").stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        std::io::BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().context("the bare server's address")?;
        Ok(Self { child, address })
    }
}

impl Drop for BareHyper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until it is killed: reads the body, answers a constant.
pub(crate) fn bare_hyper() -> anyhow::Result<()> {
    // As many threads as the daemon has: one for each processor.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let serve = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service_fn(constant));
                let _ = serve.await;
            });
        }
    })
}

async fn constant(
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let status = match request.into_body().collect().await {
        Ok(_) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"id\":\"constant\"}")));
    *response.status_mut() = status;
    Ok(response)
}

/// What the writer without HTTP reached.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Stored {
    /// Events a second.
    pub(crate) rate: f64,
    /// Milliseconds from event to commit.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Runs the writer in a process of its own, on a new database in `folder`.
pub(crate) fn run_store_only(folder: &Path, duration: Duration) -> anyhow::Result<Stored> {
    let output = this_program()
        .arg("store-only")
        .arg(folder)
        .arg(duration.as_secs().to_string())
        .stderr(Stdio::inherit())
        .output()?;
    serde_json::from_slice(&output.stdout).context("what the writer printed")
}

/// As many tasks as a closed loop has connections; each stores an event, waits until it is
/// durable, and stores the next: the store that the daemon uses, without HTTP, signatures and handlers.
pub(crate) fn store_only(folder: &Path, seconds: &str) -> anyhow::Result<()> {
    let duration = Duration::from_secs(seconds.parse()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let stored = runtime.block_on(async {
        let options = SqliteOptions::new(folder.join("store-only.db"));
        let store = Arc::new(SqliteStore::open(options).await?);
        let delivery = Arc::new(Delivery::push());
        let number = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let writers: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (store, delivery, number) = (store.clone(), delivery.clone(), number.clone());
                tokio::spawn(async move {
                    let mut latencies = Vec::new();
                    while began.elapsed() < duration {
                        let new = event(&delivery, number.fetch_add(1, Ordering::Relaxed));
                        let asked = Instant::now();
                        let ingested = store.ingest(new).await;
                        assert!(matches!(ingested, Ok(Ingested::Stored(_))), "{ingested:?}");
                        latencies.push(asked.elapsed().as_secs_f64() * 1e3);
                    }
                    latencies
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for writer in writers {
            latencies.append(&mut writer.await?);
        }
        let rate = latencies.len() as f64 / began.elapsed().as_secs_f64();
        let quantile = |part| crate::numbers::quantile(&latencies, part);
        anyhow::Ok(Stored { rate, p50: quantile(0.5), p99: quantile(0.99) })
    })?;
    println!("{}", serde_json::to_string(&stored)?);
    Ok(())
}

/// What the daemon makes of a delivery.
pub(crate) fn event(delivery: &Delivery, number: u64) -> NewEvent {
    let id = delivery.id(number);
    let headers = delivery.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone()));
    let headers = headers.chain([(ID_HEADER.to_lowercase(), id.clone())]);
    NewEvent {
        dedupe: vec![Dedupe {
            scope: String::new(),
            key: DedupeKey::Delivery(id.clone()),
            window: Duration::from_secs(7 * 86_400),
        }],
        due_at: None,
        jobs: vec![NewJob {
            target: Target::Handler("echo/echo".parse().expect("a handler's name")),
            order_key: None,
            lease: false,
        }],
        event: Event {
            id: EventId::new(),
            source: Source::Route("queue".to_owned()),
            kind: "push".to_owned(),
            delivery_id: Some(id),
            tenant: String::new(),
            received_at: Timestamp::now(),
            method: "POST".to_owned(),
            path: "/queue".to_owned(),
            query: None,
            params: Vec::new(),
            headers: headers.map(|(name, value)| (name, value.into_bytes())).collect(),
            body: delivery.body.clone().into(),
            client: Some([127, 0, 0, 1].into()),
            unauthenticated: vec!["path".to_owned(), "kind".to_owned(), "delivery-id".to_owned()],
            caused_by: None,
            traceparent: None,
            firing: None,
        },
    }
}

fn this_program() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a file"));
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}
