//! For whom answers are kept, as far as known: every push asks, and almost always it is nobody.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The people for whom an answer is kept. The store decides; this saves most pushes from asking it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    people: Mutex<People>,
    /// Whether there are any, so that pushes need no lock.
    any: AtomicBool,
}

#[derive(Debug, Default)]
struct People {
    known: HashSet<String>,
    /// Of these, whom the store may not have named yet when it was last asked.
    added: Vec<String>,
}

impl Kept {
    pub(super) fn has(&self, openid: &str) -> bool {
        self.any.load(Ordering::Relaxed) && self.lock().known.contains(openid)
    }

    pub(super) fn add(&self, openid: String) {
        let mut people = self.lock();
        people.added.push(openid.clone());
        people.known.insert(openid);
        self.any.store(true, Ordering::Relaxed);
    }

    /// Takes over what the store says, and keeps who is added while it is asked.
    ///
    /// # Errors
    /// That of `ask`; then nothing changes.
    pub(super) fn refresh<E>(&self, ask: impl FnOnce() -> Result<Vec<String>, E>) -> Result<(), E> {
        self.lock().added.clear();
        let kept = ask()?;
        let mut people = self.lock();
        let added = people.added.iter().cloned();
        people.known = kept.into_iter().chain(added).collect();
        let is_anybody = !people.known.is_empty();
        self.any.store(is_anybody, Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_forgotten_who_is_added_while_the_store_is_asked() {
        let kept = Kept::default();
        kept.add("oBefore".to_owned());
        let asked: Result<(), ()> = kept.refresh(|| {
            kept.add("oMeanwhile".to_owned());
            Ok(vec!["oStored".to_owned()])
        });
        assert_eq!(asked, Ok(()));
        let known = ["oBefore", "oMeanwhile", "oStored"].map(|openid| kept.has(openid));
        assert_eq!(known, [false, true, true]);
        assert_eq!(kept.refresh(|| Err("gone")), Err("gone"));
        assert!(kept.has("oStored"));
        let asked: Result<(), ()> = kept.refresh(|| Ok(Vec::new()));
        assert_eq!(asked, Ok(()));
        assert!(!kept.has("oStored") && !kept.has("oMeanwhile"));
    }
}
