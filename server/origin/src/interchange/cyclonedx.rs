//! CycloneDX 1.7: files as components, their regions as occurrences, and a citation for each region that names the
//! model (or the tool, where the model is not known) it is attributed to.

use super::{FileOrigins, Region, is_ai, model_id, uuid};
use crate::{ledger::event::hex, time};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Writes a bill of materials. `time` is in milliseconds since 1970.
pub fn write(files: &[FileOrigins], time: i64) -> Value {
    let timestamp = time::format(time);
    let regions = || files.iter().flat_map(|f| &f.regions);
    // A set has an order of its own, so the same files give the same document.
    let makers: BTreeSet<Maker> = regions().filter_map(maker).collect();
    let mut components: Vec<Value> = makers.iter().map(Maker::component).collect();
    let mut citations = Vec::new();
    for file in files {
        let at = components.len();
        for (index, region) in file.regions.iter().enumerate() {
            let Some(maker) = maker(region) else { continue };
            citations.push(json!({
                "bom-ref": format!("citation:{}", citations.len() + 1),
                "pointers": [format!("/components/{at}/evidence/occurrences/{index}")],
                "timestamp": timestamp,
                "attributedTo": maker.reference(),
                "note": note(region),
            }));
        }
        components.push(component(file));
    }
    let mut bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "version": 1,
        "metadata": {
            "timestamp": timestamp,
            "tools": { "components": [{ "type": "application", "name": "qualm", "version": env!("CARGO_PKG_VERSION") }] },
        },
        "components": components,
    });
    if !citations.is_empty() {
        bom["citations"] = Value::Array(citations);
    }
    bom["serialNumber"] = Value::String(format!("urn:uuid:{}", uuid(blake3::hash(bom.to_string().as_bytes()).as_bytes())));
    bom
}

/// Who a region is attributed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Maker {
    Model(String),
    Tool(String),
}

fn maker(region: &Region) -> Option<Maker> {
    match region {
        r if !is_ai(&r.origin) => None,
        r if !r.model.is_empty() => Some(Maker::Model(model_id(&r.model))),
        r if !r.tool.is_empty() => Some(Maker::Tool(r.tool.clone())),
        _ => None,
    }
}

impl Maker {
    fn reference(&self) -> String {
        match self {
            Maker::Model(id) => format!("model:{id}"),
            Maker::Tool(name) => format!("tool:{name}"),
        }
    }

    fn component(&self) -> Value {
        match self {
            Maker::Model(id) => {
                let (group, name) = id.split_once('/').unwrap_or(("", id));
                let mut component = json!({ "type": "machine-learning-model", "bom-ref": self.reference(), "name": name });
                if !group.is_empty() {
                    component["group"] = json!(group);
                }
                component
            }
            Maker::Tool(name) => json!({ "type": "application", "bom-ref": self.reference(), "name": name }),
        }
    }
}

fn component(file: &FileOrigins) -> Value {
    let occurrence = |region: &Region| {
        json!({
            "location": file.path,
            "line": region.start,
            "additionalContext": format!("lines {}-{} origin={} confidence={}", region.start, region.end, region.origin, share(region.confidence)),
        })
    };
    let mut kinds: BTreeSet<&str> = file.regions.iter().map(|r| r.origin.as_str()).collect();
    kinds.insert("unknown");
    let lines = |kind: &str| file.regions.iter().filter(|r| r.origin == kind).map(|r| r.end - r.start + 1).sum::<u32>().to_string();
    let mut properties = vec![json!({ "name": "qualm:lines.total", "value": file.lines.to_string() })];
    properties.extend(kinds.iter().map(|k| json!({ "name": format!("qualm:lines.{k}"), "value": lines(k) })));
    json!({
        "type": "file",
        "bom-ref": format!("file:{}", file.path),
        "name": file.path,
        "hashes": [{ "alg": "BLAKE3", "content": hex(&file.hash) }],
        "evidence": { "occurrences": file.regions.iter().map(occurrence).collect::<Vec<_>>() },
        "properties": properties,
    })
}

fn note(region: &Region) -> String {
    let session = if region.session.is_empty() { String::new() } else { format!("; session {}", region.session) };
    let tool = if region.tool.is_empty() { String::new() } else { format!("{}: ", region.tool) };
    format!("{tool}{}{session}", region.evidence)
}

fn share(percent: u8) -> String {
    format!("{:.2}", f64::from(percent) / 100.0)
}
