//! Plain lines for the command line: the console's twins print remote text too.

use super::{Fit, Safe, fit, width};

/// `raw` as one harmless line of at most `columns`; as long as it is when `columns` is `None`.
pub fn plain_line(raw: &str, columns: Option<usize>) -> String {
    let safe = Safe::new(raw);
    match columns {
        Some(columns) => super::truncate(safe.as_str(), columns),
        None => safe.as_str().to_owned(),
    }
}

/// A table without borders: columns as wide as their widest cell (at most `widest`), two blanks
/// between them, nothing after the last. Every cell is sanitised.
pub fn columns(rows: &[Vec<String>], widest: usize) -> Vec<String> {
    let safe: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain_line(cell, Some(widest))).collect()).collect();
    let count = safe.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|at| safe.iter().filter_map(|row| row.get(at)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    safe.iter()
        .map(|row| {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, columns)| fit(cell, *columns, Fit::Left)).collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_line_up_and_cannot_break_out() {
        let rows = vec![vec!["id".into(), "title".into()], vec!["7".into(), "漢字\n\x1b]0;x\x07".into()]];
        assert_eq!(columns(&rows, 20), ["id  title", "7   漢字⏎␛]0;x␇"]);
        assert_eq!(plain_line("a\nb", Some(2)), "a…");
    }
}
