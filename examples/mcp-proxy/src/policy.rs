//! `mcp-proxy policy`: the rules in a database, and what all rules together mean.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use bonafide::claims::{GroupName, Groups};
use bonafide::policy::{Lint, Linter, Mapping, MappingRow, PolicyTests, Replaced};
use bonafide::proxy::{Config as Whole, Environment, PolicyAdmin, PolicyConfig};
use clap::{Args, Subcommand};

use crate::commands::verify;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the rows of `group_tenant_mapping`
    List {
        #[command(flatten)]
        config: Config,
        /// As CSV, which `import` reads
        #[arg(long)]
        csv: bool,
    },
    /// Add a row, unless there is one that says the same. Proxies use it within a second
    Add {
        #[command(flatten)]
        config: Config,
        #[command(flatten)]
        row: Box<Row>,
    },
    /// Remove rows by their numbers
    Remove {
        #[command(flatten)]
        config: Config,
        /// The numbers: `17`, or `mapping:17` as `explain` and the audit write it
        #[arg(required = true, value_parser = number)]
        rows: Vec<i64>,
    },
    /// Add the rows of a CSV file that are not there yet, all or none
    Import {
        #[command(flatten)]
        config: Config,
        /// The file. Its first line names the columns; `group_name` and `tenant` are needed
        rows: PathBuf,
        /// Remove all rows that are not in the file
        #[arg(long)]
        replace: bool,
    },
    /// Find rules that are valid and perhaps not meant. Ends with status 1 if there are any
    Lint {
        #[command(flatten)]
        config: Config,
        /// A finding that is meant, by the words in brackets after it, such as `broader:RULE`. May be given several times
        #[arg(long, value_name = "FINDING")]
        accept: Vec<String>,
        /// A file with a token, for group names that differ from those of rules in case or white space only. May be
        /// given several times
        #[arg(long)]
        token_file: Vec<PathBuf>,
        /// A file with such names, one a line
        #[arg(long)]
        groups_file: Option<PathBuf>,
    },
    /// Run tests of the policy. Ends with status 1 if one fails
    Test {
        #[command(flatten)]
        config: Config,
        /// The tests, in TOML
        tests: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    /// The configuration file
    #[arg(long = "config", value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Row {
    /// The group, exactly as tokens have it
    #[arg(long)]
    group: String,
    /// The tenant
    #[arg(long)]
    tenant: String,
    /// Patterns for tools, separated by commas
    #[arg(long, default_value = "*")]
    tools: String,
    /// Take the tools away, whatever allows them
    #[arg(long)]
    deny: bool,
    /// The issuer whose group is meant; needed if several are trusted
    #[arg(long)]
    issuer: Option<String>,
    /// The group is a path, and stands for what is below it too
    #[arg(long)]
    subtree: bool,
    /// A note for people
    #[arg(long)]
    note: Option<String>,
}

impl Config {
    fn open(&self) -> Result<PolicyAdmin> {
        Ok(PolicyAdmin::open(self.load()?)?)
    }

    /// Without making a database where there is none: an empty one would look like the right one.
    fn open_existing(&self) -> Result<PolicyAdmin> {
        Ok(PolicyAdmin::open_existing(self.load()?)?)
    }

    fn load(&self) -> Result<PolicyConfig> {
        Ok(PolicyConfig::load(&self.file, &Environment::of_process())?)
    }
}

pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List { config, csv } => list(&config.open_existing()?.rows().await?, csv),
        Command::Add { config, row } => add(&config.open()?, *row).await,
        Command::Remove { config, rows } => remove(&config.open_existing()?, rows).await,
        Command::Import { config, rows, replace } => import(&config.open()?, &rows, replace).await,
        Command::Lint { config, accept, token_file, groups_file } => {
            lint(&config, &accept, &token_file, groups_file.as_deref()).await
        }
        Command::Test { config, tests } => test(&config, &tests).await,
    }
}

fn list(rows: &[MappingRow], csv: bool) -> Result<ExitCode> {
    if csv {
        print!("{}", PolicyAdmin::to_csv(rows));
        return Ok(ExitCode::SUCCESS);
    }
    let shown = |text: &str| text.escape_debug().to_string();
    let mut lines =
        vec![["ID", "EFFECT", "GROUP", "TENANT", "TOOLS", "ISSUER", "NOTE"].map(str::to_owned)];
    lines.extend(rows.iter().map(|MappingRow { id, mapping }| {
        let below = if mapping.subtree { " (and below)" } else { "" };
        [
            id.to_string(),
            mapping.effect.as_str().to_owned(),
            shown(&mapping.group) + below,
            shown(&mapping.tenant),
            shown(&mapping.tools),
            shown(mapping.issuer.as_deref().unwrap_or("-")),
            shown(mapping.note.as_deref().unwrap_or_default()),
        ]
    }));
    let mut widths = [0; 7];
    for line in &lines {
        for (width, text) in widths.iter_mut().zip(line) {
            *width = text.chars().count().max(*width);
        }
    }
    for line in lines {
        let line = line.iter().zip(widths).map(|(text, width)| format!("{text:width$}"));
        println!("{}", line.collect::<Vec<_>>().join("  ").trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(admin: &PolicyAdmin, row: Row) -> Result<ExitCode> {
    let Row { group, tenant, tools, deny, issuer, subtree, note } = row;
    let mapping = if deny { Mapping::deny(group, tenant) } else { Mapping::allow(group, tenant) };
    let mut mapping = mapping.with_tools(tools);
    mapping.issuer = issuer;
    mapping.subtree = subtree;
    mapping.note = note;
    for added in admin.add(vec![mapping]).await? {
        let what = if added.new { "added" } else { "was there already" };
        println!("mapping:{} {what}", added.id);
    }
    in_force(admin).await
}

async fn remove(admin: &PolicyAdmin, rows: Vec<i64>) -> Result<ExitCode> {
    let removed = admin.remove(rows.clone()).await?;
    let mut code = in_force(admin).await?;
    for (row, removed) in rows.into_iter().zip(removed) {
        if removed {
            println!("mapping:{row} removed");
        } else {
            eprintln!("there is no mapping:{row}");
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

async fn import(admin: &PolicyAdmin, file: &Path, replace: bool) -> Result<ExitCode> {
    let text = read(file)?;
    let done = if replace { admin.replace(&text).await } else { admin.import(&text).await };
    let Replaced { added, removed, kept } =
        done.with_context(|| format!("`{}` was not imported", file.display()))?;
    println!("{added} added, {removed} removed, {kept} there already");
    in_force(admin).await
}

/// Rows may be right by themselves and leave another one wrong that was there before.
async fn in_force(admin: &PolicyAdmin) -> Result<ExitCode> {
    match admin.policy().await {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => bail!("done, but proxies stay with the policy before:\n{error}"),
    }
}

async fn lint(
    config: &Config,
    accept: &[String],
    tokens: &[PathBuf],
    groups: Option<&Path>,
) -> Result<ExitCode> {
    let known = config.load()?.tenants;
    let seen = seen(&config.file, tokens, groups).await?;
    let linter = Linter::new().with_tenants(known).with_seen_groups(seen);
    let findings = linter.lint(&config.open_existing()?.policy().await?);
    let keys: Vec<_> = findings.iter().map(Lint::key).collect();
    for stale in accept.iter().filter(|accepted| !keys.contains(accepted)) {
        eprintln!("`--accept {stale}`: this was not found, and may be left out");
    }
    let mut left = 0;
    for (finding, key) in findings.iter().zip(&keys).filter(|(_, key)| !accept.contains(key)) {
        println!("{finding} [{key}]");
        left += 1;
    }
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Group names that tokens have.
async fn seen(config: &Path, tokens: &[PathBuf], groups: Option<&Path>) -> Result<Vec<GroupName>> {
    let mut seen = Vec::new();
    if !tokens.is_empty() {
        let config = Whole::load(config, &Environment::of_process())?;
        for token in tokens {
            match verify(&config, token).await?.groups() {
                Groups::Known(groups) => seen.extend(groups.iter().cloned()),
                Groups::Unknown(why) => {
                    bail!("the groups in `{}` are not known: {why}", token.display());
                }
            }
        }
    }
    if let Some(file) = groups {
        for (number, line) in read(file)?.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let name = line.parse();
            let place = || format!("`{}`, line {}", file.display(), number + 1);
            seen.push(name.with_context(place)?);
        }
    }
    Ok(seen)
}

async fn test(config: &Config, tests: &Path) -> Result<ExitCode> {
    let text = read(tests)?;
    let tests = PolicyTests::from_toml(&text)
        .with_context(|| format!("`{}` has no tests to run", tests.display()))?;
    if tests.is_empty() {
        bail!("there is no test: add `[[tests]]`");
    }
    let report = tests.run(&config.open_existing()?.policy().await?);
    println!("{report}");
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("`{}` can't be read", file.display()))
}

fn number(text: &str) -> Result<i64, String> {
    let number = text.strip_prefix("mapping:").unwrap_or(text).parse();
    number.map_err(|_| "write the number of a row, as `list` shows it".to_owned())
}
