//! Files over HTTP on loopback, some of which keep one waiting until they are let go.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
};

use sha2::{Digest, Sha256};

/// A web server. It ends with the test.
pub struct Web {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    files: Mutex<HashMap<String, Vec<u8>>>,
    held: Mutex<bool>,
    released: Condvar,
}

impl Web {
    /// Starts one.
    ///
    /// # Panics
    /// There is no loopback.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared: Arc<Shared> = Arc::default();
        let files = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let files = files.clone();
                thread::spawn(move || answer(&stream, &files));
            }
        });
        Self { address, shared }
    }

    /// Puts a file there; returns its URL and SHA-256.
    ///
    /// # Panics
    /// Another thread has panicked.
    pub fn put(&self, name: &str, bytes: &[u8]) -> (String, String) {
        self.shared.files.lock().unwrap().insert(format!("/{name}"), bytes.to_vec());
        (format!("http://{}/{name}", self.address), sha256(bytes))
    }

    /// Keeps everybody waiting from now on.
    ///
    /// # Panics
    /// Another thread has panicked.
    pub fn hold(&self) {
        *self.shared.held.lock().unwrap() = true;
    }

    /// Answers everybody who waits.
    ///
    /// # Panics
    /// Another thread has panicked.
    pub fn release(&self) {
        *self.shared.held.lock().unwrap() = false;
        self.shared.released.notify_all();
    }
}

/// In hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn answer(stream: &TcpStream, shared: &Shared) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let held = shared.held.lock().unwrap();
    drop(shared.released.wait_while(held, |held| *held).unwrap());
    let file = shared.files.lock().unwrap().get(&path).cloned();
    let (status, body) = match file {
        Some(file) => ("200 OK", file),
        None => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    // Who asked may have gone.
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok();
}
