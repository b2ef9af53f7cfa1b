//! Medians and ratios.

use std::time::Duration;

use crate::load::Answers;

/// One run of one subject.
pub(crate) struct Sample {
    per_second: f64,
    /// In milliseconds.
    p50: f64,
    p99: f64,
    /// Microseconds for each request, where it can be measured.
    cpu: Option<f64>,
}

impl Sample {
    pub(crate) fn new(answers: Answers, cpu: Option<Duration>) -> Self {
        let Answers { mut latencies, elapsed } = answers;
        latencies.sort_unstable();
        let count = latencies.len();
        let quantile = |percent: usize| {
            latencies.get(count * percent / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
        };
        Self {
            per_second: count as f64 / elapsed.as_secs_f64(),
            p50: quantile(50),
            p99: quantile(99),
            cpu: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / count as f64),
        }
    }
}

/// Prints a row for each subject; the first is the floor, the second is compared with the goals.
pub(crate) fn print(rows: &[(&str, Vec<Sample>)]) {
    let Some((_, floor)) = rows.first() else { return };
    println!(
        "{:<34} {:>10} {:>8} {:>8} {:>8} {:>13} {:>8}",
        "", "requests/s", "x floor", "p50 ms", "p99 ms", "CPU us/request", "x floor"
    );
    for (name, samples) in rows {
        println!(
            "{name:<34} {:>10.0} {:>8.2} {:>8.2} {:>8.2} {:>13.1} {:>8.2}",
            median(samples.iter().map(|sample| sample.per_second)),
            paired(samples, floor, |ours, floor| ours.per_second / floor.per_second),
            median(samples.iter().map(|sample| sample.p50)),
            median(samples.iter().map(|sample| sample.p99)),
            median(samples.iter().map(Sample::cpu)),
            paired(samples, floor, |ours, floor| ours.cpu() / floor.cpu()),
        );
    }
    let [_, (_, ours), _, (_, first), ..] = rows else { return };
    println!("\ngoals of forwarding with a known token, and with one not seen before");
    let goal = |what, measured, goal| println!("  {what:<34} {measured:>8.2}   goal {goal}");
    goal("requests/s x floor", paired(ours, floor, |a, b| a.per_second / b.per_second), ">= 0.85");
    goal("p99 x floor", paired(ours, floor, |a, b| a.p99 / b.p99), "<= 1.5");
    goal("CPU us added", paired(ours, floor, |a, b| a.cpu() - b.cpu()), "<= 5");
    goal("not seen before: CPU x floor", paired(first, floor, |a, b| a.cpu() / b.cpu()), "<= 2.2");
}

/// Prints what each event of a stream takes: without a proxy, through the floor, through the gateway.
pub(crate) fn print_delays(delays: &[Vec<Vec<f64>>; 3]) {
    let [direct, floor, ours] = delays;
    println!("\neach event of a stream, us      p50      p99");
    for (name, rounds) in [("no proxy", direct), ("floor", floor), ("bonafide", ours)] {
        let of = |percent| median(rounds.iter().map(|round| quantile(round, percent)));
        println!("  {name:<24} {:>8.0} {:>8.0}", of(50), of(99));
    }
    let added = |beside: &Vec<Vec<f64>>| {
        let pairs = ours.iter().zip(beside);
        median(pairs.map(|(ours, beside)| quantile(ours, 50) - quantile(beside, 50)))
    };
    println!("  added to no proxy        {:>8.0}   goal < 100", added(direct));
    println!("  added to the floor       {:>8.0}", added(floor));
}

fn quantile(values: &[f64], percent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).copied().unwrap_or(f64::NAN)
}

impl Sample {
    fn cpu(&self) -> f64 {
        self.cpu.unwrap_or(f64::NAN)
    }
}

/// The median of what `of` makes of the two samples of each round.
fn paired(ours: &[Sample], floor: &[Sample], of: impl Fn(&Sample, &Sample) -> f64) -> f64 {
    median(ours.iter().zip(floor).map(|(ours, floor)| of(ours, floor)))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
