//! A cold sync of 10,000 entries of 200 random bytes in a private space costs at most 1.3 times the
//! payload on the wire.

use crate::support::{member, room};

const ENTRIES: usize = 10_000;
const PAYLOAD: usize = 200;

#[tokio::test]
async fn ten_thousand_entries_cost_little_more_than_their_payload() {
    let room = room(1);
    let (a, b) = (member(&room).await, member(&room).await);
    let mut random = blake3::Hasher::new().finalize_xof();
    let texts: Vec<_> = (0..ENTRIES)
        .map(|_| {
            let mut text = vec![0; PAYLOAD];
            random.fill(&mut text);
            text
        })
        .collect();
    for texts in texts.chunks(100) {
        let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        a.say_many(&room, &texts).await;
    }
    b.dial(&a.addr());
    b.holds(&room, &a.author(), ENTRIES + 1).await;
    b.same_as(&room, &a).await;

    let total = b.overlay.traffic().total();
    let ratio = (total.received + total.sent) as f64 / (ENTRIES * PAYLOAD) as f64;
    assert!(ratio <= 1.3, "{ratio:.3} times the payload");
}
