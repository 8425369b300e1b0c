//! WeChat's own numbers: asked by days of Beijing, in pieces, and shown in tables and in words.

use crate::support::platform::days_ago;
use crate::support::*;
use serde_json::{Value, json};

const USERS: &str = "/datacube/getusersummary";
const PUSHES: &str = "/datacube/getinterfacesummary";

fn account(platform: &Platform) -> Account {
    let setup = Setup::new().platform(platform);
    setup.set("api.rate", "1000").stopped()
}

/// The first and last days of each call of `path`, as days ago.
fn asked(platform: &Platform, path: &str) -> Vec<(i64, i64)> {
    let ago = |day: &Value| {
        let found = (0..400).find(|ago| days_ago(*ago) == day.as_str().unwrap());
        found.expect("a day of the last year")
    };
    let bodies = platform.bodies(path);
    let spans = bodies.iter();
    spans
        .map(|body| (ago(&body["begin_date"]), ago(&body["end_date"])))
        .collect()
}

/// The line of a table that begins with this word, without the spaces between its cells.
fn line(ran: &Ran, first: &str) -> String {
    let found = ran.stdout.lines().find(|line| line.starts_with(first));
    let found = found.unwrap_or_else(|| panic!("no line {first}: {}", ran.stdout));
    found.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_span_longer_than_a_call_takes_is_asked_in_pieces() {
    let platform = Platform::start();
    let account = account(&platform);
    account.command(&["statistics", "users"]).ok();
    let pieces = [(30, 24), (23, 17), (16, 10), (9, 3), (2, 1)];
    assert_eq!(asked(&platform, USERS), pieces);
    assert_eq!(asked(&platform, "/datacube/getusercumulate"), pieces);

    let (since, until) = (days_ago(40), days_ago(3));
    let span = ["--since", &since, "--until", &until, "--json"];
    let ran = account.command(&[&["statistics", "interface"], &span[..]].concat());
    let shown = ran.json();
    assert_eq!(asked(&platform, PUSHES), [(40, 11), (10, 3)]);
    assert_eq!(
        (&shown["since"], &shown["until"]),
        (&since.into(), &until.into())
    );
    assert_eq!(shown["days"].as_array().map_or(0, Vec::len), 38);

    account
        .command(&["statistics", "messages", "--since", "3d", "--hours"])
        .ok();
    let hours = asked(&platform, "/datacube/getupstreammsghour");
    assert_eq!(hours, [(3, 3), (2, 2), (1, 1)]);
}

#[test]
fn who_came_and_left_is_added_up_by_day_and_by_source() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.statistics(|all| {
        for (ago, source, came, left) in
            [(2, 0, 0, 5), (2, 30, 149, 1), (2, 999, 1, 0), (1, 30, 1, 0)]
        {
            let row = json!({"user_source": source, "new_user": came, "cancel_user": left});
            all.add("getusersummary", ago, row);
        }
        all.add("getusercumulate", 2, json!({"cumulate_user": 10_410}));
        all.add(
            "getusercumulate",
            1,
            json!({"user_source": 0, "cumulate_user": 10_411}),
        );
    });
    let users = ["statistics", "users", "--since", "3d"];
    let mut ascii = account.program(&users);
    ascii.env("LC_ALL", "C");
    let ran = Ran::of(ascii, "");
    ran.ok();
    let day = |ago| line(&ran, &days_ago(ago));
    assert_eq!(day(3), format!("{} 0 0 +0", days_ago(3)));
    assert_eq!(day(2), format!("{} 150 6 +144 10410", days_ago(2)));
    assert_eq!(day(1), format!("{} 1 0 +1 10411", days_ago(1)));
    assert_eq!(line(&ran, "QR code"), "QR code 150 1");
    assert_eq!(line(&ran, "source 999"), "source 999 1 0");
    assert_eq!(line(&ran, "other"), "other 0 5");
    let bars = ran
        .stdout
        .split_once("Who came and left\n")
        .expect("bars")
        .1;
    let bars: Vec<&str> = bars.lines().take(3).collect();
    assert_eq!(bars[0], days_ago(3));
    assert!(
        bars[1].contains("####") && bars[1].ends_with('-'),
        "{bars:?}"
    );
    assert_eq!(bars[2], format!("{} #", days_ago(1)));

    let shown = account.command(&[&users[..], &["--json"]].concat()).json();
    assert_eq!(shown["days"][1]["new_user"], 150);
    assert_eq!(shown["days"][1]["sources"][0]["name"], "QR code");
    assert_eq!(shown["sources"][0]["new_user"], 150);
    assert_eq!(shown["not_ready"], Value::Null);
}

#[test]
fn numbers_that_are_not_ready_are_left_out_and_said_to_be() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.statistics(|all| {
        all.late = true;
        all.add(
            "getusersummary",
            2,
            json!({"user_source": 0, "new_user": 7}),
        );
        all.add(
            "getusersummary",
            1,
            json!({"user_source": 0, "new_user": 8}),
        );
    });
    let users = ["statistics", "users", "--since", "2d"];
    let ran = account.command(&users);
    ran.ok()
        .complains(&format!("no numbers of {} yet", days_ago(1)))
        .says(&days_ago(2))
        .says_nothing_of(&days_ago(1));
    let shown = account.command(&[&users[..], &["--json"]].concat()).json();
    assert_eq!(shown["not_ready"], days_ago(1));
    assert_eq!(shown["days"].as_array().map_or(0, Vec::len), 1);
    account
        .command(&["statistics", "users", "--since", "1d"])
        .ok()
        .says("no numbers of these days");

    platform.statistics(|all| (all.late, all.is_delay) = (false, true));
    let shown = account.command(&["statistics", "articles", "--since", "1d", "--json"]);
    assert_eq!(shown.json()["changing"], true);
}

#[test]
fn articles_are_shown_with_what_they_have_reached_and_by_day() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.statistics(|all| {
        let detail = json!({"read_user": 5012, "share_user": 401, "like_user": 386, "send_page_count": 2});
        all.add("getbizsummary", 2, json!({ "detail": detail }));
        let reached = |readers, finished: f64| {
            json!({"read_user": readers, "share_user": 9, "read_finish_rate": finished, "praise_money": 600})
        };
        let article = json!({
            "msgid": "2247490001_1", "publish_type": 0, "title": "Opening hours",
            "detail_list": [reached(120, 0.5), reached(180, 0.666_666_686_535)],
        });
        all.add("getarticletotaldetail", 2, article);
        let unnamed = json!({"msgid": "2247490001_2", "publish_type": 2, "detail_list": []});
        all.add("getarticletotaldetail", 2, unnamed);
        let read = |id: &str, readers| json!({"msgid": id, "detail": {"read_user": readers}});
        all.add("getarticleread", 1, read("2247490001_1", 60));
        all.add("getarticleread", 1, read("2240000000_1", 3));
        let shared = json!({"msgid": "2247490001_1", "detail": {"share_user": 4}});
        all.add("getarticleshare", 1, shared);
    });
    let articles = ["statistics", "articles", "--since", "2d"];
    let ran = account.command(&articles);
    let day = days_ago(2);
    assert_eq!(line(ran.ok(), &day), format!("{day} 5012 401 386 2"));
    ran.says("180")
        .says("67 %")
        .says("Opening hours")
        .says("2247490001_2");
    assert_eq!(platform.count("/datacube/getarticleread"), 0);
    assert_eq!(platform.count("/datacube/getarticlesummary"), 0);

    let by_day = [&articles[..], &["--by-day"]].concat();
    let ran = account.command(&by_day);
    let yesterday = days_ago(1);
    let read = format!("{yesterday} 60 4 Opening hours");
    assert_eq!(line(ran.ok(), &yesterday), read);
    ran.says("2240000000_1");
    let shown = account.command(&[&by_day[..], &["--json"]].concat()).json();
    assert_eq!(shown["articles"][0]["detail_list"][1]["praise_money"], 600);
    assert_eq!(shown["by_day"][0]["detail"]["share_user"], 4);
}

#[test]
fn messages_are_counted_by_kind_by_day_and_by_hour() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.statistics(|all| {
        for (kind, people, messages) in [(1, 282, 817), (2, 3, 4), (6, 1, 1), (77, 1, 2)] {
            let row = json!({"msg_type": kind, "msg_user": people, "msg_count": messages});
            all.add("getupstreammsg", 1, row);
        }
        for (interval, people) in [(0, 5_000), (1, 246), (2, 31), (3, 7)] {
            let row = json!({"count_interval": interval, "msg_user": people});
            all.add("getupstreammsgdist", 1, row);
        }
        for ago in [1, 2] {
            let row = json!({"ref_hour": 1300, "msg_type": 3, "msg_user": 9, "msg_count": 10});
            all.add("getupstreammsghour", ago, row);
        }
    });
    let ran = account.command(&["statistics", "messages", "--since", "2d"]);
    let day = days_ago(1);
    assert_eq!(line(ran.ok(), &day), format!("{day} 284 824 817 4 0 0 3"));
    let hours = ["statistics", "messages", "--since", "2d", "--hours"];
    let ran = account.command(&hours);
    assert_eq!(line(ran.ok(), "13:00"), "13:00 20 0 0 20 0 0");
    let shown = account.command(&[&hours[..], &["--json"]].concat()).json();
    assert_eq!(shown["hours"][13]["voice"], 20);
    assert_eq!(shown["hours"][23]["messages"], 0);
}

#[test]
fn whether_answers_arrive_is_said_in_words() {
    let platform = Platform::start();
    let account = account(&platform);
    let says = |answers: &str, words: &str| {
        let interface = ["statistics", "interface", "--since", "2d"];
        account.command(&interface).ok().says(words);
        let shown = account
            .command(&[&interface[..], &["--json"]].concat())
            .json();
        assert_eq!(shown["verdict"]["answers"], answers, "{shown}");
    };
    says("none", "sent no push that wanted an answer");
    let pushes = |count: i64, failed: i64, time: i64, slowest: i64| json!({"callback_count": count, "fail_count": failed, "total_time_cost": time, "max_time_cost": slowest});
    let add = |ago, row: Value| {
        platform.statistics(|all| {
            all.add("getinterfacesummary", ago, row.clone());
            let mut by_hour = row;
            by_hour["ref_hour"] = 2300.into();
            all.add("getinterfacesummaryhour", ago, by_hour);
        });
    };
    add(2, pushes(120, 0, 3_600, 91));
    says(
        "good",
        "every one of 120 pushes: on average in 30 ms, the slowest in 91 ms",
    );
    add(1, pushes(10, 0, 20_000, 4_600));
    says("slow", "but slowly");
    add(1, pushes(36_974, 67, 14_994_291, 5_044));
    says("failing", "answers fail: 67 of 37104 pushes (0.18 %)");
    let ran = account.command(&["statistics", "interface", "--since", "2d", "--hours"]);
    assert_eq!(line(ran.ok(), "23:00"), "23:00 37104 67 404 5044");
}

#[test]
fn days_that_have_no_numbers_are_refused_before_any_call() {
    let platform = Platform::start();
    let account = account(&platform);
    let (today, early) = (days_ago(0), days_ago(5));
    for (arguments, why) in [
        (&["users", "--until", &today][..], "up to yesterday"),
        (&["users", "--since", &today], "is after the last"),
        (
            &["users", "--until", &early, "--since", "3d"],
            "is after the last",
        ),
        (&["users", "--since", "2014-11-30"], "from 2014-12-01 on"),
        (&["articles", "--since", "2025-10-31"], "from 2025-11-01 on"),
        (&["messages", "--since", "2026-02-30"], "is not a day"),
        (&["messages", "--since", "12h"], "such as 7d"),
        (&["interface", "--since", "soon"], "such as 7d"),
    ] {
        let arguments = [&["statistics"], arguments].concat();
        account.command(&arguments).refused().complains(why);
    }
    assert!(platform.calls().is_empty(), "{:?}", platform.calls());
}

#[test]
fn an_account_that_is_not_verified_is_told_so() {
    let platform = Platform::start();
    let account = account(&platform);
    platform.always(USERS, Fault::Errcode(48001, "api unauthorized"));
    account
        .command(&["statistics", "users"])
        .failed()
        .complains("48001")
        .complains("verified");
    let old = ["api", "/datacube/getarticlesummary", "{}"];
    let ran = account.command(&old);
    ran.failed().complains("switched this call off");
}
