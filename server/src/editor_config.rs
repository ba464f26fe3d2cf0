//! `qualm editor-config NAME`: the configuration of an editor, ready to be pasted or appended.

use crate::cli::{EditorName, Outcome};
use std::io::{self, Write};

/// Runs the command.
pub fn run(name: EditorName) -> anyhow::Result<Outcome> {
    let text = match name {
        EditorName::Helix => include_str!("../../editors/helix/languages.toml"),
        EditorName::Emacs => include_str!("../../editors/emacs/qualm-eglot.el"),
        EditorName::Kakoune => include_str!("../../editors/kakoune/qualm.kak"),
        EditorName::Vim => include_str!("../../editors/vim/plugin/qualm.vim"),
        EditorName::Neovim => include_str!("../../editors/neovim/lsp/qualm.lua"),
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Outcome::Clean)
}
