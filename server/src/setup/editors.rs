//! Editors that take files.

use super::{Folders, Plan, on_path};
use anyhow::{Context, Result, bail};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, Value, value};

/// The plugin's files, as Neovim wants them below the folder of a package.
const NEOVIM: &[(&str, &str)] = &[
    ("lsp/qualm.lua", include_str!("../../../editors/neovim/lsp/qualm.lua")),
    ("plugin/qualm.lua", include_str!("../../../editors/neovim/plugin/qualm.lua")),
    ("lua/qualm/explain.lua", include_str!("../../../editors/neovim/lua/qualm/explain.lua")),
    ("lua/qualm/health.lua", include_str!("../../../editors/neovim/lua/qualm/health.lua")),
    ("lua/qualm/origin.lua", include_str!("../../../editors/neovim/lua/qualm/origin.lua")),
    ("doc/qualm.txt", include_str!("../../../editors/neovim/doc/qualm.txt")),
    ("plugin/qualm_enable.lua", "-- Written by `qualm setup`; `qualm setup --undo` takes it back.\nvim.lsp.enable('qualm')\n"),
];

pub(super) fn neovim(folders: &Folders) -> (bool, Plan) {
    let mut plan = Plan::default();
    let package = folders.data.join("nvim/site/pack/qualm/start/qualm");
    let found = on_path(&["nvim"]) || folders.config.join("nvim").is_dir();
    // A link to a checkout is somebody's own arrangement.
    if package.is_symlink() {
        plan.notes.push(format!("{} is a link and was left alone", package.display()));
        return (found, plan);
    }
    for (name, text) in NEOVIM {
        plan.file(package.join(name), |_| Ok((*text).to_owned()));
    }
    plan.file(package.join("doc/tags"), |_| Ok(tags("qualm.txt", include_str!("../../../editors/neovim/doc/qualm.txt"))));
    (found, plan)
}

/// The index of a help file, as `:helptags` writes it: without one, `:help` finds nothing.
fn tags(file: &str, text: &str) -> String {
    let words = text.split_whitespace();
    let named = words.filter_map(|w| w.strip_prefix('*')?.strip_suffix('*')).filter(|t| !t.is_empty() && !t.contains(['*', '|']));
    let mut lines: Vec<String> = named.map(|t| format!("{t}\t{file}\t/*{t}*\n")).collect();
    lines.sort_unstable();
    lines.concat()
}

pub(super) fn vscode() -> (bool, Plan) {
    let mut plan = Plan::default();
    plan.notes.push("VS Code takes an extension: `code --install-extension qualm-<platform>.vsix`".into());
    (on_path(&["code", "code-insiders", "codium", "cursor", "windsurf", "code-server"]), plan)
}

pub(super) fn vim(folders: &Folders) -> (bool, Plan) {
    let mut plan = Plan::default();
    let vim = folders.home.join(".vim");
    plan.file(vim.join("plugin/qualm.vim"), |_| Ok(include_str!("../../../editors/vim/plugin/qualm.vim").to_owned()));
    // As a package or with one of the plugin managers.
    let below = |folder: &str| std::fs::read_dir(vim.join(folder)).into_iter().flatten().flatten().map(|e| e.path());
    let groups = below("pack").flat_map(|p| [p.join("start/ale"), p.join("opt/ale")]);
    let ale = [vim.join("plugged/ale"), vim.join("bundle/ale")].into_iter().chain(groups).any(|p| p.is_dir());
    (on_path(&["vim", "gvim"]) && ale, plan)
}

pub(super) fn kakoune(folders: &Folders) -> (bool, Plan) {
    let mut plan = Plan::default();
    let ours = include_str!("../../../editors/kakoune/qualm.kak");
    plan.file(folders.config.join("kak/kakrc"), |old| {
        let old = old.unwrap_or("");
        if old.contains("[qualm]") {
            return Ok(old.to_owned());
        }
        // Whoever starts kak-lsp already starts it once.
        let starts = old.lines().any(|l| l.contains("%sh{") && l.contains("kak-lsp"));
        let ours: String = ours.split_inclusive('\n').filter(|l| !(starts && l.starts_with("evaluate-commands"))).collect();
        Ok(appended(old, &ours))
    });
    (on_path(&["kak"]) && on_path(&["kak-lsp"]), plan)
}

pub(super) fn emacs(folders: &Folders) -> (bool, Plan) {
    let mut plan = Plan::default();
    let own = [folders.config.join("emacs"), folders.home.join(".emacs.d")];
    let folder = own.iter().find(|f| f.is_dir()).unwrap_or(&own[1]);
    plan.file(folder.join("qualm-eglot.el"), |_| Ok(include_str!("../../../editors/emacs/qualm-eglot.el").to_owned()));
    let dot = folders.home.join(".emacs");
    let init = if dot.is_file() { dot } else { folder.join("init.el") };
    plan.file(init, |old| {
        let old = old.unwrap_or("");
        let line = "(load (locate-user-emacs-file \"qualm-eglot\"))\n";
        Ok(if old.contains("qualm-eglot") { old.to_owned() } else { appended(old, line) })
    });
    // Eglot has one server for a buffer, and which that is nobody else decides.
    (false, plan)
}

fn appended(old: &str, ours: &str) -> String {
    let gap = match old {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    format!("{old}{gap}{ours}")
}

pub(super) fn helix(folders: &Folders) -> (bool, Plan) {
    let mut plan = Plan::default();
    let found = on_path(&["hx", "helix"]) || folders.config.join("helix").is_dir();
    plan.file(folders.config.join("helix/languages.toml"), |old| languages(old.unwrap_or("")));
    (found, plan)
}

/// Helix's `languages.toml` with qualm in every list of ours. An entry's list replaces Helix's own, so that an entry
/// without one gets the whole list of our snippet.
fn languages(old: &str) -> Result<String> {
    let ours: DocumentMut = include_str!("../../../editors/helix/languages.toml").parse().context("our own snippet")?;
    let mut document: DocumentMut = old.parse().context("it is not valid TOML")?;
    let before = document.to_string();
    let servers = document.entry("language-server").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let Some(servers) = servers.as_table_like_mut() else { bail!("`language-server` is no table") };
    if !servers.contains_key("qualm") {
        let mut server = Table::new();
        server["command"] = value("qualm");
        server["args"] = value(Array::from_iter(["lsp"]));
        servers.insert("qualm", Item::Table(server));
    }
    let entries = document.entry("language").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    let Some(entries) = entries.as_array_of_tables_mut() else { bail!("`language` is no list of tables") };
    for theirs in ours["language"].as_array_of_tables().into_iter().flatten() {
        let name = theirs["name"].as_str().unwrap_or_default();
        let list = theirs["language-servers"].as_array().cloned().unwrap_or_default();
        let Some(entry) = entries.iter_mut().find(|e| e.get("name").and_then(Item::as_str) == Some(name)) else {
            let mut entry = Table::new();
            entry["name"] = value(name);
            entry["language-servers"] = value(list);
            entries.push(entry);
            continue;
        };
        match entry.get_mut("language-servers") {
            None => entry["language-servers"] = value(list),
            Some(item) => {
                let Some(present) = item.as_array_mut() else { bail!("`language-servers` of {name} is no list") };
                let is_qualm = |v: &Value| {
                    v.as_str() == Some("qualm") || v.as_inline_table().and_then(|t| t.get("name")).and_then(Value::as_str) == Some("qualm")
                };
                if !present.iter().any(is_qualm) {
                    present.push("qualm");
                }
            }
        }
    }
    let after = document.to_string();
    Ok(if after == before { old.to_owned() } else { after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_found_by_its_names() {
        let tags = tags("qualm.txt", include_str!("../../../editors/neovim/doc/qualm.txt"));
        assert!(tags.lines().any(|l| l == "qualm\tqualm.txt\t/*qualm*"), "{tags}");
        assert!(tags.lines().is_sorted());
    }

    #[test]
    fn what_is_added_stands_apart() {
        assert_eq!(appended("", "b\n"), "b\n");
        assert_eq!(appended("a\n", "b\n"), "a\n\nb\n");
        assert_eq!(appended("a", "b\n"), "a\n\nb\n");
    }

    #[test]
    fn helix_is_merged_and_not_overwritten() {
        let own = "# mine\ntheme = 1\n\n[[language]]\nname = \"python\"\nlanguage-servers = [\"pyright\"]\nauto-format = true\n\n[[language]]\nname = \"go\"\n";
        let merged = languages(own).unwrap();
        assert!(
            merged.starts_with("# mine\ntheme = 1\n") && merged.contains("language-servers = [\"pyright\", \"qualm\"]\nauto-format = true"),
            "{merged}"
        );
        assert!(merged.contains("[language-server.qualm]") && merged.contains("name = \"tsx\""), "{merged}");
        assert_eq!(languages(&merged).unwrap(), merged, "a second time changes nothing");
        let fresh = languages("").unwrap();
        assert_eq!(languages(&fresh).unwrap(), fresh);
        let features = "[[language]]\nname = \"python\"\nlanguage-servers = [{ name = \"qualm\", only-features = [\"code-action\"] }]\n";
        assert!(languages(features).unwrap().contains("language-servers = [{ name = \"qualm\", only-features = [\"code-action\"] }]\n"));
        assert!(languages("[[language]]\nname = 1\nlanguage = 2\n[").is_err());
        assert!(languages("language = 3\n").is_err());
    }
}
