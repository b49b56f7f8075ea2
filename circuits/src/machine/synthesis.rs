//! A program and its witness as a halo2 circuit: one region, absolute rows, one synthesis.

use super::columns::{
    ChallengeValues, PhaseOneColumns, PhaseZeroColumns, copy_position, fixed_columns, phase_one_columns,
    phase_zero_columns,
};
use super::{Challenges, FIXED_COLUMNS, Machine, Shape};
#[cfg(test)]
use crate::program::AdviceColumn;
use crate::program::{Cell, Program};
use crate::secret::SecretColumn;
use crate::witness::{LaneRows, PhaseOne, PhaseZero, phase_one};
use halo2_proofs::circuit::{Cell as HaloCell, Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Any, Challenge, Circuit, Column, ConstraintSystem, Error, Fixed};

/// What a witness is made of: phase 1 is computed when the challenges are known.
#[derive(Clone, Debug)]
pub struct PhaseOneInput<'a> {
    /// Columns of phase 0.
    pub phase0: &'a PhaseZero,
    /// Weights.
    pub lanes: &'a LaneRows,
    /// Public words.
    pub instance: &'a [Fr],
}

/// Changes phase 1 after it is computed: for tests that forge.
#[doc(hidden)]
pub type Tamper<'a> = &'a (dyn Fn(&mut PhaseOne, &ChallengeValues) + Sync);

/// A program, with a witness when proving.
#[derive(Clone)]
pub struct MachineCircuit<'a> {
    /// The program.
    pub program: &'a Program,
    /// The witness; `None` when making keys.
    pub witness: Option<PhaseOneInput<'a>>,
    shape: Shape,
    tamper: Option<Tamper<'a>>,
    /// Cells of `r` and `q` that no integer of the witness can be.
    #[cfg(test)]
    wrapped: &'a [(AdviceColumn, usize, Fr)],
}

impl std::fmt::Debug for MachineCircuit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MachineCircuit({} rows)", self.program.rows.len())
    }
}

impl<'a> MachineCircuit<'a> {
    /// The circuit of `program`.
    #[must_use]
    pub fn new(program: &'a Program, witness: Option<PhaseOneInput<'a>>) -> Self {
        Self {
            program,
            witness,
            shape: Shape::default(),
            tamper: None,
            #[cfg(test)]
            wrapped: &[],
        }
    }

    /// The circuit with phase 1 changed by `tamper` before it is committed: an attack, for tests.
    #[must_use]
    #[doc(hidden)]
    pub fn tampered(mut self, tamper: Tamper<'a>) -> Self {
        self.tamper = Some(tamper);
        self
    }

    /// The circuit with some cells of `r` and `q` replaced after phase 1 is computed from the others.
    #[cfg(test)]
    pub(crate) fn wrapped(mut self, cells: &'a [(AdviceColumn, usize, Fr)]) -> Self {
        self.wrapped = cells;
        self
    }

    #[cfg(test)]
    fn assign_wrapped(&self, machine: &Machine, region: &mut Region<'_, Fr>) {
        for (column, row, value) in self.wrapped {
            let column = match column {
                AdviceColumn::R => machine.r,
                AdviceColumn::Q => machine.q,
                other => panic!("{other:?} holds field elements or signed integers anyway"),
            };
            region.assign_advice(column, *row, Value::known(*value));
        }
    }

    #[cfg(test)]
    pub(crate) fn without(mut self, constraint: &'static str) -> Self {
        self.shape.without = Some(constraint);
        self
    }

    fn fixed(&self, machine: &Machine, region: &mut Region<'_, Fr>) {
        let columns: [Column<Fixed>; FIXED_COLUMNS] = [
            machine.t_tag,
            machine.t_in,
            machine.t_out,
            machine.tag,
            machine.kappa,
            machine.op_p,
            machine.op_x,
            machine.op_y,
        ];
        for (column, values) in columns.into_iter().zip(fixed_columns(self.program)) {
            for (row, value) in values.into_iter().enumerate() {
                region.assign_fixed(column, row, value);
            }
        }
    }

    /// The columns of phase 0; rows that are not active are 0.
    ///
    /// # Panics
    /// Without a witness.
    #[must_use]
    pub fn phase_zero_columns(&self) -> PhaseZeroColumns {
        phase_zero_columns(self.program.k, self.witness.as_ref().expect("a witness").phase0)
    }

    /// The columns of phase 1 for these challenges; rows after the one that ends the chains are 0. `None` as [`phase_one`].
    ///
    /// # Panics
    /// Without a witness.
    #[must_use]
    pub fn phase_one_columns(&self, challenges: &ChallengeValues) -> Option<PhaseOneColumns> {
        let witness = self.witness.as_ref().expect("a witness");
        let mut phase1 = phase_one(self.program, witness.phase0, witness.lanes, challenges, witness.instance)?;
        if let Some(tamper) = self.tamper {
            tamper(&mut phase1, challenges);
        }
        Some(phase_one_columns(self.program.k, phase1))
    }

    fn copies(&self, machine: &Machine, region: &mut Region<'_, Fr>) {
        let cell = |cell: Cell| {
            let column = [machine.y, machine.z, machine.p][copy_position(cell)];
            HaloCell { row_offset: cell.row(), column: Column::<Any>::from(column) }
        };
        for (a, b) in self.program.copies() {
            region.constrain_equal(cell(a), cell(b));
        }
    }
}

/// Assigns the first `rows` cells of each column: the others are halo2's to fill.
fn assign<const N: usize>(
    region: &mut Region<'_, Fr>,
    columns: [Column<Advice>; N],
    values: &[SecretColumn; N],
    rows: usize,
) {
    for (column, values) in columns.into_iter().zip(values) {
        for (row, value) in values[..rows].iter().enumerate() {
            region.assign_advice(column, row, Value::known(*value));
        }
    }
}

/// The challenges, once all phase-0 columns are committed; `None` before.
fn known_challenges(machine: &Machine, region: &Region<'_, Fr>) -> Option<ChallengeValues> {
    let known = |challenge: Challenge| {
        let mut value = None;
        region.get_challenge(challenge).map(|v| value = Some(v));
        value
    };
    Some(Challenges {
        channel: known(machine.challenges.channel)?,
        position: known(machine.challenges.position)?,
        alpha: known(machine.challenges.alpha)?,
        beta: known(machine.challenges.beta)?,
    })
}

impl Circuit<Fr> for MachineCircuit<'_> {
    type Config = Machine;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Shape;

    fn without_witnesses(&self) -> Self {
        Self { witness: None, ..self.clone() }
    }

    fn params(&self) -> Shape {
        self.shape
    }

    fn configure(cs: &mut ConstraintSystem<Fr>) -> Machine {
        Machine::configure(cs, Shape::default())
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, shape: Shape) -> Machine {
        Machine::configure(cs, shape)
    }

    fn synthesize(&self, machine: Machine, mut layouter: impl Layouter<Fr>) -> Result<(), Error> {
        layouter.assign_region(
            || "machine",
            |mut region| {
                self.fixed(&machine, &mut region);
                self.copies(&machine, &mut region);
                if self.witness.is_none() {
                    return Ok(());
                }
                let m = &machine;
                let rows = self.program.active_rows();
                assign(&mut region, [m.r, m.q, m.y, m.e, m.m], &self.phase_zero_columns(), rows);
                #[cfg(test)]
                self.assign_wrapped(&machine, &mut region);
                region.next_phase();
                let Some(challenges) = known_challenges(&machine, &region) else { return Ok(()) };
                let phase1 = self.phase_one_columns(&challenges).ok_or(Error::Synthesis)?;
                assign(&mut region, [m.omega, m.h_w, m.h_x, m.h_y, m.z, m.p, m.phi], &phase1, rows + 1);
                Ok(())
            },
        )
    }
}
