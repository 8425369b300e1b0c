//! Hooks of several servers: one of them delivers what all of them record, and another one after it.

use crate::support::account::RULES;
use crate::support::cluster::Cluster;
use crate::support::receiver::answer;
use crate::support::*;

#[test]
fn what_any_server_records_one_delivers_and_another_goes_on() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let receiver = Receiver::start();
    let hook = format!(
        "[[hook]]\nname = \"crm\"\nurl = \"{}\"\n",
        receiver.url("hear")
    );
    let node = || cluster.setup().rules(&format!("{RULES}\n{hook}")).start();
    let (mut holder, other) = (node(), node());
    let delivered = |count: usize| {
        eventually(&format!("{count} calls"), other.log(), || {
            receiver.calls().len() >= count
        });
        eventually(&format!("{count} delivered"), other.log(), || {
            cluster.sql("SELECT count(*) FROM hook_events WHERE state = 'delivered'")
                == count.to_string()
        });
        receiver.calls()
    };
    other.post(&subscribe().from("oAnna")).is_status(200);
    delivered(1);
    holder.post(&text("hello").from("oAnna")).is_status(200);
    delivered(2);
    assert_eq!(receiver.types(), ["follow", "message"]);
    // Commands of any server look at, and change, what the one that delivers goes by.
    receiver.answers(|_| answer("410 Gone", "", ""));
    other.post(&text("hello?").from("oAnna")).is_status(200);
    eventually("paused", holder.log(), || {
        cluster.sql("SELECT paused IS NOT NULL FROM hooks") == "1"
    });
    receiver.accepts();
    other.command(&["hooks", "list"]).ok().says("paused");
    other.command(&["hooks", "resume", "crm"]).ok();
    cluster.sql("UPDATE hook_events SET next_at = 0 WHERE state = 'waiting'");
    let calls = delivered(3);
    assert_eq!(calls.len(), 4, "{}", holder.log());
    assert_eq!(cluster.sql("SELECT waiting FROM hooks"), "0");
    holder.kill();
    cluster.sql("UPDATE leases SET until_ms = 1");
    other
        .post(&text("still there?").from("oAnna"))
        .is_status(200);
    let calls = delivered(4);
    let mut ids: Vec<&String> = calls
        .iter()
        .map(|call| &call.headers["webhook-id"])
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((calls.len(), ids.len()), (5, 4));
}
