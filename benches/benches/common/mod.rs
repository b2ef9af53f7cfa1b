//! Interleaved rounds and ratios, as a bench on a shared machine needs them.
//!
//! Each round runs every contender for a batch, one after the other, so that a noisy neighbour hits all of them; the
//! median over the rounds is compared with the first contender, which is the limit.

use std::hint::black_box;
use std::time::{Duration, Instant};

const ROUNDS: usize = 151;
const BATCH: Duration = Duration::from_micros(400);

/// One thing to measure.
pub(crate) struct Contender<'a> {
    name: &'a str,
    run: Box<dyn FnMut(u32) + 'a>,
}

impl<'a> Contender<'a> {
    /// `body` is one operation; its result is kept from being optimised away.
    pub(crate) fn new<T>(name: &'a str, mut body: impl FnMut() -> T + 'a) -> Self {
        let run = move |count| (0..count).for_each(|_| drop(black_box(body())));
        Self { name, run: Box::new(run) }
    }
}

/// Measures all of them and prints a table; the first one is the limit.
pub(crate) fn compare(title: &str, mut contenders: Vec<Contender<'_>>) {
    // Twice: at first files and caches are cold, and a smaller batch costs more for each operation.
    contenders.iter_mut().for_each(|contender| _ = calibrate(contender));
    let counts: Vec<u32> = contenders.iter_mut().map(calibrate).collect();
    let mut samples = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for _ in 0..ROUNDS {
        for ((contender, &count), samples) in contenders.iter_mut().zip(&counts).zip(&mut samples) {
            samples.push(time(contender, count) / f64::from(count));
        }
    }
    let medians: Vec<f64> = samples.into_iter().map(median).collect();
    let limit = medians.first().copied().unwrap_or(f64::NAN);
    println!("\n{title}");
    for (contender, median) in contenders.iter().zip(medians) {
        println!("  {:<44} {:>9.1} ns {:>7.2} x", contender.name, median, median / limit);
    }
}

fn calibrate(contender: &mut Contender<'_>) -> u32 {
    let mut count = 1;
    while time(contender, count) < BATCH.as_nanos() as f64 {
        count *= 2;
    }
    count
}

fn time(contender: &mut Contender<'_>, count: u32) -> f64 {
    let start = Instant::now();
    (contender.run)(count);
    start.elapsed().as_nanos() as f64
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}
