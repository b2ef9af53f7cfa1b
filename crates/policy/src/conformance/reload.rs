//! That a policy made of the rows is one of them, whatever happens to the table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::mapping::{Mapping, MappingStore};
use crate::persona::Persona;
use crate::policy::Policy;
use crate::rule::Rule;
use crate::store::{MemoryStore, PolicyStore, Reloader};

const LIMIT: Duration = Duration::from_secs(60);

/// What somebody in the group `dev` reaches.
fn reached(policy: &Policy) -> Vec<String> {
    let ann = Persona::new("https://idp.example".parse().unwrap(), "ann".parse().unwrap())
        .with_groups(["dev".parse().unwrap()]);
    let reach = policy.what_if(&ann);
    let mut tenants: Vec<_> = reach.iter().map(|reached| reached.tenant().to_string()).collect();
    tenants.sort();
    tenants
}

/// Two rows in, two rows out, while others decide: each decision is by the one pair or by the other, and by the
/// rules of the file besides.
pub(super) async fn decides_by_the_old_or_by_the_new_rows(
    [store, other]: &[Arc<dyn MappingStore>; 2],
) {
    let pairs = [["one-a", "one-b"], ["two-a", "two-b"]];
    let rows = |pair: usize| pairs[pair].map(|tenant| Mapping::allow("dev", tenant)).to_vec();
    store.replace(rows(0)).await.unwrap();
    let file =
        MemoryStore::new(vec![Rule::allow("file").with_groups(["dev"]).with_tenants(["zoo"])]);
    let stores: Vec<Arc<dyn PolicyStore>> = vec![Arc::new(file), store.clone()];
    let reloader = Arc::new(Reloader::start(Policy::builder(), stores).await.unwrap());
    let handle = reloader.handle().clone();
    let running = tokio::spawn(async move { reloader.run().await });

    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::new([(); 2].map(|()| AtomicBool::new(false)));
    let deciding = {
        let (handle, done, seen) = (handle.clone(), Arc::clone(&done), Arc::clone(&seen));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let found = reached(&handle.current());
                let pair = pairs.iter().position(|[a, b]| found == [*a, *b, "zoo"]);
                let pair = pair.unwrap_or_else(|| panic!("half of two policies: {found:?}"));
                seen[pair].store(true, Ordering::Relaxed);
            }
        })
    };
    let started = Instant::now();
    let mut rounds = 0;
    while rounds < 6 || !seen.iter().all(|seen| seen.load(Ordering::Relaxed)) {
        assert!(started.elapsed() < LIMIT && !deciding.is_finished());
        rounds += 1;
        let next = rounds % 2;
        other.replace(rows(next)).await.unwrap();
        let there = || reached(&handle.current()).contains(&pairs[next][0].to_owned());
        until(there, "the new rows are not in force").await;
    }
    done.store(true, Ordering::Relaxed);
    deciding.join().unwrap();
    running.abort();
}

/// A row that is right by itself, and wrong here: its tenant is none.
pub(super) async fn stays_with_the_old_rows_when_the_new_ones_are_wrong(
    [store, other]: &[Arc<dyn MappingStore>; 2],
) {
    store.add(vec![Mapping::allow("dev", "one")]).await.unwrap();
    let base = Policy::builder().with_tenants(["one", "two"].map(|id| id.parse().unwrap()));
    let reloader = Arc::new(Reloader::start(base, vec![store.clone()]).await.unwrap());
    let handle = reloader.handle().clone();
    let running = tokio::spawn(async move { reloader.run().await });
    let rows = vec![Mapping::allow("dev", "two"), Mapping::allow("dev", "three")];
    let added = other.add(rows).await.unwrap();
    until(|| handle.status().problem.is_some(), "nobody says that the new rows are wrong").await;
    assert_eq!(reached(&handle.current()), ["one"]);
    let problem = handle.status().problem.unwrap();
    let place = format!("`group_tenant_mapping`, row {}, column `tenant`: ", added[1].id);
    assert!(problem.contains(&place) && problem.contains("`three`"), "{problem}");

    assert_eq!(other.remove(vec![added[1].id]).await.unwrap(), [true]);
    until(|| handle.status().problem.is_none(), "the repaired rows are not in force").await;
    assert_eq!(reached(&handle.current()), ["one", "two"]);
    running.abort();
}

async fn until(condition: impl Fn() -> bool, what: &str) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
