//! A signature brings one push over all servers, and a push that is too long is refused alone.

use super::*;

/// The first request with the body of the second.
fn replayed(seen: &Request, other: &Push) -> Request {
    Request {
        body: other.body(),
        ..seen.clone()
    }
}

#[test]
fn a_signature_that_brought_a_push_at_one_server_brings_no_other_at_another() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let [one, other] = [cluster.node(), cluster.node()];
    for number in 0..3 {
        let seen = text(&format!("hello {number}")).request("/wechat", TOKEN);
        let first = one.send(&seen);
        other.send(&replayed(&seen, &text("@spam"))).is_refused();
        other.send(&replayed(&seen, &unsubscribe())).is_refused();
        other.send(&seen).is(200, &first.body());
    }
    other.log().says("was used for another push");
    assert_eq!(cluster.sql("SELECT count(*) FROM messages"), "3");
}

#[test]
fn forged_bodies_at_one_server_do_not_keep_out_the_push_that_another_has_recorded() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let [one, other] = [cluster.node(), cluster.node()];
    let push = text("hello");
    let seen = push.request("/wechat", TOKEN);
    let first = one.send(&seen);
    // The other server does not know yet that the signature was used.
    let broken = Request {
        body: b"<xml><broken>".to_vec(),
        ..seen.clone()
    };
    other.send(&broken).is_status(400);
    for number in 0..10 {
        let forged = text(&format!("forged {number}"));
        other.send(&replayed(&seen, &forged)).is_refused();
    }
    other.send(&seen).is(200, &first.body());
    other.send(&broken).is_refused();
    // Signed anew it is the same push, whose signature is used up, too.
    let signed_again = push.request("/wechat", TOKEN);
    other.send(&signed_again).is(200, &first.body());
    one.send(&replayed(&signed_again, &text("@spam")))
        .is_refused();
    one.send(&signed_again).is(200, &first.body());
    assert_eq!(cluster.sql("SELECT content FROM messages"), "hello");
}

#[test]
fn of_two_bodies_with_one_signature_at_two_servers_at_once_one_is_recorded() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let nodes = [cluster.node(), cluster.node()];
    for number in 0..20 {
        let one = text(&format!("one {number}")).request("/wechat", TOKEN);
        let requests = [&one, &replayed(&one, &text(&format!("other {number}")))];
        let barrier = Barrier::new(2);
        let send = |at: usize| {
            barrier.wait();
            nodes[at].send(requests[at])
        };
        let answers = thread::scope(|scope| {
            let other = scope.spawn(|| send(1));
            [send(0), other.join().unwrap()]
        });
        let recorded = usize::from(answers[0].response.status != 200);
        answers[1 - recorded].is_refused();
        answers[recorded].is_status(200);
        for node in &nodes {
            node.send(requests[1 - recorded]).is_refused();
            node.send(requests[recorded])
                .is(200, &answers[recorded].body());
        }
    }
    assert_eq!(cluster.sql("SELECT count(*) FROM messages"), "20");
}

#[test]
fn a_url_verification_at_one_server_allows_no_push_at_another() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let [one, other] = [cluster.node(), cluster.node()];
    let signed = one.signed();
    one.get(&format!("/wechat?{signed}&echostr=1")).is(200, "1");
    // The signature is recorded in the background.
    let kept = "SELECT count(*) FROM used_signatures";
    eventually("the used signature", one.log(), || cluster.sql(kept) == "1");
    let push = Request::new("POST", &format!("/wechat?{signed}")).body(text("hello").body());
    other.send(&push).is_refused();
    other
        .get(&format!("/wechat?{signed}&echostr=2"))
        .is(200, "2");
    assert_eq!(cluster.sql("SELECT count(*) FROM messages"), "0");
}

#[test]
fn a_push_with_a_value_that_is_too_long_is_refused_alone_and_uses_up_its_signature() {
    let Some(cluster) = Cluster::new() else {
        return;
    };
    let [one, other] = [cluster.node(), cluster.node()];
    let push = text("private words").from(&"o".repeat(129));
    let seen = push.request("/wechat", TOKEN);
    one.send(&seen).is(400, "too long");
    one.log().says("longer than the store takes");
    one.log().says("openid");
    let kept = "SELECT count(*) FROM used_signatures";
    eventually("the used signature", one.log(), || cluster.sql(kept) == "1");
    other.send(&seen).is(400, "too long");
    other.send(&replayed(&seen, &text("hello"))).is_refused();
    other.post(&text("hello")).is_status(200);
    assert_eq!(cluster.sql("SELECT content FROM messages"), "hello");
    for node in [&one, &other] {
        assert!(!node.log().has("private words"), "{}", node.log());
    }
}
