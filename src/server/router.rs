//! Finds the route of a request in a table and runs its handler on the threads that the table names. Each part of the
//! server that listens on its own has a table of its own.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::callback::{Refusals, Refused};
use super::http::client::ClientAddress;
use super::http::outbox::{Deferred, Dress};
use super::http::pool::Pool;
use super::http::reply::Reply;
use super::http::request::{Method, Request};
use super::http::response::Response;
use crate::app::{App, Live};

/// One route of a part.
pub struct Route<P: Part> {
    pub path: P::Path,
    pub methods: &'static [Method],
    pub caller: P::Caller,
    pub runs: Runs,
    pub handler: P::Handler,
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

/// Threads and places in the queue of both pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pools {
    /// For handlers that read the store.
    pub on_pool: (usize, usize),
    /// For handlers that call out or write.
    pub apart: (usize, usize),
}

/// A part of the server that has routes, and what its handlers share.
pub trait Part: Send + Sync + Sized + 'static {
    /// Which paths a route takes.
    type Path: Copy + fmt::Debug + Send + Sync;
    /// Who may call.
    type Caller: Copy + Send + Sync;
    /// What answers.
    type Handler: Copy + Send + Sync;

    /// The program.
    fn app(&self) -> &App;

    /// Where refused requests are noted.
    fn refusals(&self) -> &Refusals;

    /// How many threads there are where a route needs them.
    fn pools(&self) -> Pools;

    /// Whether there can be requests that a route takes.
    fn has(&self, route: Self::Path) -> bool;

    /// Whether a request is for this part at all.
    fn is_meant(&self, request: &Request) -> Result<(), Refused>;

    /// Whether a route takes requests for this path.
    fn takes(&self, live: &Live, route: Self::Path, path: &str) -> bool;

    /// Whether a request may be made. Takes no time to speak of: workers ask.
    fn admit(
        &self,
        caller: Self::Caller,
        live: &Live,
        from: ClientAddress,
        request: &Request,
    ) -> Result<(), Refused>;

    /// Runs a handler.
    fn run(
        &self,
        handler: Self::Handler,
        live: &Live,
        from: ClientAddress,
        request: Request,
    ) -> Result<Reply, Refused>;

    /// The answer where no route takes the path.
    fn elsewhere(&self, live: &Live, request: &Request) -> Result<Response, Refused>;

    /// The answer to a refused request.
    fn refusal(&self, why: &Refused) -> Response;

    /// What gives every answer of this route the headers that all of them have, or every answer for this path where no
    /// route takes it; refusals, too.
    fn dress(&self, route: Option<Self::Path>, path: &str) -> Option<Dress>;
}

/// Finds the route of a request and runs its handler.
pub struct Router<P: Part> {
    part: Arc<P>,
    routes: &'static [Route<P>],
    /// Only where a route needs them.
    pool: Option<Pool>,
    apart: Option<Pool>,
}

impl<P: Part> Router<P> {
    /// # Errors
    /// When the system gives no threads.
    pub fn with(part: Arc<P>, routes: &'static [Route<P>]) -> io::Result<Router<P>> {
        let pool = |runs, (threads, places)| {
            let is_needed = routes
                .iter()
                .any(|route| route.runs == runs && part.has(route.path));
            is_needed.then(|| Pool::start(threads, places)).transpose()
        };
        let Pools { on_pool, apart } = part.pools();
        Ok(Router {
            pool: pool(Runs::OnPool, on_pool)?,
            apart: pool(Runs::Apart, apart)?,
            part,
            routes,
        })
    }

    /// Answers one request, or hands over the duty to answer it.
    pub fn handle(&self, request: Request, deferred: Deferred) {
        let live = self.part.app().live();
        let (path, _) = request.path_and_query();
        let from = || ClientAddress::of(&request, &live.config.server.trusted_proxies);
        if let Err(why) = self.part.is_meant(&request) {
            let deferred = deferred.dressed(self.part.dress(None, path));
            return refuse(&*self.part, from(), &why, deferred);
        }
        let here = || {
            let takes = |route: &&Route<P>| self.part.takes(&live, route.path, path);
            self.routes.iter().filter(takes)
        };
        let first = here().next().map(|route| route.path);
        let deferred = deferred.dressed(self.part.dress(first, path));
        if first.is_none() {
            return match self.part.elsewhere(&live, &request) {
                Ok(response) => drop(deferred.answer(response)),
                Err(why) => refuse(&*self.part, from(), &why, deferred),
            };
        }
        let Some(route) = here().find(|route| route.methods.contains(&request.method)) else {
            let methods: Vec<&str> = here()
                .flat_map(|route| route.methods)
                .map(|method| method.name())
                .collect();
            let why = Refused::Method(methods.join(", "));
            return refuse(&*self.part, from(), &why, deferred);
        };
        let from = from();
        if let Err(why) = self.part.admit(route.caller, &live, from, &request) {
            return refuse(&*self.part, from, &why, deferred);
        }
        let (pool, is_taken) = match route.runs {
            Runs::OnWorker => return answer(&*self.part, route, &live, from, request, deferred),
            // It waits for the store at most.
            Runs::OnPool => (&self.pool, true),
            Runs::Apart => (&self.apart, deferred.hold()),
        };
        let part = Arc::clone(&self.part);
        // Where it may not be held, or the queue is full, the duty to answer is dropped, which answers 503.
        if let Some(pool) = pool.as_ref().filter(|_| is_taken) {
            pool.submit(move || {
                if deferred.is_awaited() {
                    answer(&*part, route, &live, from, request, deferred);
                }
            });
        }
    }
}

fn answer<P: Part>(
    part: &P,
    route: &Route<P>,
    live: &Live,
    from: ClientAddress,
    request: Request,
    deferred: Deferred,
) {
    match part.run(route.handler, live, from, request) {
        Ok(Reply::Now(response)) => drop(deferred.answer(response)),
        Ok(Reply::Later(hand_over)) => hand_over(deferred),
        Err(why) => refuse(part, from, &why, deferred),
    }
}

fn refuse<P: Part>(part: &P, from: ClientAddress, why: &Refused, deferred: Deferred) {
    part.refusals().note(from, why);
    deferred.answer(part.refusal(why));
}

impl<P: Part> Clone for Route<P> {
    fn clone(&self) -> Route<P> {
        *self
    }
}

impl<P: Part> Copy for Route<P> {}

impl<P: Part> fmt::Debug for Route<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route")
            .field(&self.path)
            .field(&self.methods)
            .finish()
    }
}

impl<P: Part> fmt::Debug for Router<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
