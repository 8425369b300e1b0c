//! What the platform says about people, as what the store keeps of them.

use crate::api::{Action, ApiError, user};
use crate::store::{FetchedProfile, ProfileOutcome};

/// Whether the error is about the people who were asked for, and says nothing about others.
pub(crate) fn concerns_one(error: &ApiError) -> bool {
    match error.action() {
        Action::User => true,
        // 40031, 40032 and the like: the list as such was not taken.
        Action::Fix => matches!(
            error.errcode(),
            Some(40031 | 40032 | 40035 | 40097 | 45059 | 46004 | 49003)
        ),
        Action::Retry
        | Action::Token
        | Action::Quota
        | Action::Admin
        | Action::UploadAgain
        | Action::RestartOauth
        | Action::Wait
        | Action::Ignore => false,
    }
}

/// Pairs the profiles with the followers who were asked for, by their openid, whatever order they came in.
pub(crate) fn pair(
    batch: &[String],
    profiles: Vec<user::Profile>,
) -> Vec<(String, ProfileOutcome)> {
    let mut profiles: Vec<Option<user::Profile>> = profiles.into_iter().map(Some).collect();
    batch
        .iter()
        .map(|openid| {
            let found = profiles
                .iter_mut()
                .find(|profile| {
                    profile
                        .as_ref()
                        .is_some_and(|profile| profile.openid.as_deref() == Some(openid))
                })
                .and_then(Option::take);
            let outcome = match found {
                Some(profile) if profile.subscribe == Some(0) => ProfileOutcome::Left,
                Some(profile) => ProfileOutcome::Fetched(Box::new(columns(profile))),
                None => ProfileOutcome::Refused(
                    "the platform's answer does not hold this openid".to_owned(),
                ),
            };
            (openid.clone(), outcome)
        })
        .collect()
}

/// What came, as the columns of `followers`; empty texts are no values.
fn columns(profile: user::Profile) -> FetchedProfile {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    FetchedProfile {
        unionid: filled(profile.unionid),
        nickname: filled(profile.nickname),
        sex: profile.sex,
        language: filled(profile.language),
        city: filled(profile.city),
        province: filled(profile.province),
        country: filled(profile.country),
        headimgurl: filled(profile.headimgurl),
        remark: filled(profile.remark),
        groupid: profile.groupid,
        tagid_list: profile
            .tagid_list
            .map(|tags| serde_json::json!(tags).to_string()),
        subscribe_time: profile.subscribe_time,
        subscribe_scene: filled(profile.subscribe_scene),
        qr_scene: profile.qr_scene,
        qr_scene_str: profile.qr_scene_str,
    }
}
