//! The lookup table: tags, entries, and which row an entry stands on.

use super::blocks::excess;
use crate::integer::{Activation, Interval};
use std::collections::BTreeMap;

/// The tag whose only entry is `(0, 0)`; also the tag of padding rows.
pub const NULL_TAG: u64 = 0;
/// The tag that makes `kappa = 1` force `r = 0`.
pub const ONE_TAG: u64 = 1;
/// Tags of functions start here, above every range tag.
const FIRST_FUNCTION_TAG: u64 = 1 << 32;

/// What a tag stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableKind {
    /// `(0, 0)` only.
    Zero,
    /// `(v, 0)` for `0 <= v < 2^shift`.
    Range {
        /// Logarithm of the length.
        shift: u32,
    },
    /// `(0, value)` only.
    Constant {
        /// The value of `y`.
        value: i64,
    },
    /// `(v, activation(v + domain.lo))` for `v + domain.lo` in `domain`.
    Function {
        /// The function.
        activation: Activation,
        /// Its arguments; `q` is stored less `domain.lo`.
        domain: Interval,
    },
    /// `(0, 0)`, `(0, 1)` and `(v, 0)` for `1 <= v <= max`.
    Difference {
        /// Greatest difference.
        max: u64,
    },
    /// `(v, 0)` for `0 <= v <= max` and `(v, 1)` for `1 <= v <= max`.
    Before {
        /// Greatest difference.
        max: u64,
    },
    /// `(v, v - clamp(v + reached.lo, 0, count - 1))` for `v + reached.lo` in `reached`: how far a block lies
    /// outside the `count` blocks of a function's table, less `reached.lo`.
    Excess {
        /// Blocks that quotients reach, counted from the first in the table.
        reached: Interval,
        /// Blocks in the table.
        count: u64,
    },
}

impl TableKind {
    /// Entries `(in, out)` in table order.
    fn entries(&self) -> Vec<(i64, i64)> {
        match *self {
            Self::Zero => vec![(0, 0)],
            Self::Range { shift } => (0..1i64 << shift).map(|v| (v, 0)).collect(),
            Self::Constant { value } => vec![(0, value)],
            Self::Function { activation, domain } => {
                (domain.lo..=domain.hi).map(|q| (q - domain.lo, activation.apply(q))).collect()
            }
            Self::Difference { max } => std::iter::once((0, 1)).chain((0..=max as i64).map(|v| (v, 0))).collect(),
            Self::Before { max } => (0..=max as i64).map(|v| (v, 0)).chain((1..=max as i64).map(|v| (v, 1))).collect(),
            Self::Excess { reached, count } => {
                (0..reached.len() as i64).map(|v| (v, excess(v, reached.lo, count))).collect()
            }
        }
    }

    /// Position of the entry `(input, output)` among [`Self::entries`], if there is one.
    fn position(&self, input: i64, output: i64) -> Option<usize> {
        let index = match *self {
            Self::Zero => (input == 0 && output == 0).then_some(0),
            Self::Range { shift } => (output == 0 && (0..1i64 << shift).contains(&input)).then_some(input),
            Self::Constant { value } => (input == 0 && output == value).then_some(0),
            Self::Function { activation, domain } => {
                let q = input + domain.lo;
                (domain.contains(q) && activation.apply(q) == output).then_some(input)
            }
            Self::Difference { max } => match (input, output) {
                (0, 1) => Some(0),
                (v, 0) if (0..=max as i64).contains(&v) => Some(v + 1),
                _ => None,
            },
            Self::Before { max } => match (input, output) {
                (v, 0) if (0..=max as i64).contains(&v) => Some(v),
                (v, 1) if (1..=max as i64).contains(&v) => Some(max as i64 + v),
                _ => None,
            },
            Self::Excess { reached, count } => {
                let entry = (0..reached.len() as i64).contains(&input) && excess(input, reached.lo, count) == output;
                entry.then_some(input)
            }
        };
        index.and_then(|i| usize::try_from(i).ok())
    }
}

/// The table of a program.
#[derive(Clone, Debug, Default)]
pub struct Table {
    tags: BTreeMap<TableKind, u64>,
    /// `(tag, kind, first row)` by tag.
    blocks: BTreeMap<u64, (TableKind, usize)>,
    rows: Vec<(u64, i64, i64)>,
}

impl Table {
    /// A table with the two tags that every program has.
    #[must_use]
    pub fn new() -> Self {
        let mut table = Self::default();
        table.insert(NULL_TAG, TableKind::Zero);
        table.insert(ONE_TAG, TableKind::Zero);
        table
    }

    /// The tag of `kind`, adding its entries if they are not there yet.
    pub fn tag(&mut self, kind: TableKind) -> u64 {
        if let Some(tag) = self.tags.get(&kind) {
            return *tag;
        }
        let tag = match kind {
            TableKind::Zero => return NULL_TAG,
            TableKind::Range { shift } => 1 << shift,
            _ => FIRST_FUNCTION_TAG + self.tags.len() as u64,
        };
        self.insert(tag, kind);
        self.tags.insert(kind, tag);
        tag
    }

    fn insert(&mut self, tag: u64, kind: TableKind) {
        let previous = self.blocks.insert(tag, (kind, self.rows.len()));
        assert!(previous.is_none(), "tag {tag} stands for one kind");
        self.rows.extend(kind.entries().into_iter().map(|(input, output)| (tag, input, output)));
    }

    /// Rows `(tag, in, out)`.
    #[must_use]
    pub fn rows(&self) -> &[(u64, i64, i64)] {
        &self.rows
    }

    /// The row of an entry, if it is in the table.
    #[must_use]
    pub fn find(&self, tag: u64, input: i64, output: i64) -> Option<usize> {
        let (kind, first) = self.blocks.get(&tag)?;
        Some(first + kind.position(input, output)?)
    }

    /// Each tag with what it stands for.
    pub fn kinds(&self) -> impl Iterator<Item = (u64, TableKind)> + '_ {
        self.blocks.iter().map(|(tag, (kind, _))| (*tag, *kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::Function;

    #[test]
    fn every_entry_is_found_where_it_stands() {
        let mut table = Table::new();
        let relu = Activation { function: Function::Relu, range: Interval::new(0, 15) };
        let kinds = [
            TableKind::Range { shift: 5 },
            TableKind::Constant { value: -3 },
            TableKind::Function { activation: relu, domain: Interval::new(-20, 30) },
            TableKind::Difference { max: 9 },
            TableKind::Before { max: 6 },
            TableKind::Excess { reached: Interval::new(-7, 7), count: 3 },
        ];
        let tags: Vec<_> = kinds.iter().map(|k| table.tag(*k)).collect();
        assert_eq!(tags[0], 32);
        assert_eq!(table.tag(kinds[2]), tags[2], "one tag a kind");
        for (row, &(tag, input, output)) in table.rows().iter().enumerate() {
            assert_eq!(table.find(tag, input, output), Some(row));
        }
        assert_eq!(table.find(tags[2], 3, 9), None);
        assert_eq!(table.find(tags[3], 1, 1), None);
        assert_eq!(table.find(tags[4], 0, 1), None);
        for (stored, excess) in [(0, 0), (6, 6), (7, 7), (8, 7), (9, 7), (10, 8), (14, 12)] {
            assert!(table.find(tags[5], stored, excess).is_some(), "{stored}");
            assert_eq!(table.find(tags[5], stored, excess + 1), None);
        }
        assert_eq!(table.find(tags[5], 15, 13), None);
        assert_eq!(table.find(NULL_TAG, 0, 1), None);
    }
}
