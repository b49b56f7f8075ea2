//! A program and its witness as a halo2 circuit: one region, absolute rows, one synthesis.

use super::{Challenges, Machine, Shape};
use crate::integer::to_field;
#[cfg(test)]
use crate::program::AdviceColumn;
use crate::program::{Cell, ChainOp, ProductOp, Program, Row};
use crate::witness::{ChallengeValues, LaneRows, PhaseOne, PhaseZero, phase_one};
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
        let default = Row::default();
        for row in 0..self.program.active_rows() {
            let r = self.program.rows.get(row).unwrap_or(&default);
            let (t_tag, t_in, t_out) = self.program.table.rows().get(row).copied().unwrap_or_default();
            let cells: [(Column<Fixed>, Fr); 8] = [
                (machine.t_tag, Fr::from(t_tag)),
                (machine.t_in, to_field(t_in)),
                (machine.t_out, to_field(t_out)),
                (machine.tag, Fr::from(r.tag)),
                (machine.kappa, Fr::from(r.kappa)),
                (machine.op_p, Fr::from(product_code(r.product))),
                (machine.op_x, Fr::from(chain_code(r.x))),
                (machine.op_y, Fr::from(chain_code(r.y) + 1)),
            ];
            for (column, value) in cells {
                region.assign_fixed(column, row, value);
            }
        }
    }

    fn copies(&self, machine: &Machine, region: &mut Region<'_, Fr>) {
        let cell = |cell: Cell| {
            let column = match cell {
                Cell::Y(_) => machine.y,
                Cell::Z(_) => machine.z,
                Cell::P(_) => machine.p,
            };
            HaloCell { row_offset: cell.row(), column: Column::<Any>::from(column) }
        };
        for (a, b) in self.program.copies() {
            region.constrain_equal(cell(a), cell(b));
        }
    }
}

const fn product_code(op: ProductOp) -> u64 {
    match op {
        ProductOp::None => 0,
        ProductOp::Hold => 1,
        ProductOp::Product => 2,
        ProductOp::Fma => 3,
    }
}

const fn chain_code(op: ChainOp) -> u64 {
    match op {
        ChainOp::Reset => 0,
        ChainOp::StepU => 1,
        ChainOp::StepZ => 2,
    }
}

fn assign(region: &mut Region<'_, Fr>, column: Column<Advice>, values: impl Iterator<Item = Fr>) {
    for (row, value) in values.enumerate() {
        region.assign_advice(column, row, Value::known(value));
    }
}

fn assign_phase0(machine: &Machine, region: &mut Region<'_, Fr>, w: &PhaseZero) {
    assign(region, machine.r, w.r.iter().map(|v| Fr::from(*v)));
    assign(region, machine.q, w.q.iter().map(|v| Fr::from(*v)));
    assign(region, machine.y, w.y.iter().map(|v| to_field(*v)));
    assign(region, machine.e, (0..w.e.len()).map(|row| w.rim(row)));
    assign(region, machine.m, w.m.iter().map(|v| Fr::from(*v)));
}

fn assign_phase1(machine: &Machine, region: &mut Region<'_, Fr>, w: &PhaseOne) {
    let columns = [
        (machine.omega, &w.omega),
        (machine.h_w, &w.h_w),
        (machine.h_x, &w.h_x),
        (machine.h_y, &w.h_y),
        (machine.z, &w.z),
        (machine.p, &w.p),
        (machine.phi, &w.phi),
    ];
    for (column, values) in columns {
        assign(region, column, values.iter().copied());
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
                let Some(witness) = &self.witness else { return Ok(()) };
                assign_phase0(&machine, &mut region, witness.phase0);
                #[cfg(test)]
                self.assign_wrapped(&machine, &mut region);
                region.next_phase();
                let Some(challenges) = known_challenges(&machine, &region) else { return Ok(()) };
                let phase1 = phase_one(self.program, witness.phase0, witness.lanes, &challenges, witness.instance);
                let mut phase1 = phase1.ok_or(Error::Synthesis)?;
                if let Some(tamper) = self.tamper {
                    tamper(&mut phase1, &challenges);
                }
                assign_phase1(&machine, &mut region, &phase1);
                Ok(())
            },
        )
    }
}
