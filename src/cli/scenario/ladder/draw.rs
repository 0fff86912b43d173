//! A ladder as text: a column for each who takes part, an arrow a line, what it carries at the right.

use std::fmt;

use super::{Ladder, Row};

/// Characters from one lane to the next; longer names are cut.
const LANE: usize = 11;
/// Characters before the first lane.
const TIME: usize = 11;

impl fmt::Display for Ladder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>w$}  ", "time s", w = TIME - 2)?;
        for (at, lane) in self.lanes.iter().enumerate() {
            let name: String = lane.chars().take(LANE - 1).collect();
            let last = at + 1 == self.lanes.len();
            if last { write!(f, "{name}")? } else { write!(f, "{name:LANE$}")? }
        }
        writeln!(f)?;
        for row in &self.rows {
            writeln!(f, "{:>w$.3}  {}  {}", row.at_ms / 1000.0, self.arrow(row), row.what, w = TIME - 2)?;
        }
        if self.left_out > 0 {
            writeln!(f, "… and {} messages that were not kept", self.left_out)?;
        }
        Ok(())
    }
}

impl Ladder {
    /// `|          |--------->|`
    fn arrow(&self, row: &Row) -> String {
        let lane = |name: &str| self.lanes.iter().position(|lane| lane == name);
        let width = self.lanes.len().saturating_sub(1) * LANE + 1;
        let mut line: Vec<char> = (0..width).map(|at| if at.is_multiple_of(LANE) { '|' } else { ' ' }).collect();
        if let (Some(from), Some(to)) = (lane(&row.from), lane(&row.to)) {
            let (left, right) = (from.min(to) * LANE, from.max(to) * LANE);
            for cell in line.iter_mut().take(right).skip(left + 1) {
                *cell = '-';
            }
            let head = if from < to { right.checked_sub(1) } else { left.checked_add(1) };
            if let Some(cell) = head.filter(|_| left < right).and_then(|at| line.get_mut(at)) {
                *cell = if from < to { '>' } else { '<' };
            }
        }
        line.into_iter().collect()
    }
}
