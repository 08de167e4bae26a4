//! Peers that were met are found again after a restart, from the store.

use kith_log::SpaceId;
use kith_node::discovery::{Discovery, Found, Remembered};
use kith_node::store::{Options, Store};
use kith_overlay::transport::{PeerAddr, Way};

#[tokio::test]
async fn after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let open = || Store::open(dir.path(), Options::default()).expect("the store opens");
    let id = iroh::SecretKey::from_bytes(&[1; 32]).public();
    let peer = PeerAddr::new(id, ["10.0.0.1:1", "[fd00::1]:2"].map(|addr| addr.parse().unwrap()));
    let spaces = vec![SpaceId::from_bytes([7; 32])];

    let store = open();
    let remembered = Remembered::load(store.clone(), 1_000).await;
    remembered.note(1_000, peer.clone(), spaces.clone()).await;
    store.close().await;
    drop((store, remembered));

    let remembered = Remembered::load(open(), 2_000).await;
    let (discovery, mut found) = Discovery::new();
    remembered.recall(&discovery.finder()).await;
    assert_eq!(found.try_recv(), Ok(Found { peer, way: Way::Cache, spaces }));
}
