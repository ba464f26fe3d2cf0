--- Tells the server what Neovim knows about where text comes from, and marks foreign text.
local M = {}

local namespace = vim.api.nvim_create_namespace('qualm.origin')
--- Shorter text says nothing, wherever it came from (bytes without the white space around it).
local SHORTEST = 12
--- Yanks and deletions that are remembered as one's own.
local MEMORY = 32

--- Texts that were yanked or deleted in this Neovim, newest last.
local own = {}
--- The last answer of `qualm/originRuns` for each buffer.
local runs = {}
local timers = {}

---@param text string
local function remember(text)
  text = vim.trim(text)
  if #text >= SHORTEST then
    own[#own + 1] = text
    if #own > MEMORY then
      table.remove(own, 1)
    end
  end
end

---@param text string
local function is_own(text)
  text = vim.trim(text)
  for i = #own, 1, -1 do
    if own[i] == text or own[i]:find(text, 1, true) then
      return true
    end
  end
  return false
end

---@param bufnr integer
local function clients(bufnr)
  return vim.lsp.get_clients({ name = 'qualm', bufnr = bufnr })
end

--- Tells that `text` was pasted into the buffer; the change itself may come before or after.
---@param bufnr integer
---@param text string
---@param source 'internal'|'external'
local function tell(bufnr, text, source)
  if #vim.trim(text) < SHORTEST then
    return
  end
  for _, client in ipairs(clients(bufnr)) do
    client:notify('qualm/origin', {
      textDocument = { uri = vim.uri_from_bufnr(bufnr) },
      kind = 'paste',
      source = source,
      text = text,
    })
  end
end

--- Pastes of the terminal and of GUIs go through `vim.paste`: what Neovim did not yank itself is from outside.
function M.watch_pastes()
  local paste = vim.paste
  local pieces = {}
  vim.paste = function(lines, phase)
    if phase == -1 or phase == 1 then
      pieces = {}
    end
    if #pieces > 0 and #lines > 0 then
      -- A long paste comes in pieces that may be cut anywhere.
      pieces[#pieces] = pieces[#pieces] .. lines[1]
      vim.list_extend(pieces, lines, 2)
    else
      vim.list_extend(pieces, lines)
    end
    if phase == -1 or phase == 3 then
      local text = table.concat(pieces, '\n')
      tell(vim.api.nvim_get_current_buf(), text, is_own(text) and 'internal' or 'external')
      pieces = {}
    end
    return paste(lines, phase)
  end
end

--- Puts from the system's clipboard (`"+p`) are told from puts of one's own text by what is in the registers.
---@param bufnr integer
function M.attach(bufnr)
  vim.api.nvim_buf_attach(bufnr, false, {
    on_bytes = function(_, _, _, row, col, _, _, _, _, new_row, new_col, new_len)
      if #clients(bufnr) == 0 then
        return true
      end
      if new_len < SHORTEST then
        return
      end
      vim.schedule(function()
        if not vim.api.nvim_buf_is_valid(bufnr) then
          return
        end
        local end_col = new_row == 0 and col + new_col or new_col
        local ok, text = pcall(vim.api.nvim_buf_get_text, bufnr, row, col, row + new_row, end_col, {})
        local inserted = ok and vim.trim(table.concat(text, '\n')) or ''
        if #inserted < SHORTEST then
          return
        end
        for _, register in ipairs({ '+', '*' }) do
          local got, value = pcall(vim.fn.getreg, register)
          if got and vim.trim(value) == inserted then
            tell(bufnr, value, is_own(value) and 'internal' or 'external')
            return
          end
        end
      end)
    end,
  })
end

---@param bufnr integer
local function draw(bufnr)
  vim.api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  if vim.g.qualm_marks == false or not runs[bufnr] then
    return
  end
  local last = vim.api.nvim_buf_line_count(bufnr)
  for _, run in ipairs(runs[bufnr]) do
    if run.foreign then
      local first, till = run.range.start.line, run.range['end'].line
      if run.range['end'].character == 0 and till > first then
        till = till - 1
      end
      for line = first, math.min(till, last - 1) do
        vim.api.nvim_buf_set_extmark(bufnr, namespace, line, 0, {
          sign_text = run.reviewed and '┊' or '▎',
          sign_hl_group = run.reviewed and 'QualmReviewed' or 'QualmForeign',
          priority = 5,
        })
      end
    end
  end
end

--- Asks for the runs of a buffer and marks what is foreign.
---@param bufnr integer
function M.refresh(bufnr)
  local client = clients(bufnr)[1]
  if not client then
    return
  end
  client:request('qualm/originRuns', { textDocument = { uri = vim.uri_from_bufnr(bufnr) } }, function(error, result)
    if not error and type(result) == 'table' and vim.api.nvim_buf_is_valid(bufnr) then
      runs[bufnr] = result.runs
      draw(bufnr)
    end
  end, bufnr)
end

local function later(bufnr)
  local timer = timers[bufnr] or assert(vim.uv.new_timer())
  timers[bufnr] = timer
  timer:start(150, 0, vim.schedule_wrap(function()
    if vim.api.nvim_buf_is_valid(bufnr) then
      M.refresh(bufnr)
    end
  end))
end

--- The run that the cursor is in.
---@return table|nil
function M.here()
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  for _, run in ipairs(runs[vim.api.nvim_get_current_buf()] or {}) do
    local from, to = run.range.start, run.range['end']
    local after = row - 1 > from.line or (row - 1 == from.line and col >= from.character)
    local before = row - 1 < to.line or (row - 1 == to.line and col < to.character)
    if after and before then
      return run
    end
  end
end

--- For a statusline: findings, foreign and unreviewed lines of the current buffer; empty where qualm is not attached.
---@return string
function M.statusline()
  local bufnr = vim.api.nvim_get_current_buf()
  if #clients(bufnr) == 0 then
    return ''
  end
  local findings = #vim.tbl_filter(function(d)
    return d.source == 'qualm'
  end, vim.diagnostic.get(bufnr))
  local foreign, open = 0, 0
  for _, run in ipairs(runs[bufnr] or {}) do
    if run.foreign then
      local lines = run.range['end'].line - run.range.start.line + (run.range['end'].character > 0 and 1 or 0)
      foreign = foreign + lines
      open = open + (run.reviewed and 0 or lines)
    end
  end
  local text = ('qualm %d'):format(findings)
  return foreign == 0 and text or ('%s, %d foreign (%d to review)'):format(text, foreign, open)
end

---@param name string
---@param build fun(uri: string, range: table): any[]
---@param opts table
local function command(name, build, opts)
  local bufnr = vim.api.nvim_get_current_buf()
  local client = clients(bufnr)[1]
  if not client then
    vim.notify('qualm: no server is attached to this buffer', vim.log.levels.WARN)
    return
  end
  local range
  if opts.range > 0 then
    range = { start = { line = opts.line1 - 1, character = 0 }, ['end'] = { line = opts.line2, character = 0 } }
  else
    local run = M.here()
    if not run then
      vim.notify('qualm: nothing is known of the text under the cursor; give a range of lines', vim.log.levels.WARN)
      return
    end
    range = run.range
  end
  client:request('workspace/executeCommand', {
    command = name,
    arguments = build(vim.uri_from_bufnr(bufnr), range),
  }, function(error)
    if error then
      vim.notify('qualm: ' .. error.message, vim.log.levels.ERROR)
    else
      later(bufnr)
    end
  end, bufnr)
end

function M.relabel(opts)
  command('qualm.relabel', function(uri, range)
    return { uri, opts.args, range }
  end, opts)
end

function M.review(opts)
  command('qualm.review', function(uri, range)
    return { uri, range }
  end, opts)
end

function M.show()
  local run = M.here()
  vim.notify(run and run.description or 'qualm: nothing is known of the text under the cursor')
end

function M.setup()
  vim.api.nvim_set_hl(0, 'QualmForeign', { link = 'DiagnosticSignWarn', default = true })
  vim.api.nvim_set_hl(0, 'QualmReviewed', { link = 'DiagnosticSignOk', default = true })
  M.watch_pastes()
  local group = vim.api.nvim_create_augroup('qualm.origin', {})
  vim.api.nvim_create_autocmd('TextYankPost', {
    group = group,
    callback = function()
      remember(table.concat(vim.v.event.regcontents, '\n'))
    end,
  })
  vim.api.nvim_create_autocmd('LspAttach', {
    group = group,
    callback = function(args)
      local client = vim.lsp.get_client_by_id(args.data.client_id)
      if client and client.name == 'qualm' then
        M.attach(args.buf)
        later(args.buf)
      end
    end,
  })
  vim.api.nvim_create_autocmd('DiagnosticChanged', {
    group = group,
    callback = function(args)
      if #clients(args.buf) > 0 then
        later(args.buf)
      end
    end,
  })
  vim.api.nvim_create_autocmd({ 'TextChanged', 'InsertLeave' }, {
    group = group,
    callback = function(args)
      if runs[args.buf] then
        later(args.buf)
      end
    end,
  })
  vim.api.nvim_create_autocmd('BufWipeout', {
    group = group,
    callback = function(args)
      runs[args.buf] = nil
      if timers[args.buf] then
        timers[args.buf]:close()
        timers[args.buf] = nil
      end
    end,
  })
end

return M
