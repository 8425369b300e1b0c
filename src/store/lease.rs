//! Leases: the exclusive right to do something, across processes and machines, for a limited time.
//!
//! In a file a lease is a row of `settings`, and is free as soon as its process is seen to have ended. On a server it is a
//! row of `leases`: whoever takes or ends it raises its epoch, and the server's clock decides when it ends, unless a server
//! that starts sees that the holder was killed ([`Store::end_dead_nodes`]). A process that was suspended may still believe
//! that it holds one; what it then writes through [`Store::under`] is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::error::StoreError;
use super::fence::{Fence, Holder, holder, is_held_by, row};
use super::open::Store;
use super::process::{NodeId, Process};
use super::settings;
use super::sql::{Result, Sql, values};
use super::statement::statements;
use crate::clock;

/// A lease that this process holds.
#[derive(Debug, Clone)]
pub struct Lease {
    fence: Arc<Fence>,
    length: Duration,
    until: Instant,
}

impl Lease {
    /// Until when its holder may rely on it, by this machine's own clock: for two thirds of its length since it was asked
    /// for. Another one takes it no earlier than at the end.
    #[must_use]
    pub fn until(&self) -> Instant {
        self.until
    }

    fn since(asked: Instant, fence: Arc<Fence>, length: Duration) -> Lease {
        Lease {
            fence,
            length,
            until: asked + length * 2 / 3,
        }
    }
}

// A file has no such table.
statements! {
    TAKE = {
        sqlite: "",
        mysql: "UPDATE leases SET epoch = epoch + 1, holder = ?2, until_ms = CAST(unix_timestamp(now(3)) * 1000 AS SIGNED) + ?3
                WHERE name = ?1 AND until_ms <= CAST(unix_timestamp(now(3)) * 1000 AS SIGNED)",
    };
    BEGIN = {
        sqlite: "",
        mysql: "INSERT INTO leases (name, holder, epoch, until_ms) VALUES (?1, ?2, 1, CAST(unix_timestamp(now(3)) * 1000 AS SIGNED) + ?3)",
    };
    EPOCH = { sqlite: "", mysql: "SELECT epoch FROM leases WHERE name = ?1" };
    RENEW = {
        sqlite: "",
        mysql: "UPDATE leases SET until_ms = CAST(unix_timestamp(now(3)) * 1000 AS SIGNED) + ?4 WHERE name = ?1 AND holder = ?2 AND epoch = ?3",
    };
    // Who had it can neither renew it nor write.
    END = {
        sqlite: "",
        mysql: "UPDATE leases SET until_ms = 0, epoch = epoch + 1 WHERE name = ?1 AND holder = ?2 AND epoch = ?3",
    };
}

impl Store {
    /// Takes the lease `name` for this time; `None` if another process holds it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn take_lease(
        &self,
        name: &str,
        length: Duration,
    ) -> std::result::Result<Option<Lease>, StoreError> {
        let asked = Instant::now();
        let name = name.to_owned();
        let holder = if self.is_shared() {
            let (id, name) = (self.node, name.clone());
            let epoch = self.writer.write(move |sql| take(sql, &name, id, length))?;
            epoch.map(|epoch| Holder::Node { id, epoch })
        } else {
            let (process, row) = (self.process.clone(), row(&name));
            let now = clock::unix_seconds();
            let taken = self.writer.write(move |sql| {
                take_in_file(sql, &row, &process, now, now + whole_seconds(length))
            })?;
            taken.then(|| Holder::Process(self.process.clone()))
        };
        Ok(holder.map(|holder| Lease::since(asked, Arc::new(Fence { name, holder }), length)))
    }

    /// Extends a lease, which lasts as long as when it was taken from now on; `None` if another process holds it by now.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn renew_lease(&self, lease: &Lease) -> std::result::Result<Option<Lease>, StoreError> {
        let asked = Instant::now();
        let Lease { fence, length, .. } = lease.clone();
        let renewed = self.writer.write({
            let fence = Arc::clone(&fence);
            let end = clock::unix_seconds() + whole_seconds(length);
            move |sql| match &fence.holder {
                Holder::Process(process) => {
                    let row = row(&fence.name);
                    let is_held = is_held_by(sql, &row, process)?;
                    if is_held {
                        put(sql, &row, end, process)?;
                    }
                    Ok(is_held)
                }
                Holder::Node { id, epoch } => {
                    let count =
                        sql.run(&RENEW, values![fence.name, id.0, epoch, millis(length)])?;
                    Ok(count > 0)
                }
            }
        })?;
        Ok(renewed.then(|| Lease::since(asked, fence, length)))
    }

    /// Releases the lease if this process still holds it.
    ///
    /// # Errors
    /// When the store cannot write.
    pub fn end_lease(&self, lease: &Lease) -> std::result::Result<(), StoreError> {
        let fence = Arc::clone(&lease.fence);
        self.writer.write(move |sql| match &fence.holder {
            Holder::Process(process) => {
                let row = row(&fence.name);
                match is_held_by(sql, &row, process)? {
                    true => settings::remove(sql, &row),
                    false => Ok(()),
                }
            }
            Holder::Node { id, epoch } => sql.run(&END, values![fence.name, id.0, epoch]).map(drop),
        })
    }

    /// The same store, which what is written through it leaves unchanged once another process has taken the lease: each
    /// write asks in its own transaction. Pushes are recorded all the same.
    #[must_use]
    pub fn under(&self, lease: &Lease) -> Store {
        self.with_writer(self.writer.behind(&lease.fence))
    }

    /// Whether other machines may use the store at the same time.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        match &self.engine {
            Engine::Sqlite { .. } => false,
            #[cfg(feature = "mysql")]
            Engine::Mysql { .. } => true,
        }
    }
}

/// Returns the epoch of the lease if it was free.
fn take(sql: &mut dyn Sql, name: &str, id: NodeId, length: Duration) -> Result<Option<i64>> {
    let length = millis(length);
    let values = values![name, id.0, length];
    if sql.run(&TAKE, values)? == 0 && sql.run(&BEGIN, values)? == 0 {
        return Ok(None);
    }
    sql.optional(&EPOCH, values![name], |row| row.get(0))
}

fn take_in_file(
    sql: &mut dyn Sql,
    row: &str,
    process: &Process,
    now: i64,
    until: i64,
) -> Result<bool> {
    let held = holder(sql, row)?;
    if held.is_some_and(|(end, holder)| end > now && process.sees_alive(&holder)) {
        return Ok(false);
    }
    put(sql, row, until, process)?;
    Ok(true)
}

fn put(sql: &mut dyn Sql, name: &str, until: i64, process: &Process) -> Result<()> {
    settings::put(sql, name, &format!("{until} {process}"))
}

fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 2)
}

/// Rounded up.
fn whole_seconds(length: Duration) -> i64 {
    millis(length).div_euclid(1_000) + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::both_engines::options_of_both_engines;
    use super::super::error::ErrorKind;
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
            let take = |now, until| {
                let process = store.process.clone();
                store
                    .writer
                    .write(move |sql| take_in_file(sql, &row("fetch"), &process, now, until))
            };
            holder_in(&store, &format!("2000 {holder}"));
            assert_eq!(take(1_000, 1_500), Ok(is_free), "{holder}");
            holder_in(&store, &format!("2000 {holder}"));
            assert_eq!(take(2_000, 2_500), Ok(true), "{holder}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_outlives_its_lease_does_not_end_the_next_one() {
        options_of_both_engines(|options| {
            // Two stores are two owners, as two processes are.
            let [slow, next] = [(); 2].map(|()| Store::open(options).unwrap());
            let (short, long) = (Duration::ZERO, Duration::from_secs(60));
            let lost = slow.take_lease("fetch", short).unwrap().unwrap();
            // On a server it has ended already.
            holder_in(&slow, &format!("1 {}", slow.process));
            let held = next.take_lease("fetch", long).unwrap().unwrap();
            slow.end_lease(&lost).unwrap();
            assert!(slow.renew_lease(&lost).unwrap().is_none());
            assert!(next.renew_lease(&held).unwrap().is_some());
            let refused = slow.under(&lost).keep_setting("name", "slow").unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Superseded);
            next.under(&held).keep_setting("name", "next").unwrap();
            assert_eq!(slow.setting("name").unwrap().as_deref(), Some("next"));
            next.end_lease(&held).unwrap();
            assert!(next.renew_lease(&held).unwrap().is_none());
            let refused = next.under(&held).keep_setting("name", "late").unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Superseded);
        });
    }
}
