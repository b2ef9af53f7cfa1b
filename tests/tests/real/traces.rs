//! What is left behind.

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::caller::{ALICES_KEY, BOBS_KEY};
use crate::scan::{Needle, contains};
use crate::world::World;

/// Searches the proxy's log, at its most talkative, the store with all its files, what Bob was answered, and what
/// the backends saw.
pub(crate) async fn no_key_and_no_token_is_where_it_does_not_belong(world: &World) -> Result<()> {
    // There is something to find, even if this is the only check that runs.
    for (user, key) in [("alice", ALICES_KEY), ("bob", BOBS_KEY)] {
        let caller = world.sign_in(user).await?;
        caller.enter(key).await?;
        ensure!(caller.call_headers().await?.body.contains(key), "{user}'s call failed");
    }
    let keys = [("Alice's key", Needle::of(ALICES_KEY)), ("Bob's key", Needle::of(BOBS_KEY))];
    let tokens = world.tokens.lock().map_err(|_| anyhow!("a check panicked"))?.clone();
    let tokens = tokens.iter().flat_map(|token| Needle::of_token(token));
    let tokens = tokens.map(|needle| ("a token", needle)).collect::<Vec<_>>();

    let files = world.proxy_files()?;
    for (name, sign) in [
        ("log", &b"a user changed something"[..]),
        ("bonafide.db", b"SQLite format 3"),
        ("bonafide.db-wal", b"NOTES_KEY"),
    ] {
        let file = files.iter().find(|file| file.ends_with(name));
        let file = file.with_context(|| format!("the proxy wrote no `{name}`: {files:?}"))?;
        ensure!(contains(&std::fs::read(file)?, sign), "`{name}` is not what it should be");
    }
    for file in &files {
        let bytes = std::fs::read(file)?;
        for (what, needle) in keys.iter().chain(&tokens) {
            ensure!(!needle.is_in(&bytes), "{what} is in {}", file.display());
        }
    }

    let answered = world.answered_to_bob.lock().map_err(|_| anyhow!("a check panicked"))?;
    let [(_, alices), (_, bobs)] = &keys;
    ensure!(bobs.is_in(&answered), "Bob's answers were not kept");
    ensure!(!alices.is_in(&answered), "Alice's key is in what Bob was answered");

    for tenant in ["notes", "everything"] {
        for request in world.recorded(tenant)?.0 {
            for (what, needle) in &tokens {
                ensure!(!needle.is_in(request.text().as_bytes()), "{what} reached `{tenant}`");
            }
        }
    }
    Ok(())
}
