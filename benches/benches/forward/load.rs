//! Requests over kept connections, as fast as the answers come.
//!
//! Written on the bare socket: a client that did more would take the core that the backend needs.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Error;

/// What is sent, and what must come back.
#[derive(Clone)]
pub(crate) struct Load {
    connections: Connections,
    status: u16,
}

#[derive(Clone)]
enum Connections {
    /// One request for each connection, sent again and again.
    Repeated(Vec<Bytes>),
    /// For each round the requests of each connection, none of them sent twice.
    Once(Vec<Vec<Vec<Bytes>>>),
}

/// What came back in one run.
pub(crate) struct Answers {
    /// How long each answer took.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

impl Load {
    pub(crate) fn repeated(requests: Vec<Bytes>, status: u16) -> Self {
        Self { connections: Connections::Repeated(requests), status }
    }

    pub(crate) fn once(rounds: Vec<Vec<Vec<Bytes>>>, status: u16) -> Self {
        Self { connections: Connections::Once(rounds), status }
    }

    /// Opens the connections and sends until `time` is over, or everything is sent that may be sent once.
    pub(crate) async fn run(
        &self,
        address: SocketAddr,
        round: usize,
        time: Duration,
    ) -> Result<Answers, Error> {
        let begin = Instant::now();
        let end = begin + time;
        let mut tasks = JoinSet::new();
        match &self.connections {
            Connections::Repeated(requests) => {
                for request in requests.iter().cloned() {
                    tasks.spawn(send(address, std::iter::repeat(request), self.status, end));
                }
            }
            Connections::Once(rounds) => {
                for requests in rounds.get(round).into_iter().flatten().cloned() {
                    tasks.spawn(send(address, requests.into_iter(), self.status, end));
                }
            }
        }
        let mut latencies = Vec::new();
        while let Some(done) = tasks.join_next().await {
            latencies.extend(done??);
        }
        Ok(Answers { latencies, elapsed: begin.elapsed() })
    }
}

/// Sends one request over a connection of its own. Gives the status.
pub(crate) async fn once(address: SocketAddr, request: Bytes) -> Result<u16, Error> {
    Connection::open(address).await?.exchange(&request).await
}

async fn send(
    address: SocketAddr,
    requests: impl Iterator<Item = Bytes>,
    expected: u16,
    end: Instant,
) -> Result<Vec<Duration>, Error> {
    let mut connection = Connection::open(address).await?;
    let mut latencies = Vec::new();
    for request in requests {
        let begin = Instant::now();
        if begin >= end {
            break;
        }
        let status = connection.exchange(&request).await?;
        if status != expected {
            return Err(format!("status {status} instead of {expected}").into());
        }
        latencies.push(begin.elapsed());
    }
    Ok(latencies)
}

struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(4096) })
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<u16, Error> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the connection was closed".into());
            }
            if let Some((status, len)) = head(&self.buffer)?
                && self.buffer.len() >= len
            {
                return Ok(status);
            }
        }
    }
}

/// The status of an answer and its whole length, once the head is there.
fn head(answer: &[u8]) -> Result<Option<(u16, usize)>, Error> {
    let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(answer.get(..at).unwrap_or_default())?;
    let status = head.split(' ').nth(1).ok_or("an answer without a status")?.parse()?;
    let field = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>())
    };
    let length = match head.lines().find_map(field) {
        Some(length) => length?,
        None if status == 204 => 0,
        None => return Err("an answer without a length".into()),
    };
    Ok(Some((status, at + 4 + length)))
}
