//! The whole proxy beside a plain reverse proxy that checks nothing.
//!
//! `cargo bench -p bonafide-benches --bench forward` takes less than a minute. Every part is a process of its own on
//! loopback, the proxies on one core, backend and load on another; all processes of this program have the allocator of
//! `mcp-proxy`. Each round measures every subject once, so that a noisy neighbour hits all of them; printed are medians,
//! and of the ratios to the plain proxy (the floor) the median of those within a round. The floor with bare steps
//! is a limit: it reads, looks up, opens, renders and looks through as little as a gateway can. `-- --peers` adds nginx,
//! Envoy and FastMCP's proxy where they are in `PATH`; `benches/compare` installs them. Without `--bench`, as under
//! `cargo test --benches`, one short round shows that all parts work.

mod events;
mod load;
mod peers;
mod process;
mod report;
mod role;
mod steps;
mod world;

use std::time::Duration;

use load::Load;
use process::Process;
use report::Sample;
use world::World;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 9;
/// How long each round measures the floor and the forwarding that is compared with it.
const LONG: Duration = Duration::from_secs(1);
/// How long it measures everything else.
const SHORT: Duration = Duration::from_millis(300);

/// One row of the table.
struct Subject<'a> {
    name: &'static str,
    /// Where it listens.
    front: &'a Process,
    /// What works for it besides.
    others: &'a [Process],
    load: &'a Load,
    time: Duration,
}

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match *arguments.as_slice() {
        [role::BACKEND] => runtime.block_on(role::backend()),
        [role::FLOOR, backend] => runtime.block_on(role::floor(backend)),
        [role::STEPS, backend] => runtime.block_on(steps::steps(backend)),
        [role::GATEWAY, file] => runtime.block_on(role::gateway(file)),
        [role::CHECK, issuer, key_set] => runtime.block_on(role::check(issuer, key_set)),
        _ => {
            let peers = arguments.contains(&"--peers");
            let (rounds, long) =
                if arguments.contains(&"--bench") { (ROUNDS, LONG) } else { (1, SHORT) };
            runtime.block_on(compare(rounds, long, peers))
        }
    }
}

async fn compare(rounds: usize, long: Duration, with_peers: bool) -> Result<(), Error> {
    let world = World::start(rounds).await?;
    let peers = if with_peers { peers::start(&world).await? } else { Vec::new() };
    println!("{}", world.describe());
    let World { backend, floor, steps, gateway, loads, .. } = &world;
    let subject = |name, front, load, time| Subject { name, front, others: &[], load, time };
    let mut subjects = vec![
        subject("plain reverse proxy (the floor)", floor, &loads.known, long),
        subject("bonafide, known token", gateway, &loads.known, long),
        subject("bonafide, three secrets", gateway, &loads.three_secrets, SHORT),
        subject("bonafide, token not seen before", gateway, &loads.first_sight, SHORT),
        subject("bonafide refuses: no token", gateway, &loads.no_token, SHORT),
        subject("bonafide refuses: wrong group", gateway, &loads.wrong_group, SHORT),
        subject("bonafide refuses: altered token", gateway, &loads.altered, SHORT),
        subject("no proxy", backend, &loads.direct, SHORT),
        subject("the floor with bare steps", steps, &loads.known, long),
    ];
    subjects.extend(peers.iter().filter_map(|peer| {
        let (front, others) = peer.processes.split_first()?;
        Some(Subject { name: peer.name, front, others, load: &peer.load, time: long })
    }));
    let mut samples: Vec<Vec<Sample>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            samples.push(measure(subject, round).await?);
        }
    }
    let delays = event_delays(&world, rounds).await?;
    let names = subjects.iter().map(|subject| subject.name);
    report::print(&names.zip(samples).collect::<Vec<_>>());
    report::print_delays(&delays);
    Ok(())
}

/// What each event takes without a proxy, through the floor, and through the gateway, in each round.
async fn event_delays(world: &World, rounds: usize) -> Result<[Vec<Vec<f64>>; 3], Error> {
    let (through, plain) = world.open_stream();
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let [direct, floor, gateway] = &mut all;
        direct.push(events::delays(world.backend.address(), &plain).await?);
        floor.push(events::delays(world.floor.address(), &plain).await?);
        gateway.push(events::delays(world.gateway.address(), &through).await?);
    }
    Ok(all)
}

async fn measure(subject: &Subject<'_>, round: usize) -> Result<Sample, Error> {
    let before = cpu_time(subject);
    let answers = subject
        .load
        .run(subject.front.address(), round, subject.time)
        .await
        .map_err(|error| format!("{}: {error}", subject.name))?;
    let cpu = cpu_time(subject).zip(before).map(|(after, before)| after - before);
    Ok(Sample::new(answers, cpu))
}

fn cpu_time(subject: &Subject<'_>) -> Option<Duration> {
    std::iter::once(subject.front).chain(subject.others).map(Process::cpu_time).sum()
}
