//! Tables, views and their history: append-only migrations, numbered by `user_version`.

use rusqlite::Connection;

use super::counting::count_newest;

/// `application_id` of the file, "WCHD": distinguishes our store from any other SQLite file.
pub(in crate::store) const APPLICATION_ID: i32 = 0x5743_4844;

/// The schema version that this program writes.
pub(in crate::store) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Step N migrates a store from version N to N+1. Released steps never change.
const MIGRATIONS: &[&str] = &[
    BEGINNING,
    SYNC,
    JOBS_AND_MEDIA,
    DAILY_COUNTS,
    FEWER_PAGES,
    TRUE_COUNTS,
    QUARTER_RANGES,
    HOOKS,
    FORWARDS,
    WEB,
    OPERATOR,
    COUNTED_BY_COMMIT,
];

/// Followers, messages, and what the server keeps for itself.
const BEGINNING: &str = "
CREATE TABLE followers (
    openid          TEXT PRIMARY KEY,
    unionid         TEXT,
    nickname        TEXT,
    sex             INTEGER,
    language        TEXT,
    city            TEXT,
    province        TEXT,
    country         TEXT,
    headimgurl      TEXT,
    remark          TEXT,
    groupid         INTEGER,
    tagid_list      TEXT,               -- JSON
    subscribe_time  INTEGER NOT NULL,   -- Unix seconds, as all times
    subscribe_scene TEXT,
    qr_scene        INTEGER,
    qr_scene_str    TEXT,
    profile_at      INTEGER,            -- NULL: the profile is still to be fetched
    profile_error   TEXT
) WITHOUT ROWID;
CREATE INDEX followers_subscribe_time ON followers (subscribe_time);
CREATE INDEX followers_profile_queue ON followers (subscribe_time) WHERE profile_at IS NULL;

CREATE TABLE follow_log (
    id     INTEGER PRIMARY KEY,
    openid TEXT NOT NULL,
    action TEXT NOT NULL CHECK (action IN ('subscribe', 'unsubscribe')),
    at     INTEGER NOT NULL,
    scene  TEXT,
    source TEXT NOT NULL CHECK (source IN ('push', 'sync'))
);
CREATE INDEX follow_log_openid ON follow_log (openid, at);

CREATE TABLE messages (
    id          INTEGER PRIMARY KEY,
    dedup_key   TEXT NOT NULL UNIQUE,
    openid      TEXT NOT NULL,
    msg_type    TEXT NOT NULL,
    event       TEXT,
    event_key   TEXT,
    msg_id      TEXT,
    content     TEXT,               -- what rules look at
    xml         TEXT,               -- as received, decrypted
    created_at  INTEGER,            -- CreateTime of the push
    received_at INTEGER NOT NULL,
    rule        TEXT,               -- the rule that answered
    reply       TEXT                -- plain XML; NULL: success
);
CREATE INDEX messages_openid ON messages (openid);

CREATE TABLE tokens (
    name       TEXT PRIMARY KEY,
    value      TEXT,
    expires_at INTEGER
) WITHOUT ROWID;

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT
) WITHOUT ROWID;

CREATE VIEW followers_v AS
SELECT openid, nickname, remark, datetime(subscribe_time, 'unixepoch', 'localtime') AS subscribed,
       subscribe_scene AS scene, coalesce(nullif(qr_scene_str, ''), nullif(qr_scene, 0)) AS qr,
       tagid_list AS tags, unionid,
       datetime(profile_at, 'unixepoch', 'localtime') AS profile, profile_error
FROM followers ORDER BY subscribe_time DESC;

CREATE VIEW messages_v AS
SELECT id, datetime(received_at, 'unixepoch', 'localtime') AS received, openid, coalesce(event, msg_type) AS kind,
       content, rule, reply IS NOT NULL AS answered
FROM messages ORDER BY id DESC;

CREATE VIEW daily_v AS
SELECT day, sum(subscribed) AS subscribed, sum(unsubscribed) AS unsubscribed,
       sum(subscribed) - sum(unsubscribed) AS net, sum(messages) AS messages
FROM (
    SELECT date(at, 'unixepoch', 'localtime') AS day, action = 'subscribe' AS subscribed,
           action = 'unsubscribe' AS unsubscribed, 0 AS messages
    FROM follow_log
    UNION ALL
    SELECT date(received_at, 'unixepoch', 'localtime'), 0, 0, 1 FROM messages WHERE msg_type <> 'event'
)
GROUP BY day ORDER BY day DESC;
";

/// The running follower sync, so that it resumes after a kill.
const SYNC: &str = "
-- The follower sync under way, if there is one: at most one row.
CREATE TABLE sync_state (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    step          TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    log_mark      INTEGER NOT NULL,             -- the last id of follow_log when it began
    next_openid   TEXT NOT NULL DEFAULT '',
    total         INTEGER,
    listed        INTEGER NOT NULL DEFAULT 0,
    came          INTEGER NOT NULL DEFAULT 0,
    gone          INTEGER NOT NULL DEFAULT 0,
    fetched       INTEGER NOT NULL DEFAULT 0,
    refused       INTEGER NOT NULL DEFAULT 0,
    nobody_leaves TEXT
);
CREATE TABLE sync_people (
    openid TEXT PRIMARY KEY,
    done   INTEGER NOT NULL DEFAULT 0           -- 1: the profile was asked for
) WITHOUT ROWID;
";

/// Messages that the platform delivers later; uploaded files that are still valid.
const JOBS_AND_MEDIA: &str = "
CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL CHECK (kind IN ('mass', 'template')),
    msg_id      TEXT,               -- NULL: no answer to the call came
    client_id   TEXT,               -- clientmsgid of a mass message
    fingerprint TEXT,               -- equal for the same message to the same people
    msg_type    TEXT,
    openid      TEXT,               -- who gets a template message
    target      TEXT,               -- who gets a mass message
    content     TEXT,
    sent_at     INTEGER,            -- NULL: sent by another program
    status      TEXT,               -- WeChat's word; NULL: no result yet
    total       INTEGER,
    filtered    INTEGER,
    sent        INTEGER,
    failed      INTEGER,
    finished_at INTEGER
);
CREATE UNIQUE INDEX jobs_msg_id ON jobs (kind, msg_id) WHERE msg_id IS NOT NULL;

CREATE TABLE media (
    type       TEXT NOT NULL,
    digest     TEXT NOT NULL,       -- of the account and the file
    media_id   TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (type, digest)
) WITHOUT ROWID;
";

/// The counts in `daily_v`, updated by triggers.
const DAILY_COUNTS: &str = "
-- What daily_v tells, counted as it happens, so that it need not read millions of rows. By the quarter of
-- an hour in Unix time: the days of every time zone begin with one, and the owner may move to another.
CREATE TABLE daily_counts (
    quarter      INTEGER PRIMARY KEY,
    subscribed   INTEGER NOT NULL DEFAULT 0,
    unsubscribed INTEGER NOT NULL DEFAULT 0,
    messages     INTEGER NOT NULL DEFAULT 0
);
INSERT INTO daily_counts
SELECT quarter, sum(subscribed), sum(unsubscribed), sum(messages)
FROM (
    SELECT at / 900 AS quarter, action = 'subscribe' AS subscribed, action = 'unsubscribe' AS unsubscribed, 0 AS messages
    FROM follow_log
    UNION ALL
    SELECT received_at / 900, 0, 0, 1 FROM messages WHERE msg_type <> 'event'
)
GROUP BY quarter;

CREATE TRIGGER messages_counted AFTER INSERT ON messages WHEN new.msg_type <> 'event' BEGIN
    INSERT INTO daily_counts (quarter, messages) VALUES (new.received_at / 900, 1)
    ON CONFLICT (quarter) DO UPDATE SET messages = messages + 1;
END;
CREATE TRIGGER messages_uncounted AFTER DELETE ON messages WHEN old.msg_type <> 'event' BEGIN
    UPDATE daily_counts SET messages = messages - 1 WHERE quarter = old.received_at / 900;
END;
CREATE TRIGGER follow_log_counted AFTER INSERT ON follow_log BEGIN
    INSERT INTO daily_counts (quarter, subscribed, unsubscribed)
    VALUES (new.at / 900, new.action = 'subscribe', new.action = 'unsubscribe')
    ON CONFLICT (quarter) DO UPDATE SET
        subscribed = subscribed + excluded.subscribed, unsubscribed = unsubscribed + excluded.unsubscribed;
END;
CREATE TRIGGER follow_log_uncounted AFTER DELETE ON follow_log BEGIN
    UPDATE daily_counts SET
        subscribed = subscribed - (old.action = 'subscribe'), unsubscribed = unsubscribed - (old.action = 'unsubscribe')
    WHERE quarter = old.at / 900;
END;

DROP VIEW daily_v;
CREATE VIEW daily_v AS
SELECT date(quarter * 900, 'unixepoch', 'localtime') AS day, sum(subscribed) AS subscribed,
       sum(unsubscribed) AS unsubscribed, sum(subscribed) - sum(unsubscribed) AS net, sum(messages) AS messages
FROM daily_counts WHERE subscribed OR unsubscribed OR messages
GROUP BY day ORDER BY day DESC;
";

/// Indexes that cost a push few pages, and a query few rows.
const FEWER_PAGES: &str = "
-- Whose messages are where: by blocks of 512 rows, so that a push writes into one of the few pages of the last
-- block. By openid alone each push would write a page of its own, anywhere in an index that no cache holds.
DROP INDEX messages_openid;
CREATE INDEX messages_block ON messages (id / 512, openid);

-- What QR codes brought, without a look at all the rows that no code has to do with. The last two columns are
-- always the same; they are there because SQLite would look them up in the table.
CREATE INDEX follow_log_scene ON follow_log (scene, at, action, source)
    WHERE action = 'subscribe' AND source = 'push' AND scene IS NOT NULL;
CREATE INDEX messages_scan ON messages (content, created_at, msg_type, event)
    WHERE msg_type = 'event' AND upper(event) = 'SCAN' AND content IS NOT NULL;
";

/// Correct counts, and data that was missing.
const TRUE_COUNTS: &str = "
-- What follow_log counts: whether the row changed the number of followers. A second subscribe without a leave between,
-- and the leave of somebody who did not follow, are kept and not counted.
ALTER TABLE follow_log ADD COLUMN counts INTEGER NOT NULL DEFAULT 1;
DROP TRIGGER follow_log_counted;
DROP TRIGGER follow_log_uncounted;
UPDATE follow_log SET counts = 0 WHERE id IN (
    SELECT id FROM (
        SELECT id, action, lag(action) OVER (PARTITION BY openid ORDER BY at, id) AS before FROM follow_log
    ) WHERE action IS before OR (action = 'unsubscribe' AND before IS NULL)
);
UPDATE daily_counts SET subscribed = 0, unsubscribed = 0;
INSERT INTO daily_counts (quarter, subscribed, unsubscribed)
SELECT at / 900, sum(action = 'subscribe'), sum(action = 'unsubscribe') FROM follow_log WHERE counts GROUP BY at / 900
ON CONFLICT (quarter) DO UPDATE SET subscribed = excluded.subscribed, unsubscribed = excluded.unsubscribed;
CREATE TRIGGER follow_log_counted AFTER INSERT ON follow_log WHEN new.counts BEGIN
    INSERT INTO daily_counts (quarter, subscribed, unsubscribed)
    VALUES (new.at / 900, new.action = 'subscribe', new.action = 'unsubscribe')
    ON CONFLICT (quarter) DO UPDATE SET
        subscribed = subscribed + excluded.subscribed, unsubscribed = unsubscribed + excluded.unsubscribed;
END;
CREATE TRIGGER follow_log_uncounted AFTER DELETE ON follow_log WHEN old.counts BEGIN
    UPDATE daily_counts SET
        subscribed = subscribed - (old.action = 'subscribe'), unsubscribed = unsubscribed - (old.action = 'unsubscribe')
    WHERE quarter = old.at / 900;
END;

-- The account's tags, as WeChat last listed them: lists name them without asking.
CREATE TABLE tags (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);

-- How to fetch the picture, voice or video that somebody sent. Of old rows as far as it is in what was received:
-- <MediaId><![CDATA[...]]></MediaId>, or the same without CDATA, or JSON.
ALTER TABLE messages ADD COLUMN media_id TEXT;
UPDATE messages SET media_id = iif(json_valid(xml), json_extract(xml, '$.MediaId'),
    (WITH inside (text) AS (SELECT trim(substr(xml, instr(xml, '<MediaId>') + 9,
        instr(xml, '</MediaId>') - instr(xml, '<MediaId>') - 9), char(9, 10, 13, 32)))
     SELECT iif(text LIKE '<![CDATA[%]]>', trim(substr(text, 10, length(text) - 12), char(9, 10, 13, 32)), text) FROM inside))
WHERE lower(msg_type) IN ('image', 'voice', 'video', 'shortvideo')
  AND (json_valid(xml) OR instr(xml, '<MediaId>'));
UPDATE messages SET media_id = NULL WHERE media_id = '';
-- Whether a media_id in a rule is one that somebody sent, and so ends.
CREATE INDEX messages_media ON messages (media_id) WHERE media_id IS NOT NULL;
DROP VIEW messages_v;
CREATE VIEW messages_v AS
SELECT id, datetime(received_at, 'unixepoch', 'localtime') AS received, openid, coalesce(event, msg_type) AS kind,
       content, rule, reply IS NOT NULL AS answered, media_id
FROM messages ORDER BY id DESC;

-- Also what was published, and the numbers by which comments and statistics know it.
CREATE TABLE new_jobs (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL CHECK (kind IN ('mass', 'template', 'publish')),
    msg_id       TEXT,              -- of what was published the publish_id; NULL: no answer to the call came
    client_id    TEXT,              -- clientmsgid of a mass message
    fingerprint  TEXT,              -- equal for the same message to the same people
    msg_type     TEXT,
    openid       TEXT,              -- who gets a template message
    target       TEXT,              -- who gets a mass message
    content      TEXT,
    sent_at      INTEGER,           -- NULL: sent by another program
    status       TEXT,              -- WeChat's word, of what was published its number; NULL: no result yet
    total        INTEGER,
    filtered     INTEGER,
    sent         INTEGER,
    failed       INTEGER,
    finished_at  INTEGER,
    msg_data_id  TEXT,              -- of articles
    article_id   TEXT,              -- of what was published
    article_urls TEXT,              -- where the articles can be read, one a line
    fail_idx     TEXT               -- the articles that failed, from 1: 2,3
);
INSERT INTO new_jobs SELECT *, NULL, NULL, NULL, NULL FROM jobs;
DROP TABLE jobs;
ALTER TABLE new_jobs RENAME TO jobs;
CREATE UNIQUE INDEX jobs_msg_id ON jobs (kind, msg_id) WHERE msg_id IS NOT NULL;

-- Also the media_ids that have ended, and those of an earlier upload of the same file: a rule may still have them.
CREATE TABLE new_media (
    type       TEXT NOT NULL,
    digest     TEXT NOT NULL,       -- of the account and the file
    media_id   TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT OR IGNORE INTO new_media SELECT type, digest, media_id, expires_at FROM media;
DROP TABLE media;
ALTER TABLE new_media RENAME TO media;
CREATE INDEX media_digest ON media (type, digest, expires_at);

-- The time of a follow that a sync found is a guess until WeChat has told it: then the row moves.
CREATE TRIGGER follow_log_moved AFTER UPDATE OF at ON follow_log WHEN new.counts BEGIN
    UPDATE daily_counts SET
        subscribed = subscribed - (old.action = 'subscribe'), unsubscribed = unsubscribed - (old.action = 'unsubscribe')
    WHERE quarter = old.at / 900;
    INSERT INTO daily_counts (quarter, subscribed, unsubscribed)
    VALUES (new.at / 900, new.action = 'subscribe', new.action = 'unsubscribe')
    ON CONFLICT (quarter) DO UPDATE SET
        subscribed = subscribed + excluded.subscribed, unsubscribed = unsubscribed + excluded.unsubscribed;
END;

-- A sync that would remove suspiciously many removes nobody, unless the owner believes the list. Those whose
-- profile says that they left (sync_people.done = 2) go out together, when it is known how many they are.
ALTER TABLE sync_state ADD COLUMN believed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sync_state ADD COLUMN unfollowed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX follow_log_sync_leaves ON follow_log (at) WHERE source = 'sync' AND action = 'unsubscribe';

-- The signature (20 bytes) of the request that brought the push. It brings that push again and no other, also after a
-- restart. Those that are not in a row of messages are kept here, until they cannot be accepted any more.
ALTER TABLE messages ADD COLUMN signature BLOB;
CREATE TABLE used_signatures (
    signature   BLOB PRIMARY KEY,
    received_at INTEGER NOT NULL,
    push        INTEGER                 -- the digest of the dedup_key of what it brought; NULL: no push
) WITHOUT ROWID;
CREATE INDEX used_signatures_received ON used_signatures (received_at);

-- Digests of the dedup_key of messages that were removed before they were old, as those of a follower who was forgotten:
-- the same push is not recorded again.
CREATE TABLE removed_pushes (
    digest      INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL
);

-- When a message was received cannot be told by its id: the clock may have been wrong.
CREATE INDEX messages_received ON messages (received_at);
";

/// When messages were received, by ranges of ids instead of an index that every push writes to.
const QUARTER_RANGES: &str = "
-- The messages and events of a quarter of an hour: how many there are, and between which ids. When a message was
-- received cannot be told by its id, because the clock may have been wrong: ranges may overlap, and a range may also
-- hold messages of other quarters. It is never too narrow.
ALTER TABLE daily_counts ADD COLUMN pushes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE daily_counts ADD COLUMN first_id INTEGER;
ALTER TABLE daily_counts ADD COLUMN last_id INTEGER;
-- Row by row: to group ten million rows would take hundreds of megabytes of memory.
INSERT INTO daily_counts (quarter, pushes, first_id, last_id)
SELECT CAST(received_at AS INTEGER) / 900, 1, id, id FROM messages INDEXED BY messages_received WHERE TRUE
ON CONFLICT (quarter) DO UPDATE SET pushes = pushes + 1,
    first_id = min(coalesce(first_id, excluded.first_id), excluded.first_id),
    last_id = max(coalesce(last_id, excluded.last_id), excluded.last_id);
DROP INDEX messages_received;

DROP TRIGGER messages_counted;
DROP TRIGGER messages_uncounted;
CREATE TRIGGER messages_counted AFTER INSERT ON messages BEGIN
    INSERT INTO daily_counts (quarter, messages, pushes, first_id, last_id)
    VALUES (CAST(new.received_at AS INTEGER) / 900, new.msg_type <> 'event', 1, new.id, new.id)
    ON CONFLICT (quarter) DO UPDATE SET messages = messages + excluded.messages, pushes = pushes + 1,
        first_id = iif(pushes > 0, min(first_id, excluded.first_id), excluded.first_id),
        last_id = iif(pushes > 0, max(last_id, excluded.last_id), excluded.last_id);
END;
CREATE TRIGGER messages_uncounted AFTER DELETE ON messages BEGIN
    UPDATE daily_counts SET messages = messages - (old.msg_type <> 'event'), pushes = pushes - 1
    WHERE quarter = CAST(old.received_at AS INTEGER) / 900;
END;
-- An owner may correct what a wrong clock wrote.
CREATE TRIGGER messages_moved AFTER UPDATE OF id, msg_type, received_at ON messages BEGIN
    UPDATE daily_counts SET messages = messages - (old.msg_type <> 'event'), pushes = pushes - 1
    WHERE quarter = CAST(old.received_at AS INTEGER) / 900;
    INSERT INTO daily_counts (quarter, messages, pushes, first_id, last_id)
    VALUES (CAST(new.received_at AS INTEGER) / 900, new.msg_type <> 'event', 1, new.id, new.id)
    ON CONFLICT (quarter) DO UPDATE SET messages = messages + excluded.messages, pushes = pushes + 1,
        first_id = iif(pushes > 0, min(first_id, excluded.first_id), excluded.first_id),
        last_id = iif(pushes > 0, max(last_id, excluded.last_id), excluded.last_id);
END;
";

/// Events for the hooks of the configuration, and the state of each hook.
const HOOKS: &str = "
-- An outbox: events are written in the commit of what they report, and delivered later.
CREATE TABLE hook_events (
    number      INTEGER PRIMARY KEY,    -- in the order of coming
    digest      INTEGER NOT NULL,       -- of what happened; the webhook-id is evt_, the number and this, see hooks_v
    hook        TEXT NOT NULL,
    type        TEXT NOT NULL,
    openid      TEXT,
    body        TEXT NOT NULL,          -- JSON
    created_at  INTEGER NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL,       -- of a waiting event the time of the next attempt, else when it was delivered or given up
    -- Not IN: for that SQLite would build a table of the three with each event.
    state       TEXT NOT NULL DEFAULT 'waiting' CHECK (state = 'waiting' OR state = 'delivered' OR state = 'dead'),
    last_status INTEGER,                -- HTTP
    last_error  TEXT
);
-- Each row is in one of these two.
CREATE INDEX hook_events_waiting ON hook_events (hook, next_at) WHERE state = 'waiting';
CREATE INDEX hook_events_done ON hook_events (state, next_at, hook) WHERE state <> 'waiting';
CREATE INDEX hook_events_closed ON hook_events (created_at) WHERE type = 'closed';

-- The state of each hook. Events are counted by who adds them; triggers count those that wait no longer, or again.
CREATE TABLE hooks (
    name     TEXT PRIMARY KEY,
    secret   TEXT,                          -- generated once if the configuration has none
    waiting  INTEGER NOT NULL DEFAULT 0,
    dropped  INTEGER NOT NULL DEFAULT 0,    -- since the last delivery, because too many were waiting
    failures INTEGER NOT NULL DEFAULT 0,    -- in a row
    paused   TEXT                           -- the reason; NULL: not paused
) WITHOUT ROWID;
CREATE TRIGGER hook_events_changed AFTER UPDATE OF state ON hook_events WHEN (old.state = 'waiting') <> (new.state = 'waiting') BEGIN
    UPDATE hooks SET waiting = waiting + iif(new.state = 'waiting', 1, -1) WHERE name = new.hook;
END;
CREATE TRIGGER hook_events_removed AFTER DELETE ON hook_events WHEN old.state = 'waiting' BEGIN
    UPDATE hooks SET waiting = waiting - 1 WHERE name = old.hook;
END;

CREATE VIEW hooks_v AS
SELECT printf('evt_%010x%016x', number, digest) AS id, datetime(created_at, 'unixepoch', 'localtime') AS created, hook, type, openid, state, attempts,
       iif(state = 'waiting', datetime(next_at, 'unixepoch', 'localtime'), NULL) AS next_try,
       iif(state = 'waiting', NULL, datetime(next_at, 'unixepoch', 'localtime')) AS done,
       last_status, last_error
FROM hook_events ORDER BY number DESC;
";

/// Pushes that were forwarded to the owner's own program.
const FORWARDS: &str = "
-- 1: forwarded, and not answered yet.
ALTER TABLE messages ADD COLUMN pending INTEGER;

-- What became of each forwarded push.
CREATE TABLE forwards (
    -- No id is used again: a service may still be asked about a push whose row is gone.
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id  INTEGER NOT NULL UNIQUE,
    service     TEXT NOT NULL,
    openid      TEXT NOT NULL,
    -- Not IN: SQLite would build a table of the values for each row.
    state       TEXT NOT NULL CHECK (state = 'asked' OR state = 'answered' OR state = 'sending' OR state = 'sent' OR
        state = 'unknown' OR state = 'kept' OR state = 'shown' OR state = 'expired' OR state = 'failed'),
    deliveries  INTEGER NOT NULL DEFAULT 1,     -- how often WeChat delivered the push
    answer      TEXT,                           -- plain XML; NULL: none, or nothing to show
    error       TEXT,
    asked_at    INTEGER NOT NULL,
    answered_at INTEGER,
    done_at     INTEGER
);
-- What a start goes on with.
CREATE INDEX forwards_open ON forwards (id) WHERE state IN ('asked', 'sending');
CREATE INDEX forwards_kept ON forwards (openid, id) WHERE state = 'kept';
CREATE TRIGGER messages_forwarded AFTER DELETE ON messages BEGIN
    DELETE FROM forwards WHERE message_id = old.id;
END;

CREATE VIEW forwards_v AS
SELECT id, datetime(asked_at, 'unixepoch', 'localtime') AS asked, service, openid, state, deliveries,
       answered_at - asked_at AS seconds, datetime(done_at, 'unixepoch', 'localtime') AS done, error
FROM forwards ORDER BY id DESC;
";

/// People who are logged in on the owner's web pages, and pictures that are served there.
const WEB: &str = "
CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,        -- SHA-256 of the text of the cookie
    openid     TEXT NOT NULL,
    unionid    TEXT,
    method     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    seen_at    INTEGER,
    address    TEXT,
    agent      TEXT
);
CREATE INDEX sessions_openid ON sessions (openid);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE pictures (
    hash    TEXT PRIMARY KEY,               -- SHA-256 of the bytes
    type    TEXT NOT NULL,
    bytes   BLOB NOT NULL,
    name    TEXT NOT NULL,
    used_at INTEGER NOT NULL
);

CREATE VIEW sessions_v AS
SELECT id, openid, method, datetime(created_at, 'unixepoch', 'localtime') AS since,
       datetime(expires_at, 'unixepoch', 'localtime') AS expires, datetime(seen_at, 'unixepoch', 'localtime') AS seen,
       address, agent
FROM sessions ORDER BY id DESC;
";

/// What the operator's page and its commands need: what was sent, what is to be done, who is signed in, what is wrong.
const OPERATOR: &str = "
-- Customer-service messages, also of `wechatd send` and late answers of services.
CREATE TABLE sent (
    -- No id is used again: a call may end when its row is gone.
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    openid   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    msg_type TEXT NOT NULL,
    content  TEXT,
    by       TEXT NOT NULL,             -- cli, service, or the name of who is signed in
    once     TEXT UNIQUE,               -- the number of a form, which works once; of a late answer its row of forwards
    -- Not IN: SQLite would build a table of the values for each row.
    state    TEXT NOT NULL CHECK (state = 'sending' OR state = 'sent' OR state = 'refused' OR state = 'unknown'),
    errcode  INTEGER
);
CREATE INDEX sent_openid ON sent (openid, id);
CREATE INDEX sent_at ON sent (at);
-- What a start goes on with.
CREATE INDEX sent_sending ON sent (id) WHERE state = 'sending';

-- NULL: nobody need do anything; 1: somebody should; 0: done.
ALTER TABLE messages ADD COLUMN todo INTEGER;
ALTER TABLE messages ADD COLUMN done_at INTEGER;
ALTER TABLE messages ADD COLUMN done_by TEXT;
CREATE INDEX messages_todo ON messages (id) WHERE todo = 1;

-- Links to sign in, and who is signed in. Of keys and cookies the store has SHA-256 only.
CREATE TABLE admin_keys (
    key_hash   BLOB PRIMARY KEY,
    name       TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE admin_sessions (
    id         INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    openid     TEXT,                    -- of who signed in with their own WeChat
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    address    TEXT
);

CREATE TABLE troubles (
    id    INTEGER PRIMARY KEY,
    kind  TEXT NOT NULL,
    name  TEXT,                         -- the service or hook that has it
    text  TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,                      -- NULL: it is not over
    told  INTEGER NOT NULL DEFAULT 0    -- 1: hooks were told that it began, and not yet that it is over
);

-- By which scene somebody came, as their profile tells it: the push of a follow has the scene of a QR code only.
ALTER TABLE follow_log ADD COLUMN way TEXT;
UPDATE follow_log SET way = coalesce(nullif(profile.qr_scene_str, ''), nullif(profile.qr_scene, 0), profile.subscribe_scene)
FROM followers AS profile WHERE profile.openid = follow_log.openid AND action = 'subscribe' AND scene IS NULL
    AND follow_log.id = (SELECT id FROM follow_log WHERE openid = profile.openid AND action = 'subscribe' ORDER BY at DESC, id DESC LIMIT 1);

-- How often people came by each scene in a quarter of an hour, and how many of them are still here; '': unknown.
-- Changed with follows, leaves and profiles, not with messages.
CREATE TABLE scene_counts (
    scene   TEXT NOT NULL,
    quarter INTEGER NOT NULL,
    came    INTEGER NOT NULL DEFAULT 0,
    here    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (scene, quarter)
) WITHOUT ROWID;
-- Row by row, as the messages above.
INSERT INTO scene_counts (quarter, scene, came)
SELECT CAST(at AS INTEGER) / 900, coalesce(scene, way, ''), 1 FROM follow_log WHERE action = 'subscribe'
ON CONFLICT DO UPDATE SET came = came + 1;
INSERT INTO scene_counts (quarter, scene, here)
SELECT CAST(subscribe_time AS INTEGER) / 900, coalesce(nullif(qr_scene_str, ''), nullif(qr_scene, 0), subscribe_scene, ''), 1
FROM followers WHERE TRUE
ON CONFLICT DO UPDATE SET here = here + 1;

CREATE TRIGGER follow_log_scene_counted AFTER INSERT ON follow_log WHEN new.action = 'subscribe' BEGIN
    INSERT INTO scene_counts (quarter, scene, came) VALUES (CAST(new.at AS INTEGER) / 900, coalesce(new.scene, new.way, ''), 1)
    ON CONFLICT DO UPDATE SET came = came + 1;
END;
CREATE TRIGGER follow_log_scene_uncounted AFTER DELETE ON follow_log WHEN old.action = 'subscribe' BEGIN
    UPDATE scene_counts SET came = came - 1
    WHERE quarter = CAST(old.at AS INTEGER) / 900 AND scene = coalesce(old.scene, old.way, '');
END;
CREATE TRIGGER follow_log_scene_moved AFTER UPDATE OF action, at, scene, way ON follow_log BEGIN
    UPDATE scene_counts SET came = came - 1
    WHERE quarter = CAST(old.at AS INTEGER) / 900 AND scene = coalesce(old.scene, old.way, '') AND old.action = 'subscribe';
    INSERT INTO scene_counts (quarter, scene, came)
    SELECT CAST(new.at AS INTEGER) / 900, coalesce(new.scene, new.way, ''), 1 WHERE new.action = 'subscribe'
    ON CONFLICT DO UPDATE SET came = came + 1;
END;
CREATE TRIGGER followers_scene_counted AFTER INSERT ON followers BEGIN
    INSERT INTO scene_counts (quarter, scene, here)
    VALUES (CAST(new.subscribe_time AS INTEGER) / 900,
        coalesce(nullif(new.qr_scene_str, ''), nullif(new.qr_scene, 0), new.subscribe_scene, ''), 1)
    ON CONFLICT DO UPDATE SET here = here + 1;
END;
CREATE TRIGGER followers_scene_uncounted AFTER DELETE ON followers BEGIN
    UPDATE scene_counts SET here = here - 1 WHERE quarter = CAST(old.subscribe_time AS INTEGER) / 900
        AND scene = coalesce(nullif(old.qr_scene_str, ''), nullif(old.qr_scene, 0), old.subscribe_scene, '');
END;
CREATE TRIGGER followers_scene_moved AFTER UPDATE OF subscribe_time, subscribe_scene, qr_scene, qr_scene_str ON followers
WHEN CAST(new.subscribe_time AS INTEGER) / 900 <> CAST(old.subscribe_time AS INTEGER) / 900
    OR new.qr_scene_str IS NOT old.qr_scene_str OR new.qr_scene IS NOT old.qr_scene OR new.subscribe_scene IS NOT old.subscribe_scene
BEGIN
    UPDATE scene_counts SET here = here - 1 WHERE quarter = CAST(old.subscribe_time AS INTEGER) / 900
        AND scene = coalesce(nullif(old.qr_scene_str, ''), nullif(old.qr_scene, 0), old.subscribe_scene, '');
    INSERT INTO scene_counts (quarter, scene, here)
    VALUES (CAST(new.subscribe_time AS INTEGER) / 900,
        coalesce(nullif(new.qr_scene_str, ''), nullif(new.qr_scene, 0), new.subscribe_scene, ''), 1)
    ON CONFLICT DO UPDATE SET here = here + 1;
END;
-- A scene may name a follower, and nothing of one who was forgotten stays.
CREATE TRIGGER scene_counts_empty AFTER UPDATE ON scene_counts WHEN new.came <= 0 AND new.here <= 0 BEGIN
    DELETE FROM scene_counts WHERE quarter = new.quarter AND scene = new.scene;
END;

-- The files of messages that are fetched to the folder store.media; of each message with one, while it is set.
CREATE TABLE media_files (
    message_id INTEGER PRIMARY KEY,
    file       TEXT,                    -- its name in the folder; NULL: none yet
    type       TEXT,                    -- by its content, such as image/jpeg; NULL: not fetched
    attempts   INTEGER NOT NULL DEFAULT 0,
    next_at    INTEGER,                 -- the next attempt; NULL: fetched, or given up
    error      TEXT                     -- of the last attempt
);
CREATE INDEX media_files_waiting ON media_files (next_at) WHERE next_at IS NOT NULL;
CREATE TRIGGER messages_media_removed AFTER DELETE ON messages BEGIN
    DELETE FROM media_files WHERE message_id = old.id;
END;

-- How often each rule answered in a quarter of an hour. Counted by the chores when it is over, so that a push pays
-- nothing; again if then its number of pushes is another.
CREATE TABLE rule_counts (
    rule    TEXT NOT NULL,
    quarter INTEGER NOT NULL,
    hits    INTEGER NOT NULL,
    last    INTEGER NOT NULL,           -- Unix seconds
    PRIMARY KEY (rule, quarter)
) WITHOUT ROWID;
CREATE INDEX rule_counts_quarter ON rule_counts (quarter, rule, hits, last);
-- The pushes of the quarter when its rules were counted; NULL: never.
ALTER TABLE daily_counts ADD COLUMN counted INTEGER;

CREATE VIEW sent_v AS
SELECT id, datetime(at, 'unixepoch', 'localtime') AS sent, openid, msg_type AS kind, content, by, state, errcode
FROM sent ORDER BY id DESC;

CREATE VIEW troubles_v AS
SELECT id, kind, name, text, datetime(since, 'unixepoch', 'localtime') AS since, datetime(until, 'unixepoch', 'localtime') AS until
FROM troubles ORDER BY id DESC;
";

/// Pushes are counted by whoever inserts them.
const COUNTED_BY_COMMIT: &str = "
-- The writer counts the pushes of a commit together. Removed and moved rows are still counted here.
DROP TRIGGER messages_counted;
";

/// Migrates the file to [`VERSION`], each step in its own transaction, and counts messages that nobody counted.
pub(in crate::store) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    loop {
        let step =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let version = version(&step)?;
        let Some(sql) = usize::try_from(version)
            .ok()
            .and_then(|n| MIGRATIONS.get(n))
        else {
            count_newest(&step)?;
            return step.commit();
        };
        step.execute_batch(sql)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", version + 1)?;
        step.commit()?;
    }
}

pub(in crate::store) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
