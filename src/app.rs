//! The program as a value: what is built once and shared. All wiring is here.

mod callback_ips;
mod duties;
mod forget;
mod media_folder;
mod tokens;
mod uploads;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use crate::api::{self, Client};
use crate::clock::{self, ConfirmedClock};
use crate::config::{Config, Picture};
use crate::delivery::Deliveries;
use crate::dispatch::{Advice, Rules, Uploads, advise};
use crate::hooks::{Hooks, HooksError};
use crate::login::scan::{self, Scans};
use crate::login::seen::Seen;
use crate::login::state::StateKeyError;
use crate::metrics::{Counters, Named, Pushes};
use crate::notifier::Notifier;
use crate::random::{self, NoRandomNumbers};
use crate::secret::Secret;
use crate::service::{Services, ServicesError};
use crate::store::{self, NewPicture, Node, Store, StoreError};
use crate::trouble::{Signing, Troubles};
use crate::wechat::push_kinds;
pub use callback_ips::{CallbackIps, Networks};
pub use duties::{Duties, Duty};
pub use forget::{ForgetError, forget};
pub use media_folder::MediaFolder;
use tokens::StoredTokens;
pub use uploads::{kept_as, uploaded};

/// Everything that the server and its background work share.
pub struct App {
    /// The store.
    pub store: Arc<Store>,
    /// The platform's API; `None` without AppID and AppSecret.
    pub api: Option<Client>,
    /// The files of answers that are uploaded.
    pub uploads: Arc<Uploads>,
    /// Forwarded pushes, and the answers on their way.
    pub deliveries: Arc<Deliveries>,
    /// When sessions of web pages were used last, until the chores tell the store.
    pub seen: Seen,
    /// Log-ins by a scanned or typed code that are under way.
    pub scans: Scans,
    /// What this server does for all that share the store.
    pub duties: Duties,
    /// What background threads wait on.
    pub notifiers: Notifiers,
    /// The addresses that the platform sends from, as far as known.
    pub callback_ips: CallbackIps,
    /// Counters of the server's guard.
    pub counters: Arc<Counters>,
    /// The pushes so far.
    pub pushes: Arc<Pushes>,
    rule_hits: Named,
    /// What is wrong now.
    pub troubles: Arc<Troubles>,
    /// The newest message of the to-do list before this server took any; 0: there was none.
    pub newest_todo: i64,
    /// How requests to the callback are signed.
    pub signing: Signing,
    /// The time, as far as the platform has confirmed it.
    pub confirmed: ConfirmedClock,
    live: RwLock<Arc<Live>>,
    /// Where the server listens, once it does.
    listening: OnceLock<String>,
    /// Whether the thread that fetches media runs.
    fetches: Mutex<bool>,
}

/// A notifier for each background thread.
#[derive(Debug, Default)]
pub struct Notifiers {
    /// Notified when a follower's profile is to be fetched.
    pub profiles: Notifier,
    /// Hourly chores; a notification starts a round at once.
    pub chores: Notifier,
    /// Notified when `server.allow_ips` may have changed.
    pub addresses: Notifier,
    /// The nightly sync; a notification lets it read the configuration again.
    pub sync: Notifier,
    /// Notified when there is something to deliver to a hook.
    pub hooks: Notifier,
    /// The times of forwarded pushes; notified when something is due earlier than was known.
    pub deliveries: Arc<Notifier>,
    /// Notified when there may be files to upload.
    pub uploads: Notifier,
    /// Notified when there may be a file that a follower sent to fetch.
    pub media: Notifier,
    /// Pauses of the thread that writes `api.token_file`; never notified, only closed.
    pub token_file: Notifier,
    /// Pauses of the thread that renews leases; never notified, only closed.
    pub nodes: Notifier,
    /// Pauses of the thread that keeps the ticket of the JS-SDK; never notified, only closed.
    pub ticket: Notifier,
    /// Pauses between two pings of systemd's watchdog; never notified, only closed.
    pub watchdog: Notifier,
    /// Notified when trouble begins or ends.
    pub watch: Arc<Notifier>,
    /// Notified when a log-in that is a row may have changed, or is waited for.
    pub log_ins: Arc<Notifier>,
}

/// What a reload replaces as a whole.
#[derive(Debug)]
pub struct Live {
    /// The configuration in force.
    pub config: Config,
    /// Its rules, ready to match.
    pub rules: Rules,
    /// Its hooks, ready to be told.
    pub hooks: Hooks,
    /// Its services, ready to be asked.
    pub services: Services,
    /// The Tokens that are accepted; the first is the current one.
    pub tokens: Vec<Secret>,
    /// How often each rule has answered since the program started, by its name; a log-in under way counts like one.
    pub rule_hits: HashMap<String, Arc<AtomicU64>>,
    advice: OnceLock<Vec<Advice>>,
}

/// Why the program cannot start.
#[derive(Debug)]
pub enum AppError {
    /// The store.
    Store(StoreError),
    /// The API client.
    Api(api::ApiError),
    /// The hooks.
    Hooks(HooksError),
    /// The services.
    Services(ServicesError),
    /// The system gave no random numbers.
    Random(NoRandomNumbers),
    /// A file that the configuration names. The text says what is wrong with it.
    File(String),
    /// The store belongs to another account than the configuration's.
    OtherAccount {
        /// Where it is.
        store: String,
        /// The AppID of the account that it belongs to.
        owner: String,
        /// The configuration's.
        app_id: String,
        /// What to do about it.
        what_to_do: &'static str,
    },
}

impl App {
    /// Opens the store and prepares the API client; makes no call.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn new(config: Config) -> Result<App, AppError> {
        let store = Arc::new(Store::open(&config.store)?);
        let api = client(&config, &store)?;
        let uploads = Arc::default();
        let rule_hits = Named::default();
        let live = Live::new(config, &store, &uploads, &rule_hits)?;
        let callback_ips = CallbackIps::default();
        if let Some(list) = store.callback_ips()?.as_ref().and_then(Networks::read) {
            callback_ips.replace(list);
        }
        let confirmed = ConfirmedClock::new(store.confirmed_time()?);
        let newest_todo = store.read(|reader| reader.todo())?;
        let notifiers = Notifiers::default();
        let wake = Arc::clone(&notifiers.deliveries);
        let troubles = Arc::new(Troubles::new(Arc::clone(&notifiers.watch)));
        let heard = Arc::clone(&troubles);
        let deliveries = Deliveries::new(Arc::clone(&store), api.clone(), wake, heard);
        // What fails before is why there is no server.
        store.report_to(Arc::clone(&troubles));
        Ok(App {
            confirmed,
            newest_todo: newest_todo.map_or(0, |(_, newest)| newest),
            duties: Duties::new(&store),
            listening: OnceLock::new(),
            scans: Scans::of(&store, &notifiers.log_ins),
            store,
            api,
            uploads,
            deliveries,
            seen: Seen::default(),
            notifiers,
            counters: Arc::default(),
            pushes: Arc::new(Pushes::new(push_kinds())),
            rule_hits,
            troubles,
            signing: Signing::default(),
            callback_ips,
            live: RwLock::new(Arc::new(live)),
            fetches: Mutex::new(false),
        })
    }

    /// What is in force now. A push keeps what it started with.
    #[must_use]
    pub fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another configuration in force.
    ///
    /// # Errors
    /// When the Token cannot be read from the store, or the store belongs to another account; the old configuration stays
    /// in force.
    pub fn replace(&self, config: Config) -> Result<(), AppError> {
        let live = Arc::new(Live::new(
            config,
            &self.store,
            &self.uploads,
            &self.rule_hits,
        )?);
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = live;
        Ok(())
    }

    /// From now on this is where the server listens.
    pub fn listens_at(&self, address: String) {
        self.listening.set(address).ok();
    }

    /// What this server tells the others of the store.
    #[must_use]
    pub fn node(&self) -> Node {
        Node {
            name: store::machine(),
            listen: self.listening.get().cloned().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: self.live().config.digest,
        }
    }

    /// Whether the thread that fetches media is to be started: it is wanted, and does not run. From now on it counts as
    /// running.
    #[must_use]
    pub fn fetching_begins(&self) -> bool {
        let mut fetches = self.fetches();
        let begins = !*fetches && self.live().config.store.media.is_some();
        *fetches |= begins;
        begins
    }

    /// The folder to fetch media to; `None`: the thread that asks ends, and counts as ended.
    #[must_use]
    pub fn fetching_goes_on(&self) -> Option<PathBuf> {
        // Locked first: a folder that is configured from now on starts the thread again.
        let mut fetches = self.fetches();
        let folder = self.live().config.store.media.clone();
        *fetches = folder.is_some();
        folder
    }

    /// The thread that fetches media could not be started.
    pub fn fetching_ended(&self) {
        *self.fetches() = false;
    }

    fn fetches(&self) -> MutexGuard<'_, bool> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the files of media whose message is gone.
    ///
    /// # Errors
    /// When the store cannot be read, or a file stays; the text says why.
    pub fn sweep_media(&self) -> Result<(), String> {
        let live = self.live();
        let Some(path) = &live.config.store.media else {
            return Ok(());
        };
        let reader = self.store.reader().map_err(|error| error.to_string())?;
        match MediaFolder::if_taken(path, &reader).map_err(|error| error.to_string())? {
            Some(folder) => folder.sweep(&reader).map(drop),
            None => Ok(()),
        }
    }
}

impl Notifiers {
    /// Wakes the threads that depend on the configuration.
    pub fn config_changed(&self) {
        for notifier in [
            &self.chores,
            &self.addresses,
            &self.sync,
            &self.hooks,
            &self.uploads,
            &self.watch,
            &self.media,
        ] {
            notifier.notify();
        }
    }

    /// Ends all waits: the program stops.
    pub fn close(&self) {
        let Notifiers {
            profiles,
            chores,
            addresses,
            sync,
            hooks,
            deliveries,
            uploads,
            media,
            token_file,
            nodes,
            ticket,
            watchdog,
            watch,
            log_ins,
        } = self;
        for notifier in [
            profiles, chores, addresses, sync, hooks, deliveries, uploads, media, token_file,
            nodes, ticket, watchdog, watch, log_ins,
        ] {
            notifier.close();
        }
    }
}

impl Live {
    fn new(
        config: Config,
        store: &Store,
        uploads: &Arc<Uploads>,
        rule_hits: &Named,
    ) -> Result<Live, AppError> {
        claim(&config, store)?;
        keep_pictures(&config.pictures, store)?;
        let current = match &config.account.token {
            Some(token) => token.clone(),
            None => store.made_token(&random_token()?)?,
        };
        let tokens = std::iter::once(current.clone())
            .chain(config.account.previous_token.clone())
            .collect();
        uploads.replace(uploaded(&config, || store.reader())?);
        let names = config.rules.iter().map(|rule| rule.name.as_str());
        Ok(Live {
            rule_hits: names
                .chain([scan::RULE])
                .map(|name| (name.to_owned(), rule_hits.counter(name)))
                .collect(),
            rules: Rules::new(config.rules.clone()).with_uploads(uploads),
            hooks: Hooks::new(&config.hooks, store)?,
            services: Services::new(&config.services, &current, store)?,
            tokens,
            config,
            advice: OnceLock::new(),
        })
    }

    /// What is questionable about the rules. The first call compares thousands of rules for seconds.
    pub fn advice(&self) -> &[Advice] {
        self.advice.get_or_init(|| advise(&self.rules))
    }
}

/// Stores the pictures that are not there yet.
fn keep_pictures(pictures: &[Picture], store: &Store) -> Result<(), AppError> {
    if pictures.is_empty() {
        return Ok(());
    }
    let now = clock::unix_seconds();
    // Those that are there stay from now on.
    store.pictures_used(hashes(pictures), now)?;
    let reader = store.reader()?;
    for Picture { file, kind, .. } in pictures {
        let media_type = kind.media_type();
        if !reader.has_picture(&file.hash, media_type)? {
            store.keep_picture(NewPicture {
                hash: file.hash.clone(),
                media_type,
                bytes: file
                    .bytes()
                    .map_err(|why| AppError::File(format!("{} {why}", file.name)))?,
                name: file.name.clone(),
                used_at: now,
            })?;
        }
    }
    Ok(())
}

/// The hashes by which these pictures are stored.
#[must_use]
pub fn hashes(pictures: &[Picture]) -> Vec<String> {
    let hashes = pictures.iter().map(|picture| picture.file.hash.clone());
    hashes.collect()
}

/// Ties a new store to the configuration's account, if that has an AppID: from then on the store's tokens, followers
/// and messages are that account's.
fn claim(config: &Config, store: &Store) -> Result<(), AppError> {
    match &config.account.app_id {
        Some(app_id) => refuse_other(config, &config.store, Some(store.claim(app_id)?)),
        None => Ok(()),
    }
}

/// Refuses a store of another account than the configuration's. `owner` is the AppID that `store` belongs to, if any.
///
/// # Errors
/// [`AppError::OtherAccount`]
pub fn refuse_other(
    config: &Config,
    store: &dyn fmt::Display,
    owner: Option<String>,
) -> Result<(), AppError> {
    match (&config.account.app_id, owner) {
        (Some(app_id), Some(owner)) if *app_id != owner => Err(AppError::OtherAccount {
            store: store.to_string(),
            owner,
            app_id: app_id.clone(),
            what_to_do: match config.store.file() {
                Some(_) => "name another file in store.path",
                None => "name another database in store.url",
            },
        }),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}

/// The API client of a configuration, if it has API rights; the commands use it too. A store of another account is
/// refused: the client would use its tokens.
///
/// # Errors
/// When the store belongs to another account, or `api.base_url` or the trusted roots cannot be used.
pub fn client(config: &Config, store: &Arc<Store>) -> Result<Option<Client>, AppError> {
    let Some((app_id, app_secret)) = config.api_rights() else {
        return Ok(None);
    };
    claim(config, store)?;
    let settings = api::Settings {
        base_url: config.api.base_url.clone(),
        timeout: config.api.timeout,
        app_id: app_id.to_owned(),
        app_secret: app_secret.clone(),
    };
    let client = Client::new(settings, Arc::new(StoredTokens::new(store)))?;
    Ok(Some(client))
}

/// A Token that the console accepts: 32 letters and digits.
fn random_token() -> Result<Secret, AppError> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut token = String::with_capacity(32);
    while token.len() < 32 {
        let bytes: [u8; 32] = random::bytes()?;
        // Bytes from 248 on would make some letters more likely than others.
        let even = bytes.iter().filter(|byte| **byte < 248);
        token.extend(
            even.take(32 - token.len())
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
        );
    }
    Ok(Secret::new(token))
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppError::Store(error) => error.fmt(f),
            AppError::Api(error) => error.fmt(f),
            AppError::Hooks(error) => error.fmt(f),
            AppError::Services(error) => error.fmt(f),
            AppError::Random(error) => error.fmt(f),
            AppError::File(what) => f.write_str(what),
            AppError::OtherAccount {
                store,
                owner,
                app_id,
                what_to_do,
            } => write!(
                f,
                "{store} belongs to the account {owner}, and account.app_id is {app_id}: {what_to_do}, each account has a store of its own"
            ),
        }
    }
}

impl std::error::Error for AppError {}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> AppError {
        AppError::Store(error)
    }
}

impl From<api::ApiError> for AppError {
    fn from(error: api::ApiError) -> AppError {
        AppError::Api(error)
    }
}

impl From<HooksError> for AppError {
    fn from(error: HooksError) -> AppError {
        match error {
            HooksError::Store(error) => AppError::Store(error),
            HooksError::Random(error) => AppError::Random(error),
            error @ HooksError::Trust(_) => AppError::Hooks(error),
        }
    }
}

impl From<ServicesError> for AppError {
    fn from(error: ServicesError) -> AppError {
        match error {
            ServicesError::Store(error) => AppError::Store(error),
            ServicesError::Random(error) => AppError::Random(error),
            error @ ServicesError::Trust(_) => AppError::Services(error),
        }
    }
}

impl From<StateKeyError> for AppError {
    fn from(error: StateKeyError) -> AppError {
        match error {
            StateKeyError::Store(error) => AppError::Store(error),
            StateKeyError::Random(error) => AppError::Random(error),
        }
    }
}

impl From<NoRandomNumbers> for AppError {
    fn from(error: NoRandomNumbers) -> AppError {
        AppError::Random(error)
    }
}
