//! Connections against servers on this machine, made from a configuration as the loader makes them.

mod answers;
mod guarded;
mod proof;
mod requests;
mod retrying;

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookyard_runtime::{Answer, Call, CallError, Called};
use rustls::RootCertStore;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::{Connection, Set, inherit};
use crate::config;
use crate::outbound::Resolver;
use crate::outbound::tests::{Ca, Names};
use crate::secret::Places;

/// Longer than anything here takes; what runs into it hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// The deadline of a test that waits for it.
const SOON: Duration = Duration::from_millis(400);
/// The credential of most tests; nothing but a server may see it.
const SECRET: &str = "s3cret-t0ken-of-ours";

/// What a server does about one request.
#[derive(Clone, Debug)]
enum Step {
    /// Answers with this, and keeps the connection.
    Say(Vec<u8>),
    /// Sends this and closes the connection.
    Cut(Vec<u8>),
    /// Sends the first, and then the second for as long as somebody takes it.
    Endless(Vec<u8>, Vec<u8>),
    /// Waits, then goes on as the other says.
    After(Duration, Box<Step>),
    /// Says nothing, and keeps the connection.
    Stall,
    /// Answers 200 with the request itself.
    Echo,
}

/// `headers` are whole lines.
fn say(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Step {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    Step::Say([head.as_bytes(), body].concat())
}

fn ok(body: &str) -> Step {
    say(200, "", body)
}

/// A server on a free port of 127.0.0.1, until it is dropped. Its last step is for all further requests.
struct Server {
    port: u16,
    /// Each request as it was received, head and body.
    seen: Arc<Mutex<Vec<String>>>,
    opened: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start(steps: impl IntoIterator<Item = Step>) -> Self {
        Self::with_tls(None, steps).await
    }

    async fn with_tls(tls: Option<TlsAcceptor>, steps: impl IntoIterator<Item = Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let steps: Arc<Mutex<VecDeque<Step>>> = Arc::new(Mutex::new(steps.into_iter().collect()));
        let (seen, opened) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicUsize>::default());
        let (see, count) = (Arc::clone(&seen), Arc::clone(&opened));
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                let (tls, steps, see) = (tls.clone(), Arc::clone(&steps), Arc::clone(&see));
                // Ends with the runtime of the test.
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => match tls.accept(tcp).await {
                            Ok(stream) => serve(stream, &steps, &see).await,
                            Err(error) => Err(error),
                        },
                        None => serve(tcp, &steps, &see).await,
                    }
                });
            }
        });
        Self { port, seen, opened, task }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// Its own address as a base URL.
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn serve<I>(
    mut io: I,
    steps: &Mutex<VecDeque<Step>>,
    seen: &Mutex<Vec<String>>,
) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let request = received(&mut io).await?;
        seen.lock().unwrap().push(request.clone());
        let mut step = {
            let mut steps = steps.lock().unwrap();
            if steps.len() > 1 { steps.pop_front() } else { steps.front().cloned() }
        }
        .expect("a step");
        if let Step::After(wait, next) = step {
            tokio::time::sleep(wait).await;
            step = *next;
        }
        match step {
            Step::Say(bytes) => {
                io.write_all(&bytes).await?;
                io.flush().await?;
            }
            Step::Cut(bytes) => {
                io.write_all(&bytes).await?;
                return io.shutdown().await;
            }
            Step::Endless(first, again) => {
                io.write_all(&first).await?;
                loop {
                    io.write_all(&again).await?;
                    tokio::task::yield_now().await;
                }
            }
            Step::Stall | Step::After(..) => std::future::pending().await,
            Step::Echo => {
                let Step::Say(bytes) = say(200, "", &request) else { continue };
                io.write_all(&bytes).await?;
                io.flush().await?;
            }
        }
    }
}

/// A request's head, and the body that it announces.
async fn received<I: AsyncRead + Unpin>(io: &mut I) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Ok(text.into_owned());
            }
        }
        if io.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// A folder with a configuration and what it refers to; the file `secret` is there.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.put("secret", SECRET);
        place
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    /// `[connection.api]` with these lines, as it would be loaded; names are as in the table.
    fn connection_with(&self, names: Arc<Names>, lines: &str) -> Result<Connection, String> {
        let file = self.0.path().join("config.toml");
        let text = format!("[connection.api]\n{lines}\n");
        let (config, _) = config::parse(&file, &text).map_err(|error| error.to_string())?;
        let api = &config.connections["api"];
        Connection::build_with(
            Resolver::new(names),
            "api",
            api,
            &config.outbound,
            &RootCertStore::empty(),
            &Places::without_store(self.0.path()),
        )
        .map_err(|(key, problem)| format!("{key}: {}", problem.message))
    }

    /// One that may reach this machine.
    #[track_caller]
    fn connection(&self, server: &Server, lines: &str) -> Connection {
        let lines = format!("base_url = \"{}/v1\"\nallow_private = true\n{lines}", server.url());
        self.connection_with(Names::of([]), &lines).unwrap_or_else(|error| panic!("{error}"))
    }
}

const BEARER: &str = "auth = { bearer = { file = \"secret\" } }\n";

fn call(method: &str, path: &str) -> Call {
    Call {
        connection: "api".to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        idempotency_key: "job-1".to_owned(),
        keyed_by_author: false,
        deadline: std::time::Instant::now() + PATIENCE / 2,
        max_answer: 4 << 20,
    }
}

fn within(mut call: Call, time: Duration) -> Call {
    call.deadline = std::time::Instant::now() + time;
    call
}

fn with_header(mut call: Call, name: &str, value: &str) -> Call {
    call.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    call
}

/// Makes the call. Nothing that comes of it has the credential in it.
async fn made(connection: &Connection, call: Call) -> Called {
    let done = tokio::time::timeout(PATIENCE, connection.call(call)).await.expect("it hangs");
    let called = done.called;
    let shown = format!("{called:?} {connection:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    if let Ok(answer) = &called.outcome {
        let headers = answer.headers.iter().flat_map(|(_, value)| value.iter().copied());
        let all: Vec<u8> = headers.chain(answer.body.iter().copied()).collect();
        assert!(!String::from_utf8_lossy(&all).contains(SECRET), "the credential came back");
    }
    called
}

#[track_caller]
fn answered(called: Called) -> Answer {
    called.outcome.unwrap_or_else(|error| panic!("no answer: {error:?}"))
}

#[track_caller]
fn failed(called: Called) -> CallError {
    match called.outcome {
        Ok(answer) => panic!("answered {answer:?}"),
        Err(error) => error,
    }
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// The lines of a request's head that begin with one of these names.
fn header<'r>(request: &'r str, name: &str) -> Vec<&'r str> {
    let head = request.split("\r\n\r\n").next().unwrap_or_default();
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.filter(|(key, _)| *key == name).map(|(_, value)| value).collect()
}
