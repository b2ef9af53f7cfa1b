//! The protocol's own conformance suite, directly at its server and through the proxy.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::parts::Process;
use crate::world::World;

/// The requirement sets, and how many checks of each pass at our server. None fails.
const SETS: [(&str, usize); 2] = [("2025-11-25", 84), ("2026-07-28", 197)];

/// A set takes a quarter of a minute.
const LONGEST: Duration = Duration::from_secs(180);

pub(crate) async fn the_suite_finds_the_same_through_the_proxy(world: &World) -> Result<()> {
    // What Alice asks goes through as it is. Of Dave's lists, each is read, and a tool taken out.
    let (alice, dave) = (world.sign_in("alice").await?, world.sign_in("dave").await?);
    let (direct, proxy) = (world.suite.origin(), world.proxy.origin());
    for (set, count) in SETS {
        let start = |name: &str, origin: &str, path: &str, token: &Option<String>| {
            Run::start(world, &format!("{set}-{name}"), set, origin, path, token.as_deref())
        };
        let runs = [
            ("directly", start("direct", &direct, "/mcp", &None)?),
            ("as it is", start("alice", &proxy, "/suite/mcp", &alice.token)?),
            ("with lists filtered", start("dave", &proxy, "/suite/mcp", &dave.token)?),
        ];
        let mut directly: Option<BTreeSet<Found>> = None;
        for (name, run) in runs {
            let (total, found) = run.end().with_context(|| format!("{set} {name}"))?;
            println!("conformance {set} {name}: {total}");
            let expected = format!("Total: {count} passed, 0 failed");
            ensure!(total == expected, "{set} {name}: expected {expected}: {}", worst(&found));
            let directly = directly.get_or_insert_with(|| found.clone());
            let differences: Vec<_> = directly.symmetric_difference(&found).collect();
            ensure!(differences.is_empty(), "{set} {name} differs: {differences:#?}");
        }
    }
    Ok(())
}

/// The suite at work. Dropping it ends it.
struct Run {
    process: Process,
    directory: PathBuf,
}

/// A check, and what came of it. The number tells checks of one id apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    scenario: String,
    number: usize,
    check: String,
    status: String,
}

#[derive(Deserialize)]
struct Check {
    id: String,
    status: String,
}

impl Run {
    fn start(
        world: &World,
        name: &str,
        set: &str,
        origin: &str,
        path: &str,
        token: Option<&str>,
    ) -> Result<Self> {
        let directory = world.scratch(&format!("conformance-{name}"));
        fs::create_dir(&directory)?;
        let log = File::create(directory.join("log"))?;
        let mut node = Command::new(&world.node);
        if let Some(token) = token {
            node.arg("--import").arg(world.real.join("conformance/token.mjs"));
            node.env("ORIGIN", origin).env("TOKEN", token);
        }
        node.arg(world.real.join("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
        node.args(["server", "--url", &format!("{origin}{path}"), "--requirements", set, "-o"]);
        node.arg(directory.join("found"));
        node.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        node.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Process(node.spawn().context("the suite does not start")?);
        Ok(Self { process, directory })
    }

    /// The line with the counts, and every check.
    fn end(mut self) -> Result<(String, BTreeSet<Found>)> {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.process.0.try_wait()? {
                break status;
            }
            ensure!(started.elapsed() < LONGEST, "it takes too long");
            std::thread::sleep(Duration::from_millis(100));
        };
        let log = fs::read_to_string(self.directory.join("log"))?;
        let total = log.lines().find(|line| line.starts_with("Total: "));
        let total = total.with_context(|| format!("no counts, {status}: {log}"))?;
        let found = found(&self.directory.join("found"))?;
        ensure!(status.success(), "{status}, {total}: {}", worst(&found));
        Ok((total.to_owned(), found))
    }
}

fn found(directory: &Path) -> Result<BTreeSet<Found>> {
    let mut all = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // `server-SCENARIO-2026-11-22T06-32-22-615Z`
        let scenario = name.rsplitn(7, '-').last().context("no scenario")?.to_owned();
        let checks = fs::read_to_string(entry.path().join("checks.json"))?;
        let checks: Vec<Check> = serde_json::from_str(&checks)?;
        for (number, Check { id, status }) in checks.into_iter().enumerate() {
            all.insert(Found { scenario: scenario.clone(), number, check: id, status });
        }
    }
    Ok(all)
}

fn worst(found: &BTreeSet<Found>) -> String {
    let failed = found.iter().filter(|check| ["FAILURE", "WARNING"].contains(&&*check.status));
    format!("{:#?}", failed.collect::<Vec<_>>())
}
