//! Webhooks of a shop on loopback: each path says what it answers, in turn, and remembers who called.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::Value;

/// What a path answers to one call.
#[derive(Clone, Debug)]
pub enum Reply {
    /// This status and body.
    Say(u16, String),
    /// Nothing, for as long as the caller waits.
    Hang,
}

/// A call, as it came.
#[derive(Clone, Debug)]
pub struct Call {
    /// The path.
    pub path: String,
    /// `Idempotency-Key`.
    pub key: String,
    /// `Authorization`.
    pub authorization: String,
    /// The JSON.
    pub body: Value,
}

#[derive(Default)]
struct Shared {
    replies: HashMap<String, VecDeque<Reply>>,
    calls: Vec<Call>,
}

/// The web server. It ends with the test.
pub struct Hooks {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Hooks {
    /// Starts it; all goes well where nothing else is said.
    ///
    /// # Panics
    /// There is no loopback.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared: Arc<Mutex<Shared>> = Arc::default();
        let held = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let held = held.clone();
                thread::spawn(move || answer(&stream, &held));
            }
        });
        Self { address, shared }
    }

    /// Where a path is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What that path answers next, in turn.
    ///
    /// # Panics
    /// Another thread has panicked.
    pub fn answers(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        self.shared.lock().unwrap().replies.insert(path.into(), replies.into_iter().collect());
    }

    /// Who called that path, in order.
    ///
    /// # Panics
    /// Another thread has panicked.
    pub fn calls(&self, path: &str) -> Vec<Call> {
        let shared = self.shared.lock().unwrap();
        shared.calls.iter().filter(|call| call.path == path).cloned().collect()
    }
}

fn answer(stream: &TcpStream, held: &Mutex<Shared>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut header = |name: &str| headers.remove(name).unwrap_or_default();
    let call = Call {
        path: path.clone(),
        key: header("idempotency-key"),
        authorization: header("authorization"),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let reply = {
        let mut shared = held.lock().unwrap();
        shared.calls.push(call);
        shared.replies.get_mut(&path).and_then(VecDeque::pop_front)
    };
    let (status, text) = match reply {
        None => (200, String::new()),
        Some(Reply::Say(status, text)) => (status, text),
        // Until the other side is gone.
        Some(Reply::Hang) => {
            reader.read_to_end(&mut body).ok();
            return;
        }
    };
    let length = text.len();
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}").ok();
}
