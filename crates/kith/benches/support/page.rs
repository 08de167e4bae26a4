//! The API's socket, as a page of a space has it: a token for a cookie, then a WebSocket.

use data_encoding::BASE64URL_NOPAD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Requests under way while filling: half of what a session may have.
const UNDER_WAY: usize = 32;

pub(crate) struct Page {
    socket: WebSocketStream<TcpStream>,
    next_id: u64,
    /// Answers that are still to come.
    unanswered: usize,
}

impl Page {
    /// Redeems the URL's token and connects.
    pub(crate) async fn open(opened: &Value) -> Self {
        let url = opened["url"].as_str().expect("a URL");
        let rest = url.strip_prefix("http://").expect("http");
        let (host, path) = rest.split_once('/').expect("a path");
        let port: u16 = host.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        let cookie = answer
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().starts_with("set-cookie: ").then(|| &line[12..])
            })
            .and_then(|cookie| cookie.split(';').next())
            .unwrap_or_else(|| panic!("no cookie: {answer}"));
        let mut request =
            format!("ws://{host}/.kith/api").into_client_request().expect("a request");
        let headers = request.headers_mut();
        headers.insert("origin", format!("http://{host}").parse().expect("ASCII"));
        headers.insert("cookie", cookie.parse().expect("ASCII"));
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
        stream.set_nodelay(true).expect("a TCP socket");
        let (socket, _) =
            tokio_tungstenite::client_async(request, stream).await.expect("it upgrades");
        Self { socket, next_id: 0, unanswered: 0 }
    }

    pub(crate) async fn send(&mut self, method: &str, params: Value) {
        self.next_id += 1;
        self.unanswered += 1;
        let request =
            json!({ "jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params });
        self.socket.send(Message::text(request.to_string())).await.expect("it is open");
    }

    /// Waits for all answers.
    pub(crate) async fn drain(&mut self) {
        while self.unanswered > 0 {
            self.message().await;
        }
    }

    pub(crate) async fn subscribe(&mut self, subscription: Value) {
        self.send("subscribe", subscription).await;
    }

    /// Waits for an event that fits; others pass.
    pub(crate) async fn event(&mut self, fits: impl Fn(&Value) -> bool) {
        loop {
            let message = self.message().await;
            if fits(&message["params"]["event"]) {
                return;
            }
        }
    }

    /// Waits for so many entries.
    pub(crate) async fn events(&mut self, count: usize) {
        let mut seen = 0;
        while seen < count {
            let message = self.message().await;
            seen += usize::from(message["params"]["event"]["type"] == "entry");
        }
    }

    /// Appends so many entries of random bytes, several at once.
    pub(crate) async fn fill(&mut self, count: usize, bytes: usize) {
        let mut random = super::random_bytes(1, count * bytes);
        for _ in 0..count {
            while self.unanswered >= UNDER_WAY {
                self.message().await;
            }
            let body = BASE64URL_NOPAD.encode(&random.split_off(random.len() - bytes));
            self.send("space.append", json!({ "body": { "bytes": body } })).await;
        }
        self.drain().await;
    }

    async fn message(&mut self) -> Value {
        loop {
            let message = self.socket.next().await.expect("it is open").expect("it works");
            let Message::Text(text) = message else { continue };
            let value: Value = serde_json::from_str(&text).expect("JSON");
            assert!(value.get("error").is_none(), "{value}");
            if value.get("id").is_some() {
                self.unanswered -= 1;
            }
            return value;
        }
    }
}
