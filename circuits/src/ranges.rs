//! A program that says of one registered lane that its weights lie in a declared range.
//!
//! Spec: `docs/spec/commitment.md#ranges-of-weights`. It shares `k`, and so the domain that lanes are committed over, with the model's program, and
//! reads `omega` on every row from the model's first weight to its last.

use crate::error::CompileError;
use crate::integer::Interval;
use crate::interface::{Interface, Visibility};
use crate::machine::{RESERVED_ROWS, Shape};
use crate::packing::Packing;
use crate::program::{
    Builder, Cell, ChainItem, ChainOp, Lane, Layout, Mono, NULL_TAG, ONE_TAG, Pin, ProductOp, Program, Row, SlotSource,
    Table, TableKind, WeightSlot,
};
use crate::witness::LaneRows;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// Least and greatest number of bits of a declared range.
pub const RANGE_BITS: std::ops::RangeInclusive<u32> = 2..=48;

/// Range of the weights of a model as they stand in the lanes: two's complement numbers of so many bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightRange {
    /// Bits of a weight: all are in `-2^(bits-1) .. 2^(bits-1)`.
    pub weight_bits: u32,
    /// Bits of a bias with its layer's public constant added ([`Program::bias_shifts`]).
    pub bias_bits: u32,
}

impl WeightRange {
    /// The least range that holds the weights `lanes` of `program`.
    #[must_use]
    pub fn least(program: &Program, lanes: &LaneRows) -> Self {
        let mut least = Self { weight_bits: *RANGE_BITS.start(), bias_bits: *RANGE_BITS.start() };
        for (row, values) in &lanes.rows {
            let bits = if is_bias(program, *row) { &mut least.bias_bits } else { &mut least.weight_bits };
            // A bit for the sign: -1 and 0 have no other.
            let needed = values.iter().map(|v| 65 - (v ^ (v >> 63)).leading_zeros()).max().unwrap_or(0);
            *bits = needed.max(*bits);
        }
        least
    }

    fn bits(&self, bias: bool) -> u32 {
        if bias { self.bias_bits } else { self.weight_bits }
    }
}

/// Whether a row of a model's program holds biases.
fn is_bias(program: &Program, row: usize) -> bool {
    program.rows[row].slot.is_some_and(|slot| slot.source == SlotSource::Bias)
}

/// Compiles the program for the lanes of `model`; it has one lane.
///
/// Enforced: on every row from the model's first weight to its last, `omega` is in the range: that of biases where the model has biases, else that of
/// weights. Rows without a weight are held to it too.
///
/// Cost: the rows up to the model's last weight, a row for each bias if its bits are others, one for each further piece of a weight or bias, and a few dozen.
///
/// # Errors
/// [`CompileError::RangeTooLarge`] if the range does not fit into the `2^k` rows of `model`. That of a model whose weight rows are most of its rows does not:
/// choose a layout with more lanes, where fewer rows hold the weights.
/// [`CompileError::Unsupported`] for a model without weights, or bits outside [`RANGE_BITS`].
pub fn range_program(model: &Program, range: WeightRange) -> Result<Program, CompileError> {
    for bits in [range.weight_bits, range.bias_bits] {
        if !RANGE_BITS.contains(&bits) {
            let what = format!("a range of {bits} bits; declare {} to {}", RANGE_BITS.start(), RANGE_BITS.end());
            return Err(CompileError::Unsupported { node: "-".into(), what });
        }
    }
    let weights = |row: &Row| row.slot.is_some();
    let (Some(first), Some(last)) = (model.rows.iter().position(weights), model.rows.iter().rposition(weights)) else {
        return Err(CompileError::Unsupported { node: "-".into(), what: "the model has no weights".into() });
    };
    let limit = (1usize << model.k).saturating_sub(RESERVED_ROWS);
    let mut needed = (usize::MAX, 0);
    // Longer limbs make for fewer rows, shorter ones for a smaller table.
    for limb in 2..model.k {
        for place in [Place::Before, Place::After] {
            let plan = Plan { model, range, rows: first..last + 1, limb, place };
            // Counted before anything is built: the bits may come from a file.
            let least = plan.least_rows();
            if least > limit {
                needed = needed.min((least, 1 << limb));
                continue;
            }
            let Some(program) = plan.build() else { continue };
            if program.active_rows() <= limit {
                program.check();
                return Ok(program);
            }
            needed = needed.min((program.rows.len(), program.table.rows().len()));
        }
    }
    let (rows, table) = needed;
    Err(CompileError::RangeTooLarge { rows: rows.saturating_add(RESERVED_ROWS), table, k: model.k })
}

/// Where the rows stand that no weight is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    After,
}

/// Bits `low .. low + remainder + quotient` of a value, on one row.
#[derive(Clone, Copy)]
struct Piece {
    low: u32,
    remainder: u32,
    quotient: u32,
}

struct Plan<'a> {
    model: &'a Program,
    range: WeightRange,
    rows: Range<usize>,
    limb: u32,
    place: Place,
}

/// Values of the rows that no weight is on: what the equality needs besides the two main chains.
struct Extras {
    /// `sum of u^(end - i)` over all rows.
    ones: Cell,
    /// The same over the rows with biases, if their range is another.
    biases: Option<Cell>,
    /// Pieces after the first, with the bit that they start at.
    pieces: Vec<(u32, Cell)>,
}

impl Plan<'_> {
    /// Rows that the pieces take, without what else there is.
    fn least_rows(&self) -> usize {
        let pieces = |row| self.bits(row).div_ceil(2 * self.limb) as usize;
        let more: usize = self.rows.clone().map(|row| pieces(row) - 1).sum();
        match self.place {
            Place::Before => self.rows.end.max(more + self.rows.len()),
            Place::After => self.rows.end + more,
        }
    }

    /// `None` if what is to stand before the weights has no room there.
    fn build(&self) -> Option<Program> {
        let (mut builder, _) = Builder::new(Shape::Single, 0, 1);
        let early = (self.place == Place::Before).then(|| self.extras(&mut builder));
        let start = self.rows.start - 1;
        if builder.rows.len() > start {
            return None;
        }
        builder.rows.resize(start, Row::default());
        let [weights, pieces] = self.main(&mut builder);
        let extras = early.unwrap_or_else(|| self.extras(&mut builder));
        self.conclude(&mut builder, weights, pieces, &extras);
        let nothing = Packing::new(1, Interval::new(0, 0));
        Some(Program {
            layout: Layout::direct(1),
            k: self.model.k,
            rows: builder.rows,
            equalities: builder.equalities,
            table: builder.table,
            interface: Interface { input: Visibility::Private, output: Visibility::Private },
            input: nothing,
            output: nothing,
            bias_shifts: BTreeMap::new(),
            geometry: BTreeMap::new(),
            shift: 0,
        })
    }

    fn bits(&self, row: usize) -> u32 {
        self.range.bits(is_bias(self.model, row))
    }

    /// Two limbs a piece, from the lowest bit up.
    fn piece(&self, row: usize, number: u32) -> Option<Piece> {
        let low = 2 * self.limb * number;
        let left = self.bits(row).checked_sub(low).filter(|left| *left > 0)?;
        let remainder = left.min(self.limb);
        Some(Piece { low, remainder, quotient: (left - remainder).min(self.limb) })
    }

    /// Tag, `kappa` and lane of a piece of the value on `row`.
    fn lane(&self, table: &mut Table, row: usize, piece: Piece) -> (u64, u64, Lane) {
        let mut tag = |bits| if bits == 0 { NULL_TAG } else { table.tag(TableKind::Range { shift: bits }) };
        let (kappa, tag) = (tag(piece.remainder), tag(piece.quotient));
        let Piece { low, remainder, quotient } = piece;
        (tag, kappa, Lane::Piece { row, bits: self.bits(row), low, remainder, quotient })
    }

    /// The weights' chain and the producer chain of first pieces, on the same rows: `sum of omega u^(end - i)` and `sum of F u^(end - i)`.
    ///
    /// The producer chain is 0 before, as no row since its last reset has an `F` other than 0.
    fn main(&self, builder: &mut Builder) -> [Cell; 2] {
        let (zero, u) = (Pin::Copy(Builder::zero()), Pin::Copy(Cell::P(0)));
        builder.push(Row { product: ProductOp::Hold, z_pin: zero, p_pin: zero, ..Row::default() });
        let slot = Some(WeightSlot { node: 0, first: 0, count: 1, source: SlotSource::Lane });
        for row in self.rows.clone() {
            let piece = self.piece(row, 0).expect("a range has bits");
            let (tag, kappa, lane) = self.lane(&mut builder.table, row, piece);
            let product = if row + 1 == self.rows.end { ProductOp::Product } else { ProductOp::Hold };
            builder.push(Row { tag, kappa, lane, product, z_pin: u, slot, ..Row::default() });
        }
        let weights = Cell::P(builder.push(Row::default()));
        let pieces = Cell::P(builder.push(Row { y: ChainOp::Reset, ..Row::default() }));
        [weights, pieces]
    }

    /// The monomial of a row in the equality.
    fn mono(&self, row: usize) -> Mono {
        Mono::position((self.rows.end - row) as i64)
    }

    fn extras(&self, builder: &mut Builder) -> Extras {
        let count = builder.geometric(Mono::U, self.rows.len());
        let ones = builder.multiply(count, Cell::P(0));
        let biases = (self.range.bias_bits != self.range.weight_bits).then(|| self.sum_of_biases(builder)).flatten();
        let mut pieces = vec![];
        for number in 1.. {
            let mut items = vec![];
            for row in self.rows.clone() {
                let Some(piece) = self.piece(row, number) else { continue };
                let (tag, kappa, lane) = self.lane(&mut builder.table, row, piece);
                items.push(ChainItem { tag, kappa, lane, y_copy: None, x: None, y: Some(self.mono(row)), read: false });
            }
            if items.is_empty() {
                break;
            }
            let sum = builder.chain(&items).y.expect("items of the producer chain");
            pieces.push((2 * self.limb * number, builder.absolute(sum)));
        }
        Extras { ones, biases, pieces }
    }

    /// `sum of u^(end - i)` over the rows with biases: a consumer chain over ones.
    fn sum_of_biases(&self, builder: &mut Builder) -> Option<Cell> {
        let tag = builder.table.tag(TableKind::Constant { value: 1 });
        let rows = self.rows.clone().filter(|row| is_bias(self.model, *row));
        let item = |row| ChainItem {
            tag,
            kappa: ONE_TAG,
            lane: Lane::Constant(1),
            y_copy: None,
            x: Some((0, self.mono(row))),
            y: None,
            read: false,
        };
        let items: Vec<_> = rows.map(item).collect();
        let sum = builder.chain(&items).x.remove(&0)?;
        Some(builder.absolute(sum))
    }

    /// `sum (omega + 2^(bits-1)) u^(end - i) = sum_pieces 2^low sum F u^(end - i)`.
    fn conclude(&self, builder: &mut Builder, weights: Cell, pieces: Cell, extras: &Extras) {
        let half = |bits: u32| 1i64 << (bits - 1);
        let WeightRange { weight_bits, bias_bits } = self.range;
        let offset = builder.constant(half(weight_bits));
        let mut left = builder.fma(extras.ones, offset, weights);
        if let Some(biases) = extras.biases {
            let more = builder.constant(half(bias_bits) - half(weight_bits));
            left = builder.fma(biases, more, left);
        }
        let mut right = pieces;
        for &(low, sum) in &extras.pieces {
            let scale = builder.constant(1 << low);
            right = builder.fma(sum, scale, right);
        }
        builder.assert_equal(left, right);
    }
}

#[cfg(test)]
mod tests;
