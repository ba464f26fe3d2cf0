--- Shows the lesson page of a rule (`qualm explain ID`) in a split.
local M = {}

--- Rule ids of the qualm findings in a buffer, each once, those of `line` (0-based) first.
---@param bufnr integer
---@param line? integer
---@return string[]
function M.ids(bufnr, line)
  local found, seen = {}, {}
  local function add(diagnostics)
    for _, d in ipairs(diagnostics) do
      if d.source == 'qualm' and d.code and not seen[d.code] then
        seen[d.code] = true
        found[#found + 1] = tostring(d.code)
      end
    end
  end
  if line then
    add(vim.diagnostic.get(bufnr, { lnum = line }))
  end
  add(vim.diagnostic.get(bufnr))
  return found
end

---@param text string
---@param id string
local function show(text, id)
  vim.cmd.new()
  local buf = vim.api.nvim_get_current_buf()
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, vim.split(vim.trim(text), '\r?\n'))
  vim.bo[buf].buftype = 'nofile'
  vim.bo[buf].bufhidden = 'wipe'
  vim.bo[buf].swapfile = false
  vim.bo[buf].modifiable = false
  vim.bo[buf].filetype = 'markdown'
  pcall(vim.api.nvim_buf_set_name, buf, 'qualm://' .. id)
  vim.keymap.set('n', 'q', '<Cmd>close<CR>', { buffer = buf, desc = 'Close the explanation' })
end

--- Explains `id`; without one, the finding on the cursor's line.
---@param id? string
function M.open(id)
  if not id or id == '' then
    local line = vim.api.nvim_win_get_cursor(0)[1] - 1
    local here = vim.diagnostic.get(0, { lnum = line })
    for _, d in ipairs(here) do
      if d.source == 'qualm' and d.code then
        id = tostring(d.code)
        break
      end
    end
  end
  if not id or id == '' then
    vim.notify('qualm: no finding on this line', vim.log.levels.WARN)
    return
  end
  local cmd = (vim.lsp.config.qualm or {}).cmd
  local exe = type(cmd) == 'table' and cmd[1] or 'qualm'
  local ok, run = pcall(function()
    return vim.system({ exe, 'explain', id }, { text = true, timeout = 10000 }):wait()
  end)
  if not ok or run.code ~= 0 then
    local why = ok and vim.trim(run.stderr or '') or tostring(run)
    vim.notify(('qualm: cannot explain %s: %s'):format(id, why), vim.log.levels.ERROR)
    return
  end
  show(run.stdout, id)
end

return M
