//! The client connections by slot: counts them, orders them by age, closes them.

use std::collections::BTreeSet;
use std::time::Instant;

use super::connection::{Connection, Phase};

/// The connections, and what is known of all of them together.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Option<Connection>>,
    vacant: Vec<usize>,
    /// By phase, oldest first.
    phases: [BTreeSet<(Instant, usize)>; Phase::ALL.len()],
    /// Those in [`Phase::Queued`] by the number of their requests so far.
    turns: BTreeSet<(u32, usize)>,
    /// How many requests that have just gone inside were queued first.
    sent_ahead: usize,
    /// Bytes that all buffers hold.
    buffered: usize,
}

impl Connections {
    pub(super) fn open(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    pub(super) fn buffered(&self) -> usize {
        self.buffered
    }

    pub(super) fn get(&self, index: usize) -> Option<&Connection> {
        self.slots.get(index)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Connection> {
        self.slots.get_mut(index)?.as_mut()
    }

    /// The slots that are in use.
    pub(super) fn indices(&self) -> Vec<usize> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(index, slot)| slot.is_some().then_some(index))
            .collect()
    }

    pub(super) fn of(&self, phase: Phase) -> &BTreeSet<(Instant, usize)> {
        &self.phases[phase as usize]
    }

    pub(super) fn oldest(&self, phase: Phase) -> Option<(Instant, usize)> {
        self.of(phase).first().copied()
    }

    /// How many are in one of these phases.
    pub(super) fn count(&self, phases: &[Phase]) -> usize {
        phases.iter().map(|phase| self.of(*phase).len()).sum()
    }

    /// How many requests that have just gone inside had to wait for their turn.
    pub(super) fn sent_ahead(&self) -> usize {
        self.sent_ahead
    }

    /// The queued connection that has had the fewest requests answered.
    pub(super) fn least_served(&self) -> Option<usize> {
        self.turns.first().map(|&(_, index)| index)
    }

    /// The queued connection that has had the most requests answered.
    pub(super) fn most_served(&self) -> Option<usize> {
        self.turns.last().map(|&(_, index)| index)
    }

    pub(super) fn insert(&mut self, connection: Connection) -> usize {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[index] = Some(connection);
        self.list(index);
        index
    }

    /// A phase begins at `since`.
    pub(super) fn enter(&mut self, index: usize, phase: Phase, since: Instant) {
        self.unlist(index);
        if let Some(connection) = self.get_mut(index) {
            connection.begin(phase, since);
        }
        self.list(index);
    }

    pub(super) fn close(&mut self, index: usize) {
        self.unlist(index);
        if let Some(connection) = self.slots.get_mut(index).and_then(Option::take) {
            self.buffered -= connection.accounted;
            self.vacant.push(index);
        }
    }

    /// Brings the sum of all buffers up to date after this connection's have changed.
    pub(super) fn account(&mut self, index: usize) {
        if let Some(connection) = self.slots.get_mut(index).and_then(Option::as_mut) {
            self.buffered -= connection.accounted;
            connection.accounted = connection.held();
            self.buffered += connection.accounted;
        }
    }

    fn list(&mut self, index: usize) {
        if let Some(connection) = self.slots.get(index).and_then(Option::as_ref) {
            self.phases[connection.phase as usize].insert((connection.since, index));
            self.sent_ahead += usize::from(connection.is_ahead());
            if connection.phase == Phase::Queued {
                self.turns.insert((connection.requests, index));
            }
        }
    }

    fn unlist(&mut self, index: usize) {
        if let Some(connection) = self.slots.get(index).and_then(Option::as_ref) {
            self.phases[connection.phase as usize].remove(&(connection.since, index));
            self.sent_ahead -= usize::from(connection.is_ahead());
            if connection.phase == Phase::Queued {
                self.turns.remove(&(connection.requests, index));
            }
        }
    }
}
