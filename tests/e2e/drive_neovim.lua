-- Runs inside Neovim: nvim --headless -S drive_neovim.lua FILE, with E2E_PLAN naming a JSON file of the scenario.
-- Neovim is set up as a user would: the plugin as a package, `vim.lsp.enable('qualm')` in init.lua.
local plan = vim.json.decode(table.concat(vim.fn.readfile(vim.env.E2E_PLAN), '\n'))
local WAIT = plan.wait_ms

local function finish(error)
  if error then
    io.stderr:write('\ne2e: ', error, '\n')
  end
  vim.cmd(error and 'cquit 1' or 'qall!')
end

local function await(what, condition)
  if not vim.wait(WAIT, condition, 10) then
    local shown = vim.tbl_map(function(d)
      return ('%d:%d %s/%s %s'):format(d.lnum + 1, d.col + 1, d.source, d.code, d.message)
    end, vim.diagnostic.get(0))
    error(('%s: not within %d ms; diagnostics: %s'):format(what, WAIT, vim.inspect(shown)), 0)
  end
end

local function expect(what, got, wanted)
  if got ~= wanted then
    error(('%s: got %s, wanted %s'):format(what, vim.inspect(got), vim.inspect(wanted)), 0)
  end
end

local function findings()
  return vim.tbl_filter(function(d)
    return d.source == 'qualm' and d.code == plan.rule
  end, vim.diagnostic.get(0))
end

local function on_disk()
  local f = assert(io.open(vim.api.nvim_buf_get_name(0), 'rb'))
  local text = f:read('*a')
  f:close()
  return text
end

-- One key after the other, so that every one is a change of its own.
local function type_line(line)
  vim.api.nvim_feedkeys(vim.keycode('Go<Esc>'), 'tx', false)
  for i = 0, vim.fn.strchars(line) - 1 do
    vim.api.nvim_feedkeys(vim.keycode('A' .. vim.fn.strcharpart(line, i, 1) .. '<Esc>'), 'tx', false)
    vim.wait(1)
  end
end

local function underlined(d)
  return table.concat(vim.api.nvim_buf_get_text(0, d.lnum, d.col, d.end_lnum, d.end_col, {}), '\n')
end

local function health()
  vim.cmd('checkhealth qualm')
  local text = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n')
  for _, wanted in ipairs({ 'OK Neovim', 'OK qualm ', 'server qualm', 'position encoding: ' .. plan.encoding, 'diagnostics: ' }) do
    if not text:find(wanted, 1, true) then
      error('checkhealth does not say "' .. wanted .. '":\n' .. text, 0)
    end
  end
  vim.cmd.bdelete()
end

local function explain()
  vim.cmd('QualmExplain')
  expect('page of the explanation', vim.api.nvim_buf_get_name(0):match('qualm://.*'), 'qualm://' .. plan.rule)
  local lines = vim.api.nvim_buf_get_lines(0, 0, -1, false)
  if #lines < 5 then
    error('the explanation is empty', 0)
  end
  vim.cmd.close()
end

-- The server dies; `:edit` brings another one.
local function killed()
  local function pid()
    local ok, lines = pcall(vim.fn.readfile, plan.report, '', 1)
    return ok and lines[1] and vim.json.decode(lines[1]).server_pid or nil
  end
  local old = pid()
  vim.uv.kill(old, 'sigkill')
  await('the client notices', function()
    return #vim.lsp.get_clients({ bufnr = 0 }) == 0
  end)
  vim.cmd.edit()
  await('another server takes over', function()
    return pid() ~= nil and pid() ~= old
  end)
  await('it sees the finding', function()
    return #findings() == 1
  end)
end

-- A paste from outside, and a copy of one's own, told apart.
local function origin()
  local tell = require('qualm.origin')
  local function kind_at(line)
    vim.api.nvim_win_set_cursor(0, { line, 4 })
    local here = tell.here()
    return here and here.kind
  end
  local function foreign_signs(from, to)
    local ns = vim.api.nvim_get_namespaces()['qualm.origin']
    return #vim.api.nvim_buf_get_extmarks(0, ns, { from - 1, 0 }, { to - 1, -1 }, {})
  end
  local last = vim.api.nvim_buf_line_count(0)
  local lines = vim.split(plan.pasted, '\n')
  vim.api.nvim_win_set_cursor(0, { last, 0 })
  vim.api.nvim_feedkeys(vim.keycode('o<Esc>'), 'tx', false)
  vim.paste(lines, -1)
  await('the paste is vetted as foreign', function()
    return #vim.tbl_filter(function(d)
      return d.source == 'qualm' and d.code == plan.pasted_rule
    end, vim.diagnostic.get(0)) == 1
  end)
  await('the paste is known as one', function()
    return kind_at(last + 2) == 'pasted'
  end)
  await('foreign lines are marked', function()
    return foreign_signs(last + 1, last + 3) >= 2
  end)
  local status = tell.statusline()
  if not status:find('foreign', 1, true) then
    error('statusline: ' .. status, 0)
  end
  -- The function at the end of the file as it was, copied to its end.
  local before = vim.api.nvim_buf_line_count(0)
  vim.cmd((last - 4) .. ',' .. last .. 'yank')
  vim.cmd(before .. 'put')
  vim.wait(600)
  tell.refresh(0)
  await('the copy is known as one', function()
    local kind = kind_at(before + 2)
    return kind == 'own_copy' or kind == 'unknown'
  end)
  expect('signs at the copy', foreign_signs(before + 1, before + 5), 0)
  vim.cmd((last + 1) .. ',' .. before .. 'QualmReview')
  vim.cmd((last + 2) .. ',' .. (before - 1) .. 'QualmRelabel typed')
  await('a correction holds', function()
    tell.refresh(0)
    return kind_at(last + 2) == 'typed'
  end)
  vim.cmd('undo 0')
end

local function run()
  local before = on_disk()
  local client
  await('the client attaches', function()
    client = vim.lsp.get_clients({ name = 'qualm', bufnr = 0 })[1]
    return client and client.initialized
  end)
  expect('position encoding', client.offset_encoding, plan.encoding)
  if plan.pasted then
    origin()
  end
  for _, line in ipairs(plan.typed) do
    type_line(line)
  end
  await('the finding shows', function()
    return #findings() == 1
  end)
  if plan.report then
    killed()
  end
  local found = findings()[1]
  expect('underlined code', underlined(found), plan.underlined)
  if not found.message:lower():find(plan.message:lower(), 1, true) then
    error('message: ' .. found.message, 0)
  end
  vim.api.nvim_win_set_cursor(0, { found.lnum + 1, found.col })
  if plan.plugin then
    health()
    explain()
  end
  local tick = vim.b.changedtick
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action)
      return not action.disabled and action.title:lower():find(plan.action:lower(), 1, true) ~= nil
    end,
  })
  await('the action is applied', function()
    return vim.b.changedtick > tick
  end)
  await('the finding goes', function()
    return #findings() == 0
  end)
  expect('the file before it is saved', on_disk(), before)
  vim.cmd.write()
  vim.wait(300)
  expect('findings after saving', #findings(), 0)
  expect('the file', on_disk(), plan.after)
end

local ok, why = pcall(run)
finish(not ok and why or nil)
