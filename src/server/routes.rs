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
use super::http::response::Response;
use super::web::{self, Web};
use crate::app::{App, AppError, Live};
use crate::config::HEALTH_PATH;
use crate::visible::Visible;

/// Threads for handlers that read the store, and how many requests may wait for one.
const POOL: (usize, usize) = (4, 1_024);

/// The most of both for handlers that call out or write. Several may wait for the same call.
const APART: (usize, usize) = (16, 64);

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
    /// `web.path` and this, only with `web.url`.
    Web(&'static str),
    /// The same, alone and with a slash and the name of a gate.
    Gate(&'static str),
    /// `web.path`, this, and a name behind it, only with `web.url`.
    Named(&'static str),
    /// A file of `web.verify_files`, only with `web.url`.
    VerifyFile,
}

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Anyone,
    /// Addresses in `server.allow_ips`.
    Allowed,
    /// Anyone, at `web.rate`.
    Browser,
    /// The same, but trusted proxies at any rate: they ask for all their visitors.
    Proxy,
    /// Forms of our own pages, at `web.rate`.
    OwnForm,
}

/// Which threads run the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// The workers, which every push needs: such a handler must not read the store, call out or wait.
    OnWorker,
    /// The pool, whose handlers may read the store.
    OnPool,
    /// On other threads still: such a handler may take as long as the platform or the disk.
    Apart,
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
    Route {
        path: Path::Gate("/auth"),
        methods: &[Method::Get, Method::Head, Method::Post, Method::Other],
        caller: Caller::Proxy,
        runs: Runs::OnPool,
        handler: |site, live, request| site.web(|web| web.auth(live, &request)),
    },
    Route {
        path: Path::Gate("/gate"),
        methods: &[Method::Get, Method::Head, Method::Post, Method::Other],
        caller: Caller::Proxy,
        runs: Runs::OnPool,
        handler: |site, live, request| site.web(|web| web.pass_gate(live, &request)),
    },
    Route {
        path: Path::Gate("/login"),
        methods: &[Method::Get, Method::Head],
        caller: Caller::Browser,
        runs: Runs::OnPool,
        handler: |site, live, request| site.web(|web| web.login(live, &request)),
    },
    Route {
        path: Path::Web("/back"),
        methods: &[Method::Get],
        caller: Caller::Browser,
        runs: Runs::Apart,
        handler: |site, live, request| site.web(|web| web.back(live, &request)),
    },
    Route {
        path: Path::Web("/back"),
        methods: &[Method::Post],
        caller: Caller::OwnForm,
        runs: Runs::Apart,
        handler: |site, live, request| site.web(|web| web.confirm_back(live, &request)),
    },
    Route {
        path: Path::Web("/scan"),
        methods: &[Method::Post],
        caller: Caller::OwnForm,
        runs: Runs::Apart,
        handler: |site, live, request| site.web(|web| web.begin_scan(live, &request)),
    },
    Route {
        path: Path::Named("/scan/"),
        methods: &[Method::Get],
        caller: Caller::Browser,
        runs: Runs::OnWorker,
        handler: |site, _, request| site.web(|web| web.scan_stands(&request)),
    },
    Route {
        path: Path::Named("/scan/"),
        methods: &[Method::Post],
        caller: Caller::OwnForm,
        runs: Runs::Apart,
        handler: |site, live, request| site.web(|web| web.complete_scan(live, &request)),
    },
    Route {
        path: Path::Web("/me"),
        methods: &[Method::Get, Method::Head],
        caller: Caller::Browser,
        runs: Runs::OnPool,
        handler: |site, live, request| site.web(|web| web.me(live, &request)),
    },
    Route {
        path: Path::Web("/jsapi"),
        methods: &[Method::Get, Method::Head],
        caller: Caller::Browser,
        runs: Runs::OnPool,
        handler: |site, _, request| site.web(|web| web.jsapi(&request)),
    },
    Route {
        path: Path::Web("/logout"),
        methods: &[Method::Get, Method::Head],
        caller: Caller::Browser,
        runs: Runs::OnWorker,
        handler: |site, _, request| site.web(|web| web.ask_log_out(&request)),
    },
    Route {
        path: Path::Web("/logout"),
        methods: &[Method::Post],
        caller: Caller::OwnForm,
        runs: Runs::Apart,
        handler: |site, _, request| site.web(|web| web.log_out(&request)),
    },
    Route {
        path: Path::Named("/p/"),
        methods: &[Method::Get, Method::Head],
        caller: Caller::Browser,
        runs: Runs::OnPool,
        handler: |site, _, request| site.web(|web| web.picture(&request)),
    },
    Route {
        path: Path::VerifyFile,
        methods: &[Method::Get, Method::Head],
        caller: Caller::Browser,
        runs: Runs::OnWorker,
        handler: |site, live, request| site.web(|web| web.verify_file(live, &request)),
    },
];

/// What all handlers share.
#[derive(Debug)]
pub struct Site {
    pub app: Arc<App>,
    callback: Callback,
    web: Option<Web>,
    refusals: Arc<Refusals>,
}

/// Finds the route of a request and runs its handler.
#[derive(Debug)]
pub struct Router {
    site: Arc<Site>,
    routes: &'static [Route],
    /// Only where a route needs them.
    pool: Option<Pool>,
    apart: Option<Pool>,
}

impl Site {
    /// # Errors
    /// When the store cannot be read.
    pub fn new(app: Arc<App>, refusals: Arc<Refusals>) -> Result<Site, AppError> {
        Ok(Site {
            callback: Callback::new(Arc::clone(&app))?,
            web: Web::new(&app)?,
            app,
            refusals,
        })
    }

    /// The callback.
    pub fn callback(&self) -> &Callback {
        &self.callback
    }

    /// The answer of the web part. Its routes are found only where there is one.
    fn web<R: Into<Reply>>(&self, answer: impl FnOnce(&Web) -> R) -> Result<Reply, Refused> {
        let reply = self.web.as_ref().map(|web| answer(web).into());
        Ok(reply.unwrap_or_else(|| Reply::Now(callback::not_found())))
    }

    /// Whether there can be requests that a route takes.
    fn has(&self, route: Path) -> bool {
        match route {
            Path::Callback | Path::Exactly(_) => true,
            Path::Web(_) | Path::Gate(_) | Path::Named(_) | Path::VerifyFile => self.web.is_some(),
        }
    }

    /// Whether a route takes requests for this path.
    fn takes(&self, live: &Live, route: Path, path: &str) -> bool {
        let below = || self.web.as_ref()?.below(path);
        match route {
            Path::Callback => path == live.config.server.path,
            Path::Exactly(exactly) => path == exactly,
            Path::Web(end) => below() == Some(end),
            Path::Gate(end) => below()
                .and_then(|below| below.strip_prefix(end))
                .is_some_and(|gate| gate.is_empty() || gate.starts_with('/')),
            Path::Named(begin) => below()
                .and_then(|below| below.strip_prefix(begin))
                .is_some_and(|name| !name.is_empty() && !name.contains('/')),
            Path::VerifyFile => self.web.is_some() && web::verify_file(live, path).is_some(),
        }
    }

    /// Whether a request may be made. Takes no time to speak of: workers ask.
    fn admit(
        &self,
        caller: Caller,
        live: &Live,
        from: ClientAddress,
        request: &Request,
    ) -> Result<(), Refused> {
        let rate = |web: &Web| web.admit(live, from);
        let web = self.web.as_ref();
        match caller {
            Caller::Anyone => Ok(()),
            Caller::Allowed => self.callback.admit(live, from),
            Caller::Browser => web.map_or(Ok(()), rate),
            Caller::Proxy if request.is_from_proxy(&live.config.server.trusted_proxies) => Ok(()),
            Caller::Proxy => web.map_or(Ok(()), rate),
            Caller::OwnForm => web.map_or(Ok(()), |web| {
                rate(web)?;
                web.admit_form(request)
            }),
        }
    }

    fn answer(
        &self,
        route: Route,
        live: &Live,
        from: ClientAddress,
        request: Request,
        deferred: Deferred,
    ) {
        match (route.handler)(self, live, request) {
            Ok(Reply::Now(response)) => drop(deferred.answer(route.path.dress(response))),
            Ok(Reply::Later(hand_over)) => hand_over(deferred),
            Err(why) => self.refuse(route.path, from, &why, deferred),
        }
    }

    fn refuse(&self, path: Path, from: ClientAddress, why: &Refused, deferred: Deferred) {
        self.refusals.note(from, why);
        deferred.answer(path.dress(callback::refusal(why)));
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
            return self.refuse(Path::Callback, from, &why, deferred);
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
        let pool = |runs, (threads, places)| {
            let is_needed = routes
                .iter()
                .any(|route| route.runs == runs && site.has(route.path));
            is_needed.then(|| Pool::start(threads, places)).transpose()
        };
        Ok(Router {
            pool: pool(Runs::OnPool, POOL)?,
            apart: pool(
                Runs::Apart,
                apart(site.app.live().config.server.max_waiting()),
            )?,
            site,
            routes,
        })
    }

    /// Answers one request, or hands over the duty to answer it.
    pub fn handle(&self, request: Request, deferred: Deferred) {
        let live = self.site.app.live();
        let (path, _) = request.path_and_query();
        let here = || {
            let takes = |route: &&Route| self.site.takes(&live, route.path, path);
            self.routes.iter().filter(takes)
        };
        let Some(first) = here().next() else {
            return self.site.elsewhere(&live, &request, deferred);
        };
        let from = || ClientAddress::of(&request, &live.config.server.trusted_proxies);
        let Some(&route) = here().find(|route| route.methods.contains(&request.method)) else {
            let methods: Vec<&str> = here()
                .flat_map(|route| route.methods)
                .map(|method| method.name())
                .collect();
            let why = Refused::Method(methods.join(", "));
            return self.site.refuse(first.path, from(), &why, deferred);
        };
        let from = from();
        if let Err(why) = self.site.admit(route.caller, &live, from, &request) {
            return self.site.refuse(route.path, from, &why, deferred);
        }
        let (pool, is_taken) = match route.runs {
            Runs::OnWorker => return self.site.answer(route, &live, from, request, deferred),
            // It waits for the store at most.
            Runs::OnPool => (&self.pool, true),
            Runs::Apart => (&self.apart, deferred.hold()),
        };
        let site = Arc::clone(&self.site);
        // Where it may not be held, or the queue is full, the duty to answer is dropped, which answers 503.
        if let Some(pool) = pool.as_ref().filter(|_| is_taken) {
            pool.submit(move || {
                if deferred.is_awaited() {
                    site.answer(route, &live, from, request, deferred);
                }
            });
        }
    }
}

/// Threads and places for handlers that run apart: a slow platform must leave half of the requests that may wait to
/// pushes. As when the server started.
fn apart(max_waiting: usize) -> (usize, usize) {
    let (threads, places) = APART;
    let most = max_waiting / 2;
    let threads = most.clamp(1, threads);
    (threads, most.saturating_sub(threads).clamp(1, places))
}

impl Path {
    /// Gives an answer the headers that all of its part have.
    fn dress(self, response: Response) -> Response {
        match self {
            Path::Callback | Path::Exactly(_) => response,
            Path::Web(_) | Path::Gate(_) | Path::Named(_) | Path::VerifyFile => {
                web::common(response)
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
