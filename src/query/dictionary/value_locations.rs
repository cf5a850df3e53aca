//! Which segments contain the values of a field, with the code of the value there and the number of
//! rows that have it. One lookup in this table replaces a lookup in the dictionary of every
//! segment.

use hashbrown::HashMap;
use std::sync::{Arc, Weak};

/// Maximum number of locations that are kept per field (twelve bytes each).
const LOCATIONS_MAX: usize = 2 << 20;
/// A segment with more values of a field than this is not entered in the table.
pub(in crate::query) const VALUES_MAX: u32 = 2_048;

/// The locations of the values of a field, by their numbers.
#[derive(Debug)]
pub(in crate::query) struct ValueLocations {
    /// For each value its locations, in the order of the segments.
    of: Vec<Vec<ValueLocation>>,
    /// The segments in the table, as long as they exist.
    segments: HashMap<u32, Weak<u32>>,
    count: usize,
    most: usize,
    /// Whether there are more locations than may be kept.
    crowded: bool,
}

/// The location of a value.
#[derive(Debug, Clone, Copy)]
struct ValueLocation {
    /// The serial number of the segment.
    segment: u32,
    code: u32,
    rows: u32,
}

impl Default for ValueLocations {
    fn default() -> Self {
        Self {
            of: Vec::new(),
            segments: HashMap::new(),
            count: 0,
            most: LOCATIONS_MAX,
            crowded: false,
        }
    }
}

impl ValueLocations {
    /// Enters the values of a segment: their numbers in the order of their codes from 1, and how
    /// many rows have each. The serial number lives as long as the segment does.
    pub(in crate::query) fn add(&mut self, serial: &Arc<u32>, numbers: &[u32], rows: &[u32]) {
        if self.crowded
            || numbers.len() > VALUES_MAX as usize
            || self.segments.contains_key(serial.as_ref())
        {
            return;
        }
        if self.count + numbers.len() > self.most {
            self.forget_merged();
            // A table that is still half full after cleaning would be cleaned again and again.
            self.crowded = self.count > self.most / 2;
        }
        self.count += numbers.len();
        self.segments.insert(**serial, Arc::downgrade(serial));
        for ((code, number), rows) in (1..).zip(numbers).zip(rows) {
            let number = *number as usize;
            if self.of.len() <= number {
                self.of.resize_with(number + 1, Vec::new);
            }
            let locations = &mut self.of[number];
            // Segments mostly arrive in ascending order.
            let at = locations.partition_point(|location| location.segment < **serial);
            locations.insert(at, ValueLocation { segment: **serial, code, rows: *rows });
        }
    }

    fn forget_merged(&mut self) {
        self.segments.retain(|_, life| life.strong_count() > 0);
        for locations in &mut self.of {
            locations.retain(|location| self.segments.contains_key(&location.segment));
        }
        self.count = self.of.iter().map(Vec::len).sum();
    }

    /// Returns whether the values of a segment are in the table.
    pub(in crate::query) fn knows(&self, segment: u32) -> bool {
        self.segments.contains_key(&segment)
    }

    /// Returns the code of a value in a segment of the table and the number of rows that have it;
    /// `None` if no row has it.
    pub(in crate::query) fn find(&self, segment: u32, number: u32) -> Option<(u32, u32)> {
        let locations = self.of.get(number as usize)?;
        let at = locations.binary_search_by_key(&segment, |location| location.segment).ok()?;
        Some((locations[at].code, locations[at].rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_the_segments_that_have_them() {
        let mut locations = ValueLocations::default();
        let serials: Vec<Arc<u32>> = (0..3).map(Arc::new).collect();
        locations.add(&serials[2], &[7, 0], &[5, 6]);
        locations.add(&serials[0], &[7], &[1]);
        assert_eq!(
            (locations.find(2, 7), locations.find(2, 0), locations.find(0, 7)),
            (Some((1, 5)), Some((2, 6)), Some((1, 1)))
        );
        assert_eq!(
            (locations.find(0, 0), locations.find(1, 7), locations.find(2, 900)),
            (None, None, None)
        );
        assert!(locations.knows(0) && !locations.knows(1));
        locations.add(
            &Arc::new(9),
            &vec![1; VALUES_MAX as usize + 1],
            &vec![1; VALUES_MAX as usize + 1],
        );
        assert!(!locations.knows(9), "a segment of many values is asked by itself");
    }

    #[test]
    fn segments_that_were_merged_are_forgotten_and_what_does_not_fit_is_not_gone_through_again() {
        let mut locations = ValueLocations { most: 10, ..ValueLocations::default() };
        let merged = Arc::new(1);
        locations.add(&merged, &[0, 1, 2, 3], &[1; 4]);
        let alive: Vec<Arc<u32>> = (2..6).map(Arc::new).collect();
        locations.add(&alive[0], &[0, 1, 2, 3], &[1; 4]);
        drop(merged);
        locations.add(&alive[1], &[1, 2, 3, 4], &[2; 4]);
        assert!(
            !locations.knows(1) && locations.knows(2) && locations.knows(3) && locations.count == 8
        );
        assert_eq!((locations.find(1, 0), locations.find(3, 4)), (None, Some((4, 2))));
        locations.add(&alive[2], &[1, 2, 3, 4], &[2; 4]);
        assert!(locations.knows(4) && locations.crowded, "it is full of segments that are there");
        locations.add(&alive[3], &[1], &[2]);
        assert!(!locations.knows(5) && locations.find(4, 1) == Some((1, 2)));
    }
}
