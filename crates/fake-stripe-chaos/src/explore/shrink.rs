//! Delta debugging: the smallest part of something that still fails. Pure: whoever uses it tries the
//! candidates. (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002: `ddmin`,
//! by complements.)

/// Something that failed, on its way to becoming so small that leaving out any one member makes it pass.
#[derive(Debug)]
pub struct Shrink<T> {
    kept: Vec<T>,
    /// In how many parts it is cut.
    parts: usize,
    /// Which part is left out next.
    next: usize,
}

impl<T: Clone> Shrink<T> {
    #[must_use]
    pub const fn new(failing: Vec<T>) -> Self {
        Self { kept: failing, parts: 2, next: 0 }
    }

    /// What to try now; none when nothing can be left out any more. Never empty: that nothing passes is
    /// known.
    #[must_use]
    pub fn candidate(&self) -> Option<Vec<T>> {
        if self.kept.len() < 2 || self.next >= self.parts {
            return None;
        }
        let (from, to) = (self.border(self.next), self.border(self.next + 1));
        let rest = self.kept.iter().take(from).chain(self.kept.iter().skip(to));
        Some(rest.cloned().collect())
    }

    fn border(&self, part: usize) -> usize {
        self.kept.len() * part / self.parts
    }

    /// Takes in whether the candidate fails as well.
    pub fn tell(&mut self, fails: bool) {
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
            shrink.tell(verdict);
        }
        shrink.kept
    }

    #[test]
    fn two_that_only_fail_together_are_found_among_many() {
        let smallest = shrunk((0..40).collect(), |part| part.contains(&3) && part.contains(&31));
        assert_eq!(smallest, [3, 31]);
    }

    #[test]
    fn what_is_needed_whole_stays_whole() {
        assert_eq!(shrunk(vec![1, 2, 3], |part| part.len() == 3), [1, 2, 3]);
        assert_eq!(shrunk(vec![7], |_| true), [7]);
    }

    proptest! {
        #[test]
        fn nothing_can_be_left_out_of_the_smallest(causes in prop::collection::vec(prop::collection::btree_set(0..12_u8, 1..5), 1..4)) {
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
