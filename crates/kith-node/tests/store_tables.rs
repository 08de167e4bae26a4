//! Peers, keys, names and settings: what is kept, and what its limits do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;

use kith_app::{AppId, AppSecret, SpaceSecret};
use kith_log::{Body, BodyKind, SpaceId};
use kith_node::store::{
    MAX_PEER_ADDRESSES, MAX_PEERS, MAX_SETTINGS, Options, PeerRecord, SpaceRecord, Store,
    StoreError,
};

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), Options::default()).unwrap()
}

fn space(secret: u8) -> SpaceRecord {
    SpaceRecord {
        app: AppId::from_bytes([7; 32]),
        secret: SpaceSecret::from_bytes([secret; 32]),
        public: false,
        name: "friends".into(),
        joined: 1,
        used: 1,
    }
}

fn peer(number: usize, seen: u64) -> PeerRecord {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let address: SocketAddr = "[::1]:4433".parse().unwrap();
    PeerRecord { id, addresses: vec![address], seen, spaces: vec![SpaceId::from_bytes([1; 32])] }
}

#[tokio::test]
async fn peers_seen_the_longest_ago_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let kept = futures_util::future::join_all(
        (0..MAX_PEERS + 3).map(|number| store.keep_peer(peer(number, 1_000 - number as u64 % 500))),
    );
    kept.await.into_iter().for_each(|kept| kept.unwrap());
    let peers = store.peers().unwrap();
    assert_eq!(peers.len(), MAX_PEERS);
    assert!(peers.windows(2).all(|pair| pair[0].seen >= pair[1].seen));
    assert!(peers.iter().any(|held| held.seen == 1_000));
    let mut many = peer(0, 2_000);
    many.addresses = vec![many.addresses[0]; MAX_PEER_ADDRESSES + 1];
    store.keep_peer(many.clone()).await.unwrap();
    many.addresses.pop();
    assert_eq!(store.peers().unwrap()[0], many);
    store.forget_peer(many.id).await.unwrap();
    assert!(store.peers().unwrap().iter().all(|held| held.id != many.id));
}

#[tokio::test]
async fn what_was_set_outlives_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let (node, page) = (store.node_secret(), store.page_secret());
    assert_ne!(node.0, page.0);
    assert_eq!(format!("{node:?} {page:?}"), "NodeSecret(…) PageSecret(…)");
    assert_eq!(store.settings().unwrap(), None);
    store.change_settings(|_| b"dark".to_vec()).await.unwrap();
    let over = store.change_settings(|_| vec![0; MAX_SETTINGS + 1]).await;
    assert!(matches!(over, Err(StoreError::Limit(_))), "{over:?}");
    store.block_peer([1; 32], true).await.unwrap();
    store.block_peer([2; 32], true).await.unwrap();
    store.block_peer([1; 32], false).await.unwrap();
    let (chat, other) = (AppSecret::bundled("chat"), AppSecret::bundled("other"));
    store.add_key("chat", &chat).await.unwrap();
    store.add_key("chat", &chat).await.unwrap();
    let taken = store.add_key("chat", &other).await;
    assert!(matches!(taken, Err(StoreError::Exists(_))), "{taken:?}");
    let id = store.add_space(space(1)).await.unwrap();
    store.rename_space(id, "family".into()).await.unwrap();
    store.use_space(id, 9).await.unwrap();
    store.close().await;

    let store = open(&dir);
    assert_eq!((store.node_secret(), store.page_secret()), (node, page));
    assert_eq!(store.settings().unwrap().unwrap(), b"dark");
    assert_eq!(store.blocked_peers().unwrap(), [[2; 32]]);
    let keys = store.keys().unwrap();
    assert_eq!((keys.len(), keys[0].0.as_str(), keys[0].1.id()), (1, "chat", chat.id()));
    assert_eq!(
        store.spaces().unwrap(),
        [(id, SpaceRecord { name: "family".into(), used: 9, ..space(1) })]
    );
}

#[tokio::test]
async fn the_newest_name_counts_in_whichever_order_they_arrive() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (open(&one), open(&two));
    let id = one.add_space(space(1)).await.unwrap();
    two.add_space(space(1)).await.unwrap();
    let name = |name: &str| vec![Body::new(BodyKind::Profile, name)];
    let mut runs = Vec::new();
    for said in ["Ada", "", "Ada L.", &"x".repeat(65)] {
        runs.push(one.append(id, name(said), 0).await.unwrap().run);
    }
    assert_eq!(one.members(&id).unwrap()[0].name.as_deref(), Some("Ada L."), "others are no names");
    two.ingest(id, runs).await.unwrap();
    two.append(id, name("Bob"), 0).await.unwrap();
    let members = two.members(&id).unwrap();
    let names: Vec<_> = members.iter().map(|member| (member.name.as_deref(), member.me)).collect();
    assert_eq!(names, [(Some("Ada L."), false), (Some("Bob"), true)], "by their first entry");
    let own = one.own_author(&id).unwrap();
    assert_eq!(two.member_of(&id, &own.secret.author()).unwrap(), Some(own.member));
    assert_eq!(two.member_of(&id, &kith_log::AuthorId::from_bytes([3; 32])).unwrap(), None);
}
