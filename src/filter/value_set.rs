//! Values of which a field is to have one.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// From how many values on they are searched instead of being compared one by one. Fewer are kept
/// as they were given.
const SEARCHED_MIN: usize = 16;

/// Texts of which a value is to be one. A scope may have many thousands of them, and is copied for
/// each run of a question, so copies share them, and many are kept in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ValueSet(Arc<Vec<String>>);

impl ValueSet {
    /// Returns whether a text is one of the values.
    pub fn contains(&self, text: &str) -> bool {
        if self.0.len() < SEARCHED_MIN {
            return self.0.iter().any(|value| value == text);
        }
        self.0.binary_search_by(|value| value.as_str().cmp(text)).is_ok()
    }

    /// Returns how many values a text is compared with at most.
    pub(super) fn comparisons(&self) -> u64 {
        let count = self.0.len();
        if count < SEARCHED_MIN { count as u64 } else { u64::from(count.ilog2()) + 1 }
    }

    /// Adds values out of order: [`ValueSet::put_in_order`] must follow before a text is looked up.
    pub(super) fn append(&mut self, more: &Self) {
        Arc::make_mut(&mut self.0).extend_from_slice(more);
    }

    /// Puts values that were appended in order.
    pub(super) fn put_in_order(&mut self) {
        in_order(Arc::make_mut(&mut self.0));
    }

    /// Returns the values of all sets.
    pub(super) fn union(mut sets: Vec<Self>) -> Self {
        match sets.len() {
            1 => sets.remove(0),
            // They are put in order once: there may be as many sets as values.
            _ => sets.iter().flat_map(|set| set.iter().cloned()).collect(),
        }
    }
}

fn in_order(values: &mut Vec<String>) {
    if values.len() >= SEARCHED_MIN {
        values.sort_unstable();
        values.dedup();
    }
}

impl Deref for ValueSet {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl From<Vec<String>> for ValueSet {
    fn from(mut values: Vec<String>) -> Self {
        in_order(&mut values);
        Self(Arc::new(values))
    }
}

impl FromIterator<String> for ValueSet {
    fn from_iter<I: IntoIterator<Item = String>>(values: I) -> Self {
        values.into_iter().collect::<Vec<String>>().into()
    }
}

/// As a list, which is what a set of few values is.
impl fmt::Debug for ValueSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_values_are_found_and_nothing_else_is() {
        for count in [0, 1, SEARCHED_MIN - 1, SEARCHED_MIN, 5_000] {
            // In no order, and some twice.
            let value = |number: usize| format!("customer:{}", number * 7_919 % 10_007);
            let all: Vec<String> = (0..count).chain(0..count.min(3)).map(value).collect();
            let set = ValueSet::from(all.clone());
            let grown = ValueSet::union(all.chunks(7).map(|some| some.to_vec().into()).collect());
            let mut added = ValueSet::default();
            all.chunks(7).for_each(|some| added.append(&some.to_vec().into()));
            added.put_in_order();
            assert_eq!(added, grown);
            for number in 0..count + 50 {
                let text = value(number);
                assert_eq!(set.contains(&text), all.contains(&text), "{count} {text}");
                assert_eq!(grown.contains(&text), all.contains(&text), "{count} {text}");
            }
            assert!(!set.contains("") && !set.contains("customer:"));
        }
    }

    #[test]
    fn many_values_are_searched_and_shared() {
        let many: ValueSet = (0..5_000).map(|number| format!("customer:{number}")).collect();
        assert!(many.comparisons() <= 13);
        assert!(Arc::ptr_eq(&many.0, &many.clone().0));
        assert!(Arc::ptr_eq(&many.0, &ValueSet::union(vec![many.clone()]).0));
        let few = ValueSet::from(vec!["b".to_owned(), "a".to_owned()]);
        assert_eq!((format!("{few:?}"), few.comparisons()), (r#"["b", "a"]"#.to_owned(), 2));
    }
}
