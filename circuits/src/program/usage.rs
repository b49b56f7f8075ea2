//! What the rows of a program are for.

use super::{Lane, ProductOp, Program, Row};
use crate::network::NodeId;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowUse {
    /// Public words.
    Instance,
    /// Weights of a layer times its operands.
    Weights,
    /// Values of a tensor: requantised outputs, maxima, the input, and their limbs.
    Values,
    /// Comparisons with a maximum.
    Comparisons,
    /// Copies of a tensor for another of its forms, or as public output.
    Copies,
    /// Coefficients of a layer's products that are no outputs.
    Rims,
    /// Constants, powers of challenges, sums.
    Scalars,
    /// Rows between chains.
    Spacers,
}

impl RowUse {
    /// Every use, in order.
    pub const ALL: [Self; 8] = [
        Self::Instance,
        Self::Weights,
        Self::Values,
        Self::Comparisons,
        Self::Copies,
        Self::Rims,
        Self::Scalars,
        Self::Spacers,
    ];

    /// A word for tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Weights => "weights",
            Self::Values => "values",
            Self::Comparisons => "comparisons",
            Self::Copies => "copies",
            Self::Rims => "rims",
            Self::Scalars => "scalars",
            Self::Spacers => "spacers",
        }
    }
}

/// Consecutive rows of one use and tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The rows.
    pub rows: Range<usize>,
    /// What they are for.
    pub what: RowUse,
    /// Whose they are, if any node's.
    pub node: Option<NodeId>,
}

impl Program {
    /// The rows of the program as runs.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = vec![];
        let mut before = ProductOp::None;
        for (index, row) in self.rows.iter().enumerate() {
            let (what, node) = self.use_of(index, row, before);
            before = row.product;
            match runs.last_mut() {
                Some(run) if (run.what, run.node) == (what, node) => run.rows.end = index + 1,
                _ => runs.push(Run { rows: index..index + 1, what, node }),
            }
        }
        runs
    }

    /// Rows by node (`None` for those that are no node's) and use.
    #[must_use]
    pub fn usage(&self) -> BTreeMap<(Option<NodeId>, RowUse), usize> {
        let mut usage = BTreeMap::new();
        for run in self.runs() {
            *usage.entry((run.node, run.what)).or_default() += run.rows.len();
        }
        usage
    }

    fn use_of(&self, index: usize, row: &Row, before: ProductOp) -> (RowUse, Option<NodeId>) {
        if let Some(slot) = row.slot {
            return (RowUse::Weights, Some(slot.node));
        }
        match row.lane {
            Lane::Value { node, .. } if row.y_copy.is_some() => (RowUse::Copies, Some(node)),
            Lane::Value { node, .. }
            | Lane::Requantised { node, .. }
            | Lane::Inside { node, .. }
            | Lane::Block { node, .. }
            | Lane::Limb { node, .. }
            | Lane::Greatest { pool: node, .. } => (RowUse::Values, Some(node)),
            Lane::Below { pool, .. } | Lane::BelowValue { pool, .. } | Lane::Before { pool, .. } => {
                (RowUse::Comparisons, Some(pool))
            }
            Lane::Rim { node, .. } | Lane::RimSum { node, .. } => (RowUse::Rims, Some(node)),
            Lane::Piece { .. } => (RowUse::Weights, None),
            Lane::Constant(_) | Lane::Blind { .. } => (RowUse::Scalars, None),
            Lane::Idle if row.product != ProductOp::None || before != ProductOp::None => (RowUse::Scalars, None),
            Lane::Idle if index < self.instance_words() => (RowUse::Instance, None),
            Lane::Idle => (RowUse::Spacers, None),
        }
    }
}
