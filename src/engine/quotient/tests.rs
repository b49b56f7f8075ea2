//! The straight-line code against the constraint system.

use super::*;
use crate::engine::lanes::{Budget, One, run};
use halo2_proofs::plonk::{ConstraintSystem, Expression};
use inferproof_circuits::machine::{Machine, Parameters};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Columns of any values, with opcodes as they are on rows in the first half.
struct Case {
    shape: Shape,
    columns: Vec<Vec<Fr>>,
    constants: Constants,
    points: Vec<Fr>,
    lagrange: [Vec<Fr>; 2],
}

impl Case {
    fn new(shape: Shape, n: usize, rng: &mut StdRng) -> Self {
        let edges = [Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2), Fr::from(3)];
        let mut column = |i: usize| -> Vec<Fr> {
            let mut cell = || if i.is_multiple_of(2) { Fr::random(&mut *rng) } else { edges[rng.gen_range(0..5)] };
            (0..n).map(|_| cell()).collect()
        };
        let fixed = shape.advice() + shape.fixed();
        let mut columns: Vec<Vec<Fr>> = (0..fixed + COPY_COLUMNS + 3).map(&mut column).collect();
        let (points, lagrange) = (column(0), [column(0), column(0)]);
        for op in &mut columns[shape.advice() + 5..fixed] {
            op[..n / 2].iter_mut().for_each(|cell| *cell = Fr::from(rng.gen_range(0..4)));
        }
        let mut random = || Fr::random(&mut *rng);
        let [channel, position, alpha, beta] = [(); 4].map(|()| random());
        let machine = Challenges { channel, position, alpha, beta };
        let challenges = QuotientChallenges { machine, beta: random(), gamma: random(), y: random() };
        Self { shape, columns, constants: Constants::new(shape, &challenges, random()), points, lagrange }
    }

    fn fold(&self, fold: impl Fn(Fold<'_>)) -> Vec<Fr> {
        let mut out = vec![Fr::ZERO; self.points.len()];
        let column = |index: usize| &self.columns[index][..];
        let (advice, fixed) = (self.shape.advice(), self.shape.advice() + self.shape.fixed());
        let columns = Columns {
            shape: self.shape,
            advice: (0..advice).map(column).collect(),
            fixed: (advice..fixed).map(column).collect(),
            permutation: std::array::from_fn(|i| column(fixed + i)),
            instance: column(fixed + COPY_COLUMNS),
            product: column(fixed + COPY_COLUMNS + 1),
            usable: column(fixed + COPY_COLUMNS + 2),
        };
        let half = out.len() / 2;
        for (first, out) in [0, half].into_iter().zip(out.chunks_mut(half)) {
            let rows = first..first + half;
            fold(Fold {
                constants: &self.constants,
                columns: &columns,
                first,
                points: &self.points[rows.clone()],
                lagrange: [&self.lagrange[0][rows.clone()], &self.lagrange[1][rows]],
                out,
            });
        }
        out
    }

    fn by_expression(&self, constraint: &Expression<Fr>, row: usize) -> Fr {
        let n = self.points.len();
        let (advice, fixed) = (self.shape.advice(), self.shape.advice() + self.shape.fixed());
        let at = |column: usize, rotation: i32| self.columns[column][(row + rotation as usize) % n];
        let Challenges { channel, position, alpha, beta } = self.constants.machine;
        constraint.evaluate(
            &|constant| constant,
            &|_| panic!("no selectors"),
            &|query| at(advice + query.column_index(), query.rotation().0),
            &|query| at(query.column_index(), query.rotation().0),
            &|query| at(fixed + COPY_COLUMNS, query.rotation().0),
            &|challenge| [channel, position, alpha, beta][challenge.index()],
            &|a| -a,
            &|a, b| a + b,
            &|a, b| a * b,
            &|a, scale| a * scale,
        )
    }
}

#[test]
fn the_same_constraints_as_the_constraint_system() {
    let mut rng = StdRng::seed_from_u64(8);
    for shape in Shape::ALL {
        let mut cs = ConstraintSystem::default();
        let _ = Machine::configure(&mut cs, Parameters::of(shape));
        let own: Vec<_> = cs.gates().iter().flat_map(|gate| gate.polynomials()).collect();
        assert_eq!(own.len(), constraints(shape));
        for _ in 0..4 {
            let mut case = Case::new(shape, 32, &mut rng);
            case.constants.copies = [Fr::ZERO; COPY_CONSTRAINTS];
            for (index, constraint) in own.iter().enumerate() {
                let weight = Fr::random(&mut rng);
                case.constants.weights.fill(Fr::ZERO);
                case.constants.weights[index] = weight;
                for (row, value) in case.fold(|fold| fold.run(One)).into_iter().enumerate() {
                    let expected = weight * case.by_expression(constraint, row);
                    assert_eq!(value, expected, "{shape:?}, constraint {index}, row {row}");
                }
            }
        }
    }
}

/// All lanes compute the same, and no sum grows beyond what sixteen of them can hold.
#[test]
fn any_number_of_lanes() {
    let mut rng = StdRng::seed_from_u64(9);
    for (shape, n) in Shape::ALL.into_iter().flat_map(|shape| [32, 64, 256].map(|n| (shape, n))) {
        let case = Case::new(shape, n, &mut rng);
        let one = case.fold(|fold| fold.run(One));
        assert_eq!(one, case.fold(|fold| run(fold)));
        assert_eq!(one, case.fold(|fold| fold.run(Budget)));
    }
}
