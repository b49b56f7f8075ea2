//! The machine: columns and gates, the same for every model.
//!
//! Spec: `docs/spec/machine.md`. Soundness of each gate is argued there under its id.

mod columns;
mod gates;
mod length;
mod synthesis;

pub use columns::{copy_permutation, fixed_columns};
pub use length::{points, proof_bytes, scalars};
pub use synthesis::{MachineCircuit, PhaseOneInput, Tamper};

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, ConstraintSystem, FirstPhase, Fixed, Instance, SecondPhase, ThirdPhase,
};
use serde::{Deserialize, Serialize};

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
/// Weight lanes a program may have. The key of a model has to fit into a data contract.
pub const LANES: std::ops::RangeInclusive<usize> = 1..=256;
/// Columns under the copy argument: `y`, `z`, `P`.
pub const COPY_COLUMNS: usize = 3;

/// What the constraint system depends on. One verifier serves one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One activation a row; a rim for each channel.
    #[default]
    Single,
    /// Two activations a row; rims summed over the channels.
    Paired,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 2] = [Self::Single, Self::Paired];

    /// Version of the machine: the high byte numbers the shape, the low byte changes whenever a column, a gate, a query order, the
    /// link row or the encoding of public tensors does.
    #[must_use]
    pub const fn version(self) -> u16 {
        match self {
            Self::Single => 4,
            Self::Paired => 0x0101,
        }
    }

    /// The shape of a version.
    #[must_use]
    pub fn of_version(version: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|shape| shape.version() == version)
    }

    /// A word for tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Paired => "paired",
        }
    }

    /// Names of the advice columns in the order of their commitments.
    #[must_use]
    pub const fn advice_names(self) -> &'static [&'static str] {
        match self {
            Self::Single => &["r", "q", "y", "e", "m", "omega", "hW", "hX", "hY", "z", "P", "phi"],
            Self::Paired => {
                &["r0", "q0", "y0", "r", "q", "y", "m", "e", "omega", "hW", "hX", "hY", "z", "P", "psi", "phi"]
            }
        }
    }

    /// Names of the fixed columns in the order of their commitments.
    #[must_use]
    pub const fn fixed_names(self) -> &'static [&'static str] {
        match self {
            Self::Single => &["t_tag", "t_in", "t_out", "tag", "kappa", "opP", "opX", "opY"],
            Self::Paired => &["t_tag", "t_in", "t_out", "tag", "kappa", "opP", "opX", "opY", "laneX", "laneY"],
        }
    }

    /// Advice columns of each phase: those before all challenges, those between `R` and the others, those after all.
    #[must_use]
    pub const fn phases(self) -> [usize; 3] {
        match self {
            Self::Single => [5, 0, 7],
            Self::Paired => [7, 1, 8],
        }
    }

    /// Advice columns.
    #[must_use]
    pub const fn advice(self) -> usize {
        self.advice_names().len()
    }

    /// Fixed columns.
    #[must_use]
    pub const fn fixed(self) -> usize {
        self.fixed_names().len()
    }

    /// Position of `omega` among the advice columns, hence among the commitments of a proof.
    #[must_use]
    pub const fn omega(self) -> usize {
        let [zero, between, _] = self.phases();
        zero + between
    }

    /// Positions of `y`, `z`, `P`, the columns under the copy argument, among the advice columns.
    #[must_use]
    pub const fn copied(self) -> [usize; COPY_COLUMNS] {
        let omega = self.omega();
        let y = match self {
            Self::Single => 2,
            Self::Paired => 5,
        };
        [y, omega + 4, omega + 5]
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A shape, and in tests what is changed of its constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Parameters {
    /// The shape.
    pub shape: Shape,
    /// A constraint left out, to see that a forgery then passes.
    #[cfg(test)]
    pub(crate) without: Option<&'static str>,
}

impl Parameters {
    /// All constraints of a shape.
    #[must_use]
    pub const fn of(shape: Shape) -> Self {
        Self {
            shape,
            #[cfg(test)]
            without: None,
        }
    }
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
    /// Those of [`Shape::Paired`] alone.
    pub(crate) pair: Option<PairColumns>,
    pub(crate) challenges: Challenges<Challenge>,
}

/// What a machine with two lanes has besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairColumns {
    /// `r`, `q`, `y` of the earlier element.
    pub(crate) earlier: [Column<Advice>; 3],
    pub(crate) psi: Column<Advice>,
    pub(crate) lane_x: Column<Fixed>,
    pub(crate) lane_y: Column<Fixed>,
}

impl Machine {
    /// Allocates the columns and creates the gates.
    #[must_use]
    pub fn configure(cs: &mut ConstraintSystem<Fr>, parameters: Parameters) -> Self {
        let inst = cs.instance_column();
        let machine = match parameters.shape {
            Shape::Single => Self::single(cs, inst),
            Shape::Paired => Self::paired(cs, inst),
        };
        for column in [machine.y, machine.z, machine.p] {
            cs.enable_equality(column);
        }
        gates::create(cs, &machine, parameters);
        // `degree()` is clamped by an environment variable of the backend; the minimum is not.
        cs.set_minimum_degree(DEGREE);
        assert_eq!(cs.blinding_factors() + 1, UNUSABLE_ROWS, "the reserved rows follow from the queries");
        machine
    }

    fn single(cs: &mut ConstraintSystem<Fr>, inst: Column<Instance>) -> Self {
        let [r, q, y, e, m] = [(); 5].map(|()| cs.advice_column_in(FirstPhase));
        let [omega, h_w, h_x, h_y, z, p, phi] = [(); 7].map(|()| cs.advice_column_in(SecondPhase));
        let [t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y] = [(); 8].map(|()| cs.fixed_column());
        let challenges = Challenges {
            channel: cs.challenge_usable_after(FirstPhase),
            position: cs.challenge_usable_after(FirstPhase),
            alpha: cs.challenge_usable_after(FirstPhase),
            beta: cs.challenge_usable_after(FirstPhase),
        };
        Self {
            inst,
            r,
            q,
            y,
            e,
            m,
            omega,
            h_w,
            h_x,
            h_y,
            z,
            p,
            phi,
            t_tag,
            t_in,
            t_out,
            tag,
            kappa,
            op_p,
            op_x,
            op_y,
            pair: None,
            challenges,
        }
    }

    fn paired(cs: &mut ConstraintSystem<Fr>, inst: Column<Instance>) -> Self {
        let [r0, q0, y0, r, q, y, m] = [(); 7].map(|()| cs.advice_column_in(FirstPhase));
        let e = cs.advice_column_in(SecondPhase);
        let [omega, h_w, h_x, h_y, z, p, psi, phi] = [(); 8].map(|()| cs.advice_column_in(ThirdPhase));
        let [t_tag, t_in, t_out, tag, kappa, op_p, op_x, op_y, lane_x, lane_y] = [(); 10].map(|()| cs.fixed_column());
        let challenges = Challenges {
            channel: cs.challenge_usable_after(FirstPhase),
            position: cs.challenge_usable_after(SecondPhase),
            alpha: cs.challenge_usable_after(SecondPhase),
            beta: cs.challenge_usable_after(SecondPhase),
        };
        let pair = Some(PairColumns { earlier: [r0, q0, y0], psi, lane_x, lane_y });
        Self {
            inst,
            r,
            q,
            y,
            e,
            m,
            omega,
            h_w,
            h_x,
            h_y,
            z,
            p,
            phi,
            t_tag,
            t_in,
            t_out,
            tag,
            kappa,
            op_p,
            op_x,
            op_y,
            pair,
            challenges,
        }
    }

    /// The fixed columns, in the order of their commitments.
    pub(crate) fn fixed_columns(&self) -> Vec<Column<Fixed>> {
        let common = [self.t_tag, self.t_in, self.t_out, self.tag, self.kappa, self.op_p, self.op_x, self.op_y];
        let pair = self.pair.map(|pair| [pair.lane_x, pair.lane_y]);
        common.into_iter().chain(pair.into_iter().flatten()).collect()
    }

    /// The advice columns of the three phases, in the order of their commitments.
    pub(crate) fn advice_columns(&self) -> [Vec<Column<Advice>>; 3] {
        let Self { r, q, y, e, m, omega, h_w, h_x, h_y, z, p, phi, .. } = *self;
        match self.pair {
            None => [vec![r, q, y, e, m], vec![], vec![omega, h_w, h_x, h_y, z, p, phi]],
            Some(PairColumns { earlier: [r0, q0, y0], psi, .. }) => {
                [vec![r0, q0, y0, r, q, y, m], vec![e], vec![omega, h_w, h_x, h_y, z, p, psi, phi]]
            }
        }
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
    /// The queries of the constraint system of a shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let mut cs = ConstraintSystem::default();
        let _ = Machine::configure(&mut cs, Parameters::of(shape));
        let advice = cs.advice_queries().iter().map(|(column, rotation)| (column.index(), rotation.0 == 1));
        let fixed = cs.fixed_queries().iter().map(|(column, rotation)| (column.index(), rotation.0 == 1));
        Self { advice: advice.collect(), fixed: fixed.collect() }
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
