//! Looks at qualm from outside only; everything lives in `tests/tests`.
