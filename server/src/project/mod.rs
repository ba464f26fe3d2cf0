//! The file system as the engine's [`Project`].

use qualm_engine::{Dependency, Language, Module, Project};
use std::{path::PathBuf, sync::Arc};

/// A project folder.
pub struct Files {
    root: PathBuf,
}

impl Files {
    /// The project in `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }
}

impl Project for Files {
    fn module(&self, _from: &str, _specifier: &str, _language: Language) -> Option<Arc<Module>> {
        let _ = &self.root;
        None
    }
    fn dependency(&self, _from: &str, _package: &str, _language: Language) -> Dependency {
        Dependency::NoManifest
    }
}
