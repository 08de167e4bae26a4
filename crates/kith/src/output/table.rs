//! Tables that align.

use std::fmt;

/// Between columns.
const GAP: &str = "  ";

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A table with a heading.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns. Columns that turn out empty are not shown.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        let columns = columns.iter().map(|(name, align)| ((*name).to_owned(), *align)).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading: Vec<String> =
            self.columns.iter().map(|(name, _)| name.to_uppercase()).collect();
        let filled = |column: &usize| self.rows.iter().any(|row| !row[*column].is_empty());
        let shown: Vec<usize> = (0..self.columns.len()).filter(filled).collect();
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| &row[column]);
            cells.chain([&heading[column]]).map(|cell| columns_of(cell)).max().unwrap_or(0)
        };
        let widths: Vec<usize> = shown.iter().map(|column| width(*column)).collect();
        for (index, row) in std::iter::once(&heading).chain(&self.rows).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let mut line = String::new();
            for (column, width) in shown.iter().zip(&widths) {
                let cell = &row[*column];
                let space = " ".repeat(width - columns_of(cell));
                match self.columns[*column].1 {
                    Align::Left => line.extend([cell.as_str(), &space, GAP]),
                    Align::Right => line.extend([space.as_str(), cell, GAP]),
                }
            }
            f.write_str(line.trim_end())?;
        }
        Ok(())
    }
}

/// Names come from other people: whatever would move the cursor is shown as a replacement.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// How many columns of a terminal a text takes, nearly: wide scripts and emoji take two.
fn columns_of(text: &str) -> usize {
    text.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum()
}

fn is_wide(c: char) -> bool {
    matches!(u32::from(c),
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1F64F | 0x1F900..=0x1F9FF | 0x20000..=0x3FFFD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_empty_ones_are_left_out() {
        let mut table =
            Table::new(&[("name", Align::Left), ("why", Align::Left), ("disk", Align::Right)]);
        table.row(vec!["Chat".into(), String::new(), "1.2 MB".into()]);
        table.row(vec!["日本".into(), String::new(), "9 B".into()]);
        assert_eq!(table.to_string(), "NAME    DISK\nChat  1.2 MB\n日本     9 B");
    }

    #[test]
    fn a_name_can_not_move_the_cursor() {
        let mut table = Table::new(&[("name", Align::Left)]);
        table.row(vec!["a\x1b[2Jb\nc".into()]);
        assert_eq!(table.to_string(), "NAME\na\u{FFFD}[2Jb\u{FFFD}c");
    }
}
