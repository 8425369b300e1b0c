//! Machines that die: one of the servers, and the one of the database.

use crate::support::account::{TOKEN, WELCOME};
use crate::support::cluster::Cluster;
use crate::support::engine::{Cut, Engine};
use crate::support::http::Address;
use crate::support::*;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How many pushes are on their way at a time.
pub const AT_A_TIME: u64 = 8;

/// WeChat hangs up then.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pushes that were acknowledged, and when.
#[derive(Default)]
pub struct Load {
    acked: Mutex<Vec<(Instant, String)>>,
    pub refused: AtomicU64,
    pub is_over: AtomicBool,
}

/// Ends the load, after a panic as well: a test that fails must not wait for it for ever.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load {
    /// Brings pushes to these addresses, [`AT_A_TIME`], while this happens.
    pub fn is_brought(&self, addresses: &[&Address], meanwhile: impl FnOnce()) {
        thread::scope(|scope| {
            for worker in 1..=AT_A_TIME {
                scope.spawn(move || self.bring(addresses, worker));
            }
            let _over = Over(&self.is_over);
            meanwhile();
        });
    }

    /// Brings pushes to these addresses in turn, as a load balancer does: to the next where one of them cannot. Goes on
    /// until [`Load::is_over`].
    pub fn bring(&self, addresses: &[&Address], worker: u64) {
        for number in 0_usize.. {
            let id = format!("{worker}{number:09}");
            let push = text("hello").id(&id);
            let mut turns = (0..addresses.len()).map(|turn| (number + turn) % addresses.len());
            // Where nobody could, WeChat delivers it again; here it is given up.
            match turns.any(|turn| takes(addresses[turn], &push)) {
                true => self.acked.lock().unwrap().push((Instant::now(), id)),
                false => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
            }
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    pub fn count(&self) -> usize {
        self.acked.lock().unwrap().len()
    }

    /// Waits until as many more were acknowledged.
    #[track_caller]
    pub fn goes_on(&self, account: &Account, more: usize) {
        let wanted = self.count() + more;
        eventually("pushes", account.log(), || self.count() >= wanted);
    }

    /// The time from `since` to the first push that was acknowledged after it.
    pub fn pause(&self, since: Instant) -> Duration {
        let acked = self.acked.lock().unwrap();
        let mut after = acked.iter().filter(|(at, _)| *at > since);
        after.next().map_or(Duration::MAX, |(at, _)| *at - since)
    }

    /// How many of the acknowledged pushes this database has not.
    pub fn lost(&self, engine: &Engine, database: &str) -> usize {
        let there = engine.run(&format!("SELECT msg_id FROM {database}.messages"));
        let there: HashSet<&str> = there.lines().collect();
        let acked = self.acked.lock().unwrap();
        let lost = acked.iter().filter(|(_, id)| !there.contains(id.as_str()));
        lost.count()
    }
}

/// Whether the server acknowledges this push.
fn takes(address: &Address, push: &Push) -> bool {
    let request = push.request("/wechat", TOKEN);
    let begun = Instant::now();
    let Ok(mut wire) = Wire::connect(address) else {
        return false;
    };
    if wire.send(&request.bytes()).is_err() {
        return false;
    }
    let answer = wire.response_to(&request.method);
    let took = begun.elapsed();
    assert!(took < PATIENCE, "an answer after {took:?}");
    answer.is_ok_and(|answer| answer.status == 200)
}

#[test]
fn nothing_acknowledged_is_lost_when_the_primary_of_the_database_dies() {
    let Some((primary, replica)) = Engine::pair() else {
        return;
    };
    let cluster = Cluster::on(&primary);
    let url = cluster
        .engine
        .url(&cluster.database)
        .replace("/wechatd_", &format!(",{}/wechatd_", replica.address()));
    let nodes = [(); 2].map(|()| cluster.node_of(&url));
    let addresses = nodes.each_ref().map(Account::address);
    let load = Load::default();
    let mut promoted = Instant::now();
    load.is_brought(&addresses, || {
        load.goes_on(&nodes[0], 300);
        primary.signal("KILL");
        replica.promote();
        promoted = Instant::now();
        load.goes_on(&nodes[0], 300);
    });
    let pause = load.pause(promoted);
    eprintln!(
        "kill -9 of the primary: {} acked, {} refused, pause {pause:?} after the promotion",
        load.count(),
        load.refused.load(Ordering::Relaxed)
    );
    assert_eq!(load.lost(&replica, &cluster.database), 0);
    assert!(pause < Duration::from_secs(10), "{pause:?}");
}

#[test]
fn when_one_of_two_servers_dies_the_other_answers_all() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let [mut one, other] = [(); 2].map(|()| cluster.node());
    let addresses = [one.address().clone(), other.address().clone()];
    let addresses = addresses.each_ref();
    let load = Load::default();
    let mut killed = Instant::now();
    load.is_brought(&addresses, || {
        load.goes_on(&other, 300);
        killed = Instant::now();
        one.kill();
        load.goes_on(&other, 300);
    });
    eprintln!(
        "kill -9 of a server: {} acked, pause {:?}",
        load.count(),
        load.pause(killed)
    );
    assert_eq!(load.refused.load(Ordering::Relaxed), 0);
    assert_eq!(load.lost(cluster.engine, &cluster.database), 0);
}

#[test]
fn a_push_whose_commit_got_no_answer_takes_effect_once() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let whole = cluster.node();
    for cuts in [
        vec![Cut::Answer],
        vec![Cut::Request],
        vec![Cut::Answer, Cut::Request],
    ] {
        let left = Arc::new(Mutex::new(Vec::new()));
        let proxy = cluster.engine.cutting(&left);
        let url = cluster.engine.url(&cluster.database);
        let behind = url.replace(&cluster.engine.address().to_string(), &proxy.to_string());
        let node = cluster
            .setup()
            .set("store.url", &format!("\"{behind}\""))
            .set("store.connections", "1")
            .start();
        left.lock().unwrap().clone_from(&cuts);
        let push = subscribe().from(&another_fan());
        let answer = node.post(&push).is_text(WELCOME).body();
        assert_eq!(*left.lock().unwrap(), [], "{cuts:?}");
        assert_eq!(whole.post(&push).body(), answer, "{cuts:?}");
    }
    let counted = "SELECT count(*), (SELECT count(*) FROM follow_log), (SELECT count(*) FROM followers),
                          (SELECT sum(subscribed) FROM daily_counts), (SELECT sum(pushes) FROM daily_counts) FROM messages";
    assert_eq!(cluster.sql(counted), "3\t3\t3\t3\t3");
}
