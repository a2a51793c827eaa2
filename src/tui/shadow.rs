//! What is on the screen, for the rows where a terminal may see it otherwise than we do.
//!
//! Terminals disagree about the columns of combined characters: Devanagari conjuncts, emoji joined
//! by ZWJ, a base with marks. A frame that sends only what changed then leaves the difference behind,
//! in cells we believe to be blank, for as long as the console runs. Rows that hold or held such a
//! cluster are therefore sent whole, on a cleared line, with the cursor placed anew after each of
//! them; so a name from a remote can only ever look odd in its own cell.

use std::collections::BTreeMap;

use ratatui::buffer::{Cell, CellWidth as _};

/// The cells sent so far, by row.
#[derive(Clone, Debug, Default)]
pub(super) struct Shadow {
    rows: BTreeMap<u16, Row>,
}

#[derive(Clone, Debug, Default)]
struct Row {
    cells: Vec<Cell>,
    /// Clusters in it now that terminals may measure differently.
    delicate: usize,
}

impl Shadow {
    /// Remembers a cell that is about to be sent; answers whether its row must be sent whole, because
    /// it has such a cluster or loses one now.
    pub(super) fn put(&mut self, x: u16, y: u16, cell: &Cell) -> bool {
        let row = self.rows.entry(y).or_default();
        let at = usize::from(x);
        if row.cells.len() <= at {
            row.cells.resize(at + 1, Cell::default());
        }
        let had = row.delicate > 0;
        // What a wide cell covered is gone with it.
        let end = (at + usize::from(cell.cell_width().max(1))).min(row.cells.len());
        for covered in row.cells.get_mut(at..end).unwrap_or_default() {
            row.delicate -= usize::from(is_delicate(covered.symbol()));
            *covered = Cell::default();
        }
        row.delicate += usize::from(is_delicate(cell.symbol()));
        if let Some(place) = row.cells.get_mut(at) {
            place.clone_from(cell);
        }
        had || row.delicate > 0
    }

    /// A row in runs, each to be sent with a cursor move of its own.
    pub(super) fn runs(&self, y: u16) -> Vec<Vec<(u16, &Cell)>> {
        let cells = self.rows.get(&y).map(|row| row.cells.as_slice()).unwrap_or_default();
        let mut runs = vec![Vec::new()];
        let mut next = 0;
        for (x, cell) in (0_u16..).zip(cells) {
            if x < next {
                continue;
            }
            next = x.saturating_add(cell.cell_width().max(1));
            if let Some(run) = runs.last_mut() {
                run.push((x, cell));
            }
            if is_delicate(cell.symbol()) {
                runs.push(Vec::new());
            }
        }
        runs.retain(|run| !run.is_empty());
        runs
    }
}

/// Whether terminals may disagree about a cluster's columns. One character of one column, and the
/// ideographs of two, are the same everywhere.
fn is_delicate(symbol: &str) -> bool {
    let mut chars = symbol.chars();
    match (chars.next(), chars.next()) {
        (Some(only), None) => !only.is_ascii() && symbol.cell_width() != 1 && !is_ideograph(only),
        (Some(_), Some(_)) => true,
        (None, _) => false,
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(c as u32, 0x3041..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xAC00..=0xD7A3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(shadow: &mut Shadow, x: u16, text: &'static str) -> bool {
        shadow.put(x, 0, &Cell::new(text))
    }

    #[test]
    fn a_row_is_sent_whole_while_it_holds_a_conjunct_and_once_more_when_it_goes() {
        let mut shadow = Shadow::default();
        assert!(!put(&mut shadow, 0, "a"));
        assert!(!put(&mut shadow, 1, "漢"));
        assert!(put(&mut shadow, 3, "प्रि"));
        assert!(put(&mut shadow, 7, "b"), "any change in the row repaints it");
        assert!(put(&mut shadow, 3, " "), "the row that loses it");
        assert!(!put(&mut shadow, 4, " "), "and then it is a plain row again");
    }

    #[test]
    fn the_cursor_is_placed_anew_after_every_such_cluster() {
        let mut shadow = Shadow::default();
        put(&mut shadow, 0, "a");
        put(&mut shadow, 1, "👩\u{200d}👧");
        put(&mut shadow, 3, "b");
        put(&mut shadow, 4, "漢");
        put(&mut shadow, 6, "c");
        let runs: Vec<Vec<u16>> =
            shadow.runs(0).into_iter().map(|run| run.into_iter().map(|(x, _)| x).collect()).collect();
        assert_eq!(runs, [vec![0, 1], vec![3, 4, 6]]);
    }
}
