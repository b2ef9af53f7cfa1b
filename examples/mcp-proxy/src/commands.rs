//! Everything but the demonstration.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use bonafide::claims::{VerifiedUser, Verifier};
use bonafide::mcp::{Tenant, TenantScopes};
use bonafide::policy::TenantId;
use bonafide::proxy::{Config, Environment, PolicyAdmin, Proxy};
use bonafide::vault::MasterKey;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::signal::ctrl_c;

pub(crate) async fn serve(file: PathBuf) -> Result<ExitCode> {
    let config = Config::load(&file, &Environment::of_process())?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("`{}` can't be listened on", config.listen))?;
    let address = listener.local_addr()?;
    let proxy = Proxy::new(config, listener).await?.with_reload(file);
    // Not before it will answer: scripts wait for this line.
    eprintln!("listening on {address}");
    proxy.serve(ended()).await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn check(file: &Path) -> Result<ExitCode> {
    let config = Config::load(file, &Environment::of_process())?;
    for warning in config.warnings() {
        eprintln!("{}: warning: {warning}", file.display());
    }
    println!(
        "{}: in order: {} issuers, {} tenants, {} rules{}",
        file.display(),
        config.issuers.len(),
        config.directory.tenants().count(),
        config.directory.policy().rule_count(),
        if config.policy.store.is_some() { ", and those in the database" } else { "" },
    );
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn explain(
    file: &Path,
    token_file: &Path,
    tenant: &str,
    tool: Option<&str>,
) -> Result<ExitCode> {
    let config = Config::load(file, &Environment::of_process())?;
    let tenant: TenantId = tenant.parse()?;
    let user = verify(&config, token_file).await?;
    let scopes = config.directory.tenant(tenant.as_str()).and_then(Tenant::scopes).cloned();
    let policy = PolicyAdmin::open_existing(config.policy)?.policy().await?;
    let explanation = policy.explain(&user, &tenant, tool);
    println!("{explanation}");
    let enough = scopes.is_none_or(|scopes| explain_scopes(&scopes, &user, tool));
    Ok(if explanation.allowed && enough { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the token has the scopes that are needed besides.
fn explain_scopes(scopes: &TenantScopes, user: &VerifiedUser, tool: Option<&str>) -> bool {
    let (needed, missing) = (scopes.needed(tool), scopes.missing(user, tool));
    if needed.is_empty() {
        return true;
    }
    println!(
        "  scopes: needs `{needed}`; {}",
        if missing.is_empty() {
            "the token has them".to_owned()
        } else {
            format!("the token lacks `{missing}`")
        }
    );
    missing.is_empty()
}

/// The user of the token in a file.
pub(crate) async fn verify(config: &Config, token_file: &Path) -> Result<VerifiedUser> {
    let token = std::fs::read_to_string(token_file)
        .with_context(|| format!("`{}` can't be read", token_file.display()))?;
    let verifier = config
        .issuers
        .iter()
        .fold(Verifier::builder(), |builder, issuer| builder.with_issuer(issuer.trusted.clone()))
        .build()?;
    verifier.verify(token.trim()).await.context("the token is refused")
}

pub(crate) fn keygen() -> Result<ExitCode> {
    println!("{}", MasterKey::generate()?.to_base64().expose_secret());
    Ok(ExitCode::SUCCESS)
}

/// Until Ctrl-C or `SIGTERM`.
pub(crate) async fn ended() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = ctrl_c() => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = ctrl_c().await;
}

/// The terminal is closed. To a proxy that serves it says that its file has changed.
pub(crate) async fn hung_up() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut hung_up) = signal(SignalKind::hangup())
            && hung_up.recv().await.is_some()
        {
            return;
        }
    }
    std::future::pending().await
}
