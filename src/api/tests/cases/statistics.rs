//! The samples of statistics.

use serde::de::DeserializeOwned;
use std::fmt::Debug;

use super::{Case, case};
use crate::api::statistics::{
    ACCOUNT_READERS, ARTICLE_READERS, ARTICLE_SHARERS, ARTICLES, Days, MESSAGES, MESSAGES_BY_HOUR,
    PUSHES, PUSHES_BY_HOUR, Report, USER_CHANGES, USER_TOTALS, WRITERS,
};
use crate::api::tests::samples::sample;

/// The report for the days of the sample.
fn report<T: Debug + DeserializeOwned>(
    name: &'static str,
    report: &'static Report<T>,
    understood: &'static [&'static str],
) -> Case {
    case(
        name,
        move |client| {
            let (sample_name, _) = name.split_once('/').unwrap_or((name, ""));
            let asked = &sample(sample_name)["request"];
            let day = |which: &str| asked[which].as_str().unwrap().parse().unwrap();
            let days = Days::new(day("begin_date"), day("end_date")).unwrap();
            client.statistics(report, days)
        },
        understood,
    )
}

pub fn cases() -> Vec<Case> {
    let nothing = &["list: []"];
    vec![
        report(
            "getusersummary",
            &USER_CHANGES,
            &["user_source: 30, new_user: 149, cancel_user: 1"],
        ),
        report("getusersummary/nothing", &USER_CHANGES, nothing),
        report("getusercumulate", &USER_TOTALS, &["cumulate_user: 10408"]),
        report(
            "getusercumulate/with_user_source",
            &USER_TOTALS,
            &["cumulate_user: 10410"],
        ),
        report("getusercumulate/nothing", &USER_TOTALS, nothing),
        report(
            "getarticleread",
            &ARTICLE_READERS,
            &[
                r#"msgid: "2247490001_1""#,
                "read_user: Some(4123)",
                r#"user_count: 620, scene_desc: Some("聊天会话")"#,
                "is_delay: false",
            ],
        ),
        report("getarticleread/late", &ARTICLE_READERS, &["is_delay: true"]),
        report("getarticleread/nothing", &ARTICLE_READERS, nothing),
        report(
            "getarticleshare",
            &ARTICLE_SHARERS,
            &["share_user: Some(366)"],
        ),
        report("getarticleshare/nothing", &ARTICLE_SHARERS, nothing),
        report(
            "getarticletotaldetail",
            &ARTICLES,
            &[
                r#"title: Some("Opening hours")"#,
                "read_user: Some(180)",
                "read_finish_rate: Some(0.666666686535)",
                "praise_money: Some(600)",
                "position: Some(5), rate: Some(0.5)",
                "publish_type: Some(1)",
            ],
        ),
        report(
            "getarticletotaldetail/older_shape_without_title",
            &ARTICLES,
            &["publish_type: Some(2), title: None, content_url: None"],
        ),
        report("getarticletotaldetail/nothing", &ARTICLES, nothing),
        report(
            "getbizsummary",
            &ACCOUNT_READERS,
            &["read_user: Some(5012)", "send_page_count: Some(2)"],
        ),
        report("getbizsummary/nothing", &ACCOUNT_READERS, nothing),
        report(
            "getupstreammsg",
            &MESSAGES,
            &["ref_hour: None, msg_type: 1, msg_user: 282, msg_count: 817"],
        ),
        report("getupstreammsg/nothing", &MESSAGES, nothing),
        report(
            "getupstreammsghour",
            &MESSAGES_BY_HOUR,
            &["ref_hour: Some(1300)"],
        ),
        report("getupstreammsghour/nothing", &MESSAGES_BY_HOUR, nothing),
        report(
            "getupstreammsgdist",
            &WRITERS,
            &["count_interval: 3, msg_user: 7"],
        ),
        report("getupstreammsgdist/nothing", &WRITERS, nothing),
        report(
            "getinterfacesummary",
            &PUSHES,
            &[
                "callback_count: 36974, fail_count: 67, total_time_cost: 14994291, max_time_cost: 5044",
            ],
        ),
        report("getinterfacesummary/nothing", &PUSHES, nothing),
        report(
            "getinterfacesummaryhour",
            &PUSHES_BY_HOUR,
            &["ref_hour: Some(2300)"],
        ),
        report("getinterfacesummaryhour/nothing", &PUSHES_BY_HOUR, nothing),
    ]
}
