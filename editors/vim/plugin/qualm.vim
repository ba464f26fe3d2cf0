" qualm vets code in Vim through ALE. This file goes into a plugin folder, such as ~/.vim/plugin.

function! s:Linter() abort
    return {
    \   'name': 'qualm',
    \   'lsp': 'stdio',
    \   'executable': {buffer -> ale#Var(buffer, 'qualm_executable')},
    \   'command': '%e lsp',
    \   'project_root': function('s:Root'),
    \   'language': {buffer -> getbufvar(buffer, '&filetype')},
    \   'initialization_options': {buffer -> ale#Var(buffer, 'qualm_settings')},
    \}
endfunction

" The folder with qualm.toml or .git above a buffer, else the buffer's own.
function! s:Root(buffer) abort
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

function! s:Define() abort
    try
        call ale#Set('qualm_executable', 'qualm')
        call ale#Set('qualm_settings', {})

        for l:language in ['python', 'javascript', 'typescript']
            call ale#linter#Define(l:language, s:Linter())
        endfor

        autocmd! qualm
    " ALE is not there, or not yet.
    catch /E117:/
    endtry
endfunction

augroup qualm
    autocmd!
    autocmd FileType python,javascript,javascriptreact,typescript,typescriptreact call s:Define()
augroup END
