//! What a stream costs that nothing comes on: a gateway in a process of its own, with thousands of them.
//!
//! 1,000 streams; 10,000 with `BONAFIDE_REAL=1`, and 4,000 by HTTP/1.1, where each has its own connection.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail loudly"
)]

mod backend;
mod client;
mod gateway;

use client::Version;
use libtest_mimic::{Arguments, Trial};
use mimalloc::MiMalloc;

/// As in `mcp-proxy`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How often all of them come and go.
const ROUNDS: usize = 9;

fn main() {
    // The gateway is this program again.
    if let Ok(directory) = std::env::var(gateway::DIRECTORY) {
        return gateway::run(directory.as_ref());
    }
    let trial = |name, case: Case| {
        let test = move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(idle_streams_cost_little_and_leave_nothing_behind(case));
            Ok(())
        };
        Trial::test(format!("idle_streams_{name}_cost_little_and_leave_nothing_behind"), test)
    };
    let trials = match std::env::var_os("BONAFIDE_REAL") {
        Some(_) => vec![trial("by_http_1", HTTP_1), trial("by_http_2", HTTP_2)],
        None => vec![trial("by_http_1", HTTP_1.few()), trial("by_http_2", HTTP_2.few())],
    };
    // One after the other: there would not be enough file descriptors.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, trials).exit();
}

#[derive(Debug, Clone, Copy)]
struct Case {
    version: Version,
    streams: usize,
    /// The most that each may take of the gateway's memory, in bytes.
    most: usize,
    /// The most that may stay behind of each in each round.
    stays: usize,
    /// The round that counts, from the one that takes least.
    counted: usize,
}

/// 14.5 KB of each stream are pages that hyper touches for the connection to the backend: one of each of two buffers of 8 KiB, and
/// the first and the last of the room for 32 requests in its queue.
const HTTP_2: Case = Case::new(Version::Http2, 10_000, 22 * 1024);

/// Each has a connection from the client as well: one page of each of two more buffers, and the task.
const HTTP_1: Case = Case::new(Version::Http1, 4_000, 36 * 1024);

impl Case {
    const fn new(version: Version, streams: usize, most: usize) -> Self {
        Self { version, streams, most, stays: most / 20, counted: ROUNDS - 1 }
    }

    /// What few of them share counts more for each, and moves by thousands of bytes from round to round: the median counts.
    fn few(self) -> Self {
        Self { streams: 1_000, most: self.most + 6 * 1024, counted: ROUNDS / 2, ..self }
    }
}

async fn idle_streams_cost_little_and_leave_nothing_behind(case: Case) {
    let Case { version, streams, most, stays, counted } = case;
    let backend = backend::Backend::start().await;
    let gateway = gateway::Gateway::start(&backend.url()).await;
    // What is made once, for whatever number of streams.
    let warm = client::open(&gateway, 100, version).await;
    backend.has_open(100).await;
    drop(warm);
    backend.has_open(0).await;
    let before = gateway.memory();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let open = client::open(&gateway, streams, version).await;
        backend.has_open(streams).await;
        rounds.push(gateway.memory());
        drop(open);
        backend.has_open(0).await;
    }
    let per_stream = rounds.iter().map(|with| with.saturating_sub(before) / streams);
    let per_stream: Vec<usize> = per_stream.collect();
    println!("{streams} streams, {version:?}: {before} bytes before them, {per_stream:?} for each");
    let mut sorted = per_stream.clone();
    sorted.sort_unstable();
    assert!(sorted[counted] < most, "{} bytes for each", sorted[counted]);
    // The allocator finds its order in the first third, and the least is what noise adds nothing to. What stayed behind would
    // be as much again in each round.
    let [_, earlier, later] = [0, 1, 2].map(|third| {
        let rounds = third * ROUNDS / 3..(third + 1) * ROUNDS / 3;
        per_stream[rounds].iter().min().unwrap()
    });
    let more = later.saturating_sub(*earlier) / (ROUNDS / 3);
    assert!(more < stays, "{more} bytes stay behind for each");
}
