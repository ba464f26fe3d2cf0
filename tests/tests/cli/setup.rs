//! `qualm setup` in a home folder of its own.

use super::binary;
use std::{fs, path::Path, process::Command};

fn setup(home: &Path, args: &[&str]) -> (i32, String) {
    let mut command = Command::new(binary());
    command.arg("setup").args(args).env_clear().env("HOME", home).env("PATH", "/nonexistent");
    let done = command.stdin(std::process::Stdio::null()).output().unwrap();
    (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
}

const OWN: &str = "# mine\n[[language]]\nname = \"python\"\nlanguage-servers = [\"pyright\"]\n";

#[test]
fn it_shows_merges_and_takes_back() {
    let home = tempfile::tempdir().unwrap();
    let helix = home.path().join(".config/helix/languages.toml");
    let claude = home.path().join(".claude");
    fs::create_dir_all(helix.parent().unwrap()).unwrap();
    fs::create_dir_all(&claude).unwrap();
    fs::write(&helix, OWN).unwrap();
    for dry in [&["--dry-run"][..], &[][..]] {
        let (code, said) = setup(home.path(), dry);
        assert!(said.contains("+language-servers = [\"pyright\", \"qualm\"]") && said.contains("qualm hook claude"), "{said}");
        assert_eq!(code, i32::from(dry.is_empty()), "nobody said yes");
        assert_eq!(fs::read_to_string(&helix).unwrap(), OWN);
        assert!(!claude.join("settings.json").exists());
    }
    assert_eq!(setup(home.path(), &["--yes"]).0, 0);
    let merged = fs::read_to_string(&helix).unwrap();
    assert!(merged.starts_with("# mine\n"), "{merged}");
    let (code, said) = setup(home.path(), &["--yes"]);
    assert!(code == 0 && said.contains("helix: set up already") && said.contains("claude: set up already"), "{said}");
    assert_eq!(setup(home.path(), &["--yes", "--editor", "neovim"]).0, 0);
    let plugin = home.path().join(".local/share/nvim/site/pack/qualm/start/qualm");
    assert!(plugin.join("plugin/qualm_enable.lua").is_file() && plugin.join("doc/tags").is_file());
    assert_eq!(setup(home.path(), &["--yes", "--editor", "kakoune", "--editor", "vim", "--editor", "emacs", "--editor", "vscode"]).0, 0);
    assert!(fs::read_to_string(home.path().join(".config/kak/kakrc")).unwrap().contains("[qualm]"));
    assert!(home.path().join(".vim/plugin/qualm.vim").is_file());
    assert!(fs::read_to_string(home.path().join(".emacs.d/init.el")).unwrap().contains("qualm-eglot"));
    // What was changed meanwhile stays.
    fs::write(&helix, format!("{merged}# more\n")).unwrap();
    let (code, said) = setup(home.path(), &["--undo", "--yes"]);
    assert!(code == 1 && said.contains("was changed since"), "{said}");
    assert!(!plugin.exists() && !claude.join("settings.json").exists());
    fs::write(&helix, &merged).unwrap();
    assert_eq!(setup(home.path(), &["--undo", "--yes"]).0, 0);
    assert_eq!(fs::read_to_string(&helix).unwrap(), OWN);
    assert!(setup(home.path(), &["--undo", "--yes"]).1.contains("nothing to take back"));
}

#[test]
fn what_cannot_be_merged_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let claude = home.path().join(".claude/settings.json");
    fs::create_dir_all(claude.parent().unwrap()).unwrap();
    fs::write(&claude, "// mine\n{}\n").unwrap();
    let (code, said) = setup(home.path(), &["--yes", "--editor", "claude"]);
    assert!(code == 0 && said.contains("was left alone"), "{said}");
    assert_eq!(fs::read_to_string(&claude).unwrap(), "// mine\n{}\n");
    assert_eq!(setup(tempfile::tempdir().unwrap().path(), &["--yes"]).0, 2, "nothing is found");
}
