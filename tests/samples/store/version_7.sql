-- A store as the wechatd of schema version 7 left it, with rows in every table. Never changed: it stands for the files
-- that owners have.

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
, counts INTEGER NOT NULL DEFAULT 1);
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
, media_id TEXT, signature BLOB);
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
, believed INTEGER NOT NULL DEFAULT 0, unfollowed INTEGER NOT NULL DEFAULT 0);
CREATE TABLE sync_people (
    openid TEXT PRIMARY KEY,
    done   INTEGER NOT NULL DEFAULT 0           -- 1: the profile was asked for
) WITHOUT ROWID;
CREATE TABLE daily_counts (
    quarter      INTEGER PRIMARY KEY,
    subscribed   INTEGER NOT NULL DEFAULT 0,
    unsubscribed INTEGER NOT NULL DEFAULT 0,
    messages     INTEGER NOT NULL DEFAULT 0
, pushes INTEGER NOT NULL DEFAULT 0, first_id INTEGER, last_id INTEGER);
CREATE VIEW daily_v AS
SELECT date(quarter * 900, 'unixepoch', 'localtime') AS day, sum(subscribed) AS subscribed,
       sum(unsubscribed) AS unsubscribed, sum(subscribed) - sum(unsubscribed) AS net, sum(messages) AS messages
FROM daily_counts WHERE subscribed OR unsubscribed OR messages
GROUP BY day ORDER BY day DESC;
CREATE INDEX messages_block ON messages (id / 512, openid);
CREATE INDEX follow_log_scene ON follow_log (scene, at, action, source)
    WHERE action = 'subscribe' AND source = 'push' AND scene IS NOT NULL;
CREATE INDEX messages_scan ON messages (content, created_at, msg_type, event)
    WHERE msg_type = 'event' AND upper(event) = 'SCAN' AND content IS NOT NULL;
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
CREATE TABLE tags (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE INDEX messages_media ON messages (media_id) WHERE media_id IS NOT NULL;
CREATE VIEW messages_v AS
SELECT id, datetime(received_at, 'unixepoch', 'localtime') AS received, openid, coalesce(event, msg_type) AS kind,
       content, rule, reply IS NOT NULL AS answered, media_id
FROM messages ORDER BY id DESC;
CREATE TABLE "jobs" (
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
    status       TEXT,              -- the platform's word, of what was published its number; NULL: no result yet
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
CREATE UNIQUE INDEX jobs_msg_id ON jobs (kind, msg_id) WHERE msg_id IS NOT NULL;
CREATE TABLE "media" (
    type       TEXT NOT NULL,
    digest     TEXT NOT NULL,       -- of the account and the file
    media_id   TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX media_digest ON media (type, digest, expires_at);
CREATE TRIGGER follow_log_moved AFTER UPDATE OF at ON follow_log WHEN new.counts BEGIN
    UPDATE daily_counts SET
        subscribed = subscribed - (old.action = 'subscribe'), unsubscribed = unsubscribed - (old.action = 'unsubscribe')
    WHERE quarter = old.at / 900;
    INSERT INTO daily_counts (quarter, subscribed, unsubscribed)
    VALUES (new.at / 900, new.action = 'subscribe', new.action = 'unsubscribe')
    ON CONFLICT (quarter) DO UPDATE SET
        subscribed = subscribed + excluded.subscribed, unsubscribed = unsubscribed + excluded.unsubscribed;
END;
CREATE INDEX follow_log_sync_leaves ON follow_log (at) WHERE source = 'sync' AND action = 'unsubscribe';
CREATE TABLE used_signatures (
    signature   BLOB PRIMARY KEY,
    received_at INTEGER NOT NULL,
    push        INTEGER                 -- the digest of the dedup_key of what it brought; NULL: no push
) WITHOUT ROWID;
CREATE INDEX used_signatures_received ON used_signatures (received_at);
CREATE TABLE removed_pushes (
    digest      INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL
);
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
CREATE TRIGGER messages_moved AFTER UPDATE OF id, msg_type, received_at ON messages BEGIN
    UPDATE daily_counts SET messages = messages - (old.msg_type <> 'event'), pushes = pushes - 1
    WHERE quarter = CAST(old.received_at AS INTEGER) / 900;
    INSERT INTO daily_counts (quarter, messages, pushes, first_id, last_id)
    VALUES (CAST(new.received_at AS INTEGER) / 900, new.msg_type <> 'event', 1, new.id, new.id)
    ON CONFLICT (quarter) DO UPDATE SET messages = messages + excluded.messages, pushes = pushes + 1,
        first_id = iif(pushes > 0, min(first_id, excluded.first_id), excluded.first_id),
        last_id = iif(pushes > 0, max(last_id, excluded.last_id), excluded.last_id);
END;

PRAGMA application_id = 1464027204;
PRAGMA user_version = 7;

-- People: one with all columns, one whose profile is still to be fetched, one whose profile was refused.
INSERT INTO followers VALUES
    ('oSyn1aAQe7rT0uXk3mPzLc9WvBh4', 'uSyn1', '小明 🐟', 1, 'zh_CN', '上海', '', '中国', 'http://thirdwx.qlogo.cn/SYN/132',
     'VIP ''old''', 0, '[128,2]', unixepoch() - 90000, 'ADD_SCENE_QR_CODE', 98765, 'shop_12|desk_3',
     unixepoch() - 80000, NULL);
INSERT INTO followers (openid, subscribe_time) VALUES ('oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', unixepoch() - 3600);
INSERT INTO followers (openid, subscribe_time, profile_at, profile_error) VALUES
    ('oSyn1cRefused000000000000000', unixepoch() - 1800, unixepoch() - 1700, 'errcode 40003');

INSERT INTO follow_log (id, openid, action, at, scene, source) VALUES
    (3, 'oSyn1aAQe7rT0uXk3mPzLc9WvBh4', 'subscribe', unixepoch() - 90000, 'qrscene_98765', 'push'),
    (4, 'oSyn1dGone000000000000000000', 'subscribe', unixepoch() - 80000, NULL, 'push'),
    (5, 'oSyn1dGone000000000000000000', 'unsubscribe', unixepoch() - 70000, NULL, 'push'),
    (9, 'oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', 'subscribe', unixepoch() - 3600, NULL, 'sync');

INSERT INTO messages VALUES
    (1, '7700000000000001|oSyn1aAQe7rT0uXk3mPzLc9WvBh4', 'oSyn1aAQe7rT0uXk3mPzLc9WvBh4', 'text', NULL, NULL,
     '7700000000000001', '@两点 tea', '<xml><Content><![CDATA[@两点 tea]]></Content></xml>',
     unixepoch() - 90000, unixepoch() - 89999, 'suggestion',
     '<xml><ToUserName><![CDATA[oSyn1aAQe7rT0uXk3mPzLc9WvBh4]]></ToUserName><FromUserName><![CDATA[gh_0a1b2c3d4e5f]]></FromUserName><CreateTime>1767000000</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[as it was then]]></Content></xml>',
     NULL, randomblob(20)),
    (2, '1|oSyn1dGone000000000000000000|unsubscribe|', 'oSyn1dGone000000000000000000', 'event', 'unsubscribe', '',
     NULL, NULL, '<xml/>', unixepoch() - 70000, unixepoch() - 70000, NULL, NULL,
     NULL, NULL),
    (8, '7700000000000008|oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', 'oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', 'image', NULL, NULL,
     '7700000000000008', 'http://mmbiz.qpic.cn/SYN/0', '<xml/>', unixepoch() - 60, unixepoch() - 60, NULL, NULL,
     'SYN_MEDIA_ID_OF_A_PERSON', randomblob(20));

-- The test puts the access_token in.
INSERT INTO tokens VALUES ('access_token', 'ACCESS_TOKEN', unixepoch() + 7000);
INSERT INTO settings VALUES ('token', 'madeOnFirstStart2026');
INSERT INTO tokens VALUES ('jsapi_ticket', 'SYN_TICKET', unixepoch() + 7000);
INSERT INTO settings VALUES ('callback_ips', '203.0.113.9 198.51.100.0/25'), ('callback_ips_at', unixepoch() - 4000),
    ('synced_at', unixepoch() - 5000), ('probe', unixepoch() - 50), ('menu before', '{"menu":{"button":[]}}');

-- A second follow without a leave between, and the leave of somebody who did not follow: not counted.
INSERT INTO follow_log (id, openid, action, at, scene, source, counts) VALUES
    (10, 'oSyn1aAQe7rT0uXk3mPzLc9WvBh4', 'subscribe', unixepoch() - 3000, NULL, 'push', 0),
    (11, 'oSyn1eStranger00000000000000', 'unsubscribe', unixepoch() - 2000, NULL, 'push', 0);

-- What was sent, with and without a result; a file that still works.
INSERT INTO jobs VALUES
    (1, 'mass', '1000002301', 'client-1', 'fingerprint-1', 'mpnews', NULL, 'all followers', 'We are closed on Monday',
     unixepoch() - 9000, 'send success', 120, 110, 108, 2, unixepoch() - 8900, '2247483651', NULL, NULL, NULL),
    (2, 'mass', NULL, 'client-2', 'fingerprint-2', 'text', NULL, 'tag VIP', 'Hello', unixepoch() - 7000, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (3, 'template', '200163836', NULL, NULL, NULL, 'oSyn1aAQe7rT0uXk3mPzLc9WvBh4', NULL, 'Your order',
     unixepoch() - 6000, 'success', NULL, NULL, NULL, NULL, unixepoch() - 5990, NULL, NULL, NULL, NULL),
    (4, 'publish', '100000001', NULL, NULL, NULL, NULL, NULL, NULL, unixepoch() - 5000, '0', NULL, NULL, NULL, NULL,
     unixepoch() - 4990, NULL, 'SYN_ARTICLE', 'https://mp.weixin.qq.com/s/SYN', NULL);
INSERT INTO media VALUES ('image', 'digest-1', 'SYN_MEDIA_ID_1', unixepoch() + 86400);

-- The account's tags; a signature that brought no push of its own; a push that is not recorded again.
INSERT INTO tags VALUES (2, '星标组'), (128, 'VIP');
INSERT INTO used_signatures VALUES (randomblob(20), unixepoch() - 100, NULL);
INSERT INTO removed_pushes VALUES (7, unixepoch() - 200);

-- A sync that was killed on its way.
INSERT INTO sync_state VALUES (1, 'profiles', unixepoch() - 500, 9, '', 2, 2, 0, 0, 1, 0, NULL, 0, 0);
INSERT INTO sync_people VALUES ('oSyn1aAQe7rT0uXk3mPzLc9WvBh4', 1), ('oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', 0);
