//! What may be lost leaves room for what may not: messages fill half of a queue, entries the rest.

use crate::support::{member, miser, room};

#[tokio::test]
async fn messages_leave_room_for_entries() {
    let room = room(1);
    let a = member(&room).await;
    let miser = miser(&room, &a).await;
    let large = vec![2; 100_000];
    while a.spaces.send_message(&room.space, large.clone()).expect("sent") == 1 {}
    let peer = a.connected(miser.id()).await;
    let mut entries = 0;
    while peer.send_frame(room.key.at, &large).is_ok() {
        entries += 1;
    }
    assert!(entries >= 5, "{entries} of 100,000 bytes found room");
}
