//! The doors of a running node, spoken to byte by byte, so that what no good client sends can be
//! sent: its command socket, its pages, and their WebSocket.
#![allow(dead_code, reason = "each test binary uses a part")]

mod door;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::Node;

/// The longest that anything here may take: a busy machine has time, a hanging one does not.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until it holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The command socket.
pub(crate) struct Control {
    reader: BufReader<door::Door>,
    next: u64,
}

impl Control {
    pub(crate) fn connect(dir: &Path) -> std::io::Result<Self> {
        Ok(Self { reader: BufReader::new(door::connect(dir)?), next: 1 })
    }

    /// Sends bytes as they are; false where the node has hung up.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.reader.get_mut().write_all(bytes).is_ok()
    }

    /// The next message; none where the node hangs up.
    pub(crate) fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("each line is JSON")),
        }
    }

    /// Calls a method: its reply, or its error in parts.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.next;
        self.next += 1;
        let text = request(id, method, params).to_string() + "\n";
        assert!(self.send(text.as_bytes()), "the node hung up");
        loop {
            let answer = self.hear().expect("the node hung up");
            if answer["id"] == id {
                return reply(answer);
            }
        }
    }
}

fn request(id: u64, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

fn reply(mut answer: Value) -> Result<Value, Value> {
    match answer.get("error") {
        Some(error) => Err(error["data"].clone()),
        None => Ok(answer["result"].take()),
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let is = |line: &&str| {
            line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        self.head.lines().find(is).and_then(|line| line.split_once(": ")).map_or("", |pair| pair.1)
    }
}

/// One GET, on a connection of its own.
pub(crate) fn get(port: u16, host: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let (mut stream, answer) = ask(port, host, path, fields);
    let mut body = answer.body.into_bytes();
    let length = answer.head.lines().find_map(|line| {
        line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
    });
    let mut rest = vec![0; length.unwrap_or(0).saturating_sub(body.len())];
    stream.read_exact(&mut rest).expect("the whole body");
    body.extend(rest);
    Answer { body: String::from_utf8_lossy(&body).into_owned(), ..answer }
}

/// Sends a GET and reads its head; the answer's body is what came with it.
fn ask(port: u16, host: &str, path: &str, fields: &[(&str, &str)]) -> (TcpStream, Answer) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the pages are served");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time can be set");
    let mut text = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in fields {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).expect("the gateway reads");
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let mut chunk = [0; 1];
        let read = stream.read(&mut chunk).expect("the gateway answers");
        assert!(read > 0, "closed within a head: {}", String::from_utf8_lossy(&bytes));
        bytes.push(chunk[0]);
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    (stream, Answer { status, head, body: String::new() })
}

/// A WebSocket: RFC 6455, as much of it as the tests need.
pub(crate) struct Socket {
    stream: TcpStream,
    next: u64,
}

/// What a WebSocket hears.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Message(Value),
    Closed(u16),
    /// Closed without a word.
    Gone,
}

impl Socket {
    /// Opens the socket of a host, or returns the status that refuses it.
    pub(crate) fn open(port: u16, host: &str, fields: &[(&str, &str)]) -> Result<Self, u16> {
        let upgrade = [
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let (stream, answer) = ask(port, host, "/.kith/api", &[&upgrade, fields].concat());
        if answer.status == 101 { Ok(Self { stream, next: 1 }) } else { Err(answer.status) }
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.send_frame(0x81, text.as_bytes());
    }

    /// Sends a frame, masked with zeros. The other side may close in the middle of it: that is for
    /// [`Self::hear`] to find out.
    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let mut bytes = vec![first];
        match payload.len() {
            length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).expect("small")),
            length @ 126..=0xffff => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(length).expect("16 bits").to_be_bytes());
            }
            length => {
                bytes.push(0x80 | 127);
                bytes.extend(u64::try_from(length).expect("64 bits").to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend(payload);
        let _ = self.stream.write_all(&bytes);
    }

    /// The next message or end; pings are passed over.
    pub(crate) fn hear(&mut self) -> Heard {
        loop {
            let Some((kind, payload)) = self.frame() else { return Heard::Gone };
            match kind {
                1 => return Heard::Message(serde_json::from_slice(&payload).expect("JSON")),
                8 => {
                    let code = payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code));
                    return Heard::Closed(code);
                }
                9 => {}
                other => panic!("a frame of kind {other}"),
            }
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let [first, length] = self.exactly()?;
        let length = match length {
            126 => u64::from(u16::from_be_bytes(self.exactly()?)),
            127 => u64::from_be_bytes(self.exactly()?),
            length => u64::from(length),
        };
        let mut payload = vec![0; usize::try_from(length).expect("it fits")];
        self.stream.read_exact(&mut payload).ok()?;
        Some((first & 0xf, payload))
    }

    fn exactly<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Calls a method: its reply, or its error in parts.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.next;
        self.next += 1;
        self.send_text(&request(id, method, params).to_string());
        loop {
            match self.hear() {
                Heard::Message(answer) if answer["id"] == id => return reply(answer),
                Heard::Message(_) => {}
                other => panic!("{method}: {other:?}"),
            }
        }
    }
}

/// The page of a space, in a browser that was led there by kith.
pub(crate) struct Page {
    pub(crate) port: u16,
    pub(crate) host: String,
    /// The header's value.
    pub(crate) cookie: String,
    pub(crate) space: String,
    pub(crate) socket: Socket,
}

impl Page {
    /// Opens an app's space: the one last used, or its first.
    pub(crate) fn open(node: &Node, target: &str) -> Self {
        let opened = node.json(&["open", target, "--yes", "--no-open"]).remove(0);
        Self::of(&opened)
    }

    /// The page of what `kith open --json` printed.
    pub(crate) fn of(opened: &Value) -> Self {
        let (port, host, path) = split_url(opened["url"].as_str().expect("a URL"));
        let led = get(port, &host, &path, &[]);
        assert_eq!(led.status, 303, "{led:?}");
        let cookie = led.header("set-cookie").split(';').next().expect("a cookie").to_owned();
        let origin = format!("http://{host}");
        let socket = Socket::open(port, &host, &[("Origin", &origin), ("Cookie", &cookie)])
            .expect("a page has a socket");
        let space = opened["space"].as_str().expect("a space").to_owned();
        Self { port, host, cookie, space, socket }
    }

    /// Appends a text; when this returns a reply, the node has acknowledged it.
    pub(crate) fn append(&mut self, text: &str) -> Result<Value, Value> {
        self.socket.call("space.append", json!({ "body": { "json": text } }))
    }

    /// All entries, in the order of their arrival.
    pub(crate) fn entries(&mut self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or(json!(0), |entry| entry["serial"].clone());
            let params = json!({ "after": after, "limit": 1_000, "kind": "app" });
            let mut read = self.socket.call("space.read", params).expect("entries can be read");
            match read["entries"].take() {
                Value::Array(more) if !more.is_empty() => all.extend(more),
                _ => return all,
            }
        }
    }

    /// The texts of all entries.
    pub(crate) fn texts(&mut self) -> Vec<String> {
        let text = |entry: &Value| entry["body"]["json"].as_str().expect("a text").to_owned();
        self.entries().iter().map(text).collect()
    }
}

/// Port, host with port, and path of a URL.
pub(crate) fn split_url(url: &str) -> (u16, String, String) {
    let rest = url.strip_prefix("http://").expect("pages are served by http");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let port = host.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    (port, host.to_owned(), format!("/{path}"))
}

/// Whether an error has all that a person needs: what happened, and why or what to do.
pub(crate) fn assert_clear(error: &Value, code: &str) {
    let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(part("code"), code, "{error}");
    assert!(part("what").ends_with('.'), "{error}");
    assert!(!part("why").is_empty() || !part("todo").is_empty(), "{error}");
}
