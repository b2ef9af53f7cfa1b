//! Policies that change while they are in use.

#![expect(clippy::unwrap_used, reason = "a failing test stops there")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bonafide_policy::{
    FileStore, MemoryStore, Persona, Policy, PolicyStore, ReloadError, Reloader, Rule, StoreError,
    TenantId,
};

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn allow(id: &str, to: &str) -> Rule {
    Rule::allow(id).with_groups(["dev"]).with_tenants([to])
}

fn toml(to: &str) -> String {
    format!("[[rules]]\nid = \"file\"\ngroups = [\"dev\"]\ntenants = [\"{to}\"]\n")
}

fn developer() -> Persona {
    Persona::new("https://idp.example".parse().unwrap(), "alice".parse().unwrap())
        .with_groups(["dev".parse().unwrap()])
}

fn reached(policy: &Policy) -> Vec<String> {
    let reach = policy.what_if(&developer());
    let mut tenants: Vec<_> = reach.iter().map(|reached| reached.tenant().to_string()).collect();
    tenants.sort();
    tenants
}

fn store(path: &Path) -> Arc<FileStore> {
    Arc::new(FileStore::new(path).with_interval(Duration::from_millis(5)))
}

/// Waits for what a reloader does by itself.
async fn until(mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

#[tokio::test]
async fn all_stores_make_one_policy() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    fs::write(&path, toml("file")).unwrap();
    let memory = Arc::new(MemoryStore::new(vec![allow("memory", "memory")]));
    let base = Policy::builder().with_rule(allow("base", "base"));
    let reloader = Reloader::start(base, vec![store(&path), memory]).await.unwrap();
    assert_eq!(reached(&reloader.handle().current()), ["base", "file", "memory"]);
}

#[tokio::test]
async fn does_not_start_with_a_wrong_policy() {
    let directory = tempfile::tempdir().unwrap();
    let missing = store(&directory.path().join("none.toml"));
    let error = Reloader::start(Policy::builder(), vec![missing]).await.unwrap_err();
    assert!(matches!(error, ReloadError::Store(StoreError::Unreadable { .. })), "{error}");
    let wrong = Arc::new(MemoryStore::new(vec![Rule::allow("a")]));
    let error = Reloader::start(Policy::builder(), vec![wrong]).await.unwrap_err();
    assert!(matches!(error, ReloadError::Policy(_)), "{error}");
}

#[tokio::test]
async fn a_wrong_file_leaves_the_old_policy_in_force_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    fs::write(&path, toml("old")).unwrap();
    let base = Policy::builder().with_tenants([tenant("old"), tenant("new")]);
    let reloader = Reloader::start(base, vec![store(&path)]).await.unwrap();
    let handle = reloader.handle();
    for (wrong, said) in [
        ("[[rules]\n".to_owned(), "line 1"),
        (toml("neww"), "line 4: rule `file`, `tenants`: there is no tenant `neww`"),
        ("[[rules]]\nid = 1\ngroop = []".to_owned(), "line 3: rule 1: `groop` is no key"),
    ] {
        fs::write(&path, wrong).unwrap();
        assert!(!reloader.reload().await);
        assert_eq!(reached(&handle.current()), ["old"]);
        let problem = handle.status().problem.unwrap();
        assert!(problem.contains(said) && problem.contains("policy.toml"), "{problem}");
    }
    assert_eq!((handle.status().replaced, handle.status().refused), (0, 3));
    fs::write(&path, toml("new")).unwrap();
    assert!(reloader.reload().await);
    assert_eq!(reached(&handle.current()), ["new"]);
    assert_eq!((handle.status().replaced, handle.status().problem), (1, None));
}

#[tokio::test]
async fn a_changed_file_is_put_in_force() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    fs::write(&path, toml("one")).unwrap();
    let reloader = Reloader::start(Policy::builder(), vec![store(&path)]).await.unwrap();
    let handle = reloader.handle().clone();
    let task = tokio::spawn(async move { reloader.run().await });

    fs::write(&path, toml("two")).unwrap();
    until(|| reached(&handle.current()) == ["two"]).await;

    let renamed = directory.path().join("next.toml");
    fs::write(&renamed, toml("six")).unwrap();
    fs::rename(&renamed, &path).unwrap();
    until(|| reached(&handle.current()) == ["six"]).await;

    fs::remove_file(&path).unwrap();
    until(|| handle.status().refused == 1).await;
    assert_eq!(reached(&handle.current()), ["six"]);

    fs::write(&path, toml("ten")).unwrap();
    until(|| reached(&handle.current()) == ["ten"]).await;
    assert_eq!(handle.status().problem, None);
    task.abort();
}

// With a clock that stands still while files are written, the looks fall between the writes.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    fs::write(&path, toml("one")).unwrap();
    let file = FileStore::new(&path).with_interval(Duration::from_millis(60));
    file.load().await.unwrap();
    let writing = async {
        for length in 0..8 {
            fs::write(&path, "#".repeat(length)).unwrap();
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    tokio::select! {
        _ = file.changed() => panic!("half a file was taken for a change"),
        () = writing => {}
    }
    file.changed().await.unwrap();
}

#[tokio::test]
async fn rules_that_the_program_sets_are_put_in_force() {
    let memory = Arc::new(MemoryStore::new(vec![]));
    let reloader = Reloader::start(Policy::builder(), vec![memory.clone()]).await.unwrap();
    let handle = reloader.handle().clone();
    assert!(reached(&handle.current()).is_empty());
    let task = tokio::spawn(async move { reloader.run().await });
    memory.set(vec![allow("a", "one")]);
    until(|| reached(&handle.current()) == ["one"]).await;
    memory.set(vec![Rule::allow("broken")]);
    until(|| handle.status().refused == 1).await;
    assert_eq!(reached(&handle.current()), ["one"]);
    task.abort();
}

#[tokio::test]
async fn a_store_without_changes_causes_no_reload() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy.toml");
    fs::write(&path, toml("one")).unwrap();
    let memory = Arc::new(MemoryStore::new(vec![]));
    let stores: Vec<Arc<dyn PolicyStore>> = vec![store(&path), memory];
    let reloader = Reloader::start(Policy::builder(), stores).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(100), reloader.run()).await;
    assert!(waited.is_err());
    assert_eq!(reloader.handle().status().replaced, 0);
}

/// Each policy gives two tenants. Whoever saw one of each saw half of two policies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_decision_is_of_the_old_policy_or_of_the_new_one() {
    let pair = |id: &str| vec![allow("x", &format!("{id}-a")), allow("y", &format!("{id}-b"))];
    let memory = Arc::new(MemoryStore::new(pair("one")));
    let reloader = Reloader::start(Policy::builder(), vec![memory.clone()]).await.unwrap();
    let handle = reloader.handle().clone();
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::new([(); 4].map(|()| AtomicBool::new(false)));
    let readers = [0, 1].map(|reader| {
        let (handle, done, seen) = (handle.clone(), Arc::clone(&done), Arc::clone(&seen));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let which = match &reached(&handle.current())[..] {
                    [a, b] if a == "one-a" && b == "one-b" => 0,
                    [a, b] if a == "two-a" && b == "two-b" => 1,
                    other => panic!("half of two policies: {other:?}"),
                };
                seen[reader * 2 + which].store(true, Ordering::Relaxed);
            }
        })
    });
    let mut rounds = 0;
    // As long as it takes on a busy machine for both readers to see both policies, a failure included.
    while rounds < 300 || !seen.iter().all(|seen| seen.load(Ordering::Relaxed)) {
        assert!(readers.iter().all(|reader| !reader.is_finished()));
        let next = ["two", "one"][rounds % 2];
        memory.set(if rounds % 3 == 2 { vec![Rule::allow("broken")] } else { pair(next) });
        reloader.reload().await;
        rounds += 1;
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.join().unwrap();
    }
    let status = handle.status();
    assert_eq!(status.replaced + status.refused, rounds as u64);
    assert_eq!(status.refused, rounds as u64 / 3);
}
