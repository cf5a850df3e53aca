//! Tables for people. On a terminal a table fits its width: the least important columns are left
//! out, which is said, and long cells are cut or wrapped. Elsewhere it is as wide as it needs to
//! be.

use super::output::{note, printable, put, terminal_size};
use crate::error::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use console::{measure_text_width, truncate_str};
use std::sync::Once;

/// The narrowest terminal that a table is fitted to.
const WIDTH_MIN: usize = 40;
/// The width that a long cell keeps in any case.
const FLOOR: usize = 12;
/// The width that a long cell keeps when a column is shown that could be left out.
const COMFORT: usize = 24;
/// The width that an id keeps, which is wrapped and not cut, in a table that does not fit at all.
const WRAPPED: usize = 8;
/// Columns of short values, which are not cut; ids and numbers are not cut either.
const WHOLE: &[&str] =
    &["time", "tenant", "level", "segment", "date", "start", "oldest", "newest", "path"];
/// The spaces around a cell.
const PADDING: usize = 2;

/// What becomes of cells that are too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LongCells {
    /// They end in an ellipsis.
    Cut,
    /// They continue in the next line.
    Wrap,
}

/// The columns of a table, and what it does where it does not fit. Columns that are neither `core`
/// nor `spare` always stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableShape<'a> {
    pub(super) headers: &'a [&'a str],
    /// The columns of numbers, which are right-aligned.
    pub(super) numbers: &'a [usize],
    /// The columns that stay as long as there is room for some of each cell, the most important
    /// first.
    pub(super) core: &'a [&'a str],
    /// The columns that stay if no other has to be cut short for them, the most important first.
    pub(super) spare: &'a [&'a str],
    pub(super) long: LongCells,
}

/// A table as text.
#[derive(Debug, Default)]
pub(super) struct FittedTable {
    pub(super) text: String,
    left_out: Vec<String>,
    /// Whether cells were cut.
    cut: bool,
    width: usize,
}

/// Prints rows as a table under headers that shows every column, the given ones right-aligned.
pub(super) fn table(headers: &[&str], rows: &[Vec<String>], numbers: &[usize]) -> Result<()> {
    let shape = TableShape { headers, numbers, core: &[], spare: &[], long: LongCells::Wrap };
    put(&shape.fit(rows).text)
}

impl FittedTable {
    /// Says what is missing in the table and how to see it: once, however many tables there are.
    pub(super) fn say_what_is_missing(&self, remedy: &str) {
        static SAID: Once = Once::new();
        let mut missing = Vec::new();
        if !self.left_out.is_empty() {
            let names = self.left_out.join(", ");
            missing.push(format!("left out to fit {} columns: {names}", self.width));
        }
        if self.cut {
            missing.push("long values are cut (…)".to_owned());
        }
        if !missing.is_empty() {
            SAID.call_once(|| note(&format!("annals: {}; {remedy}", missing.join("; "))));
        }
    }
}

impl TableShape<'_> {
    /// Formats rows for the terminal, or at full width if there is none.
    pub(super) fn fit(&self, rows: &[Vec<String>]) -> FittedTable {
        self.fit_to(rows, terminal_size().map(|(width, _)| width.max(WIDTH_MIN)))
    }

    fn fit_to(&self, rows: &[Vec<String>], width: Option<usize>) -> FittedTable {
        let shown: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
        let full: Vec<usize> = (0..self.headers.len())
            .map(|column| {
                let cells = shown.iter().map(|row| measure_text_width(&row[column]));
                let longest = cells.max().unwrap_or_default();
                longest.max(self.headers[column].chars().count()).min(width.unwrap_or(usize::MAX))
            })
            .collect();
        let Some(width) = width else {
            let all: Vec<usize> = (0..full.len()).collect();
            return FittedTable { text: self.text(&shown, &all, None), ..FittedTable::default() };
        };
        let kept = self.choose(&full, width);
        let widths = self.widths(&kept, &full, width);
        let mut fitted = FittedTable { width, ..FittedTable::default() };
        fitted.left_out = (0..full.len())
            .filter(|column| !kept.contains(column))
            .map(|column| self.headers[column].to_owned())
            .collect();
        let mut cells = shown;
        for (column, width) in kept.iter().zip(&widths) {
            if self.long == LongCells::Wrap || self.is_whole(*column) {
                continue;
            }
            for cell in cells.iter_mut().map(|row| &mut row[*column]) {
                if measure_text_width(cell) > *width {
                    *cell = truncate_str(cell, *width, "…").into_owned();
                    fitted.cut = true;
                }
            }
        }
        fitted.text = self.text(&cells, &kept, Some(&widths));
        fitted
    }

    fn is_whole(&self, column: usize) -> bool {
        let name = self.headers[column];
        self.numbers.contains(&column)
            || WHOLE.contains(&name)
            || name.ends_with("_id")
            || name.ends_with("_time")
    }

    /// The width that a column keeps if long cells keep `least`.
    fn least(&self, column: usize, full: usize, least: usize) -> usize {
        let header = self.headers[column].chars().count();
        if self.is_whole(column) { full } else { full.min(least.max(header)) }
    }

    /// Chooses the columns that fit, in order of importance: one that does not fit is passed over,
    /// and a narrower one may take its place.
    fn choose(&self, full: &[usize], width: usize) -> Vec<usize> {
        let optional = [self.core, self.spare].concat();
        let index = |name: &&str| self.headers.iter().position(|header| header == name);
        let mut kept: Vec<usize> =
            (0..full.len()).filter(|column| !optional.contains(&self.headers[*column])).collect();
        for (names, least) in [(self.core, FLOOR), (self.spare, COMFORT)] {
            for column in names.iter().filter_map(index) {
                let with = kept.iter().copied().chain([column]);
                let needed: usize =
                    with.map(|column| self.least(column, full[column], least) + PADDING).sum();
                // The space behind the last cell is not printed.
                if needed <= width + 1 || kept.is_empty() {
                    kept.push(column);
                }
            }
        }
        kept.sort_unstable();
        kept
    }

    /// Takes from the widest columns what is too much: first from those that may be cut.
    fn widths(&self, kept: &[usize], full: &[usize], width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = kept.iter().map(|column| full[*column]).collect();
        let room = (width + 1).saturating_sub(PADDING * kept.len());
        let floors = [
            kept.iter().map(|column| self.least(*column, full[*column], FLOOR)).collect::<Vec<_>>(),
            kept.iter().map(|column| full[*column].min(WRAPPED)).collect(),
        ];
        for floors in floors {
            while widths.iter().sum::<usize>() > room {
                let widest = (0..widths.len())
                    .filter(|at| widths[*at] > floors[*at])
                    .max_by_key(|at| widths[*at]);
                let Some(widest) = widest else { break };
                widths[widest] -= 1;
            }
        }
        widths
    }

    fn text(&self, cells: &[Vec<String>], kept: &[usize], widths: Option<&[usize]>) -> String {
        let mut table = Table::new();
        table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(kept.iter().map(|column| Cell::new(self.headers[*column].to_uppercase())));
        for row in cells {
            table.add_row(kept.iter().map(|column| &row[*column]));
        }
        for (at, column) in kept.iter().enumerate() {
            let Some(shown) = table.column_mut(at) else { continue };
            if self.numbers.contains(column) {
                shown.set_cell_alignment(CellAlignment::Right);
            }
            if let Some(width) = widths.map(|widths| widths[at] + PADDING) {
                let width = u16::try_from(width).unwrap_or(u16::MAX);
                shown.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            }
        }
        if widths.is_some() {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::MAX);
        }
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: TableShape<'_> = TableShape {
        headers: &["time", "event_name", "trace_id", "code", "count"],
        numbers: &[4],
        core: &["time", "event_name"],
        spare: &["trace_id", "code"],
        long: LongCells::Cut,
    };

    fn rows() -> Vec<Vec<String>> {
        let row = |name: &str, code: &str| {
            ["2026-03-01T08:00:00.000Z", name, "5a974e63-6821-42fc-a6cd-53a9cce9077b", code, "7"]
                .map(str::to_owned)
                .to_vec()
        };
        vec![row("unbindTheRecalledCouponsOfACustomer", "200"), row("解除客户关系\u{1b}", "")]
    }

    fn widest(fitted: &FittedTable) -> usize {
        fitted.text.lines().map(measure_text_width).max().unwrap_or_default()
    }

    #[test]
    fn the_least_important_columns_are_left_out() {
        for (width, left_out) in [
            (200, &[][..]),
            (103, &[]),
            (100, &["code"]),
            (80, &["trace_id"]),
            (60, &["trace_id", "code"]),
            (44, &["event_name", "trace_id"]),
        ] {
            let fitted = LIST.fit_to(&rows(), Some(width));
            assert_eq!(fitted.left_out, left_out, "{width}: {}", fitted.text);
            assert!(widest(&fitted) <= width, "{width}: {}", fitted.text);
            assert_eq!(fitted.text.lines().count(), 3, "no cell is wrapped: {}", fitted.text);
        }
    }

    #[test]
    fn long_cells_are_cut_visibly_and_ids_never() {
        let fitted = LIST.fit_to(&rows(), Some(104));
        assert!(fitted.cut && fitted.text.contains("unbindTheRecal"), "{}", fitted.text);
        assert!(fitted.text.contains('…'), "{}", fitted.text);
        assert!(fitted.text.contains(" 5a974e63-6821-42fc-a6cd-53a9cce9077b"), "{}", fitted.text);
        assert!(fitted.text.contains("解除客户关系\\x1b"), "{}", fitted.text);
        let whole = LIST.fit_to(&rows(), None);
        assert!(!whole.cut && whole.text.contains("CouponsOfACustomer"), "{}", whole.text);
    }

    #[test]
    fn chosen_columns_stay_and_their_ids_are_wrapped() {
        let chosen = TableShape { core: &[], spare: &[], ..LIST };
        let fitted = chosen.fit_to(&rows(), Some(60));
        assert!(fitted.left_out.is_empty() && widest(&fitted) <= 60, "{}", fitted.text);
        let id: String = fitted
            .text
            .lines()
            .skip(1)
            .flat_map(|line| line.split_whitespace())
            .filter(|word| word.chars().all(|letter| letter == '-' || letter.is_ascii_hexdigit()))
            .collect();
        assert!(id.contains("5a974e63") && fitted.text.lines().count() > 3, "{}", fitted.text);
    }
}
