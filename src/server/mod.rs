//! The running server: listens, answers with a few threads, reloads, stops. The only folder that names `tiny_http`.
//!
//! A push passes through `guard/conversing` (read it whole) → `guard/framing` (check it) → `guard/relaying` (give it a
//! ticket) → `http/lanes` (tiny_http parses it) → `http/workers` → `routes` → `callback` → the store's writer. After the
//! commit the answer goes by its ticket: `http/outbox` → `guard/relaying` → `guard/conversing`.

// Tests may unwrap: a panic is how they fail.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod routes;

mod admin;
mod web;

mod router;

mod callback;
mod form;
mod guard;
mod http;
mod language;
mod rate;
mod systemd;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::{App, AppError, Live};
use crate::background::{self, AFTER_PANIC, restarting};
use crate::clock;
use crate::config::{Config, Listen};
use crate::counted::counted;
use crate::dispatch::Advice;
use crate::store::{ErrorKind, Store};
use crate::trouble::Kind;
use admin::AdminServer;
pub use admin::{AdminRoute, admin_routes};
use callback::{Refusals, Refused, Stall};
use guard::{Guard, Limits, Refusal, Reports};
pub use guard::{ListenError, Listener};
use http::client::ClientAddress;
pub use http::headers::FORWARDED_HEADER;
use http::lanes::Lanes;
use http::peer::Peer;
use http::workers::Workers;
use router::Router;
use routes::{ROUTES, Site};
use systemd::State;

/// How long a stop waits for answers under way and for the store. The contract allows 5 s in all; the rest is for the
/// last lines of the log.
const STOP_PATIENCE: Duration = Duration::from_millis(4_600);

/// The part of it reserved for the store, to finish its last write and fold the log into the file.
const STORE_PATIENCE: Duration = Duration::from_millis(200);

/// Until a start that the store could not note is noted again.
const NOTE_AGAIN: Duration = Duration::from_secs(5);

/// Two signals within this time are one: `timeout` and some supervisors send it to the program and to its group.
const ONE_SIGNAL: Duration = Duration::from_millis(300);

/// Why the server could not start, or had to end.
#[derive(Debug)]
pub enum ServeError {
    /// The store or the API client.
    App(AppError),
    /// The address.
    Listen(ListenError),
    /// The address of the operator's page.
    AdminListen(ListenError),
    /// The system gave no threads, sockets or signals.
    System(io::Error),
    /// It ended by a fault while it ran.
    Fault(String),
}

/// What the main thread waits for.
enum Event {
    Signal(i32),
    Fault(String),
}

/// Passes on what the guard reports.
struct Reporter {
    events: Sender<Event>,
    refusals: Arc<Refusals>,
    stall: Arc<Stall>,
}

impl Reports for Reporter {
    fn fatal(&mut self, reason: String) {
        self.events.send(Event::Fault(reason)).ok();
    }

    fn refused(&mut self, from: Peer, refusal: Refusal, is_tls: bool) {
        let why = match refusal {
            // The reason is logged elsewhere.
            Refusal::Unavailable => return log::debug!("guard: {from} answered 503"),
            Refusal::BadRequest if is_tls => Refused::Tls,
            refusal => Refused::Http(refusal),
        };
        self.refusals.note(ClientAddress::from(from), &why);
    }

    fn late(&mut self) {
        self.stall.late();
    }
}

/// Serves until a signal or a fault ends it.
///
/// # Errors
/// When it cannot start; the text says what to do.
pub fn serve(config: Config) -> Result<(), ServeError> {
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let (events, happened) = channel();
    let started = Arc::new(AtomicBool::new(false));
    listen_to_signals(signals, events.clone(), Arc::clone(&started))?;
    let listener = Listener::bind(&config.server.listen)?;
    let admin_listener = match &config.admin.listen {
        Some(listen) => Some(Listener::bind(listen).map_err(ServeError::AdminListen)?),
        None => None,
    };
    let app = Arc::new(App::new(config)?);
    let live = app.live();
    let folder = folder_of(&app.store);
    let (lanes, requests) = Lanes::start(live.config.server.workers, folder)?;
    let refusals = Arc::new(Refusals::default());
    let site = Arc::new(Site::new(Arc::clone(&app), Arc::clone(&refusals))?);
    let router = Router::with(Arc::clone(&site), ROUTES)?;
    let killed = app.store.end_dead_nodes().map_err(AppError::Store)?;
    if killed > 0 {
        log::info!("nodes: a server of this machine was killed; what it alone did goes on at once");
    }
    // Before any push is recorded here: what others know nothing of counts as left behind.
    app.store.tell_nodes(&app.node()).map_err(AppError::Store)?;
    // Where several servers share the store, one of them does that for all.
    if !app.store.is_shared() {
        app.store
            .end_interrupted_sending()
            .map_err(AppError::Store)?;
    }
    // Before any delivery of theirs can come.
    app.deliveries
        .resume(&live.services, &live.rules)
        .map_err(AppError::Store)?;
    let reports = Reporter {
        events,
        refusals: Arc::clone(&refusals),
        stall: Arc::clone(site.callback().stall()),
    };
    started.store(true, Ordering::Relaxed);
    let limits = Limits::of(&live.config.server);
    let guard = Guard::start(listener, lanes, limits, Arc::clone(&app.counters), reports)?;
    let guard = Arc::new(guard);
    let handle = move |request, deferred| router.handle(request, deferred);
    let workers = Workers::start(live.config.server.workers, requests, guard.outbox(), handle)?;
    let admin = match admin_listener {
        Some(listener) => Some(AdminServer::start(&app, listener, folder, refusals)?),
        None => None,
    };
    let admin = Arc::new(admin);
    app.listens_at(guard.local_addr().to_string());
    background::start(&app)?;
    let watched = Arc::clone(&app);
    thread::Builder::new()
        .name("watchdog".to_owned())
        .spawn(move || {
            restarting("watchdog", &watched.notifiers.watchdog, AFTER_PANIC, || {
                systemd::feed_watchdog(&watched);
            });
        })?;
    greet(&app, guard.local_addr(), admin.as_ref().as_ref());
    systemd::notify(State::Ready);
    let reloads = reloading(&app, &guard, &admin)?;
    let ended = run(&reloads, &happened);
    let stop_by = Instant::now() + STOP_PATIENCE;
    // A second signal ends at once, without waiting for anything.
    let first = Instant::now();
    thread::Builder::new()
        .name("impatience".to_owned())
        .spawn(move || {
            while let Ok(event) = happened.recv() {
                if let Event::Signal(SIGTERM | SIGINT) = event
                    && first.elapsed() >= ONE_SIGNAL
                {
                    log::warn!("stopped at once, by a second signal");
                    log::logger().flush();
                    std::process::exit(1);
                }
            }
        })?;
    systemd::notify(State::Stopping);
    let patience = (stop_by - STORE_PATIENCE).saturating_duration_since(Instant::now());
    let left = thread::scope(|scope| {
        scope.spawn(|| admin.iter().for_each(|admin| admin.stop(patience)));
        guard.stop(patience)
    });
    log::debug!("guard: stopped: {}", app.counters);
    if left > 0 {
        log::warn!(
            "{} left without an answer; WeChat delivers again",
            counted(left, "request")
        );
    }
    workers.stop();
    app.notifiers.close();
    if !close_store(&app, stop_by.saturating_duration_since(Instant::now())) {
        log::warn!(
            "the store has not ended its last write: the disk stalls; what was answered is in it all the same"
        );
    }
    log::info!("stopped");
    ended
}

/// Serves the operator's page alone, on a free loopback port, until SIGINT or SIGTERM. `shown` is called with the address
/// before the first request is answered; what it makes in the store works at once.
///
/// # Errors
/// When it cannot start; the text says what to do. What `shown` returns.
pub fn serve_page<E: From<ServeError>>(
    config: Config,
    shown: impl FnOnce(&App, &Listen) -> Result<(), E>,
) -> Result<(), E> {
    let failed = |error: io::Error| ServeError::System(error);
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(failed)?;
    let listen = Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = Listener::bind(&listen).map_err(ServeError::from)?;
    let app = Arc::new(App::new(config).map_err(ServeError::from)?);
    let folder = folder_of(&app.store);
    let page = AdminServer::start(&app, listener, folder, Arc::default()).map_err(failed)?;
    let told = shown(&app, page.local_addr());
    if told.is_ok() {
        signals.forever().next();
    }
    page.stop(STOP_PATIENCE);
    app.notifiers.close();
    app.store.close();
    told
}

/// A folder that the program can write in anyway, if it has one.
fn folder_of(store: &Store) -> &Path {
    let folder = store.file().and_then(Path::parent);
    folder.unwrap_or(Path::new("."))
}

/// Turns signals into events. Until the server has started, a signal to stop ends it at once: no request has been
/// answered, and the start may be waiting for a disk.
fn listen_to_signals(
    mut signals: Signals,
    events: Sender<Event>,
    started: Arc<AtomicBool>,
) -> io::Result<()> {
    let forward = move || {
        for signal in signals.forever() {
            if signal != SIGHUP && !started.load(Ordering::Relaxed) {
                log::info!("stopped before it had started");
                log::logger().flush();
                std::process::exit(0);
            }
            if events.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(forward)
        .map(drop)
}

/// Closes the store; `false` if that took too long. Its thread cannot be interrupted in a write.
fn close_store(app: &Arc<App>, within: Duration) -> bool {
    let (done, closed) = channel();
    let app = Arc::clone(app);
    let close = move || {
        app.store.keep_listening([None, None], 0).ok();
        app.duties.give_back().ok();
        app.store.leave_nodes().ok();
        // Closing the last connection would do it, but another program may have the store open, and a thread may be at work.
        app.store.empty_log().ok();
        app.store.close();
        done.send(()).ok();
    };
    match thread::Builder::new()
        .name("closing".to_owned())
        .spawn(close)
    {
        Ok(_) => closed.recv_timeout(within).is_ok(),
        Err(error) => {
            log::error!("the store cannot be closed: {error}");
            false
        }
    }
}

/// Starts the thread that warns about the configuration in force and reloads it on request. It may wait for the disk and
/// compare thousands of rules; the main thread still handles signals meanwhile.
fn reloading(
    app: &Arc<App>,
    guard: &Arc<Guard>,
    admin: &Arc<Option<AdminServer>>,
) -> io::Result<Sender<()>> {
    let (sender, wanted) = channel();
    let (app, guard, admin) = (Arc::clone(app), Arc::clone(guard), Arc::clone(admin));
    let page = admin.iter().next().map(AdminServer::local_addr);
    let listening = [Some(guard.local_addr()), page].map(|at| Some(at?.to_string()));
    let work = move || {
        // Lets `check` tell this server's port from one that another program has, `status` find it, and `admin link` name
        // the page. A store that cannot be written reports that itself.
        let since = clock::unix_seconds();
        let note = || app.store.keep_listening(listening.clone(), since).is_ok();
        let mut is_noted = note();
        warn(&app.live());
        loop {
            let asked = match is_noted {
                true => wanted.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => wanted.recv_timeout(NOTE_AGAIN),
            };
            match asked {
                Ok(()) => reload(&app, &guard, admin.as_ref().as_ref()),
                Err(RecvTimeoutError::Timeout) => is_noted = note(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    };
    thread::Builder::new()
        .name("configuration".to_owned())
        .spawn(work)?;
    Ok(sender)
}

fn run(reloads: &Sender<()>, happened: &Receiver<Event>) -> Result<(), ServeError> {
    loop {
        match happened.recv() {
            Ok(Event::Signal(SIGHUP)) => {
                // Only a panic ends that thread.
                if reloads.send(()).is_err() {
                    log::error!("the configuration cannot be reloaded: restart the server");
                }
            }
            Ok(Event::Signal(_)) | Err(_) => {
                log::info!("shutting down, finishing requests in progress");
                return Ok(());
            }
            Ok(Event::Fault(reason)) => {
                log::error!("{reason}");
                return Err(ServeError::Fault(reason));
            }
        }
    }
}

/// Reads the configuration again: whole or not at all.
fn reload(app: &Arc<App>, guard: &Guard, admin: Option<&AdminServer>) {
    systemd::notify(State::Reloading);
    let old = app.live();
    match Config::load(&old.config.file) {
        Err(problems) => {
            for problem in problems.to_string().lines() {
                log::error!("{problem}");
            }
            refused(app, "configuration not reloaded, the old one stays active");
        }
        Ok(config) => {
            let waiting = old.config.restart_keys(&config);
            let limits = Limits::of(&config.server);
            match app.replace(config) {
                Err(error) => refused(
                    app,
                    &format!("configuration not reloaded, the old one stays active: {error}"),
                ),
                Ok(()) => {
                    app.troubles.end(Kind::Config, "read again");
                    guard.set_limits(limits);
                    if let Some(admin) = admin {
                        admin.reload(&app.live());
                    }
                    app.notifiers.config_changed();
                    if let Err(error) = background::start_fetching(app) {
                        log::error!("store.media: no thread to fetch files with: {error}");
                    }
                    if !waiting.is_empty() {
                        log::warn!(
                            "changed, but active only after a restart: {}",
                            waiting.join(", ")
                        );
                    }
                    log::info!(
                        "configuration reloaded, {} active",
                        counted(app.live().rules.iter().len(), "rule")
                    );
                }
            }
        }
    }
    systemd::notify(State::Ready);
    let live = app.live();
    if !Arc::ptr_eq(&live, &old) {
        warn(&live);
    }
}

/// A reload was refused. Whoever asked for it looks into the log, also the second time.
fn refused(app: &App, why: &str) {
    if !app.troubles.begin(Kind::Config, why) {
        log::error!("{}: {why}", Kind::Config.name());
    }
}

/// Says where it listens, where the store is, and what to enter in the console.
fn greet(app: &App, address: &Listen, admin: Option<&AdminServer>) {
    let live = app.live();
    let path = &live.config.server.path;
    match address {
        Listen::Tcp(address) => log::info!("listening on http://{address}{path}"),
        Listen::Unix(_) => log::info!("listening on {address}, path {path}"),
    }
    match admin.map(AdminServer::local_addr) {
        None => log::info!("operator page: off; \"wechatd admin\" shows it"),
        Some(at) => match &live.config.admin.url {
            Some(url) => {
                log::info!("operator page: {url}, on {at}; \"wechatd admin link\" signs in")
            }
            None => log::info!("operator page: {at}; \"wechatd admin link\" signs in"),
        },
    }
    log::info!(
        "store: {}, {}, mode {}",
        live.config.store,
        counted(live.rules.iter().len(), "rule"),
        live.config.account.mode
    );
    log::info!(
        "in the console: URL {}, and the Token that `wechatd check` shows",
        live.config.callback_url()
    );
}

/// Warns about settings that are allowed but hardly wanted, as `check` does. Comes last: comparing thousands of rules
/// with each other takes seconds, and nothing should wait for that.
fn warn(live: &Live) {
    for exposure in live.config.exposures() {
        log::warn!("{exposure}");
    }
    for Advice { rule, line, what } in live.advice() {
        log::warn!("{}:{line}: {rule}: {what}", live.config.file.display());
    }
}

impl ServeError {
    /// Whether it lasts until somebody changes the configuration or the program: only a newer version of this program can
    /// use the store, or the store was moved to another place.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            ServeError::App(AppError::Store(error)) => {
                matches!(error.kind(), ErrorKind::TooNew | ErrorKind::Moved)
            }
            ServeError::App(_)
            | ServeError::Listen(_)
            | ServeError::AdminListen(_)
            | ServeError::System(_)
            | ServeError::Fault(_) => false,
        }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::App(error) => error.fmt(f),
            ServeError::Listen(error) => error.fmt(f),
            ServeError::AdminListen(error) => f.write_str(&error.advising("admin.listen")),
            ServeError::System(error) => error.fmt(f),
            ServeError::Fault(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ServeError {}

impl From<AppError> for ServeError {
    fn from(error: AppError) -> ServeError {
        ServeError::App(error)
    }
}

impl From<ListenError> for ServeError {
    fn from(error: ListenError) -> ServeError {
        ServeError::Listen(error)
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> ServeError {
        ServeError::System(error)
    }
}
