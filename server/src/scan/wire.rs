//! What a worker and its supervisor say to each other: a length of four bytes (little endian) and so many bytes of JSON.

use super::{Job, Scanned, Setup};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// Longer messages are not believed.
const MAX_FRAME: u32 = 1 << 30;

/// To the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// The first message.
    Begin(Setup),
    /// Scan this; the number is that of the answer.
    Scan(usize, Box<Job>),
}

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Event {
    /// Work on the job begins.
    Started(usize),
    /// What is known of the file already, should its rewrites be its end.
    Early(usize, Scanned),
    /// The job takes too long and cannot be stopped; the worker ends.
    Late(usize),
    /// All that was asked for.
    Done(usize, Scanned),
}

pub(super) fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - 4).ok().filter(|l| *l <= MAX_FRAME);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the message is too long"))?;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

pub(super) fn send(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    out.write_all(&frame(message)?)?;
    out.flush()
}

/// The next message; `None` at the end.
pub(super) fn receive<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match input.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_le_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
    }
    let mut bytes = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}
