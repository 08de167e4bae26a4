//! Messages that are not kept, and who is here.

use crate::support::{member, messages, node, room};
use kith_overlay::space::{MAX_PAYLOAD, MessageError};

#[tokio::test]
async fn a_message_reaches_those_who_are_here_once() {
    let room = room(1);
    let (a, b, c) = (member(&room).await, member(&room).await, member(&room).await);
    assert_eq!(a.spaces.send_message(&room.space, b"nobody hears".to_vec()), Ok(0));
    a.dial(&b.addr());
    a.dial(&c.addr());
    a.sees(&room, &[b.author(), c.author()]).await;
    b.sees(&room, &[a.author()]).await;
    c.sees(&room, &[a.author()]).await;

    let largest = vec![3; MAX_PAYLOAD];
    for payload in [b"typing".to_vec(), Vec::new(), largest.clone()] {
        assert_eq!(a.spaces.send_message(&room.space, payload), Ok(2));
    }
    let expected: Vec<_> = [b"typing".to_vec(), Vec::new(), largest]
        .into_iter()
        .map(|payload| (a.author(), payload))
        .collect();
    for other in [&b, &c] {
        other.until("messages", |events| messages(events).len() >= 3).await;
        assert_eq!(other.messages(), expected);
    }

    c.overlay.close().await;
    a.sees(&room, &[b.author()]).await;
}

#[tokio::test]
async fn what_is_too_large_or_has_no_author_is_refused() {
    let (room, other) = (room(2), room(3));
    let a = member(&room).await;
    let too_large = vec![0; MAX_PAYLOAD + 1];
    assert_eq!(
        a.spaces.send_message(&room.space, too_large),
        Err(MessageError::TooLarge(MAX_PAYLOAD + 1))
    );
    let error = MessageError::TooLarge(MAX_PAYLOAD + 1).to_string();
    assert_eq!(error, "the message has 131073 bytes, and 131072 are allowed");
    assert_eq!(a.spaces.send_message(&other.space, b"hi".to_vec()), Err(MessageError::NotJoined));
    let reader = node().await;
    let config = kith_overlay::space::SpaceConfig::new(room.key, None);
    reader.spaces.join(config).await.unwrap();
    assert_eq!(
        reader.spaces.send_message(&room.space, b"hi".to_vec()),
        Err(MessageError::NoAuthor)
    );
}

#[tokio::test]
async fn a_new_incarnation_is_seen_in_place_of_the_old() {
    let room = room(4);
    let (a, b) = (member(&room).await, member(&room).await);
    a.dial(&b.addr());
    b.sees(&room, &[a.author()]).await;
    let next = room.author(200);
    let id = next.secret.author();
    a.spaces.set_author(&room.space, Some(next)).await;
    b.sees(&room, &[id]).await;
    a.spaces.send_message(&room.space, b"as someone else".to_vec()).unwrap();
    b.until("a message", |events| messages(events).len() == 1).await;
    assert_eq!(b.messages(), [(id, b"as someone else".to_vec())]);
}
