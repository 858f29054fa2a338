//! The rack's boot endpoint: blobs by path, with Range.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::Shared;

pub(super) async fn serve(shared: Arc<Shared>, address: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let _ = answer(stream, &shared).await;
            });
        }
    });
    address
}

async fn answer(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut range) = (String::new(), None);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        } else if let Some((_, bytes)) = line.to_ascii_lowercase().split_once("range: bytes=") {
            let (first, last) = bytes.split_once('-').unwrap();
            range = Some((first.parse::<usize>().unwrap(), last.parse::<usize>().unwrap()));
        } else if line.is_empty() {
            break;
        }
    }
    let Some(blob) = shared.blobs.get(&path) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
    };
    let (status, begin, end) = match range {
        Some((first, last)) => {
            ("206 Partial Content", first.min(blob.len()), (last.saturating_add(1)).min(blob.len()))
        }
        None => ("200 OK", 0, blob.len()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {begin}-{}/{}\r\n\r\n",
        end - begin,
        end.saturating_sub(1),
        blob.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let middle = if path == "/data" { begin + (end - begin) / 2 } else { end };
    stream.write_all(&blob[begin..middle]).await?;
    stream.flush().await?;
    let _ = shared.stalled.subscribe().wait_for(|stalled| !stalled).await;
    stream.write_all(&blob[middle..end]).await?;
    stream.flush().await
}
