--- qualm: vets AI-written code at the moment it enters the editor.
--- Start it with `vim.lsp.enable('qualm')`; see `:help qualm`.
---@type vim.lsp.Config
return {
  cmd = { 'qualm', 'lsp' },
  filetypes = {
    'python',
    'javascript',
    'javascriptreact',
    'typescript',
    'typescriptreact',
  },
  root_markers = { 'qualm.toml', '.git', 'pyproject.toml', 'package.json' },
  -- Every change at once: an answer takes less than a millisecond, and the rhythm of the keys tells what was typed.
  flags = { debounce_text_changes = 0 },
}
