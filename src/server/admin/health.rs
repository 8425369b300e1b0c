//! What the state of everything is, and signing everybody out.

use serde_json::json;

use super::Answer;
use super::trouble;
use super::visit::Visit;
use crate::api::token_cache::ACCESS_TOKEN;
use crate::page::health::{self, Health, HookHealth, ServiceHealth, TroubleRow};
use crate::store::{AdminEnding, Reader, StoreError, free_beside, size_of};

/// How long trouble that is over is shown, in seconds.
const SHOWN: i64 = 30 * 86_400;

/// `GET /health`
pub fn page(visit: &Visit<'_>) -> Answer {
    let asked = visit.asked;
    let lasts = asked.live.config.admin.session.as_secs();
    let since = visit.now.saturating_sub_unsigned(lasts);
    let (health, signed_in) = asked
        .admin
        .app
        .store
        .read(|reader| Ok((read(visit, reader)?, reader.admin_sessions(since)?)))?;
    visit.html(health::page(&visit.frame(), &health, &signed_in))
}

/// `GET /health.json`
pub fn value(visit: &Visit<'_>) -> Answer {
    let store = &visit.asked.admin.app.store;
    let health = store.read(|reader| read(visit, reader))?;
    Ok(visit.asked.json(200, &json!(health)))
}

/// `POST /health/sign-out`
pub fn sign_out_everybody(visit: &Visit<'_>) -> Answer {
    let admin = visit.asked.admin;
    admin.app.store.end_admin_sessions(AdminEnding::All)?;
    let response = visit.asked.go_to("/login");
    Ok(response.with("Set-Cookie", admin.cookies.clear_session()))
}

fn read(visit: &Visit<'_>, reader: &Reader) -> Result<Health, StoreError> {
    let (app, live) = (&visit.asked.admin.app, visit.asked.live);
    let troubles = trouble::since(app, reader, visit.now.saturating_sub(SHOWN))?;
    let services = live.config.services.iter().map(|service| {
        let counts = reader.service_counts(&service.name)?;
        Ok(ServiceHealth {
            name: service.name.clone(),
            waiting: counts.waiting,
            answered: counts.answered,
            failed: counts.failed,
            failed_in_a_row: counts.failed_in_a_row,
            error: counts.error,
        })
    });
    let hooks = live.config.hooks.iter().map(|hook| {
        let state = reader.hook_state(&hook.name)?;
        let counts = reader.hook_counts(&hook.name)?;
        Ok(HookHealth {
            name: hook.name.clone(),
            waiting: state.waiting,
            delivered: counts.delivered,
            dead: counts.dead,
            failures: state.failures,
            paused: state.paused,
        })
    });
    Ok(Health {
        version: env!("CARGO_PKG_VERSION"),
        listen: reader.listening()?,
        started_at: reader.started_at()?,
        last_push: reader.last_push()?,
        last_sync: reader.synced_at()?,
        token_expires: reader.token_expires_at(ACCESS_TOKEN)?,
        followers: reader.count_followers()?,
        todo: reader.todo_count()?,
        profiles_waiting: reader.profiles_waiting()?,
        forwards_waiting: reader.forwards_waiting()?,
        store_bytes: app.store.file().map(size_of),
        disk_free_bytes: app.store.file().and_then(|file| free_beside(file).ok()),
        troubles: troubles
            .into_iter()
            .map(|trouble| TroubleRow {
                kind: trouble.subject.kind.name(),
                name: trouble.subject.name,
                text: trouble.text,
                since: trouble.since,
                until: trouble.until,
            })
            .collect(),
        services: services.collect::<Result<_, StoreError>>()?,
        hooks: hooks.collect::<Result<_, StoreError>>()?,
        refused: visit.asked.admin.refusals.counts(),
    })
}
