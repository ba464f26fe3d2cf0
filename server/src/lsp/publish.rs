//! The one task that talks to the client unasked. It looks again at the version right before it sends.

use super::{
    convert,
    origin::Known,
    resume::{KnownNotification, PongNotification, SurvivedNotification},
    session::Session,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};
use tokio::sync::mpsc;
use tower_lsp::{
    Client, UriExt,
    lsp_types::{MessageType, Uri},
};

/// What is to be told.
#[derive(Debug)]
pub enum Out {
    /// A document has a new answer.
    Answer {
        /// The document.
        key: String,
        /// The client cannot know that it should ask again.
        unasked: bool,
    },
    /// A document was closed.
    Closed(Uri),
    /// Something the user should know.
    Warn(String),
    /// Something the user asked for.
    Tell(String),
    /// What is wrong with configuration and rules now; earlier ones are mended.
    Problems(Vec<crate::workspace::Problem>),
    /// Findings of a file that is not open.
    File(PathBuf, Vec<tower_lsp::lsp_types::Diagnostic>),
    /// A file was opened: what was said of it while it was closed no longer counts.
    Opened(Uri),
    /// What the next server would have to know of a document.
    Known(Known),
    /// A document that was looked at with care is vetted.
    Survived(String),
    /// The supervisor asked whether all is well.
    Pong,
}

/// Runs until the session ends.
pub async fn run(session: Arc<Session>, client: Client, mut from: mpsc::UnboundedReceiver<Out>) {
    let mut blamed: BTreeSet<Uri> = BTreeSet::new();
    let mut vetted: BTreeSet<Uri> = BTreeSet::new();
    let pull = |session: &Session| session.announced().pull;
    while let Some(first) = from.recv().await {
        let mut batch = vec![first];
        while let Ok(more) = from.try_recv() {
            batch.push(more);
        }
        let mut keys = BTreeSet::new();
        let mut refresh = false;
        for out in batch {
            match out {
                Out::Answer { key, unasked } => {
                    if pull(&session) {
                        refresh |= unasked;
                    } else {
                        keys.insert(key);
                    }
                }
                Out::Closed(uri) => {
                    if !pull(&session) {
                        client.publish_diagnostics(uri, Vec::new(), None).await;
                    }
                }
                Out::Warn(text) => client.show_message(MessageType::WARNING, text).await,
                Out::Tell(text) => client.show_message(MessageType::INFO, text).await,
                Out::Problems(problems) => tell_problems(&client, &mut blamed, problems).await,
                Out::File(path, diagnostics) => {
                    if let Some(uri) = Uri::from_file_path(path) {
                        if session.snapshot(uri.as_str()).is_some() {
                            continue;
                        }
                        let known = if diagnostics.is_empty() { vetted.remove(&uri) } else { !vetted.insert(uri.clone()) };
                        if known || !diagnostics.is_empty() {
                            client.publish_diagnostics(uri, diagnostics, None).await;
                        }
                    }
                }
                Out::Known(known) => client.send_notification::<KnownNotification>(known).await,
                Out::Survived(key) => client.send_notification::<SurvivedNotification>(key).await,
                Out::Pong => client.send_notification::<PongNotification>(()).await,
                Out::Opened(uri) => {
                    if vetted.remove(&uri) && pull(&session) {
                        client.publish_diagnostics(uri, Vec::new(), None).await;
                    }
                }
            }
        }
        for key in keys {
            if let Some((uri, answer)) = session.current(&key) {
                client.publish_diagnostics(uri, answer.diagnostics.to_vec(), Some(answer.stamp.version)).await;
            }
        }
        if refresh {
            let client = client.clone();
            tokio::spawn(async move { client.workspace_diagnostic_refresh().await });
        }
    }
}

async fn tell_problems(client: &Client, blamed: &mut BTreeSet<Uri>, problems: Vec<crate::workspace::Problem>) {
    let mut by_file: BTreeMap<Uri, Vec<_>> = BTreeMap::new();
    for problem in &problems {
        if problem.file.is_absolute()
            && let Some(uri) = Uri::from_file_path(&problem.file)
        {
            by_file.entry(uri).or_default().push(convert::problem(problem));
        }
    }
    for mended in blamed.iter().filter(|uri| !by_file.contains_key(*uri)) {
        client.publish_diagnostics(mended.clone(), Vec::new(), None).await;
    }
    *blamed = by_file.keys().cloned().collect();
    for (uri, diagnostics) in by_file {
        client.publish_diagnostics(uri, diagnostics, None).await;
    }
    if let Some(first) = problems.first() {
        let more = if problems.len() > 1 { format!(" (and {} more)", problems.len() - 1) } else { String::new() };
        client.show_message(MessageType::WARNING, format!("qualm: {first}{more}")).await;
    }
}
