//! Delta debugging: finds the smallest part of a list that still fails. Pure: the caller tries the candidates.
//!
//! The algorithm is `ddmin` by complements (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing
//! Input", 2002).

/// Shrinks a failing list until it passes without any one of its members.
#[derive(Debug)]
pub struct Shrink<T> {
    kept: Vec<T>,
    /// The number of parts that the list is divided into.
    parts: usize,
    /// The part to leave out next.
    next: usize,
}

impl<T: Clone> Shrink<T> {
    #[must_use]
    pub const fn new(failing: Vec<T>) -> Self {
        Self { kept: failing, parts: 2, next: 0 }
    }

    /// Returns the next candidate, or none when every member is needed. A candidate is never empty, since the
    /// empty list passes.
    #[must_use]
    pub fn candidate(&self) -> Option<Vec<T>> {
        if self.kept.len() < 2 || self.next >= self.parts {
            return None;
        }
        let (from, to) = (self.boundary(self.next), self.boundary(self.next + 1));
        let rest = self.kept.iter().take(from).chain(self.kept.iter().skip(to));
        Some(rest.cloned().collect())
    }

    fn boundary(&self, part: usize) -> usize {
        self.kept.len() * part / self.parts
    }

    /// Records whether the candidate fails as well.
    pub fn record(&mut self, fails: bool) {
        if fails && let Some(candidate) = self.candidate() {
            self.kept = candidate;
            self.parts = (self.parts - 1).max(2);
            self.next = 0;
            return;
        }
        self.next += 1;
        if self.next >= self.parts && self.parts < self.kept.len() {
            self.parts = (self.parts * 2).min(self.kept.len());
            self.next = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shrunk(failing: Vec<u8>, mut fails: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let mut shrink = Shrink::new(failing);
        while let Some(candidate) = shrink.candidate() {
            let verdict = fails(&candidate);
            shrink.record(verdict);
        }
        shrink.kept
    }

    #[test]
    fn two_members_that_only_fail_together_are_found_among_many() {
        let smallest = shrunk((0..40).collect(), |part| part.contains(&3) && part.contains(&31));
        assert_eq!(smallest, [3, 31]);
    }

    #[test]
    fn a_list_keeps_all_needed_members() {
        assert_eq!(shrunk(vec![1, 2, 3], |part| part.len() == 3), [1, 2, 3]);
        assert_eq!(shrunk(vec![7], |_| true), [7]);
    }

    proptest! {
        #[test]
        fn the_smallest_list_passes_without_any_one_member(causes in prop::collection::vec(prop::collection::btree_set(0..12_u8, 1..5), 1..4)) {
            let fails = |part: &[u8]| causes.iter().any(|cause| cause.iter().all(|member| part.contains(member)));
            let smallest = shrunk((0..12).collect(), fails);
            prop_assert!(fails(&smallest));
            for index in 0..smallest.len() {
                let mut less = smallest.clone();
                less.remove(index);
                prop_assert!(!fails(&less), "{smallest:?} without {index}");
            }
        }
    }
}
