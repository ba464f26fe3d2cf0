//! Records of origin as others write and read them.
#![allow(clippy::unwrap_used)]

use qualm_origin::{
    interchange::{
        At, FileOrigins, Region,
        agent_trace::{self, VERSION},
        cyclonedx,
    },
    ledger::event::text_hash,
};
use serde_json::{Value, json};

fn files() -> Vec<FileOrigins> {
    let region = |start, end, origin: &str, tool: &str, model: &str| Region {
        start,
        end,
        origin: origin.into(),
        confidence: 99,
        tool: tool.into(),
        model: model.into(),
        session: if tool.is_empty() { String::new() } else { "s 1/ä".into() },
        evidence: "hook:claude:PostToolUse:Edit".into(),
        hash: text_hash("x"),
    };
    let regions = vec![
        region(1, 3, "unknown", "", ""),
        region(4, 9, "agent", "claude-code", "claude-opus-4-5"),
        region(10, 10, "typed", "", ""),
        region(11, 12, "agent", "claude-code", "claude-opus-4-5"),
        region(13, 14, "completion", "cursor", ""),
        region(15, 20, "pasted", "", ""),
    ];
    vec![FileOrigins { path: "src/a.py".into(), lines: 20, hash: text_hash("y"), regions }]
}

#[test]
fn records_are_valid_under_the_published_schema() {
    let schema: Value = serde_json::from_str(include_str!("data/agent-trace-0.1.0.schema.json")).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let record = agent_trace::write(&files(), Some("a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0"), 1_795_384_200_000);
    let errors: Vec<String> = validator.iter_errors(&record).map(|e| e.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert!(validator.is_valid(&agent_trace::write(&[], None, 0)));
    assert!(!validator.is_valid(&json!({ "version": "1.0", "id": "x", "timestamp": "y", "files": [] })), "the schema is really applied");
    let kinds: Vec<&str> =
        record["files"][0]["conversations"].as_array().unwrap().iter().map(|c| c["contributor"]["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["unknown", "ai", "human", "ai"], "pasted text is not called human");
    assert_eq!(record["version"], VERSION);
    assert_eq!(record["files"][0]["conversations"][1]["contributor"]["model_id"], "anthropic/claude-opus-4-5");
}

#[test]
fn what_is_written_is_read_again() {
    let revision = "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0";
    let text = format!("{}\n", agent_trace::write(&files(), Some(revision), 0));
    let import = agent_trace::read(&text);
    let mut claims: Vec<_> = import.claims.iter().map(|c| (c.start, &*c.origin, &*c.tool, &*c.model, &*c.session, c.confidence)).collect();
    claims.sort_unstable();
    let regions = &files()[0].regions;
    assert_eq!(claims, regions.iter().map(|r| (r.start, &*r.origin, &*r.tool, &*r.model, &*r.session, 90)).collect::<Vec<_>>());
    assert!(import.claims.iter().all(|c| c.at == At::Commit(revision.into()) && c.content.starts_with("blake3:")));
}

#[test]
fn faults_of_the_reference_writer_make_no_false_claims() {
    let head = "0123456789012345678901234567890123456789";
    let record = |ranges: Value| {
        json!({
            "version": "1.0", "id": "5f1e", "timestamp": "2026-01-23T14:30:00Z", "vcs": { "type": "git", "revision": head },
            "tool": { "name": "claude-code" },
            "files": [{ "path": "a.py", "conversations": [{ "contributor": { "type": "ai" }, "ranges": ranges }] }],
        })
    };
    let fault = record(json!([{ "start_line": 1, "end_line": 1 }, { "start_line": 1, "end_line": 7 }, { "start_line": 5, "end_line": 7 }]));
    let import = agent_trace::read(&format!("{fault}\n"));
    assert_eq!(import.doubtful, 2);
    let [claim] = &import.claims[..] else { panic!("{import:?}") };
    assert_eq!(
        (claim.start, claim.end, claim.confidence, &claim.at),
        (5, 7, 50, &At::EditOn(head.into())),
        "the commit is the one before the edit"
    );
}

#[test]
fn hostile_records_are_passed_over() {
    let lines = [
        "",
        "null",
        "[]",
        "{",
        "{\"files\":3}",
        "\u{feff}x",
        r#"{"files":[{"path":"../../etc/passwd","conversations":[{"ranges":[{"start_line":1,"end_line":2}]}]}]}"#,
        r#"{"files":[{"path":"/etc/passwd","conversations":[{"ranges":[{"start_line":1,"end_line":2}]}]}]}"#,
        r#"{"files":[{"path":"a","conversations":[{"ranges":[{"start_line":0,"end_line":2},{"start_line":3,"end_line":2},{"start_line":-1,"end_line":1e400}]}]}]}"#,
        r#"{"version":"0.1.0","files":[{"path":"a","conversations":[{"contributor":{"type":7},"ranges":[{"start_line":2,"end_line":4294967295}]}]}]}"#,
    ];
    let import = agent_trace::read(&lines.join("\n"));
    assert_eq!(import.claims.iter().map(|c| (c.start, c.origin.as_str())).collect::<Vec<_>>(), [(2, "unknown")]);
    assert_eq!(import.unreadable, [2, 3, 4, 5, 6, 9]);
}

#[test]
fn citations_point_at_what_they_speak_of() {
    let bom = cyclonedx::write(&files(), 1_795_384_200_000);
    assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&json!("CycloneDX"), &json!("1.7")));
    let citations = bom["citations"].as_array().unwrap();
    assert_eq!(citations.len(), 3, "only what a model wrote is attributed to one");
    let schema: Value = serde_json::from_str(include_str!("data/cyclonedx-1.7-citations.schema.json")).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&bom["citations"]).map(|e| e.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    assert!(!validator.is_valid(&json!([{ "pointers": ["/x"] }])), "the schema is really applied");
    let references: Vec<&Value> = bom["components"].as_array().unwrap().iter().map(|c| &c["bom-ref"]).collect();
    for citation in citations {
        let occurrence = bom.pointer(citation["pointers"][0].as_str().unwrap()).unwrap();
        let context = occurrence["additionalContext"].as_str().unwrap();
        assert!(context.contains("origin=agent") || context.contains("origin=completion"), "{context}");
        assert!(references.contains(&&citation["attributedTo"]), "{citation}");
    }
    let file = bom["components"].as_array().unwrap().iter().find(|c| c["type"] == "file").unwrap();
    assert!(file["properties"].as_array().unwrap().contains(&json!({ "name": "qualm:lines.unknown", "value": "3" })));
    assert_eq!(bom, cyclonedx::write(&files(), 1_795_384_200_000), "the same files give the same document");
}
