//! Starts `qualm lsp` in Zed.

use zed_extension_api::{self as zed, Command, LanguageServerId, Result, Worktree, serde_json::Value, settings::LspSettings};

struct Qualm;

impl zed::Extension for Qualm {
    fn new() -> Self {
        Self
    }

    /// The program that the settings name (`lsp.qualm.binary`), else the one on the `PATH`.
    fn language_server_command(&mut self, id: &LanguageServerId, worktree: &Worktree) -> Result<Command> {
        let binary = LspSettings::for_worktree(id.as_ref(), worktree).ok().and_then(|s| s.binary);
        let (path, arguments) = binary.map_or((None, None), |b| (b.path, b.arguments));
        let command = path
            .or_else(|| worktree.which("qualm"))
            .ok_or("there is no `qualm` on the PATH; install it, or name it in the setting lsp.qualm.binary.path")?;
        Ok(Command { command, args: arguments.unwrap_or_else(|| vec!["lsp".into()]), env: worktree.shell_env() })
    }

    /// Settings as in `qualm.toml`, from `lsp.qualm.initialization_options`.
    fn language_server_initialization_options(&mut self, id: &LanguageServerId, worktree: &Worktree) -> Result<Option<Value>> {
        Ok(LspSettings::for_worktree(id.as_ref(), worktree).ok().and_then(|s| s.initialization_options))
    }
}

zed::register_extension!(Qualm);
