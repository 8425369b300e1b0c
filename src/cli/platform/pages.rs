//! Reads a list that comes in pages, up to a limit.

/// What was read of a list.
#[derive(Debug)]
pub struct Listed<T> {
    pub items: Vec<T>,
    /// How many there are in all, if the answers say so.
    pub total: Option<i64>,
}

/// Reads up to `limit` items, at most `page` at once. `fetch` gets where to begin, from 0, and how many to ask for, and
/// returns some items and how many there are in all.
///
/// # Errors
/// Those of `fetch`.
pub fn in_pages<T, E>(
    limit: u32,
    page: u32,
    mut fetch: impl FnMut(u32, u32) -> Result<(Vec<T>, Option<i64>), E>,
) -> Result<Listed<T>, E> {
    let mut items = Vec::new();
    let (mut begin, mut total) = (0, None);
    while begin < limit {
        let count = (limit - begin).min(page);
        let (some, in_all) = fetch(begin, count)?;
        total = in_all.or(total);
        let came = u32::try_from(some.len()).unwrap_or(u32::MAX);
        items.extend(some);
        begin = begin.saturating_add(came);
        if came < count || total.is_some_and(|total| i64::from(begin) >= total) {
            break;
        }
    }
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Listed { items, total })
}

impl<T> Listed<T> {
    /// `20 of 21`, if the limit left some out.
    pub fn left_out(&self) -> Option<String> {
        let shown = self.items.len();
        let total = usize::try_from(self.total?).ok()?;
        (total > shown).then(|| format!("{shown} of {total}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a list of this many, and returns what was asked for too.
    fn read(limit: u32, many: u32, says_total: bool) -> (Listed<u32>, Vec<(u32, u32)>) {
        let mut asked = Vec::new();
        let fetch = |begin: u32, count: u32| -> Result<_, ()> {
            asked.push((begin, count));
            let page = (begin..many.min(begin + count)).collect();
            Ok((page, says_total.then_some(i64::from(many))))
        };
        let listed = in_pages(limit, 20, fetch).expect("no errors");
        (listed, asked)
    }

    #[test]
    fn a_list_is_read_to_its_end_or_to_the_limit() {
        for (limit, many, total, asked) in [
            (100, 45, true, vec![(0, 20), (20, 20), (40, 20)]),
            (100, 40, true, vec![(0, 20), (20, 20)]),
            (100, 40, false, vec![(0, 20), (20, 20), (40, 20)]),
            (25, 45, true, vec![(0, 20), (20, 5)]),
            (3, 0, true, vec![(0, 3)]),
        ] {
            let (listed, were) = read(limit, many, total);
            assert_eq!(were, asked, "{limit} of {many}");
            assert_eq!(listed.items, (0..many.min(limit)).collect::<Vec<_>>());
        }
        assert_eq!(read(25, 45, true).0.left_out().as_deref(), Some("25 of 45"));
        assert_eq!(read(45, 45, true).0.left_out(), None);
        assert_eq!(read(25, 45, false).0.left_out(), None);
    }
}
