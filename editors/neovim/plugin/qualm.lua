-- One command for what the protocol has no request for; all else is plain LSP.
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
