//! The operator's page: a listener of its own with a guard and threads of its own, so that nothing that is asked here can
//! hold up a push. Pages are made in [`page`](crate::page); here are HTTP, sign-in and what is read for them.

mod asked;
mod files;
mod followers;
mod health;
mod inbox;
mod language;
mod metrics;
mod news;
mod origin;
mod overview;
mod people;
pub mod routes;
mod rules;
mod sign_in;
mod switch;
mod talk;
mod trouble;
mod unanswered;
mod unanswered_count;
mod visit;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::callback::{self, Refusals, Refused};
use super::guard::{Guard, Limits, Listener, Refusal, Reports};
use super::http::client::ClientAddress;
use super::http::lanes::Lanes;
use super::http::outbox::Dress;
use super::http::peer::Peer;
use super::http::reply::Reply;
use super::http::request::Request;
use super::http::response::Response;
use super::http::workers::Workers;
use super::rate::{Pace, Rate};
use super::router::{Part, Pools, Router};
use crate::app::{App, Live};
use crate::config::{AdminUrl, Listen};
use crate::login::cookie::Cookies;
use crate::page::failure::Failure;
use crate::store::StoreError;
use asked::Asked;
use metrics::FollowEvents;
use routes::{Handler, METRICS, Pattern, ROUTES};
use unanswered_count::UnansweredCount;

/// What a browser may do with a page: load what is ours, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Threads for handlers that read the store, and for those that call the platform; places for those that wait.
const POOLS: Pools = Pools {
    on_pool: (4, 64),
    apart: (2, 16),
};

/// Connections at a time: a browser makes six.
const CONNECTIONS: usize = 64;

/// The largest body: forms are small.
const MAX_BODY: usize = 64 * 1024;

/// How long a page may take: a search in a large store on a slow disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Wrong tries to sign in that one address has: ten at once, ten a minute.
const TRIES: Pace = Pace {
    every: Duration::from_secs(6),
    burst: 10,
};

/// What handlers of the page get; an error becomes a page that says what is wrong with the store.
pub type Answer = Result<Response, StoreError>;

/// What the handlers of the page share.
#[derive(Debug)]
pub struct Admin {
    app: Arc<App>,
    /// How browsers reach the page, as when it started.
    url: Option<AdminUrl>,
    cookies: Cookies,
    tries: Rate,
    refusals: Arc<Refusals>,
    follow_events: FollowEvents,
    unanswered: UnansweredCount,
}

/// The running page.
#[derive(Debug)]
pub struct AdminServer {
    guard: Guard,
    _workers: Workers,
}

struct Reporter(Arc<Admin>);

impl Reports for Reporter {
    fn fatal(&mut self, reason: String) {
        log::error!("operator page: it is gone until a restart: {reason}");
    }

    fn refused(&mut self, from: Peer, refusal: Refusal, is_tls: bool) {
        let why = match refusal {
            Refusal::Unavailable => return log::debug!("operator page: {from} answered 503"),
            Refusal::BadRequest if is_tls => Refused::Tls,
            refusal => Refused::Http(refusal),
        };
        self.0.refusals.note(ClientAddress::from(from), &why);
    }

    fn late(&mut self) {
        log::warn!("operator page: an answer took longer than {ANSWER_TIMEOUT:?}");
    }
}

impl AdminServer {
    /// Serves the page on this listener; `folder` is a last resort for the private socket, `refusals` hears also of what
    /// is refused here.
    ///
    /// # Errors
    /// When the system gives no threads or sockets.
    pub fn start(
        app: &Arc<App>,
        listener: Listener,
        folder: &Path,
        refusals: Arc<Refusals>,
    ) -> io::Result<AdminServer> {
        let admin = Arc::new(Admin::new(Arc::clone(app), refusals));
        // One of each is enough for people; what takes long is done by the pools.
        let (lanes, requests) = Lanes::start(1, folder)?;
        let router = Router::with(Arc::clone(&admin), ROUTES)?;
        let limits = limits(&app.live());
        let guard = Guard::start(listener, lanes, limits, Arc::default(), Reporter(admin))?;
        let handle = move |request, deferred| router.handle(request, deferred);
        let workers = Workers::start(1, requests, guard.outbox(), handle)?;
        Ok(AdminServer {
            guard,
            _workers: workers,
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> &Listen {
        self.guard.local_addr()
    }

    /// Applies what a reload changed.
    pub fn reload(&self, live: &Live) {
        self.guard.set_limits(limits(live));
    }

    /// Ends it; requests under way are answered, as far as that takes no longer than this. Its threads, which get nothing
    /// to do any more, end with the process.
    pub fn stop(&self, within: Duration) {
        self.guard.stop(within);
    }
}

/// A route for tests that must know all.
#[derive(Debug, Clone)]
pub struct AdminRoute {
    /// The path below that of the page; `*` is any one part of it.
    pub path: &'static str,
    /// The methods that it takes.
    pub methods: Vec<&'static str>,
    /// Whether it is for who is signed in.
    pub needs_sign_in: bool,
}

/// All routes of the page, for tests of what they must have in common.
#[must_use]
pub fn admin_routes() -> Vec<AdminRoute> {
    let routes = ROUTES.iter().map(|route| AdminRoute {
        path: route.path.0,
        methods: route.methods.iter().map(|method| method.name()).collect(),
        needs_sign_in: match route.handler {
            Handler::File(_) | Handler::Open(_) => false,
            Handler::Page(_) | Handler::Data(_) | Handler::Form(_) => true,
        },
    });
    routes.collect()
}

fn limits(live: &Live) -> Limits {
    Limits {
        max_connections: CONNECTIONS,
        max_waiting: CONNECTIONS / 4,
        max_body: MAX_BODY,
        answer_timeout: ANSWER_TIMEOUT,
        // No path is the callback's.
        callback: "".into(),
        ..Limits::of(&live.config.server)
    }
}

impl Admin {
    fn new(app: Arc<App>, refusals: Arc<Refusals>) -> Admin {
        let url = app.live().config.admin.url.clone();
        Admin {
            cookies: Cookies::of_operator(url.as_ref().map(|url| &url.origin)),
            url,
            follow_events: FollowEvents::of(&app.store),
            app,
            tries: Rate::new(),
            refusals,
            unanswered: UnansweredCount::default(),
        }
    }

    /// The prefix of all paths.
    fn base(&self) -> &str {
        self.url.as_ref().map_or("", |url| &url.path)
    }

    /// What follows the prefix in a path; the prefix alone is `/`.
    fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(self.base())? {
            "" => Some("/"),
            below => below.starts_with('/').then_some(below),
        }
    }
}

impl Part for Admin {
    type Path = Pattern;
    type Caller = routes::Caller;
    type Handler = Handler;

    fn app(&self) -> &App {
        &self.app
    }

    fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    fn pools(&self) -> Pools {
        POOLS
    }

    fn has(&self, _: Pattern) -> bool {
        true
    }

    /// A page of another site may have made its name lead here.
    fn is_meant(&self, request: &Request) -> Result<(), Refused> {
        match origin::is_host_of(request, self.url.as_ref()) {
            true => Ok(()),
            false => Err(Refused::OtherHost),
        }
    }

    fn takes(&self, live: &Live, route: Pattern, path: &str) -> bool {
        let is_there = route != METRICS || live.config.admin.metrics;
        is_there && self.below(path).is_some_and(|path| route.takes(path))
    }

    fn admit(
        &self,
        caller: routes::Caller,
        _: &Live,
        _: ClientAddress,
        request: &Request,
    ) -> Result<(), Refused> {
        match caller {
            routes::Caller::Anyone => Ok(()),
            routes::Caller::Scraper => match metrics::may_read(request) {
                true => Ok(()),
                false => Err(Refused::ForeignScraper),
            },
            routes::Caller::OwnForm => match origin::is_own(request, self.url.as_ref()) {
                true => Ok(()),
                false => Err(Refused::ForeignAdminForm),
            },
        }
    }

    fn run(
        &self,
        handler: Handler,
        live: &Live,
        from: ClientAddress,
        request: Request,
    ) -> Result<Reply, Refused> {
        let asked = Asked::new(self, live, from, &request);
        let answer = match handler {
            Handler::File(file) => Ok(files::answer(&request, file)),
            Handler::Open(answer) => answer(&asked),
            Handler::Page(answer) => visit::of(asked).and_then(|visit| match visit {
                Some(visit) => visit.used(answer(&visit)?),
                None => Ok(asked.go_to("/login")),
            }),
            Handler::Data(answer) => visit::of(asked).and_then(|visit| match visit {
                Some(visit) => answer(&visit),
                None => Ok(asked.json(401, &serde_json::json!({ "error": "not_signed_in" }))),
            }),
            Handler::Form(answer) => visit::of(asked).and_then(|visit| match visit {
                Some(visit) if visit.is_own_form() => visit.used(answer(&visit)?),
                Some(visit) => Ok(visit.failed(403, Failure::OldForm)),
                None => Ok(asked.failed(403, Failure::OldForm)),
            }),
        };
        Ok(Reply::Now(answer.unwrap_or_else(|error| {
            log::warn!("operator page: {error}");
            asked.failed(503, Failure::Store(&error.to_string()))
        })))
    }

    fn elsewhere(&self, live: &Live, request: &Request) -> Result<Response, Refused> {
        let from = ClientAddress::of(request, &live.config.server.trusted_proxies);
        Ok(Asked::new(self, live, from, request).failed(404, Failure::NotFound))
    }

    fn refusal(&self, why: &Refused) -> Response {
        callback::refusal(why)
    }

    /// What is for one person and one moment is kept nowhere, and loads nothing from elsewhere.
    fn dress(&self, _: Option<Pattern>, _: &str) -> Option<Dress> {
        Some(|response| {
            response
                .for_browser()
                .with("Content-Security-Policy", POLICY)
        })
    }
}
