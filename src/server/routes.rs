//! The table of routes: path, methods, who may call, and which threads run the handler.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::callback::{self, Callback, Refusals, Refused};
use super::http::client::ClientAddress;
use super::http::outbox::Deferred;
use super::http::pool::Pool;
use super::http::reply::Reply;
use super::http::request::{Method, Request};
use crate::app::{App, AppError, Live};
use crate::config::HEALTH_PATH;
use crate::visible::Visible;

/// Threads for handlers that may take long, and how many requests may wait for one.
const POOL: (usize, usize) = (4, 64);

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    pub path: Path,
    pub methods: &'static [Method],
    pub caller: Caller,
    pub runs: Runs,
    pub handler: Handler,
}

/// A handler gets everything it needs as arguments, so that tests need no socket.
pub type Handler = fn(&Site, &Live, Request) -> Result<Reply, Refused>;

/// Which paths a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// `server.path`.
    Callback,
    /// This one.
    Exactly(&'static str),
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Anyone,
    /// Addresses in `server.allow_ips`.
    Allowed,
}

/// Which threads run the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The workers, which every push needs: such a handler must not read the store, call out or wait.
    OnWorker,
    /// The pool, whose handlers may take long.
    OnPool,
}

/// All routes.
pub const ROUTES: &[Route] = &[
    Route {
        path: Path::Callback,
        methods: &[Method::Get],
        caller: Caller::Allowed,
        runs: Runs::OnWorker,
        handler: |site, live, request| site.callback.handshake(live, &request),
    },
    Route {
        path: Path::Callback,
        methods: &[Method::Post],
        caller: Caller::Allowed,
        runs: Runs::OnWorker,
        handler: |site, live, request| site.callback.push(live, request),
    },
    Route {
        path: Path::Exactly(HEALTH_PATH),
        methods: &[Method::Get, Method::Head],
        caller: Caller::Anyone,
        runs: Runs::OnWorker,
        handler: |site, _, _| Ok(site.callback.health()),
    },
];

/// What all handlers share.
#[derive(Debug)]
pub struct Site {
    pub app: Arc<App>,
    callback: Callback,
    refusals: Arc<Refusals>,
}

/// Finds the route of a request and runs its handler.
#[derive(Debug)]
pub struct Router {
    site: Arc<Site>,
    routes: &'static [Route],
    /// Only where a route needs it.
    pool: Option<Pool>,
}

impl Site {
    /// # Errors
    /// When the store cannot be read.
    pub fn new(app: Arc<App>, refusals: Arc<Refusals>) -> Result<Site, AppError> {
        Ok(Site {
            callback: Callback::new(Arc::clone(&app))?,
            app,
            refusals,
        })
    }

    /// The callback.
    pub fn callback(&self) -> &Callback {
        &self.callback
    }

    fn answer(&self, route: Route, live: &Live, request: Request, deferred: Deferred) {
        let from = ClientAddress::of(&request, &live.config.server.trusted_proxies);
        let admitted = match route.caller {
            Caller::Anyone => Ok(()),
            Caller::Allowed => self.callback.admit(live, from),
        };
        match admitted.and_then(|()| (route.handler)(self, live, request)) {
            Ok(Reply::Now(response)) => drop(deferred.answer(response)),
            Ok(Reply::Later(hand_over)) => hand_over(deferred),
            Err(why) => self.refuse(from, &why, deferred),
        }
    }

    fn refuse(&self, from: ClientAddress, why: &Refused, deferred: Deferred) {
        self.refusals.note(from, why);
        deferred.answer(callback::refusal(why));
    }

    /// Answers 404. A validly signed request means that the console has the wrong URL, which is worth a warning; all
    /// else is the noise of the internet.
    fn elsewhere(&self, live: &Live, request: &Request, deferred: Deferred) {
        let from = ClientAddress::of(request, &live.config.server.trusted_proxies);
        let (path, query) = request.path_and_query();
        if Callback::is_signed(live, query) {
            let why = Refused::OtherPath {
                asked: path.to_owned(),
                callback: live.config.server.path.clone(),
            };
            return self.refuse(from, &why, deferred);
        }
        log::debug!("404 to {from}: {}", Visible(path));
        deferred.answer(callback::not_found());
    }
}

impl Router {
    /// # Errors
    /// When the system gives no threads.
    pub fn new(site: Arc<Site>) -> io::Result<Router> {
        Router::with(site, ROUTES)
    }

    /// The same with other routes.
    pub fn with(site: Arc<Site>, routes: &'static [Route]) -> io::Result<Router> {
        let needs_pool = routes.iter().any(|route| route.runs == Runs::OnPool);
        let (threads, places) = POOL;
        let pool = needs_pool
            .then(|| Pool::start(threads, places))
            .transpose()?;
        Ok(Router { site, routes, pool })
    }

    /// Answers one request, or hands over the duty to answer it.
    pub fn handle(&self, request: Request, deferred: Deferred) {
        let live = self.site.app.live();
        let (path, _) = request.path_and_query();
        let here = || {
            let takes = |route: &&Route| match route.path {
                Path::Callback => path == live.config.server.path,
                Path::Exactly(exactly) => path == exactly,
            };
            self.routes.iter().filter(takes)
        };
        if here().next().is_none() {
            return self.site.elsewhere(&live, &request, deferred);
        }
        let Some(&route) = here().find(|route| route.methods.contains(&request.method)) else {
            let methods: Vec<&str> = here()
                .flat_map(|route| route.methods)
                .map(|method| method.name())
                .collect();
            let from = ClientAddress::of(&request, &live.config.server.trusted_proxies);
            let why = Refused::Method(methods.join(", "));
            return self.site.refuse(from, &why, deferred);
        };
        match route.runs {
            Runs::OnWorker => self.site.answer(route, &live, request, deferred),
            Runs::OnPool => {
                let site = Arc::clone(&self.site);
                // Where it may not wait, or the queue is full, the duty to answer is dropped, which answers 503.
                if let Some(pool) = self.pool.as_ref().filter(|_| deferred.wait()) {
                    pool.submit(move || {
                        if deferred.is_awaited() {
                            site.answer(route, &live, request, deferred);
                        }
                    });
                }
            }
        }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route")
            .field(&self.path)
            .field(&self.methods)
            .finish()
    }
}
