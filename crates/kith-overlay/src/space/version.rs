//! Asking peers for an app's newest signed version, and answering.

use futures_util::stream::{FuturesUnordered, StreamExt};
use iroh::EndpointId;
use kith_app::{AppId, SignedVersion};
use n0_future::time::{Duration, timeout};
use tracing::debug;

use crate::blob::Streams;
use crate::storage::Storage;
use crate::transport::{Close, SendStream, StreamCode, StreamHeader};

/// Peers that are asked for one version.
pub const MAX_VERSION_CANDIDATES: usize = 16;

/// How long a peer may take to answer, once connected.
pub const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long others may take, once one has answered: one of them may have a newer version.
pub const VERSION_GRACE: Duration = Duration::from_millis(200);

/// A version, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundVersion {
    /// The newest that was told.
    pub version: SignedVersion,
    /// Those who told of this one: they have the bundle.
    pub peers: Vec<EndpointId>,
}

/// Nobody has a version of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("of {asked} peers, {unreachable} could not be reached and the others do not have the app")]
pub struct NoVersion {
    /// How many were asked.
    pub asked: usize,
    /// How many of them were not reached, or did not answer.
    pub unreachable: usize,
}

/// Answers a request: the stream's header says it all.
pub(super) async fn serve_version(
    storage: &dyn Storage,
    app: AppId,
    mut send: SendStream,
) -> Result<(), Close> {
    let newest = match storage.newest_version(&app).await {
        Ok(newest) => newest,
        Err(error) => {
            debug!(%error, "can't serve a version");
            send.reset(StreamCode::Internal);
            return Ok(());
        }
    };
    let frame = newest.map(|version| version.to_bytes());
    let frame = frame.as_ref().map_or(&[][..], |bytes| bytes);
    // A requester that does not want the answer is no fault.
    if send.write_frame(frame).await.is_ok() {
        send.finish();
    }
    Ok(())
}

enum Answer {
    Version(EndpointId, SignedVersion),
    Absent,
    Unreachable,
}

pub(super) async fn fetch_version(
    streams: &dyn Streams,
    app: AppId,
    candidates: Vec<EndpointId>,
) -> Result<FoundVersion, NoVersion> {
    let mut asked: FuturesUnordered<_> = candidates
        .into_iter()
        .take(MAX_VERSION_CANDIDATES)
        .map(|peer| ask(streams, app, peer))
        .collect();
    let mut none = NoVersion { asked: asked.len(), unreachable: 0 };
    let mut found: Option<FoundVersion> = None;
    loop {
        let next = async {
            if found.is_some() {
                timeout(VERSION_GRACE, asked.next()).await.unwrap_or(None)
            } else {
                asked.next().await
            }
        };
        match next.await {
            Some(Answer::Version(peer, version)) => match &mut found {
                Some(held) if held.version == version => held.peers.push(peer),
                Some(held) if !version.supersedes(&held.version) => {}
                _ => found = Some(FoundVersion { version, peers: vec![peer] }),
            },
            Some(Answer::Absent) => {}
            Some(Answer::Unreachable) => none.unreachable += 1,
            None => return found.ok_or(none),
        }
    }
}

async fn ask(streams: &dyn Streams, app: AppId, peer: EndpointId) -> Answer {
    let Ok((mut send, mut recv)) = streams.open(peer, StreamHeader::version(app)).await else {
        return Answer::Unreachable;
    };
    send.finish();
    let Ok(Ok(Some(frame))) = timeout(VERSION_TIMEOUT, recv.read_frame(SignedVersion::LEN)).await
    else {
        return Answer::Unreachable;
    };
    if frame.is_empty() {
        return Answer::Absent;
    }
    match SignedVersion::from_bytes(&frame) {
        Ok(version) if version.app() == app => Answer::Version(peer, version),
        Ok(_) | Err(_) => {
            debug!(peer = %peer.fmt_short(), "a version that is not the app's");
            Answer::Absent
        }
    }
}
