//! What must hold for any bytes that a decoder is given. The fuzz targets run these too.

use kith_overlay::transport::{Control, HEADER_LEN, PeerAddr, StreamHeader};

/// What decodes as a control message is written as the same bytes.
pub(crate) fn control(bytes: &[u8]) {
    if let Ok(Some(message)) = Control::decode(bytes) {
        assert_eq!(message.encode(), bytes);
    }
}

/// What decodes as a header is written as the same bytes.
pub(crate) fn header(bytes: &[u8]) {
    let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else { return };
    if let Ok(header) = StreamHeader::decode(bytes) {
        assert_eq!(header.encode(), *bytes);
    }
}

/// What is read as an address is written so that it is read as the same.
pub(crate) fn peer_addr(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(addr) = text.parse::<PeerAddr>() {
        assert_eq!(addr.to_string().parse(), Ok(addr));
    }
}
