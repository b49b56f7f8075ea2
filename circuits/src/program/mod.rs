//! A program: everything a model adds to the machine, without its weights.
//!
//! Compiled by [`crate::layers::compile`] from an [`Architecture`] alone, so a program cannot depend
//! on secret weights; an auditor compiles it again and compares.

mod blocks;
mod builder;
mod cells;
mod check;
mod layout;
mod mono;
mod table;
mod usage;

pub use blocks::Blocks;
pub use builder::Builder;
pub(crate) use builder::{ChainItem, ChainValues, Group, Val, chain_rows};
pub use cells::AdviceColumn;
pub use layout::{Layout, LayoutNameError, Limbed, MAX_BATCH};
pub use mono::Mono;
pub use table::{NULL_TAG, ONE_TAG, Table, TableKind};
pub use usage::{RowUse, Run};

use crate::interface::{End, Interface, Visibility};
use crate::network::{Architecture, NodeId};
use crate::packing::Packing;

use std::collections::BTreeMap;

/// A cell under the copy argument, by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cell {
    /// Column `y`.
    Y(usize),
    /// Column `z`.
    Z(usize),
    /// Column `P`.
    P(usize),
}

impl Cell {
    /// The row.
    #[must_use]
    pub const fn row(self) -> usize {
        match self {
            Self::Y(row) | Self::Z(row) | Self::P(row) => row,
        }
    }
}

/// What gives a cell of `z` or `P` its value, where no gate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pin {
    /// A gate, or nobody reads it.
    #[default]
    Free,
    /// A copy constraint.
    Copy(Cell),
    /// A free cell, pinned by a later product with the given cell being 1.
    InverseOf(Cell),
}

/// Opcodes of the product thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ProductOp {
    /// Nothing.
    #[default]
    None,
    /// `hW' = z (hW + omega)`, `P' = P`.
    Hold,
    /// `P' = P + (hW + omega) z`, `hW' = 0`.
    Product,
    /// `P' = z P + z'`.
    Fma,
}

/// Opcodes of the two activation chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChainOp {
    /// Start anew, exposing the value so far.
    Reset,
    /// Multiply by `u`.
    #[default]
    StepU,
    /// Multiply by `z`.
    StepZ,
}

/// Where the values of `r`, `q`, `y`, `e` on a row come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lane {
    /// All zero.
    #[default]
    Idle,
    /// `y` is a constant.
    Constant(i64),
    /// Value of a tensor less `lo` in `q`, the value in `y`.
    Value {
        /// Tensor.
        node: NodeId,
        /// Row-major position.
        index: usize,
        /// Least argument of the table.
        lo: i64,
    },
    /// An output of an affine layer: quotient less `lo`, remainder, activation.
    Requantised {
        /// Affine node.
        node: NodeId,
        /// Row-major position.
        index: usize,
        /// Least quotient.
        lo: i64,
    },
    /// An output of an affine layer in limbs: the quotient that stands for its own in the table, and the activation.
    Inside {
        /// Affine node.
        node: NodeId,
        /// Row-major position.
        index: usize,
        /// Blocks of the table.
        blocks: Blocks,
    },
    /// The same output's quotient: its block in `q`, where in the block in `r`, the block's excess in `y`.
    Block {
        /// Affine node.
        node: NodeId,
        /// Row-major position.
        index: usize,
        /// Blocks of the table.
        blocks: Blocks,
    },
    /// The same output's remainder: the bits from `low` up, as many as `kappa` ranges, in `r`.
    Limb {
        /// Affine node.
        node: NodeId,
        /// Row-major position.
        index: usize,
        /// Least bit.
        low: u32,
        /// Number of bits.
        bits: u32,
    },
    /// An affine output under a fused maximum: distance of its quotient to the window's greatest,
    /// complement of its remainder, and whether it is the one that attains it.
    Below {
        /// Affine node.
        node: NodeId,
        /// Row-major position in the affine node's tensor.
        index: usize,
        /// Max-pool node.
        pool: NodeId,
        /// Row-major position of the window.
        window: usize,
    },
    /// Greatest quotient of a window less `lo` in `q`, its activation in `y`.
    Greatest {
        /// Max-pool node.
        pool: NodeId,
        /// Row-major position of the window.
        window: usize,
        /// Least quotient.
        lo: i64,
    },
    /// Distance of a requantised value to its window's maximum, and whether it attains it.
    BelowValue {
        /// Operand of the max-pool.
        node: NodeId,
        /// Row-major position in it.
        index: usize,
        /// Max-pool node.
        pool: NodeId,
        /// Row-major position of the window.
        window: usize,
    },
    /// Distance of a value to the greatest of its row, and whether it stands before the first such.
    Before {
        /// Operand of the search.
        node: NodeId,
        /// Row-major position in it.
        index: usize,
        /// Max-pool over the rows.
        pool: NodeId,
        /// The row.
        window: usize,
    },
    /// Coefficient of a layer's product polynomial that is no output.
    Rim {
        /// Affine node.
        node: NodeId,
        /// Output channel.
        channel: usize,
        /// Position exponent.
        offset: i64,
        /// Whether the chain holds the negative (fused maxima do).
        negative: bool,
    },
    /// The sum of `R^o` times a coefficient of the product polynomial over all channels `o` ([`crate::machine::Shape::Paired`]).
    RimSum {
        /// Affine node.
        node: NodeId,
        /// Position exponent.
        offset: i64,
        /// Whether the chain holds the negative.
        negative: bool,
    },
    /// Bits `low .. low + remainder + quotient` of the weight on a row of a registered lane, moved up by half its range: the lower ones in
    /// `r`, the others in `q`.
    Piece {
        /// The weight's row.
        row: usize,
        /// Bits of its range.
        bits: u32,
        /// Least bit.
        low: u32,
        /// Bits in `r`.
        remainder: u32,
        /// Bits in `q`.
        quotient: u32,
    },
    /// A cell that blinds a committed tensor or what is said of it: a coefficient of a polynomial of the link.
    Blind {
        /// Which polynomial, see [`Interface::polynomials`].
        polynomial: usize,
        /// Power of `X`.
        power: usize,
    },
}

/// Which weights stand in the lanes of a row; lane `j` is output channel `first + j`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightSlot {
    /// Affine node.
    pub node: NodeId,
    /// Output channel in the first lane.
    pub first: usize,
    /// Output channels in lanes; further lanes hold 0.
    pub count: usize,
    /// Which weight of each channel.
    pub source: SlotSource,
}

/// A weight of every output channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotSource {
    /// Weight of term `term` at position `index` of a channel's weights.
    Term {
        /// Which term.
        term: usize,
        /// Position within `[in]` or `[c, kh, kw]`, row-major.
        index: usize,
    },
    /// The bias, with the layer's public constant added.
    Bias,
    /// Whatever stands on this row of a lane that is registered already ([`crate::ranges`]).
    Lane,
}

/// Weight of the earlier of two elements on a row in the consumer chain, relative to the later one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerRatio {
    /// `u`.
    U,
    /// 1: two elements of a window.
    One,
}

/// As [`ConsumerRatio`], in the producer chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerRatio {
    /// `u`.
    U,
    /// `u^2`.
    USquared,
}

/// The earlier of two elements on a row ([`crate::machine::Shape::Paired`]). No copy reads its `y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its values.
    pub lane: Lane,
    /// Its weight in the consumer chain.
    pub x: ConsumerRatio,
    /// Its weight in the producer chain.
    pub y: ProducerRatio,
}

/// One row of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which function table.
    pub tag: u64,
    /// Scale of `q`, tag of the range table.
    pub kappa: u64,
    /// Product thread.
    pub product: ProductOp,
    /// Consumer chain.
    pub x: ChainOp,
    /// Producer chain.
    pub y: ChainOp,
    /// Values of the lane.
    pub lane: Lane,
    /// The element before it, if the row has two.
    pub earlier: Option<Earlier>,
    /// Where `y` is copied from, if it is.
    pub y_copy: Option<Cell>,
    /// What pins `z`.
    pub z_pin: Pin,
    /// What pins `P`.
    pub p_pin: Pin,
    /// Weights on this row.
    pub slot: Option<WeightSlot>,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            tag: NULL_TAG,
            kappa: ONE_TAG,
            product: ProductOp::None,
            x: ChainOp::StepU,
            y: ChainOp::StepU,
            lane: Lane::Idle,
            earlier: None,
            y_copy: None,
            z_pin: Pin::Free,
            p_pin: Pin::Free,
            slot: None,
        }
    }
}

/// Geometry of the product polynomial of an affine layer; see the spec, "Convolution".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductGeometry {
    /// Row stride of the exponents.
    pub row_stride: i64,
    /// How far apart the exponents of two inputs are.
    pub input_stride: i64,
    /// Output channels of a group, and how far apart the exponents of two groups' first channels are.
    pub group: [usize; 2],
}

impl ProductGeometry {
    /// Exponent of `R` of an output channel.
    #[must_use]
    pub const fn exponent(&self, channel: usize) -> usize {
        let [members, span] = self.group;
        channel / members * span + channel % members
    }
}

/// Instance words of a tensor: none unless it is public.
pub(crate) const fn public_words(visibility: Visibility, packing: &Packing) -> usize {
    match visibility {
        Visibility::Public => packing.words(),
        Visibility::Committed | Visibility::Given | Visibility::Private => 0,
    }
}

/// A compiled program.
#[derive(Clone, Debug)]
pub struct Program {
    /// The layout it was compiled for.
    pub layout: Layout,
    /// `n = 2^k` rows.
    pub k: u32,
    /// Rows in use by the program; the table may need more, see [`Program::active_rows`].
    pub rows: Vec<Row>,
    /// Equalities between cells beside the pins.
    pub equalities: Vec<(Cell, Cell)>,
    /// The table.
    pub table: Table,
    /// What a verifier sees of input and output.
    pub interface: Interface,
    /// Elements and range of the input.
    pub input: Packing,
    /// Elements and range of the output.
    pub output: Packing,
    /// Public constant added to each bias of a layer.
    pub bias_shifts: BTreeMap<NodeId, i64>,
    /// Geometry of each layer with rims.
    pub geometry: BTreeMap<NodeId, ProductGeometry>,
    /// Logarithm of the scale of requantised rows.
    pub shift: u32,
}

impl Program {
    /// Rows `0..U`: the rows of the program or of the table, whichever are more.
    #[must_use]
    pub fn active_rows(&self) -> usize {
        self.rows.len().max(self.table.rows().len())
    }

    /// Number of instance words.
    #[must_use]
    pub fn instance_words(&self) -> usize {
        self.words(End::Input) + self.words(End::Output)
    }

    /// Number of instance words of one tensor.
    #[must_use]
    pub fn words(&self, end: End) -> usize {
        public_words(self.interface.of(end), self.packing(end))
    }

    /// Elements and range of the tensor at one end.
    #[must_use]
    pub const fn packing(&self, end: End) -> &Packing {
        match end {
            End::Input => &self.input,
            End::Output => &self.output,
        }
    }

    /// All copy constraints.
    pub fn copies(&self) -> impl Iterator<Item = (Cell, Cell)> + '_ {
        let pins = self.rows.iter().enumerate().flat_map(|(row, r)| {
            let source = |pin| if let Pin::Copy(cell) = pin { Some(cell) } else { None };
            let z = source(r.z_pin).map(|c| (Cell::Z(row), c));
            let p = source(r.p_pin).map(|c| (Cell::P(row), c));
            [r.y_copy.map(|c| (Cell::Y(row), c)), z, p].into_iter().flatten()
        });
        pins.chain(self.equalities.iter().copied())
    }

    /// The weights in the lanes of `slot`, one a lane.
    ///
    /// # Panics
    /// In a program about a registered lane, which has no weights of its own.
    #[must_use]
    pub fn lane_values(
        &self,
        architecture: &Architecture,
        weights: &crate::network::Weights,
        slot: &WeightSlot,
    ) -> Vec<i64> {
        let channels = architecture.nodes[slot.node].shape[0];
        let layer = &weights.layers[&slot.node];
        let value = |o: usize| match slot.source {
            SlotSource::Bias => layer.bias[o] + self.bias_shifts[&slot.node],
            SlotSource::Term { term, index } => {
                let w = &layer.terms[term];
                w[o * (w.len() / channels) + index]
            }
            SlotSource::Lane => panic!("the lane is another program's"),
        };
        let used = (slot.first..slot.first + slot.count).map(value);
        used.chain(std::iter::repeat(0)).take(self.layout.lanes).collect()
    }
}
