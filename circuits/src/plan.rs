//! The planner: which layout, hence which `k`, and what it costs.
//!
//! The written cost model; `docs/benchmarks.md` holds the measurements behind its constants. It sees the
//! architecture only, so a plan depends on no secret.

use crate::error::CompileError;
use crate::interface::{End, Interface, Visibility};
use crate::layers::compile;
use crate::machine::{RESERVED_ROWS, Shape, proof_bytes};
use crate::network::{Architecture, Op};
use crate::program::{Lane, Layout, Limbed, ProductOp, Program};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a plan is to be good at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimise {
    /// Least proving time.
    #[default]
    Prover,
    /// Least gas.
    Gas,
    /// Least memory of setup and prover.
    Memory,
}

/// What proving costs on a machine: linear in the rows, with a part that does not shrink.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProverCosts {
    /// CPU-seconds of any proof.
    pub seconds: f64,
    /// CPU-seconds more for each of the `2^k` rows.
    pub seconds_per_row: f64,
}

impl Default for ProverCosts {
    /// Those of a shared two-core x86-64 machine, see `docs/benchmarks.md`.
    fn default() -> Self {
        Self { seconds: 0.05, seconds_per_row: 2.65e-5 }
    }
}

/// Work on a row of [`Shape::Paired`], that on one of [`Shape::Single`] being 1: the same on every machine, nearly.
const PAIRED_WORK: f64 = 1.12;
/// Gas of four columns, two fixed ones and their values more.
const PAIRED_GAS: u64 = 50_250;
/// Gas of a span proof: its calldata, its hashing, its part of the pairing's points.
const SPAN_GAS: u64 = 22_200;

impl ProverCosts {
    /// CPU-seconds of a proof of `2^k` rows. What is measured is [`Shape::Single`].
    #[must_use]
    pub fn proof_seconds(&self, k: u32, shape: Shape) -> f64 {
        let work = if shape == Shape::Paired { PAIRED_WORK } else { 1.0 };
        self.seconds + work * self.seconds_per_row * (1u64 << k) as f64
    }
}

/// Peak memory of a prover in bytes: a process, and for each of the `2^k` rows the columns, their polynomials and
/// their cosets. Depends on the program alone, not on the machine.
#[must_use]
pub const fn prover_bytes(k: u32, shape: Shape) -> u64 {
    let row = match shape {
        Shape::Single => 3_100,
        Shape::Paired => 3_700,
    };
    (18 << 20) + row * (1 << k)
}

/// Lane counts that are tried.
const LANES: [usize; 8] = [2, 4, 8, 16, 32, 64, 128, 256];
/// Limbs that are tried where the table of a layout without limbs is what sets `k`.
const LIMBS: std::ops::RangeInclusive<u32> = 3..=14;

/// Sizes and predicted costs of one plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// The layout.
    #[serde(flatten)]
    pub layout: Layout,
    /// Logarithm of the rows.
    pub k: u32,
    /// Rows of the program.
    pub rows: usize,
    /// Rows of the table.
    pub table: usize,
    /// Rows with weights.
    pub weight_rows: usize,
    /// Rows with an activation (requantised, their limbs, differences, maxima).
    pub activation_rows: usize,
    /// Full-size cells a weight: `omega`, and its chain where it is not 0 by construction.
    pub full_cells_per_weight: f64,
    /// Cells an activation: `r, q, y, m`, two chains and the running sum, or eleven where two share a row, times rows an activation.
    pub cells_per_activation: f64,
    /// Bytes of a proof.
    pub proof_bytes: usize,
    /// Predicted CPU-seconds of a proof.
    pub prover_seconds: f64,
    /// Predicted peak memory of a proof.
    pub prover_bytes: u64,
    /// Predicted gas of a verification, no public byte 0, within 1 %.
    pub gas: u64,
}

impl Cost {
    /// Measures `program`, for secret weights.
    #[must_use]
    pub fn of(program: &Program, architecture: &Architecture) -> Self {
        let weight_rows = program.rows.iter().filter(|r| r.slot.is_some()).count();
        // A chain that goes on into the next row; after a product, and where an operand has one row, it is 0.
        let chain_cells = program.rows.iter().filter(|r| r.slot.is_some() && r.product == ProductOp::Hold).count();
        let activation_rows = program.rows.iter().filter(|r| is_activation(&r.lane)).count();
        let weights = weight_count(architecture).max(1);
        let activations = activation_count(architecture).max(1);
        let cells = match program.layout.shape {
            Shape::Single => 7,
            Shape::Paired => 11,
        };
        Self {
            layout: program.layout,
            k: program.k,
            rows: program.rows.len(),
            table: program.table.rows().len(),
            weight_rows,
            activation_rows,
            full_cells_per_weight: (weight_rows + chain_cells) as f64 / weights as f64,
            cells_per_activation: f64::from(cells) * activation_rows as f64
                / (activations * program.layout.batch) as f64,
            proof_bytes: proof_bytes(program.layout.shape, true, program.interface),
            prover_seconds: ProverCosts::default().proof_seconds(program.k, program.layout.shape),
            prover_bytes: prover_bytes(program.k, program.layout.shape),
            gas: gas(program),
        }
    }

    /// The same for public weights, whose proofs have no span proof. Time and memory differ by less than a run from the next.
    #[must_use]
    pub fn with_public_weights(self) -> Self {
        let bytes = |secret| proof_bytes(self.layout.shape, secret, Interface::default());
        Self { proof_bytes: self.proof_bytes + bytes(false) - bytes(true), gas: self.gas - SPAN_GAS, ..self }
    }

    /// The same with the seconds of another machine.
    #[must_use]
    pub fn on(self, machine: &ProverCosts) -> Self {
        Self { prover_seconds: machine.proof_seconds(self.k, self.layout.shape), ..self }
    }
}

const fn is_activation(lane: &Lane) -> bool {
    !matches!(
        lane,
        Lane::Idle
            | Lane::Constant(_)
            | Lane::Value { .. }
            | Lane::Rim { .. }
            | Lane::RimSum { .. }
            | Lane::Piece { .. }
            | Lane::Blind { .. }
    )
}

fn weight_count(architecture: &Architecture) -> usize {
    let layers = architecture.nodes.iter().enumerate().filter_map(|(id, node)| match &node.op {
        Op::Affine { terms, .. } => {
            Some(node.shape[0] + terms.iter().map(|t| architecture.term_weights(id, t)).sum::<usize>())
        }
        _ => None,
    });
    layers.sum()
}

fn activation_count(architecture: &Architecture) -> usize {
    let counted = |op: &Op| matches!(op, Op::Affine { .. } | Op::MaxPool { .. } | Op::BeforeMax { .. });
    architecture.nodes.iter().filter(|n| counted(&n.op)).map(crate::network::Node::len).sum()
}

/// Osaka gas of one verification with secret weights, no public byte 0: a formula fitted to the verifier in memory, as `inspect` says it for many programs.
/// A test holds it within 1 % of proofs.
fn gas(program: &Program) -> u64 {
    let words = program.instance_words() as u64;
    let bytes = |end| match program.interface.of(end) {
        Visibility::Public => program.packing(end).byte_len(),
        Visibility::Committed | Visibility::Given => 64,
        Visibility::Private => 0,
    };
    let bytes_of = |interface| proof_bytes(program.layout.shape, true, interface);
    let linked = bytes_of(program.interface) - bytes_of(Interface::default());
    let bytes = (bytes(End::Input) + bytes(End::Output) + linked) as u64;
    let links = match program.interface.polynomials() as u64 {
        0 => 0,
        polynomials => 21_500 + 6_700 * polynomials,
    };
    let shape = match program.layout.shape {
        Shape::Single => 437_200,
        Shape::Paired => 437_200 + PAIRED_GAS,
    };
    // The last part of the words is that of memory, four of its words each.
    shape + 6_685 * program.layout.lanes as u64 + 591 * words + words * words / 32 + 16 * bytes + links
}

/// Compiles `architecture` for each shape and number of lanes, with and without limbs where they make it smaller, and takes the cheapest.
///
/// Returns the program and the cost of every candidate, the chosen one first.
///
/// # Errors
/// As [`compile`], if no number of lanes fits.
pub fn plan(
    architecture: &Architecture,
    interface: Interface,
    optimise: Optimise,
) -> Result<(Program, Vec<Cost>), CompileError> {
    plan_batch(architecture, interface, optimise, 1, None)
}

/// As [`plan`], for proofs of `batch` inputs, in one shape if one is named.
///
/// # Errors
/// As [`plan`].
pub fn plan_batch(
    architecture: &Architecture,
    interface: Interface,
    optimise: Optimise,
    batch: usize,
    shape: Option<Shape>,
) -> Result<(Program, Vec<Cost>), CompileError> {
    let candidates = ranked(&candidates(architecture, interface, batch, shape)?, optimise);
    // Compiled again: all programs at once are more than a proof needs.
    Ok((compile(architecture, interface, candidates[0].layout)?, candidates))
}

/// What every plan costs that is considered: for each shape, or the one that is named, and number of lanes, with and without limbs where they make it smaller.
/// At least one, in no order.
///
/// Cost: compiles two programs for each number of lanes and shape, and a dozen more where the table is what sets `k`.
///
/// # Errors
/// As [`plan`].
pub fn candidates(
    architecture: &Architecture,
    interface: Interface,
    batch: usize,
    shape: Option<Shape>,
) -> Result<Vec<Cost>, CompileError> {
    let mut candidates = vec![];
    let mut failure = None;
    let shapes = Shape::ALL.into_iter().filter(|one| shape.is_none_or(|only| only == *one));
    for (shape, lanes) in shapes.flat_map(|shape| LANES.map(|lanes| (shape, lanes))) {
        let (costs, error) = of_layout(architecture, interface, Layout { batch, shape, ..Layout::direct(lanes) });
        candidates.extend(costs);
        failure = error.or(failure);
    }
    if candidates.is_empty() { Err(failure.expect("no candidate, hence an error")) } else { Ok(candidates) }
}

/// The candidates among which an aim chooses, the best first.
#[must_use]
pub fn ranked(candidates: &[Cost], optimise: Optimise) -> Vec<Cost> {
    let mut candidates = candidates.to_vec();
    // More lanes than needed cost registration and verification, so they break ties.
    let rank = |cost: &Cost| match optimise {
        Optimise::Prover => ((cost.prover_seconds * 1e6) as u64, cost.layout.lanes as u64),
        Optimise::Memory => (cost.prover_bytes, cost.layout.lanes as u64),
        Optimise::Gas => (cost.gas, u64::from(cost.k)),
    };
    if optimise == Optimise::Gas {
        let tractable: BTreeMap<Shape, u32> = Shape::ALL.map(|shape| (shape, gas_row_limit(&candidates, shape))).into();
        candidates.retain(|cost| cost.k <= tractable[&cost.layout.shape]);
    }
    candidates.sort_by_key(rank);
    candidates
}

/// The cost in a layout without limbs, and those with limbs in all layers and in flat ones, of least `k` if that is less. An error if it does not fit without.
fn of_layout(architecture: &Architecture, interface: Interface, layout: Layout) -> (Vec<Cost>, Option<CompileError>) {
    let cost = |layout| compile(architecture, interface, layout).map(|program| Cost::of(&program, architecture));
    let direct = cost(layout);
    // Limbs trade entries of the table for rows.
    let rows_fit_half = |cost: &Cost| cost.rows + RESERVED_ROWS <= 1 << (cost.k - 1);
    let hopeless = match &direct {
        Ok(cost) => !rows_fit_half(cost),
        Err(CompileError::TooLarge { rows, table, .. }) => rows > table,
        Err(_) => true,
    };
    let least = direct.as_ref().map_or(u32::MAX, |cost| cost.k);
    let best = |limbed: Limbed| {
        let limbs = LIMBS.filter(|_| !hopeless);
        let costs = limbs.filter_map(|bits| cost(Layout { limb: Some(bits), limbed, ..layout }).ok());
        costs.min_by_key(|cost| (cost.k, cost.rows.max(cost.table))).filter(|best| best.k < least)
    };
    let all = best(Limbed::All);
    // Where all layers are flat, these are the same.
    let flat = if is_mixed(architecture) { best(Limbed::Flat) } else { None };
    let best = all.into_iter().chain(flat);
    match direct {
        Ok(direct) => (best.chain([direct]).collect(), None),
        Err(error) => (best.collect(), Some(error)),
    }
}

/// Whether some layers have one output a channel, and others more.
fn is_mixed(architecture: &Architecture) -> bool {
    let affine = architecture.nodes.iter().filter(|node| matches!(node.op, Op::Affine { .. }));
    let mut flat = affine.filter_map(|node| Some(node.dims()?[1..] == [1, 1]));
    let first = flat.next();
    flat.any(|one| Some(one) != first)
}

/// Gas falls with fewer lanes while rows double: stop at twice the rows of the smallest plan of a shape.
fn gas_row_limit(candidates: &[Cost], shape: Shape) -> u32 {
    let of_shape = candidates.iter().filter(|cost| cost.layout.shape == shape);
    of_shape.map(|cost| cost.k).min().unwrap_or(0) + 1
}
