//! Messages as they lie on the wire: a header, a blank line, and JSON of the length that the header tells.
//!
//! Whatever arrives, the next message is found again: what cannot be decoded is told as a [`Fault`] and passed over. A header
//! of impossible length, or a body that is cut off by the next header, ends where that header begins; a raw line break
//! cannot stand in a JSON string, so a header inside a body is never part of it. Nothing is allocated because a header
//! promises it.

use memchr::{memchr, memmem};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    io::{self, Read},
};

/// Longer messages are refused (bytes).
const MAX_MESSAGE: usize = 256 << 20;
/// So is a longer header.
const MAX_HEADER: usize = 8 << 10;
/// Bytes asked for in one read.
const CHUNK: usize = 64 << 10;

/// What could not be decoded, for the answer with the code -32700.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub Cow<'static, str>);

impl Fault {
    /// The answer to whoever sent it; which request it was, nobody can know.
    pub fn answer(&self) -> Value {
        error(&Value::Null, -32700, &format!("a message could not be read and was passed over: {self}"))
    }
}

/// The answer to a request that failed.
pub fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// A message and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The JSON text: UTF-8 without halves of surrogate pairs.
    pub body: Vec<u8>,
    /// What it says: an object.
    pub value: Value,
}

/// What the header tells of the body.
#[derive(Clone, Copy)]
struct Header {
    length: usize,
    utf8: bool,
}

#[derive(Clone, Copy)]
enum Expected {
    Header,
    Body(Header),
    /// Any header: where the last message ends is not known.
    Anything,
}

/// Cuts a byte stream into messages.
pub struct Frames {
    buffer: Vec<u8>,
    /// Up to here everything was handed out.
    start: usize,
    /// Bytes from `start` on in which no header begins.
    searched: usize,
    expected: Expected,
}

impl Default for Frames {
    fn default() -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, expected: Expected::Header }
    }
}

impl Frames {
    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Reads once; 0 at the end of the stream.
    pub fn read(&mut self, from: &mut impl Read, scratch: &mut Vec<u8>) -> io::Result<usize> {
        scratch.resize(CHUNK, 0);
        let read = loop {
            match from.read(scratch) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        self.push(&scratch[..read]);
        Ok(read)
    }

    /// The next message that is complete, or what came instead of one.
    pub fn next(&mut self) -> Option<Result<Message, Fault>> {
        self.next_as(|body| {
            mend_surrogates(body);
            let value: Value = serde_json::from_slice(body).map_err(|e| Fault(format!("no valid JSON ({e})").into()))?;
            match value {
                Value::Object(_) => Ok(Message { body: body.to_owned(), value }),
                Value::Array(_) => Err(Fault("batches are no part of the protocol".into())),
                _ => Err(Fault("no JSON object".into())),
            }
        })
    }

    /// As [`Frames::next`], for who reads the body himself.
    pub fn next_as<T>(&mut self, decode: impl FnOnce(&mut [u8]) -> Result<T, Fault>) -> Option<Result<T, Fault>> {
        loop {
            match self.expected {
                Expected::Anything => {
                    let Some(at) = find_header(&self.buffer[self.start..], self.searched) else {
                        // The beginning of a header may be there already.
                        let rest = self.buffer.len() - self.start;
                        self.consume(rest.saturating_sub(NAME.len()));
                        return None;
                    };
                    self.consume(at);
                    self.expected = Expected::Header;
                }
                Expected::Header => {
                    let rest = &self.buffer[self.start..];
                    let Some((text, end)) = header_end(rest) else {
                        if rest.len() > MAX_HEADER {
                            self.consume(1);
                            return Some(Err(self.lost("a header without end")));
                        }
                        return None;
                    };
                    match Header::read(&rest[..text]) {
                        Ok(header) => {
                            self.consume(end);
                            self.expected = Expected::Body(header);
                        }
                        Err(why) => {
                            // What looks like a header's end may be that of the next one, behind what is left of a body.
                            let next = find_header(&rest[..end], 1);
                            self.consume(next.unwrap_or(end));
                            return Some(Err(self.lost(why)));
                        }
                    }
                }
                Expected::Body(Header { length, utf8 }) => {
                    let rest = &mut self.buffer[self.start..];
                    let have = rest.len().min(length);
                    if have < length {
                        let from = self.searched;
                        self.searched = have.saturating_sub(MAX_HEADER);
                        let at = find_whole_header(&rest[..have], from)?;
                        self.consume(at);
                        return Some(Err(self.lost("a body shorter than its header says")));
                    }
                    let body = &mut rest[..length];
                    let decoded = if utf8 { decode(body) } else { Err(Fault("a charset other than UTF-8".into())) };
                    let end = if decoded.is_err() { find_whole_header(body, 0).unwrap_or(length) } else { length };
                    self.consume(end);
                    self.expected = Expected::Header;
                    return Some(decoded);
                }
            }
        }
    }

    fn lost(&mut self, why: &'static str) -> Fault {
        self.expected = Expected::Anything;
        Fault(why.into())
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.searched = 0;
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > CHUNK {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        // One long message must not keep its memory for ever.
        if self.buffer.capacity() > 16 * CHUNK && self.buffer.len() < CHUNK {
            self.buffer.shrink_to(CHUNK);
        }
    }
}

const NAME: &[u8] = b"content-length:";

impl Header {
    fn read(text: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "a header that is no text")?;
        let (mut length, mut utf8) = (None, true);
        for line in text.lines().filter(|l| !l.is_empty()) {
            let (name, value) = line.split_once(':').ok_or("a header line without a colon")?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let number = value.parse::<usize>().ok().filter(|_| value.bytes().all(|b| b.is_ascii_digit()));
                length = Some(number.filter(|n| *n <= MAX_MESSAGE).ok_or("a header with an impossible length")?);
            } else if name.eq_ignore_ascii_case("content-type") {
                let value = value.to_ascii_lowercase();
                let charset = value.split_once("charset=").map(|c| c.1.trim_matches(['"', ' ']));
                utf8 = charset.is_none_or(|c| c == "utf-8" || c == "utf8");
            }
        }
        Ok(Self { length: length.ok_or("a header without a length")?, utf8 })
    }
}

/// Where the header's text ends, and where its body begins. Bare line feeds are taken too.
fn header_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let bytes = &bytes[..bytes.len().min(MAX_HEADER)];
    let mut at = 0;
    while let Some(feed) = memchr(b'\n', &bytes[at..]) {
        let line = at + feed + 1;
        match bytes.get(line..) {
            Some([b'\n', ..]) => return Some((line, line + 1)),
            Some([b'\r', b'\n', ..]) => return Some((line, line + 2)),
            _ => at = line,
        }
    }
    None
}

/// Where a header begins, at or behind `from`.
fn find_header(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        // The dash is the rarest of its characters.
        let dash = at + memchr(b'-', bytes.get(at..)?)?;
        at = dash + 1;
        let start = dash.checked_sub(7).filter(|s| *s >= from);
        if let Some(start) = start
            && bytes.get(start..start + NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME))
        {
            return Some(start);
        }
    }
}

/// Where a header begins that is whole and right, with raw line breaks.
fn find_whole_header(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(found) = find_header(bytes, at) {
        if header_end(&bytes[found..]).is_some_and(|(text, _)| Header::read(&bytes[found..found + text]).is_ok()) {
            return Some(found);
        }
        at = found + 1;
    }
    None
}

/// Replaces each escaped half of a surrogate pair that stands alone by U+FFFD, which is one unit of UTF-16 too, so that the
/// columns behind it stay true. Clients whose strings are UTF-16 write such halves.
fn mend_surrogates(body: &mut [u8]) {
    if memmem::find(body, br"\ud").is_none() && memmem::find(body, br"\uD").is_none() {
        return;
    }
    let unit = |body: &[u8], at: usize| -> Option<u16> {
        let [b'\\', b'u', digits @ ..] = body.get(at..at + 6)? else { return None };
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while let Some(found) = memchr(b'\\', &body[at..]) {
        let escape = at + found;
        at = match unit(body, escape) {
            Some(0xd800..=0xdbff) if matches!(unit(body, escape + 6), Some(0xdc00..=0xdfff)) => escape + 12,
            Some(0xd800..=0xdfff) => {
                body[escape + 2..escape + 6].copy_from_slice(b"fffd");
                escape + 6
            }
            _ => (escape + 2).min(body.len()),
        };
    }
}

/// What decides over a message's way.
#[derive(Debug, Deserialize)]
pub struct Head<'a> {
    /// Of requests and their answers.
    #[serde(default, deserialize_with = "some")]
    pub id: Option<Value>,
    /// Of requests and notifications.
    #[serde(default, borrow)]
    pub method: Option<Cow<'a, str>>,
}

impl<'a> Head<'a> {
    /// Of a message's body; `None` if that is no JSON object. The answers and notifications of our own server, which may be long,
    /// are not gone through: they begin with what they are, and the id of an answer stands at the end, where only a member of
    /// the outermost object can.
    pub fn of(body: &'a [u8]) -> Option<Self> {
        Self::at_the_ends(body).or_else(|| serde_json::from_slice(body).ok())
    }

    fn at_the_ends(body: &'a [u8]) -> Option<Self> {
        /// An id is not longer, in bytes.
        const MAX_ID: usize = 48;
        let behind = body.strip_suffix(b"}")?;
        let tail = &behind[behind.len().saturating_sub(MAX_ID)..];
        let id = memmem::rfind(tail, br#","id":"#).map(|at| &tail[at + 6..]);
        let id = id.filter(|id| !id.is_empty() && id.iter().all(u8::is_ascii_digit));
        if body.starts_with(br#"{"jsonrpc":"2.0","result":"#) {
            let id = serde_json::from_slice(id?).ok()?;
            return Some(Self { id: Some(id), method: None });
        }
        let named = body.strip_prefix(br#"{"jsonrpc":"2.0","method":""#)?;
        let (name, rest) = named.split_at(memchr(b'"', named)?);
        let plain = !name.contains(&b'\\') && rest.starts_with(br#"","params":"#) && matches!(behind.last(), Some(b'}' | b']'));
        plain.then(|| std::str::from_utf8(name).ok().map(|name| Self { id: None, method: Some(name.into()) }))?
    }
}

fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// Puts a body on the wire.
pub fn frame_into(wire: &mut Vec<u8>, body: &[u8]) {
    wire.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    wire.extend_from_slice(body);
}

/// A message as it goes over the wire.
pub fn frame(message: &impl serde::Serialize) -> Vec<u8> {
    // Room for the header, which is known last.
    let mut out = vec![b' '; 40];
    // Protocol structures always serialise; an empty body would be told as a fault by whoever reads it.
    let _ = serde_json::to_writer(&mut out, message);
    let header = format!("Content-Length: {}\r\n\r\n", out.len() - 40);
    let start = 40 - header.len();
    out[start..40].copy_from_slice(header.as_bytes());
    out.drain(..start);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], cut: usize) -> Vec<Result<Value, String>> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        for part in [&bytes[..cut], &bytes[cut..]] {
            frames.push(part);
            while let Some(next) = frames.next() {
                out.push(next.map(|m| m.value).map_err(|f| f.to_string()));
            }
        }
        out
    }

    #[test]
    fn a_head_is_the_same_by_its_ends() {
        let told = |body: &str| Head::of(body.as_bytes()).map(|h| (h.id, h.method.map(Cow::into_owned)));
        let read = |body: &str| serde_json::from_str::<Head>(body).ok().map(|h| (h.id, h.method.map(Cow::into_owned)));
        for body in [
            r#"{"jsonrpc":"2.0","result":{"items":[{"id":7}]},"id":12}"#,
            r#"{"jsonrpc":"2.0","result":",\"id\":3","id":4}"#,
            r#"{"jsonrpc":"2.0","result":null,"id":"a,b"}"#,
            r#"{"jsonrpc":"2.0","result":{"x":1,"id":5}}"#,
            r#"{"jsonrpc":"2.0","method":"a/b","params":{"uri":"u","id":5}}"#,
            r#"{"jsonrpc":"2.0","method":"a/b","params":{"uri":"u"},"id":5}"#,
            r#"{"jsonrpc":"2.0","method":"a/b","params":[1],"id":"x"}"#,
            r#"{"jsonrpc":"2.0","method":"a/b","params":"t,\"id\":5"}"#,
            r#"{"jsonrpc":"2.0","method":"a\u0062","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"a","id":5,"params":{}}"#,
            r#"{"jsonrpc":"2.0","error":{"code":1},"id":3}"#,
            r#"{"id":1}"#,
            "}",
            "",
        ] {
            assert_eq!(told(body), read(body), "{body}");
        }
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        [format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
    }

    fn good(n: i32) -> Vec<u8> {
        frame(&json!({"id": n, "s": "ü"}))
    }

    #[test]
    fn messages_are_cut_wherever_the_bytes_break() {
        let bytes = [good(1), b"Content-Type: x\r\nContent-Length: 2\r\n\r\n{}".to_vec(), b"content-length:2\n\n{}".to_vec()].concat();
        for cut in 0..bytes.len() {
            assert_eq!(all(&bytes, cut), [Ok(json!({"id": 1, "s": "ü"})), Ok(json!({})), Ok(json!({}))], "{cut}");
        }
    }

    #[test]
    fn behind_any_fault_the_next_message_is_found() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(400), "]".repeat(400));
        let faults: Vec<Vec<u8>> = vec![
            framed(b"{\"a\": }"),
            framed(b"[{\"jsonrpc\":\"2.0\",\"method\":\"a\"}]"),
            framed(b"7"),
            framed(b""),
            framed(b"{\"a\":\"\xff\xfe\"}"),
            framed(deep.as_bytes()),
            b"Content-Length: 2\r\nContent-Type: text/json; charset=utf-16\r\n\r\n{}".to_vec(),
            b"Content-Length: abc\r\n\r\n{}".to_vec(),
            b"Content-Length: -1\r\n\r\n{}".to_vec(),
            b"Content-Length: +2\r\n\r\n{}".to_vec(),
            b"Content-Length: 18446744073709551616\r\n\r\n{}".to_vec(),
            b"Content-Length: 4294967296\r\n\r\n{}".to_vec(),
            b"Content-Length: 9000\r\n\r\n{}".to_vec(),
            b"Content-Length: 1\r\n\r\n{}".to_vec(),
            b"Content-Length: 40\r\n\r\n{}".to_vec(),
            b"Length: 2\r\n\r\n{}".to_vec(),
            b"nonsense\r\n\r\n".to_vec(),
            b"\xff\xfe\r\n\r\n".to_vec(),
            [b'-'; 3 * MAX_HEADER].to_vec(),
        ];
        for fault in faults {
            let bytes = [good(1), fault.clone(), good(2), good(3)].concat();
            let step = if bytes.len() > 1000 { 97 } else { 1 };
            for cut in (0..bytes.len()).step_by(step) {
                let got = all(&bytes, cut);
                let told = String::from_utf8_lossy(&fault[..fault.len().min(80)]).into_owned();
                assert_eq!(got.first(), Some(&Ok(json!({"id": 1, "s": "ü"}))), "{told}");
                assert!(got[1..got.len() - 2].iter().all(Result::is_err), "{told}: {got:?}");
                assert!(got.len() >= 4, "{told} at {cut}: {got:?}");
                assert_eq!(got.last(), Some(&Ok(json!({"id": 3, "s": "ü"}))), "{told} at {cut}");
                assert_eq!(got[got.len() - 2], Ok(json!({"id": 2, "s": "ü"})), "{told} at {cut}: {got:?}");
            }
        }
    }

    #[test]
    fn nothing_is_allocated_because_a_header_promises_it() {
        let mut frames = Frames::default();
        frames.push(format!("Content-Length: {MAX_MESSAGE}\r\n\r\n{{").as_bytes());
        assert_eq!(frames.next(), None);
        assert!(frames.buffer.capacity() < 4096);
    }

    #[test]
    fn half_a_pair_is_one_unit() {
        let mended = |text: &str| {
            let mut bytes = text.as_bytes().to_vec();
            mend_surrogates(&mut bytes);
            assert_eq!(bytes.len(), text.len());
            serde_json::from_slice::<String>(&bytes).unwrap()
        };
        assert_eq!(mended(r#""a\ud83db""#), "a\u{fffd}b");
        assert_eq!(mended(r#""a\uDE00\ud83d\uDE00\ud83d""#), "a\u{fffd}\u{1f600}\u{fffd}");
        assert_eq!(mended(r#""\ud83d\ud83d\ude00""#), "\u{fffd}\u{1f600}");
        assert_eq!(mended(r#""\\ud83d\\\ud83d\n""#), "\\ud83d\\\u{fffd}\n");
        assert_eq!(mended(r#""\ud83d\n""#), "\u{fffd}\n");
        let mut cut = br#""\ud83"#.to_vec();
        mend_surrogates(&mut cut);
        assert_eq!(cut, br#""\ud83"#);
    }

    #[test]
    fn the_head_is_read_without_the_rest() {
        let head = |text: &'static str| {
            let head: Head = serde_json::from_str(text).unwrap();
            (head.id, head.method.map(Cow::into_owned))
        };
        assert_eq!(head(r#"{"jsonrpc":"2.0","params":{"id":7},"method":"a"}"#), (None, Some("a".into())));
        assert_eq!(head(r#"{"id":null,"result":{"method":"b"}}"#), (Some(Value::Null), None));
    }
}
