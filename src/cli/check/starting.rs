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
use crate::store::{Found, Reader, StoreError, examine};

/// Everything that would keep `serve` from starting, in a sentence each, and the store if it can be read.
pub(in crate::cli) fn obstacles(
    config: &Config,
) -> Result<(Vec<String>, Option<Reader>), StoreError> {
    let mut obstacles = Vec::new();
    obstacles.extend(missing_folder(&target_of(&config.store.path)));
    let found = examine(&config.store);
    if let Err(error) = &found {
        obstacles.push(error.to_string());
    }
    let reader = match found {
        Ok(Found::Current) => Some(Reader::open(&config.store)?),
        Ok(Found::Nothing | Found::Older) | Err(_) => None,
    };
    // A store from an older version does not say where its server listens.
    let may_be_ours = match (&found, &reader) {
        (Ok(Found::Older), _) => true,
        (Ok(Found::Current | Found::Nothing) | Err(_), Some(reader)) => {
            reader.listening()?.as_deref() == Some(&config.server.listen.to_string())
        }
        (Ok(Found::Current | Found::Nothing) | Err(_), None) => false,
    };
    obstacles.extend(listening_obstacle(&config.server.listen, may_be_ours));
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
fn listening_obstacle(listen: &Listen, may_be_ours: bool) -> Option<String> {
    if let Listen::Unix(path) = listen
        && is_made_by_the_service(path)
        && path.parent().is_some_and(|folder| !folder.exists())
    {
        return None;
    }
    match Listener::look(listen).err()? {
        ListenError::InUse(_) | ListenError::Denied(_) if may_be_ours && answers(listen) => None,
        error => Some(error.to_string()),
    }
}

/// Whether a wechatd is listening there.
fn answers(listen: &Listen) -> bool {
    Target::of(listen)
        .send("GET", HEALTH_PATH, None, b"", Duration::from_secs(15))
        .is_ok_and(|answer| matches!(answer.status, 200 | 503))
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
