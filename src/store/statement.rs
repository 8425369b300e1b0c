//! Statements: each text stands once for every engine, side by side.

/// One statement in the words of each engine. Parameters are `?1`, `?2` and so on in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement {
    /// In the words of SQLite. Empty: SQLite does it by itself, by a trigger.
    pub(super) sqlite: &'static str,
    /// In the words of MySQL and MariaDB.
    #[cfg(any(test, feature = "mysql"))]
    pub(super) mysql: &'static str,
}

/// Statements as constants: `NAME = "…";` and `NAME = (concat!(…));` are the same for every engine,
/// `NAME = { sqlite: "…", mysql: "…" };` is not.
macro_rules! statements {
    ($($(#[$about:meta])* $name:ident = $text:tt;)*) => {
        $($(#[$about])* const $name: $crate::store::statement::Statement = $crate::store::statement::statement!($text);)*

        /// All of this file.
        #[cfg(test)]
        pub(in crate::store) const STATEMENTS: &[(&str, &$crate::store::statement::Statement)] =
            &[$((stringify!($name), &$name)),*];
    };
}
pub(super) use statements;

macro_rules! statement {
    ({ sqlite: $sqlite:expr, mysql: $mysql:expr $(,)? }) => {
        $crate::store::statement::Statement {
            sqlite: $sqlite,
            #[cfg(any(test, feature = "mysql"))]
            mysql: $mysql,
        }
    };
    (($both:expr)) => {
        $crate::store::statement::statement!({ sqlite: $both, mysql: $both })
    };
    ($both:literal) => {
        $crate::store::statement::statement!({ sqlite: $both, mysql: $both })
    };
}
pub(super) use statement;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
pub(in crate::store) mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::Statement;
    use crate::store::sqlite::schema::migrate;
    use crate::store::{followers, outbox, record, settings, signatures};

    /// The statements of every file that has some.
    pub(in crate::store) const ALL: &[(&str, &[(&str, &Statement)])] = &[
        ("followers", followers::STATEMENTS),
        ("outbox", outbox::STATEMENTS),
        ("record", record::STATEMENTS),
        ("settings", settings::STATEMENTS),
        ("signatures", signatures::STATEMENTS),
    ];

    /// Words that another engine does not know, or understands in its own way.
    const NOT_IN_MYSQL: &[&str] = &[
        "CONFLICT",
        "EXCLUDED",
        "FOREIGN KEY",
        "GENERATED",
        "GET_LOCK",
        "GLOB",
        "IGNORE",
        "IIF",
        "INDEXED BY",
        "JSON_EACH",
        "JSON_GROUP_ARRAY",
        "LAST_INSERT_ID",
        "LOCALTIME",
        "PRAGMA",
        "PRINTF",
        "REPLACE INTO",
        "RETURNING",
        "SKIP LOCKED",
        "TRIGGER",
        "UNIXEPOCH",
        "VALUES(",
    ];

    fn all() -> impl Iterator<Item = (String, &'static Statement)> {
        let of = |(file, statements): &(&str, &'static [(&str, &'static Statement)])| {
            let file = (*file).to_owned();
            let name = move |(name, statement): &(&str, &'static Statement)| {
                (format!("{file}: {name}"), *statement)
            };
            statements.iter().map(name).collect::<Vec<_>>()
        };
        ALL.iter().flat_map(of)
    }

    #[test]
    fn every_file_with_statements_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store");
        let mut with = BTreeSet::new();
        for file in fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let has = |text: &str| text.contains("\nstatements! {");
            if path.is_file() && has(&fs::read_to_string(&path).unwrap()) {
                with.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
            }
        }
        let listed: BTreeSet<String> = ALL.iter().map(|(file, _)| (*file).to_owned()).collect();
        assert_eq!(listed, with);
    }

    #[test]
    fn sqlite_understands_every_statement() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        for (name, statement) in all() {
            let prepared = connection.prepare(statement.sqlite);
            assert!(
                statement.sqlite.is_empty() || prepared.is_ok(),
                "{name}: {:?}",
                prepared.err()
            );
        }
    }

    #[test]
    fn what_only_one_engine_knows_stands_in_its_own_text() {
        for (name, statement) in all() {
            let words = statement.mysql.to_uppercase();
            assert!(!words.is_empty(), "{name}");
            for word in NOT_IN_MYSQL {
                assert!(!words.contains(word), "{name}: {word}");
            }
            // `IS` compares in SQLite; MySQL has `<=>` for that.
            for (at, _) in words.match_indices(" IS ") {
                let rest = &words[at + 4..];
                let known = ["NULL", "NOT NULL", "TRUE", "FALSE", "NOT TRUE", "NOT FALSE"];
                assert!(known.iter().any(|known| rest.starts_with(known)), "{name}");
            }
        }
    }
}
