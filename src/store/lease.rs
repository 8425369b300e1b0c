//! Leases: the exclusive right to do something, across processes, for a limited time. Each is a row of `settings`.

use super::error::StoreError;
use super::open::Store;
use super::process::Process;
use super::settings::{self, LEASE};
use super::sql::{Result, Sql};

impl Store {
    /// Takes the lease `name` until `until`, Unix seconds; false if another process holds it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn take_lease(
        &self,
        name: &str,
        now: i64,
        until: i64,
    ) -> std::result::Result<bool, StoreError> {
        let (name, process) = (row(name), self.process.clone());
        self.writer.write(move |sql| {
            let held = holder(sql, &name)?;
            if held.is_some_and(|(end, holder)| end > now && process.sees_alive(&holder)) {
                return Ok(false);
            }
            put(sql, &name, until, &process)?;
            Ok(true)
        })
    }

    /// Extends a lease that this process holds until `longer`; false if this process no longer holds it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn renew_lease(&self, name: &str, longer: i64) -> std::result::Result<bool, StoreError> {
        let (name, process) = (row(name), self.process.clone());
        self.writer.write(move |sql| {
            if !is_held_by(sql, &name, &process)? {
                return Ok(false);
            }
            put(sql, &name, longer, &process)?;
            Ok(true)
        })
    }

    /// Releases the lease if this process still holds it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn end_lease(&self, name: &str) -> std::result::Result<(), StoreError> {
        let (name, process) = (row(name), self.process.clone());
        self.writer.write(move |sql| {
            if !is_held_by(sql, &name, &process)? {
                return Ok(());
            }
            settings::remove(sql, &name)
        })
    }
}

fn row(name: &str) -> String {
    format!("{LEASE}{name}")
}

fn put(sql: &mut dyn Sql, name: &str, until: i64, process: &Process) -> Result<()> {
    settings::put(sql, name, &format!("{until} {process}"))
}

fn is_held_by(sql: &mut dyn Sql, name: &str, process: &Process) -> Result<bool> {
    Ok(holder(sql, name)?.is_some_and(|(_, holder)| holder == *process))
}

/// When the lease ends, and who holds it.
fn holder(sql: &mut dyn Sql, name: &str) -> Result<Option<(i64, Process)>> {
    let value = settings::get(sql, name)?;
    Ok(value.and_then(|value| {
        let (end, process) = value.split_once(' ')?;
        Some((end.parse().ok()?, process.parse().ok()?))
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::process::began as began_at;
    use super::*;

    fn holder_in(store: &Store, value: &str) {
        store.keep_setting("lease fetch", value).unwrap();
    }

    #[test]
    fn a_lease_ends_before_its_time_only_where_its_holder_is_known_to_have_ended() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        let here = store.process.to_string();
        let [_pid, _nonce, name, began] = here.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{here}");
        };
        let pid = std::process::id();
        // No process has this id: it is above the kernel's maximum.
        let nobody = 5_000_000;
        let mut child = std::process::Command::new("sleep")
            .arg("600")
            .spawn()
            .unwrap();
        let other = child.id();
        let since = began_at(other).unwrap();
        for (holder, is_free) in [
            (format!("{nobody} 7 {name} {began}"), true),
            (format!("{other} 7 {name} {since}"), false),
            // A reused process id.
            (format!("{other} 7 {name} {}", since - 1), true),
            (format!("{pid} 7 {name} {began}"), true),
            // Another machine, another boot of this one, another container.
            (
                format!("{nobody} 7 another-machine/4026531836 {began}"),
                false,
            ),
            (format!("{pid} 7 another-machine/4026531836 {began}"), false),
            (format!("{nobody} 7 {name}1 {began}"), false),
            // As an older wechatd wrote it.
            (format!("{nobody} 7"), false),
            (format!("{pid} 7"), false),
            // Process 1 belongs to another user, and is running.
            (format!("1 7 {name} {}", began_at(1).unwrap_or(0)), false),
        ] {
            holder_in(&store, &format!("2000 {holder}"));
            assert_eq!(
                store.take_lease("fetch", 1_000, 1_500),
                Ok(is_free),
                "{holder}"
            );
            holder_in(&store, &format!("2000 {holder}"));
            assert_eq!(
                store.take_lease("fetch", 2_000, 2_500),
                Ok(true),
                "{holder}"
            );
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_outlives_its_lease_does_not_end_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wechat.db");
        // Two stores are two owners, as two processes are.
        let (slow, next) = (
            Store::open(&path.as_path().into()).unwrap(),
            Store::open(&path.as_path().into()).unwrap(),
        );
        assert!(slow.take_lease("fetch", 1_000, 1_010).unwrap());
        assert!(next.take_lease("fetch", 1_020, 1_030).unwrap());
        slow.end_lease("fetch").unwrap();
        assert!(!slow.renew_lease("fetch", 1_040).unwrap());
        assert!(next.renew_lease("fetch", 1_040).unwrap());
        next.end_lease("fetch").unwrap();
        assert!(!next.renew_lease("fetch", 1_050).unwrap());
    }
}
