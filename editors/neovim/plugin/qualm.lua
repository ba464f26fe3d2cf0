-- What the protocol has no request for; all else is plain LSP.
if vim.g.loaded_qualm then
  return
end
vim.g.loaded_qualm = true

vim.api.nvim_create_user_command('QualmExplain', function(opts)
  require('qualm.explain').open(opts.args)
end, {
  nargs = '?',
  desc = 'Explain a qualm rule (default: the finding on this line)',
  complete = function(lead)
    local line = vim.api.nvim_win_get_cursor(0)[1] - 1
    return vim.tbl_filter(function(id)
      return vim.startswith(id, lead)
    end, require('qualm.explain').ids(0, line))
  end,
})

vim.api.nvim_create_user_command('QualmOrigin', function()
  require('qualm.origin').show()
end, { desc = 'Say where the text under the cursor came from' })

vim.api.nvim_create_user_command('QualmRelabel', function(opts)
  require('qualm.origin').relabel(opts)
end, {
  nargs = 1,
  range = true,
  desc = 'Correct where lines (default: the region under the cursor) came from',
  complete = function(lead)
    return vim.tbl_filter(function(kind)
      return vim.startswith(kind, lead)
    end, { 'typed', 'own_copy', 'pasted', 'completion', 'agent', 'tool', 'generated', 'checkout' })
  end,
})

vim.api.nvim_create_user_command('QualmReview', function(opts)
  require('qualm.origin').review(opts)
end, { range = true, desc = 'Mark lines (default: the region under the cursor) as reviewed' })

require('qualm.origin').setup()
