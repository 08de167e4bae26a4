//! Which version of its app each space's pages run.
//!
//! A page loads its files one by one, some of them late. So an origin is served one version at a
//! time: the one that its pages were loaded with, for as long as there are any, also when another is
//! installed meanwhile. It changes when the last page has gone, when the person reloads the only one,
//! or when all pages are told to load anew.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use kith_api::{PageState, PageUpdate};
use kith_app::SignedVersion;
use kith_log::SpaceId;
use tokio::sync::watch;

/// How long a page has, from when it is loaded until it has its socket, before its origin may be
/// served another version.
const LOADING: Duration = Duration::from_secs(15);

/// What runs in the spaces.
#[derive(Default)]
pub(crate) struct Running {
    runs: Mutex<BTreeMap<SpaceId, Run>>,
    told: watch::Sender<u64>,
}

/// What the pages of a space run.
struct Run {
    version: SignedVersion,
    /// Pages with a socket.
    pages: usize,
    /// A page that has none yet may be loading until then.
    loading: Option<Instant>,
    /// How often all pages were told to load anew.
    reloads: u64,
    /// What its pages ran before the node was started is not known.
    guessed: bool,
}

impl Run {
    fn new(version: SignedVersion) -> Self {
        Self { version, pages: 0, loading: None, reloads: 0, guessed: false }
    }

    fn is_busy(&self, now: Instant) -> bool {
        self.pages > 0 || self.loading.is_some_and(|until| now < until)
    }
}

/// A page with a socket, until it is dropped.
pub(crate) struct OpenPage<'a> {
    running: &'a Running,
    space: SpaceId,
}

impl Drop for OpenPage<'_> {
    fn drop(&mut self) {
        if let Some(run) = self.running.runs().get_mut(&self.space) {
            run.pages = run.pages.saturating_sub(1);
        }
        self.running.tell();
    }
}

impl Running {
    fn runs(&self) -> std::sync::MutexGuard<'_, BTreeMap<SpaceId, Run>> {
        self.runs.lock().expect("no panic while held")
    }

    fn tell(&self) {
        self.told.send_modify(|count| *count += 1);
    }

    /// Told of each change.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// Another version of an app was installed: pages look how they stand.
    pub(crate) fn updated(&self) {
        self.tell();
    }

    /// The node starts: pages from before may come back, and run this version or another.
    pub(crate) fn expect(&self, space: SpaceId, version: SignedVersion, now: Instant) {
        let run = Run { loading: Some(now + LOADING), guessed: true, ..Run::new(version) };
        self.runs().insert(space, run);
    }

    /// A page of a space is about to be loaded; `again` where the person reloads it.
    pub(crate) fn loads(
        &self,
        space: SpaceId,
        installed: SignedVersion,
        again: bool,
        now: Instant,
    ) {
        let mut runs = self.runs();
        let run = runs.entry(space).or_insert_with(|| Run::new(installed));
        // Who reloads the only page, sees it go.
        if !run.is_busy(now) || (again && run.pages <= 1) {
            run.version = installed;
        }
        run.loading = Some(now + LOADING);
        run.guessed = false;
    }

    /// A page from before the start has come back, and runs this version.
    pub(crate) fn returns(&self, space: &SpaceId, version: SignedVersion) {
        if let Some(run) = self.runs().get_mut(space).filter(|run| run.guessed) {
            run.version = version;
            run.guessed = false;
        }
    }

    /// A page has its socket. It counts until what is returned is dropped.
    pub(crate) fn page(&self, space: SpaceId, installed: SignedVersion) -> OpenPage<'_> {
        self.runs().entry(space).or_insert_with(|| Run::new(installed)).pages += 1;
        OpenPage { running: self, space }
    }

    /// What the pages of a space are served.
    pub(crate) fn version(
        &self,
        space: &SpaceId,
        installed: SignedVersion,
        now: Instant,
    ) -> SignedVersion {
        let runs = self.runs();
        let run = runs.get(space).filter(|run| run.is_busy(now));
        run.map_or(installed, |run| run.version)
    }

    /// All pages of a space load anew, and get the installed version.
    pub(crate) fn reload(&self, space: &SpaceId, installed: SignedVersion) {
        if let Some(run) = self.runs().get_mut(space) {
            if run.version == installed {
                return;
            }
            run.version = installed;
            run.reloads += 1;
        }
        self.tell();
    }

    /// How often the pages of a space were told to load anew.
    pub(crate) fn reloads(&self, space: &SpaceId) -> u64 {
        self.runs().get(space).map_or(0, |run| run.reloads)
    }

    /// How a page stands that runs the version with this bundle, and came after so many reloads.
    pub(crate) fn stands(
        &self,
        space: &SpaceId,
        loaded: [u8; 32],
        installed: SignedVersion,
        reloads: u64,
    ) -> PageUpdate {
        let runs = self.runs();
        let run = runs.get(space);
        let state = if loaded == installed.bundle() {
            PageState::Current
        } else if run.is_some_and(|run| run.version.bundle() == loaded) {
            PageState::Older
        } else if run.is_some_and(|run| run.reloads > reloads) {
            PageState::Reload
        } else {
            PageState::Gone
        };
        let version = installed.version();
        PageUpdate { loaded: HEXLOWER.encode(&loaded), version, state }
    }

    /// Takes a version out of service, unless a page may run it. Whether it is out.
    pub(crate) fn retire(&self, version: &SignedVersion, now: Instant) -> bool {
        let mut runs = self.runs();
        if runs.values().any(|run| run.version == *version && run.is_busy(now)) {
            return false;
        }
        runs.retain(|_, run| run.version != *version);
        true
    }

    /// In how many spaces of an app pages run another version than the installed one.
    pub(crate) fn behind(&self, installed: &SignedVersion) -> u32 {
        let runs = self.runs();
        let behind = runs.values().filter(|run| {
            run.pages > 0 && run.version.app() == installed.app() && run.version != *installed
        });
        u32::try_from(behind.count()).unwrap_or(u32::MAX)
    }

    /// A space was left.
    pub(crate) fn forget(&self, space: &SpaceId) {
        self.runs().remove(space);
    }
}

#[cfg(test)]
mod tests {
    use kith_app::AppSecret;

    use super::*;

    const SPACE: SpaceId = SpaceId::from_bytes([1; 32]);

    fn version(number: u8) -> SignedVersion {
        let secret = AppSecret::from_seed(&[7; 32]);
        SignedVersion::sign(&secret, number.into(), [number; 32], 1).unwrap()
    }

    #[test]
    fn a_page_gets_the_version_that_it_was_loaded_with() {
        let (running, now) = (Running::default(), Instant::now());
        running.loads(SPACE, version(1), false, now);
        let served = |installed, now| running.version(&SPACE, installed, now).version();
        assert_eq!(served(version(2), now), 1, "it is still loading");
        let page = running.page(SPACE, version(2));
        let later = now + 2 * LOADING;
        assert_eq!(served(version(2), later), 1);
        running.loads(SPACE, version(2), false, later);
        assert_eq!(served(version(2), later), 1, "a second page joins the first");
        drop(page);
        assert_eq!(served(version(2), later), 1, "the second may be on its way");
        assert_eq!(served(version(2), later + LOADING), 2, "none is there");
    }

    #[test]
    fn who_reloads_the_only_page_gets_the_installed_version() {
        let (running, now) = (Running::default(), Instant::now());
        running.loads(SPACE, version(1), false, now);
        let _page = running.page(SPACE, version(1));
        running.loads(SPACE, version(2), true, now);
        assert_eq!(running.version(&SPACE, version(2), now).version(), 2);

        let _second = running.page(SPACE, version(2));
        running.loads(SPACE, version(3), true, now);
        assert_eq!(running.version(&SPACE, version(3), now).version(), 2, "there is another page");
        assert_eq!(running.behind(&version(3)), 1);
        running.reload(&SPACE, version(3));
        assert_eq!(running.version(&SPACE, version(3), now).version(), 3);
        assert_eq!(running.behind(&version(3)), 0);
    }

    #[test]
    fn a_page_is_told_how_it_stands() {
        let (running, now) = (Running::default(), Instant::now());
        running.loads(SPACE, version(1), false, now);
        let _page = running.page(SPACE, version(1));
        let state = |installed, loaded: u8, reloads| {
            running.stands(&SPACE, [loaded; 32], installed, reloads).state
        };
        assert_eq!(state(version(1), 1, 0), PageState::Current);
        assert_eq!(state(version(2), 1, 0), PageState::Older);
        running.reload(&SPACE, version(2));
        assert_eq!(state(version(2), 1, 0), PageState::Reload);
        assert_eq!(state(version(2), 1, running.reloads(&SPACE)), PageState::Gone, "it came late");
        assert_eq!(state(version(2), 2, 0), PageState::Current);
    }

    #[test]
    fn pages_from_before_a_start_have_time_to_come_back() {
        let (running, now) = (Running::default(), Instant::now());
        running.expect(SPACE, version(1), now);
        assert!(!running.retire(&version(1), now));
        let page = running.page(SPACE, version(3));
        let late = now + 2 * LOADING;
        assert_eq!(running.version(&SPACE, version(3), late).version(), 1);
        running.returns(&SPACE, version(2));
        assert_eq!(running.version(&SPACE, version(3), late).version(), 2, "as it says");
        running.returns(&SPACE, version(1));
        assert_eq!(running.version(&SPACE, version(3), late).version(), 2, "the first one does");
        drop(page);
        assert!(running.retire(&version(2), late));
        let _page = running.page(SPACE, version(3));
        assert_eq!(running.version(&SPACE, version(3), late).version(), 3);
    }
}
