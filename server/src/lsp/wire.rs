//! The pipe to the client: notices its end, and writes down a session for bug reports.
//!
//! A transcript is one JSON object a line: `{"ms": 12, "from": "client", "message": {...}}`. It holds the text of every
//! opened document; the user who asks for it is told so.

use super::session::lock;
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

/// Writes down what passes.
pub struct Mirror {
    file: Mutex<BufWriter<File>>,
    start: Instant,
}

impl Mirror {
    /// A transcript in a new file (an old one is replaced).
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Mutex::new(BufWriter::new(File::create(path)?)), start: Instant::now() })
    }

    fn record(&self, from: &str, message: Value) {
        let line = json!({"ms": self.start.elapsed().as_millis() as u64, "from": from, "message": message});
        let mut file = lock(&self.file);
        // A full disk must not end the session.
        let _ = writeln!(file, "{line}").and_then(|()| file.flush());
    }
}

/// Cuts a byte stream into messages.
#[derive(Default)]
pub struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    /// Takes bytes and gives the messages that are complete now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Value> {
        self.buffer.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(head) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let header = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
            let length = header.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            let Some(length) = length else {
                self.buffer.drain(..head + 4);
                continue;
            };
            let end = (head + 4).saturating_add(length);
            if self.buffer.len() < end {
                break;
            }
            out.extend(serde_json::from_slice::<Value>(&self.buffer[head + 4..end]));
            self.buffer.drain(..end);
        }
        out
    }
}

/// A message as it goes over the wire.
pub fn frame(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// One direction of the pipe.
pub struct Tap<T> {
    inner: T,
    from: &'static str,
    mirror: Option<(Arc<Mirror>, Frames)>,
    ended: Arc<Notify>,
}

impl<T> Tap<T> {
    /// `ended` is told when the stream ends.
    pub fn new(inner: T, from: &'static str, mirror: Option<Arc<Mirror>>, ended: Arc<Notify>) -> Self {
        Self { inner, from, mirror: mirror.map(|m| (m, Frames::default())), ended }
    }

    fn passed(&mut self, bytes: &[u8]) {
        if let Some((mirror, frames)) = &mut self.mirror {
            for message in frames.push(bytes) {
                mirror.record(self.from, message);
            }
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Tap<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut self.inner).poll_read(cx, buf));
        if result.is_err() || buf.filled().len() == before {
            self.ended.notify_one();
        }
        self.passed(&buf.filled()[before..]);
        Poll::Ready(result)
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Tap<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes));
        match &result {
            Ok(n) => self.passed(&bytes[..*n]),
            Err(_) => self.ended.notify_one(),
        }
        Poll::Ready(result)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_wherever_the_bytes_break() {
        let bytes = [frame(&json!({"a": "ü"})), b"Content-Type: x\r\nContent-Length: 2\r\n\r\n{}".to_vec()].concat();
        for cut in 0..bytes.len() {
            let mut frames = Frames::default();
            let mut all = frames.push(&bytes[..cut]);
            all.extend(frames.push(&bytes[cut..]));
            assert_eq!(all, [json!({"a": "ü"}), json!({})]);
        }
    }
}
