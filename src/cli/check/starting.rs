//! Finds what would keep `serve` from starting, without starting it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::warnings::is_made_by_the_service;
use crate::api;
use crate::cli::simulate::Target;
use crate::config::{Config, HEALTH_PATH, Listen};
use crate::hooks;
use crate::server::{ListenError, Listener};
use crate::store::{Found, Reader, Server, StoreError, examine};

/// What the server answers to the health check.
const SERVER: [u16; 2] = [200, 503];

/// What its operator's page answers: there is no such path.
const PAGE: [u16; 2] = [404, 421];

/// Everything that would keep `serve` from starting, in a sentence each, and the store if it can be read.
pub(in crate::cli) fn obstacles(
    config: &Config,
) -> Result<(Vec<String>, Option<Reader>), StoreError> {
    let mut obstacles = Vec::new();
    if let Some(file) = config.store.file() {
        obstacles.extend(missing_folder(&target_of(file)));
    }
    let server = config.store.server.as_ref();
    if server.is_some_and(Server::lacks_its_password) {
        return Ok((obstacles, None));
    }
    let found = examine(&config.store);
    if let Err(error) = &found {
        obstacles.push(error.to_string());
    }
    let reader = match found {
        Ok(Found::Current) => Some(Reader::open(&config.store)?),
        Ok(Found::Nothing | Found::Older) | Err(_) => None,
    };
    // A store from an older version does not say where its server listens.
    let (listening, page) = match &reader {
        Some(reader) => (reader.listening()?, reader.admin_listening()?),
        None => (None, None),
    };
    let may_be_ours = |kept: Option<String>, listen: &Listen| match found {
        Ok(Found::Older) => true,
        Ok(Found::Current | Found::Nothing) | Err(_) => kept == Some(listen.to_string()),
    };
    let listen = &config.server.listen;
    if let Some(error) = listening_obstacle(listen, may_be_ours(listening, listen), &SERVER) {
        obstacles.push(error.to_string());
    }
    if let Some(listen) = &config.admin.listen
        && let Some(error) = listening_obstacle(listen, may_be_ours(page, listen), &PAGE)
    {
        obstacles.push(error.advising("admin.listen"));
    }
    if config.api_rights().is_some()
        && let Err(error) = api::look_at_roots(&config.api.base_url)
    {
        obstacles.push(error.to_string());
    } else if !(config.hooks.is_empty() && config.services.is_empty())
        && let Err(error) = hooks::look_at_roots()
    {
        obstacles.push(error.to_string());
    }
    Ok((obstacles, reader))
}

/// Why the server could not listen there. That it already does is not a reason.
fn listening_obstacle(listen: &Listen, may_be_ours: bool, statuses: &[u16]) -> Option<ListenError> {
    if let Listen::Unix(path) = listen
        && is_made_by_the_service(path)
        && path.parent().is_some_and(|folder| !folder.exists())
    {
        return None;
    }
    match Listener::look(listen).err()? {
        ListenError::InUse(_) | ListenError::Denied(_)
            if may_be_ours && answers(listen, statuses) =>
        {
            None
        }
        error => Some(error),
    }
}

/// Whether a wechatd is listening there, by what it answers to the health check.
fn answers(listen: &Listen, statuses: &[u16]) -> bool {
    Target::of(listen)
        .send("GET", HEALTH_PATH, None, b"", Duration::from_secs(15))
        .is_ok_and(|answer| statuses.contains(&answer.status))
}

/// Where the store would be created: SQLite follows a link to a file that does not exist yet.
fn target_of(store: &Path) -> PathBuf {
    match fs::read_link(store) {
        // A relative link starts at the folder of the link.
        Ok(target) => store.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => store.to_owned(),
    }
}

/// The missing folder of the store, which the server does not create.
fn missing_folder(store: &Path) -> Option<String> {
    let folder = store
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())?;
    if folder.exists() || is_made_by_the_service(store) {
        return None;
    }
    let shown = folder.display();
    Some(format!(
        "store.path: the folder {shown} does not exist, and the server does not make it: `mkdir -p {shown}`"
    ))
}
