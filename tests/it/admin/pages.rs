//! What the overview and the list of followers show.

use super::with_page;
use crate::support::http::Request;
use crate::support::operator::Operator;
use crate::support::store::change;
use crate::support::*;

#[test]
fn the_overview_counts_who_came_left_and_stayed() {
    let account = with_page();
    let operator = Operator::of(&account);
    let empty = operator.get("/");
    empty.expect(
        empty.body().contains("<b>0</b><span>Followers</span>"),
        "none",
    );
    empty.expect(
        empty.body().contains("No new followers in this period."),
        "none",
    );
    let people = crowd(0..3);
    for person in &people {
        let scan = subscribe_by("poster").from(person).at(now());
        account.post(&scan).is_status(200);
    }
    let leaves = unsubscribe().from(&people[0]).at(now());
    account.post(&leaves).is_status(200);
    account.post(&text("@ more tea").from(&people[1]));
    account.post(&text("are you open").from(&people[1]));
    // The count is kept for a moment.
    eventually("a text without an answer", account.log(), || {
        operator
            .get("/")
            .body()
            .contains("<b>1</b><span>Unanswered</span>")
    });
    let answer = operator.get("/?days=90");
    let body = answer.body();
    for part in [
        "<b>2</b><span>Followers</span>",
        "<b>+2</b><span>Today</span>",
        "<b>+2</b><span>7 days</span>",
        "<b>+2</b><span>30 days</span>",
        "<bdi>poster</bdi></td><td class=\"n\">3</td><td class=\"n\">2</td><td class=\"n\">67%</td>",
        "aria-current=\"true\">90 days</a>",
        "Came 3</title>",
        "Left 1</title>",
    ] {
        answer.expect(body.contains(part), part);
    }
    // The table has every day that the plot has, and those without anything.
    let (_, table) = body.split_once("<tbody>").unwrap();
    let (table, _) = table.split_once("</tbody>").unwrap();
    assert_eq!(table.matches("<tr>").count(), 90);
}

#[test]
fn followers_are_listed_newest_first_and_found_by_name_tag_and_scene() {
    let account = with_page();
    let operator = Operator::of(&account);
    change(
        &account.store_path(),
        "INSERT INTO tags (id, name) VALUES (100, 'VIP <b>');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
         INSERT INTO followers (openid, subscribe_time, nickname) SELECT 'oSynFollower' || i, 1790000000 + i, 'name ' || i FROM n;
         UPDATE followers SET remark = 'Li & \"Co\" <script>' || char(8238), tagid_list = '[100]' WHERE openid = 'oSynFollower7';
         UPDATE followers SET nickname = NULL, qr_scene_str = 'poster' WHERE openid = 'oSynFollower8';",
    );
    let names = |path: &str| {
        let body = operator.get(path).is_status(200).body();
        let rows = body.split("<td><a href=\"/people/").skip(1);
        let names: Vec<String> = rows
            .map(|row| {
                let (_, name) = row.split_once("<bdi>").unwrap();
                name.split_once("</bdi>").unwrap().0.to_owned()
            })
            .collect();
        let next = body.split("href=\"/followers?").skip(1).find_map(|link| {
            let link = link.split('"').next()?.replace("&amp;", "&");
            link.contains("after=")
                .then(|| format!("/followers?{link}"))
        });
        (names, next)
    };
    let (mut all, mut next) = names("/followers");
    assert_eq!(all.len(), 50);
    assert_eq!(all[0], "name 120");
    while let Some(path) = next {
        let (more, then) = names(&path);
        all.extend(more);
        next = then;
    }
    assert_eq!(all.len(), 120);
    assert_eq!(all[112], "…lower8");
    assert_eq!(all[113], "Li &amp; &quot;Co&quot; &lt;script&gt;\\u{202e}");
    for (query, found) in [
        ("q=li+%26", 1),
        ("q=oSynFollower11", 11),
        ("q=name", 119),
        ("tag=100", 1),
        ("tag=7", 0),
        ("scene=poster", 1),
        ("scene=poster&q=name", 0),
        ("tag=x&after=nonsense", 120),
    ] {
        let (mut all, mut next) = names(&format!("/followers?{query}"));
        while let Some(path) = next {
            let (more, then) = names(&path);
            all.extend(more);
            next = then;
        }
        assert_eq!(all.len(), found, "{query}: {all:?}");
    }
    let body = operator.get("/followers?q=%22%3E%3Cscript%3E").body();
    assert!(!body.contains("\"><script>"), "{body}");
    assert!(body.contains("VIP &lt;b&gt;</option>"), "{body}");
}

#[test]
fn health_shows_what_is_wrong_and_how_the_parts_are_doing() {
    let account = with_page();
    let operator = Operator::of(&account);
    account.post(&text("hello")).is_status(200);
    let well = operator.get("/health");
    well.is_status(200);
    well.expect(well.body().contains("Nothing is wrong."), "nothing");
    change(
        &account.store_path(),
        "INSERT INTO troubles (kind, text, since) VALUES ('disk', 'only <3> MiB', unixepoch() - 50);
         INSERT INTO troubles (kind, name, text, since, until) VALUES ('hook', 'crm', 'it was 410', unixepoch() - 500, unixepoch() - 400);
         INSERT INTO troubles (kind, text, since, until) VALUES ('sync', 'long over', 1, 2);",
    );
    let answer = operator.get("/health");
    let body = answer.body();
    for part in [
        "<bdi>only &lt;3&gt; MiB</bdi>",
        "hook <bdi>crm</bdi>",
        "<bdi>it was 410</bdi>",
        "<bdi>owner</bdi>",
    ] {
        answer.expect(body.contains(part), part);
    }
    answer.expect(!body.contains("long over"), "not what was over long ago");
    let answer = operator.get("/health.json");
    let health: serde_json::Value = serde_json::from_str(&answer.body()).unwrap();
    assert_eq!(health["troubles"].as_array().unwrap().len(), 2, "{health}");
    assert_eq!(health["troubles"][1]["kind"], "disk", "{health}");
    assert!(
        health["last_push"].as_i64().unwrap() >= now() - 100,
        "{health}"
    );
    assert!(health["store_bytes"].as_u64().unwrap() > 0, "{health}");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    operator
        .get("/news?after=0")
        .is(200, "{\"new\":1,\"todo\":0,\"trouble\":1}");
    let overview = operator.get("/");
    let trouble = "<b class=\"warn\">1</b><span>Trouble</span>";
    overview.expect(overview.body().contains(trouble), trouble);
}

#[test]
fn health_counts_what_was_refused_by_reason_in_both_languages() {
    let mut account = with_page();
    let none = Operator::of(&account).get("/health");
    none.expect(none.body().contains("None was refused."), "none");
    account.token = "another".to_owned();
    let operator = Operator::of(&account);
    for _ in 0..3 {
        account.post(&text("hello")).is_status(403);
    }
    for (language, says) in [
        ("en", "wrong signature: is the Token that of the console?"),
        ("zh-CN", "签名错误：Token 与微信后台一致吗？"),
    ] {
        let asked = Request::new("GET", "/health").header("Accept-Language", language);
        let shown = operator.send(asked);
        let row = format!("<td><code>wrong_signature</code> {says}</td><td class=\"n\">3</td>");
        shown.expect(shown.body().contains(&row), &row);
    }
    let value = operator.get("/health.json");
    let value: serde_json::Value = serde_json::from_str(&value.body()).unwrap();
    assert_eq!(value["refused"], serde_json::json!({"wrong_signature": 3}));
}

#[test]
fn everybody_is_signed_out_from_the_health_page() {
    let account = with_page();
    let (one, two) = (Operator::of(&account), Operator::of(&account));
    one.post("/health/sign-out", "")
        .is_status(303)
        .has_header("location", "/login");
    one.get("/").is_status(303);
    two.get("/").is_status(303);
    assert_eq!(account.store().count("admin_sessions"), 0);
}

#[test]
fn a_page_that_is_not_there_leads_to_the_overview() {
    let account = with_page();
    let answer = Operator::of(&account).get("/nowhere");
    answer.is_status(404);
    let link = "<a href=\"/\">Back to the overview</a>";
    answer.expect(answer.body().contains(link), link);
}
