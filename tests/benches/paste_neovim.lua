-- Runs inside Neovim: nvim --headless -S paste_neovim.lua FILE, with BENCH_PLAN naming a JSON file (see `paste`).
local plan = vim.json.decode(table.concat(vim.fn.readfile(vim.env.BENCH_PLAN), '\n'))

local function source_of(server)
  return server == 'qualm' and function(d)
    return d.source == 'qualm'
  end or function(d)
    return d.source ~= 'qualm'
  end
end

local function count(server)
  return #vim.tbl_filter(source_of(server), vim.diagnostic.get(0))
end

local function await(what, condition)
  assert(vim.wait(15000, condition, 1), what .. ': not within 15 s')
end

local function measure()
  local servers = #plan.peer > 0 and { 'qualm', 'peer' } or { 'qualm' }
  await('the servers start', function()
    return #vim.lsp.get_clients({ bufnr = 0 }) == #servers
  end)
  vim.wait(2000)
  local times = {}
  local seen, wanted
  vim.api.nvim_create_autocmd('DiagnosticChanged', {
    callback = function()
      if wanted and not seen and count(wanted) > 0 then
        vim.cmd.redraw()
        seen = vim.uv.hrtime()
      end
    end,
  })
  for _ = 1, plan.count do
    for _, server in ipairs(servers) do
      await('no diagnostics before a paste', function()
        return #vim.diagnostic.get(0) == 0
      end)
      -- Not in the middle of what follows a change.
      vim.wait(1000)
      vim.api.nvim_win_set_cursor(0, { 200, 0 })
      vim.cmd.redraw()
      seen, wanted = nil, server
      local start = vim.uv.hrtime()
      vim.paste(vim.split(plan.blocks[server], '\n'), -1)
      await('the diagnostic of ' .. server, function()
        return seen ~= nil
      end)
      wanted = nil
      times[server] = times[server] or {}
      table.insert(times[server], (seen - start) / 1e6)
      vim.cmd('silent undo')
    end
  end
  vim.fn.writefile({ vim.json.encode(times) }, plan.out)
end

vim.schedule(function()
  local ok, err = pcall(measure)
  if not ok then
    vim.fn.writefile({ tostring(err) }, plan.error)
  end
  vim.cmd(ok and 'qall!' or 'cquit 1')
end)
