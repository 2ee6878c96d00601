//! The constant rate: requests leave at fixed moments, whether the earlier ones were answered or
//! not, and their latency is counted from those moments. So a pause of the daemon shows in all requests
//! that had to wait for it, and not in one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

use crate::delivery::{Delivery, ID_HEADER};
use crate::numbers::quantile;

/// Connections that share the requests.
const CONNECTIONS: usize = 64;

/// One answered request.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// When it was due to leave, since the beginning.
    pub(crate) due: Duration,
    /// From then to the end of the answer.
    pub(crate) latency: Duration,
    pub(crate) body: Bytes,
}

/// All answers of a run, in no order.
#[derive(Debug)]
pub(crate) struct Paced {
    pub(crate) answers: Vec<Answer>,
    pub(crate) duration: Duration,
}

impl Paced {
    /// Milliseconds below which this part of the latencies lies, of the requests due in `within`.
    pub(crate) fn quantile(&self, part: f64, within: std::ops::Range<Duration>) -> f64 {
        let chosen = self.answers.iter().filter(|answer| within.contains(&answer.due));
        let latencies: Vec<f64> = chosen.map(|answer| answer.latency.as_secs_f64() * 1e3).collect();
        quantile(&latencies, part)
    }

    pub(crate) fn whole(&self) -> std::ops::Range<Duration> {
        Duration::ZERO..self.duration
    }

    /// Answers in each second of the run.
    pub(crate) fn by_second(&self) -> Vec<u32> {
        let seconds = usize::try_from(self.duration.as_secs()).unwrap_or(0);
        let mut counts = vec![0; seconds];
        for answer in &self.answers {
            let second = (answer.due + answer.latency).as_secs();
            if let Some(count) = usize::try_from(second).ok().and_then(|s| counts.get_mut(s)) {
                *count += 1;
            }
        }
        counts
    }
}

/// Sends `rate` deliveries a second for so long. Fails when one is not answered with success.
pub(crate) fn run(
    address: SocketAddr,
    path: &str,
    delivery: &Delivery,
    rate: f64,
    duration: Duration,
) -> anyhow::Result<Paced> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(address, path, delivery.anew(), rate, duration))
}

async fn send(
    address: SocketAddr,
    path: &str,
    delivery: Delivery,
    rate: f64,
    duration: Duration,
) -> anyhow::Result<Paced> {
    let path: Arc<str> = path.into();
    let delivery = Arc::new(delivery);
    let (pace, due) = mpsc::unbounded_channel();
    let due = Arc::new(Mutex::new(due));
    let began = Instant::now();
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let (due, delivery, path) = (due.clone(), delivery.clone(), path.clone());
        connections.push(tokio::spawn(serve(sender, due, delivery, path, began)));
    }
    // A thread, because the runtime's own timer is only good to the millisecond.
    let pacer = std::thread::spawn(move || {
        let mut number = 0_u64;
        loop {
            let at = Duration::from_secs_f64(number as f64 / rate);
            if at >= duration {
                return;
            }
            std::thread::sleep(at.saturating_sub(began.elapsed()));
            if pace.send((number, at)).is_err() {
                return;
            }
            number += 1;
        }
    });
    let mut answers = Vec::new();
    for connection in connections {
        answers.append(&mut connection.await??);
    }
    pacer.join().ok().context("the pacing thread ended badly")?;
    Ok(Paced { answers, duration })
}

type Due = Arc<Mutex<mpsc::UnboundedReceiver<(u64, Duration)>>>;

/// One connection: takes the next request that is due, as soon as it has its answer.
async fn serve(
    mut sender: SendRequest<Full<Bytes>>,
    due: Due,
    delivery: Arc<Delivery>,
    path: Arc<str>,
    began: Instant,
) -> anyhow::Result<Vec<Answer>> {
    let mut answers = Vec::new();
    loop {
        let next = due.lock().await.recv().await;
        let Some((number, due)) = next else { return Ok(answers) };
        let mut request = Request::post(&*path).header(ID_HEADER, delivery.id(number));
        for (name, value) in &delivery.headers {
            request = request.header(*name, value);
        }
        let body = Full::new(Bytes::from(delivery.body.clone()));
        let response = sender.send_request(request.body(body)?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "answered {status}: {}", String::from_utf8_lossy(&body));
        answers.push(Answer { due, latency: began.elapsed().saturating_sub(due), body });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_in_the_second_in_which_they_came() {
        let answer = |due, latency| Answer {
            due: Duration::from_millis(due),
            latency: Duration::from_millis(latency),
            body: Bytes::new(),
        };
        let answers = vec![answer(100, 5), answer(900, 1200), answer(2100, 2)];
        let paced = Paced { answers, duration: Duration::from_secs(3) };
        assert_eq!(paced.by_second(), [1, 0, 2]);
        assert_eq!(paced.quantile(1.0, paced.whole()), 1200.0);
        let first = Duration::ZERO..Duration::from_millis(500);
        assert_eq!(paced.quantile(0.5, first), 5.0);
    }
}
