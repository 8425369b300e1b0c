//! A database of several nodes that can all be written to: Galera.

use super::failover::Load;
use crate::support::cluster::Cluster;
use crate::support::engine::{Engine, Moving};
use crate::support::*;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

#[test]
fn nothing_acknowledged_is_lost_when_the_node_that_is_written_to_dies() {
    let Some([first, second, third]) = Engine::galera() else {
        return;
    };
    let cluster = Cluster::on(&first);
    let address = Moving::at(&first);
    let url = cluster.engine.url(&cluster.database);
    let url = url.replace(&first.address().to_string(), &address.address.to_string());
    let nodes = [(); 2].map(|()| cluster.node_of(&url));
    let addresses = nodes.each_ref().map(Account::address);
    let load = Load::default();
    let mut killed = Instant::now();
    load.is_brought(&addresses, || {
        load.goes_on(&nodes[0], 300);
        killed = Instant::now();
        first.signal("KILL");
        address.move_to(&second);
        load.goes_on(&nodes[0], 300);
    });
    let pause = load.pause(killed + Duration::from_millis(100));
    eprintln!(
        "kill -9 of the node of Galera that is written to: {} acked, {} refused, pause {pause:?}",
        load.count(),
        load.refused.load(Ordering::Relaxed)
    );
    for node in [&second, &third] {
        node.catches_up();
        assert_eq!(load.lost(node, &cluster.database), 0);
    }
    assert!(pause < Duration::from_secs(15), "{pause:?}");
}

#[test]
fn nothing_acknowledged_is_lost_when_two_nodes_are_written_to() {
    let Some([first, second, third]) = Engine::galera() else {
        return;
    };
    let cluster = Cluster::on(&first);
    let at = |engine: &Engine| {
        cluster
            .setup()
            .set(
                "store.url",
                &format!("\"{}\"", engine.url(&cluster.database)),
            )
            .env("RUST_LOG", "info,wechatd::store=debug")
    };
    let one = at(&first).start();
    one.command(&["check"]).ok().says("Galera");
    let other = at(&second).start();

    // It is not by mistake that there are two.
    let both = first.url(&cluster.database);
    let both = both.replace("/wechatd_", &format!(",{}/wechatd_", second.address()));
    let refused = cluster.setup().set("store.url", &format!("\"{both}\""));
    let checked = refused.stopped().command(&["check"]);
    checked.is_code(1);
    for part in [
        "Galera with several hosts loses what it has acknowledged",
        "name one host in store.url",
    ] {
        let told = format!("{}{}", checked.stdout, checked.stderr);
        checked.expect(told.contains(part), part);
    }

    let nodes = [&one, &other];
    let addresses = nodes.map(Account::address);
    let load = Load::default();
    load.is_brought(&addresses, || {
        load.goes_on(&one, 2_000);
    });
    let count = |what: &str| -> usize { nodes.iter().map(|node| node.log().count(what)).sum() };
    let (cut, phantoms) = (count("SAVEPOINT"), count("has not kept"));
    let again = count("is done again");
    eprintln!(
        "two nodes of Galera written to: {} acked, {} refused, {again} done again, {cut} cut short, {phantoms} commits that were none",
        load.count(),
        load.refused.load(Ordering::Relaxed)
    );
    let lost = [&first, &second, &third].map(|node| {
        node.catches_up();
        load.lost(node, &cluster.database)
    });
    assert_eq!(lost, [0; 3], "at each of the nodes");
}
