use super::*;
use std::fs;
use tempfile::TempDir;

fn project(files: &[(&str, &str)]) -> (TempDir, Files) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let files = Files::new(folder.path().to_owned());
    (folder, files)
}

fn python(files: &Files, from: &str, specifier: &str) -> Option<String> {
    files.module(from, specifier, Language::Python).map(|m| m.path.to_string())
}

fn typescript(files: &Files, from: &str, specifier: &str) -> Option<String> {
    files.module(from, specifier, Language::TypeScript).map(|m| m.path.to_string())
}

#[test]
fn python_modules_are_found_where_python_looks() {
    let (_folder, files) = project(&[
        ("app/__init__.py", ""),
        ("app/db.py", ""),
        ("app/json.py", ""),
        ("app/api/__init__.py", ""),
        ("app/api/views.py", ""),
        ("src/lib/core.py", ""),
        ("tools/run.py", ""),
        ("tools/helper.py", ""),
    ]);
    assert_eq!(python(&files, "app/api/views.py", "app.db").as_deref(), Some("app/db.py"));
    assert_eq!(python(&files, "app/api/views.py", "..db").as_deref(), Some("app/db.py"));
    assert_eq!(python(&files, "app/api/views.py", "..").as_deref(), Some("app/__init__.py"));
    assert_eq!(python(&files, "app/api/views.py", ".").as_deref(), Some("app/api/__init__.py"));
    assert_eq!(python(&files, "app/db.py", "json"), None, "a package's module is no top level module");
    assert_eq!(python(&files, "app/db.py", "lib.core").as_deref(), Some("src/lib/core.py"));
    assert_eq!(python(&files, "tools/run.py", "helper").as_deref(), Some("tools/helper.py"));
    assert_eq!(python(&files, "tools/run.py", "......x"), None);
    assert_eq!(python(&files, "tools/run.py", "/etc.passwd"), None);
}

#[test]
fn javascript_modules_are_found_with_extensions_indexes_and_aliases() {
    let (_folder, files) = project(&[
        ("src/a.ts", ""),
        ("src/util/index.js", ""),
        ("src/view.tsx", ""),
        ("lib/db.ts", ""),
        (
            "tsconfig.json",
            "{ // aliases\n \"extends\": \"./base\", \"compilerOptions\": { \"paths\": { \"@/*\": [\"./src/*\"], \"db\": [\"lib/db.ts\"], } } }",
        ),
        ("base.json", "{ \"compilerOptions\": { \"baseUrl\": \".\" } }"),
    ]);
    assert_eq!(typescript(&files, "src/x.ts", "./a").as_deref(), Some("src/a.ts"));
    assert_eq!(typescript(&files, "src/x.ts", "./a.js").as_deref(), Some("src/a.ts"));
    assert_eq!(typescript(&files, "src/x.ts", "./util").as_deref(), Some("src/util/index.js"));
    assert_eq!(typescript(&files, "src/util/y.ts", "../view").as_deref(), Some("src/view.tsx"));
    assert_eq!(typescript(&files, "src/util/y.ts", "@/a").as_deref(), Some("src/a.ts"));
    assert_eq!(typescript(&files, "src/util/y.ts", "db").as_deref(), Some("lib/db.ts"));
    assert_eq!(typescript(&files, "src/util/y.ts", "lib/db").as_deref(), Some("lib/db.ts"));
    assert_eq!(typescript(&files, "src/x.ts", "react"), None);
    assert_eq!(files.dependency("src/x.ts", "db", Language::TypeScript), Dependency::Known);
}

#[test]
fn nothing_outside_of_the_root_is_read() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret.py"), "x = 1").unwrap();
    let (folder, files) = project(&[("a/b.py", ""), ("a/c.ts", "")]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(outside.path().join("secret.py"), folder.path().join("a/linked.py")).unwrap();
        assert_eq!(python(&files, "a/b.py", "linked"), None);
        std::os::unix::fs::symlink(folder.path().join("a/b.py"), folder.path().join("a/inner.py")).unwrap();
        assert_eq!(python(&files, "a/b.py", "inner").as_deref(), Some("a/b.py"), "a link inside is its target");
    }
    let name = format!("../../{}/secret", outside.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(typescript(&files, "a/c.ts", &name), None);
    assert_eq!(files.dependency("a/c.ts", "../../x", Language::TypeScript), Dependency::NoManifest);
    drop(folder);
}

#[test]
fn a_changed_file_and_an_open_document_count() {
    let (folder, files) = project(&[("m.py", "a = 1\n"), ("x.py", "")]);
    let one = files.module("x.py", "m", Language::Python).unwrap();
    assert!(Arc::ptr_eq(&one, &files.module("x.py", "m", Language::Python).unwrap()), "unchanged: from the cache");
    fs::write(folder.path().join("m.py"), "a = 1\nb = 2\n").unwrap();
    assert_ne!(one.hash, files.module("x.py", "m", Language::Python).unwrap().hash);
    let open = folder.path().canonicalize().unwrap().join("new.py");
    let files = Files::new(folder.path().to_owned()).with_overlay(Box::new(move |p| (p == open).then(|| Arc::from("c = 3\n"))));
    assert_eq!(files.module("x.py", "new", Language::Python).unwrap().items.len(), 1, "not saved yet");
}

#[test]
fn python_dependencies_come_from_every_kind_of_manifest() {
    let known = |name: &str, text: &str, package: &str| {
        let (_folder, files) = project(&[(name, text), ("pkg/a.py", "")]);
        files.dependency("pkg/a.py", package, Language::Python)
    };
    for (name, text, package) in [
        ("requirements-dev.txt", "Flask_SQLAlchemy==3 # x\n", "flask-sqlalchemy"),
        ("requirements/base.txt", "a\nb>=2\n", "b"),
        ("requirements.txt", "-e git+https://example.org/x.git#egg=thing\nother @ https://example.org/o.whl\n", "other"),
        ("pyproject.toml", "[project]\nname='n'\ndependencies=['requests[socks]>=2']\n", "requests"),
        ("pyproject.toml", "[tool.poetry.group.dev.dependencies]\npytest='*'\n[tool.poetry.dependencies]\n", "pytest"),
        ("pyproject.toml", "[dependency-groups]\ntest=['hypothesis', {include-group='x'}]\n[project]\n", "hypothesis"),
        ("setup.py", "setup(name='x', install_requires=['Django>=4', \"celery\"])", "celery"),
        ("setup.cfg", "[options]\ninstall_requires =\n  attrs>=2\n", "attrs"),
        ("setup.cfg", "[metadata]\nname = x\n[options.extras_require]\ntest =\n  pytest>=8\ndev = black; ruff>=0.4\n", "ruff"),
        ("environment.yml", "name: x\ndependencies:\n  - python=3.12\n  - conda-forge::scipy\n  - pip:\n    - rich==13.0\n", "rich"),
        ("environment.yml", "dependencies: \n- 'scipy=1.1'\n", "scipy"),
        ("Pipfile", "[packages]\nrich='*'\n", "rich"),
        ("Pipfile.lock", "{\"default\": {\"click\": {}}}", "click"),
        ("uv.lock", "[[package]]\nname = \"idna\"\n", "idna"),
        (".venv/pyvenv.cfg", "", "pkg"),
    ] {
        assert_eq!(known(name, text, package), Dependency::Known, "{name}: {package}");
        let absent = if name.starts_with(".venv") { Dependency::NoManifest } else { Dependency::Undeclared };
        assert_eq!(known(name, text, "reqeusts"), absent, "{name}");
    }
    assert_eq!(known("pyproject.toml", "[tool.black]\n", "x"), Dependency::NoManifest);
    assert_eq!(known("pyproject.toml", "[project]\ndynamic=['dependencies']\n", "x"), Dependency::NoManifest);
    assert_eq!(known("pyproject.toml", "broken = [", "x"), Dependency::NoManifest);
}

#[test]
fn installed_packages_are_known() {
    let (folder, files) = project(&[
        ("requirements.txt", ""),
        (".venv/pyvenv.cfg", ""),
        (".venv/lib/python3.12/site-packages/yaml/__init__.py", ""),
        (".venv/lib/python3.12/site-packages/PyYAML-6.0.dist-info/METADATA", ""),
        ("a.py", ""),
    ]);
    for package in ["yaml", "pyyaml"] {
        assert_eq!(files.dependency("a.py", package, Language::Python), Dependency::Known, "{package}");
    }
    assert_eq!(files.dependency("a.py", "yml", Language::Python), Dependency::Undeclared);
    fs::write(folder.path().join("requirements.txt"), "yml\n").unwrap();
    files.forget_manifests();
    assert_eq!(files.dependency("a.py", "yml", Language::Python), Dependency::Known);
}

#[test]
fn javascript_dependencies_come_from_manifests_workspaces_and_modules() {
    let (_folder, files) = project(&[
        ("package.json", "{\"workspaces\": [\"packages/*\"], \"devDependencies\": {\"vitest\": \"1\"}}"),
        ("packages/one/package.json", "{\"name\": \"@acme/one\", \"dependencies\": {\"express\": \"5\", \"@types/lodash\": \"4\"}}"),
        ("packages/two/package.json", "{\"name\": \"@acme/two\"}"),
        ("node_modules/hoisted/package.json", "{}"),
        ("packages/one/a.js", ""),
    ]);
    let of = |package: &str| files.dependency("packages/one/a.js", package, Language::JavaScript);
    for package in ["express", "vitest", "@acme/two", "hoisted", "lodash"] {
        assert_eq!(of(package), Dependency::Known, "{package}");
    }
    assert_eq!(of("expres"), Dependency::Undeclared);
    for alias in ["@/x", "~/x", "#imports", "virtual:x"] {
        assert_eq!(of(alias), Dependency::NoManifest, "{alias}");
    }
    assert_eq!(project(&[("a.js", "")]).1.dependency("a.js", "x", Language::JavaScript), Dependency::NoManifest);
}

#[test]
fn hostile_manifests_cost_nothing_but_themselves() {
    let deep = format!("{{\"dependencies\": {}", "[".repeat(200_000));
    let (_folder, files) = project(&[
        ("package.json", &deep),
        ("tsconfig.json", "{\"extends\": \"./tsconfig.json\", \"compilerOptions\": {\"paths\": {\"*\": [\"../../../../*\"]}}}"),
        ("requirements.txt", "-r requirements.txt\n-r ../../../etc/hosts\n"),
        ("a.ts", ""),
    ]);
    assert_eq!(files.dependency("a.ts", "x", Language::TypeScript), Dependency::NoManifest);
    assert_eq!(typescript(&files, "a.ts", "etc/passwd"), None);
    assert_eq!(files.dependency("a.py", "x", Language::Python), Dependency::Undeclared);
}
