//! What a commit says about itself: trailers such as `Co-authored-by` and `Assisted-by`, and its author. It speaks of
//! the whole commit, so it is the weakest evidence there is.

/// How far a commit's word is believed for each of its lines, in percent.
pub const CONFIDENCE: u8 = 60;

/// What a commit says of an assistant's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assisted {
    /// The program, as provenance records name it, or in the commit's words.
    pub tool: String,
    /// The model; empty if not told.
    pub model: String,
    /// The trailer or field that says so, without addresses.
    pub evidence: String,
}

/// What stands in a name or address, and whose it is.
const AGENTS: &[(&str, &str)] = &[
    ("noreply@anthropic.com", "claude-code"),
    ("claude[bot]", "claude-code"),
    ("+copilot@users.noreply.github.com", "github-copilot"),
    ("copilot-swe-agent", "github-copilot"),
    ("copilot@github.com", "github-copilot"),
    ("cursoragent@cursor.com", "cursor"),
    ("codex@openai.com", "codex"),
    ("noreply@openai.com", "codex"),
    ("chatgpt-codex-connector", "codex"),
    ("gemini-code-assist", "gemini-code-assist"),
    ("gemini-cli", "gemini-cli"),
    ("google-labs-jules", "jules"),
    ("devin-ai-integration", "devin"),
    ("@aider.chat", "aider"),
    ("amp@ampcode.com", "amp"),
    ("noreply@opencode.ai", "opencode"),
    ("@windsurf.com", "windsurf"),
    ("windsurf-bot", "windsurf"),
    ("junie@jetbrains.com", "junie"),
    ("openhands@all-hands.dev", "openhands"),
];

/// Reads a commit's message and its author (`Name <address>`).
pub fn assisted(message: &str, author: &str) -> Option<Assisted> {
    let trailers = trailers(message);
    let find = |key: &'static str| trailers.iter().filter(move |t| t.0.eq_ignore_ascii_case(key)).map(|t| t.1);
    for key in ["Assisted-by", "Generated-by"] {
        if let Some(found) = find(key).find_map(|value| declared(key, value)) {
            return Some(found);
        }
    }
    for value in find("Co-authored-by").chain(find("Co-developed-by")) {
        if let Some(tool) = agent(value) {
            return Some(Assisted { tool: tool.to_owned(), model: model_in_name(value), evidence: "trailer Co-authored-by".to_owned() });
        }
    }
    if let Some(share) = find("Entire-Attribution").next() {
        let percent = share.split('%').next().and_then(|p| p.trim().parse::<u8>().ok()).unwrap_or(0);
        let tool = find("Entire-Agent").next().map(plain).unwrap_or_default();
        return (percent > 0).then(|| Assisted {
            tool,
            model: String::new(),
            evidence: format!("trailer Entire-Attribution ({percent} %)"),
        });
    }
    if message.lines().any(|l| l.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).starts_with("Generated with [Claude Code]")) {
        return Some(Assisted { tool: "claude-code".into(), model: String::new(), evidence: "a line of the commit message".into() });
    }
    agent(author).map(|tool| Assisted { tool: tool.to_owned(), model: String::new(), evidence: "commit author".to_owned() })
}

/// `Key: value` lines of the message's last paragraph.
fn trailers(message: &str) -> Vec<(&str, &str)> {
    let mut found: Vec<(&str, &str)> = Vec::new();
    for line in message.trim_end().lines().rev().take_while(|l| !l.trim().is_empty()) {
        if let Some((key, value)) = line.split_once(':')
            && !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            found.insert(0, (key, value.trim()));
        }
    }
    found
}

/// `AGENT:MODEL [TOOL]...` as the kernel writes it, or a free word as Fedora does. A person is no assistant.
fn declared(key: &str, value: &str) -> Option<Assisted> {
    let evidence = format!("trailer {key}");
    if let Some(tool) = agent(value) {
        return Some(Assisted { tool: tool.to_owned(), model: model_in_name(value), evidence });
    }
    if value.contains('@') || value.is_empty() || value.eq_ignore_ascii_case("none") {
        return None;
    }
    let words = value.split(" [").next().unwrap_or(value);
    let (tool, model) = words.split_once(':').unwrap_or((words, ""));
    Some(Assisted { tool: plain(tool), model: plain(model), evidence })
}

fn agent(person: &str) -> Option<&'static str> {
    let person = person.to_ascii_lowercase();
    AGENTS.iter().find(|(part, _)| person.contains(part)).map(|a| a.1)
}

/// `Claude Opus 4.5 <...>` and `aider (gpt-4o) <...>` name the model.
fn model_in_name(person: &str) -> String {
    let name = person.split('<').next().unwrap_or("").trim();
    if let Some((_, model)) = name.split_once('(') {
        return plain(model.trim_end_matches(')'));
    }
    let model = name.starts_with("Claude ") && name.bytes().any(|b| b.is_ascii_digit());
    if model { plain(name).to_ascii_lowercase().replace([' ', '.'], "-") } else { String::new() }
}

fn plain(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> Option<(String, String)> {
        assisted(message, "Dev <dev@example.org>").map(|a| (a.tool, a.model))
    }

    #[test]
    fn trailers_of_every_custom_are_read() {
        let pair = |tool: &str, model: &str| Some((tool.to_owned(), model.to_owned()));
        assert_eq!(told("Fix\n\nCo-Authored-By: Claude Opus 4.5 <noreply@anthropic.com>"), pair("claude-code", "claude-opus-4-5"));
        assert_eq!(told("Fix\n\nCo-authored-by: Copilot <223556219+Copilot@users.noreply.github.com>\n"), pair("github-copilot", ""));
        assert_eq!(told("Fix\n\nCo-authored-by: aider (gpt-4o) <noreply@aider.chat>"), pair("aider", "gpt-4o"));
        assert_eq!(
            told("Fix\n\nSigned-off-by: D <d@e.f>\nAssisted-by: Claude:claude-3-opus [coccinelle] [sparse]"),
            pair("Claude", "claude-3-opus")
        );
        assert_eq!(told("Fix\n\nAssisted-by: generic LLM chatbot"), pair("generic LLM chatbot", ""));
        assert_eq!(told("Fix\n\nEntire-Attribution: 73% agent (146/200 lines)\nEntire-Agent: Claude Code"), pair("Claude Code", ""));
        assert_eq!(told("Fix\n\n🤖 Generated with [Claude Code](https://claude.com)\n\nReviewed-by: D <d@e.f>"), pair("claude-code", ""));
    }

    #[test]
    fn people_are_no_assistants() {
        assert_eq!(told("Fix\n\nCo-authored-by: Claude Monet <monet@example.org>"), None);
        assert_eq!(told("Fix\n\nAssisted-by: Jane <jane@example.org>"), None);
        assert_eq!(told("Fix\n\nEntire-Attribution: 0% agent (0/200 lines)"), None);
        assert_eq!(told("Quote\n\nCo-authored-by: Claude <noreply@anthropic.com>\n\nThat is what they wrote."), None);
        assert_eq!(told(""), None);
        let bot = assisted("Fix", "copilot-swe-agent[bot] <1+Copilot@users.noreply.github.com>").unwrap();
        assert_eq!((&*bot.tool, &*bot.evidence), ("github-copilot", "commit author"));
    }
}
