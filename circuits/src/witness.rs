//! Values for the columns of a program, from an execution trace.
//!
//! The circuit constrains claimed values; this module claims them. Nothing here is trusted.

mod link;
mod phase0;
mod phase1;
mod rims;

pub use link::{BLIND_POWERS, FIRST_POWER, Link, tensor_polynomial};
pub use phase0::{LaneColumns, PhaseZero, WitnessError, phase_zero, phase_zero_of_lane};
#[cfg(test)]
pub(crate) use phase1::{ForcedCell, phase_one_forced};
pub use phase1::{PhaseOne, phase_one};

use crate::integer::to_field;
use crate::interface::{End, Visibility};
use crate::machine::Challenges;
use crate::network::{Architecture, Weights};
use crate::packing::Packing;
use crate::program::Program;
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use zeroize::Zeroize;

/// The weights on the rows that hold any, one integer a lane. Dropping wipes them.
#[derive(Clone, PartialEq, Eq)]
pub struct LaneRows {
    /// `(row, lanes)` by ascending row.
    pub rows: Vec<(usize, Vec<i64>)>,
}

impl std::fmt::Debug for LaneRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LaneRows({} rows)", self.rows.len())
    }
}

impl Drop for LaneRows {
    fn drop(&mut self) {
        self.rows.iter_mut().for_each(|(_, lanes)| lanes.zeroize());
    }
}

impl LaneRows {
    /// Lays `weights` out in the lanes of `program`.
    #[must_use]
    pub fn new(program: &Program, architecture: &Architecture, weights: &Weights) -> Self {
        let slots = program.rows.iter().enumerate().filter_map(|(row, r)| Some((row, r.slot?)));
        Self { rows: slots.map(|(row, slot)| (row, program.lane_values(architecture, weights, &slot))).collect() }
    }

    /// Lane `lane` alone.
    #[must_use]
    pub fn lane(&self, lane: usize) -> Self {
        Self { rows: self.rows.iter().map(|(row, lanes)| (*row, vec![lanes[lane]])).collect() }
    }

    /// Lane `lane` as a column of `rows` field elements.
    #[must_use]
    pub fn column(&self, lane: usize, rows: usize) -> Vec<Fr> {
        let mut column = vec![Fr::ZERO; rows];
        for (row, lanes) in &self.rows {
            column[*row] = to_field(lanes[lane]);
        }
        column
    }

    /// `sum_j R^j w_j` on every row that holds weights.
    pub fn fold(&self, channel: Fr) -> impl Iterator<Item = (usize, Fr)> + '_ {
        let fold = move |lanes: &Vec<i64>| lanes.iter().rev().fold(Fr::ZERO, |acc, w| acc * channel + to_field(*w));
        self.rows.iter().map(move |(row, lanes)| (*row, fold(lanes)))
    }
}

/// The instance column: input words, then output words, of the tensors that are public.
///
/// # Panics
/// If a tensor has another length than the program's.
#[must_use]
pub fn instance(program: &Program, input: &[i64], output: &[i64]) -> Vec<Fr> {
    let words = |end, packing: &Packing, values| match program.interface.of(end) {
        Visibility::Public => packing.words_of(&packing.encode(values)).expect("as many as declared"),
        Visibility::Committed | Visibility::Given | Visibility::Private => vec![],
    };
    let mut instance = words(End::Input, &program.input, input);
    instance.extend(words(End::Output, &program.output, output));
    instance
}

/// Challenges as values.
pub type ChallengeValues = Challenges<Fr>;
