//! Columns committed before the challenges.

use super::rims::{RimSums, Rims};
use super::{BLIND_POWERS, LaneRows, Link};
use crate::integer::to_field;
use crate::machine::Shape;
use crate::network::{Architecture, NodeId, Op, Trace, Weights};
use crate::program::{Lane, Program};
use crate::secret::Secret;
use halo2_proofs::halo2curves::bn256::Fr;
use std::collections::HashMap;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// A trace that the program cannot hold. Validated weights and inputs never cause one.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("row {row}: a value is outside its table (the weights leave the published bounds)")]
pub struct WitnessError {
    /// The row.
    pub row: usize,
}

/// What a lane looks up, on the active rows.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct LaneColumns {
    /// Remainders.
    pub r: Vec<u64>,
    /// Quotients, less the least one of their table.
    pub q: Vec<u64>,
    /// Table outputs.
    pub y: Vec<i64>,
}

impl LaneColumns {
    fn new(rows: usize) -> Self {
        Self { r: vec![0; rows], q: vec![0; rows], y: vec![0; rows] }
    }
}

/// Columns of phase 0 on the active rows, and what `e` holds.
#[derive(Clone, PartialEq, Eq)]
pub struct PhaseZero {
    /// Remainders.
    pub r: Vec<u64>,
    /// Quotients, less the least one of their table.
    pub q: Vec<u64>,
    /// Table outputs.
    pub y: Vec<i64>,
    /// Of the earlier element, where rows have room for two. On a row with one its values stand here too: the lookups are the same.
    pub earlier: Option<LaneColumns>,
    /// Rims.
    pub e: Vec<i64>,
    /// Multiplicities.
    pub m: Vec<u64>,
    /// The polynomials of committed tensors, if there are any.
    pub link: Option<Link>,
    /// Rims that are sums over channels.
    sums: RimSums,
    /// What cells of `e` that blind hold besides.
    blinds: Zeroizing<Vec<(usize, Secret)>>,
}

impl PhaseZero {
    fn empty(program: &Program, link: Option<Link>) -> Self {
        let active = program.active_rows();
        Self {
            r: vec![0; active],
            q: vec![0; active],
            y: vec![0; active],
            earlier: (program.layout.shape == Shape::Paired).then(|| LaneColumns::new(active)),
            e: vec![0; active],
            m: vec![0; active],
            link,
            sums: RimSums::default(),
            // All at once: a list that grows leaves copies behind.
            blinds: Zeroizing::new(Vec::with_capacity(BLIND_POWERS.len() * program.interface.polynomials())),
        }
    }

    /// Column `e` on the active rows. `channel` is `R`; nothing depends on it where rims are no sums.
    #[must_use]
    pub fn rims(&self, channel: Fr) -> Vec<Fr> {
        let mut cells: Vec<Fr> = self.e.iter().map(|rim| to_field(*rim)).collect();
        self.blinds.iter().for_each(|(row, blind)| cells[*row] += blind.0);
        self.sums.add_to(&mut cells, channel);
        cells
    }
}

impl Drop for PhaseZero {
    fn drop(&mut self) {
        let Self { r, q, y, e, m, earlier, .. } = self;
        let mut none = LaneColumns::default();
        let earlier = earlier.as_mut().unwrap_or(&mut none);
        [r, q, m, &mut earlier.r, &mut earlier.q].into_iter().for_each(Zeroize::zeroize);
        [y, e, &mut earlier.y].into_iter().for_each(Zeroize::zeroize);
    }
}

impl std::fmt::Debug for PhaseZero {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PhaseZero({} rows)", self.r.len())
    }
}

/// Fills phase 0 from a trace. `link` is what blinds the committed tensors, if the program has any.
///
/// # Errors
/// [`WitnessError`] where a value is in no table.
///
/// # Panics
/// If the program has committed tensors that `link` lacks.
pub fn phase_zero(
    program: &Program,
    architecture: &Architecture,
    weights: &Weights,
    trace: &Trace,
    link: Option<Link>,
) -> Result<PhaseZero, WitnessError> {
    let mut w = PhaseZero::empty(program, link);
    w.sums = RimSums::new(program, architecture, weights, trace);
    let filler = Filler { program, architecture, trace, maxima: maxima(architecture, trace) };
    let rims = Rims::new(program, architecture, weights, trace);
    for (row, r) in program.rows.iter().enumerate() {
        if let Lane::Rim { node, channel, offset, negative } = r.lane {
            let value = rims.value(node, channel, offset);
            w.e[row] = if negative { -value } else { value };
            continue;
        }
        if let Lane::Blind { polynomial, power } = r.lane {
            let link = w.link.as_ref().expect("committed tensors have a link");
            w.blinds.push((row, link.coefficient(polynomial, power)));
            continue;
        }
        let outside = |_| WitnessError { row };
        let cells = |lane: &Lane| -> Result<_, WitnessError> {
            let (q, remainder, y) = filler.cells(lane);
            Ok((u64::try_from(q).map_err(outside)?, u64::try_from(remainder).map_err(outside)?, y))
        };
        (w.q[row], w.r[row], w.y[row]) = cells(&r.lane)?;
        if let Some(earlier) = &mut w.earlier {
            let lane = r.earlier.map_or(r.lane, |earlier| earlier.lane);
            (earlier.q[row], earlier.r[row], earlier.y[row]) = cells(&lane)?;
        }
    }
    count(program, &mut w)?;
    Ok(w)
}

/// Fills phase 0 of a program about one registered lane ([`crate::ranges`]), of which `lanes` has the weights.
///
/// # Errors
/// [`WitnessError`] where a weight is outside the declared range.
pub fn phase_zero_of_lane(program: &Program, lanes: &LaneRows) -> Result<PhaseZero, WitnessError> {
    let weights: HashMap<usize, &Vec<i64>> = lanes.rows.iter().map(|(row, lane)| (*row, lane)).collect();
    let mut w = PhaseZero::empty(program, None);
    for (at, row) in program.rows.iter().enumerate() {
        match row.lane {
            Lane::Constant(value) => w.y[at] = value,
            Lane::Piece { row, bits, low, remainder, quotient } => {
                let weight = weights.get(&row).map_or(0, |lane| lane[0]);
                let raised = u64::try_from(weight + (1 << (bits - 1))).ok().filter(|raised| raised >> bits == 0);
                let piece = raised.ok_or(WitnessError { row })? >> low;
                w.r[at] = piece & ((1 << remainder) - 1);
                w.q[at] = piece >> remainder & ((1 << quotient) - 1);
            }
            _ => {}
        }
    }
    count(program, &mut w)?;
    Ok(w)
}

/// Greatest quotient of each window of each max-pool over an affine node.
fn maxima(architecture: &Architecture, trace: &Trace) -> HashMap<NodeId, Vec<i64>> {
    let mut all = HashMap::new();
    for (id, node) in architecture.nodes.iter().enumerate() {
        let Op::MaxPool { input, kernel } = node.op else { continue };
        let accumulators = &trace.accumulators[input];
        if accumulators.is_empty() {
            continue;
        }
        let [_, h, w] = architecture.nodes[input].dims().expect("validated");
        let (oh, ow) = (h / kernel[0], w / kernel[1]);
        let mut greatest = vec![i64::MIN; accumulators.len() / (h * w) * oh * ow];
        for (index, acc) in accumulators.iter().enumerate() {
            // Of a channel of an input.
            let (plane, i, j) = (index / (h * w), index / w % h / kernel[0], index % w / kernel[1]);
            if i < oh && j < ow {
                let target = &mut greatest[(plane * oh + i) * ow + j];
                *target = (*target).max(crate::integer::rescale(*acc, architecture.shift));
            }
        }
        all.insert(id, greatest);
    }
    all
}

struct Filler<'a> {
    program: &'a Program,
    architecture: &'a Architecture,
    trace: &'a Trace,
    maxima: HashMap<NodeId, Vec<i64>>,
}

impl Filler<'_> {
    /// Quotient and remainder of an accumulator.
    fn divide(&self, node: NodeId, index: usize) -> (i64, i64) {
        let shift = self.program.shift;
        let rounded = self.trace.accumulators[node][index] + (1 << (shift - 1));
        (rounded >> shift, rounded & ((1 << shift) - 1))
    }

    /// Whether `index` is the first element of its window that attains the maximum.
    fn attains(&self, pool: NodeId, window: usize, index: usize, value: impl Fn(usize) -> i64) -> bool {
        let Op::MaxPool { input, kernel } = self.architecture.nodes[pool].op else { return false };
        let [_, h, w] = self.architecture.nodes[input].dims().expect("validated");
        let (oh, ow) = (h / kernel[0], w / kernel[1]);
        let (plane, i, j) = (window / (oh * ow), window / ow % oh * kernel[0], window % ow * kernel[1]);
        let mut elements = (0..kernel[0]).flat_map(|a| (0..kernel[1]).map(move |b| (a, b)));
        let greatest = value(index);
        elements.find_map(|(a, b)| {
            let other = (plane * h + i + a) * w + j + b;
            (value(other) == greatest).then_some(other == index)
        }) == Some(true)
    }

    /// `(q, r, y)` of a row.
    fn cells(&self, lane: &Lane) -> (i64, i64, i64) {
        let values = &self.trace.values;
        match *lane {
            Lane::Idle | Lane::Rim { .. } | Lane::RimSum { .. } | Lane::Piece { .. } | Lane::Blind { .. } => (0, 0, 0),
            Lane::Constant(value) => (0, 0, value),
            Lane::Value { node, index, lo } => (values[node][index] - lo, 0, values[node][index]),
            Lane::Requantised { node, index, lo } => {
                let (q, r) = self.divide(node, index);
                (q - lo, r, values[node][index])
            }
            Lane::Inside { node, index, blocks } => {
                let (block, low) = blocks.split(self.divide(node, index).0);
                (((block - blocks.excess(block)) << blocks.limb) + low, 0, values[node][index])
            }
            Lane::Block { node, index, blocks } => {
                let (block, low) = blocks.split(self.divide(node, index).0);
                (block, low, blocks.excess(block))
            }
            Lane::Limb { node, index, low, bits } => (0, self.divide(node, index).1 >> low & ((1 << bits) - 1), 0),
            Lane::Below { node, index, pool, window } => {
                let (q, r) = self.divide(node, index);
                let d = self.maxima[&pool][window] - q;
                let bit = d == 0 && self.attains(pool, window, index, |i| self.divide(node, i).0);
                (d, (1 << self.program.shift) - 1 - r, i64::from(bit))
            }
            Lane::Greatest { pool, window, lo } => (self.maxima[&pool][window] - lo, 0, values[pool][window]),
            Lane::Before { node, index, pool, window } => {
                let greatest = values[pool][window];
                let row = index / (values[node].len() / values[pool].len()) * (values[node].len() / values[pool].len());
                let before = values[node][row..=index].iter().all(|value| *value < greatest);
                (greatest - values[node][index], 0, i64::from(before))
            }
            Lane::BelowValue { node, index, pool, window } => {
                let d = values[pool][window] - values[node][index];
                let bit = d == 0 && self.attains(pool, window, index, |i| values[node][i]);
                (d, 0, i64::from(bit))
            }
        }
    }
}

/// Multiplicities: how often each table row is looked up.
fn count(program: &Program, w: &mut PhaseZero) -> Result<(), WitnessError> {
    let default = crate::program::Row::default();
    let PhaseZero { r, q, y, earlier, m, .. } = w;
    let lanes = [Some((&*r, &*q, &*y)), earlier.as_ref().map(|lane| (&lane.r, &lane.q, &lane.y))];
    for (r, q, y) in lanes.into_iter().flatten() {
        for row in 0..r.len() {
            let of = program.rows.get(row).unwrap_or(&default);
            let entry = |value: u64| i64::try_from(value).map_err(|_| WitnessError { row });
            let range = program.table.find(of.kappa, entry(r[row])?, 0);
            let function = program.table.find(of.tag, entry(q[row])?, y[row]);
            for hit in [range, function] {
                m[hit.ok_or(WitnessError { row })?] += 1;
            }
        }
    }
    Ok(())
}
