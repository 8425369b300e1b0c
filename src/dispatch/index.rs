//! The index behind [`super::Rules`]: finds the rules that may match a subject without trying each. It only skips rules
//! that cannot match; [`super::rules`] decides whether one does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};
use regex::{RegexSet, RegexSetBuilder};

use super::literals;
use super::subject::{Searched, Subject, Subjects};
use crate::config::{Aim, Rule, Test, without_end_marks};

/// Up to this many regular expressions are tried one by one: a set would only do the rules' work twice.
const FEW_REGEXES: usize = 8;

/// A literal shared by more regular expressions than this narrows the choice too little.
const MAX_SHARED: usize = 16;

/// The most regular expressions in one set. Much larger sets outgrow the automaton's cache and become very slow.
const MAX_SET: usize = 64;

/// Positions of rules in their list, in ascending order.
type Positions = Vec<usize>;

/// The index over one list of rules.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Rules that are tried for every subject.
    always: Positions,
    /// All others, by their aim and `case`.
    groups: Vec<((Aim, bool), Group)>,
}

/// Rules that compare in the same way, each indexed by one of its tests.
#[derive(Debug, Default)]
struct Group {
    /// Without end marks, which do not always count.
    equals: HashMap<String, Positions>,
    /// By the length of the prefix in bytes.
    prefixes: BTreeMap<usize, HashMap<String, Positions>>,
    contains: Option<Texts>,
    /// Literals that the matches of regular expressions can start with.
    literals: Option<Texts>,
    /// All other regular expressions.
    regexes: Vec<Regexes>,
}

/// Texts that are searched for together.
#[derive(Debug)]
struct Texts {
    automaton: AhoCorasick,
    /// By pattern.
    rules: Vec<Positions>,
}

#[derive(Debug)]
struct Regexes {
    set: RegexSet,
    /// By pattern.
    rules: Positions,
}

impl Index {
    /// Indexes each rule by its cheapest test.
    pub(super) fn new(rules: &[Rule]) -> Index {
        let mut index = Index::default();
        let kinds = [Aim::Key, Aim::Scan].map(|aim| [true, false].map(|case| (aim, case)));
        for kind in kinds.concat() {
            let rules = rules.iter().enumerate();
            let (group, mut always) = Group::new(
                rules.filter(|(_, rule)| (rule.aim, rule.case) == kind),
                kind.1,
            );
            index.always.append(&mut always);
            if !group.is_empty() {
                index.groups.push((kind, group));
            }
        }
        index.always.sort_unstable();
        index
    }

    /// The first position, in the order of the rules, for which `matches` has a result. Called only for rules that may
    /// match the subject.
    pub(super) fn first<T>(
        &self,
        subjects: &Subjects,
        mut matches: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        let always = self
            .always
            .iter()
            .find_map(|&position| Some((position, matches(position)?)));
        let limit = always
            .as_ref()
            .map_or(usize::MAX, |(position, _)| *position);
        let mut found = BTreeSet::new();
        for ((aim, case), group) in &self.groups {
            group.find(subjects.of_aim(*aim), *case, limit, &mut found);
        }
        let earlier = found.into_iter().find_map(matches);
        earlier.or(always.map(|(_, result)| result))
    }
}

impl Group {
    /// The group, and the positions of the rules that must always be tried.
    fn new<'r>(rules: impl Iterator<Item = (usize, &'r Rule)>, case: bool) -> (Group, Positions) {
        let mut group = Group::default();
        let mut always = Vec::new();
        let mut contains: BTreeMap<&str, Positions> = BTreeMap::new();
        let mut regexes: Vec<(&str, usize)> = Vec::new();
        for (position, rule) in rules {
            // All tests must hold, so any one of them can index the rule.
            match rule.tests.iter().min_by_key(|test| cost(test)) {
                Some(Test::Equals(patterns)) => {
                    for pattern in patterns {
                        let key = without_end_marks(pattern).to_owned();
                        note(group.equals.entry(key).or_default(), position);
                    }
                }
                Some(Test::Prefix(patterns)) => {
                    for pattern in patterns {
                        let same_length = group.prefixes.entry(pattern.len()).or_default();
                        note(same_length.entry(pattern.clone()).or_default(), position);
                    }
                }
                Some(Test::Contains(patterns)) if !patterns.iter().any(String::is_empty) => {
                    for pattern in patterns {
                        note(contains.entry(pattern).or_default(), position);
                    }
                }
                Some(Test::Regex(patterns)) => {
                    for pattern in patterns {
                        let both = std::iter::once(&pattern.written).chain(&pattern.folded);
                        regexes.extend(both.map(|regex| (regex.as_str(), position)));
                    }
                }
                Some(Test::Contains(_)) | None => always.push(position),
            }
        }
        group.contains = Texts::new(contains, true, &mut always);
        if regexes.len() <= FEW_REGEXES {
            always.extend(regexes.iter().map(|(_, position)| position));
        } else {
            let (by_literal, others) = by_literals(&regexes, case);
            group.literals = Texts::new(by_literal, case, &mut always);
            for some in others.chunks(MAX_SET) {
                group.regexes.extend(Regexes::new(some, case, &mut always));
            }
        }
        always.sort_unstable();
        always.dedup();
        (group, always)
    }

    fn is_empty(&self) -> bool {
        self.equals.is_empty()
            && self.prefixes.is_empty()
            && self.contains.is_none()
            && self.literals.is_none()
            && self.regexes.is_empty()
    }

    /// Adds the rules before `limit` that may match.
    fn find(&self, subject: &Subject, case: bool, limit: usize, found: &mut BTreeSet<usize>) {
        let mut add = |positions: &[usize]| {
            found.extend(positions.iter().take_while(|position| **position < limit));
        };
        let compared = subject.compared(case);
        if let Some(positions) = self.equals.get(without_end_marks(compared)) {
            add(positions);
        }
        for (length, prefixes) in self.prefixes.range(..=compared.len()) {
            let beginning = compared.get(..*length);
            if let Some(positions) = beginning.and_then(|text| prefixes.get(text)) {
                add(positions);
            }
        }
        if let Some(contains) = &self.contains {
            contains.find(compared, &mut add);
        }
        if self.literals.is_none() && self.regexes.is_empty() {
            return;
        }
        let mut before = None;
        for searched in subject.searched(case) {
            let (Searched::Written(text) | Searched::Folded(text)) = searched;
            if before.replace(text) == Some(text) {
                continue;
            }
            if let Some(literals) = &self.literals {
                literals.find(text, &mut add);
            }
            for regexes in &self.regexes {
                for hit in regexes.set.matches(text) {
                    add(&regexes.rules[hit..=hit]);
                }
            }
        }
    }
}

impl Texts {
    /// `None` if there is nothing to search for, or too much; the rules are then always tried.
    fn new<T: AsRef<str> + Ord>(
        patterns: BTreeMap<T, Positions>,
        case: bool,
        always: &mut Positions,
    ) -> Option<Texts> {
        if patterns.is_empty() {
            return None;
        }
        let automaton = AhoCorasickBuilder::new()
            .ascii_case_insensitive(!case)
            .build(patterns.keys().map(AsRef::as_ref));
        let rules = patterns.into_values();
        match automaton {
            Ok(automaton) => Some(Texts {
                automaton,
                rules: rules.collect(),
            }),
            Err(_) => {
                always.extend(rules.flatten());
                None
            }
        }
    }

    fn find(&self, text: &str, add: &mut impl FnMut(&[usize])) {
        for hit in self.automaton.find_overlapping_iter(text) {
            add(&self.rules[hit.pattern().as_usize()]);
        }
    }
}

impl Regexes {
    /// `None` if the set would be too large; the rules are then always tried.
    fn new(patterns: &[(&str, usize)], case: bool, always: &mut Positions) -> Option<Regexes> {
        let set = RegexSetBuilder::new(patterns.iter().map(|(pattern, _)| pattern))
            .case_insensitive(!case)
            .build();
        let rules = patterns.iter().map(|(_, position)| *position);
        match set {
            Ok(set) => Some(Regexes {
                set,
                rules: rules.collect(),
            }),
            Err(_) => {
                always.extend(rules);
                None
            }
        }
    }
}

/// Splits regular expressions into those that can be found by literals, by literal, and all others.
fn by_literals<'r>(
    regexes: &[(&'r str, usize)],
    case: bool,
) -> (BTreeMap<String, Positions>, Vec<(&'r str, usize)>) {
    let mut known = Vec::new();
    let mut others = Vec::new();
    let mut users: HashMap<String, usize> = HashMap::new();
    for &(pattern, position) in regexes {
        match literals::required(pattern, case) {
            Some(literals) => {
                for literal in &literals {
                    *users.entry(literal.clone()).or_default() += 1;
                }
                known.push((pattern, position, literals));
            }
            None => others.push((pattern, position)),
        }
    }
    let mut by_literal: BTreeMap<String, Positions> = BTreeMap::new();
    for (pattern, position, literals) in known {
        if literals.iter().any(|literal| users[literal] > MAX_SHARED) {
            others.push((pattern, position));
        } else {
            for literal in literals {
                note(by_literal.entry(literal).or_default(), position);
            }
        }
    }
    (by_literal, others)
}

/// Adds a position to a list unless it is already the last one.
fn note(positions: &mut Positions, position: usize) {
    if positions.last() != Some(&position) {
        positions.push(position);
    }
}

fn cost(test: &Test) -> u8 {
    match test {
        Test::Equals(_) => 0,
        Test::Prefix(_) => 1,
        Test::Contains(_) => 2,
        Test::Regex(_) => 3,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use crate::config::{About, Action, Aim, Folding, Kinds, Pattern, Rule, Test, fold};
    use crate::dispatch::Rules;
    use crate::dispatch::rules::{MatchResult, match_rule};
    use crate::dispatch::subject::Subjects;
    use crate::wechat::Push;

    const REGEXES: [&str; 24] = [
        "^a",
        "b$",
        "ab+",
        "",
        ".",
        "^(a|b) ?(c)?$",
        "A",
        "[[:upper:]]",
        "^ ",
        "é",
        "x",
        "a.*c",
        "ac",
        "bk?c",
        "(ab|ca)+",
        "éa",
        "(?i:CB)a",
        "Ａ+",
        "^ａ!$",
        "a(！)",
        "[！。]$",
        "b\u{200b}?c",
        "(?-i)A",
        "^(a).?$",
    ];

    /// Patterns and subjects.
    const TEXT: &str = "[abcABCkKéＡｂ 　!！。\u{200b}]{0,5}";

    fn about() -> impl Strategy<Value = About> {
        let listed =
            |names: &[&str]| Kinds::Listed(names.iter().map(|n| (*n).to_owned()).collect());
        prop_oneof![
            4 => Just(About::Messages(listed(&["text", "voice"]))),
            1 => Just(About::Messages(Kinds::Any)),
            1 => Just(About::Events(listed(&["click", "scancode_waitmsg"]))),
            1 => Just(About::Events(Kinds::Any)),
        ]
    }

    fn patterns() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::vec(TEXT, 1..3)
    }

    fn rule() -> impl Strategy<Value = Rule> {
        let option = proptest::option::weighted::<BoxedStrategy<Vec<String>>>;
        let regexes = proptest::collection::vec(proptest::sample::select(&REGEXES[..]), 1..3);
        let parts = (
            about(),
            any::<[bool; 2]>(),
            option(0.3, patterns().boxed()),
            option(0.3, patterns().boxed()),
            option(0.3, patterns().boxed()),
            proptest::option::weighted(0.4, regexes),
        );
        parts.prop_map(
            |(about, [case, scans], equals, prefix, contains, regexes)| {
                let mut rule = Rule {
                    name: String::new(),
                    line: 0,
                    about,
                    aim: if scans { Aim::Scan } else { Aim::Key },
                    tests: Vec::new(),
                    todo: false,
                    case,
                    action: Action::Silent,
                };
                let folding: Option<Folding> = (!case).then(|| rule.folding());
                let kept = |patterns: Vec<String>| -> Vec<String> {
                    let keep = |p: String| folding.map_or(p.clone(), |folding| fold(&p, folding));
                    patterns.into_iter().map(keep).collect()
                };
                let compile = |pattern: &str| Pattern::new(pattern, folding).unwrap();
                let tests = [
                    equals.map(|patterns| Test::Equals(kept(patterns))),
                    prefix.map(|patterns| Test::Prefix(kept(patterns))),
                    contains.map(|patterns| Test::Contains(kept(patterns))),
                    regexes.map(|list| Test::Regex(list.into_iter().map(compile).collect())),
                ];
                rule.tests = tests.into_iter().flatten().collect();
                rule
            },
        )
    }

    fn push(kind: usize, subject: &str, other: &str) -> Push {
        let kind = match kind {
            0 => serde_json::json!({ "MsgType": "text", "Content": subject, "MsgId": "1" }),
            1 => serde_json::json!({ "MsgType": "voice", "Recognition": subject, "MsgId": "1" }),
            2 => serde_json::json!({ "MsgType": "event", "Event": "CLICK", "EventKey": subject }),
            _ => serde_json::json!({
                "MsgType": "event",
                "Event": "scancode_waitmsg",
                "EventKey": other,
                "ScanCodeInfo": { "ScanType": "qrcode", "ScanResult": subject },
            }),
        };
        let mut body =
            serde_json::json!({ "ToUserName": "a", "FromUserName": "b", "CreateTime": 1 });
        let fields = body.as_object_mut().unwrap();
        fields.extend(kind.as_object().unwrap().clone());
        Push::parse(body.to_string().as_bytes()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn the_index_finds_the_same_rule_as_trying_each(
            list in proptest::collection::vec(rule(), 0..40),
            kind in 0..4usize,
            subject in TEXT,
            other in TEXT,
        ) {
            let push = push(kind, &subject, &other);
            let subjects = Subjects::of(&push);
            let each = list.iter().enumerate().find_map(|(n, rule)| match match_rule(rule, &push, &subjects) {
                MatchResult::Matches(groups) => Some((n, groups)),
                MatchResult::OtherKind | MatchResult::Fails(_) => None,
            });
            let mut named = list.clone();
            for (n, rule) in named.iter_mut().enumerate() {
                rule.line = n;
            }
            let rules = Rules::new(named);
            let indexed = rules.first(&push, &subjects).map(|found| (found.rule.line, found.groups));
            prop_assert_eq!(indexed, each);
        }
    }
}
