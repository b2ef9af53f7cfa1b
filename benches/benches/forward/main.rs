//! The whole proxy beside a plain reverse proxy that checks nothing.
//!
//! `cargo bench -p bonafide-benches --bench forward` takes less than a minute. Every part is a process of its own on
//! loopback, the proxies on one core, backend and load on another. Each round measures every subject once, so that a
//! noisy neighbour hits all of them; printed are medians, and of the ratios to the plain proxy (the floor) the median of
//! those within a round. Without `--bench`, as under `cargo test --benches`, one short round shows that all parts work.

mod load;
mod process;
mod report;
mod role;
mod world;

use std::time::Duration;

use load::Load;
use process::Process;
use report::Sample;
use world::World;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

const ROUNDS: usize = 9;
/// How long each round measures the floor and the forwarding that is compared with it.
const LONG: Duration = Duration::from_secs(1);
/// How long it measures everything else.
const SHORT: Duration = Duration::from_millis(300);

/// One row of the table.
struct Subject<'a> {
    name: &'static str,
    process: &'a Process,
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
        [role::GATEWAY, file] => runtime.block_on(role::gateway(file)),
        _ if arguments.contains(&"--bench") => runtime.block_on(compare(ROUNDS, LONG, SHORT)),
        _ => runtime.block_on(compare(1, SHORT, SHORT)),
    }
}

async fn compare(rounds: usize, long: Duration, short: Duration) -> Result<(), Error> {
    let world = World::start(rounds).await?;
    println!("{}", world.describe());
    let World { backend, floor, gateway, loads, .. } = &world;
    let subject = |name, process, load, time| Subject { name, process, load, time };
    let subjects = [
        subject("plain reverse proxy (the floor)", floor, &loads.known, long),
        subject("bonafide, known token", gateway, &loads.known, long),
        subject("bonafide, token not seen before", gateway, &loads.first_sight, short),
        subject("bonafide refuses: no token", gateway, &loads.no_token, short),
        subject("bonafide refuses: wrong group", gateway, &loads.wrong_group, short),
        subject("bonafide refuses: altered token", gateway, &loads.altered, short),
        subject("no proxy", backend, &loads.direct, short),
    ];
    let mut samples: Vec<Vec<Sample>> = subjects.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        for (subject, samples) in subjects.iter().zip(&mut samples) {
            samples.push(measure(subject, round).await?);
        }
    }
    let names = subjects.iter().map(|subject| subject.name);
    report::print(&names.zip(samples).collect::<Vec<_>>());
    Ok(())
}

async fn measure(subject: &Subject<'_>, round: usize) -> Result<Sample, Error> {
    let before = subject.process.cpu_time();
    let answers = subject
        .load
        .run(subject.process.address(), round, subject.time)
        .await
        .map_err(|error| format!("{}: {error}", subject.name))?;
    let cpu = subject.process.cpu_time().zip(before).map(|(after, before)| after - before);
    Ok(Sample::new(answers, cpu))
}
