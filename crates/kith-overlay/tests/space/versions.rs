//! The newest signed version of an app is had from whoever has it.

use kith_app::{AppId, AppSecret, SignedVersion};
use kith_overlay::space::NoVersion;

use crate::support::{fresh_key, id_of, node};

fn version(secret: &AppSecret, number: u64) -> SignedVersion {
    SignedVersion::sign(secret, number, [number as u8; 32], 1000 + number).expect("a small bundle")
}

#[tokio::test]
async fn the_newest_that_is_told_is_taken() {
    let secret = AppSecret::from_seed(&[1; 32]);
    let (a, b, c, d) = (node().await, node().await, node().await, node().await);
    a.storage.add_version(version(&secret, 3));
    b.storage.add_version(version(&secret, 4));
    c.storage.add_version(version(&secret, 4));
    c.storage.add_version(version(&secret, 3));
    for other in [&a, &b, &c] {
        d.dial(&other.addr());
        d.connected(other.overlay.id()).await;
    }
    let candidates = [&a, &b, &c].map(|node| node.overlay.id()).to_vec();
    let found = d.spaces.fetch_version(secret.id(), candidates).await.expect("they have it");
    assert_eq!(found.version, version(&secret, 4));
    assert_eq!(
        found.peers.iter().collect::<std::collections::BTreeSet<_>>(),
        [b.overlay.id(), c.overlay.id()].iter().collect()
    );
}

#[tokio::test]
async fn nobody_has_it() {
    let (a, b) = (node().await, node().await);
    a.storage.add_version(version(&AppSecret::from_seed(&[1; 32]), 3));
    b.dial(&a.addr());
    let unknown = AppId::from_bytes([77; 32]);
    let none = b.spaces.fetch_version(unknown, vec![a.overlay.id()]).await;
    assert_eq!(none, Err(NoVersion { asked: 1, unreachable: 0 }));
    assert_eq!(
        NoVersion { asked: 3, unreachable: 2 }.to_string(),
        "of 3 peers, 2 could not be reached and the others do not have the app"
    );
}

#[tokio::test]
async fn one_that_is_not_there_holds_up_nobody() {
    let secret = AppSecret::from_seed(&[2; 32]);
    let (a, b) = (node().await, node().await);
    a.storage.add_version(version(&secret, 1));
    b.dial(&a.addr());
    let gone = id_of(fresh_key());
    let found = b.spaces.fetch_version(secret.id(), vec![gone, a.overlay.id()]).await;
    assert_eq!(found.expect("a has it").peers, [a.overlay.id()]);
}
