//! The tables that every engine has, with their columns: what a copy of the store takes along. And what an engine must do
//! to be copied from and to.

use std::cmp::Ordering;

use super::error::SqlError;
use super::settings;
use super::sql::{Owned, Result, Sql};

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    /// Its name.
    pub(super) name: &'static str,
    /// How many of the columns are its key: the first ones.
    pub(super) key: usize,
    /// The columns.
    pub(super) columns: &'static [Column],
}

/// A column, which may also be NULL.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
    Bytes,
    /// So many bytes.
    Digest(usize),
}

/// The values of a row, in the order of the columns.
pub(super) type Values = Vec<Owned>;

macro_rules! tables {
    ($($name:ident $key:literal { $($column:ident: $kind:expr),* })*) => {
        &[$(Table {
            name: stringify!($name),
            key: $key,
            columns: &[$(Column { name: stringify!($column), kind: { use Kind::*; $kind } }),*],
        }),*]
    };
}

/// All of them. Counts of messages first: where they are there, SQLite does not count the messages again.
pub(super) const TABLES: &[Table] = tables! {
    daily_counts 1 {
        quarter: Integer, subscribed: Integer, unsubscribed: Integer, messages: Integer, pushes: Integer,
        first_id: Integer, last_id: Integer, counted: Integer
    }
    followers 1 {
        openid: Text, unionid: Text, nickname: Text, sex: Integer, language: Text, city: Text, province: Text,
        country: Text, headimgurl: Text, remark: Text, groupid: Integer, tagid_list: Text, subscribe_time: Integer,
        subscribe_scene: Text, qr_scene: Integer, qr_scene_str: Text, profile_at: Integer, profile_error: Text
    }
    follow_log 1 {
        id: Integer, openid: Text, action: Text, at: Integer, scene: Text, source: Text, counts: Integer, way: Text
    }
    messages 1 {
        id: Integer, dedup_key: Text, openid: Text, msg_type: Text, event: Text, event_key: Text, msg_id: Text,
        content: Text, xml: Text, created_at: Integer, received_at: Integer, rule: Text, reply: Text,
        media_id: Text, signature: Digest(20), pending: Integer, todo: Integer, done_at: Integer, done_by: Text
    }
    tokens 1 {
        name: Text, value: Text, expires_at: Integer
    }
    settings 1 {
        name: Text, value: Text
    }
    sync_state 1 {
        id: Integer, step: Text, started_at: Integer, log_mark: Integer, next_openid: Text, total: Integer,
        listed: Integer, came: Integer, gone: Integer, fetched: Integer, refused: Integer, nobody_leaves: Text,
        believed: Integer, unfollowed: Integer
    }
    sync_people 1 {
        openid: Text, done: Integer
    }
    tags 1 {
        id: Integer, name: Text
    }
    jobs 1 {
        id: Integer, kind: Text, msg_id: Text, client_id: Text, fingerprint: Text, msg_type: Text, openid: Text,
        target: Text, content: Text, sent_at: Integer, status: Text, total: Integer, filtered: Integer,
        sent: Integer, failed: Integer, finished_at: Integer, msg_data_id: Text, article_id: Text,
        article_urls: Text, fail_idx: Text
    }
    media 1 {
        media_id: Text, type: Text, digest: Text, expires_at: Integer
    }
    used_signatures 1 {
        signature: Digest(20), received_at: Integer, push: Integer
    }
    removed_pushes 1 {
        digest: Integer, received_at: Integer
    }
    hook_events 1 {
        number: Integer, digest: Integer, hook: Text, type: Text, openid: Text, body: Text, created_at: Integer,
        attempts: Integer, next_at: Integer, state: Text, last_status: Integer, last_error: Text
    }
    hooks 1 {
        name: Text, secret: Text, waiting: Integer, dropped: Integer, failures: Integer, paused: Text
    }
    forwards 1 {
        id: Integer, message_id: Integer, service: Text, openid: Text, state: Text, deliveries: Integer,
        answer: Text, error: Text, asked_at: Integer, answered_at: Integer, done_at: Integer
    }
    sessions 1 {
        id: Integer, token_hash: Digest(32), openid: Text, unionid: Text, method: Text, created_at: Integer,
        expires_at: Integer, seen_at: Integer, address: Text, agent: Text
    }
    pictures 1 {
        hash: Text, type: Text, bytes: Bytes, name: Text, used_at: Integer
    }
    sent 1 {
        id: Integer, openid: Text, at: Integer, msg_type: Text, content: Text, by: Text, once: Text, state: Text,
        errcode: Integer
    }
    admin_keys 1 {
        key_hash: Digest(32), name: Text, expires_at: Integer
    }
    admin_sessions 1 {
        id: Integer, token_hash: Digest(32), name: Text, openid: Text, created_at: Integer, seen_at: Integer,
        address: Text
    }
    troubles 1 {
        id: Integer, kind: Text, name: Text, text: Text, since: Integer, until: Integer, told: Integer
    }
    scene_counts 2 {
        scene: Text, quarter: Integer, came: Integer, here: Integer
    }
    media_files 1 {
        message_id: Integer, file: Text, type: Text, attempts: Integer, next_at: Integer, error: Text
    }
    rule_counts 2 {
        rule: Text, quarter: Integer, hits: Integer, last: Integer
    }
};

/// The table of which a server has several rows for one of SQLite's.
pub(super) const SHARDED: &str = "daily_counts";

/// The table and the column whose SHA-256 a server has in another one, [`DEDUP`].
pub(super) const DIGESTED: (&str, &str) = ("messages", "dedup_key");
pub(super) const DEDUP: &str = "dedup";

/// Rows of `settings` that say something of one copy of the store, or of a process that uses it.
const OF_ONE_COPY: &[&str] = &[
    settings::LISTENING,
    settings::ADMIN_LISTENING,
    settings::STARTED_AT,
    settings::MOVED,
    settings::UNFINISHED,
];

impl Table {
    /// The columns of the key.
    pub(super) fn keys(&self) -> &'static [Column] {
        &self.columns[..self.key]
    }

    /// The key of a row.
    pub(super) fn key_of<'v>(&self, values: &'v [Owned]) -> &'v [Owned] {
        &values[..self.key]
    }

    /// Which rows are copied, as a condition of SQL.
    pub(super) fn condition(&self) -> String {
        match self.name {
            "settings" => format!(
                "name NOT IN ('{}') AND name NOT LIKE '{}%'",
                OF_ONE_COPY.join("', '"),
                settings::LEASE
            ),
            _ => "TRUE".to_owned(),
        }
    }

    /// Rows after that with a key, as a condition of SQL with the parameters `?`; the values are [`Table::after`].
    pub(super) fn beyond(&self) -> String {
        match self.keys() {
            [first, second] => format!(
                "`{0}` >= ? AND (`{0}` > ? OR `{1}` > ?)",
                first.name, second.name
            ),
            keys => format!("`{}` > ?", keys[0].name),
        }
    }

    /// The values of [`Table::beyond`].
    pub(super) fn after<'v>(&self, key: &'v [Owned]) -> Vec<&'v Owned> {
        match key {
            [first, second] => vec![first, first, second],
            key => key.iter().collect(),
        }
    }

    /// The names of columns, separated by commas.
    pub(super) fn names(columns: &[Column]) -> String {
        let names: Vec<String> = columns
            .iter()
            .map(|column| format!("`{}`", column.name))
            .collect();
        names.join(", ")
    }

    /// A key in words, for errors. Bytes are in hexadecimal digits.
    pub(super) fn key_in_words(&self, values: &[Owned]) -> String {
        let words = self.keys().iter().zip(values).map(|(column, value)| {
            let value = match value {
                Owned::Null => "NULL".to_owned(),
                Owned::Integer(number) => number.to_string(),
                Owned::Real(number) => number.to_string(),
                Owned::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Owned::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            format!("{} {value}", column.name)
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// An error about one row.
    pub(super) fn of_row(&self, values: &[Owned], error: SqlError) -> SqlError {
        let reason = format!(
            "table {}, {}: {}",
            self.name,
            self.key_in_words(values),
            error.reason
        );
        SqlError { reason, ..error }
    }

    /// What is wrong with a row: SQLite stores whatever an owner writes, also in columns of another type.
    pub(super) fn fault(&self, values: &[Owned]) -> Option<String> {
        let mut columns = self.columns.iter().zip(values).enumerate();
        columns.find_map(|(at, (column, value))| {
            let fits = match (column.kind, value) {
                (_, Owned::Null) => at >= self.key,
                (Kind::Integer, Owned::Integer(_))
                | (Kind::Text, Owned::Text(_))
                | (Kind::Bytes, Owned::Bytes(_)) => true,
                (Kind::Digest(length), Owned::Bytes(bytes)) => bytes.len() == length,
                (Kind::Integer | Kind::Text | Kind::Bytes | Kind::Digest(_), _) => false,
            };
            let wanted = match column.kind {
                Kind::Integer => "a number".to_owned(),
                Kind::Text => "a text".to_owned(),
                Kind::Bytes => "bytes".to_owned(),
                Kind::Digest(length) => format!("{length} bytes"),
            };
            (!fits).then(|| format!("{} is not {wanted}", column.name))
        })
    }
}

/// The order of keys in every engine: numbers, then texts, then bytes.
pub(super) fn order(one: &[Owned], other: &[Owned]) -> Ordering {
    let rank = |value: &Owned| match value {
        Owned::Null => 0,
        Owned::Integer(_) | Owned::Real(_) => 1,
        Owned::Text(_) => 2,
        Owned::Bytes(_) => 3,
    };
    let pairs = one.iter().zip(other).map(|pair| match pair {
        (Owned::Integer(one), Owned::Integer(other)) => one.cmp(other),
        (Owned::Text(one), Owned::Text(other)) | (Owned::Bytes(one), Owned::Bytes(other)) => {
            one.cmp(other)
        }
        (one, other) => rank(one).cmp(&rank(other)),
    });
    pairs.fold(Ordering::Equal, Ordering::then)
}

/// The bytes that a row takes, about.
pub(super) fn size(values: &[Owned]) -> usize {
    let sizes = values.iter().map(|value| match value {
        Owned::Text(bytes) | Owned::Bytes(bytes) => bytes.len() + 8,
        Owned::Null | Owned::Integer(_) | Owned::Real(_) => 16,
    });
    sizes.sum()
}

/// A store that is copied from or to, on a connection of its own.
pub(super) trait Side {
    /// Begins to read what is there at this moment, however long that takes; [`Side::end`] ends it.
    fn begin_snapshot(&mut self) -> Result<()>;

    /// Begins a transaction that writes; [`Side::end`] commits it.
    fn begin(&mut self) -> Result<()>;

    /// Ends what was begun.
    fn end(&mut self) -> Result<()>;

    /// The next rows in the order of the key, after that with the key `after`: some thousand, or as many as fit into about
    /// [`PAGE`] bytes. Empty: there are no more.
    fn page(&mut self, table: &Table, after: Option<&[Owned]>) -> Result<Vec<Values>>;

    /// How many rows there are.
    fn count(&mut self, table: &Table) -> Result<i64>;

    /// Removes rows with these keys.
    fn remove(&mut self, table: &Table, keys: &[Values]) -> Result<()>;

    /// Writes rows, each in place of all that have its key, or its value of another unique key. No trigger counts them.
    ///
    /// # Errors
    /// Also when a value does not fit: names the table and the key.
    fn put(&mut self, table: &Table, rows: &[Values]) -> Result<()>;

    /// The names of servers that use the store right now, as far as that can be known.
    fn users(&mut self) -> Result<Vec<String>>;

    /// Lends the connection.
    fn run(&mut self, work: &mut dyn FnMut(&mut dyn Sql) -> Result<()>) -> Result<()>;
}

impl dyn Side + '_ {
    /// Lends the connection.
    pub(super) fn with<T>(&mut self, work: impl FnOnce(&mut dyn Sql) -> Result<T>) -> Result<T> {
        let (mut work, mut done) = (Some(work), None);
        self.run(&mut |sql| {
            done = work.take().map(|work| work(sql)).transpose()?;
            Ok(())
        })?;
        done.ok_or_else(|| SqlError::of_one("nothing was done"))
    }

    /// Writes in a transaction.
    pub(super) fn write<T>(
        &mut self,
        work: impl FnOnce(&mut (dyn Side + '_)) -> Result<T>,
    ) -> Result<T> {
        self.begin()?;
        let done = work(self)?;
        self.end()?;
        Ok(done)
    }
}

/// The bytes of rows that are read at a time, and about the most memory that a copy takes for each side.
pub(super) const PAGE: usize = 2 << 20;

/// The most rows that are read at a time.
pub(super) const ROWS: usize = 2_000;
