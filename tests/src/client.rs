//! A small HTTP/1.1 client on one blocking connection. Small on purpose: the tests want to see
//! what is on the wire, and to put on it what no well-behaved library would.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Request;

/// No answer of the daemon takes longer in any test.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection, kept alive between requests.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// No whole answer came back.
#[derive(Debug)]
pub enum ClientError {
    /// The connection was closed before the first byte of an answer.
    Closed,
    /// It broke in the middle, or the answer is not HTTP.
    Broken(io::Error),
}

/// What a look at a connection shows.
enum Peek {
    Bytes(usize),
    Closed,
    Nothing,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    /// # Panics
    /// When nobody listens there.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("connect to the daemon")
    }

    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends one request and reads its answer.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn send(&mut self, request: &Request) -> Reply {
        self.try_send(request).expect("an answer")
    }

    pub fn try_send(&mut self, request: &Request) -> Result<Reply, ClientError> {
        self.write(&request.bytes()).map_err(|_| ClientError::Closed)?;
        let mut reply = self.read_head()?;
        if request.method != "HEAD" {
            self.read_body(&mut reply).map_err(ClientError::Broken)?;
        }
        Ok(reply)
    }

    /// Bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Whether the daemon closes its side within `limit`. What it says before is thrown away.
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        let start = Instant::now();
        while let Some(left) = limit.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) {
            match self.peek(left) {
                Peek::Closed => return true,
                Peek::Bytes(count) => self.stream.consume(count),
                Peek::Nothing => return false,
            }
        }
        false
    }

    /// Whether there are bytes to read, or the connection is closed, within `limit`.
    pub fn has_something_within(&mut self, limit: Duration) -> bool {
        !matches!(self.peek(limit), Peek::Nothing)
    }

    fn peek(&mut self, limit: Duration) -> Peek {
        self.stream.get_ref().set_read_timeout(Some(limit)).expect("a limit that is not zero");
        let peek = match self.stream.fill_buf() {
            Ok([]) => Peek::Closed,
            Ok(bytes) => Peek::Bytes(bytes.len()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Peek::Closed,
            Err(_) => Peek::Nothing,
        };
        self.stream.get_ref().set_read_timeout(Some(PATIENCE)).expect("a limit that is not zero");
        peek
    }

    pub fn read_reply(&mut self) -> Result<Reply, ClientError> {
        let mut reply = self.read_head()?;
        self.read_body(&mut reply).map_err(ClientError::Broken)?;
        Ok(reply)
    }

    fn read_head(&mut self) -> Result<Reply, ClientError> {
        let status_line = match self.line() {
            Ok(Some(line)) => line,
            Ok(None) => return Err(ClientError::Closed),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(ClientError::Closed);
            }
            Err(error) => return Err(ClientError::Broken(error)),
        };
        self.rest(&status_line).map_err(ClientError::Broken)
    }

    fn rest(&mut self, status_line: &str) -> io::Result<Reply> {
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .ok_or_else(|| io::Error::other(format!("not a status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.is_empty() {
                break;
            }
            let (name, value) =
                line.split_once(':').ok_or_else(|| io::Error::other("a header without a colon"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if status == 100 {
            let line = self.line()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            return self.rest(&line);
        }
        Ok(Reply { status, headers, body: Vec::new() })
    }

    fn read_body(&mut self, reply: &mut Reply) -> io::Result<()> {
        if let Some(length) = reply.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            reply.body = vec![0; length];
            self.stream.read_exact(&mut reply.body)?;
        } else if reply.header("transfer-encoding").is_some() {
            self.chunks(&mut reply.body)?;
        }
        Ok(())
    }

    fn chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line = self.line()?.ok_or(io::ErrorKind::UnexpectedEof)?;
            let size = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
            let start = body.len();
            body.resize(start + size, 0);
            self.stream.read_exact(&mut body[start..])?;
            self.line()?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// A line without its end; `None` when the connection is closed before its first byte.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if !line.ends_with('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(Some(line))
    }
}

impl Reply {
    /// The first value of a header (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// When the body is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    /// The event's id in a 202.
    ///
    /// # Panics
    /// When it is another status, or there is no id.
    #[track_caller]
    pub fn accepted(&self) -> String {
        assert_eq!(self.status, 202, "{self:?} {}", self.text());
        self.json()["id"].as_str().expect("an id in the answer").to_owned()
    }
}
