# qualm vets code in Kakoune through kak-lsp (18 or newer). Source this at the end of your kakrc.

evaluate-commands %sh{ kak-lsp }

# Beside the server that kak-lsp has for the language, if it has one.
hook global BufSetOption filetype=(?:python|javascript|javascriptreact|typescript|typescriptreact|jsx|tsx) %{
    set-option -add buffer lsp_servers %{

        [qualm]
        root_globs = ["qualm.toml", ".git"]
        args = ["lsp"]
    }
}

hook global WinSetOption filetype=(?:python|javascript|javascriptreact|typescript|typescriptreact|jsx|tsx) %{
    lsp-enable-window
    lsp-inlay-diagnostics-enable window
}
