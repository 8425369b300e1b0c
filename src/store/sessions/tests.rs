//! Tests of sessions.

use super::*;
use crate::store::both_engines::on_both_engines;
use crate::store::sql::{Sql, Value};
use crate::store::statement::{Statement, statement};

const NOW: i64 = 1_790_000_000;

const ADD_TAGS: Statement =
    statement!("INSERT INTO tags (id, name) VALUES (2, 'two'), (100, 'VIP'), (101, 'no')");
const ADD_FOLLOWER: Statement = statement!(
    "INSERT INTO followers (openid, subscribe_time, unionid, nickname, headimgurl, tagid_list)
     VALUES ('oSynOne', 7, 'u', 'n', 'h', '[100,2,55]')"
);
const FORGET_UNIONID: Statement = statement!("UPDATE sessions SET unionid = NULL");
const SET_TAGS: Statement = statement!("UPDATE followers SET tagid_list = ?1");

fn hash(n: u8) -> [u8; 32] {
    [n; 32]
}

fn of(openid: &str, n: u8) -> NewSession {
    NewSession {
        token_hash: hash(n),
        openid: openid.to_owned(),
        unionid: None,
        method: "oauth".to_owned(),
        created_at: NOW + i64::from(n),
        expires_at: NOW + 1_000 + i64::from(n),
        address: Some("192.0.2.7".to_owned()),
        agent: None,
    }
}

fn change(store: &Store, statement: &'static Statement) {
    let done = store.writer.write(move |sql| sql.run(statement, &[]));
    done.unwrap();
}

fn visitor_of(store: &Store, n: u8) -> Option<Visitor> {
    store.reader().unwrap().visitor(&hash(n), NOW).unwrap()
}

fn id_of(store: &Store, n: u8) -> i64 {
    visitor_of(store, n).unwrap().id
}

/// Id, person, and when last seen, of all that are listed.
fn listed(store: &Store, openid: Option<&str>, now: i64) -> Vec<(i64, String, Option<i64>)> {
    let filter = SessionFilter {
        openid: openid.map(str::to_owned),
        now,
        limit: None,
    };
    let mut rows = Vec::new();
    let each = |row: SessionRow| {
        rows.push((row.id, row.openid, row.seen_at));
        Ok::<(), StoreError>(())
    };
    store.reader().unwrap().sessions(&filter, each).unwrap();
    rows
}

#[test]
fn a_session_takes_the_place_of_the_one_that_the_browser_had() {
    on_both_engines(|store| {
        store.begin_session(of("oSynOne", 1), None).unwrap();
        store.begin_session(of("oSynTwo", 2), None).unwrap();
        store
            .begin_session(of("oSynThree", 3), Some(hash(1)))
            .unwrap();
        assert_eq!(visitor_of(store, 1), None);
        assert_eq!(visitor_of(store, 2).unwrap().openid, "oSynTwo");
        assert_eq!(visitor_of(store, 3).unwrap().openid, "oSynThree");
        assert!(store.end_session(hash(3)).unwrap());
        assert!(!store.end_session(hash(3)).unwrap());
        assert_eq!(visitor_of(store, 3), None);
    });
}

#[test]
fn a_visitor_is_what_the_followers_say_now() {
    on_both_engines(|store| {
        let session = NewSession {
            unionid: Some("own".to_owned()),
            ..of("oSynOne", 1)
        };
        store.begin_session(session, None).unwrap();
        let stranger = Visitor {
            id: id_of(store, 1),
            openid: "oSynOne".to_owned(),
            unionid: Some("own".to_owned()),
            method: "oauth".to_owned(),
            created_at: NOW + 1,
            expires_at: NOW + 1_001,
            subscribed: false,
            nickname: None,
            headimgurl: None,
            tags: Vec::new(),
        };
        assert_eq!(visitor_of(store, 1), Some(stranger.clone()));
        change(store, &ADD_TAGS);
        change(store, &ADD_FOLLOWER);
        let follower = Visitor {
            subscribed: true,
            nickname: Some("n".to_owned()),
            headimgurl: Some("h".to_owned()),
            tags: vec!["two".to_owned(), "VIP".to_owned()],
            ..stranger
        };
        assert_eq!(visitor_of(store, 1), Some(follower.clone()));
        change(store, &FORGET_UNIONID);
        assert_eq!(visitor_of(store, 1).unwrap().unionid, Some("u".to_owned()));
        let texts = ["no json", "{}", "[]"].map(|text| Value::Text(text.as_bytes()));
        let others = [Value::Integer(7), Value::Null, Value::Bytes(&[0])];
        for nonsense in texts.into_iter().chain(others) {
            let set = move |sql: &mut dyn Sql| sql.run(&SET_TAGS, &[nonsense]);
            store.writer.write(set).unwrap();
            let tags = visitor_of(store, 1).unwrap().tags;
            assert_eq!(tags, Vec::<String>::new(), "{nonsense:?}");
        }
    });
}

#[test]
fn a_session_that_has_expired_is_none_and_its_row_goes() {
    on_both_engines(|store| {
        for n in 1..=3 {
            store.begin_session(of("oSynOne", n), None).unwrap();
        }
        let at = |n, now| store.reader().unwrap().visitor(&hash(n), now).unwrap();
        assert!(at(2, NOW + 1_001).is_some());
        assert_eq!(at(2, NOW + 1_002), None);
        assert_eq!(listed(store, None, NOW + 1_002).len(), 1);
        assert_eq!(store.remove_expired_sessions(NOW + 1_002, 1).unwrap(), 1);
        assert_eq!(store.remove_expired_sessions(NOW + 1_002, 9).unwrap(), 1);
        assert_eq!(store.remove_expired_sessions(NOW + 1_002, 9).unwrap(), 0);
        assert!(at(3, NOW + 1_002).is_some());
    });
}

#[test]
fn one_session_those_of_a_person_and_all_can_be_ended() {
    on_both_engines(|store| {
        let people = ["oSynOne", "oSynTwo", "oSynOne", "oSynTwo", "oSynThree"];
        for (person, n) in people.iter().zip(1..) {
            store.begin_session(of(person, n), None).unwrap();
        }
        assert_eq!(listed(store, Some("oSynOne"), NOW).len(), 2);
        let [one, third, fifth] = [1, 3, 5].map(|n| id_of(store, n));
        assert_eq!(store.end_sessions(Ending::One(one)).unwrap(), 1);
        assert_eq!(store.end_sessions(Ending::One(one)).unwrap(), 0);
        let two = Ending::Of("oSynTwo".to_owned());
        assert_eq!(store.end_sessions(two.clone()).unwrap(), 2);
        assert_eq!(store.end_sessions(two).unwrap(), 0);
        let left = listed(store, None, NOW);
        assert_eq!(
            left,
            [
                (fifth, "oSynThree".to_owned(), None),
                (third, "oSynOne".to_owned(), None)
            ]
        );
        assert_eq!(store.end_sessions(Ending::All).unwrap(), 2);
        assert_eq!(store.end_sessions(Ending::All).unwrap(), 0);
        assert_eq!(listed(store, None, NOW), []);
    });
}

#[test]
fn more_than_one_step_of_sessions_ends_with_all() {
    on_both_engines(|store| {
        let many = |sql: &mut dyn Sql| {
            (0..450_u32).try_for_each(|n| {
                let mut hash = [0; 32];
                hash[..4].copy_from_slice(&n.to_be_bytes());
                let (openid, none) = (format!("oSyn{n}"), None::<&str>);
                let values = values![hash, openid, none, "scan", 1, 2_000_000_000, none, none];
                sql.insert(&BEGIN, values).map(drop)
            })
        };
        store.writer.write(many).unwrap();
        assert_eq!(store.end_sessions(Ending::All).unwrap(), 450);
        assert_eq!(listed(store, None, NOW), []);
    });
}

#[test]
fn a_person_has_no_more_than_a_hundred_sessions_and_the_oldest_ends() {
    on_both_engines(|store| {
        store.begin_session(of("oSynTwo", 200), None).unwrap();
        for n in 1..=105 {
            store.begin_session(of("oSynOne", n), None).unwrap();
        }
        assert_eq!(listed(store, Some("oSynOne"), NOW).len(), 100);
        assert_eq!(visitor_of(store, 5), None);
        assert!(visitor_of(store, 6).is_some());
        assert!(visitor_of(store, 105).is_some());
        assert!(visitor_of(store, 200).is_some());
    });
}

#[test]
fn when_a_session_was_used_never_goes_back_or_to_another() {
    on_both_engines(|store| {
        store.begin_session(of("oSynOne", 1), None).unwrap();
        let id = id_of(store, 1);
        let seen = |at| {
            store.sessions_seen(vec![(id, at), (77, at)]).unwrap();
            listed(store, None, NOW)[0].2
        };
        assert_eq!(seen(NOW), None, "before it began: this was another");
        assert_eq!(seen(NOW + 5), Some(NOW + 5));
        assert_eq!(seen(NOW + 4), Some(NOW + 5));
        assert_eq!(seen(NOW + 6), Some(NOW + 6));
    });
}

#[test]
fn what_a_browser_calls_itself_is_kept_in_part() {
    on_both_engines(|store| {
        let session = NewSession {
            agent: Some("é".repeat(5_000)),
            ..of("oSynOne", 1)
        };
        store.begin_session(session, None).unwrap();
        let mut agents = Vec::new();
        let each = |row: SessionRow| {
            agents.push(row.agent.unwrap());
            Ok::<(), StoreError>(())
        };
        let filter = SessionFilter::default();
        store.reader().unwrap().sessions(&filter, each).unwrap();
        assert_eq!(agents, ["é".repeat(512)]);
    });
}
