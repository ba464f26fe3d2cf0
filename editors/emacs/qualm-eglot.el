;;; qualm-eglot.el --- qualm vets code in Eglot's buffers -*- lexical-binding: t -*-

;; Emacs 29 or newer, with Eglot as it is built in. Load this file from your init file.

(with-eval-after-load 'eglot
  (add-to-list 'eglot-server-programs
               '((python-mode python-ts-mode
                  js-mode js-ts-mode
                  typescript-mode typescript-ts-mode tsx-ts-mode)
                 . ("qualm" "lsp"))))

(dolist (hook '(python-mode-hook python-ts-mode-hook
                js-mode-hook js-ts-mode-hook
                typescript-mode-hook typescript-ts-mode-hook tsx-ts-mode-hook))
  (add-hook hook #'eglot-ensure))

(provide 'qualm-eglot)
;;; qualm-eglot.el ends here
