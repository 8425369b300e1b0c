//! If the platform's documents disagree with each other or with its answers, both readings work.

use super::platform::{APP_ID, APP_SECRET, Platform, ok};
use serde_json::json;

const WRONG_METHOD: &str = r#"{"errcode":43002,"errmsg":"require POST method"}"#;
const OK: &str = r#"{"errcode":0,"errmsg":"ok"}"#;

#[test]
fn an_agent_is_removed_by_get_or_by_post_if_required() {
    let platform = Platform::scripted(vec![ok(OK)]);
    platform.client().kfaccount_del("amy@shop").unwrap();
    assert_eq!(platform.calls()[1].method, "GET");
    assert_eq!(platform.calls().len(), 2);

    let platform = Platform::scripted(vec![ok(WRONG_METHOD), ok(OK)]);
    platform.client().kfaccount_del("amy@shop").unwrap();
    let asked = platform.calls();
    assert_eq!(asked.len(), 3);
    assert_eq!((&*asked[1].method, &*asked[2].method), ("GET", "POST"));
    assert_eq!(asked[2].path, "/customservice/kfaccount/del");
    assert_eq!(asked[2].query["kf_account"], "amy@shop");
    assert_eq!(asked[2].json(), json!({"kf_account": "amy@shop"}));

    let platform = Platform::scripted(vec![ok(WRONG_METHOD)]);
    let error = platform.client().kfaccount_del("amy@shop").unwrap_err();
    assert_eq!(error.errcode(), Some(43002));
    assert_eq!(platform.calls().len(), 3, "once each");
}

#[test]
fn limits_are_cleared_with_a_body_or_with_a_query_if_required() {
    let body = json!({"appid": APP_ID, "appsecret": APP_SECRET});
    let platform = Platform::scripted(vec![ok(OK)]);
    platform.client().clear_quota_v2().unwrap();
    let asked = platform.calls();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].json(), body);
    assert!(asked[0].query.is_empty(), "no secret in a URL without need");

    for missing in [41002, 41004] {
        let told = format!(r#"{{"errcode":{missing},"errmsg":"missing"}}"#);
        let platform = Platform::scripted(vec![ok(&told), ok(OK)]);
        platform.client().clear_quota_v2().unwrap();
        let asked = platform.calls();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].query["appid"], APP_ID);
        assert_eq!(asked[1].query["appsecret"], APP_SECRET);
        assert_eq!(asked[1].query.len(), 2);
        assert_eq!(asked[1].json(), body);
    }

    let platform = Platform::scripted(vec![ok(r#"{"errcode":48006,"errmsg":"used up"}"#)]);
    let error = platform.client().clear_quota_v2().unwrap_err();
    assert_eq!(error.errcode(), Some(48006));
    assert_eq!(platform.calls().len(), 1);
}

#[test]
fn the_number_of_a_tag_is_read_as_a_number_and_as_text() {
    let tags = r#"{"tags":[{"id":"134","name":"VIP","count":"10"},{"id":2,"name":"star"}]}"#;
    let tags = Platform::scripted(vec![ok(tags)])
        .client()
        .tags_get()
        .unwrap();
    assert_eq!((tags[0].id, tags[0].count), (134, Some(10)));
    assert_eq!(tags[1].id, 2);
    let tag = Platform::scripted(vec![ok(r#"{"tag":{"id":"135","name":"a"}}"#)]);
    assert_eq!(tag.client().tags_create("a").unwrap().id, 135);
    for wrong in [
        r#"{"tag":{"name":"a"}}"#,
        r#"{"tag":{"id":"x","name":"a"}}"#,
    ] {
        Platform::scripted(vec![ok(wrong)])
            .client()
            .tags_create("a")
            .unwrap_err();
    }
}

#[test]
fn an_empty_list_a_null_and_a_missing_list_mean_nobody() {
    for answer in [
        r#"{"kf_list":[],"kf_online_list":[],"sessionlist":[]}"#,
        r#"{"kf_list":null,"kf_online_list":null,"sessionlist":null}"#,
        r#"{"errcode":0,"errmsg":"ok"}"#,
    ] {
        let platform = Platform::scripted(vec![ok(answer)]);
        let client = platform.client();
        assert_eq!(client.getkflist().unwrap(), [], "{answer}");
        assert_eq!(client.getonlinekflist().unwrap(), [], "{answer}");
        let sessions = client.kfsession_getsessionlist("amy@shop").unwrap();
        assert_eq!(sessions, [], "{answer}");
    }
}

#[test]
fn the_tag_of_a_menu_has_two_names_and_may_have_both() {
    let menus = |matchrule: &str| {
        let answer = format!(
            r#"{{"menu":{{"button":[]}},"conditionalmenu":[{{"button":[],"matchrule":{matchrule},"menuid":1}}]}}"#
        );
        let platform = Platform::scripted(vec![ok(&answer)]);
        let menus = platform.client().menu_get().unwrap().unwrap();
        menus.conditional[0].matchrule.clone()
    };
    for matchrule in [
        r#"{"group_id":134}"#,
        r#"{"tag_id":"134"}"#,
        r#"{"group_id":134,"tag_id":"134"}"#,
        r#"{"tag_id":"134","group_id":134,"sex":"","country":"","language":null,"city":0}"#,
    ] {
        let rule = menus(matchrule);
        assert_eq!(rule.tag_id.as_deref(), Some("134"), "{matchrule}");
        assert!(rule.retired.is_empty(), "{matchrule}");
    }
    let rule = menus(r#"{"sex":1,"country":"中国"}"#);
    let retired: Vec<_> = rule.retired.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(retired, [("country", "中国"), ("sex", "1")]);
    let platform = Platform::scripted(vec![ok(OK)]);
    let error = platform.client().menu_addconditional(&[], &rule);
    let text = error.unwrap_err().to_string();
    assert!(
        text.contains("not sent") && text.contains("country"),
        "{text}"
    );
    assert!(platform.calls().is_empty());
}
