//! The table of routes: path, methods, who may call, and which threads run the handler.

use std::sync::Arc;

use super::callback::{self, Callback, Refusals, Refused};
use super::http::client::ClientAddress;
use super::http::outbox::Dress;
use super::http::reply::Reply;
use super::http::request::{Method, Request};
use super::http::response::Response;
use super::router::{self, Part, Pools, Runs};
use super::web::{self, Web};
use crate::app::{App, AppError, Live};
use crate::config::HEALTH_PATH;
use crate::visible::Visible;

/// Threads for handlers that read the store, and how many requests may wait for one.
const POOL: (usize, usize) = (4, 1_024);

/// The most of both for handlers that call out or write. Several may wait for the same call.
const APART: (usize, usize) = (16, 64);

/// One route.
pub type Route = router::Route<Site>;

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

impl Site {
    /// # Errors
    /// When the store cannot be read.
    pub fn new(app: Arc<App>, refusals: Arc<Refusals>) -> Result<Site, AppError> {
        Ok(Site {
            callback: Callback::new(Arc::clone(&app), Arc::clone(&refusals))?,
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
}

impl Part for Site {
    type Path = Path;
    type Caller = Caller;
    type Handler = Handler;

    fn app(&self) -> &App {
        &self.app
    }

    fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    fn pools(&self) -> Pools {
        Pools {
            on_pool: POOL,
            apart: apart(self.app.live().config.server.max_waiting()),
        }
    }

    fn has(&self, route: Path) -> bool {
        match route {
            Path::Callback | Path::Exactly(_) => true,
            Path::Web(_) | Path::Gate(_) | Path::Named(_) | Path::VerifyFile => self.web.is_some(),
        }
    }

    /// Every name that leads here is good: requests are believed by their signature or cookie.
    fn is_meant(&self, _: &Request) -> Result<(), Refused> {
        Ok(())
    }

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

    fn run(
        &self,
        handler: Handler,
        live: &Live,
        _: ClientAddress,
        request: Request,
    ) -> Result<Reply, Refused> {
        handler(self, live, request).inspect_err(|why| {
            if why.is_wrongly_signed() {
                self.app.signing.wrong();
            }
        })
    }

    /// A validly signed request means that the console has the wrong URL, which is worth a warning; all else is the noise
    /// of the internet.
    fn elsewhere(&self, live: &Live, request: &Request) -> Result<Response, Refused> {
        let (path, query) = request.path_and_query();
        if Callback::is_signed(live, query) {
            return Err(Refused::OtherPath {
                asked: path.to_owned(),
                callback: live.config.server.path.clone(),
            });
        }
        let from = ClientAddress::of(request, &live.config.server.trusted_proxies);
        log::debug!("404 to {from}: {}", Visible(path));
        Ok(callback::not_found())
    }

    fn refusal(&self, why: &Refused) -> Response {
        callback::refusal(why)
    }

    fn dress(&self, route: Option<Path>, path: &str) -> Option<Dress> {
        let is_for_browser = match route {
            Some(Path::Callback | Path::Exactly(_)) => false,
            Some(Path::Web(_) | Path::Gate(_) | Path::Named(_) | Path::VerifyFile) => true,
            None => self.web.as_ref().is_some_and(|web| web.owns(path)),
        };
        is_for_browser.then_some(Response::for_browser)
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
