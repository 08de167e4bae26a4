//! The first exchange on a connection.

use std::sync::Arc;

use iroh::endpoint::{Connection, RecvStream as RawRecv, SendStream as RawSend};
use n0_future::time::{Duration, timeout};

use super::control::{Control, ControlError, Hello};
use super::limits::{MAX_CONTROL_FRAME, PRIORITY_CONTROL};
use super::traffic::{Counts, Meter};
use super::{Close, CloseCode, RecvStream, SendStream, StreamError};

/// The label of the keying material that binds proofs to a connection.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-kith/1";

/// A connection after both Hellos.
pub(crate) struct Greeted {
    pub(crate) hello: Hello,
    pub(crate) exporter: [u8; 32],
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
}

/// Says Hello and waits for the peer's. The dialler opens the control stream.
///
/// # Errors
/// With what to close the connection.
pub(crate) async fn greet(
    conn: &Connection,
    ours: Hello,
    counts: &Arc<Counts>,
    node_counts: &Arc<Counts>,
    limit: Duration,
) -> Result<Greeted, Close> {
    let meter = Meter::new(counts, node_counts, None);
    match timeout(limit, exchange(conn, ours, meter)).await {
        Ok(greeted) => greeted,
        Err(_) => Err(Close::limits("no Hello in time")),
    }
}

async fn exchange(conn: &Connection, ours: Hello, meter: Meter) -> Result<Greeted, Close> {
    let mut exporter = [0; 32];
    conn.export_keying_material(&mut exporter, EXPORTER_LABEL, &[])
        .map_err(|_| Close::internal("no keying material"))?;
    let ours = Control::Hello(ours).encode();
    let wrap = |(send, recv): (RawSend, RawRecv)| {
        let send = SendStream::new(send, meter.clone(), None);
        send.set_priority(PRIORITY_CONTROL);
        (send, RecvStream::new(recv, meter.clone(), None))
    };
    let lost = |_| Close::new(CloseCode::Shutdown, "the connection ended before Hello");
    if conn.side().is_client() {
        let (mut send, mut recv) = wrap(conn.open_bi().await.map_err(lost)?);
        send.write_frame(&ours).await.map_err(|error| fault(&error))?;
        let hello = read(&mut recv).await?;
        Ok(Greeted { hello, exporter, send, recv })
    } else {
        let (mut send, mut recv) = wrap(conn.accept_bi().await.map_err(lost)?);
        let hello = read(&mut recv).await?;
        send.write_frame(&ours).await.map_err(|error| fault(&error))?;
        Ok(Greeted { hello, exporter, send, recv })
    }
}

async fn read(recv: &mut RecvStream) -> Result<Hello, Close> {
    let frame = recv.read_frame(MAX_CONTROL_FRAME).await.map_err(|error| fault(&error))?;
    let frame = frame.ok_or_else(|| Close::violation("no Hello"))?;
    match Control::decode(&frame) {
        Ok(Some(Control::Hello(hello))) => Ok(hello),
        Ok(_) => Err(Close::violation("something else instead of Hello")),
        Err(error) => Err(control_fault(&error)),
    }
}

/// What an error on the control stream means for the connection.
pub(crate) fn fault(error: &StreamError) -> Close {
    match error {
        // A reset is what comes first when the other side ends: the reason is behind it.
        StreamError::Closed | StreamError::Ended(_) | StreamError::Unknown(_) => {
            Close::new(CloseCode::Shutdown, "the connection is over")
        }
        StreamError::Truncated | StreamError::TooLong { .. } => Close::violation(error.to_string()),
    }
}

/// What a control message that does not decode means for the connection.
pub(crate) fn control_fault(error: &ControlError) -> Close {
    match error {
        ControlError::Version(_) => Close::new(CloseCode::Incompatible, error.to_string()),
        ControlError::Malformed | ControlError::TooLong => Close::violation(error.to_string()),
    }
}
