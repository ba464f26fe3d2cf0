" qualm vets code in ALE: the one definition behind the linters of each language.

function! qualm#Linter() abort
    return {
    \   'name': 'qualm',
    \   'lsp': 'stdio',
    \   'executable': {buffer -> ale#Var(buffer, 'qualm_executable')},
    \   'command': '%e lsp',
    \   'project_root': function('qualm#Root'),
    \   'language': {buffer -> getbufvar(buffer, '&filetype')},
    \   'initialization_options': {buffer -> ale#Var(buffer, 'qualm_settings')},
    \}
endfunction

" The folder with qualm.toml or .git above a buffer, else the buffer's own.
function! qualm#Root(buffer) abort
    let l:settings = ale#path#FindNearestFile(a:buffer, 'qualm.toml')

    if !empty(l:settings)
        return fnamemodify(l:settings, ':h')
    endif

    let l:git = finddir('.git', escape(fnamemodify(bufname(a:buffer), ':p:h'), ' ,\') . ';')

    if empty(l:git)
        let l:git = findfile('.git', escape(fnamemodify(bufname(a:buffer), ':p:h'), ' ,\') . ';')
    endif

    return empty(l:git) ? fnamemodify(bufname(a:buffer), ':p:h') : fnamemodify(l:git, ':p:h' . (isdirectory(l:git) ? ':h' : ''))
endfunction

call ale#Set('qualm_executable', 'qualm')
call ale#Set('qualm_settings', {})
