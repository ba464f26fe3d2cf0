;;; drive_emacs.el --- emacs --batch -Q -l drive_emacs.el, with E2E_PLAN naming a JSON file -*- lexical-binding: t -*-

;; Plays a scenario with Eglot, set up as by a user who loads our configuration; an error ends Emacs with 1.

(require 'json)
(require 'eglot)
(require 'flymake)

(defvar e2e-plan (with-temp-buffer
                   (insert-file-contents (getenv "E2E_PLAN"))
                   (json-parse-buffer :object-type 'plist :array-type 'list)))

(defun e2e-get (key) (plist-get e2e-plan key))

(defun e2e-fail (format &rest arguments)
  (princ (concat "e2e: " (apply #'format format arguments) "\n"))
  (kill-emacs 1))

(defun e2e-expect (what got wanted)
  (unless (equal got wanted) (e2e-fail "%s: got %S, wanted %S" what got wanted)))

(defun e2e-await (what condition)
  (let ((end (+ (float-time) (/ (e2e-get :wait_ms) 1000.0))) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (accept-process-output nil 0.02)
      (sit-for 0))
    (or value (e2e-fail "%s: not in time; diagnostics: %S" what
                        (mapcar #'flymake-diagnostic-text (flymake-diagnostics))))))

(defun e2e-findings ()
  (seq-filter (lambda (d) (string-search (e2e-get :rule) (flymake-diagnostic-text d))) (flymake-diagnostics)))

(defun e2e-report ()
  ;; Batch mode is never idle, and both wait for that.
  (eglot--signal-textDocument/didChange)
  (flymake-start))

(defun e2e-on-disk ()
  (with-temp-buffer
    (set-buffer-multibyte nil)
    (insert-file-contents-literally (e2e-get :path))
    (buffer-string)))

(condition-case problem
    (let ((before nil))
      (setq eglot-sync-connect t eglot-confirm-server-edits nil flymake-no-changes-timeout 0.05 eglot-send-changes-idle-time 0.05
            make-backup-files nil)
      (load (e2e-get :config) nil t)
      (setq before (e2e-on-disk))
      (find-file (e2e-get :path))
      ;; What the hook of our configuration asked for happens after a command.
      (run-hooks 'post-command-hook)
      (e2e-await "the server manages the buffer" #'eglot-managed-p)
      (goto-char (point-max))
      (dolist (line (e2e-get :typed))
        (dolist (character (append line nil))
          (insert character)
          (sit-for 0.005))
        (insert "\n"))
      (e2e-await "the finding" (lambda () (e2e-report) (= (length (e2e-findings)) 1)))
      ;; Eglot starts another server by itself, unless the first one died at once.
      (when (e2e-get :report)
        (let* ((pid (lambda () (with-temp-buffer
                                 (ignore-errors (insert-file-contents (e2e-get :report)))
                                 (and (looking-at "{\"server_pid\": \\([0-9]+\\)}") (string-to-number (match-string 1))))))
               (old (funcall pid))
               (alive (+ (float-time) eglot-autoreconnect 1)))
          (e2e-await "the server has lived long enough" (lambda () (> (float-time) alive)))
          (signal-process old 'SIGKILL)
          (e2e-await "another server takes over" (lambda () (not (memql (funcall pid) (list nil old)))))
          (e2e-await "it manages the buffer" #'eglot-managed-p)
          (e2e-await "it sees the finding" (lambda () (e2e-report) (= (length (e2e-findings)) 1)))))
      ;; What was copied here is not foreign, what comes from another program is.
      (when (equal (e2e-get :after) "")
        (let ((foreign (lambda () (seq-filter (lambda (d) (string-search (e2e-get :pasted_rule) (flymake-diagnostic-text d)))
                                              (progn (e2e-report) (flymake-diagnostics)))))
              (interprogram-paste-function nil))
          (kill-ring-save (point-min) (save-excursion (goto-char (point-min)) (forward-line (e2e-get :own_lines)) (point)))
          (goto-char (point-max))
          (yank)
          (e2e-report)
          (let ((end (+ (float-time) 1.5)))
            (while (< (float-time) end) (accept-process-output nil 0.05) (e2e-report)))
          (e2e-expect "findings in the own copy" (length (funcall foreign)) 0)
          (setq interprogram-paste-function (lambda () (e2e-get :pasted)))
          (yank)
          (e2e-await "the finding in the paste" (lambda () (= (length (funcall foreign)) 1))))
        (set-buffer-modified-p nil)
        (eglot-shutdown-all)
        (kill-emacs 0))
      (let ((finding (car (e2e-findings))))
        (unless (string-search (downcase (e2e-get :message)) (downcase (flymake-diagnostic-text finding)))
          (e2e-fail "the message is %S" (flymake-diagnostic-text finding)))
        (e2e-expect "underlined"
                    (buffer-substring-no-properties (flymake-diagnostic-beg finding) (flymake-diagnostic-end finding))
                    (e2e-get :underlined))
        (let* ((actions (append (eglot-code-actions (flymake-diagnostic-beg finding) (flymake-diagnostic-end finding)) nil))
               (title (downcase (e2e-get :action)))
               (action (seq-find (lambda (a) (string-search title (downcase (plist-get a :title)))) actions)))
          (unless action
            (e2e-fail "no action %S among %S" title (mapcar (lambda (a) (plist-get a :title)) actions)))
          (eglot-execute (eglot-current-server) action)))
      (e2e-await "the finding goes" (lambda () (e2e-report) (null (e2e-findings))))
      (e2e-expect "the file before it is saved" (e2e-on-disk) before)
      (save-buffer)
      (e2e-await "no finding after saving" (lambda () (e2e-report) (null (e2e-findings))))
      (accept-process-output nil 0.3)
      (e2e-expect "findings after saving" (length (e2e-findings)) 0)
      (eglot-shutdown-all)
      (kill-emacs 0))
  (error (e2e-fail "%S" problem)))
