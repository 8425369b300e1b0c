//! The table of routes of the operator's page. A page is one row, and so is each thing that it can do.

use super::asked::Asked;
use super::visit::Visit;
use super::{
    Admin, Answer, followers, health, inbox, metrics, news, overview, rules, sign_in, switch, talk,
    unanswered,
};
use crate::page::files::{File, ICON, SCRIPT, STYLE};
use crate::server::http::request::Method;
use crate::server::router::{self, Runs};

/// One route.
pub type Route = router::Route<Admin>;

/// A path below the prefix; `*` is any one part of it, such as an openid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern(pub &'static str);

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    Anyone,
    /// Forms of our own pages.
    OwnForm,
    /// Programs on this machine, where `admin.metrics` is on; else there is no such route.
    Scraper,
}

/// What answers.
#[derive(Clone, Copy)]
pub enum Handler {
    /// A file, for everybody.
    File(File),
    /// For everybody.
    Open(fn(&Asked<'_>) -> Answer),
    /// A page for who is signed in; others are sent to sign in.
    Page(fn(&Visit<'_>) -> Answer),
    /// JSON for who is signed in; asking for it does not prolong the sign-in.
    Data(fn(&Visit<'_>) -> Answer),
    /// What a form with the token of who is signed in does.
    Form(fn(&Visit<'_>) -> Answer),
}

/// Where the metrics are.
pub const METRICS: Pattern = Pattern("/metrics");

/// All routes.
pub const ROUTES: &[Route] = &[
    file(STYLE),
    file(SCRIPT),
    file(ICON),
    open("/login", sign_in::offer),
    open("/login/*", sign_in::confirm),
    open_form("/login", sign_in::with_wechat),
    open_form("/login/*", sign_in::with_key),
    // Changes nothing but a cookie of the browser.
    open_form("/language", switch::choose),
    form("/logout", sign_in::sign_out),
    page("/", overview::page),
    page("/inbox", inbox::page),
    form("/inbox/done", inbox::done),
    form("/inbox/undone", inbox::undone),
    page("/people/*", talk::page),
    apart("/people/*/send", talk::send),
    apart("/people/*/remark", talk::remark),
    apart("/people/*/tag", talk::tag),
    apart("/people/*/untag", talk::untag),
    apart("/people/*/block", talk::block),
    apart("/people/*/unblock", talk::unblock),
    apart("/people/*/forget", talk::forget),
    page("/media/*", talk::file),
    page("/rules", rules::page),
    page("/unanswered", unanswered::page),
    form("/unanswered/done", unanswered::done),
    page("/followers", followers::page),
    page("/health", health::page),
    data("/health.json", health::value),
    form("/health/sign-out", health::sign_out_everybody),
    data("/news", news::news),
    Route {
        caller: Caller::Scraper,
        ..open(METRICS.0, metrics::metrics)
    },
];

const fn file(file: File) -> Route {
    get(file.path, Runs::OnWorker, Handler::File(file))
}

const fn open(path: &'static str, handler: fn(&Asked<'_>) -> Answer) -> Route {
    get(path, Runs::OnPool, Handler::Open(handler))
}

const fn page(path: &'static str, handler: fn(&Visit<'_>) -> Answer) -> Route {
    get(path, Runs::OnPool, Handler::Page(handler))
}

const fn data(path: &'static str, handler: fn(&Visit<'_>) -> Answer) -> Route {
    get(path, Runs::OnPool, Handler::Data(handler))
}

const fn get(path: &'static str, runs: Runs, handler: Handler) -> Route {
    Route {
        path: Pattern(path),
        methods: &[Method::Get, Method::Head],
        caller: Caller::Anyone,
        runs,
        handler,
    }
}

/// A form that has a proof of its own, or needs none.
const fn open_form(path: &'static str, handler: fn(&Asked<'_>) -> Answer) -> Route {
    post(path, Runs::OnPool, Handler::Open(handler))
}

const fn form(path: &'static str, handler: fn(&Visit<'_>) -> Answer) -> Route {
    post(path, Runs::OnPool, Handler::Form(handler))
}

/// A form that calls the platform, or takes long.
const fn apart(path: &'static str, handler: fn(&Visit<'_>) -> Answer) -> Route {
    post(path, Runs::Apart, Handler::Form(handler))
}

const fn post(path: &'static str, runs: Runs, handler: Handler) -> Route {
    Route {
        path: Pattern(path),
        methods: &[Method::Post],
        caller: Caller::OwnForm,
        runs,
        handler,
    }
}

impl Pattern {
    /// Whether a path is one of these.
    pub fn takes(self, path: &str) -> bool {
        let (mut own, mut asked) = (self.0.split('/'), path.split('/'));
        loop {
            match (own.next(), asked.next()) {
                (None, None) => return true,
                (Some("*"), Some(part)) if !part.is_empty() => {}
                (Some(own), Some(part)) if own == part => {}
                (_, _) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_takes_its_own_paths_only() {
        for (pattern, path, takes) in [
            ("/", "/", true),
            ("/", "/x", false),
            ("/login/*", "/login/abc", true),
            ("/login/*", "/login", false),
            ("/login/*", "/login/", false),
            ("/login/*", "/login/a/b", false),
            ("/people/*/send", "/people/o/send", true),
            ("/people/*/send", "/people/o/tag", false),
            ("/health", "/health.json", false),
        ] {
            assert_eq!(Pattern(pattern).takes(path), takes, "{pattern} {path}");
        }
    }
}
