//! Fetches profiles from the platform as the store keeps them.

use crate::api::{ApiError, Client, user};
use crate::store::{FetchedProfile, ProfileOutcome};

/// The result of fetching some profiles.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    /// The outcomes in the order of the openids: for all of them, or for the first ones.
    pub(crate) outcomes: Vec<(String, ProfileOutcome)>,
    /// Why the others were not fetched.
    pub(crate) ended_by: Option<ApiError>,
}

/// Fetches up to [`user::MAX_BATCHGET`] profiles in one call, or each on its own if one of them cannot be had, so that
/// it does not block the others. `turn` is called before each call.
pub(crate) fn fetch(api: &Client, openids: &[String], turn: &dyn Fn()) -> Fetched {
    turn();
    let asked = match openids {
        [one] => api.user_info(one).map(|profile| vec![profile]),
        many => api.user_info_batch(many),
    };
    match (asked, openids) {
        (Ok(profiles), openids) => Fetched {
            outcomes: pair(openids, profiles),
            ended_by: None,
        },
        (Err(error), _) if !error.concerns_one_person() => Fetched {
            outcomes: Vec::new(),
            ended_by: Some(error),
        },
        (Err(error), [one]) => Fetched {
            outcomes: vec![(one.clone(), ProfileOutcome::Refused(error.to_string()))],
            ended_by: None,
        },
        (Err(_), many) => {
            let mut fetched = Fetched::default();
            for one in many.chunks(1) {
                let Fetched { outcomes, ended_by } = fetch(api, one, turn);
                fetched.outcomes.extend(outcomes);
                if ended_by.is_some() {
                    fetched.ended_by = ended_by;
                    break;
                }
            }
            fetched
        }
    }
}

/// Pairs the profiles with the requested openids, whatever order they came in.
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
                None => {
                    ProfileOutcome::Refused("WeChat's answer does not hold this openid".to_owned())
                }
            };
            (openid.clone(), outcome)
        })
        .collect()
}

/// A profile as columns of `followers`; an empty text counts as missing.
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
        subscribe_time: profile.subscribe_time.filter(|time| *time > 0),
        subscribe_scene: filled(profile.subscribe_scene),
        qr_scene: profile.qr_scene,
        qr_scene_str: profile.qr_scene_str,
    }
}
