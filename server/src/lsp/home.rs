//! The projects of a session: which settings, rules and other files a document is judged with. Opened when first
//! needed, forgotten on reload. Everything here may read files and is called off the reading task, except [`Homes::reload`].

use super::{
    origin,
    session::{Snapshot, lock},
};
use crate::{
    config::{self, Config},
    files,
    project::Files,
    rewrite,
    workspace::{Problem, Vetted, Workspace},
};
use dashmap::DashMap;
use qualm_engine::{Analysis, Cache, Finding, Fix, Foreign, Refusal, SourceFile, syntax};
use ropey::Rope;
use serde_json::Value;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};
use tower_lsp::{UriExt, lsp_types::Uri};

/// Keys of the client's settings that are the extension's own business.
const EDITOR_KEYS: &[&str] = &["path", "trace", "enable", "server", "log"];

/// A project as documents see it.
pub struct Home {
    /// Settings and rules.
    pub workspace: Arc<Workspace>,
    /// Other files.
    pub files: Arc<Files>,
}

impl Home {
    /// The project's name of a document: relative path, or for unsaved ones what the client calls it.
    pub fn name_of(&self, snapshot: &Snapshot) -> Arc<str> {
        match &snapshot.path {
            Some(path) => self.workspace.name_of(path),
            None => snapshot.uri.path().as_str().trim_start_matches('/').into(),
        }
    }

    /// How strictly text is judged whose origin nobody knows.
    pub fn foreign(&self) -> Foreign {
        self.workspace.strictness(if self.workspace.config.foreign.value { Foreign::All } else { Foreign::None })
    }

    /// What of an open document is judged as foreign.
    pub fn foreign_in(&self, snapshot: &Snapshot) -> Foreign {
        self.workspace.strictness(if self.workspace.config.foreign.value { Foreign::All } else { origin::foreign(&snapshot.regions) })
    }

    /// Findings as configured.
    pub fn analyse(&self, file: &Vetted, cache: &mut Cache, cancelled: &(dyn Fn() -> bool + Sync)) -> Option<Analysis> {
        self.workspace.analyse(file, cache, &*self.files, cancelled)
    }

    /// Findings as configured after an edit, from what was edited; `file.tree` is not looked at. See
    /// [`qualm_engine::Engine::analyse_edit`].
    pub fn analyse_edit(&self, file: &SourceFile, cache: &mut Cache, cancelled: &(dyn Fn() -> bool + Sync)) -> Option<Analysis> {
        let mut analysis = self.workspace.engine.analyse_edit(file, cache, &*self.files, cancelled)?;
        analysis.findings = self.workspace.shown(analysis.findings);
        Some(analysis)
    }

    /// The proven rewrite of a finding of this very text. `cache` is a fork of what its analyses left.
    pub fn fix(&self, cache: Cache, file: &SourceFile, finding: &Finding) -> Result<Fix, Refusal> {
        let fix = rewrite::with_line_ends_of(&file.text, self.workspace.engine.fix_from(cache, file, finding, &*self.files)?);
        if rewrite::is_sound(&file.text, &fix) && !fix.edits.is_empty() {
            Ok(fix)
        } else {
            Err(Refusal::Unfit("the rewrite does not fit this text".into()))
        }
    }

    /// The document for the engine, parsed if need be. `None`: its language has no lowering.
    pub fn source(&self, snapshot: &Snapshot) -> Option<SourceFile> {
        let language = snapshot.language?;
        let text: Arc<str> = String::from(&snapshot.rope).into();
        let tree = match &snapshot.tree {
            Some(tree) if snapshot.tree_is_current => tree.clone(),
            old => syntax::parse(language, &text, old.as_ref(), || true)?,
        };
        Some(SourceFile { path: self.name_of(snapshot), language, text, tree, foreign: self.foreign_in(snapshot) })
    }

    /// A file of the project by its name, as the client has it or as it is on disk.
    pub fn other_file(&self, texts: &OpenTexts, name: &str) -> Option<(Uri, Rope)> {
        let path = self.workspace.root.join(name);
        texts.rope(&path).or_else(|| match files::read(&path, files::MAX_FILE) {
            Ok(files::Content::Text(text)) => Some((Uri::from_file_path(&path)?, Rope::from_str(&text.text))),
            _ => None,
        })
    }
}

/// The texts of open files, for everything that would otherwise read the file.
#[derive(Default)]
pub struct OpenTexts(DashMap<PathBuf, OpenText>);

struct OpenText {
    uri: Uri,
    rope: Rope,
    text: OnceLock<Arc<str>>,
}

impl OpenTexts {
    /// The file has this text now.
    pub fn set(&self, path: &Path, uri: &Uri, rope: &Rope) {
        if let Some(mut open) = self.0.get_mut(path) {
            open.rope = rope.clone();
            open.text = OnceLock::new();
            return;
        }
        self.0.insert(path.to_owned(), OpenText { uri: uri.clone(), rope: rope.clone(), text: OnceLock::new() });
    }

    /// The file is no longer open.
    pub fn remove(&self, path: &Path) {
        self.0.remove(path);
    }

    /// What the client calls the file, and its text.
    pub fn rope(&self, path: &Path) -> Option<(Uri, Rope)> {
        self.0.get(path).map(|open| (open.uri.clone(), open.rope.clone()))
    }

    fn text(&self, path: &Path) -> Option<Arc<str>> {
        self.0.get(path).map(|open| open.text.get_or_init(|| String::from(&open.rope).into()).clone())
    }
}

#[derive(Default)]
struct Client {
    folders: Vec<PathBuf>,
    /// `initializationOptions`, then what came later.
    options: Value,
    settings: Value,
}

#[derive(Default)]
struct Open {
    generation: u64,
    by_folder: HashMap<PathBuf, Arc<Home>>,
    problems: Vec<Problem>,
}

fn distinct(open: &Open) -> Vec<Arc<Home>> {
    let mut all: Vec<Arc<Home>> = Vec::new();
    for home in open.by_folder.values() {
        if !all.iter().any(|h| Arc::ptr_eq(h, home)) {
            all.push(home.clone());
        }
    }
    all
}

/// Files with the time of their last change.
pub type Fingerprint = Vec<(PathBuf, Option<SystemTime>)>;

/// All projects of the session.
#[derive(Default)]
pub struct Homes {
    /// What is open.
    pub texts: Arc<OpenTexts>,
    client: Mutex<Client>,
    generation: AtomicU64,
    open: Mutex<Open>,
    last: Mutex<Option<Fingerprint>>,
}

impl Homes {
    /// The client's folders and its first settings.
    pub fn start(&self, folders: Vec<PathBuf>, options: Value) {
        let mut client = lock(&self.client);
        client.folders = folders;
        client.options = options;
    }

    /// Folders came and went.
    pub fn change_folders(&self, added: Vec<PathBuf>, removed: &[PathBuf]) {
        let mut client = lock(&self.client);
        client.folders.retain(|f| !removed.contains(f));
        client.folders.extend(added);
    }

    /// The client's folders.
    pub fn folders(&self) -> Vec<PathBuf> {
        lock(&self.client).folders.clone()
    }

    /// Takes the client's settings. True: they are others than before.
    pub fn configure(&self, settings: Value) -> bool {
        let mut client = lock(&self.client);
        let changed = client.settings != settings;
        client.settings = settings;
        changed
    }

    /// Everything is read anew when next needed. Never blocks.
    pub fn reload(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// The project of a file, and what is wrong with all projects if that changed.
    pub fn of(&self, path: Option<&Path>) -> (Arc<Home>, Option<Vec<Problem>>) {
        let (mut open, generation, folders, layers) = loop {
            let generation = self.generation.load(Ordering::SeqCst);
            let (folders, layers) = {
                let client = lock(&self.client);
                (client.folders.clone(), [client.options.clone(), client.settings.clone()])
            };
            let open = lock(&self.open);
            // Settings that changed meanwhile must not be missed for good.
            if self.generation.load(Ordering::SeqCst) == generation {
                break (open, generation, folders, layers);
            }
        };
        let folder =
            path.and_then(Path::parent).map(Path::to_owned).or_else(|| folders.first().cloned()).unwrap_or_else(|| PathBuf::from("/"));
        if open.generation != generation {
            // Problems stay: whether they are mended is known when the projects are open again.
            open.generation = generation;
            open.by_folder.clear();
        }
        if let Some(home) = open.by_folder.get(&folder) {
            return (home.clone(), None);
        }
        let located = config::locate(&folder);
        let fallback = folders.iter().filter(|f| folder.starts_with(f)).max_by_key(|f| f.as_os_str().len()).unwrap_or(&folder);
        let root = located.root.unwrap_or_else(|| fallback.clone());
        let root = root.canonicalize().unwrap_or(root);
        let known = open.by_folder.values().find(|h| h.workspace.root == root && h.workspace.config.file == located.config).cloned();
        if let Some(home) = known {
            open.by_folder.insert(folder, home.clone());
            return (home, None);
        }
        let (mut config, mut errors) = located.config.as_deref().map_or_else(|| (Config::new(&root), Vec::new()), Config::load);
        for layer in &layers {
            errors.extend(config.apply_json(layer, EDITOR_KEYS));
        }
        let workspace = Arc::new(Workspace::open(&root, config, errors));
        let texts = self.texts.clone();
        let files = Files::new(workspace.root.clone()).with_overlay(Box::new(move |path| texts.text(path)));
        let home = Arc::new(Home { files: Arc::new(files), workspace });
        open.by_folder.insert(folder, home.clone());
        let mut problems: Vec<Problem> = Vec::new();
        for problem in open.by_folder.values().flat_map(|h| &h.workspace.problems) {
            if !problems.contains(problem) {
                problems.push(problem.clone());
            }
        }
        problems.sort_by(|a, b| (&a.file, a.line, &a.message).cmp(&(&b.file, b.line, &b.message)));
        let news = (open.problems != problems).then(|| problems.clone());
        open.problems = problems;
        (home, news)
    }

    /// Every open project.
    pub fn all(&self) -> Vec<Arc<Home>> {
        distinct(&lock(&self.open))
    }

    /// Every open project, unless one is being opened right now: never blocks.
    pub fn open_now(&self) -> Vec<Arc<Home>> {
        self.open.try_lock().map_or_else(|_| Vec::new(), |open| distinct(&open))
    }

    /// Notes a fingerprint. True: there was another one before.
    pub fn changed_since(&self, now: Fingerprint) -> bool {
        let mut last = lock(&self.last);
        last.replace(now.clone()).is_some_and(|before| before != now)
    }

    /// When the files that make up settings and rules last changed; another value means a reload is due.
    pub fn fingerprint(&self) -> Fingerprint {
        let time = |p: &Path| std::fs::metadata(p).and_then(|m| m.modified()).ok();
        let mut all = Vec::new();
        for home in self.all() {
            let config = &home.workspace.config;
            let rules = config.base.join(&config.rules_dir.value);
            let file = config.file.clone().unwrap_or_else(|| home.workspace.root.join(config::FILE_NAME));
            let found = files::walk(&rules, false).into_iter().flatten();
            all.extend(std::iter::once(file).chain(found).map(|p| (p.clone(), time(&p))));
        }
        all.sort();
        all
    }
}

/// Whether a changed file is part of the configuration.
pub fn is_configuration(path: &Path) -> bool {
    path.file_name().is_some_and(|n| n == config::FILE_NAME) || path.components().any(|c| c.as_os_str() == ".qualm")
}
