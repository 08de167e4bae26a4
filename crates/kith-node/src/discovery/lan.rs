//! Peers on the local network, by multicast DNS (RFC 6762, RFC 6763).
//!
//! What this shows to others on the network: that kith runs here, the endpoint's id and its ports.
//! The rest of the announcement is random, and drawn anew in each network.

use std::fmt;
use std::time::Duration;

use kith_api::BoxFuture;
use kith_overlay::transport::Way;
use mdns_sd::{DaemonEvent, IfKind, Receiver, ServiceDaemon, ServiceEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::neighbour::{Neighbours, Presence, SERVICE};
use super::{Finder, Found, Source};

/// After a failure: how long until the next try.
const RETRY: Duration = Duration::from_secs(30);
/// How long the network must keep still, after its addresses changed, before a new name is drawn;
/// and how long to wait after a flood of announcements.
const SETTLE: Duration = Duration::from_secs(1);
/// How long to wait for a first announcement before saying that there is no network.
const QUIET: Duration = Duration::from_secs(3);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// How it stands on the local network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LanState {
    /// Switched off.
    Off,
    /// Just switched on.
    Starting,
    /// Announced, and listening.
    Looking,
    /// There is no interface with multicast now.
    NoNetwork,
    /// It does not work on this machine; tried again every 30 s.
    Failed(String),
}

impl fmt::Display for LanState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("Switched off."),
            Self::Starting => f.write_str("Starting."),
            Self::Looking => f.write_str("Looking on the local network."),
            Self::NoNetwork => {
                f.write_str("There is no local network now. As soon as there is, kith looks there.")
            }
            Self::Failed(why) => {
                write!(f, "Multicast does not work here: {why}. Trying again every 30 s.")
            }
        }
    }
}

/// Finds peers on the local network, and lets itself be found.
#[derive(Debug)]
pub struct Lan {
    wanted: watch::Sender<Wanted>,
    state: watch::Receiver<LanState>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    On,
    Off,
    Stop,
}

/// Why looking ended without a failure.
enum Ended {
    /// It was switched off.
    Asked,
    /// More was announced at once than was taken: 1,000 announcements (mdns-sd's queue).
    Flooded,
}

impl Lan {
    /// Starts, switched on or off.
    pub fn start(presence: Presence, finder: Finder, on: bool) -> Self {
        let (wanted, wants) = watch::channel(if on { Wanted::On } else { Wanted::Off });
        let (tell, state) = watch::channel(LanState::Starting);
        let task = tokio::spawn(Task { presence, finder, wants, tell }.run());
        Self { wanted, state, task }
    }

    /// How it stands, and a way to be told of each change.
    pub fn watch(&self) -> watch::Receiver<LanState> {
        self.state.clone()
    }
}

impl Source for Lan {
    fn way(&self) -> Way {
        Way::Lan
    }

    fn is_on(&self) -> bool {
        *self.wanted.borrow() == Wanted::On
    }

    fn state(&self) -> String {
        self.state.borrow().to_string()
    }

    fn switch(&self, on: bool) {
        self.wanted.send_replace(if on { Wanted::On } else { Wanted::Off });
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        self.wanted.send_replace(Wanted::Stop);
        let mut state = self.state.clone();
        Box::pin(async move {
            // The task drops its end when it is done.
            while state.changed().await.is_ok() {}
        })
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Task {
    presence: Presence,
    finder: Finder,
    wants: watch::Receiver<Wanted>,
    tell: watch::Sender<LanState>,
}

impl Task {
    async fn run(mut self) {
        loop {
            let wanted = *self.wants.borrow_and_update();
            let changed = match wanted {
                Wanted::Stop => return,
                Wanted::Off => {
                    self.tell.send_replace(LanState::Off);
                    self.wants.changed().await
                }
                Wanted::On => {
                    self.tell.send_replace(LanState::Starting);
                    match self.look().await {
                        Ok(Ended::Asked) => Ok(()),
                        // A new start has forgotten what it was flooded with.
                        Ok(Ended::Flooded) => {
                            tracing::debug!("flooded on the LAN: starting anew");
                            timeout(SETTLE, self.wants.changed()).await.unwrap_or(Ok(()))
                        }
                        Err(error) => {
                            tracing::debug!(%error, "no discovery on the LAN");
                            self.tell.send_replace(LanState::Failed(error.to_string()));
                            timeout(RETRY, self.wants.changed()).await.unwrap_or(Ok(()))
                        }
                    }
                }
            };
            if changed.is_err() {
                return;
            }
        }
    }

    /// Announces and looks until it is to end.
    async fn look(&mut self) -> mdns_sd::Result<Ended> {
        let mut daemon = Daemon::open()?;
        let events = daemon.inner.monitor()?;
        daemon.announce(&self.presence)?;
        let services = daemon.inner.browse(SERVICE)?;
        let mut neighbours = Neighbours::new(self.presence.id);
        let mut renew = None;
        let mut quiet = Some(Instant::now() + QUIET);
        loop {
            tokio::select! {
                changed = self.wants.changed() => {
                    if changed.is_err() || *self.wants.borrow() != Wanted::On {
                        daemon.close().await;
                        return Ok(Ended::Asked);
                    }
                }
                service = services.recv_async() => match service {
                    Ok(event) => self.hear(&mut neighbours, event),
                    Err(_) => return Ok(Ended::Flooded),
                },
                event = events.recv_async() => match event {
                    Ok(DaemonEvent::Announce(..)) => {
                        quiet = None;
                        self.tell.send_if_modified(|state| {
                            std::mem::replace(state, LanState::Looking) != LanState::Looking
                        });
                    }
                    Ok(DaemonEvent::IpAdd(_) | DaemonEvent::IpDel(_)) => {
                        renew = Some(Instant::now() + SETTLE);
                    }
                    Ok(DaemonEvent::Error(error)) => tracing::debug!(%error, "multicast DNS"),
                    Ok(_) => {}
                    Err(_) => return Err(mdns_sd::Error::DaemonShutdown),
                },
                () = at(renew), if renew.is_some() => {
                    // Perhaps another network: under another name.
                    renew = None;
                    quiet = Some(Instant::now() + QUIET);
                    daemon.announce(&self.presence)?;
                }
                () = at(quiet), if quiet.is_some() => {
                    quiet = None;
                    self.tell.send_replace(LanState::NoNetwork);
                }
            }
        }
    }

    fn hear(&self, neighbours: &mut Neighbours, event: ServiceEvent) {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                if let Some(peer) = neighbours.note(&service) {
                    tracing::debug!(peer = %peer.id.fmt_short(), "found on the LAN");
                    let found = Found { peer, way: Way::Lan, spaces: Vec::new() };
                    if !self.finder.offer(found) {
                        neighbours.forget(service.get_fullname());
                    }
                }
            }
            ServiceEvent::ServiceRemoved(_, fullname) => neighbours.forget(&fullname),
            _ => {}
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The thread that speaks multicast DNS; it ends when this is dropped.
struct Daemon {
    inner: ServiceDaemon,
    announced: Option<String>,
}

impl Daemon {
    fn open() -> mdns_sd::Result<Self> {
        let inner = ServiceDaemon::new()?;
        // On loopback there is nobody else, and what is announced there would be 127.0.0.1.
        inner.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        Ok(Self { inner, announced: None })
    }

    /// Announces this node under a new name, instead of the one before.
    fn announce(&mut self, presence: &Presence) -> mdns_sd::Result<()> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| mdns_sd::Error::Msg(format!("no random numbers: {error}")))?;
        let info = presence.announcement(&random)?;
        if let Some(before) = self.announced.replace(info.get_fullname().to_owned()) {
            self.inner.unregister(&before)?;
        }
        self.inner.register(info)
    }

    /// Says goodbye, and ends.
    async fn close(mut self) {
        if let Some(name) = self.announced.take()
            && let Ok(said) = self.inner.unregister(&name)
        {
            await_answer(said).await;
        }
        if let Ok(ended) = self.inner.shutdown() {
            await_answer(ended).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.inner.shutdown();
    }
}

async fn await_answer<T>(answer: Receiver<T>) {
    let _ = timeout(GOODBYE, answer.recv_async()).await;
}
