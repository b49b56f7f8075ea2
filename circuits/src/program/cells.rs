//! Which advice cells an active gate, lookup or copy reads: those a witness must get right.

use super::{Cell, ChainOp, ProductOp, Program, Row};
use crate::machine::{Shape, UNUSABLE_ROWS};
use std::collections::{BTreeMap, HashSet};

/// An advice column of the machine, of any shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AdviceColumn {
    /// Remainders of the earlier of two elements on a row.
    EarlierR,
    /// Their quotients.
    EarlierQ,
    /// Their table outputs.
    EarlierY,
    /// Remainders.
    R,
    /// Quotients.
    Q,
    /// Table outputs.
    Y,
    /// Rims.
    E,
    /// Multiplicities.
    M,
    /// Folded weights.
    Omega,
    /// Weight chain.
    Hw,
    /// Consumer chain.
    Hx,
    /// Producer chain.
    Hy,
    /// Multipliers and operands.
    Z,
    /// Products.
    P,
    /// Part of the running sum.
    Psi,
    /// Running sum.
    Phi,
}

impl AdviceColumn {
    /// Every column of a shape.
    pub fn all(shape: Shape) -> impl Iterator<Item = Self> {
        let all = [
            Self::EarlierR,
            Self::EarlierQ,
            Self::EarlierY,
            Self::R,
            Self::Q,
            Self::Y,
            Self::E,
            Self::M,
            Self::Omega,
            Self::Hw,
            Self::Hx,
            Self::Hy,
            Self::Z,
            Self::P,
            Self::Psi,
            Self::Phi,
        ];
        let paired = [Self::EarlierR, Self::EarlierQ, Self::EarlierY, Self::Psi];
        all.into_iter().filter(move |column| shape == Shape::Paired || !paired.contains(column))
    }

    /// Whether it depends on no challenge but, where rims are summed, `R`.
    #[must_use]
    pub fn is_early(self) -> bool {
        self <= Self::M
    }
}

impl Program {
    /// Every usable cell that an active gate, lookup or copy reads, by column and row.
    #[must_use]
    pub fn read_cells(&self) -> Vec<(AdviceColumn, usize)> {
        let copied: HashSet<Cell> = self.copies().flat_map(|(a, b)| [a, b]).collect();
        let usable = (1 << self.k) - UNUSABLE_ROWS;
        let cells = AdviceColumn::all(self.layout.shape).flat_map(|column| (0..usable).map(move |row| (column, row)));
        cells.filter(|(column, row)| self.is_read(*column, *row, &copied)).collect()
    }

    /// Number of usable cells that nothing reads, by column.
    #[must_use]
    pub fn unread_cells(&self) -> BTreeMap<AdviceColumn, usize> {
        let usable = (1 << self.k) - UNUSABLE_ROWS;
        let mut unread: BTreeMap<_, _> = AdviceColumn::all(self.layout.shape).map(|c| (c, usable)).collect();
        for (column, _) in self.read_cells() {
            *unread.entry(column).or_default() -= 1;
        }
        unread
    }

    fn is_read(&self, column: AdviceColumn, row: usize, copied: &HashSet<Cell>) -> bool {
        let active = self.active_rows();
        let default = Row::default();
        let at = |row: usize| (row < active).then(|| self.rows.get(row).unwrap_or(&default));
        let before = || row.checked_sub(1).and_then(at);
        let this = at(row);
        let weights = |r: &Row| matches!(r.product, ProductOp::Hold | ProductOp::Product);
        // A start multiplies by 0, so neither `omega` nor `hW` matters there.
        let counts = |r: &Row| weights(r) && (r.slot.is_some() || self.is_link(row));
        match column {
            _ if column.is_early() || column == AdviceColumn::Psi => row < active,
            AdviceColumn::Omega => this.is_some_and(counts),
            AdviceColumn::Hw => this.is_some_and(counts) || before().is_some_and(weights),
            AdviceColumn::Hx | AdviceColumn::Hy | AdviceColumn::Phi => row <= active,
            AdviceColumn::Z => {
                let operand = |r: &Row| r.x != ChainOp::StepU || r.y == ChainOp::StepZ || r.product != ProductOp::None;
                row == 0
                    || this.is_some_and(operand)
                    || before().is_some_and(|r| r.product == ProductOp::Fma)
                    || copied.contains(&Cell::Z(row))
            }
            AdviceColumn::P => {
                row == 0
                    || this.is_some_and(|r| r.product != ProductOp::None || r.y == ChainOp::Reset)
                    || before().is_some_and(|r| r.product != ProductOp::None)
                    || copied.contains(&Cell::P(row))
            }
            _ => unreachable!("the others are early"),
        }
    }
}
