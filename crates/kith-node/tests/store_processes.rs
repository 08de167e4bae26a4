//! Processes that end without a word, and two that want one directory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the child tells its parent what was acknowledged")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind, SpaceId, VerifiedRun};
use kith_node::store::{Options, Query, SpaceRecord, Store, StoreError};

/// Where the child works; it does nothing where this is not set.
const CHILD: &str = "KITH_TEST_CHILD";
/// How often the child is killed.
const ROUNDS: usize = 20;

fn space() -> SpaceRecord {
    SpaceRecord {
        app: AppId::from_bytes([7; 32]),
        secret: SpaceSecret::from_bytes([1; 32]),
        public: false,
        name: "friends".into(),
        joined: 1,
        used: 1,
    }
}

/// Not a test of its own: the process that the others kill. It writes from several tasks, and says
/// what was acknowledged.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&dir), Options::default()).unwrap();
        let id = space().id();
        if store.space(&id).unwrap().is_none() {
            store.add_space(space()).await.unwrap();
        }
        for _ in 0..4 {
            let store = store.clone();
            tokio::spawn(async move {
                loop {
                    let body = vec![Body::new(BodyKind::App, vec![b'x'; 200])];
                    let done = store.append(id, body, 0).await.unwrap();
                    println!("\nacknowledged {} {}", done.serials.end(), done.run.end());
                }
            });
        }
        std::future::pending::<()>().await;
    });
}

fn spawn(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads what the child said: serials and log sizes, each whole line of them.
fn acknowledged(child: &mut Child, enough: usize) -> Vec<(u64, u64)> {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut said = Vec::new();
    let mut line = String::new();
    let mut killed = false;
    loop {
        line.clear();
        if lines.read_line(&mut line).unwrap() == 0 {
            return said;
        }
        if let Some(numbers) = line.strip_prefix("acknowledged ")
            && let Some((serial, size)) = numbers.strip_suffix('\n').and_then(|n| n.split_once(' '))
        {
            said.push((serial.parse().unwrap(), size.parse().unwrap()));
        }
        if said.len() >= enough && !killed {
            child.kill().unwrap();
            child.wait().unwrap();
            killed = true;
        }
    }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// All entries that another node would take: verified from the first one on.
fn as_seen_elsewhere(store: &Store, elsewhere: &Store, id: SpaceId) -> u64 {
    let author = store.own_author(&id).unwrap().secret.author();
    loop {
        let held = elsewhere.log(&id, &author).unwrap();
        let size = held.as_ref().map_or(0, kith_log::KnownLog::size);
        let Some(segment) = store.segment(&id, &author, size).unwrap() else { return size };
        let at = (size - segment.start()) as usize;
        let run = kith_log::Run {
            start: size,
            base: None,
            entries: segment.entries[at..].to_vec(),
            checkpoint: segment.after.checkpoint(&author),
        };
        let run: VerifiedRun = kith_log::verify_run(&id, held.as_ref(), run).unwrap();
        run_ingest(elsewhere, id, run);
    }
}

fn run_ingest(store: &Store, id: SpaceId, run_: VerifiedRun) {
    run(store.ingest(id, vec![run_])).unwrap();
}

#[test]
fn kill_9_loses_nothing_and_forks_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere_dir = tempfile::tempdir().unwrap();
    let elsewhere = open(elsewhere_dir.path());
    let id = run(elsewhere.add_space(space())).unwrap();
    let mut promised = Vec::new();
    for round in 0..ROUNDS {
        let mut child = spawn(dir.path());
        let said = acknowledged(&mut child, 5 + round * 3);
        assert!(said.len() >= 5 + round * 3, "the child ended by itself");
        promised.extend(said);

        let store = open(dir.path());
        assert!(!store.restored());
        let size = as_seen_elsewhere(&store, &elsewhere, id);
        let (serial, end) =
            promised.iter().fold((0, 0), |(a, b), (serial, end)| (a.max(*serial), b.max(*end)));
        assert!(size >= end, "{round}: {end} were acknowledged, and {size} are there");
        assert!(store.max_serial(&id).unwrap() >= serial);
        run(store.close());
    }
    let mut serials: Vec<_> = promised.iter().map(|(serial, _)| *serial).collect();
    serials.sort_unstable();
    assert!(serials.windows(2).all(|pair| pair[0] < pair[1]), "a serial was given twice");
    let store = open(dir.path());
    let query = Query { limit: 1_000, ..Query::default() };
    let page = store.entries(&id, &query).unwrap();
    assert!(page.entries.iter().all(|entry| entry.body.is_some()));
}

#[test]
fn a_second_process_is_told_which_one_has_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = spawn(dir.path());
    let pid = child.id();
    // Once it has said something, it has the directory.
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("acknowledged")));
    let refused = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { pid: Some(held), .. } if held == pid));
    let told = kith_api::Error::from(refused).to_string();
    assert!(told.contains(&format!("Process {pid} has it.")), "{told}");
    assert!(told.contains("--data-dir"), "{told}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(open(dir.path()));
}

#[test]
fn one_process_opens_a_directory_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let own = std::process::id();
    let refused = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { pid: Some(pid), .. } if pid == own));
    run(store.close());
    drop(open(dir.path()));
    assert!(matches!(run(store.change_settings(|_| vec![])), Err(StoreError::Closed)));
    assert!(matches!(store.settings(), Err(StoreError::Closed)));
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a").join("kith");
    let store = open(&inner);
    run(store.add_blob(kith_overlay::storage::BlobScope::Public, vec![1; 10].into())).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    assert_eq!(mode(&inner.join("blobs")), 0o700);
    for file in
        std::fs::read_dir(&inner).unwrap().chain(std::fs::read_dir(inner.join("blobs")).unwrap())
    {
        let path = file.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}
