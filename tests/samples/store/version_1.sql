-- A store as the first wechatd made it. Never changed: it stands for the files that owners have.

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

PRAGMA application_id = 1464027204;
PRAGMA user_version = 1;

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
     '<xml><ToUserName><![CDATA[oSyn1aAQe7rT0uXk3mPzLc9WvBh4]]></ToUserName><FromUserName><![CDATA[gh_0a1b2c3d4e5f]]></FromUserName><CreateTime>1767000000</CreateTime><MsgType><![CDATA[text]]></MsgType><Content><![CDATA[as it was then]]></Content></xml>'),
    (2, '1|oSyn1dGone000000000000000000|unsubscribe|', 'oSyn1dGone000000000000000000', 'event', 'unsubscribe', '',
     NULL, NULL, '<xml/>', unixepoch() - 70000, unixepoch() - 70000, NULL, NULL),
    (8, '7700000000000008|oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', 'oSyn1bN2_yKd8GfJ6sHqRt5EwVx0', 'image', NULL, NULL,
     '7700000000000008', 'http://mmbiz.qpic.cn/SYN/0', '<xml/>', unixepoch() - 60, unixepoch() - 60, NULL, NULL);

-- The test puts the access_token in.
INSERT INTO tokens VALUES ('access_token', 'ACCESS_TOKEN', unixepoch() + 7000);
INSERT INTO settings VALUES ('token', 'madeOnFirstStart2026');
