//! The language server: `qualm lsp`, spoken over standard input and output.
//!
//! A message changes the [`session`] synchronously in the order of arrival; [`work`] brings every changed document to an
//! [`answer`] off the reading task; [`publish`] tells the client. [`convert`] alone builds protocol structures, and only
//! [`text`] knows how clients count columns.

mod actions;
mod announced;
mod answer;
mod convert;
mod document;
mod edits;
mod home;
mod hover;
mod origin;
mod parent;
mod publish;
mod replay;
mod server;
mod session;
mod text;
mod vet;
mod wire;
mod work;

use announced::Announced;
use server::Qualm;
use session::Session;
use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, mpsc, watch},
};
use tower_lsp::{LspService, Server, jsonrpc::Request};
use tower_service::Service;

/// So many requests may be under way: a cancellation must never wait behind what it cancels.
const CONCURRENCY: usize = 1024;
/// After the end of the input, what is still under way may take this long.
const GRACE: Duration = Duration::from_millis(300);

/// How to serve.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Write the session (with the text of all opened files) to this file, for a bug report
    #[arg(long, value_name = "FILE")]
    pub mirror: Option<PathBuf>,
    /// Play the client's part of a session written with --mirror, and print what the server says
    #[arg(long, value_name = "FILE", conflicts_with = "mirror")]
    pub replay: Option<PathBuf>,
}

/// Serves until the client ends the session; gives the exit code.
pub fn run(options: &Options) -> anyhow::Result<u8> {
    let filter = tracing_subscriber::EnvFilter::try_from_env("QUALM_LOG").unwrap_or_else(|_| "warn".into());
    // Fails only if there is a logger already.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).try_init();
    // A panic's message may quote the text it stumbled over; its place says enough.
    std::panic::set_hook(Box::new(|info| match info.location() {
        Some(at) => tracing::error!("panic at {}:{}", at.file(), at.line()),
        None => tracing::error!("panic"),
    }));
    // The rules are read while the client still says hello.
    std::thread::spawn(crate::workspace::embedded_engine);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().thread_keep_alive(Duration::from_secs(60)).build()?;
    let code = if let Some(file) = &options.replay {
        runtime.block_on(replay::run(file))?
    } else {
        runtime.block_on(serve(tokio::io::stdin(), tokio::io::stdout(), options.mirror.clone()))?
    };
    // A read of the standard input cannot be taken back and must not keep the process alive.
    runtime.shutdown_background();
    Ok(code)
}

/// Serves one client over any pipe. `mirror` writes the session down. Gives 0 after an orderly end, 1 otherwise.
pub async fn serve(input: impl AsyncRead + Unpin, output: impl AsyncWrite + Unpin, mirror: Option<PathBuf>) -> io::Result<u8> {
    let mirror = mirror.map(|path| wire::Mirror::create(&path)).transpose()?.map(Arc::new);
    let ended = Arc::new(Notify::new());
    let input = wire::Tap::new(input, "client", mirror.clone(), ended.clone());
    let output = wire::Tap::new(output, "server", mirror, ended.clone());
    let (out, from) = mpsc::unbounded_channel();
    let session = Arc::new(Session::new(out));
    let parent = Arc::new(watch::Sender::new(None));
    let mut known_parent = parent.subscribe();
    let state = session.clone();
    let mut publisher = None;
    let (service, socket) = LspService::build(|client| {
        publisher = Some(tokio::spawn(publish::run(state.clone(), client.clone(), from)));
        Qualm { session: state, client, parent, vetting: vet::Running::default(), tokens: 0.into() }
    })
    .custom_method("qualm/textHash", Qualm::text_hash)
    .custom_method("qualm/origin", Qualm::origin_told)
    .custom_method("qualm/originRuns", Qualm::origin_runs)
    .custom_method("window/workDoneProgress/cancel", Qualm::cancel_progress)
    .finish();
    let front = Front { inner: service, session: session.clone() };
    tokio::select! {
        () = Server::new(input, output, socket).concurrency_level(CONCURRENCY).serve(front) => {}
        () = async { ended.notified().await; tokio::time::sleep(GRACE).await } => {}
        () = async {
            let pid = known_parent.wait_for(Option::is_some).await.ok().and_then(|p| *p);
            match pid {
                Some(pid) => parent::gone(pid).await,
                None => std::future::pending().await,
            }
        } => tracing::info!("the editor is gone"),
    }
    if let Some(task) = publisher {
        task.abort();
    }
    Ok(u8::from(!session.shut_down.load(Ordering::Relaxed)))
}

/// Sees messages while they arrive: takes the client's abilities from the raw parameters, and notes the wish to end.
struct Front<S> {
    inner: S,
    session: Arc<Session>,
}

impl<S: Service<Request>> Service<Request> for Front<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match (request.method(), request.params()) {
            ("initialize", Some(params)) => self.session.announce(Announced::read(params)),
            // An `exit` right behind it takes the handler's chance to run.
            ("shutdown", _) => self.session.shut_down.store(true, Ordering::Relaxed),
            _ => {}
        }
        self.inner.call(request)
    }
}
