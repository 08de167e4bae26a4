//! Members bring each other up to date: both ways, live, and by way of others.

use crate::support::{member, room};

#[tokio::test]
async fn two_members_sync_both_ways_and_go_on_live() {
    let room = room(1);
    let (a, b) = (member(&room).await, member(&room).await);
    a.say(&room, &[b"a1", b"a2"]).await;
    b.say(&room, &[b"b1", b"b2", b"b3"]).await;
    a.dial(&b.addr());
    a.same_as(&room, &b).await;
    b.same_as(&room, &a).await;
    for text in [b"live 1", b"live 2", b"live 3"] {
        a.say(&room, &[text]).await;
        b.same_as(&room, &a).await;
        b.say(&room, &[text]).await;
        a.same_as(&room, &b).await;
    }
    assert_eq!(a.entries(&room, &a.author()).len(), 6);
    assert_eq!(a.entries(&room, &b.author()).len(), 7);
}

#[tokio::test]
async fn a_third_member_gets_everything_from_one_of_them() {
    let room = room(2);
    let (a, b) = (member(&room).await, member(&room).await);
    a.dial(&b.addr());
    a.say(&room, &[b"a1", b"a2"]).await;
    b.say(&room, &[b"b1"]).await;
    a.same_as(&room, &b).await;
    b.same_as(&room, &a).await;
    a.overlay.close().await;

    let c = member(&room).await;
    c.dial(&b.addr());
    c.same_as(&room, &a).await;
    c.same_as(&room, &b).await;
    b.same_as(&room, &c).await;
}

#[tokio::test]
async fn a_space_that_is_joined_later_syncs_on_the_connection_that_is_there() {
    let (first, second) = (room(3), room(4));
    let (a, b) = (member(&first).await, member(&first).await);
    a.dial(&b.addr());
    a.same_as(&first, &b).await;

    a.join(&second).await;
    a.say(&second, &[b"second"]).await;
    b.join(&second).await;
    b.same_as(&second, &a).await;
    a.same_as(&second, &b).await;

    assert!(b.spaces.leave(&second.space));
    a.sees(&second, &[]).await;
    a.say(&second, &[b"b is gone"]).await;
    a.say(&first, &[b"b is here"]).await;
    b.same_as(&first, &a).await;
    assert_eq!(b.entries(&second, &a.author()).len(), 2);
    b.join(&second).await;
    b.same_as(&second, &a).await;
}

#[tokio::test]
async fn many_entries_at_once_and_large_ones_come_through() {
    let room = room(5);
    let (a, b) = (member(&room).await, member(&room).await);
    a.dial(&b.addr());
    let large = vec![7; 128 * 1024];
    a.say_many(&room, &[&large]).await;
    let some = vec![8; 60_000];
    // More than a frame holds: goes another way.
    a.say_many(&room, &[&some, &some, &some, &some]).await;
    let texts: Vec<_> = (0..500_u32).map(|n| n.to_be_bytes()).collect();
    let texts: Vec<&[u8]> = texts.iter().map(|text| text.as_slice()).collect();
    a.say_many(&room, &texts).await;
    b.same_as(&room, &a).await;
}
