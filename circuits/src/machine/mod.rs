//! The machine: columns and gates, the same for every model.
//!
//! Spec: `docs/spec/machine.md`. Soundness of each gate is argued there under its id.

mod columns;
mod gates;
mod synthesis;

pub use columns::{PhaseOneColumns, PhaseZeroColumns, copy_permutation, fixed_columns};
pub use synthesis::{MachineCircuit, PhaseOneInput, Tamper};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Challenge, Column, ConstraintSystem, FirstPhase, Fixed, Instance, SecondPhase};
use serde::{Deserialize, Serialize};

/// Version of the machine: changes whenever a column, a gate, a query order, the link row or the encoding of
/// public tensors does.
pub const MACHINE_VERSION: u16 = 4;
/// Degree of the constraint system.
pub const DEGREE: usize = 5;
/// Rows at the end of every advice column that hold random values.
pub const UNUSABLE_ROWS: usize = 6;
/// Rows a program cannot use: the random ones and the row that ends the chains.
pub const RESERVED_ROWS: usize = UNUSABLE_ROWS + 1;
/// Rows at the very end of the weight lanes and of `omega` that blind them.
pub const BLINDING_ROWS: usize = 2;
/// Row on which `omega` holds what committed tensors come to; no weight stands there.
pub const LINK_ROW: usize = 2;
/// Advice columns of phase 0, committed before the challenges.
pub const PHASE0_COLUMNS: usize = 5;
/// Advice columns of phase 1.
pub const PHASE1_COLUMNS: usize = 7;
/// Position of `omega` among the advice columns, hence among the commitments of a proof.
pub const OMEGA_INDEX: usize = PHASE0_COLUMNS;
/// Fixed columns.
pub const FIXED_COLUMNS: usize = 8;
/// Weight lanes a program may have. The key of a model has to fit into a data contract.
pub const LANES: std::ops::RangeInclusive<usize> = 1..=256;
/// Names of the advice columns in the order of their commitments.
pub const ADVICE_NAMES: [&str; PHASE0_COLUMNS + PHASE1_COLUMNS] =
    ["r", "q", "y", "e", "m", "omega", "hW", "hX", "hY", "z", "P", "phi"];
/// Names of the fixed columns in the order of their commitments.
pub const FIXED_NAMES: [&str; FIXED_COLUMNS] = ["t_tag", "t_in", "t_out", "tag", "kappa", "opP", "opX", "opY"];
/// Columns under the copy argument: `y`, `z`, `P`.
pub const COPY_COLUMNS: usize = 3;

/// Parameters that the constraint system depends on. One verifier serves one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Shape {
    /// A constraint left out, to see that a forgery then passes.
    #[cfg(test)]
    #[serde(skip)]
    pub(crate) without: Option<&'static str>,
}

/// The challenges, in squeezing order. All come after phase 0.
#[derive(Clone, Copy, Debug)]
pub struct Challenges<T> {
    /// `R`: output channels and weight lanes.
    pub channel: T,
    /// `u`: positions.
    pub position: T,
    /// `alpha`: entries of a lookup.
    pub alpha: T,
    /// `beta`: lookups.
    pub beta: T,
}

/// Columns of the machine.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) inst: Column<Instance>,
    pub(crate) r: Column<Advice>,
    pub(crate) q: Column<Advice>,
    pub(crate) y: Column<Advice>,
    pub(crate) e: Column<Advice>,
    pub(crate) m: Column<Advice>,
    pub(crate) omega: Column<Advice>,
    pub(crate) h_w: Column<Advice>,
    pub(crate) h_x: Column<Advice>,
    pub(crate) h_y: Column<Advice>,
    pub(crate) z: Column<Advice>,
    pub(crate) p: Column<Advice>,
    pub(crate) phi: Column<Advice>,
    pub(crate) t_tag: Column<Fixed>,
    pub(crate) t_in: Column<Fixed>,
    pub(crate) t_out: Column<Fixed>,
    pub(crate) tag: Column<Fixed>,
    pub(crate) kappa: Column<Fixed>,
    pub(crate) op_p: Column<Fixed>,
    pub(crate) op_x: Column<Fixed>,
    pub(crate) op_y: Column<Fixed>,
    pub(crate) challenges: Challenges<Challenge>,
}

impl Machine {
    /// Allocates the columns and creates the gates.
    #[must_use]
    pub fn configure(cs: &mut ConstraintSystem<Fr>, shape: Shape) -> Self {
        let machine = Self {
            inst: cs.instance_column(),
            r: cs.advice_column_in(FirstPhase),
            q: cs.advice_column_in(FirstPhase),
            y: cs.advice_column_in(FirstPhase),
            e: cs.advice_column_in(FirstPhase),
            m: cs.advice_column_in(FirstPhase),
            omega: cs.advice_column_in(SecondPhase),
            h_w: cs.advice_column_in(SecondPhase),
            h_x: cs.advice_column_in(SecondPhase),
            h_y: cs.advice_column_in(SecondPhase),
            z: cs.advice_column_in(SecondPhase),
            p: cs.advice_column_in(SecondPhase),
            phi: cs.advice_column_in(SecondPhase),
            t_tag: cs.fixed_column(),
            t_in: cs.fixed_column(),
            t_out: cs.fixed_column(),
            tag: cs.fixed_column(),
            kappa: cs.fixed_column(),
            op_p: cs.fixed_column(),
            op_x: cs.fixed_column(),
            op_y: cs.fixed_column(),
            challenges: Challenges {
                channel: cs.challenge_usable_after(FirstPhase),
                position: cs.challenge_usable_after(FirstPhase),
                alpha: cs.challenge_usable_after(FirstPhase),
                beta: cs.challenge_usable_after(FirstPhase),
            },
        };
        for column in [machine.y, machine.z, machine.p] {
            cs.enable_equality(column);
        }
        gates::create(cs, &machine, shape);
        // `degree()` is clamped by an environment variable of the backend; the minimum is not.
        cs.set_minimum_degree(DEGREE);
        assert_eq!(cs.blinding_factors() + 1, UNUSABLE_ROWS, "the reserved rows follow from the queries");
        machine
    }
}

/// What a proof opens of the columns, in the order of its values: a column, and whether on the next row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries {
    /// Advice columns.
    pub advice: Vec<(usize, bool)>,
    /// Fixed columns.
    pub fixed: Vec<(usize, bool)>,
}

impl Queries {
    /// The queries of the constraint system.
    #[must_use]
    pub fn new() -> Self {
        let mut cs = ConstraintSystem::default();
        let _ = Machine::configure(&mut cs, Shape::default());
        let advice = cs.advice_queries().iter().map(|(column, rotation)| (column.index(), rotation.0 == 1));
        let fixed = cs.fixed_queries().iter().map(|(column, rotation)| (column.index(), rotation.0 == 1));
        Self { advice: advice.collect(), fixed: fixed.collect() }
    }
}

impl Default for Queries {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
pub(crate) mod equalities;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod links;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;
