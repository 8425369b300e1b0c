//! Followers and the log of follows, whatever order events come in.

use proptest::prelude::*;

use crate::store::daily_counts::tests::every_push_is_counted;
use crate::store::statement::{Statement, statement};
use crate::store::{
    FetchedProfile, ProfileOutcome, Reader, Record, Recorded, ShowsKept, Store, SyncStep,
};
use crate::wechat::{Effect, short_digest};

const PEOPLE: [&str; 3] = ["oSynOne", "oSynTwo", "oSynThree"];

/// What can happen to the followers. Times are seconds of one minute, so that they often collide.
#[derive(Debug, Clone)]
enum Step {
    Subscribe {
        person: usize,
        at: i64,
    },
    Unsubscribe {
        person: usize,
        at: i64,
    },
    /// The push that came this many pushes ago, once more.
    Again(usize),
    SyncBegins {
        at: i64,
    },
    /// The list of the platform, by person.
    SyncEnds {
        follows: [bool; 3],
        at: i64,
        known: bool,
    },
    Forget {
        person: usize,
    },
    CloseAccount {
        person: usize,
        at: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (person, at) = (0..PEOPLE.len(), 0..60_i64);
    prop_oneof![
        8 => (person.clone(), at.clone()).prop_map(|(person, at)| Step::Subscribe { person, at }),
        8 => (person.clone(), at.clone()).prop_map(|(person, at)| Step::Unsubscribe { person, at }),
        4 => (0..5_usize).prop_map(Step::Again),
        2 => at.clone().prop_map(|at| Step::SyncBegins { at }),
        3 => (any::<[bool; 3]>(), at.clone(), any::<bool>())
            .prop_map(|(follows, at, known)| Step::SyncEnds { follows, at, known }),
        1 => person.clone().prop_map(|person| Step::Forget { person }),
        1 => (person, at).prop_map(|(person, at)| Step::CloseAccount { person, at }),
    ]
}

pub(in crate::store) fn push(number: usize, sender: &str, at: i64, effect: Effect) -> Record {
    let dedup_key = format!("{number}|{sender}");
    let digest = short_digest(dedup_key.as_bytes());
    let mut signature = [0; 20];
    signature[..8].copy_from_slice(&digest.to_be_bytes());
    Record {
        digest,
        dedup_key,
        signature,
        openid: sender.to_owned(),
        account: "gh_1".to_owned(),
        msg_type: "event".to_owned(),
        event: None,
        event_key: None,
        msg_id: None,
        content: None,
        xml: None,
        created_at: at,
        received_at: at,
        rule: None,
        reply: None,
        todo: false,
        media_id: None,
        fetches_media: false,
        effect,
        log_in: None,
        forward: None,
        shows_kept: ShowsKept::No,
        hook_events: Vec::new(),
    }
}

const NEW: Recorded = Recorded::New {
    shown: None,
    forwarded: None,
};

fn record(store: &Store, push: Record) -> Recorded {
    let (done, recorded) = std::sync::mpsc::channel();
    store.record(push, move |outcome, _| done.send(outcome).unwrap());
    recorded.recv().unwrap().unwrap()
}

/// Records these, one after another.
pub(in crate::store) fn record_all(store: &Store, pushes: impl IntoIterator<Item = Record>) {
    let (done, recorded) = std::sync::mpsc::channel();
    let mut count = 0;
    for push in pushes {
        let done = done.clone();
        store.record(push, move |outcome, _| done.send(outcome).unwrap());
        count += 1;
    }
    drop(done);
    let recorded = recorded.iter().map(Result::unwrap);
    assert_eq!(recorded.filter(|recorded| *recorded == NEW).count(), count);
}

fn sync(store: &Store, follows: [bool; 3], at: i64, known: bool) {
    let reader = store.reader().unwrap();
    let listed = PEOPLE.iter().zip(follows).filter(|(_, follows)| *follows);
    let listed: Vec<String> = listed.map(|(person, _)| (*person).to_owned()).collect();
    store.sync_list(listed.clone()).unwrap();
    store.sync_go_on(SyncStep::Leave, None).unwrap();
    store
        .sync_leave(reader.sync_absent("").unwrap(), None)
        .unwrap();
    let outcome = || match known {
        true => ProfileOutcome::Fetched(Box::new(FetchedProfile {
            subscribe_time: Some(at),
            subscribe_scene: Some("ADD_SCENE_SEARCH".to_owned()),
            ..FetchedProfile::default()
        })),
        false => ProfileOutcome::Left,
    };
    let outcomes = listed.into_iter().map(|person| (person, outcome()));
    store.sync_profiles(outcomes.collect(), at, None).unwrap();
    store
        .sync_leave(reader.sync_unfollowed("").unwrap(), None)
        .unwrap();
    while store.sync_clean().unwrap() > 0 {}
    store.sync_end(Some(at)).unwrap();
}

const NET: Statement = statement!(
    "SELECT (SELECT coalesce(sum(net), 0) FROM daily_v), (SELECT count(*) FROM followers)"
);

/// Scene, how often people came by it, and how many are still here: as counted all the time, and by hand.
const SCENES: [Statement; 2] = [
    statement!("SELECT scene, came, here FROM scene_counts ORDER BY scene"),
    statement!(
        "SELECT scene, sum(came), sum(here) FROM (
             SELECT coalesce(scene, way, '') AS scene, 1 AS came, 0 AS here FROM follow_log WHERE action = 'subscribe'
             UNION ALL SELECT coalesce(qr_scene_str, subscribe_scene, ''), 0, 1 FROM followers
         ) AS one GROUP BY scene ORDER BY scene"
    ),
];

fn scenes(reader: &Reader) -> [Vec<(String, i64, i64)>; 2] {
    SCENES.map(|sums| {
        let rows = reader.read(|sql| {
            sql.all(&sums, &[], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
        });
        rows.unwrap()
    })
}

/// After each of these steps the net of all days is the number of followers, and scenes are counted as by hand.
fn counts_are_right(store: &Store, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut pushes: Vec<Record> = Vec::new();
    let mut syncing = false;
    for step in steps {
        let number = pushes.len();
        let sent = |person: &usize, at: &i64, effect| push(number, PEOPLE[*person], *at, effect);
        let new = match step {
            Step::Subscribe { person, at } => {
                let scene = (at % 2 == 0).then(|| format!("poster-{}", at % 6));
                Some(sent(person, at, Effect::Follow { scene }))
            }
            Step::Unsubscribe { person, at } => Some(sent(person, at, Effect::Leave)),
            Step::CloseAccount { person, at } => {
                let openid = PEOPLE[*person].to_owned();
                Some(push(
                    number,
                    "oSynHelper",
                    *at,
                    Effect::AccountClosed { openid },
                ))
            }
            Step::Again(back) => {
                let push = number.checked_sub(back + 1).map(|at| pushes[at].clone());
                if let Some(push) = push {
                    prop_assert_ne!(record(store, push), NEW);
                }
                None
            }
            Step::SyncBegins { at } => {
                store.sync_begin(*at).unwrap();
                syncing = true;
                None
            }
            Step::SyncEnds { follows, at, known } => {
                if !syncing {
                    store.sync_begin(*at).unwrap();
                }
                sync(store, *follows, *at, *known);
                syncing = false;
                None
            }
            Step::Forget { person } => {
                store
                    .erase(&store.reader().unwrap(), PEOPLE[*person])
                    .unwrap();
                None
            }
        };
        if let Some(new) = new {
            prop_assert_eq!(record(store, new.clone()), NEW);
            pushes.push(new);
        }
        let (net, followers): (i64, i64) = store
            .reader()
            .unwrap()
            .read(|sql| sql.one(&NET, &[], |row| Ok((row.get(0)?, row.get(1)?))))
            .unwrap();
        prop_assert_eq!(net, followers, "after {:?} of {:?}", step, steps);
        prop_assert!(
            every_push_is_counted(store),
            "after {:?} of {:?}",
            step,
            steps
        );
        let [counted, by_hand] = scenes(&store.reader().unwrap());
        prop_assert_eq!(counted, by_hand, "after {:?} of {:?}", step, steps);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn net_and_scenes_are_what_a_count_by_hand_gives_whatever_happens(
        steps in proptest::collection::vec(step(), 1..40)
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("wechat.db").as_path().into()).unwrap();
        counts_are_right(&store, &steps)?;
    }
}

#[cfg(feature = "mysql")]
proptest! {
    // Each makes a database.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_on_a_server(steps in proptest::collection::vec(step(), 1..40)) {
        if let Some(options) = crate::store::mysql::tests::new_database() {
            counts_are_right(&Store::open(&options).unwrap(), &steps)?;
        }
    }
}
