//! What must hold for any bytes that a decoder is given. The fuzz targets run these too.

use kith_overlay::blob::{BlobReply, BlobRequest, Groups, MAX_RANGES};
use kith_overlay::space::{MAX_PAYLOAD, SpaceMessage};

/// What decodes as a message of a space is written as the same bytes, and is no longer than it may
/// be.
pub(crate) fn space_message(bytes: &[u8]) {
    if let Ok(message) = SpaceMessage::decode(bytes) {
        assert_eq!(message.encode(), bytes);
        if let SpaceMessage::Message(message) = message {
            assert!(message.payload.len() <= MAX_PAYLOAD);
        }
    }
}

/// What decodes as a request asks for something, and is written as the same bytes.
pub(crate) fn blob_request(bytes: &[u8]) {
    if let Ok((request, groups)) = BlobRequest::decode(bytes) {
        assert_eq!(request.encode(), bytes);
        assert_eq!(BlobRequest::new(request.hash, &groups), request);
        assert!(!groups.is_empty() && groups.ranges().len() <= MAX_RANGES);
        // What a holder does with it, whatever the size of its blob.
        for size in [0, 1, 1 << 20, u64::MAX] {
            let within = groups.within(&Groups::all(size));
            assert!(Groups::all(size).covers(&within) && within.bytes(size) <= size);
        }
    }
}

/// What decodes as a reply is written as the same bytes; a part is a part.
pub(crate) fn blob_reply(bytes: &[u8]) {
    let Ok(reply) = BlobReply::decode(bytes) else { return };
    assert_eq!(reply.encode(), bytes);
    if let BlobReply::Partly { size, held } = reply {
        let held = Groups::from_wire(&held).expect("it was checked");
        assert!(!held.is_empty() && held != Groups::all(size));
        assert!(Groups::all(size).covers(&held));
    }
}
