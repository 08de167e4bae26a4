//! Another user of this machine tries every way into a node, and reaches nothing; its owner, on the
//! same ways, does. Needs root, to be both of them.
//!
//! The ways in are tried by this program itself, started anew as either user: see [`probe`].

#![cfg(unix)]

mod fixture;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fixture::{Node, up};
use serde_json::{Value, json};
use support::{Control, Heard, Socket, get, split_url};
use tempfile::TempDir;

/// With this variable the program is the probe: its value says what is to be tried, as JSON.
const PROBE: &str = "KITH_TEST_PROBE";
/// Two users that are nobody's, by their numbers: no name is needed.
const OWNER: u32 = 64_901;
const STRANGER: u32 = 64_902;

/// A machine with a node of [`OWNER`]'s.
struct Machine {
    /// Open to all, as `/home` is.
    home: TempDir,
    data: PathBuf,
    node: Node,
}

impl Machine {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder can be made");
        set_mode(home.path(), 0o755);
        // What was built may lie where the two can't go.
        for (program, name) in [
            (PathBuf::from(env!("CARGO_BIN_EXE_kith")), "kith"),
            (std::env::current_exe().expect("this program"), "probe"),
        ] {
            std::fs::copy(program, home.path().join(name)).expect("there is room");
            set_mode(&home.path().join(name), 0o755);
        }
        let owners = home.path().join("owner");
        std::fs::create_dir(&owners).expect("a folder can be made");
        set_mode(&owners, 0o755);
        std::os::unix::fs::chown(&owners, Some(OWNER), Some(OWNER)).expect("this is root");
        let data = owners.join("kith");
        let plain = up(&data);
        let mut command = as_user(OWNER, &home.path().join("kith"));
        command.args(plain.get_args()).current_dir(home.path());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let node = Node::of(command, &data);
        Self { home, data, node }
    }

    /// What the probe of a user finds.
    fn probe(&self, user: u32, ways: &Value) -> Vec<String> {
        let output = as_user(user, &self.home.path().join("probe"))
            .args(["--exact", "probe", "--nocapture", "--test-threads=1"])
            .env(PROBE, ways.to_string())
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.lines().any(|line| line == "tried"), "{said}");
        said.lines().filter_map(|line| line.strip_prefix("reached ")).map(str::to_owned).collect()
    }

    /// Everything below the data directory, as far as root sees.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = vec![self.data.clone()];
        let mut at = 0;
        while at < found.len() {
            if found[at].is_dir() {
                let inside = std::fs::read_dir(&found[at]).expect("root may").flatten();
                found.extend(inside.map(|entry| entry.path()));
            }
            at += 1;
        }
        found
    }
}

fn as_user(user: u32, program: &Path) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    let id = user.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--no-new-privs"]);
    command.arg(program).env_clear().stdin(Stdio::null());
    command
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("this is root");
}

#[test]
fn another_user_reaches_nothing() {
    let machine = Machine::new();
    let mut control = Control::connect(&machine.data).expect("root reaches all");
    // Root is another user too, and the node says so by hanging up.
    control.send(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"node.status\"}\n");
    assert_eq!(control.hear(), None, "not even root speaks for the owner");

    let owner = |args: &[&str]| -> Value {
        let output = as_user(OWNER, &machine.home.path().join("kith"))
            .args(args)
            .args(["--json", "--data-dir"])
            .arg(&machine.data)
            .output()
            .expect("kith runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one object")
    };
    let opened = owner(&["open", "Chat", "--yes", "--no-open"]);
    let (port, host, path) = split_url(opened["url"].as_str().expect("a URL"));
    let led = get(port, &host, &path, &[]);
    let cookie = led.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    assert!(cookie.starts_with("kith="), "{led:?}");
    // A local redirect with a token that waits to be used, as there is while a browser starts.
    let waiting = machine.probe(OWNER, &json!({ "call": "page.url", "data": machine.data }));
    assert_eq!(waiting.len(), 1, "the owner's page.url answers");

    let ways = |cookie: &str, files: &[PathBuf]| {
        json!({
            "data": machine.data, "files": files, "port": port, "host": host, "cookie": cookie,
            "kith": machine.home.path().join("kith"), "pid": machine.node.pid(),
        })
    };
    let files = machine.files();
    for part in ["kith.sock", "open/"] {
        let has = files.iter().any(|path| path.to_str().is_some_and(|path| path.contains(part)));
        assert!(has, "no {part} in {files:?}");
    }
    let nothing: [&str; 0] = [];
    assert_eq!(machine.probe(STRANGER, &ways("", &files)), nothing);

    // The same ways are ways: the owner goes all of them.
    let reached = machine.probe(OWNER, &ways(&cookie, &files));
    for way in [
        "list ",
        "read ",
        "write ",
        "socket",
        "command",
        "page",
        "page socket",
        "memory of the node",
    ] {
        let went = reached.iter().any(|found| found.starts_with(way));
        assert!(went, "the owner did not reach “{way}”: {reached:?}");
    }

    // Each of the inner walls holds where the outer ones were taken down by their owner.
    for folder in files.iter().filter(|path| path.is_dir()) {
        set_mode(folder, 0o755);
    }
    let still = machine.probe(STRANGER, &ways("", &files));
    let only_names = still.iter().all(|found| found.starts_with("list "));
    assert!(only_names && !still.is_empty(), "in folders that are open: {still:?}");
    set_mode(&machine.data.join("kith.sock"), 0o666);
    let still = machine.probe(STRANGER, &ways("", &files));
    let only_names =
        still.iter().all(|found| found.starts_with("list ") || found.starts_with("write "));
    assert!(only_names, "by a socket that is open: {still:?}");
}

/// Not a test of its own: tries the ways in, as whoever runs it, and prints those that are open.
#[test]
fn probe() {
    let Ok(ways) = std::env::var(PROBE) else { return };
    let ways: Value = serde_json::from_str(&ways).expect("JSON");
    let data = Path::new(ways["data"].as_str().expect("a path"));
    let reached = |way: String| println!("\nreached {way}");
    if let Some(method) = ways["call"].as_str() {
        let mut control = Control::connect(data).expect("the socket");
        reached(control.call(method, json!({})).expect("a reply").to_string());
    } else {
        probe_files(&ways, &reached);
        probe_socket(data, &ways, &reached);
        probe_pages(&ways, &reached);
    }
    println!("\ntried");
}

fn probe_files(ways: &Value, reached: &dyn Fn(String)) {
    let files = ways["files"].as_array().expect("a list");
    for path in files.iter().filter_map(Value::as_str).map(Path::new) {
        if std::fs::read_dir(path).is_ok() {
            reached(format!("list {}", path.display()));
        }
        if std::fs::read(path).is_ok() {
            reached(format!("read {}", path.display()));
        }
        if std::fs::OpenOptions::new().append(true).open(path).is_ok() {
            reached(format!("write {}", path.display()));
        }
        let new = path.join("new");
        if std::fs::write(&new, b"").is_ok() {
            std::fs::remove_file(&new).expect("it was made just now");
            reached(format!("write into {}", path.display()));
        }
    }
    let pid = ways["pid"].as_u64().expect("a number");
    for (name, file) in [("memory", "mem"), ("environment", "environ"), ("files", "fd/0")] {
        if std::fs::File::open(format!("/proc/{pid}/{file}")).is_ok() {
            reached(format!("{name} of the node"));
        }
    }
    // Everybody may read a program's arguments: nothing secret stands there.
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    assert!(!arguments.contains("token"), "{arguments}");
}

fn probe_socket(data: &Path, ways: &Value, reached: &dyn Fn(String)) {
    if let Ok(mut control) = Control::connect(data) {
        control.send(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"keys.list\"}\n");
        if let Some(answer) = control.hear() {
            reached(format!("socket: {answer}"));
        }
    }
    for args in [&["status"][..], &["invite", "Chat"], &["key"], &["apps"]] {
        let output = Command::new(ways["kith"].as_str().expect("a path"))
            .args(args)
            .args(["--json", "--data-dir"])
            .arg(data)
            .output()
            .expect("kith runs");
        if output.status.success() {
            reached(format!("command {args:?}"));
        } else {
            let error = fixture::error(&output);
            support::assert_clear(&error, "socket");
        }
    }
}

/// All that a program which is no browser can send; a stranger's has no cookie but guesses.
fn probe_pages(ways: &Value, reached: &dyn Fn(String)) {
    let port = u16::try_from(ways["port"].as_u64().expect("a port")).expect("a port");
    let host = ways["host"].as_str().expect("a host");
    let own = format!("http://{host}");
    let guess = format!("kith={}", "A".repeat(43));
    let given = ways["cookie"].as_str().expect("a cookie");
    for cookie in ["", "kith=", &guess, given] {
        let fields: Vec<_> =
            [("Cookie", cookie)].into_iter().filter(|pair| !pair.1.is_empty()).collect();
        for path in [
            "/",
            "/index.html",
            "/manifest.toml",
            "/webxdc.js",
            "/.kith/kith.js",
            "/?kith-token=AAAA",
        ] {
            let answer = get(port, host, path, &fields);
            if answer.status != 403 {
                reached(format!("page {path} with “{cookie}”: {}", answer.status));
            }
        }
        for origin in ["", "null", "http://evil.example", &own] {
            let mut fields = fields.clone();
            if !origin.is_empty() {
                fields.push(("Origin", origin));
            }
            match Socket::open(port, host, &fields) {
                Ok(mut socket) => {
                    let me = socket.call("me", json!({}));
                    reached(format!("page socket from {origin}: {me:?}"));
                    assert_eq!(origin, own, "no page of another origin, whatever its cookie");
                }
                Err(status) => assert_eq!(status, 403),
            }
        }
    }
    // Labels can't be guessed, and what is guessed can't be told from what never was.
    for label in ["chat", "a", &"a".repeat(32), "localhost", "www"] {
        let answer = get(port, &format!("{label}.localhost:{port}"), "/", &[]);
        assert_eq!(answer.status, 421, "{label}");
    }
    for host in [
        "evil.example".into(),
        format!("127.0.0.1:{port}"),
        format!("localhost.evil.example:{port}"),
    ] {
        assert_eq!(get(port, &host, "/", &[]).status, 421, "{host}");
    }
    probe_dashboard(port, reached);
}

/// The dashboard's files are no secret; its socket tells nothing to who has no token.
fn probe_dashboard(port: u16, reached: &dyn Fn(String)) {
    let host = format!("localhost:{port}");
    let own = format!("http://{host}");
    for fields in [&[][..], &[("Origin", "http://evil.example")]] {
        assert!(Socket::open(port, &host, fields).is_err_and(|status| status == 403));
    }
    let mut socket = Socket::open(port, &host, &[("Origin", &own)]).expect("it may show a token");
    let tries = [
        ("node.status", json!({})),
        ("auth", json!({ "token": "A".repeat(43) })),
        ("auth", json!({ "session": "A".repeat(43) })),
    ];
    for (method, params) in tries {
        match socket.call(method, params) {
            Ok(reply) => reached(format!("dashboard: {reply}")),
            Err(error) => assert_eq!(error["code"], "not_permitted", "{error}"),
        }
    }
    assert!(matches!(socket.hear(), Heard::Closed(1008)), "after three tries it is closed");
}
