//! Statements: each text stands once for every engine, side by side.

/// One statement in the words of each engine. Parameters are `?1`, `?2` and so on in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statement {
    /// In the words of SQLite. Empty: there is nothing to do, because a trigger does it, or because there is one writer.
    pub(super) sqlite: &'static str,
    /// In the words of MySQL and MariaDB.
    #[cfg(any(test, feature = "mysql"))]
    pub(super) mysql: &'static str,
}

/// Statements as constants: `NAME = "…";` and `NAME = (concat!(…));` are the same for every engine,
/// `NAME = { sqlite: "…", mysql: "…" };` is not.
macro_rules! statements {
    ($($(#[$about:meta])* $vis:vis $name:ident = $text:tt;)*) => {
        $($(#[$about])* $vis const $name: $crate::store::statement::Statement = $crate::store::statement::statement!($text);)*

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
