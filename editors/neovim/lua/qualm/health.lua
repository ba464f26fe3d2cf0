--- `:checkhealth qualm`: what is needed, what is running, and how the two talk.
local M = {}

local health = vim.health

--- The command the user configured, with its default when there is no configuration in sight.
---@return string[]|nil
local function command()
  local config = vim.lsp.config and vim.lsp.config.qualm
  if not config then
    return nil
  end
  return type(config.cmd) == 'table' and config.cmd or {}
end

local function check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has('nvim-0.11') == 1 then
    health.ok('Neovim ' .. version)
  else
    health.error('Neovim ' .. version .. ' is too old', { 'qualm needs Neovim 0.11 or newer' })
  end
end

local function check_binary()
  local cmd = command()
  if not cmd then
    health.error('no configuration named "qualm"', { 'Is the plugin folder on the runtimepath?' })
    return
  end
  if not cmd[1] then
    health.info('the server is started by a function (`cmd` in vim.lsp.config)')
    return
  end
  local path = vim.fn.exepath(cmd[1])
  if path == '' then
    health.error('`' .. cmd[1] .. '` is not executable', {
      'Put qualm on your PATH, or name it: vim.lsp.config("qualm", { cmd = { "/path/to/qualm", "lsp" } })',
    })
    return
  end
  local run = vim.system({ path, '--version' }, { text = true, timeout = 5000 }):wait()
  if run.code == 0 then
    health.ok(('%s (%s)'):format(vim.trim(run.stdout), path))
  else
    health.error(('`%s --version` ended with code %d'):format(path, run.code), { vim.trim(run.stderr or '') })
  end
end

---@param client vim.lsp.Client
local function describe(client)
  local buffers = vim.tbl_count(client.attached_buffers)
  local root = client.root_dir or 'none (single files)'
  local info = client.server_info
  health.ok(('client %d: server %s, root %s, %d buffer(s)'):format(
    client.id,
    info and ('%s %s'):format(info.name, info.version or '') or 'unnamed',
    root,
    buffers
  ))
  health.info('position encoding: ' .. client.offset_encoding)
  local pull = client:supports_method('textDocument/diagnostic')
  health.info('diagnostics: ' .. (pull and 'pulled by Neovim' or 'published by the server'))
end

local function check_clients()
  local clients = vim.lsp.get_clients({ name = 'qualm' })
  for _, client in ipairs(clients) do
    describe(client)
  end
  if #clients > 0 then
    return
  end
  local enabled = vim.lsp.is_enabled and vim.lsp.is_enabled('qualm')
  if enabled == false then
    health.warn('not enabled', { "Call vim.lsp.enable('qualm') in your init.lua" })
  else
    health.warn('no buffer is attached', {
      "Open a Python, JavaScript or TypeScript file after vim.lsp.enable('qualm')",
      'The log is at ' .. vim.lsp.log.get_filename(),
    })
  end
end

function M.check()
  health.start('qualm: requirements')
  check_neovim()
  check_binary()
  health.start('qualm: running clients')
  check_clients()
end

return M
