//! What is in the table.

use std::sync::Arc;

use super::{allow, mappings};
use crate::mapping::{Added, Mapping, MappingStore, Replaced};
use crate::policy::Policy;
use crate::store::StoreError;

type Stores = [Arc<dyn MappingStore>; 2];

pub(super) async fn gives_back_what_was_added([store, other]: &Stores) {
    assert_eq!(store.rows().await.unwrap(), [], "a fresh table is empty");
    let wanted = [
        allow("dev"),
        allow("Dev"),
        allow("dev "),
        // The same letter in two forms of Unicode, quotation marks, wild cards of SQL, another script.
        allow("caf\u{e9}"),
        allow("cafe\u{301}"),
        allow("it's \"quoted\" \\ %_"),
        allow("开发"),
        allow(&"x".repeat(1024)),
        Mapping::allow("dev", "jira"),
        Mapping::deny("dev", "github"),
        allow("dev").with_tools("read_*, list_*"),
        allow("dev").with_issuer("https://a.example"),
        allow("dev").with_issuer("https://a.example/"),
        allow("/dev"),
        allow("/dev").with_subtree(),
        allow("noted").with_note("since 2026,\n\"for\" the team"),
    ];
    let added = store.add(wanted.to_vec()).await.unwrap();
    assert!(added.iter().all(|added| added.new), "all of them differ");
    for store in [store, other] {
        let rows = store.rows().await.unwrap();
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        assert_eq!(ids, added.iter().map(|added| added.id).collect::<Vec<_>>());
        assert!(ids.is_sorted() && ids[0] > 0, "{ids:?}");
        assert!(rows.into_iter().map(|row| row.mapping).eq(wanted.clone()));
    }
}

pub(super) async fn adds_nothing_twice([store, other]: &Stores) {
    let first = store.add(vec![allow("a"), allow("b").with_note("old")]).await.unwrap();
    let again = vec![allow("b").with_note("new"), allow("c"), allow("a"), allow("c")];
    let second = other.add(again).await.unwrap();
    let old = |at: usize| Added { id: first[at].id, new: false };
    assert_eq!((second[0], second[2]), (old(1), old(0)));
    assert!(second[1].new && !second[3].new && second[1].id == second[3].id);
    assert_eq!(mappings(&**store).await, [allow("a"), allow("b").with_note("old"), allow("c")]);
}

pub(super) async fn refuses_what_is_wrong_as_a_whole([store, _]: &Stores) {
    store.add(vec![allow("a")]).await.unwrap();
    for wrong in [
        Mapping::allow("", "github"),
        Mapping::allow("b", "GitHub"),
        allow("b").with_tools("a b"),
        allow("b").with_tools(""),
        allow("b").with_subtree(),
        allow("b").with_issuer(""),
        allow("b\0"),
    ] {
        let both = vec![allow("new"), wrong.clone()];
        let error = store.add(both.clone()).await.unwrap_err();
        assert!(matches!(error, StoreError::Wrong(_)), "{wrong:?} {error:?}");
        let error = store.replace(both).await.unwrap_err();
        assert!(matches!(error, StoreError::Wrong(_)), "{wrong:?} {error:?}");
        assert_eq!(mappings(&**store).await, [allow("a")], "{wrong:?}");
    }
}

pub(super) async fn removes_rows_and_gives_no_number_twice([store, other]: &Stores) {
    let added = store.add(vec![allow("a"), allow("b"), allow("c")]).await.unwrap();
    let [a, b, c] = [added[0].id, added[1].id, added[2].id];
    assert_eq!(other.remove(vec![a, c + 1000, c]).await.unwrap(), [true, false, true]);
    assert_eq!(other.remove(vec![c]).await.unwrap(), [false]);
    assert_eq!(other.remove(vec![]).await.unwrap(), [false; 0]);
    assert_eq!(mappings(&**store).await, [allow("b")]);
    // An audit trail that names `mapping:3` means one row for ever.
    let again = store.add(vec![allow("c"), allow("d")]).await.unwrap();
    assert!(again.iter().all(|added| added.new && added.id > c && added.id != b), "{again:?}");
}

pub(super) async fn replaces_rows_and_keeps_what_stays([store, other]: &Stores) {
    let added = store.add(vec![allow("a"), allow("b"), allow("c").with_note("x")]).await.unwrap();
    let wanted = vec![allow("d"), allow("c").with_note("y"), allow("b"), allow("d")];
    let replaced = other.replace(wanted).await.unwrap();
    assert_eq!(replaced, Replaced { added: 1, removed: 1, kept: 2 });
    let rows = store.rows().await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.id, row.mapping.clone())).collect();
    let [b, c] = [added[1].id, added[2].id];
    assert_eq!(found[..2], [(b, allow("b")), (c, allow("c").with_note("y"))]);
    assert!(found.len() == 3 && found[2].0 > c && found[2].1 == allow("d"), "{found:?}");
    assert_eq!(store.replace(vec![]).await.unwrap().removed, 3);
    assert_eq!(store.rows().await.unwrap(), []);
}

pub(super) async fn gives_a_rule_for_each_row([store, other]: &Stores) {
    assert_eq!(store.load().await.unwrap(), []);
    let added = store.add(vec![allow("a"), Mapping::deny("b", "github")]).await.unwrap();
    let loaded = other.load().await.unwrap();
    let rows = other.rows().await.unwrap().into_iter().map(crate::Rule::from);
    assert!(loaded.iter().cloned().eq(rows), "{loaded:?}");
    let policy = Policy::builder().with_rules(loaded).build().unwrap();
    let ids: Vec<_> = policy.compiled().rules.iter().map(|rule| rule.id.to_string()).collect();
    assert_eq!(ids, added.iter().map(|row| format!("mapping:{}", row.id)).collect::<Vec<_>>());
}
