//! From an agent's JSON to a [`HookEvent`]. The agents differ less in what they say than in how they call it, so the
//! names are tables here and the reading is one.

use super::{
    Agent, Edit, HookError, HookEvent, Phase, Work,
    json::{inner, object, text},
    patch,
};
use serde_json::{Map, Value};

const EVENT: &[&str] = &["hook_event_name", "hookEventName", "agent_action_name", "event"];
const SESSION: &[&str] =
    &["session_id", "sessionId", "conversation_id", "conversationId", "thread_id", "thread-id", "trajectory_id", "threadId"];
const CALL: &[&str] = &["tool_use_id", "toolUseId", "toolCallId", "tool_call_id", "execution_id", "generation_id", "turn_id"];
const MODEL: &[&str] = &["model", "model_name", "modelName", "model_id", "modelId"];
const TIME: &[&str] = &["timestamp", "time"];
const TOOL: &[&str] = &["tool_name", "toolName"];
const INPUT: &[&str] = &["tool_input", "toolInput", "toolArgs", "tool_args", "tool_info"];
const RESULT: &[&str] = &["tool_response", "toolResponse", "tool_result", "toolResult", "tool_output"];
const PATH: &[&str] = &["file_path", "filePath", "path", "notebook_path", "notebookPath", "target_file", "absolute_path"];
const OLD: &[&str] = &["old_string", "oldString", "old_str", "oldText", "old_text"];
const NEW: &[&str] = &["new_string", "newString", "new_str", "newText", "new_text", "new_source"];
const WHOLE: &[&str] = &["content", "contents", "file_text", "fileText"];
const EDITS: &[&str] = &["edits", "replacements"];

/// What a tool does, as far as its name tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    /// Edits or writes; the fields tell which.
    Change,
    Delete,
    Command,
    /// Looks only.
    Nothing,
    /// Unknown: only unmistakable fields count.
    Perhaps,
}

/// Tools by their names in small letters without `_`, `-` and server prefix.
fn does(tool: &str) -> Does {
    let tool = tool.rsplit("__").next().unwrap_or(tool);
    let name: String = tool.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).take(64).collect();
    match name.as_str() {
        "write"
        | "edit"
        | "multiedit"
        | "notebookedit"
        | "applypatch"
        | "writefile"
        | "replace"
        | "strreplace"
        | "create"
        | "createfile"
        | "replacestringinfile"
        | "multireplacestringinfile"
        | "inserteditintofile"
        | "editfile"
        | "searchreplace"
        | "editnotebookfile" => Does::Change,
        "delete" | "deletefile" => Does::Delete,
        "bash" | "shell" | "execcommand" | "runshellcommand" | "runinterminal" | "terminal" | "localshell" | "powershell" => Does::Command,
        "read" | "readfile" | "view" | "grep" | "glob" | "ls" | "listdir" | "webfetch" | "websearch" | "task" | "todowrite" => {
            Does::Nothing
        }
        _ => Does::Perhaps,
    }
}

/// Reads one payload.
pub fn parse(agent: Agent, bytes: &[u8]) -> Result<HookEvent, HookError> {
    let map = object(bytes)?;
    let name = text(&map, EVENT).unwrap_or("");
    let result = RESULT.iter().find_map(|n| map.get(*n));
    let phase = match name.to_ascii_lowercase().as_str() {
        n if n.starts_with("pre") || n.starts_with("before") => Phase::Before,
        n if n.starts_with("post") || n.starts_with("after") => Phase::After,
        // Copilot CLI does not name the event; only afterwards is there a result.
        "" if result.is_some() => Phase::After,
        "" if text(&map, TOOL).is_some() => Phase::Before,
        _ => Phase::Other,
    };
    let input = inner(&map, INPUT);
    let tool = text(&map, TOOL).unwrap_or("");
    let failed = result.is_some_and(failed);
    let work = if failed || phase == Phase::Other { Vec::new() } else { work(name, tool, &map, input.as_ref(), result) };
    let owned = |names: &[&str]| text(&map, names).unwrap_or("").to_owned();
    let roots = ["workspace_roots", "workspaceRoots"].iter().find_map(|n| map.get(*n)?.as_array());
    Ok(HookEvent {
        agent,
        phase,
        name: plain(name),
        tool: plain(tool),
        session: owned(SESSION),
        call: owned(CALL),
        model: owned(MODEL),
        time: TIME.iter().find_map(|n| map.get(*n)).and_then(time),
        cwd: text(&map, &["cwd"]).or_else(|| input.as_ref().and_then(|i| text(i, &["cwd"]))).map(str::to_owned),
        roots: roots.map(|r| r.iter().filter_map(Value::as_str).map(str::to_owned).collect()).unwrap_or_default(),
        transcript: text(&map, &["transcript_path", "transcriptPath"]).map(str::to_owned),
        inline: name == "afterTabFileEdit",
        work,
    })
}

fn work(name: &str, tool: &str, map: &Map<String, Value>, input: Option<&Map<String, Value>>, result: Option<&Value>) -> Vec<Work> {
    // Cursor and Windsurf name the act in the event, the others in the tool.
    let does = match name {
        "afterFileEdit" | "afterTabFileEdit" | "post_write_code" | "pre_write_code" => Does::Change,
        "afterShellExecution" | "post_run_command" => Does::Command,
        _ => does(tool),
    };
    // An envelope may come as the input itself, as any field of it, or inside a shell command.
    let raw = INPUT.iter().find_map(|n| map.get(*n));
    if let Some(text) = raw.and_then(|v| find_envelope(v, 0))
        && does != Does::Nothing
    {
        return patch::envelope(text);
    }
    let fields = input.unwrap_or(map);
    let path = text(fields, PATH).map(str::to_owned);
    match (does, path) {
        (Does::Command, _) => vec![Work::Command],
        (Does::Delete, Some(path)) => vec![Work::Delete { path }],
        (Does::Change | Does::Perhaps, path) => change(path, fields, result),
        _ => Vec::new(),
    }
}

fn change(path: Option<String>, fields: &Map<String, Value>, result: Option<&Value>) -> Vec<Work> {
    // Line numbers by the agent itself are better than any search for the text.
    if let (Some(path), Some(hunks)) = (&path, result.and_then(|r| r.get("structuredPatch")).and_then(patch::structured))
        && !hunks.is_empty()
    {
        return vec![Work::Patched { path: path.clone(), hunks }];
    }
    if let Some(list) = EDITS.iter().find_map(|n| fields.get(*n)?.as_array()) {
        let mut work: Vec<Work> = Vec::new();
        for item in list.iter().filter_map(Value::as_object) {
            let (Some(edit), Some(path)) = (edit(item), text(item, PATH).map(str::to_owned).or_else(|| path.clone())) else { continue };
            match work.last_mut() {
                Some(Work::Edit { path: last, edits }) if *last == path => edits.push(edit),
                _ => work.push(Work::Edit { path, edits: vec![edit] }),
            }
        }
        return work;
    }
    let Some(path) = path else { return Vec::new() };
    if let Some(edit) = edit(fields) {
        return vec![Work::Edit { path, edits: vec![edit] }];
    }
    match text(fields, WHOLE) {
        Some(whole) => {
            let told = result.and_then(Value::as_object);
            let new = told.is_some_and(|r| text(r, &["type"]) == Some("create"));
            let before = if new { Some("") } else { told.and_then(|r| text(r, &["originalFile"])) };
            vec![Work::Write { path, text: whole.to_owned(), before: before.map(str::to_owned) }]
        }
        None => Vec::new(),
    }
}

fn edit(fields: &Map<String, Value>) -> Option<Edit> {
    let new = text(fields, NEW)?.to_owned();
    let flag = |n: &&str| fields.get(*n).and_then(Value::as_bool).unwrap_or(false);
    let line = fields.get("range").and_then(|r| r.get("start_line_number")).and_then(Value::as_u64);
    Some(Edit {
        old: text(fields, OLD).unwrap_or("").to_owned(),
        new,
        all: ["replace_all", "replaceAll"].iter().any(flag),
        line: line.and_then(|l| u32::try_from(l).ok()).filter(|l| *l > 0),
    })
}

fn find_envelope(value: &Value, depth: usize) -> Option<&str> {
    match value {
        Value::String(text) => patch::is_envelope(text).then_some(text),
        Value::Array(items) if depth < 4 => items.iter().find_map(|v| find_envelope(v, depth + 1)),
        Value::Object(map) if depth < 4 => {
            // Text that is being edited may quote an envelope without being one.
            let quoted = [OLD, NEW, WHOLE, EDITS].concat();
            map.iter().filter(|(name, _)| !quoted.contains(&name.as_str())).find_map(|(_, v)| find_envelope(v, depth + 1))
        }
        _ => None,
    }
}

/// Whether a tool's result says that it did nothing.
fn failed(result: &Value) -> bool {
    let Some(map) = result.as_object() else { return false };
    let is = |name: &str, value: bool| map.get(name).and_then(Value::as_bool) == Some(value);
    let error = map.get("error").is_some_and(|e| !(e.is_null() || e.as_str() == Some("") || e.as_bool() == Some(false)));
    let kind = text(map, &["resultType", "result_type", "status"]).unwrap_or("");
    error
        || is("success", false)
        || is("is_error", true)
        || is("isError", true)
        || matches!(kind, "failure" | "denied" | "rejected" | "error")
}

/// A moment as text (RFC 3339), seconds or milliseconds since 1970.
fn time(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => crate::time::parse(text),
        Value::Number(n) => {
            let n = n.as_f64().filter(|n| (0.0..1e14).contains(n))?;
            Some(if n < 1e11 { (n * 1000.0) as i64 } else { n as i64 })
        }
        _ => None,
    }
}

/// A name as it may stand in evidence.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).take(64).collect()
}
