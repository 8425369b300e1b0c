//! Tables and views with the names and columns that they have in SQLite, and their history.
//!
//! What SQLite does by triggers, statements do here. Keys, names and openids are `VARBINARY`, which compares bytes; texts
//! compare so, too, by the collation of their tables. Each statement can be run again, because a change of a table is no
//! part of a transaction, and two nodes may begin at the same time.

use std::sync::Arc;

use super::super::error::{ErrorKind, SqlError, StoreError};
use super::super::found::Found;
use super::super::marks::Mark;
use super::super::settings::MOVED;
use super::error::{Again, Failure};
use super::hosts::{Hosts, Purpose};
use super::ids::Ids;
use super::session::Connection;

/// The version that this program writes.
const VERSION: i64 = STEPS.len() as i64;

/// The oldest version that can read what this program writes. Raised only by a release after the one that has written
/// the new way.
const READABLE_BY: i64 = 1;

/// Step N leads from version N to N+1. Released steps never change. A step only adds: nodes of the release before go on.
const STEPS: &[&[&str]] = &[BEGINNING];

/// Made first: a database that has tables, and not this one, belongs to another program.
const VERSIONS: &str = "
CREATE TABLE IF NOT EXISTS wechatd_schema (
    id          TINYINT NOT NULL PRIMARY KEY,   -- 1
    version     INT NOT NULL,
    readable_by INT NOT NULL                    -- the oldest version whose programs may use it
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin";

/// The end of every table.
macro_rules! table {
    ($name:literal, $columns:literal) => {
        concat!(
            "CREATE TABLE IF NOT EXISTS ",
            $name,
            " (",
            $columns,
            ") ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin"
        )
    };
}

/// A view is replaced by itself. It shows times in the time zone of who looks.
macro_rules! view {
    ($name:literal, $select:literal) => {
        concat!(
            "CREATE OR REPLACE SQL SECURITY INVOKER VIEW ",
            $name,
            " AS ",
            $select
        )
    };
}

const BEGINNING: &[&str] = &[
    table!("followers", "
    openid          VARBINARY(128) NOT NULL PRIMARY KEY,
    unionid         VARBINARY(128),
    nickname        MEDIUMTEXT,
    sex             BIGINT,
    language        MEDIUMTEXT,
    city            MEDIUMTEXT,
    province        MEDIUMTEXT,
    country         MEDIUMTEXT,
    headimgurl      MEDIUMTEXT,
    remark          MEDIUMTEXT,
    groupid         BIGINT,
    tagid_list      MEDIUMTEXT,                 -- JSON
    subscribe_time  BIGINT NOT NULL,            -- Unix seconds, as all times
    subscribe_scene VARBINARY(255),
    qr_scene        BIGINT,
    qr_scene_str    VARBINARY(255),
    profile_at      BIGINT,                     -- NULL: the profile is still to be fetched
    profile_error   MEDIUMTEXT,
    KEY followers_subscribe_time (subscribe_time, openid),
    KEY followers_profile_queue (profile_at, subscribe_time)
    "),
    table!("follow_log", "
    id     BIGINT NOT NULL PRIMARY KEY,
    openid VARBINARY(128) NOT NULL,
    action VARBINARY(16) NOT NULL,              -- subscribe or unsubscribe
    at     BIGINT NOT NULL,
    scene  VARBINARY(255),
    source VARBINARY(16) NOT NULL,              -- push or sync
    counts TINYINT NOT NULL DEFAULT 1,          -- whether it changed the number of followers
    way    VARBINARY(255),                      -- by which scene, as the profile tells it
    KEY follow_log_openid (openid, at),
    KEY follow_log_at (at),
    KEY follow_log_scene (scene, at),
    KEY follow_log_sync_leaves (source, action, at)
    "),
    table!("messages", "
    id          BIGINT NOT NULL PRIMARY KEY,
    dedup       BINARY(32) NOT NULL,            -- SHA-256 of dedup_key
    dedup_key   VARBINARY(4096) NOT NULL,
    openid      VARBINARY(128) NOT NULL,
    msg_type    VARBINARY(128) NOT NULL,
    event       VARBINARY(128),
    event_key   MEDIUMTEXT,
    msg_id      VARBINARY(128),
    content     MEDIUMTEXT,                     -- what rules look at
    xml         MEDIUMTEXT,                     -- as received, decrypted
    created_at  BIGINT,                         -- CreateTime of the push
    received_at BIGINT NOT NULL,
    rule        VARBINARY(3000),                -- the rule that answered
    reply       MEDIUMTEXT,                     -- plain XML; NULL: success
    media_id    VARBINARY(255),                 -- how to fetch the picture, voice or video
    signature   BINARY(20),                     -- of the request that brought it
    pending     TINYINT,                        -- 1: forwarded, and not answered yet
    todo        TINYINT,                        -- 1: somebody should look at it; 0: done
    done_at     BIGINT,
    done_by     VARBINARY(255),
    UNIQUE KEY messages_dedup (dedup),
    KEY messages_openid (openid),
    KEY messages_received (received_at),
    KEY messages_media (media_id),
    KEY messages_todo (todo),
    KEY messages_event (event, created_at)
    "),
    table!("tokens", "
    name       VARBINARY(128) NOT NULL PRIMARY KEY,
    value      MEDIUMTEXT,
    expires_at BIGINT
    "),
    table!("settings", "
    name  VARBINARY(255) NOT NULL PRIMARY KEY,
    value MEDIUMTEXT
    "),
    table!("sync_state", "
    id            BIGINT NOT NULL PRIMARY KEY,  -- 1
    step          VARBINARY(128) NOT NULL,
    started_at    BIGINT NOT NULL,
    log_mark      BIGINT NOT NULL,              -- the last id of follow_log when it began
    next_openid   VARBINARY(128) NOT NULL DEFAULT '',
    total         BIGINT,
    listed        BIGINT NOT NULL DEFAULT 0,
    came          BIGINT NOT NULL DEFAULT 0,
    gone          BIGINT NOT NULL DEFAULT 0,
    fetched       BIGINT NOT NULL DEFAULT 0,
    refused       BIGINT NOT NULL DEFAULT 0,
    nobody_leaves MEDIUMTEXT,
    believed      BIGINT NOT NULL DEFAULT 0,
    unfollowed    BIGINT NOT NULL DEFAULT 0
    "),
    table!("sync_people", "
    openid VARBINARY(128) NOT NULL PRIMARY KEY,
    done   BIGINT NOT NULL DEFAULT 0,           -- 1: the profile was asked for; 2: it says that they left
    KEY sync_people_done (done, openid)
    "),
    table!("jobs", "
    id           BIGINT NOT NULL PRIMARY KEY,
    kind         VARBINARY(16) NOT NULL,        -- mass, template or publish
    msg_id       VARBINARY(128),
    client_id    VARBINARY(128),
    fingerprint  VARBINARY(128),
    msg_type     VARBINARY(128),
    openid       VARBINARY(128),
    target       MEDIUMTEXT,
    content      MEDIUMTEXT,
    sent_at      BIGINT,
    status       VARBINARY(255),
    total        BIGINT,
    filtered     BIGINT,
    sent         BIGINT,
    failed       BIGINT,
    finished_at  BIGINT,
    msg_data_id  VARBINARY(128),
    article_id   VARBINARY(255),
    article_urls MEDIUMTEXT,
    fail_idx     MEDIUMTEXT,
    UNIQUE KEY jobs_msg_id (kind, msg_id),
    KEY jobs_openid (openid)
    "),
    table!("media", "
    type       VARBINARY(128) NOT NULL,
    digest     VARBINARY(128) NOT NULL,         -- of the account and the file
    media_id   VARBINARY(255) NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    KEY media_digest (type, digest, expires_at)
    "),
    table!("daily_counts", "
    quarter      BIGINT NOT NULL,               -- of an hour, in Unix time
    shard        BIGINT NOT NULL DEFAULT 0,     -- connections that commit at the same time count in other rows
    subscribed   BIGINT NOT NULL DEFAULT 0,
    unsubscribed BIGINT NOT NULL DEFAULT 0,
    messages     BIGINT NOT NULL DEFAULT 0,
    pushes       BIGINT NOT NULL DEFAULT 0,
    first_id     BIGINT,
    last_id      BIGINT,
    counted      BIGINT,                        -- the pushes when its rules were counted; NULL: never
    PRIMARY KEY (quarter, shard)
    "),
    table!("tags", "
    id   BIGINT NOT NULL PRIMARY KEY,
    name MEDIUMTEXT NOT NULL
    "),
    table!("used_signatures", "
    signature   BINARY(20) NOT NULL PRIMARY KEY,
    received_at BIGINT NOT NULL,
    push        BIGINT,                         -- the digest of the dedup_key of what it brought; NULL: no push
    KEY used_signatures_received (received_at)
    "),
    table!("removed_pushes", "
    digest      BIGINT NOT NULL PRIMARY KEY,
    received_at BIGINT NOT NULL,
    KEY removed_pushes_received (received_at)
    "),
    table!("hook_events", "
    number      BIGINT NOT NULL PRIMARY KEY,
    digest      BIGINT NOT NULL,
    hook        VARBINARY(128) NOT NULL,
    type        VARBINARY(128) NOT NULL,
    openid      VARBINARY(128),
    body        MEDIUMTEXT NOT NULL,            -- JSON
    created_at  BIGINT NOT NULL,
    attempts    BIGINT NOT NULL DEFAULT 0,
    next_at     BIGINT NOT NULL,
    state       VARBINARY(16) NOT NULL DEFAULT 'waiting',
    last_status BIGINT,                         -- HTTP
    last_error  MEDIUMTEXT,
    KEY hook_events_waiting (hook, state, next_at),
    KEY hook_events_done (state, next_at),
    KEY hook_events_closed (type, created_at),
    KEY hook_events_openid (openid)
    "),
    table!("hooks", "
    name     VARBINARY(128) NOT NULL PRIMARY KEY,
    secret   MEDIUMTEXT,
    waiting  BIGINT NOT NULL DEFAULT 0,
    dropped  BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    paused   MEDIUMTEXT
    "),
    table!("forwards", "
    id          BIGINT NOT NULL PRIMARY KEY,
    message_id  BIGINT NOT NULL,
    service     VARBINARY(128) NOT NULL,
    openid      VARBINARY(128) NOT NULL,
    state       VARBINARY(16) NOT NULL,
    deliveries  BIGINT NOT NULL DEFAULT 1,
    answer      MEDIUMTEXT,                     -- plain XML; NULL: none, or nothing to show
    error       MEDIUMTEXT,
    asked_at    BIGINT NOT NULL,
    answered_at BIGINT,
    done_at     BIGINT,
    node        BINARY(16),                     -- the server that asks the service, and goes on with the answer
    taken       BIGINT NOT NULL DEFAULT 0,      -- deliveries that were given the answer after it was recorded
    UNIQUE KEY forwards_message_id (message_id),
    KEY forwards_state (state, id),
    KEY forwards_openid (openid, state, id)
    "),
    table!("sessions", "
    id         BIGINT NOT NULL PRIMARY KEY,
    token_hash BINARY(32) NOT NULL,             -- SHA-256 of the text of the cookie
    openid     VARBINARY(128) NOT NULL,
    unionid    VARBINARY(128),
    method     VARBINARY(128) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    seen_at    BIGINT,
    address    VARBINARY(128),
    agent      MEDIUMTEXT,
    UNIQUE KEY sessions_token_hash (token_hash),
    KEY sessions_openid (openid),
    KEY sessions_expires_at (expires_at)
    "),
    table!("pictures", "
    hash    VARBINARY(128) NOT NULL PRIMARY KEY,    -- SHA-256 of the bytes, in hexadecimal
    type    VARBINARY(128) NOT NULL,
    bytes   LONGBLOB NOT NULL,
    name    MEDIUMTEXT NOT NULL,
    used_at BIGINT NOT NULL
    "),
    table!("sent", "
    id       BIGINT NOT NULL PRIMARY KEY,
    openid   VARBINARY(128) NOT NULL,
    at       BIGINT NOT NULL,
    msg_type VARBINARY(128) NOT NULL,
    content  MEDIUMTEXT,
    `by`     VARBINARY(255) NOT NULL,           -- cli, service, or the name of who is signed in
    once     VARBINARY(128),                    -- the number of a form, which works once
    state    VARBINARY(16) NOT NULL,
    errcode  BIGINT,
    UNIQUE KEY sent_once (once),
    KEY sent_openid (openid, id),
    KEY sent_at (at),
    KEY sent_state (state, id)
    "),
    table!("admin_keys", "
    key_hash   BINARY(32) NOT NULL PRIMARY KEY,
    name       VARBINARY(255) NOT NULL,
    expires_at BIGINT NOT NULL
    "),
    table!("admin_sessions", "
    id         BIGINT NOT NULL PRIMARY KEY,
    token_hash BINARY(32) NOT NULL,
    name       VARBINARY(255) NOT NULL,
    openid     VARBINARY(128),                  -- of who signed in with their own WeChat
    created_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    address    VARBINARY(128),
    UNIQUE KEY admin_sessions_token_hash (token_hash)
    "),
    table!("troubles", "
    id    BIGINT NOT NULL PRIMARY KEY,
    kind  VARBINARY(128) NOT NULL,
    name  VARBINARY(255),                       -- the service or hook that has it
    text  MEDIUMTEXT NOT NULL,
    since BIGINT NOT NULL,
    until BIGINT,                               -- NULL: it is not over
    told  BIGINT NOT NULL DEFAULT 0,
    node  BINARY(16),                           -- which node has it
    KEY troubles_until (until)
    "),
    table!("scene_counts", "
    scene   VARBINARY(255) NOT NULL,
    quarter BIGINT NOT NULL,
    came    BIGINT NOT NULL DEFAULT 0,
    here    BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (scene, quarter),
    KEY scene_counts_quarter (quarter)
    "),
    table!("media_files", "
    message_id BIGINT NOT NULL PRIMARY KEY,
    file       VARBINARY(255),                  -- its name in the folder; NULL: none yet
    type       VARBINARY(128),                  -- by its content, such as image/jpeg; NULL: not fetched
    attempts   BIGINT NOT NULL DEFAULT 0,
    next_at    BIGINT,                          -- the next attempt; NULL: fetched, or given up
    error      MEDIUMTEXT,
    KEY media_files_waiting (next_at)
    "),
    table!("rule_counts", "
    rule    VARBINARY(3000) NOT NULL,
    quarter BIGINT NOT NULL,
    hits    BIGINT NOT NULL,
    last    BIGINT NOT NULL,
    PRIMARY KEY (rule, quarter),
    KEY rule_counts_quarter (quarter)
    "),
    // Of several nodes only; not in SQLite.
    table!("leases", "
    name     VARBINARY(128) NOT NULL PRIMARY KEY,
    holder   BINARY(16) NOT NULL,
    epoch    BIGINT NOT NULL,                   -- raised by every new holder
    until_ms BIGINT NOT NULL                    -- Unix milliseconds by the clock of the server
    "),
    table!("nodes", "
    id         BINARY(16) NOT NULL PRIMARY KEY,
    name       VARBINARY(255) NOT NULL,         -- of the machine
    listen     VARBINARY(255) NOT NULL,         -- where it listens
    version    VARBINARY(128) NOT NULL,         -- of the program
    config     BINARY(32) NOT NULL,             -- SHA-256 of the configuration
    process    VARBINARY(255) NOT NULL,         -- by which another one on its machine sees whether it runs
    started_at BIGINT NOT NULL,
    seen_at    BIGINT NOT NULL,
    KEY nodes_seen_at (seen_at)
    "),
    table!("log_ins", "
    id       VARBINARY(64) NOT NULL PRIMARY KEY,
    code     BIGINT NOT NULL,                   -- what may be typed instead
    flow     BINARY(16) NOT NULL,               -- the browser
    network  VARBINARY(64),                     -- what counts as one address
    page     MEDIUMTEXT NOT NULL,               -- what who scans is told of it
    way_back MEDIUMTEXT NOT NULL,
    numbers  BINARY(3) NOT NULL,                -- one of them is to be chosen
    number   TINYINT UNSIGNED NOT NULL,         -- the one that the page shows
    phase    TINYINT NOT NULL,                  -- 0 waiting, 1 scanned, 2 approved, 3 completed, 4 denied
    openid   VARBINARY(128),                    -- who scanned it
    begun_ms BIGINT NOT NULL,                   -- Unix milliseconds by the clock of the server
    ends_ms  BIGINT NOT NULL,
    UNIQUE KEY log_ins_code (code),
    KEY log_ins_openid (openid),
    KEY log_ins_ends (ends_ms)
    "),
    table!("exchanged", "
    code        BINARY(32) NOT NULL PRIMARY KEY,    -- SHA-256 of a code of WeChat's own log-in
    flow        BINARY(16) NOT NULL,                -- the browser that brought it first
    has_cookie  TINYINT NOT NULL,
    looks       BINARY(32) NOT NULL,
    openid      VARBINARY(128) NOT NULL,
    unionid     VARBINARY(128),
    is_snapshot TINYINT NOT NULL,
    at          BIGINT NOT NULL,
    KEY exchanged_openid (openid),
    KEY exchanged_at (at)
    "),
    table!("commits", "
    writer  BINARY(16) NOT NULL PRIMARY KEY,    -- a connection that commits
    attempt BIGINT NOT NULL,                    -- its last transaction that was committed
    at      BIGINT NOT NULL
    "),
    view!("followers_v", "
    SELECT openid, nickname, remark, from_unixtime(subscribe_time) AS subscribed, subscribe_scene AS scene,
           coalesce(nullif(qr_scene_str, ''), nullif(qr_scene, 0)) AS qr, tagid_list AS tags, unionid,
           from_unixtime(profile_at) AS profile, profile_error
    FROM followers ORDER BY subscribe_time DESC"),
    view!("messages_v", "
    SELECT id, from_unixtime(received_at) AS received, openid, coalesce(event, msg_type) AS kind,
           content, rule, reply IS NOT NULL AS answered, media_id
    FROM messages ORDER BY id DESC"),
    view!("daily_v", "
    SELECT date(from_unixtime(quarter * 900)) AS day, sum(subscribed) AS subscribed, sum(unsubscribed) AS unsubscribed,
           sum(subscribed) - sum(unsubscribed) AS net, sum(messages) AS messages
    FROM daily_counts WHERE subscribed <> 0 OR unsubscribed <> 0 OR messages <> 0
    GROUP BY date(from_unixtime(quarter * 900)) ORDER BY day DESC"),
    view!("hooks_v", "
    SELECT concat('evt_', lpad(lower(hex(number)), greatest(10, length(hex(number))), '0'), lpad(lower(hex(digest)), 16, '0')) AS id,
           from_unixtime(created_at) AS created, hook, type, openid, state, attempts,
           CASE WHEN state = 'waiting' THEN from_unixtime(next_at) END AS next_try,
           CASE WHEN state <> 'waiting' THEN from_unixtime(next_at) END AS done, last_status, last_error
    FROM hook_events ORDER BY number DESC"),
    view!("forwards_v", "
    SELECT id, from_unixtime(asked_at) AS asked, service, openid, state, deliveries, answered_at - asked_at AS seconds,
           from_unixtime(done_at) AS done, error
    FROM forwards ORDER BY id DESC"),
    view!("sessions_v", "
    SELECT id, openid, method, from_unixtime(created_at) AS since, from_unixtime(expires_at) AS expires,
           from_unixtime(seen_at) AS seen, address, agent
    FROM sessions ORDER BY id DESC"),
    view!("sent_v", "
    SELECT id, from_unixtime(at) AS sent, openid, msg_type AS kind, content, `by`, state, errcode
    FROM sent ORDER BY id DESC"),
    view!("troubles_v", "
    SELECT id, kind, name, text, from_unixtime(since) AS since, from_unixtime(until) AS until
    FROM troubles ORDER BY id DESC"),
];

/// Makes a new store, or migrates an older one.
///
/// # Errors
/// When the database belongs to another program or a newer version, or the server refuses.
pub(in super::super) fn migrate(hosts: &Arc<Hosts>, ids: &Arc<Ids>) -> Result<(), StoreError> {
    let mut connection = Connection::new(hosts, ids, Purpose::Migrating);
    let fail = |failure: Failure| failed(hosts, &failure);
    let version = version(&mut connection, hosts)?.unwrap_or(0);
    if version == 0 {
        connection.simple(VERSIONS).map_err(fail)?;
    }
    let done = usize::try_from(version).unwrap_or(0);
    for (step, number) in STEPS.iter().zip(1_i64..).skip(done) {
        for statement in *step {
            connection.simple(statement).map_err(fail)?;
        }
        // Another node may have gone further.
        let written = format!(
            "INSERT INTO wechatd_schema (id, version, readable_by) VALUES (1, {number}, {READABLE_BY})
             ON DUPLICATE KEY UPDATE version = greatest(version, {number}), readable_by = greatest(readable_by, {READABLE_BY})"
        );
        connection.simple(&written).map_err(fail)?;
    }
    Ok(())
}

/// What is in the database.
///
/// # Errors
/// When it belongs to another program or a newer version, or cannot be read.
pub(super) fn examine(connection: &mut Connection, hosts: &Hosts) -> Result<Found, StoreError> {
    Ok(match version(connection, hosts)? {
        None => Found::Nothing,
        Some(older) if older < VERSION => Found::Older,
        Some(_) => Found::Current,
    })
}

/// Whether there is a store in the database, which this program can read.
///
/// # Errors
/// When the database belongs to another program or another version, or cannot be read.
pub(in super::super) fn is_there(
    connection: &mut Connection,
    hosts: &Hosts,
) -> Result<bool, StoreError> {
    match version(connection, hosts)? {
        None => Ok(false),
        Some(older) if older < VERSION => Err(of(
            hosts,
            format!(
                "is of the older version {older}; start the server once, it upgrades the store to version {VERSION}"
            ),
        )),
        Some(_) => Ok(true),
    }
}

/// The version of the store; `None` if there is none yet.
fn version(connection: &mut Connection, hosts: &Hosts) -> Result<Option<i64>, StoreError> {
    let fail = |failure: Failure| failed(hosts, &failure);
    let tables: Vec<(Option<i64>, Option<i64>)> = connection
        .simple_rows(
            "SELECT CAST(count(*) AS SIGNED), CAST(sum(table_name = 'wechatd_schema') AS SIGNED)
             FROM information_schema.tables WHERE table_schema = database()",
        )
        .map_err(fail)?;
    match tables.first() {
        Some((_, Some(ours))) if *ours > 0 => {}
        Some((Some(all), _)) if *all > 0 => {
            return Err(of(
                hosts,
                "the database belongs to another program; name another one in store.url",
            ));
        }
        Some(_) | None => return Ok(None),
    }
    let versions: Vec<(i64, i64)> = connection
        .simple_rows("SELECT version, readable_by FROM wechatd_schema")
        .map_err(fail)?;
    match versions.first() {
        // Somebody began to make it.
        None => Ok(None),
        Some((version, readable_by)) if *readable_by > VERSION => Err(fail(too_new(*version))),
        Some((version, _)) => Ok(Some(*version)),
    }
}

/// As a number of SQL: NULL once nothing may be written to the store by this program, see [`why_closed`], else `number`.
pub(super) fn unless_closed(number: u64) -> String {
    format!(
        "(SELECT CASE WHEN readable_by <= {VERSION} AND NOT EXISTS (SELECT 1 FROM settings WHERE name = '{MOVED}')
                      THEN {number} END FROM wechatd_schema)"
    )
}

/// Why nothing may be written to the store now, if so: only newer programs can use it, or it was moved while this node could
/// not be seen.
pub(super) fn why_closed(connection: &mut Connection) -> Option<Failure> {
    let sql = format!("SELECT version FROM wechatd_schema WHERE readable_by > {VERSION} LIMIT 1");
    let newer: Vec<i64> = connection.simple_rows(&sql).ok()?;
    if let Some(version) = newer.first() {
        return Some(too_new(*version));
    }
    match Mark::of(connection).ok()? {
        Mark::None | Mark::Unfinished { .. } => None,
        Mark::Moved { to, .. } => {
            let mut moved = Failure::of_all(
                format!("the store was moved to {to}"),
                "stop this server, or name that in its configuration",
            );
            moved.error.kind = ErrorKind::Moved;
            Some(moved)
        }
    }
}

fn too_new(version: i64) -> Failure {
    let error = SqlError {
        kind: ErrorKind::TooNew,
        reason: format!("the store is of the newer version {version}, which this one cannot use"),
        what_to_do: Some("use a newer wechatd"),
        concerns_all: true,
    };
    let again = Again::No;
    Failure { error, again }
}

fn of(hosts: &Hosts, what: impl std::fmt::Display) -> StoreError {
    let text = format!("store: {}: {what}", hosts.server());
    StoreError::new(ErrorKind::Other, text)
}

fn failed(hosts: &Hosts, failure: &Failure) -> StoreError {
    StoreError::of_sql(&hosts.server().to_string(), &failure.error)
}

/// There is no store yet.
pub(in super::super) fn none_yet(hosts: &Hosts) -> StoreError {
    of(hosts, "there is no store yet")
        .of_kind(ErrorKind::Gone)
        .advising("`wechatd serve` makes it")
}
