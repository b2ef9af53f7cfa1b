//! That those who read learn of changes, and see whole ones.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use tokio::time::timeout;

use super::{allow, mappings};
use crate::mapping::{Mapping, MappingStore};

/// How long a change may take to be noticed. Longer than the second that is promised: a busy machine is no
/// broken store.
const SOON: Duration = Duration::from_secs(5);

async fn notices(store: &dyn MappingStore, what: &str) {
    let changed = timeout(SOON, store.changed()).await;
    assert!(changed.is_ok_and(|changed| changed.is_ok()), "{what} was not noticed");
}

pub(super) async fn says_when_there_is_one([store, other]: &[Arc<dyn MappingStore>; 2]) {
    notices(&**store, "that nothing was loaded yet").await;
    for (reader, writer) in [(store, other), (store, store)] {
        reader.load().await.unwrap();
        let added = writer.add(vec![allow("a")]).await.unwrap();
        notices(&**reader, "a row that was added").await;
        notices(&**reader, "a row that was added, before it is loaded,").await;
        reader.load().await.unwrap();
        writer.replace(vec![allow("b")]).await.unwrap();
        notices(&**reader, "rows that were replaced").await;
        reader.load().await.unwrap();
        let ids = writer.rows().await.unwrap().into_iter().map(|row| row.id);
        let removed = writer.remove(ids.collect()).await.unwrap();
        assert!(removed == [true] && added.len() == 1);
        notices(&**reader, "a row that was removed").await;
    }
    // Waited for first, changed then.
    store.load().await.unwrap();
    let wait = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.add(vec![allow("late")]).await.unwrap();
    };
    let (changed, ()) = join(timeout(SOON, store.changed()), wait).await;
    assert!(changed.is_ok_and(|changed| changed.is_ok()), "a change was slept through");
}

pub(super) async fn says_nothing_without_one([store, other]: &[Arc<dyn MappingStore>; 2]) {
    store.add(vec![allow("a")]).await.unwrap();
    store.load().await.unwrap();
    other.load().await.unwrap();
    other.rows().await.unwrap();
    let waited = timeout(Duration::from_millis(1500), store.changed()).await;
    assert!(waited.is_err(), "there was no change: {waited:?}");
}

/// Two sets of rows take turns. Whoever sees rows of both saw half of a change.
pub(super) async fn are_whole_for_those_who_read([store, other]: &[Arc<dyn MappingStore>; 2]) {
    let set = |name: &str| -> Vec<Mapping> {
        (0..20).map(|number| allow(&format!("{name}-{number}"))).collect()
    };
    let sets = [set("one"), set("two")];
    store.replace(sets[0].clone()).await.unwrap();
    let writing = {
        let (store, sets) = (Arc::clone(store), sets.clone());
        tokio::spawn(async move {
            for round in 0..40 {
                store.replace(sets[(round + 1) % 2].clone()).await.unwrap();
            }
        })
    };
    let mut reads = 0;
    while !writing.is_finished() || reads < 2 {
        let read = mappings(&**other).await;
        assert!(sets.contains(&read), "half of a change: {} rows", read.len());
        reads += 1;
    }
    writing.await.unwrap();
}

pub(super) async fn by_two_at_once_are_both_made(stores: &[Arc<dyn MappingStore>; 2]) {
    let writers = stores.clone().into_iter().enumerate().map(|(writer, store)| {
        tokio::spawn(async move {
            for number in 0..25 {
                let own = allow(&format!("{writer}-{number}"));
                let added = store.add(vec![own, allow("shared")]).await.unwrap();
                assert!(added[0].new);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let rows = stores[0].rows().await.unwrap();
    assert_eq!(rows.len(), 51, "50 rows and the one that both have");
    assert!(rows.is_sorted_by(|one, next| one.id < next.id));
}
