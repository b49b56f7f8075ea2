//! A program and its witness as a halo2 circuit: one region, absolute rows, one synthesis.

use super::columns::{
    ChallengeValues, copy_position, fixed_columns, phase_one_columns, phase_zero_columns, rim_column,
};
use super::{Challenges, Machine, Parameters};
#[cfg(test)]
use crate::program::AdviceColumn;
use crate::program::{Cell, Program};
use crate::secret::SecretColumn;
use crate::witness::{LaneRows, PhaseOne, PhaseZero, phase_one};
use halo2_proofs::circuit::{Cell as HaloCell, Layouter, Region, SimpleFloorPlanner, Value};
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Advice, Any, Challenge, Circuit, Column, ConstraintSystem, Error};

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
    parameters: Parameters,
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
    pub const fn new(program: &'a Program, witness: Option<PhaseOneInput<'a>>) -> Self {
        Self {
            program,
            witness,
            parameters: Parameters::of(program.layout.shape),
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
        self.parameters.without = Some(constraint);
        self
    }

    fn fixed(&self, machine: &Machine, region: &mut Region<'_, Fr>) {
        for (column, values) in machine.fixed_columns().into_iter().zip(fixed_columns(self.program)) {
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
    pub fn phase_zero_columns(&self) -> Vec<SecretColumn> {
        phase_zero_columns(self.program, self.witness.as_ref().expect("a witness").phase0)
    }

    /// The column that is committed between the challenge `R` and the others: rims summed over channels. `None` if the shape has none.
    ///
    /// # Panics
    /// Without a witness.
    #[must_use]
    pub fn rim_column(&self, channel: Fr) -> Option<SecretColumn> {
        rim_column(self.program, self.witness.as_ref().expect("a witness").phase0, channel)
    }

    /// The columns of phase 1 for these challenges; rows after the one that ends the chains are 0. `None` as [`phase_one`].
    ///
    /// # Panics
    /// Without a witness.
    #[must_use]
    pub fn phase_one_columns(&self, challenges: &ChallengeValues) -> Option<Vec<SecretColumn>> {
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
fn assign(region: &mut Region<'_, Fr>, columns: &[Column<Advice>], values: &[SecretColumn], rows: usize) {
    assert_eq!(columns.len(), values.len());
    for (column, values) in columns.iter().zip(values) {
        for (row, value) in values[..rows].iter().enumerate() {
            region.assign_advice(*column, row, Value::known(*value));
        }
    }
}

/// A challenge, once what it comes after is committed; `None` before.
fn known(region: &Region<'_, Fr>, challenge: Challenge) -> Option<Fr> {
    let mut value = None;
    region.get_challenge(challenge).map(|v| value = Some(v));
    value
}

impl Circuit<Fr> for MachineCircuit<'_> {
    type Config = Machine;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = Parameters;

    fn without_witnesses(&self) -> Self {
        Self { witness: None, ..self.clone() }
    }

    fn params(&self) -> Parameters {
        self.parameters
    }

    fn configure(cs: &mut ConstraintSystem<Fr>) -> Machine {
        Machine::configure(cs, Parameters::default())
    }

    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, parameters: Parameters) -> Machine {
        Machine::configure(cs, parameters)
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
                let rows = self.program.active_rows();
                let [zero, between, one] = machine.advice_columns();
                assign(&mut region, &zero, &self.phase_zero_columns(), rows);
                #[cfg(test)]
                self.assign_wrapped(&machine, &mut region);
                region.next_phase();
                let challenges = &machine.challenges;
                let Some(channel) = known(&region, challenges.channel) else { return Ok(()) };
                if let Some(rims) = self.rim_column(channel) {
                    assign(&mut region, &between, &[rims], rows);
                    region.next_phase();
                }
                let others = [challenges.position, challenges.alpha, challenges.beta].map(|c| known(&region, c));
                let [Some(position), Some(alpha), Some(beta)] = others else { return Ok(()) };
                let challenges = Challenges { channel, position, alpha, beta };
                let phase1 = self.phase_one_columns(&challenges).ok_or(Error::Synthesis)?;
                assign(&mut region, &one, &phase1, rows + 1);
                Ok(())
            },
        )
    }
}
