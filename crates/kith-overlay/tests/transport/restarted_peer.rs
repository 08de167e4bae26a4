//! A peer that was killed and comes back takes the place of its dead connection at once; one that
//! comes back without dialling is dialled again.

use kith_overlay::transport::{CloseCode, Ended, Overlay};
use n0_future::time::{Duration, Instant};
use tokio::runtime::Runtime;

use crate::support::{Event, Node, Recorder, config, key, node, node_with, space};

#[tokio::test]
async fn a_restarted_peer_takes_its_place_at_once() {
    let at = space(1).at;
    let (a, b) = (node(0, &[space(1)]).await, node(1, &[space(1)]).await);
    a.dial(&b);
    let old = a.entered(&b, at).await;
    // The same key, another run: what a restart looks like from outside. The first one, still
    // there, stands for packets that nobody answers.
    let again = node(1, &[space(1)]).await;
    let start = Instant::now();
    again.dial(&a);
    a.seen
        .until("the end of the old one", |events| {
            events.iter().any(|event| matches!(event, Event::Disconnected(peer) if peer.same(&old)))
        })
        .await;
    let new = a.entered(&again, at).await;
    assert!(start.elapsed() < Duration::from_secs(10), "no timeout was waited for");
    assert!(matches!(old.ended(), Some(Ended::Here(close)) if close.code == CloseCode::Replaced));
    assert_eq!(new.run_id(), again.overlay.run_id());
    assert!(a.overlay.peer(&again.overlay.id()).is_some_and(|peer| peer.same(&new)));
    for node in [a, b, again] {
        node.overlay.close().await;
    }
}

#[tokio::test]
async fn a_killed_peer_is_dialled_again() {
    let at = space(1).at;
    let mut hasty = config(0);
    hasty.timings.idle = Duration::from_millis(600);
    hasty.timings.keep_alive = Duration::from_millis(200);
    hasty.timings.dial = Duration::from_millis(500);
    let a = node_with(hasty, &[space(1)]).await;
    let killed = Victim::start(None);
    let port = killed.node.overlay.bound()[0].port();
    a.dial(&killed.node);
    let old = a.entered(&killed.node, at).await;
    killed.kill();
    let over = |event: &Event| matches!(event, Event::Disconnected(peer) if peer.same(&old));
    a.seen.until("the death to be noticed", |events| events.iter().any(over)).await;
    assert!(matches!(old.ended(), Some(Ended::Lost(_))));
    let back = Victim::start(Some(port));
    let new = a.entered(&back.node, at).await;
    assert_eq!(new.run_id(), back.node.overlay.run_id());
    a.overlay.close().await;
    back.kill();
}

/// A node in a runtime of its own, which can be killed without a word to anybody.
struct Victim {
    runtime: Runtime,
    node: Node,
}

impl Victim {
    fn start(port: Option<u16>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut config = config(1);
        assert_eq!(config.secret_key, key(1));
        if let Some(port) = port {
            config.bind[0].addr.set_port(port);
        }
        let node = std::thread::scope(|scope| {
            let start = scope.spawn(|| {
                runtime.block_on(async {
                    let seen = Recorder::new(&[space(1)]);
                    let overlay = loop {
                        // The killed one's socket may take a moment to go.
                        match Overlay::bind(config.clone(), seen.clone()).await {
                            Ok(overlay) => break overlay,
                            Err(_) => tokio::task::yield_now().await,
                        }
                    };
                    Node { overlay, seen }
                })
            });
            start.join().expect("started")
        });
        Self { runtime, node }
    }

    fn kill(self) {
        self.runtime.shutdown_background();
    }
}
