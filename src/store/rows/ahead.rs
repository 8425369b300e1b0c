//! Rows of pushes that are next to each other, inserted together before their turn: where each statement is a round trip.

use std::collections::{HashMap, HashSet};

use super::super::sql::{Many, Result, ToValue, Value, values};
use super::super::used::{CLAIM, Signature, USED_FOR_EACH};
use super::{INSERT, NewRow, Place, REMOVED, TAKE_BACK, THERE};

/// Rows with more text than this, in bytes, are inserted by several statements: a server refuses long ones.
const MOST_TEXT: usize = 1 << 20;

/// A row that may be inserted before its turn.
pub(in super::super) struct Ahead<'a> {
    pub(in super::super) row: NewRow<'a>,
    /// Where it is is noted here.
    pub(in super::super) place: &'a mut Place,
    /// Whether its turn must come before rows behind it are inserted.
    pub(in super::super) is_last: bool,
}

impl Ahead<'_> {
    fn digest(&self) -> i64 {
        self.row.used.push.unwrap_or_default()
    }

    /// What the order of rows goes by, which is the same on every machine.
    fn key(&self) -> (i64, &[u8]) {
        let key = match self.row.values[0] {
            Value::Text(key) => key,
            Value::Null | Value::Integer(_) | Value::Real(_) | Value::Bytes(_) => &[],
        };
        (self.digest(), key)
    }
}

/// Inserts the first of these rows before their turn, and notes of each where it is. Returns how many these are.
pub(in super::super) fn insert_ahead<'a>(
    many: &mut dyn Many,
    rows: impl Iterator<Item = Ahead<'a>>,
) -> Result<usize> {
    let (mut first, mut count) = (Vec::new(), 0);
    let mut signatures = HashSet::new();
    for row in rows {
        *row.place = Place::Unknown;
        let is_last = row.is_last;
        // What else comes with a signature is looked at when it is its turn.
        if signatures.insert(row.row.used.signature) {
            first.push((many.new_id(), row));
        }
        count += 1;
        if is_last {
            break;
        }
    }
    // All transactions lock rows in the same order. Further copies of a push are found when it is their turn.
    first.sort_by(|(_, one), (_, other)| one.key().cmp(&other.key()));
    first.dedup_by(|(_, later), (_, sooner)| later.key() == sooner.key());
    let mut left = &mut first[..];
    while !left.is_empty() {
        let mut text = 0;
        let fits = left.iter().take_while(|(_, ahead)| {
            text += ahead.row.values.iter().map(Value::length).sum::<usize>();
            text <= MOST_TEXT
        });
        let (part, others) = left.split_at_mut(fits.count().max(1));
        insert_part(many, part)?;
        left = others;
    }
    Ok(count)
}

fn insert_part(many: &mut dyn Many, part: &mut [(i64, Ahead<'_>)]) -> Result<()> {
    let mut used = HashMap::new();
    if insert_unknown(many, part, &used)? {
        return Ok(());
    }
    let signatures: Vec<Value<'_>> = part
        .iter()
        .map(|(_, ahead)| ahead.row.used.signature.value())
        .collect();
    many.find_all(&USED_FOR_EACH, &signatures, &mut |row| {
        used.insert(row.get(0)?, row.number(1));
        Ok(())
    })?;
    let keys: Vec<Value<'_>> = part.iter().map(|(_, ahead)| ahead.row.values[0]).collect();
    let mut there = HashSet::new();
    many.find_all(&THERE, &keys, &mut |row| {
        there.insert(row.some_text(0).into_bytes());
        Ok(())
    })?;
    for (_, ahead) in &mut *part {
        match used.get(&ahead.row.used.signature) {
            Some(push) if *push != ahead.row.used.push => *ahead.place = Place::Replayed(*push),
            Some(_) | None if there.contains(ahead.key().1) => *ahead.place = Place::NotNew,
            Some(_) | None => {}
        }
    }
    // If another one came meanwhile, they are inserted when it is their turn.
    insert_unknown(many, part, &used).map(drop)
}

/// Inserts those whose place is not known, and uses their signatures up unless they are `used` already; none, and false,
/// if one of them is there already.
fn insert_unknown(
    many: &mut dyn Many,
    part: &mut [(i64, Ahead<'_>)],
    used: &HashMap<Signature, Option<i64>>,
) -> Result<bool> {
    let unknown: Vec<&mut (i64, Ahead<'_>)> = part
        .iter_mut()
        .filter(|(_, ahead)| *ahead.place == Place::Unknown)
        .collect();
    if unknown.is_empty() {
        return Ok(true);
    }
    let rows: Vec<Vec<Value<'_>>> = unknown
        .iter()
        .map(|(id, ahead)| [&[id.value()], &ahead.row.values[..]].concat())
        .collect();
    let digests: Vec<Value<'_>> = unknown
        .iter()
        .map(|(_, ahead)| ahead.row.used.push.value())
        .collect();
    let claims: Vec<Vec<Value<'_>>> = unknown
        .iter()
        .map(|(_, ahead)| &ahead.row.used)
        .filter(|of| !used.contains_key(&of.signature))
        .map(|of| values![of.signature, of.received_at, of.push].to_vec())
        .collect();
    let mut removed = HashSet::new();
    // Who removes a message holds its row until that is committed: afterwards, what is read here is up to date.
    let all = [(&CLAIM, &claims[..]), (&INSERT, &rows)];
    let inserted = many.insert_all(&all, &REMOVED, &digests, &mut |row| {
        removed.insert(row.some_number(0));
        Ok(())
    })?;
    if !inserted {
        return Ok(false);
    }
    drop((rows, claims));
    for (id, ahead) in unknown {
        *ahead.place = match removed.contains(&ahead.digest()) {
            false => Place::At(*id),
            true => {
                many.run(&TAKE_BACK, values![*id])?;
                Place::NotNew
            }
        };
    }
    Ok(true)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests;
