//! How much later an event of a stream arrives because it goes through a proxy.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Error;

/// Events that are read in each round.
const EVENTS: usize = 200;

const DATA: &[u8] = b"data: ";

/// An event that says when it was sent.
pub(crate) fn event() -> Bytes {
    format!("event: message\ndata: {}\n\n", now()).into()
}

/// Opens a stream with `request`. Gives the time in microseconds that each event took.
pub(crate) async fn delays(address: SocketAddr, request: &[u8]) -> Result<Vec<f64>, Error> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request).await?;
    let mut buffer = BytesMut::with_capacity(4096);
    let mut delays = Vec::with_capacity(EVENTS);
    while delays.len() < EVENTS {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the stream ended".into());
        }
        let arrived = now();
        while let Some(sent) = next_event(&mut buffer) {
            delays.push(arrived.saturating_sub(sent) as f64 / 1e3);
        }
    }
    Ok(delays)
}

/// Takes the next whole event out of what has arrived. Gives when it was sent.
fn next_event(buffer: &mut BytesMut) -> Option<u64> {
    let begin = buffer.windows(DATA.len()).position(|window| window == DATA)? + DATA.len();
    let len = buffer.get(begin..)?.iter().position(|byte| *byte == b'\n')?;
    let event = buffer.split_to(begin + len);
    std::str::from_utf8(event.get(begin..)?).ok()?.parse().ok()
}

/// Nanoseconds by the clock that all processes share.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}
