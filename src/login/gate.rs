//! Whether a visitor may pass a gate.

use std::fmt;

use crate::config::{Gate, Login, Method, Who};
use crate::store::Visitor;

/// The headers that tell the app who a visitor is. A proxy has to set every one of them: else the app believes what the
/// visitor sent under its name.
pub const HEADERS: [&str; 7] = [
    "Remote-User",
    "X-WeChat-Openid",
    "X-WeChat-Subscribed",
    "X-WeChat-Unionid",
    "X-WeChat-Nickname",
    "X-WeChat-Method",
    "X-WeChat-Session",
];

/// What becomes of a visitor at a gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// The visitor passes.
    Pass,
    /// A log-in is needed: there is no session, it is too old, or it began in another way than the gate takes.
    LogIn,
    /// Another log-in of this person would change nothing.
    Refused(Refusal),
}

/// Why a person may not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The person does not follow the account.
    NotFollowing,
    /// The person has not this tag.
    WithoutTag(String),
    /// The person is not in the gate's list.
    NotListed,
}

/// Decides. `login` says which ways to log in count where the gate names none; `now` is in Unix seconds.
#[must_use]
pub fn check(gate: &Gate, login: &Login, visitor: Option<&Visitor>, now: i64) -> Passage {
    let Some(visitor) = visitor else {
        return Passage::LogIn;
    };
    let methods = gate.methods.unwrap_or(login.methods);
    let method = Method::ALL
        .into_iter()
        .find(|method| method.name() == visitor.method);
    let age = now.saturating_sub(visitor.created_at);
    let is_too_old = gate
        .max_age
        .is_some_and(|most| u64::try_from(age).is_ok_and(|age| age > most.as_secs()));
    if is_too_old || !method.is_some_and(|method| methods.include(method)) {
        return Passage::LogIn;
    }
    let refusal = match &gate.who {
        Who::Anyone => None,
        Who::Followers => (!visitor.subscribed).then_some(Refusal::NotFollowing),
        Who::Tag(_) if !visitor.subscribed => Some(Refusal::NotFollowing),
        Who::Tag(tag) => (!visitor.tags.contains(tag)).then(|| Refusal::WithoutTag(tag.clone())),
        Who::Listed(openids) => (!openids.contains(&visitor.openid)).then_some(Refusal::NotListed),
    };
    refusal.map_or(Passage::Pass, Passage::Refused)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotFollowing => f.write_str("does not follow the account"),
            Refusal::WithoutTag(tag) => write!(f, "has not the tag {tag}"),
            Refusal::NotListed => f.write_str("is not in the list of the gate"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Methods;

    const NOW: i64 = 1_790_000_000;

    fn visitor() -> Visitor {
        Visitor {
            id: 1,
            openid: "oGateOne".to_owned(),
            unionid: None,
            method: "oauth".to_owned(),
            created_at: NOW - 60,
            expires_at: NOW + 60,
            subscribed: true,
            nickname: None,
            headimgurl: None,
            tags: vec!["VIP".to_owned()],
        }
    }

    fn gate(who: Who) -> Gate {
        Gate {
            who,
            ..Gate::default_gate()
        }
    }

    fn passes(gate: &Gate, visitor: &Visitor) -> Passage {
        check(gate, &Login::default(), Some(visitor), NOW)
    }

    #[test]
    fn who_has_no_session_logs_in_at_every_gate() {
        for who in [Who::Anyone, Who::Followers, Who::Listed(Vec::new())] {
            assert_eq!(
                check(&gate(who), &Login::default(), None, NOW),
                Passage::LogIn
            );
        }
    }

    #[test]
    fn each_gate_admits_those_that_it_names() {
        let stranger = Visitor {
            subscribed: false,
            tags: Vec::new(),
            ..visitor()
        };
        let (vip, other) = (Who::Tag("VIP".to_owned()), Who::Tag("vip".to_owned()));
        let listed = |openid: &str| Who::Listed(vec!["oGateTwo".to_owned(), openid.to_owned()]);
        let refused = Passage::Refused;
        for (who, follower, not_follower) in [
            (Who::Anyone, Passage::Pass, Passage::Pass),
            (
                Who::Followers,
                Passage::Pass,
                refused(Refusal::NotFollowing),
            ),
            (vip, Passage::Pass, refused(Refusal::NotFollowing)),
            (
                other,
                refused(Refusal::WithoutTag("vip".to_owned())),
                refused(Refusal::NotFollowing),
            ),
            (listed("oGateOne"), Passage::Pass, Passage::Pass),
            (
                listed("oGateOne2"),
                refused(Refusal::NotListed),
                refused(Refusal::NotListed),
            ),
        ] {
            let gate = gate(who);
            assert_eq!(passes(&gate, &visitor()), follower, "{gate:?}");
            assert_eq!(passes(&gate, &stranger), not_follower, "{gate:?}");
        }
    }

    #[test]
    fn an_old_session_logs_in_again_and_a_new_one_does_not() {
        let aged = |seconds| Gate {
            max_age: Some(Duration::from_secs(seconds)),
            ..Gate::default_gate()
        };
        assert_eq!(passes(&aged(59), &visitor()), Passage::LogIn);
        assert_eq!(passes(&aged(60), &visitor()), Passage::Pass);
        let from_the_future = Visitor {
            created_at: NOW + 5,
            ..visitor()
        };
        assert_eq!(passes(&aged(1), &from_the_future), Passage::Pass);
    }

    #[test]
    fn the_way_of_the_log_in_is_one_that_the_gate_takes_or_else_the_configuration() {
        let scan = Methods {
            oauth: false,
            scan: true,
        };
        let by_scan = Visitor {
            method: "scan".to_owned(),
            ..visitor()
        };
        let scan_only = Gate {
            methods: Some(scan),
            ..Gate::default_gate()
        };
        assert_eq!(passes(&scan_only, &visitor()), Passage::LogIn);
        assert_eq!(passes(&scan_only, &by_scan), Passage::Pass);
        let login = Login {
            methods: scan,
            ..Login::default()
        };
        let open = Gate::default_gate();
        assert_eq!(check(&open, &login, Some(&visitor()), NOW), Passage::LogIn);
        assert_eq!(check(&open, &login, Some(&by_scan), NOW), Passage::Pass);
        let unknown = Visitor {
            method: "magic".to_owned(),
            ..visitor()
        };
        assert_eq!(passes(&open, &unknown), Passage::LogIn);
    }

    #[test]
    fn a_refused_person_with_an_old_session_logs_in_first() {
        let stale = Gate {
            max_age: Some(Duration::from_secs(1)),
            who: Who::Listed(Vec::new()),
            ..Gate::default_gate()
        };
        assert_eq!(passes(&stale, &visitor()), Passage::LogIn);
    }
}
