//! Agent Trace records, one JSON object a line. Written to version 0.1.0 and valid under its schema; read tolerantly,
//! because the specification's own reference writer does not follow it.
//!
//! That writer can be told by its version `1.0`, which its schema refuses. It has two faults that would make false
//! claims: where it does not find the text it claims lines from 1 on, and it names the commit before the edit as the
//! one whose lines it counts. So ranges of such records that begin on line 1 are dropped, and the others hold for what
//! was edited on top of that commit.

use super::{At, Claim, FileOrigins, Region, is_ai, model_id, path_in_repository, uuid};
use crate::{ledger::event::hex, time};
use serde_json::{Map, Value, json};

/// The version that is written.
pub const VERSION: &str = "0.1.0";

/// Larger files of records are not read to the end.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// The claims, in the order of the records.
    pub claims: Vec<Claim>,
    /// Lines that are no record (1-based).
    pub unreadable: Vec<usize>,
    /// Ranges that were dropped because they cannot be told from the known fault of claiming line 1.
    pub doubtful: usize,
}

/// Reads records, one a line; broken lines are passed over.
pub fn read(text: &str) -> Import {
    let mut import = Import::default();
    for (at, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Value::Object(record)) if record.get("files").is_some_and(Value::is_array) => record_claims(&record, &mut import),
            _ => import.unreadable.push(at + 1),
        }
    }
    import
}

fn record_claims(record: &Map<String, Value>, import: &mut Import) {
    let version = text(record.get("version"));
    // The reference writer's `1.0`; any later specification has three parts.
    let reference = version.split('.').count() < 3;
    let vcs = record.get("vcs").filter(|v| text(v.get("type")) == "git");
    let revision = vcs.map(|v| text(v.get("revision"))).filter(|r| r.len() >= 40 && r.bytes().all(|b| b.is_ascii_hexdigit()));
    let at = match revision {
        Some(revision) if reference => At::EditOn(revision.to_owned()),
        Some(revision) => At::Commit(revision.to_owned()),
        None => At::Unknown,
    };
    let tool = record.get("tool").map_or("", |t| text(t.get("name")));
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    for file in list(record.get("files")) {
        let Some(path) = path_in_repository(text(file.get("path"))) else { continue };
        for conversation in list(file.get("conversations")) {
            for range in list(conversation.get("ranges")) {
                let Some((start, end)) = lines(&range) else { continue };
                let content = text(range.get("content_hash"));
                if reference && start == 1 && content.is_empty() {
                    import.doubtful += 1;
                    continue;
                }
                let contributor = range.get("contributor").or_else(|| conversation.get("contributor"));
                let kind = contributor.map_or("unknown", |c| text(c.get("type")));
                let (origin, confidence) = match kind {
                    "ai" => ("agent", if reference { 50 } else { 90 }),
                    "mixed" => ("agent", 50),
                    "human" => ("typed", 50),
                    _ => ("unknown", 0),
                };
                let id = text(record.get("id"));
                let claim = Claim {
                    file: path.clone(),
                    start,
                    end,
                    origin: origin.to_owned(),
                    tool: known(tool),
                    model: contributor.map_or("", |c| text(c.get("model_id"))).to_owned(),
                    session: text(conversation.get("url")).to_owned(),
                    confidence,
                    evidence: format!("agent-trace record {id} says {kind}"),
                    at: at.clone(),
                    content: content.to_owned(),
                };
                import.claims.push(if tool == "qualm" { told_by_us(claim, record) } else { claim });
            }
        }
    }
}

/// A claim of our own record, with what the standard fields have no room for. The tool that wrote the record is not
/// the one that wrote the text.
fn told_by_us(claim: Claim, record: &Map<String, Value>) -> Claim {
    let claim = Claim { tool: String::new(), ..claim };
    let details = record.get("metadata").and_then(|m| m.get("dev.qualm")).and_then(|q| q.get("ranges")).and_then(Value::as_array);
    let same = |d: &&Value| text(d.get("path")) == claim.file && lines(d) == Some((claim.start, claim.end));
    let Some(detail) = details.and_then(|d| d.iter().find(same)) else { return claim };
    let field = |name: &str| text(detail.get(name)).chars().filter(|c| !c.is_control()).take(500).collect::<String>();
    let confidence = detail.get("confidence").and_then(Value::as_f64).unwrap_or(0.0).clamp(0.0, 1.0);
    let because = detail.get("evidence").and_then(|e| e.get(0)).map(|e| text(Some(e))).unwrap_or_default();
    Claim {
        // A record can be written by anybody, so it is believed no further than others.
        confidence: ((confidence * 100.0).round() as u8).min(90),
        origin: field("origin"),
        tool: field("tool"),
        model: field("model"),
        session: field("session"),
        evidence: format!("{} ({because})", claim.evidence),
        ..claim
    }
}

fn known(tool: &str) -> String {
    if tool == "unknown" { String::new() } else { tool.to_owned() }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or("")
}

fn lines(range: &Value) -> Option<(u32, u32)> {
    let line = |name: &str| range.get(name)?.as_u64().and_then(|n| u32::try_from(n).ok());
    let (start, end) = (line("start_line")?, line("end_line")?);
    (start >= 1 && end >= start).then_some((start, end))
}

/// Writes one record over files. `revision` is the commit in which the lines are counted, if they are those of one;
/// `time` is in milliseconds since 1970.
pub fn write(files: &[FileOrigins], revision: Option<&str>, time: i64) -> Value {
    let mut record = json!({
        "version": VERSION,
        "id": "",
        "timestamp": time::format(time),
        "tool": { "name": "qualm", "version": env!("CARGO_PKG_VERSION") },
        "files": files.iter().map(file).collect::<Vec<_>>(),
        "metadata": { "dev.qualm": { "ranges": files.iter().flat_map(details).collect::<Vec<_>>() } },
    });
    if let Some(revision) = revision {
        record["vcs"] = json!({ "type": "git", "revision": revision });
    }
    record["id"] = Value::String(uuid(blake3::hash(record.to_string().as_bytes()).as_bytes()));
    record
}

fn file(file: &FileOrigins) -> Value {
    // One conversation for each author of regions, in the order of their first region.
    let mut conversations: Vec<((&str, &str, &str), Vec<&Region>)> = Vec::new();
    for region in &file.regions {
        let key = (contributor(region), region.model.as_str(), region.session.as_str());
        match conversations.iter_mut().find(|c| c.0 == key) {
            Some((_, regions)) => regions.push(region),
            None => conversations.push((key, vec![region])),
        }
    }
    let conversations: Vec<Value> = conversations
        .into_iter()
        .map(|((kind, model, session), regions)| {
            let mut contributor = json!({ "type": kind });
            if !model.is_empty() {
                contributor["model_id"] = Value::String(model_id(model));
            }
            let hash = |r: &Region| format!("blake3:{}", hex(&r.hash));
            let ranges = regions.iter().map(|r| json!({ "start_line": r.start, "end_line": r.end, "content_hash": hash(r) }));
            let mut conversation = json!({ "contributor": contributor, "ranges": ranges.collect::<Vec<_>>() });
            // A session is an opaque word; as a URL it goes by the scheme for those.
            if !session.is_empty() {
                let word: String = session.bytes().flat_map(percent).collect();
                conversation["url"] = Value::String(format!("urn:qualm:session:{word}"));
            }
            conversation
        })
        .collect();
    json!({ "path": file.path, "conversations": conversations })
}

fn percent(byte: u8) -> Vec<char> {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
        vec![byte as char]
    } else {
        format!("%{byte:02X}").chars().collect()
    }
}

/// Only what is known to be a model's is called so; only what was seen typed is called human.
fn contributor(region: &Region) -> &'static str {
    match region.origin.as_str() {
        origin if is_ai(origin) => "ai",
        "typed" => "human",
        _ => "unknown",
    }
}

fn details(file: &FileOrigins) -> Vec<Value> {
    let detail = |r: &Region| {
        json!({
            "path": file.path, "start_line": r.start, "end_line": r.end, "origin": r.origin,
            "confidence": f64::from(r.confidence) / 100.0, "tool": r.tool, "model": r.model, "session": r.session,
            "evidence": [r.evidence],
        })
    };
    file.regions.iter().map(detail).collect()
}
